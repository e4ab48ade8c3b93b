"""Distributed sorting: local runs, cut at splitters, exchanged once, merged.

Short sequences are gathered and sorted on every rank, which takes one message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heat_core.dispatch.order import Array, Packing, argsort, merge_runs, sort_values
from heat_core.dispatch.splitters import (
    choose_splitters,
    cut_positions,
    sample_positions,
    value_cuts,
)
from heat_core.layout.layout import canonical_counts, displacements

if TYPE_CHECKING:
    from heat_core.comm import Communicator

__all__ = ["Partition", "partition", "sample_argsort", "sample_sort"]


_SHORT = 1 << 16  # elements


class Partition:
    """Parts of this rank's run for every rank, and the way there and back. Collective.

    Parameters
    ----------
    comm : Communicator
    send_counts : sequence of int
        Rows of the run for each rank, in rank order.
    """

    def __init__(self, comm: Communicator, send_counts: list[int]) -> None:
        self._comm = comm
        self._sent = send_counts
        received = comm.alltoall(np.array(send_counts, dtype=np.int64))
        self._received: list[int] = received.tolist()

    @property
    def n_received(self) -> int:
        """Rows that come to this rank."""
        return sum(self._received)

    def forward(self, rows: Array) -> Array:
        """The rows that all ranks have for this one, in rank order. Collective."""
        moved: Array = self._comm.alltoallv(rows, self._sent, self._received)
        return moved

    def back(self, rows: Array) -> Array:
        """One row for each that was sent, in the order of the run. Collective."""
        moved: Array = self._comm.alltoallv(rows, self._received, self._sent)
        return moved


def partition(
    comm: Communicator, run: list[Array], counts: tuple[int, ...], *, keep_equal: bool = False
) -> Partition:
    """Cut sorted runs so that the parts of the ranks follow each other. Collective.

    Parameters
    ----------
    run : list of arrays, (n,)
        The keys of this rank in ascending order, the first is primary.
    counts : tuple of int
        Lengths of the runs of all ranks.
    keep_equal : bool
        Equal keys go to one rank; else they are cut where balance wants it.
    """
    positions = sample_positions(counts)
    n_samples = [len(p) for p in positions]
    own = positions[comm.rank]
    samples = [comm.allgatherv(column[own], n_samples) for column in run]
    splitters = choose_splitters(samples, positions, comm.size)
    cuts = value_cuts(run, splitters) if keep_equal else cut_positions(run, splitters, comm.rank)
    n = len(run[0])
    ends = [*cuts, n] if splitters else [n] * comm.size
    return Partition(comm, np.diff([0, *ends]).tolist())


def sample_sort(
    comm: Communicator, values: Array, counts: tuple[int, ...]
) -> tuple[Array, tuple[int, ...]]:
    """The values of all ranks in ascending order: this rank's part, and the lengths of all parts.

    Collective; one exchange of the values.
    """
    if sum(counts) <= _SHORT:
        return _own_part(comm, sort_values(comm.allgatherv(values, counts)))
    run = sort_values(values)
    moves = partition(comm, [run], counts)
    return merge_runs(moves.forward(run)), _lengths(comm, moves)


def sample_argsort(
    comm: Communicator, keys: list[Array], counts: tuple[int, ...], offset: int
) -> tuple[Array, tuple[int, ...]]:
    """The stable order of the global sequence: this rank's part, and the lengths of all parts.

    Collective; one exchange of keys and indices.

    Parameters
    ----------
    keys : list of arrays, (n,)
        Of the elements of this rank, the first is primary.
    counts : tuple of int
        Numbers of elements of all ranks.
    offset : int
        Global index of the first element of this rank.
    """
    if sum(counts) <= _SHORT:
        return _own_part(comm, argsort([comm.allgatherv(key, counts) for key in keys]))
    packing = _packing(comm, keys, sum(counts))
    if packing is not None:
        packed, lengths = sample_sort(comm, packing.pack(keys[0], offset), counts)
        return packing.positions(packed), lengths
    order = argsort(keys)
    run = [key[order] for key in keys]
    moves = partition(comm, run, counts)
    merged = [moves.forward(column) for column in run]
    indices = moves.forward(order + offset)
    return indices[argsort(merged)], _lengths(comm, moves)


def _packing(comm: Communicator, keys: list[Array], n: int) -> Packing | None:
    """How the keys of all ranks fit 64 bits together with their indices, if they do."""
    if len(keys) > 1:
        return None
    limits = np.iinfo(np.int64)
    own = [keys[0].min(), keys[0].max()] if len(keys[0]) else [limits.max, limits.min]
    lowest = comm.allreduce(np.array([own[0]], dtype=np.int64), "min")
    highest = comm.allreduce(np.array([own[1]], dtype=np.int64), "max")
    return Packing.of(int(lowest[0]), int(highest[0]), n)


def _own_part(comm: Communicator, whole: Array) -> tuple[Array, tuple[int, ...]]:
    """The part of this rank of what every rank has, and the lengths of all parts."""
    lengths = canonical_counts(len(whole), comm.size)
    start = displacements(lengths)[comm.rank]
    return whole[start : start + lengths[comm.rank]], lengths


def _lengths(comm: Communicator, moves: Partition) -> tuple[int, ...]:
    lengths = comm.allgather(np.array(moves.n_received, dtype=np.int64))
    return tuple(lengths.tolist())
