"""Data frames (pandas) of what a run holds."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from energymeter.errors import ConfigurationError
from energymeter.report.jsonform import ledger_records
from energymeter.run import Run

__all__ = ["records", "to_frame"]

WHAT = ("ledger", "regions", "phases", "steps", "samples")


def to_frame(run: Run, what: str) -> Any:
    """A data frame.

    Raises
    ------
    ConfigurationError
        If there is no such table.
    """
    import pandas as pd

    return pd.DataFrame(records(run, what))


def records(run: Run, what: str) -> list[dict[str, Any]]:
    """One record for each line of a table."""
    marked = {"estimate": run.result.total.is_estimate}
    if what == "ledger":
        return ledger_records(run)
    if what == "regions":
        return [{**asdict(r), "J_per_sample": r.per_sample, **marked} for r in run.regions()]
    if what == "phases":
        return [{**asdict(p), "J_per_sample": p.per_sample, **marked} for p in run.phases()]
    if what == "steps":
        return [
            {"rank": process.rank, **asdict(step)}
            for process in run.processes
            for step in process.steps
        ]
    if what == "samples":
        return [
            {"node": n.key, "sensor": s.id, "t_ns": int(t), "raw": int(r), "status": int(code)}
            for n in run.nodes
            for s, v in zip(n.sensors, n.series, strict=True)
            for t, r, code in zip(v.times, v.raws, v.statuses, strict=True)
        ]
    raise ConfigurationError(f"table {what!r}: use one of {', '.join(WHAT)}")
