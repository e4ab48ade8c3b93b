"""What one node recorded: sensors, readings, events; and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from energymeter.analysis.curves import EnergyCurve, Floats, Ints, energy_curve
from energymeter.analysis.ledger import Ledger, Row, Source, make_ledger
from energymeter.analysis.model import cpu_estimate, gpu_estimate, memory_estimate
from energymeter.config import MeterConfig
from energymeter.journal import CODE, WITH_VALUE, Chunk, JournalReader
from energymeter.sensors import Kind, Provenance, Sensor, Status, component_class

__all__ = ["NodeData", "Series", "is_stuck", "load_node"]

BUSY, UTILISATION, PROCESSES = "proc:busy", ":utilisation", ":processes"
UNUSED_UTILISATION, UNUSED_POWER = 0.01, 1.1


@dataclass(frozen=True)
class Series:
    """Readings of a sensor: times in ns, raw values, status codes (0: has a value); each (n,)."""

    times: Ints
    raws: Ints
    statuses: np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True)
class NodeData:
    """All that is stored of a node, and the quantities that are computed from it."""

    key: str
    header: Mapping[str, Any]
    sensors: tuple[Sensor, ...]
    series: tuple[Series, ...]
    events: tuple[dict[str, Any], ...]
    problems: tuple[str, ...] = ()

    @cached_property
    def curves(self) -> tuple[EnergyCurve, ...]:
        """The energy curve of each sensor; of gauges, the integral of the value."""
        pairs = zip(self.sensors, self.series, strict=True)
        return tuple(
            energy_curve(
                sensor,
                values.times,
                values.raws,
                np.isin(values.statuses, WITH_VALUE),
                values.statuses == CODE[Status.MEAN],
            )
            for sensor, values in pairs
        )

    @property
    def description(self) -> Mapping[str, Any]:
        """CPUs, memory, accelerators, and the node's type."""
        found: Mapping[str, Any] = self.header["description"]
        return found

    @property
    def node_type(self) -> str:
        """Name for all nodes of this make."""
        return str(self.description["node_type"])

    @cached_property
    def config(self) -> MeterConfig:
        """How it was measured."""
        return MeterConfig.from_dict(self.header["config"])

    def when(self, *names: str) -> list[int]:
        """Times of events of these names in ns."""
        return [int(event["t"]) for event in self.events if event["event"] in names]

    @cached_property
    def span(self) -> tuple[int, int]:
        """First and last reading in ns; (0, 0) if there is none."""
        edges = [(int(s.times[0]), int(s.times[-1])) for s in self.series if len(s.times)]
        return (min(a for a, _ in edges), max(b for _, b in edges)) if edges else (0, 0)

    @cached_property
    def window(self) -> tuple[int, int]:
        """Start and end of the application on this node in ns, as far as they are known."""
        ranks = [e for e in self.events if e["event"] == "register" and e.get("role") == "rank"]
        pids = {event["pid"] for event in ranks}
        start = min((int(event["t"]) for event in ranks), default=self.span[0])
        ended = {e["pid"]: int(e["t"]) for e in self.events if e["event"] == "gone"}
        ended |= {e["pid"]: int(e["t"]) for e in self.events if e["event"] == "end"}
        if pids and pids <= set(ended):
            return start, max(ended[pid] for pid in pids)
        return start, max(start, self.span[1])

    @property
    def complete(self) -> bool:
        """Whether the agent saw the end of the run."""
        return bool(self.when("stop"))

    @cached_property
    def clock_offset(self) -> int:
        """Time of day less monotonic time in ns, from the anchors."""
        anchors = [e["real"] - e["t"] for e in self.events if e["event"] == "anchor"]
        return int(np.median(np.array(anchors, dtype=np.int64))) if anchors else 0

    def ledger(self, start: int, stop: int) -> Ledger:
        """The ledger of [start, stop] in ns."""
        own = [
            Source(curve)
            for curve in self.curves
            if curve.sensor.is_energy and curve.sensor.assigned and not is_stuck(curve)
        ]
        sources = [source for source in own if not source.curve.sensor.cross_check]
        found = make_ledger(
            [*sources, *self._estimates(sources)],
            start,
            stop,
            prefer=self.config.prefer,
            other_power=self.config.other_power,
            cross=[source for source in own if source.curve.sensor.cross_check],
            unused=lambda component, watts: self._is_unused(component, watts, start, stop),
        )
        rows = tuple(self._with_idle(row, found.seconds) for row in found.rows)
        return replace(found, rows=rows)

    @cached_property
    def idle_watts(self) -> Mapping[str, float]:
        """Power at rest by component, as stored for this type of node or measured before the run.

        Empty if it is not known.
        """
        stored: Mapping[str, float] = self.header.get("baseline") or {}
        before, start = self.span[0], self.window[0]
        if not self.config.baseline or (start - before) / 1e9 < self.config.baseline / 2:
            return stored
        sources = [
            Source(curve)
            for curve in self.curves
            if curve.sensor.is_energy and curve.sensor.assigned and not curve.sensor.cross_check
        ]
        rest = make_ledger(sources, before, start, prefer=self.config.prefer)
        return {row.component: row.joules / rest.seconds for row in rest.rows}

    def _with_idle(self, row: Row, seconds: float) -> Row:
        watts = self.idle_watts.get(row.component)
        if watts is None or row.provenance is not Provenance.MEASURED:
            return row
        return replace(row, idle=watts * seconds)

    def node_energy(self, ledger: Ledger, start: int) -> Any:
        """The cumulative energy in J that a ledger adds up to, as a function of times in ns."""

        def energy(times: Ints) -> Floats:
            total = ledger.constant * (np.asarray(times) - start) / 1e9
            for curve, sign in ledger.curves:
                total = total + sign * curve.at(times)
            return np.asarray(total, dtype=np.float64)

        return energy

    def _estimates(self, measured: Sequence[Source]) -> list[Source]:
        if self.config.model == "never":
            return []
        always = self.config.model == "always"
        there = set() if always else {component_class(s.component) for s in measured}
        found = []
        busy = next((c for c in self.curves if c.sensor.id == BUSY and len(c.times) > 1), None)
        if busy is not None:
            cpus = int(self.description["logical_cpus"])
            if "cpu" not in there:
                found.append(cpu_estimate(busy, cpus, self.description, self.config.cpu))
            if "memory" not in there:
                found.append(memory_estimate(busy, float(self.description["memory_gib"])))
        with_power = {s.component for s in measured}
        for curve in self.curves:
            wanted = curve.sensor.id.endswith(UTILISATION) and self.config.cpu.gpu_tdp
            if wanted and curve.sensor.component not in with_power and len(curve.times):
                found.append(gpu_estimate(curve, self.config.cpu.gpu_tdp))
        return [Source(e.curve, e.factors, e.method) for e in found]

    def _is_unused(self, component: str, watts: float, start: int, stop: int) -> bool:
        """An accelerator at rest on which no process was seen.

        Where utilisation is not known, one that draws at most a tenth more than at rest.
        """
        seconds = (stop - start) / 1e9
        known = False
        for curve in self.curves:
            if curve.sensor.component != component or not len(curve.times):
                continue
            mean = float(curve.between(start, stop)) / seconds if seconds else 0.0
            if curve.sensor.id.endswith(UTILISATION):
                known = True
                if mean >= UNUSED_UTILISATION:
                    return False
            if curve.sensor.id.endswith(PROCESSES) and mean > 0:
                return False
        if not known and component in self.idle_watts:
            return watts <= UNUSED_POWER * self.idle_watts[component]
        return known


