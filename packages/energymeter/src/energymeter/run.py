"""A stored run: reading it, and everything that is computed from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from energymeter.errors import RunError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from energymeter.analysis.events import ProcessEvents
    from energymeter.analysis.ledger import Row
    from energymeter.analysis.nodes import NodeData
    from energymeter.analysis.sharing import JobPart
    from energymeter.analysis.summary import PhaseResult, RegionResult, Result

__all__ = ["SCHEMA", "Run", "latest_run", "load"]

SCHEMA = "energymeter/1"


@dataclass(frozen=True)
class Run:
    """A run as it was stored; energies are computed when they are asked for.

    Attributes
    ----------
    path : Path
        Run directory, or HDF5 file.
    manifest : mapping
        Label, command, start, configuration.
    nodes : tuple of NodeData
    processes : tuple of ProcessEvents
    """

    path: Path
    manifest: Mapping[str, Any]
    nodes: tuple[NodeData, ...]
    processes: tuple[ProcessEvents, ...]
    problems: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Name of the workload."""
        return str(self.manifest["label"])

    @property
    def run_id(self) -> str:
        """Name of the run."""
        return str(self.manifest["run_id"])

    @property
    def status(self) -> str:
        """How it ended: an exit status, or what is known instead."""
        codes = [e["status"] for n in self.nodes for e in n.events if e["event"] == "end"]
        if codes:
            return f"exit status {codes[-1]}"
        if not all(node.complete for node in self.nodes) or not self.nodes:
            return "unfinished or killed"
        reasons = [e["reason"] for n in self.nodes for e in n.events if e["event"] == "stop"]
        cut = [reason for reason in reasons if reason != "finished"]
        # a process that its launcher started tells nobody but the launcher how it ended
        return f"cut off by {cut[0]}" if cut else "ended, exit status not known"

    @property
    def node_type(self) -> str:
        """Type of the nodes, joined if there are several."""
        return " + ".join(sorted({node.node_type for node in self.nodes}))

    @cached_property
    def result(self) -> Result:
        """Totals, components, nodes, phases and regions."""
        from dataclasses import replace

        from energymeter.analysis.summary import summarize

        result = summarize(self.nodes, self.processes)
        return replace(result, warnings=(*self.problems, *result.warnings))

    def job_part(self, mode: str | None = None) -> JobPart:
        """The job's part of nodes that others share; default: as the run was configured.

        Raises
        ------
        ConfigurationError
            If there is no such mode.
        """
        from energymeter.analysis.sharing import job_part

        configured = self.nodes[0].config.attribution if self.nodes else "exclusive"
        return job_part(self.nodes, self.result.nodes, mode or configured)

    def ledger(self) -> tuple[Row, ...]:
        """Energy by component."""
        return self.result.rows

    def regions(self) -> tuple[RegionResult, ...]:
        """Energy by region."""
        return self.result.regions

    def phases(self) -> tuple[PhaseResult, ...]:
        """Energy by phase."""
        return self.result.phases

    def timeline(self, sensor: str, node: str | None = None) -> npt.NDArray[np.float64]:
        """Times in s since the start, and energy in J since the first reading: shape (n, 2).

        Raises
        ------
        KeyError
            If there is no such sensor.
        """
        import numpy as np

        for data in self.nodes:
            if node in (None, data.key):
                for curve in data.curves:
                    if curve.sensor.id == sensor:
                        seconds = (curve.times - data.window[0]) / 1e9
                        return np.column_stack([seconds, curve.joules])
        known = ", ".join(s.id for data in self.nodes for s in data.sensors)
        raise KeyError(f"no sensor {sensor!r}; there are {known}")

    def to_frame(self, what: str = "ledger") -> Any:
        """A pandas data frame of ``ledger``, ``regions``, ``phases``, ``steps`` or ``samples``."""
        from energymeter.report.frames import to_frame

        return to_frame(self, what)

    def to_hdf5(self, path: str | Path) -> Path:
        """Store everything in one HDF5 file, which `load` reads back."""
        from energymeter.report.hdf5 import write_hdf5

        return write_hdf5(self, Path(path))


def load(path: str | Path) -> Run:
    """Read a run directory, also of a run that was killed or still goes on, or an HDF5 file.

    Raises
    ------
    RunError
        If there is no run.
    """
    folder = Path(path)
    if folder.suffix == ".h5" and folder.is_file():
        from energymeter.report.hdf5 import read_hdf5

        return read_hdf5(folder)
    from energymeter.analysis.events import load_events
    from energymeter.analysis.nodes import load_node

    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        str(manifest["schema"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{folder} is no run of energymeter: {error}") from error
    nodes, problems = [], _schema_problems(str(manifest["schema"]), folder)
    for place in sorted((folder / "nodes").iterdir()):
        try:
            nodes.append(load_node(place))
        except (OSError, ValueError) as error:
            problems.append(f"node {place.name} is left out: {error}")
    processes, unreadable = load_events(folder / "events")
    return Run(folder, manifest, tuple(nodes), tuple(processes), (*problems, *unreadable))


def _schema_problems(schema: str, folder: Path) -> list[str]:
    """A later minor version adds what is not read here; another major one cannot be read."""
    if schema.partition(".")[0] != SCHEMA:
        raise RunError(f"{folder} has schema {schema}: a version that reads it is needed")
    return [] if schema == SCHEMA else [f"written by a later version: {schema}, known: {SCHEMA}"]


def latest_run(root: str | Path = "energymeter") -> Path:
    """The newest run below a folder.

    Raises
    ------
    RunError
        If there is none.
    """
    found = list(Path(root).glob("*/*/manifest.json"))
    if not found:
        raise RunError(f"there are no runs in {root}")
    return max(found, key=lambda path: path.stat().st_mtime_ns).parent
