"""Halos: copies of what lies next to the own slab."""

from __future__ import annotations

from dataclasses import dataclass
from operator import index
from typing import Any

import torch

from heat_core.array.dndarray import DNDarray
from heat_core.layout import Layout
from heat_core.layout.execute import fetch

__all__ = [
    "array_with_halos",
    "get_halo",
    "halo_intervals",
    "halo_next",
    "halo_prev",
    "slab_with_halos",
]


@dataclass(frozen=True, slots=True)
class _Halos:
    """The neighbourhood of a slab as it was when it was fetched."""

    extended: torch.Tensor
    n_prev: int
    n_next: int
    local: torch.Tensor
    version: int


def halo_intervals(layout: Layout, n_prev: int, n_next: int) -> list[tuple[int, int]]:
    """The slab of every rank with its halos, within the axis; empty slabs have none."""
    assert layout.split is not None and layout.counts is not None
    extent = layout.gshape[layout.split]
    return [
        (max(0, start - n_prev), min(extent, start + count + n_next)) if count else (start, start)
        for start, count in zip(layout.displs, layout.counts, strict=True)
    ]


def slab_with_halos(x: DNDarray, n_prev: int, n_next: int) -> tuple[torch.Tensor, int, int]:
    """The local tensor with halos, and how many positions these have on both sides. Collective.

    Halos may reach over the slabs of several ranks; those at the ends of the axis are shorter.
    """
    if x.split is None or x.layout.counts is None or not x.is_distributed():
        return x.larray, 0, 0
    rank = x.comm.rank
    wanted = halo_intervals(x.layout, n_prev, n_next)
    start, stop = x.layout.offset(rank), x.layout.offset(rank) + x.layout.counts[rank]
    extended = fetch(x.comm, x.larray, x.layout, wanted)
    return extended, start - wanted[rank][0], wanted[rank][1] - stop


def get_halo(array: DNDarray, halo_size: int, prev: bool = True, next: bool = True) -> None:
    """Fetch what lies before and after the slab of each rank. Collective.

    It is then found in ``halo_prev``, ``halo_next`` and ``array_with_halos``, until the array is
    modified or gets another layout. Without a split axis there is none.

    Parameters
    ----------
    array : DNDarray
    halo_size : int
        Number of positions of the split axis; it may exceed the slabs of the neighbours. ValueError
        if negative.
    prev, next : bool
        Whether the halo before, and the one after the slab is wanted.
    """
    halo_size = index(halo_size)
    if halo_size < 0:
        raise ValueError(f"halo_size {halo_size} is negative")
    parts = slab_with_halos(array, halo_size if prev else 0, halo_size if next else 0)
    array._halos = _Halos(*parts, array.larray, array.larray._version)


def _valid(array: DNDarray) -> _Halos | None:
    """The halos, unless the local tensor was written or replaced since."""
    # Most arrays never have any, and leave the slot empty.
    halos: Any = getattr(array, "_halos", None)
    is_fresh = (
        isinstance(halos, _Halos)
        and halos.local is array.larray
        and halos.version == array.larray._version
    )
    return halos if is_fresh else None


def halo_prev(array: DNDarray) -> torch.Tensor | None:
    """The halo before the slab; None if there is none. Local."""
    halos = _valid(array)
    if halos is None or array.split is None or not halos.n_prev:
        return None
    return halos.extended.narrow(array.split, 0, halos.n_prev)


def halo_next(array: DNDarray) -> torch.Tensor | None:
    """The halo after the slab; None if there is none. Local."""
    halos = _valid(array)
    if halos is None or array.split is None or not halos.n_next:
        return None
    start = halos.extended.shape[array.split] - halos.n_next
    return halos.extended.narrow(array.split, start, halos.n_next)


def array_with_halos(array: DNDarray) -> torch.Tensor:
    """The local tensor between its halos; itself if there are none. Local."""
    halos = _valid(array)
    return array.larray if halos is None else halos.extended
