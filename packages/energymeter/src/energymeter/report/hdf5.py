"""A run in one HDF5 file, from which everything can be computed again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from energymeter.analysis.attribution import Instance
from energymeter.analysis.events import Mark, ProcessEvents, Step
from energymeter.analysis.nodes import NodeData, Series
from energymeter.errors import RunError
from energymeter.report.frames import records
from energymeter.run import SCHEMA, Run
from energymeter.sensors import Sensor

__all__ = ["read_hdf5", "write_hdf5"]


def write_hdf5(run: Run, path: Path) -> Path:
    """Write readings, events and results; the file appears complete or not at all."""
    import h5py

    temporary = path.with_name(f".{path.name}.new")
    with h5py.File(temporary, "w") as file:
        file.attrs["schema"] = SCHEMA
        file.attrs["manifest"] = json.dumps(dict(run.manifest))
        file.attrs["status"] = run.status
        file.attrs["problems"] = json.dumps(run.problems)
        for node in run.nodes:
            _write_node(file.create_group(f"nodes/{node.key}"), node)
        file["events"] = json.dumps([asdict(process) for process in run.processes])
        for table in ("ledger", "regions", "phases"):
            group = file.create_group(table)
            for name, values in _columns(records(run, table)).items():
                group[name] = values
    temporary.replace(path)
    return path


def read_hdf5(path: Path) -> Run:
    """Read a run back.

    Raises
    ------
    RunError
        If it is no file of this package.
    """
    import h5py

    with h5py.File(path) as file:
        if str(file.attrs.get("schema", "")).split(".")[0] != SCHEMA:
            raise RunError(f"{path} is no run of energymeter, schema {SCHEMA}")
        nodes = [_read_node(key, group) for key, group in file.get("nodes", {}).items()]
        processes = [_process(values) for values in json.loads(file["events"][()])]
        manifest = json.loads(file.attrs["manifest"])
        problems = tuple(json.loads(file.attrs["problems"]))
    return Run(path, manifest, tuple(nodes), tuple(processes), problems)


def _write_node(group: Any, node: NodeData) -> None:
    group.attrs["node_type"] = node.node_type
    group["header"] = json.dumps(dict(node.header))
    group["events"] = json.dumps(node.events)
    group["problems"] = json.dumps(node.problems)
    for index, (sensor, series) in enumerate(zip(node.sensors, node.series, strict=True)):
        place = group.create_group(f"sensors/{index}")
        place.attrs["descriptor"] = json.dumps(sensor.to_dict())
        place["t_ns"], place["raw"], place["status"] = series.times, series.raws, series.statuses
    for curve in node.curves:
        place = group.require_group(f"energy/{curve.sensor.id.replace('/', '_')}")
        place["t_ns"], place["joules"] = curve.times, curve.joules


def _read_node(key: str, group: Any) -> NodeData:
    sensors, series = [], []
    places = group.get("sensors", {})
    for index in range(len(places)):
        place = places[str(index)]
        sensors.append(Sensor.from_dict(json.loads(place.attrs["descriptor"])))
        series.append(Series(place["t_ns"][()], place["raw"][()], place["status"][()]))
    return NodeData(
        key,
        json.loads(group["header"][()]),
        tuple(sensors),
        tuple(series),
        tuple(json.loads(group["events"][()])),
        tuple(json.loads(group["problems"][()])),
    )


def _process(values: dict[str, Any]) -> ProcessEvents:
    instances = []
    for entry in values["instances"]:
        parent = tuple(entry["parent"]) if entry["parent"] else None
        instances.append(Instance(**{**entry, "key": tuple(entry["key"]), "parent": parent}))
    steps = tuple(Step(**entry) for entry in values["steps"])
    marks = tuple(Mark(**entry) for entry in values["marks"])
    return ProcessEvents(
        values["node"], values["rank"], values["pid"], tuple(instances), steps, marks
    )


def _columns(rows: list[dict[str, Any]]) -> dict[str, Any]:
    if not rows:
        return {}
    columns: dict[str, Any] = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        if isinstance(values[0], str):
            columns[name] = [str(value) for value in values]
        else:
            columns[name] = np.array([np.nan if v is None else v for v in values])
    return columns
