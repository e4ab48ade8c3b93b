"""Which region, phase and rank the energy of a node belongs to.

One pass over the sorted boundaries of all regions of a node. At every instant the energy is shared
equally by what is innermost open: regions of all threads, tasks and ranks. So regions and what is
outside of them add up to the node, whatever is nested, recursive or concurrent.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from energymeter.analysis.curves import Floats, Ints

__all__ = ["Attribution", "Instance", "attribute", "merged", "total_length"]

OUTSIDE, UNPHASED, MIXED = "(outside)", "unphased", "mixed"


@dataclass(frozen=True, slots=True)
class Instance:
    """One call of a region: times in ns, `parent` is the key of the enclosing call, or None."""

    key: tuple[str, int]  # process, number
    rank: int
    path: str
    phase: str
    start: int
    stop: int
    parent: tuple[str, int] | None = None
    failed: bool = False


@dataclass(frozen=True)
class Attribution:
    """Energies in J of one node.

    Attributes
    ----------
    exclusive : dict
        (rank, path) to energy while innermost; with ``(outside)``, they add up to the node.
    inclusive : dict
        Path to the node's energy while any rank is in it.
    shares : dict
        (path, rank) to the rank's share of `inclusive`.
    phases : dict
        Phase to energy; with ``unphased`` and ``mixed``, they add up to the node.
    phase_seconds : dict
        Phase to s.
    """

    exclusive: dict[tuple[int, str], float] = field(default_factory=dict)
    inclusive: dict[str, float] = field(default_factory=dict)
    shares: dict[tuple[str, int], float] = field(default_factory=dict)
    phases: dict[str, float] = field(default_factory=dict)
    phase_seconds: dict[str, float] = field(default_factory=dict)


def attribute(
    instances: Sequence[Instance], start: int, stop: int, energy: Callable[[Ints], Floats]
) -> Attribution:
    """Share the energy of [start, stop] (ns) among regions.

    Parameters
    ----------
    energy : callable
        Cumulative energy of the node in J at times in ns.
    """
    clipped = [i for i in instances if i.stop >= start and i.start <= stop and i.stop >= i.start]
    sweep = _Sweep(clipped, start, stop)
    exclusive = sweep.run(energy)
    shares: dict[tuple[str, int], float] = {}
    inclusive: dict[str, float] = {}
    for path in dict.fromkeys(i.path for i in clipped):
        by_rank = {
            rank: merged(
                (max(i.start, start), min(i.stop, stop))
                for i in clipped
                if i.path == path and i.rank == rank
            )
            for rank in dict.fromkeys(i.rank for i in clipped if i.path == path)
        }
        parts = _rank_shares(by_rank, energy)
        shares |= {(path, rank): joules for rank, joules in parts.items()}
        union = np.array(merged(span for spans in by_rank.values() for span in spans))
        inclusive[path] = float((energy(union[:, 1]) - energy(union[:, 0])).sum())
    return Attribution(exclusive, inclusive, shares, sweep.phases, sweep.phase_seconds)


def merged(intervals: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The union of intervals, as disjoint sorted intervals."""
    result: list[tuple[int, int]] = []
    for start, stop in sorted(intervals):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], stop))
        else:
            result.append((start, stop))
    return result


def total_length(intervals: Iterable[tuple[int, int]]) -> float:
    """Seconds that are covered."""
    return sum(stop - start for start, stop in merged(intervals)) / 1e9