def is_stuck(curve: EnergyCurve) -> bool:
    """Whether a source says nothing: no reading, or a counter that never moved in a second."""
    if len(curve.times) == 0:
        return True
    seconds = float(curve.times[-1] - curve.times[0]) / 1e9
    refresh = curve.sensor.update_period or 0.1
    counts = curve.sensor.kind is Kind.ENERGY_COUNTER
    return counts and not curve.joules[-1] > 0 and seconds > min(1.0, 10 * refresh)


def load_node(folder: Path) -> NodeData:
    """Read a node's folder.

    Raises
    ------
    ValueError, OSError
        If it has no readable journal.
    """
    journal = JournalReader(folder / "journal.emj")
    sensors = tuple(Sensor.from_dict(values) for values in journal.header["sensors"])
    by_sensor: list[list[Chunk]] = [[] for _ in sensors]
    for chunk in journal.chunks:
        by_sensor[chunk.sensor].append(chunk)
    problems = []
    if journal.damaged_blocks:
        problems.append(f"{journal.damaged_blocks} damaged blocks of the journal were left out")
    if journal.torn:
        problems.append("the journal ends in the middle of a block: its last second is missing")
    return NodeData(
        folder.name,
        journal.header,
        sensors,
        tuple(_series(chunks) for chunks in by_sensor),
        tuple(journal.events),
        tuple(problems),
    )


def _series(chunks: list[Chunk]) -> Series:
    if not chunks:
        return Series(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint8))
    return Series(
        np.concatenate([np.frombuffer(chunk.times, np.int64) for chunk in chunks]),
        np.concatenate([np.frombuffer(chunk.raws, np.int64) for chunk in chunks]),
        np.concatenate([np.frombuffer(chunk.statuses, np.uint8) for chunk in chunks]),
    )
