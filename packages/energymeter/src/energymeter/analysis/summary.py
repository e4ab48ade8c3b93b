"""The result of a run: totals, components, nodes, phases and regions, as plain values."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, pstdev

from energymeter.analysis.attribution import Attribution, Instance, attribute, total_length
from energymeter.analysis.events import ProcessEvents
from energymeter.analysis.ledger import Ledger, Row
from energymeter.analysis.nodes import NodeData
from energymeter.analysis.uncertainty import is_resolved
from energymeter.analysis.warnings import node_warnings
from energymeter.sensors import Provenance

__all__ = ["EnergyEstimate", "NodeResult", "PhaseResult", "RegionResult", "Result", "summarize"]

JOULES_PER_KWH = 3.6e6


@dataclass(frozen=True)
class EnergyEstimate:
    """An energy in J with its interval; `u` is one standard deviation of the random errors.

    `provenance` is measured, modelled, or derived where both are added; `resolved` is False for
    stretches that are too short for the sensors.
    """

    joules: float
    u: float
    low: float
    high: float
    provenance: Provenance
    resolved: bool = True

    @property
    def kwh(self) -> float:
        """In kWh."""
        return self.joules / JOULES_PER_KWH

    @property
    def is_estimate(self) -> bool:
        """Whether any part of it is modelled."""
        return self.provenance is not Provenance.MEASURED


@dataclass(frozen=True)
class NodeResult:
    """One node: its ledger and what was attributed."""

    key: str
    node_type: str
    window: tuple[int, int]
    ledger: Ledger
    total: EnergyEstimate
    attribution: Attribution


@dataclass(frozen=True)
class RegionResult:
    """A region over all nodes and ranks; energies in J, times in s.

    `inclusive`: while any rank is in it. `exclusive`: its share while innermost; these, with the
    energy outside of regions, add up to the run.
    """

    path: str
    phase: str
    calls: int
    failed: int
    mean_seconds: float
    sd_seconds: float
    inclusive: float
    exclusive: float
    seconds: float
    steps: int
    samples: int
    resolved: bool

    @property
    def per_sample(self) -> float:
        """J per sample; nan if none were counted."""
        return self.inclusive / self.samples if self.samples else math.nan


@dataclass(frozen=True)
class PhaseResult:
    """A phase over all nodes."""

    name: str
    joules: float
    seconds: float
    steps: int
    samples: int

    @property
    def per_sample(self) -> float:
        """J per sample; nan if none were counted."""
        return self.joules / self.samples if self.samples else math.nan


@dataclass(frozen=True)
class Result:
    """What a run used.

    Components, nodes, phases, and regions with what is outside, each add up to `total`.
    """

    total: EnergyEstimate
    measured: float
    modelled: float
    seconds: float
    nodes: tuple[NodeResult, ...]
    rows: tuple[Row, ...]
    phases: tuple[PhaseResult, ...]
    regions: tuple[RegionResult, ...]
    outside: float
    warnings: tuple[str, ...]
    rank_joules: Mapping[int, float]

    @property
    def unused_accelerators(self) -> float:
        """Energy in J of accelerators that the job did not use."""
        return sum(row.joules for row in self.rows if row.unused)

    def by_class(self) -> dict[str, float]:
        """Energy in J of each class of components; they add up to the total."""
        sums: dict[str, float] = defaultdict(float)
        for row in self.rows:
            if row.counted:
                sums[row.kind] += row.joules
        return dict(sums)

    def table(self) -> str:
        """The component table as text."""
        from energymeter.report.text import component_table

        return component_table(self)


def summarize(
    nodes: Sequence[NodeData],
    processes: Sequence[ProcessEvents],
    windows: Mapping[str, tuple[int, int]] | None = None,
) -> Result:
    """The result of a run, or of a part of it.

    Parameters
    ----------
    windows : mapping, optional
        From node keys to (start, stop) in ns; default: from the first to the last process.
    """
    results, warnings = [], []
    for node in nodes:
        mine = [p for p in processes if p.node == node.key]
        window = (windows or {}).get(node.key, node.window)
        results.append(_node(node, mine, window))
        warnings += node_warnings(node, window, results[-1].ledger, many=len(nodes) > 1)
    rows = tuple(_rows(results))
    total = add(*(result.total for result in results))
    measured = sum(r.ledger.total(Provenance.MEASURED) for r in results)
    modelled = sum(r.ledger.total(Provenance.MODELLED) for r in results)
    exclusive: defaultdict[str, float] = defaultdict(float)
    by_rank: defaultdict[int, float] = defaultdict(float)
    for result in results:
        for (rank, path), joules in result.attribution.exclusive.items():
            exclusive["" if rank < 0 else path] += joules
            if rank >= 0:
                by_rank[rank] += joules
    return Result(
        total,
        measured,
        modelled,
        _duration(nodes, results),
        tuple(results),
        rows,
        tuple(_phases(results, processes)),
        tuple(_regions(results, processes, exclusive)),
        exclusive[""],
        tuple(dict.fromkeys(warnings)),
        dict(by_rank),
    )


def add(*parts: EnergyEstimate) -> EnergyEstimate:
    """Sum: random errors in quadrature; intervals as if their errors were the same."""
    provenances = {part.provenance for part in parts if part.joules} or {Provenance.MEASURED}
    return EnergyEstimate(
        sum(part.joules for part in parts),
        math.sqrt(sum(part.u**2 for part in parts)),
        sum(part.low for part in parts),
        sum(part.high for part in parts),
        provenances.pop() if len(provenances) == 1 else Provenance.DERIVED,
        all(part.resolved for part in parts),
    )


def estimate_of(ledger: Ledger, resolved: bool = True) -> EnergyEstimate:
    """What the rows of a ledger add up to."""
    parts = [
        EnergyEstimate(row.joules, row.u_random, row.low, row.high, row.provenance)
        for row in ledger.counted
    ]
    return replace(add(*parts), resolved=resolved)


def _node(
    node: NodeData, processes: Sequence[ProcessEvents], window: tuple[int, int]
) -> NodeResult:
    start, stop = window
    ledger = node.ledger(start, stop)
    seconds = (stop - start) / 1e9
    resolved = all(is_resolved(curve, seconds) for curve, _ in ledger.curves)
    ended = [_ended(i, stop) for process in processes for i in process.instances]
    attribution = attribute(ended, start, stop, node.node_energy(ledger, start))
    total = estimate_of(ledger, resolved)
    return NodeResult(node.key, node.node_type, window, ledger, total, attribution)


def _ended(instance: Instance, stop: int) -> Instance:
    return instance if instance.stop <= stop else replace(instance, stop=max(stop, instance.start))


def _duration(nodes: Sequence[NodeData], results: Sequence[NodeResult]) -> float:
    """From the first start to the last end on a common clock in s."""
    if not results:
        return 0.0
    pairs = list(zip(nodes, results, strict=True))
    if len(pairs) == 1:
        return (results[0].window[1] - results[0].window[0]) / 1e9
    starts = [result.window[0] + node.clock_offset for node, result in pairs]
    stops = [result.window[1] + node.clock_offset for node, result in pairs]
    return (max(stops) - min(starts)) / 1e9


def _rows(results: Sequence[NodeResult]) -> list[Row]:
    """Rows of all nodes; of a single node as they are."""
    many = len(results) > 1
    return [
        replace(row, method=f"{result.key}: {row.method}") if many else row
        for result in results
        for row in result.ledger.rows
    ]


def _phases(results: Sequence[NodeResult], processes: Sequence[ProcessEvents]) -> list[PhaseResult]:
    joules: defaultdict[str, float] = defaultdict(float)
    seconds: defaultdict[str, float] = defaultdict(float)
    for result in results:
        for name, value in result.attribution.phases.items():
            joules[name] += value
            seconds[name] = max(seconds[name], result.attribution.phase_seconds[name])
    steps, samples = Counter[str](), Counter[str]()
    for process in processes:
        for step in process.steps:
            steps[step.phase] += 1
            samples[step.phase] += step.samples
    return [
        PhaseResult(name, value, seconds[name], steps[name], samples[name])
        for name, value in joules.items()
    ]


def _regions(
    results: Sequence[NodeResult],
    processes: Sequence[ProcessEvents],
    exclusive: Mapping[str, float],
) -> list[RegionResult]:
    stops = {result.key: result.window[1] for result in results}
    calls: defaultdict[str, list[Instance]] = defaultdict(list)
    spans: defaultdict[str, list[float]] = defaultdict(list)
    steps, samples = Counter[str](), Counter[str]()
    for process in processes:
        own: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        for raw in process.instances:
            instance = _ended(raw, stops.get(process.node, raw.start))
            calls[instance.path].append(instance)
            own[instance.path].append((instance.start, instance.stop))
        for path, intervals in own.items():
            spans[path].append(total_length(intervals))
        for step in process.steps:
            steps[step.path] += 1
            samples[step.path] += step.samples
    curves = [curve for result in results for curve, _ in result.ledger.curves]
    found = []
    for path, instances in calls.items():
        times = [(i.stop - i.start) / 1e9 for i in instances]
        found.append(
            RegionResult(
                path,
                instances[0].phase,
                len(instances),
                sum(i.failed for i in instances),
                fmean(times),
                pstdev(times),
                sum(r.attribution.inclusive.get(path, 0.0) for r in results),
                exclusive.get(path, 0.0),
                max(spans[path]),
                steps[path],
                samples[path],
                all(is_resolved(curve, fmean(times)) for curve in curves),
            )
        )
    return found
