"""JSON and CSV reports."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from energymeter.analysis.summary import EnergyEstimate
from energymeter.cost import totals
from energymeter.run import SCHEMA, Run

if TYPE_CHECKING:
    from energymeter.cost import Rates

__all__ = ["csv_report", "json_report", "ledger_records", "result_values"]

LEDGER: tuple[str, ...] = (
    "component",
    "class",
    "joules",
    "low_J",
    "high_J",
    "u_random_J",
    "u_systematic_J",
)
LEDGER += ("share", "provenance", "method", "coverage", "counted", "unused", "idle_J")


def ledger_records(run: Run) -> list[dict[str, Any]]:
    """One record for each component; estimates have the word in `provenance` and `method`."""
    total = run.result.total.joules
    return [
        {
            "component": row.component,
            "class": row.kind,
            "joules": row.joules,
            "low_J": row.low,
            "high_J": row.high,
            "u_random_J": row.u_random,
            "u_systematic_J": row.u_systematic,
            "share": row.joules / total if row.counted and total else None,
            "provenance": row.provenance.value,
            "method": row.method,
            "coverage": row.coverage,
            "counted": row.counted,
            "unused": row.unused,
            "idle_J": row.idle,
        }
        for row in run.result.rows
    ]


def result_values(
    run: Run, rates: Rates | None = None, attribution: str | None = None
) -> dict[str, Any]:
    """Everything of a report as plain values; the schema is ``energymeter/1``."""
    result = run.result
    values: dict[str, Any] = {
        "schema": SCHEMA,
        "run": {**run.manifest, "status": run.status, "node_type": run.node_type},
        "seconds": result.seconds,
        "total": _estimate(result.total),
        "measured_J": result.measured,
        "estimate_J": result.modelled,
        "unused_accelerators_J": result.unused_accelerators,
        "ledger": ledger_records(run),
        "nodes": [
            {
                "key": node.key,
                "type": node.node_type,
                "total": _estimate(node.total),
                "seconds": (node.window[1] - node.window[0]) / 1e9,
                "cross_checks": [asdict(check) for check in node.ledger.cross_checks],
            }
            for node in result.nodes
        ],
        "phases": [{**asdict(p), "J_per_sample": p.per_sample} for p in result.phases],
        "regions": [{**asdict(r), "J_per_sample": r.per_sample} for r in result.regions],
        "outside_J": result.outside,
        "rank_J": {str(rank): joules for rank, joules in result.rank_joules.items()},
        "warnings": list(result.warnings),
    }
    part = run.job_part(attribution)
    if part.mode != "exclusive":
        values["job"] = {**asdict(part), "provenance": "derived"}
    if rates is not None:
        found = totals(run, rates)
        unit = rates.price.unit if rates.price else ""
        values["cost"] = {**asdict(found), "unit": unit, "pue": rates.pue}
    return values


def json_report(run: Run, rates: Rates | None = None, attribution: str | None = None) -> str:
    """The result as JSON."""
    values = result_values(run, rates, attribution)
    return json.dumps(_without_nan(values), indent=1) + "\n"


def csv_report(run: Run) -> str:
    """The ledger as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, LEDGER, lineterminator="\n")
    writer.writeheader()
    writer.writerows(ledger_records(run))
    return text.getvalue()


def _estimate(total: EnergyEstimate) -> dict[str, Any]:
    return {
        "joules": total.joules,
        "u_random_J": total.u,
        "low_J": total.low,
        "high_J": total.high,
        "provenance": total.provenance.value,
        "estimate": total.is_estimate,
        "resolved": total.resolved,
    }


def _without_nan(value: Any) -> Any:
    """JSON has no NaN: null."""
    if isinstance(value, dict):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
