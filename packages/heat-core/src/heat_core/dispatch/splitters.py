"""Where to cut sorted runs so that every rank gets about the same number of elements; pure.

Elements are ordered by (keys, rank, position in the rank's sorted run). As no two elements are
equal in this order, many equal keys are cut like any others; as runs are sorted stably and slabs
lie in rank order, it is also the stable order of the global array.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from heat_core.dispatch.order import Array

__all__ = ["Splitter", "choose_splitters", "cut_positions", "sample_positions", "value_cuts"]

_SAMPLES_PER_PAIR = 16  # of ranks: parts differ by about 1/16


@dataclass(frozen=True, slots=True)
class Splitter:
    """One element of the global order: its keys, and which element of which run it is."""

    keys: tuple[Any, ...]
    rank: int
    position: int


def sample_positions(counts: tuple[int, ...]) -> list[Array]:
    """Positions of the regular samples in the sorted run of every rank.

    All ranks sample at one distance, so that a sample stands for as many elements everywhere.
    """
    wanted = _SAMPLES_PER_PAIR * len(counts) ** 2
    stride = max(1, -(-sum(counts) // wanted))
    # A short run between long ones is not left out.
    return [np.arange(min(stride // 2, max(0, n - 1)), n, stride) for n in counts]


def choose_splitters(samples: list[Array], positions: list[Array], n_parts: int) -> list[Splitter]:
    """The ``n_parts - 1`` splitters of the samples of all ranks.

    Parameters
    ----------
    samples : list of arrays, (n_samples,)
        One per key, the first is primary: the samples of all ranks in rank order.
    positions : list of arrays
        Of the samples in the run of each rank.
    n_parts : int
    """
    n = len(samples[0])
    if n == 0:
        return []
    ranks = np.repeat(np.arange(len(positions)), [len(p) for p in positions])
    places = np.concatenate(positions)
    order = np.lexsort(samples[::-1])  # stable: equal keys stay in order of rank and position
    chosen = order[[part * n // n_parts for part in range(1, n_parts)]]
    return [
        Splitter(tuple(key[i] for key in samples), int(ranks[i]), int(places[i])) for i in chosen
    ]


def _equal_range(run: list[Array], keys: tuple[Any, ...]) -> tuple[int, int]:
    """Start and stop of the elements with these keys in a sorted run."""
    start, stop = 0, len(run[0])
    for column, key in zip(run, keys, strict=True):
        part = column[start:stop]
        low, high = part.searchsorted(key, "left"), part.searchsorted(key, "right")
        start, stop = start + int(low), start + int(high)
    return start, stop


def cut_positions(run: list[Array], splitters: list[Splitter], rank: int) -> list[int]:
    """Where the sorted run of ``rank`` is cut: the elements before each splitter."""
    cuts = []
    for splitter in splitters:
        if splitter.rank == rank:
            cuts.append(splitter.position)
        else:
            start, stop = _equal_range(run, splitter.keys)
            cuts.append(stop if rank < splitter.rank else start)
    return cuts


def value_cuts(run: list[Array], splitters: list[Splitter]) -> list[int]:
    """Cuts that keep equal keys together: the elements with smaller keys than each splitter."""
    return [_equal_range(run, splitter.keys)[0] for splitter in splitters]
