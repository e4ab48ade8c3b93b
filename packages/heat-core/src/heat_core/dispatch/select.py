"""Elements by their position in sorted order, without sorting: radix select.

Numbers are mapped to integers of the same order, whose digits are counted from the top. The bin
that holds a wanted position gives its next digit; only elements of that bin are looked at again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from heat_core.comm import Communicator

__all__ = ["select"]

_DIGIT_BITS = 11
_GATHER_ELEMENTS = 1 << 14  # fewer candidates than this are gathered rather than counted again

_INTEGERS = {
    torch.float16: torch.int16,
    torch.bfloat16: torch.int16,
    torch.float32: torch.int32,
    torch.float64: torch.int64,
}


@dataclass(slots=True)
class _Group:
    """Wanted positions whose digits agree so far, and the elements that share these digits.

    Positions are relative to the first of these elements.
    """

    candidates: torch.Tensor
    prefix: int  # the digits so far
    positions: list[tuple[int, int]]  # (number of the request, position among the candidates)


def _to_keys(values: torch.Tensor) -> torch.Tensor:
    """Signed integers in the order of floating-point numbers, NaN last."""
    bits = values.view(_INTEGERS[values.dtype])
    largest = torch.iinfo(bits.dtype).max
    # Of negative numbers, the larger magnitude is the smaller number.
    keys = torch.where(bits < 0, bits ^ largest, bits)
    return torch.where(values.isnan(), largest, keys)


def _from_keys(keys: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    largest = torch.iinfo(keys.dtype).max
    return torch.where(keys < 0, keys ^ largest, keys).view(dtype)


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
    keys = _to_keys(values)
    bits = 8 * keys.itemsize
    found: dict[int, torch.Tensor] = {}
    groups = [_Group(keys, 0, list(enumerate(positions)))]
    shift = bits
    while shift > 0:
        digit_bits = min(_DIGIT_BITS, shift)
        is_top = shift == bits
        shift -= digit_bits
        groups, sizes = _refine(groups, shift, digit_bits, is_top=is_top, comm=comm)
        if sum(sizes) <= _GATHER_ELEMENTS:
            _sort_rest(groups, sizes, found, comm)
            break
    else:
        # Every digit is known; elements that share them all are equal.
        for group in groups:
            for request, _ in group.positions:
                found[request] = torch.tensor(group.prefix, dtype=keys.dtype, device=keys.device)
    return [_from_keys(found[request], values.dtype) for request in range(len(positions))]


def _refine(
    groups: list[_Group], shift: int, digit_bits: int, *, is_top: bool, comm: Communicator | None
) -> tuple[list[_Group], list[int]]:
    """Groups with one more known digit, and their numbers of candidates on all ranks."""
    n_bins = 1 << digit_bits
    # The top digit carries the sign: negative digits come first.
    bias = n_bins // 2 if is_top else 0
    mask = -1 if is_top else n_bins - 1
    digits = [((group.candidates >> shift) & mask) + bias for group in groups]
    counts = torch.stack([torch.bincount(digit, minlength=n_bins) for digit in digits])
    if comm is not None:
        counts = comm.allreduce(counts, "sum")
    ends = counts.cumsum(1)
    refined, sizes = [], []
    for number, (group, digit) in enumerate(zip(groups, digits, strict=True)):
        wanted = torch.tensor([position for _, position in group.positions])
        bins = torch.searchsorted(ends[number], wanted, right=True).tolist()
        for chosen in dict.fromkeys(bins):
            size = int(counts[number, chosen])
            start = int(ends[number, chosen]) - size
            inside = [
                (request, position - start)
                for (request, position), b in zip(group.positions, bins, strict=True)
                if b == chosen
            ]
            prefix = (group.prefix << digit_bits) + chosen - bias
            refined.append(_Group(group.candidates[digit == chosen], prefix, inside))
            sizes.append(size)
    return refined, sizes


def _sort_rest(
    groups: list[_Group],
    sizes: list[int],
    found: dict[int, torch.Tensor],
    comm: Communicator | None,
) -> None:
    """Sort the candidates of all groups on every rank; groups are in ascending order."""
    candidates = torch.cat([group.candidates for group in groups])
    if comm is not None:
        candidates = comm.allgatherv(candidates)
    ordered = candidates.sort().values
    start = 0
    for group, size in zip(groups, sizes, strict=True):
        for request, position in group.positions:
            found[request] = ordered[start + position]
        start += size
