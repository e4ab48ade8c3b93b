"""The scan driver: local scan, then what the ranks before contribute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from heat_core.array.axes import normalize_axis
from heat_core.array.conversion import convert
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.dispatch.flat import flattened, lengthened
from heat_core.dispatch.operands import Scalar
from heat_core.dispatch.reduce import same_type, store
from heat_core.dtypes import DType, canonical_heat_type
from heat_core.dtypes.unsigned import CARRIERS, Carry, carry, uncarry

__all__ = ["Scanner", "scan"]


@dataclass(frozen=True, slots=True)
class Scanner:
    """One scan.

    Parameters
    ----------
    name : str
    local : callable
        ``local(tensor, axis)``.
    combine : callable
        ``combine(of ranks before, local scan)``.
    op : str
        Combination over ranks, as ``mpi_utils.Communicator.exscan`` calls it.
    identity : callable
        ``identity(torch_dtype)``: the value that changes nothing.
    result_type : callable
        Type of the result as a function of the type of the array.
    carry_mode : {"wrap", "order"}
        How wide unsigned integers are carried.
    """

    name: str
    local: Callable[[torch.Tensor, int], torch.Tensor]
    combine: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    op: str
    identity: Callable[[torch.dtype], Scalar]
    result_type: Callable[[DType], DType] = same_type
    carry_mode: Carry = "wrap"


_WIDER = {torch.float16: torch.float32, torch.bfloat16: torch.float32}
_WIDE_TOTAL = {torch.float32: torch.float64, torch.complex64: torch.complex128}


def scan(
    scanner: Scanner,
    x: DNDarray,
    axis: int | None,
    *,
    dtype: object = None,
    out: DNDarray | None = None,
    include_initial: bool = False,
) -> DNDarray:
    """Combine each element with those before it. Collective if ``axis`` is the split axis.

    Returns
    -------
    DNDarray
        With the slabs of ``x``; with ``include_initial`` the first rank's is one longer.
    """
    dim = 0 if axis is None else normalize_axis(axis, max(1, x.ndim))
    x = flattened(x) if axis is None or x.ndim == 0 else x
    result_type = (
        scanner.result_type(x.dtype) if dtype is None else canonical_heat_type(dtype)
    ).torch
    if scanner.carry_mode == "wrap":
        local = convert(carry(x.larray, "wrap"), _accumulator(result_type))
    else:
        local = carry(x.larray, "order")
        local = local.byte() if local.dtype is torch.bool else local
    scanned = scanner.local(local, dim)
    if x.split == dim and x.comm.size > 1:
        scanned = _after_ranks_before(scanner, x, scanned, dim)
    layout = x.layout
    if include_initial:
        layout = lengthened(layout, dim, 1, rank=0)
        if layout.split != dim or x.comm.rank == 0:
            first = scanned.new_full(_one(scanned, dim), scanner.identity(scanned.dtype))
            scanned = torch.cat((first, scanned), dim)
    if CARRIERS.get(result_type) is scanned.dtype:
        scanned = uncarry(scanned, result_type, scanner.carry_mode)
    return store(wrap(convert(scanned, result_type), layout, x.comm), out)


def _accumulator(result_type: torch.dtype) -> torch.dtype:
    return CARRIERS.get(result_type, _WIDER.get(result_type, result_type))


def _one(local: torch.Tensor, dim: int) -> tuple[int, ...]:
    return (*local.shape[:dim], 1, *local.shape[dim + 1 :])


def _after_ranks_before(
    scanner: Scanner, x: DNDarray, scanned: torch.Tensor, dim: int
) -> torch.Tensor:
    """The local scan combined with the totals of the ranks before."""
    n = scanned.shape[dim]
    if n:
        total = scanned.narrow(dim, n - 1, 1)
    else:
        total = scanned.new_full(_one(scanned, dim), scanner.identity(scanned.dtype))
    wide = _WIDE_TOTAL.get(scanned.dtype) if scanner.carry_mode == "wrap" else None
    total = total.contiguous() if wide is None else total.to(wide)
    before = x.comm.exscan(total, scanner.op)
    return scanned if x.comm.rank == 0 else scanner.combine(before.to(scanned.dtype), scanned)
