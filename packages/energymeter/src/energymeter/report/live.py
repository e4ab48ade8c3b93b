"""A line about a run that goes on."""

from __future__ import annotations

from energymeter.report import units
from energymeter.run import Run

__all__ = ["live_line"]


def live_line(run: Run, seconds: float) -> str:
    """Time, energy so far, and the powers of the last `seconds` by component.

    Parameters
    ----------
    seconds : float
        Over which powers are averaged, up to the last reading.
    """
    result = run.result
    watts: dict[str, float] = {}
    for node in run.nodes:
        stop = node.window[1]
        start = max(node.window[0], stop - int(seconds * 1e9))
        if stop > start:
            for row in node.ledger(start, stop).counted:
                power = row.joules / ((stop - start) / 1e9)
                watts[row.component] = watts.get(row.component, 0.0) + power
    mark = "~" if result.total.is_estimate else ""
    estimate = " (estimate)" if mark else ""
    parts = ", ".join(f"{name.removeprefix('node/')} {units.power(w)}" for name, w in watts.items())
    energy = f"{mark}{units.energy(result.total.joules)}{estimate}"
    total = f"{mark}{units.power(sum(watts.values()))}"
    return f"{units.duration(result.seconds)}: {energy}, {total} ({parts or 'no readings'})"
