"""Copies of arrays by Python's own means: ``copy`` and ``pickle``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from heat_core.array.conversion import copy
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.comm import get_comm
from heat_core.layout import Layout

__all__ = ["deepcopy", "reduce"]


def deepcopy(x: DNDarray, memo: dict[int, Any]) -> DNDarray:
    """``copy.deepcopy(x)``: a copy on the same communicator. Local."""
    del memo
    return copy(x)


def reduce(x: DNDarray) -> tuple[Callable[..., DNDarray], tuple[Any, ...]]:
    """What ``pickle`` stores of an array: this rank's part and the layout. Local.

    A replicated array can be read by any process. A distributed one is read by as many ranks, each
    reading what the same rank wrote; arrays are then on the default communicator.
    """
    # torch would store the whole memory behind a view.
    local = x.larray.contiguous()
    if local.untyped_storage().nbytes() > local.nbytes:
        local = local.clone()
    return _restored, (local, x.layout, x.comm.rank)


def _restored(local: torch.Tensor, layout: Layout, rank: int) -> DNDarray:
    comm = get_comm()
    if layout.counts is not None and (len(layout.counts), rank) != (comm.size, comm.rank):
        raise ValueError(
            f"this is the part of rank {rank} of {len(layout.counts)}, and it is read by rank "
            f"{comm.rank} of {comm.size}; save_sharded writes arrays for any number of ranks"
        )
    return wrap(local, layout, comm)
