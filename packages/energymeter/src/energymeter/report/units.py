"""Energies, powers and times as people read them."""

from __future__ import annotations

import math

__all__ = ["duration", "energy", "kwh", "power", "share", "with_interval"]

SCALES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"))


def scaled(value: float, unit: str, digits: int = 4) -> str:
    """A number with a prefix: 1234 J is 1.234 kJ."""
    if math.isnan(value):
        return "n/a"
    if value == 0:
        return f"0 {unit}"
    for factor, prefix in SCALES:
        if abs(value) >= 0.99995 * factor:
            return f"{value / factor:.{digits}g} {prefix}{unit}"
    return f"{value:.{digits}g} {unit}"


def energy(joules: float) -> str:
    """In J, kJ, MJ."""
    return scaled(joules, "J")


def power(watts: float) -> str:
    """In W, kW."""
    return scaled(watts, "W")


def kwh(joules: float) -> str:
    """In kWh or Wh, never as 0.000."""
    hours = joules / 3600
    return f"{hours / 1000:.4g} kWh" if abs(hours) >= 1000 else scaled(hours, "Wh")


def duration(seconds: float) -> str:
    """In s, min, h."""
    if math.isnan(seconds):
        return "n/a"
    if seconds >= 3600:
        return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"
    if seconds >= 120:
        return f"{int(seconds // 60)} min {seconds % 60:.0f} s"
    return scaled(seconds, "s")


def share(part: float, whole: float) -> str:
    """In per cent."""
    return f"{part / whole:.1%}" if whole else "n/a"


def with_interval(joules: float, low: float, high: float, estimate: bool) -> str:
    """An energy, and the interval that it lies in; estimates say so."""
    if estimate:
        return f"~{energy(joules)} (estimate, {energy(low)} ... {energy(high)})"
    return f"{energy(joules)} ± {energy((high - low) / 2)}"
