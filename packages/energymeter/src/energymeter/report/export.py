"""A stored run in the formats of other tools."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from energymeter.errors import ConfigurationError
from energymeter.report.frames import records, to_frame
from energymeter.report.jsonform import json_report
from energymeter.report.trace import trace
from energymeter.run import Run
from energymeter.textformat import Family, document

__all__ = ["BINARY", "TEXTS", "as_csv", "bench", "export", "openmetrics"]

PROVENANCE = 'provenance="modelled" is an estimate'


def export(run: Run, form: str, table: str = "ledger", output: Path | None = None) -> str | Path:
    """Export a run.

    Parameters
    ----------
    form : str
        One of `TEXTS` or `BINARY`.
    table : str
        For csv and parquet: ledger, regions, phases, steps or samples.
    output : Path, optional
        Where to write; default for `BINARY`: the run's name in the working folder.

    Returns
    -------
    The text, if it was not written; otherwise the file.

    Raises
    ------
    ConfigurationError
        If there is no such format or table.
    """
    if form in BINARY:
        path = output or Path(f"{run.run_id}.{'h5' if form == 'hdf5' else form}")
        if form == "hdf5":
            return run.to_hdf5(path)
        to_frame(run, table).to_parquet(path)
        return path
    if form not in TEXTS:
        raise ConfigurationError(f"format {form!r}: use one of {', '.join((*TEXTS, *BINARY))}")
    text = TEXTS[form](run, table)
    if output is None:
        return text
    output.write_text(text)
    return output


def as_csv(run: Run, table: str) -> str:
    """One of the tables of a run."""
    rows = records(run, table)
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return text.getvalue()


def bench(run: Run) -> str:
    """For tools that follow benchmarks over commits: a list of name, unit, value and range."""
    result = run.result
    total = result.total
    note = " (estimate)" if total.is_estimate else ""
    spread = {"range": f"{total.low:.6g} ... {total.high:.6g}"}
    entries: list[dict[str, Any]] = [
        {"name": f"{run.label}: energy{note}", "unit": "J", "value": total.joules, **spread},
        {"name": f"{run.label}: time", "unit": "s", "value": result.seconds},
    ]
    for phase in result.phases:
        if phase.samples:
            name = f"{run.label}: {phase.name}, energy per sample{note}"
            entries.append({"name": name, "unit": "J/sample", "value": phase.per_sample})
    return json.dumps(entries, indent=1) + "\n"


def openmetrics(run: Run) -> str:
    """The ledger of each node as OpenMetrics text."""
    energy = Family("energymeter_energy_joules", "counter", "joules", PROVENANCE)
    power = Family("energymeter_power_watts", "gauge", "watts", PROVENANCE)
    coverage = Family("energymeter_coverage_ratio", "gauge", "ratio")
    missed = Family("energymeter_samples_missed", "counter")
    for node, result in zip(run.nodes, run.result.nodes, strict=True):
        place = {"run": run.run_id, "node": node.key}
        for row in result.ledger.counted:
            labels = {**place, "component": row.component, "class": row.kind}
            labels["provenance"] = row.provenance.value
            energy.add(row.joules, labels)
            power.add(row.joules / max(result.ledger.seconds, 1e-9), labels)
            coverage.add(row.coverage, labels)
        stops = [event for event in node.events if event["event"] == "stop"]
        missed.add(sum(int(event["missed"]) for event in stops), place)
    return document([energy, power, coverage, missed])


TEXTS: dict[str, Callable[[Run, str], str]] = {
    "csv": as_csv,
    "json": lambda run, _table: json_report(run),
    "openmetrics": lambda run, _table: openmetrics(run),
    "bench": lambda run, _table: bench(run),
    "trace": lambda run, _table: trace(run),
}
BINARY = ("parquet", "hdf5")
