"""Cost and carbon, from figures that the user gives; the ledger itself is never changed by them."""

from __future__ import annotations

import csv
import datetime as dt
import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from energymeter.errors import ConfigurationError

if TYPE_CHECKING:
    from energymeter.run import Run

__all__ = ["Rates", "Series", "Totals", "cost_lines", "totals"]

JOULES_PER_KWH = 3.6e6


@dataclass(frozen=True)
class Series:
    """A value per kWh that is constant, or changes stepwise at times (ns since 1970)."""

    values: tuple[float, ...]
    times: tuple[int, ...] = ()
    unit: str = ""

    @classmethod
    def parse(cls, text: str, what: str, unit: str) -> Series:
        """From ``350``, ``0.30:EUR`` or a CSV file of time (ISO 8601, UTC) and value.

        Raises
        ------
        ConfigurationError
            If it is neither.
        """
        number, _, given = text.partition(":")
        try:
            value = float(number)
        except ValueError:
            return cls._read(Path(text), what, unit)
        if not math.isfinite(value) or value < 0:
            raise ConfigurationError(f"{what}: {text} must be finite and not negative")
        return cls((value,), (), given or unit)

    @classmethod
    def _read(cls, path: Path, what: str, unit: str) -> Series:
        try:
            with path.open(newline="") as file:
                rows = [row for row in csv.reader(file) if row]
            body = rows[1:] if rows and not rows[0][0][:1].isdigit() else rows
            pairs = sorted((_nanoseconds(row[0]), float(row[1])) for row in body)
        except (OSError, ValueError, IndexError) as error:
            hint = "give a number, or a CSV file with lines 2026-01-31T12:00:00Z,value"
            raise ConfigurationError(f"{what}: {path}: {error}; {hint}") from error
        if not pairs:
            raise ConfigurationError(f"{what}: {path} has no values")
        return cls(tuple(v for _, v in pairs), tuple(t for t, _ in pairs), unit)

    def pieces(self, start: int, stop: int) -> list[tuple[int, int, float]]:
        """Intervals of [start, stop] and their values.

        The last value holds for as long as the one before it did.

        Raises
        ------
        ConfigurationError
            If a part of the interval is outside of the series.
        """
        if not self.times:
            return [(start, stop, self.values[0])]
        last = self.times[-1] + (self.times[-1] - self.times[-2] if len(self.times) > 1 else 0)
        if start < self.times[0] or (stop > last and len(self.times) > 1):
            raise ConfigurationError(
                f"the series goes from {_iso(self.times[0])} to {_iso(last)}, "
                f"the run from {_iso(start)} to {_iso(stop)}: the rest is missing"
            )
        first = bisect_right(self.times, start) - 1
        edges = [start, *(t for t in self.times[first + 1 :] if t < stop), stop]
        return [(a, b, self.values[first + k]) for k, (a, b) in enumerate(pairwise(edges))]


@dataclass(frozen=True)
class Rates:
    """Power usage effectiveness of the building, and what a kWh emits (g) and costs."""

    pue: float = 1.0
    carbon: Series | None = None
    price: Series | None = None

    @classmethod
    def parse(cls, pue: float, carbon: str, price: str) -> Rates:
        """From the texts of the command line.

        Raises
        ------
        ConfigurationError
            If one of them cannot be understood.
        """
        if not (math.isfinite(pue) and pue >= 1):
            raise ConfigurationError(f"pue={pue}: it is 1 or more")
        return cls(
            pue,
            Series.parse(carbon, "carbon", "g") if carbon else None,
            Series.parse(price, "price", "") if price else None,
        )


@dataclass(frozen=True)
class Totals:
    """Energy of the facility in J, and what was emitted (g) and paid; None: not asked for."""

    facility: float
    carbon: float | None
    price: float | None


def totals(run: Run, rates: Rates) -> Totals:
    """Σ E_k · PUE · rate(t_k) over the intervals in which the rates are constant."""
    carbon = _total(run, rates.carbon) if rates.carbon else None
    price = _total(run, rates.price) if rates.price else None
    scale = rates.pue / JOULES_PER_KWH
    return Totals(
        run.result.total.joules * rates.pue,
        None if carbon is None else carbon * scale,
        None if price is None else price * scale,
    )


def cost_lines(run: Run, rates: Rates) -> list[str]:
    """Lines for a report."""
    found = totals(run, rates)
    estimate = " (from an estimate)" if run.result.total.is_estimate else ""
    lines = []
    if rates.pue != 1.0:
        energy = found.facility / JOULES_PER_KWH
        lines.append(f"with PUE {rates.pue:g}: {energy:.4g} kWh{estimate}")
    if found.carbon is not None:
        lines.append(f"carbon: {found.carbon:.4g} g CO2e{estimate}")
    if found.price is not None and rates.price is not None:
        lines.append(f"cost: {found.price:.4g} {rates.price.unit}".rstrip() + estimate)
    return lines


def _total(run: Run, series: Series) -> float:
    import numpy as np

    joules = 0.0
    for node, result in zip(run.nodes, run.result.nodes, strict=True):
        offset = node.clock_offset
        energy = node.node_energy(result.ledger, result.window[0])
        start, stop = result.window
        for a, b, value in series.pieces(start + offset, stop + offset):
            edges = np.array([a - offset, b - offset])
            joules += value * float(np.diff(energy(edges))[0])
    return joules


def _nanoseconds(text: str) -> int:
    moment = dt.datetime.fromisoformat(text.strip())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return int(moment.timestamp() * 1e9)


def _iso(time: int) -> str:
    return dt.datetime.fromtimestamp(time / 1e9, dt.UTC).isoformat(timespec="seconds")
