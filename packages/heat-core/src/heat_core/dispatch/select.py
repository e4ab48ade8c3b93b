"""Elements by their position in sorted order, without sorting.

On one rank by NumPy's partition. Over ranks, a sample tells two values between which the wanted
position almost surely lies; every rank counts its elements below and between them, and looks at
nothing but the right part from then on. Data stay where they are until few enough are left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from heat_core.dispatch.order import Array, from_native, is_nan, native

if TYPE_CHECKING:
    from heat_core.comm import Communicator

__all__ = ["pick", "select"]

_GATHER_ELEMENTS = 1 << 14  # fewer candidates than this are gathered rather than counted again
_SAMPLES = 1 << 10
_MARGIN = 4.0  # standard deviations of a sample's quantile


def select(
    values: torch.Tensor, positions: list[int], comm: Communicator | None = None
) -> list[torch.Tensor]:
    """The elements at some positions of the sorted sequence. Collective over ``comm``.

    Parameters
    ----------
    values : torch.Tensor, (n,)
        The elements of this rank, floating-point; n may be 0.
    positions : list of int
        Into the sorted elements of all ranks; ascending.
    comm : Communicator, optional
        None: the elements of this rank are all there are.

    Returns
    -------
    list of torch.Tensor, ()
        One per position, on every rank. NaN sorts last.
    """
    numbers = native(values)
    missing = is_nan(numbers)
    if missing.any():
        numbers = numbers[~missing]
    total = len(numbers)
    if comm is not None:
        total = int(comm.allreduce(np.array(total), "sum"))
    wanted = [position for position in positions if position < total]
    if comm is None:
        found = pick(numbers.copy(), wanted)
    else:
        found = _pick_over_ranks(comm, numbers, wanted)
    nan = numbers.dtype.type(np.nan)
    return [from_native(np.array(found.get(p, nan)), values) for p in positions]


def pick(values: Array, positions: list[int], start: int = 0) -> dict[int, Array]:
    """Values by their position in sorted order, counted from ``start``; reorders ``values``.

    Parameters
    ----------
    values : (n,)
        Without NaN.
    positions : list of int
        Ascending.
    """
    if not positions:
        return {}
    if len(positions) == 1 and positions[0] in (start, start + len(values) - 1):
        return {positions[0]: values.min() if positions[0] == start else values.max()}
    # NumPy partitions about one position several times as fast as about two.
    middle = positions[len(positions) // 2]
    values.partition(middle - start)
    below = [p for p in positions if p < middle]
    above = [p for p in positions if p > middle]
    return {
        **pick(values[: middle - start], below, start),
        middle: values[middle - start],
        **pick(values[middle - start + 1 :], above, middle + 1),
    }


def _pick_over_ranks(comm: Communicator, numbers: Array, positions: list[int]) -> dict[int, Array]:
    found: dict[int, Array] = {}
    start, run = 0, numbers[:0]
    for position in positions:
        if not start <= position < start + len(run):
            start, run = _run_around(comm, numbers, position)
        found[position] = run[position - start]
    return found


def _run_around(comm: Communicator, part: Array, position: int) -> tuple[int, Array]:
    """A piece of the sorted sequence of all ranks with ``position`` in it, and where it starts."""
    start, margin = 0, _MARGIN
    while True:
        counts = comm.allgather(np.array(len(part))).tolist()
        total = sum(counts)
        if total <= _GATHER_ELEMENTS:
            return start, np.sort(comm.allgatherv(part, counts))
        low, high = _bracket(_samples(comm, part, counts), (position - start) / total, margin)
        is_below, is_above = part < low, part > high
        own = np.array([np.count_nonzero(is_below), np.count_nonzero(is_above)])
        n_below, n_above = comm.allreduce(own, "sum").tolist()
        n_inside = total - n_below - n_above
        if position < start + n_below:
            part = part.compress(is_below)
        elif position >= start + n_below + n_inside:
            part, start = part.compress(is_above), start + n_below + n_inside
        elif low == high:
            return start + n_below, np.broadcast_to(low, n_inside)
        else:
            part, start = part.compress(~(is_below | is_above)), start + n_below
        # Many equal elements may keep a bracket from closing; one value splits them.
        margin = margin if len(part) == 0 or n_inside * 2 < total else 0.0


def _samples(comm: Communicator, part: Array, counts: list[int]) -> Array:
    """Every so-many-th element of all ranks, sorted."""
    stride = -(-sum(counts) // _SAMPLES)
    n_samples = [-(-n // stride) for n in counts]
    samples: Array = comm.allgatherv(part[::stride], n_samples)
    return np.sort(samples)


def _bracket(samples: Array, fraction: float, margin: float) -> tuple[Array, Array]:
    """Values of the sample on both sides of a quantile."""
    last = len(samples) - 1
    place = fraction * last
    reach = margin * (len(samples) * fraction * (1 - fraction)) ** 0.5 + 1 if margin else 0.0
    low, high = round(place - reach), round(place + reach)
    return samples[max(0, low)], samples[min(last, high)]