def _rank_shares(
    by_rank: dict[int, list[tuple[int, int]]], energy: Callable[[Ints], Floats]
) -> dict[int, float]:
    """At each instant the ranks that are in the region share the node equally (spec 8.1)."""
    if len(by_rank) == 1:
        ((rank, spans),) = by_rank.items()
        edges = np.array(spans)
        return {rank: float((energy(edges[:, 1]) - energy(edges[:, 0])).sum())}
    boundaries = np.unique(np.array([t for spans in by_rank.values() for s in spans for t in s]))
    active = np.zeros((len(by_rank), len(boundaries) - 1), dtype=bool)
    for row, spans in zip(active, by_rank.values(), strict=True):
        change = np.zeros(len(boundaries))
        np.add.at(change, np.searchsorted(boundaries, [a for a, _ in spans]), 1)
        np.add.at(change, np.searchsorted(boundaries, [b for _, b in spans]), -1)
        row[:] = np.cumsum(change)[:-1] > 0
    number = active.sum(axis=0)
    pieces = np.diff(energy(boundaries)) / np.where(number > 0, number, 1)
    return {rank: float(pieces[row].sum()) for rank, row in zip(by_rank, active, strict=True)}


class _Sweep:
    """Goes through all boundaries once, in O(boundaries), however many regions are open.

    ``level`` is the integral of dE / (number of innermost regions): what a region gains while it is
    innermost is the difference of two of its values.
    """

    def __init__(self, instances: Sequence[Instance], start: int, stop: int) -> None:
        self.start, self.stop = start, stop
        self.instances = {i.key: i for i in instances}
        self.children: Counter[tuple[str, int]] = Counter()
        self.open: set[tuple[str, int]] = set()
        self.since: dict[tuple[str, int], float] = {}
        self.phase_counts: Counter[str] = Counter()
        self.gained: defaultdict[tuple[int, str], float] = defaultdict(float)
        self.phases: dict[str, float] = {}
        self.phase_seconds: dict[str, float] = {}
        self.level = self.outside = 0.0

    def run(self, energy: Callable[[Ints], Floats]) -> dict[tuple[int, str], float]:
        boundaries = sorted(
            [(max(i.start, self.start), 1, i.key) for i in self.instances.values()]
            + [(min(i.stop, self.stop), 0, i.key) for i in self.instances.values()]
        )
        times = np.array([self.start, *(t for t, _, _ in boundaries), self.stop], dtype=np.int64)
        joules = np.diff(energy(times)).tolist()
        seconds = (np.diff(times) / 1e9).tolist()
        for (_, enters, key), gain, length in zip(boundaries, joules, seconds, strict=False):
            self._advance(gain, length)
            if enters:
                self._enter(key)
            elif key in self.open:
                self._exit(key)
            else:  # no longer than the clock's resolution: it never was open
                self.instances.pop(key, None)
        self._advance(joules[-1], seconds[-1])
        for key in list(self.open):
            self._exit(key)
        self.gained[-1, OUTSIDE] += self.outside
        return dict(self.gained)

    def _advance(self, gain: float, length: float) -> None:
        if not length:
            return
        if self.since:
            self.level += gain / len(self.since)
        else:
            self.outside += gain
        named = [phase for phase, n in self.phase_counts.items() if n and phase]
        phase = named[0] if len(named) == 1 else MIXED if named else UNPHASED
        self.phases[phase] = self.phases.get(phase, 0.0) + gain
        self.phase_seconds[phase] = self.phase_seconds.get(phase, 0.0) + length

    def _enter(self, key: tuple[str, int]) -> None:
        instance = self.instances.get(key)
        if instance is None:
            return
        parent = instance.parent
        if parent is not None and parent in self.open:
            self.children[parent] += 1
            if self.children[parent] == 1:
                self._uncover(parent, innermost=False)
        self.open.add(key)
        self._uncover(key, innermost=self.children[key] == 0)

    def _exit(self, key: tuple[str, int]) -> None:
        self._uncover(key, innermost=False)
        self.open.discard(key)
        parent = self.instances[key].parent
        if parent is not None and self.children[parent]:
            self.children[parent] -= 1
            if self.children[parent] == 0 and parent in self.open:
                self._uncover(parent, innermost=True)

    def _uncover(self, key: tuple[str, int], *, innermost: bool) -> None:
        instance = self.instances[key]
        if innermost:
            self.since[key] = self.level
            self.phase_counts[instance.phase] += 1
        elif key in self.since:
            self.gained[instance.rank, instance.path] += self.level - self.since.pop(key)
            self.phase_counts[instance.phase] -= 1
