"""The reduction driver: local partial result, combination over ranks, final type."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from heat_core.array.axes import normalize_axes
from heat_core.array.conversion import convert
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.dispatch.exact import exact_sum
from heat_core.dispatch.operands import Scalar, broadcast_shapes, coerce, local_operand
from heat_core.dtypes import DType, can_cast, canonical_heat_type, int64, uint64
from heat_core.dtypes.unsigned import CARRIERS, Carry, carry, uncarry
from heat_core.layout import Layout
from heat_core.layout.execute import relayout

__all__ = ["Reducer", "integer_sum_type", "reduce", "same_type", "store"]


def same_type(dtype: DType) -> DType:
    """The result has the type of the array."""
    return dtype


def integer_sum_type(dtype: DType) -> DType:
    """The type of sums and products: 64 bits for integers and bool, else that of the array."""
    if dtype.kind == "unsigned integer":
        return uint64
    return int64 if dtype.kind in ("bool", "signed integer") else dtype


@dataclass(frozen=True, slots=True)
class Reducer:
    """One reduction.

    Parameters
    ----------
    name : str
    partial : callable
        ``partial(local, axes, keepdims)``: of a non-empty local tensor.
    op : str
        Combination over ranks, as ``mpi_utils.Communicator.allreduce`` calls it.
    identity : callable
        ``identity(torch_dtype)``: the value that changes nothing; what empty slabs contribute.
    result_type : callable
        Type of the result as a function of the type of the array.
    accumulates : bool
        Whether rounding matters, so that parts are combined in a wider floating-point type.
    orders : bool
        Whether it compares elements: complex numbers are refused, and the reduction of nothing
        is an error.
    """

    name: str
    partial: Callable[[torch.Tensor, tuple[int, ...], bool], torch.Tensor]
    op: str
    identity: Callable[[torch.dtype], Scalar]
    result_type: Callable[[DType], DType] = same_type
    accumulates: bool = False
    orders: bool = False


_WIDER = {
    torch.float16: torch.float32,
    torch.bfloat16: torch.float32,
    torch.float32: torch.float64,
    torch.complex64: torch.complex128,
}


def reduce(
    reducer: Reducer,
    x: DNDarray,
    axis: int | Sequence[int] | None = None,
    *,
    keepdims: bool = False,
    dtype: object = None,
    out: DNDarray | None = None,
    initial: Scalar | None = None,
    where: Any = True,
    exact: bool = False,
) -> DNDarray:
    """Reduce an array over some axes. Collective if the split axis is one of them.

    With ``exact`` (of sums) the order of floating-point terms has no effect.

    Returns
    -------
    DNDarray
        Replicated if the split axis is reduced, else split along it with the same slabs.
    """
    axes = normalize_axes(axis, x.ndim)
    result_type = reducer.result_type(x.dtype) if dtype is None else canonical_heat_type(dtype)
    if reducer.orders:
        _check_order(reducer, x, axes, initial)
    carry_mode: Carry = "order" if reducer.orders else "wrap"
    local = x._local
    if reducer.accumulates:
        # Half precision is accumulated in single.
        half = result_type.torch in (torch.float16, torch.bfloat16)
        local = _widened(local, torch.float32 if half else result_type.torch)
    local = carry(local, carry_mode)
    if where is not True:
        local = _masked(reducer, x, local, where)
    dims, is_crossed = tuple(sorted(axes)), x.split in axes and x._comm.size > 1
    if exact and (local.is_floating_point() or local.is_complex()):
        n = math.prod(x.shape[axis] for axis in dims)
        partial = exact_sum(local, dims, n, x._comm if is_crossed else None)
        partial = partial if keepdims else partial.squeeze(dims)
    else:
        partial = _partial(reducer, local, dims, keepdims)
        partial = _combine(reducer, x, partial) if is_crossed else partial
    if initial is not None:
        partial = _with_initial(reducer, partial, initial)
    carried = CARRIERS.get(result_type.torch) is partial.dtype
    partial = (
        uncarry(partial, result_type.torch, carry_mode)
        if carried
        else convert(partial, result_type.torch)
    )
    layout = x._layout.reduce(axes, keepdims=keepdims)
    return store(wrap(partial, layout, x._comm), out)


def _check_order(
    reducer: Reducer, x: DNDarray, axes: frozenset[int], initial: Scalar | None
) -> None:
    if x.larray.dtype.is_complex:
        raise TypeError(f"{reducer.name} does not take complex numbers, which have no order")
    if initial is None and any(x.shape[axis] == 0 for axis in axes):
        raise ValueError(f"{reducer.name} of no elements, and no initial value")


def _widened(local: torch.Tensor, accumulator: torch.dtype) -> torch.Tensor:
    if accumulator in CARRIERS:
        return local if local.dtype in CARRIERS else local.to(torch.int64)
    # Sums of narrow integers widen inside the kernel, without a copy.
    is_real = local.dtype.is_floating_point or local.dtype.is_complex
    widens = accumulator is torch.int64 and not is_real and local.dtype not in CARRIERS
    return local if widens else convert(local, accumulator)


def _masked(reducer: Reducer, x: DNDarray, local: torch.Tensor, where: Any) -> torch.Tensor:
    mask = coerce(where, x.comm, local.device)
    if not isinstance(mask, DNDarray):
        mask = coerce(torch.tensor(bool(mask)), x.comm, local.device)
        assert isinstance(mask, DNDarray)
    if broadcast_shapes(mask.shape, x.shape) != x.shape:
        raise ValueError(f"where of shape {mask.shape} does not broadcast to {x.shape}")
    identity = torch.tensor(reducer.identity(local.dtype), dtype=local.dtype)
    return torch.where(local_operand(mask, x.layout).bool(), local, identity)


def _partial(
    reducer: Reducer, local: torch.Tensor, axes: tuple[int, ...], keepdims: bool
) -> torch.Tensor:
    if not axes:
        return reducer.partial(local.unsqueeze(0), (0,), False)
    if any(local.shape[axis] == 0 for axis in axes):
        shape = Layout(tuple(local.shape)).reduce(frozenset(axes), keepdims=keepdims).gshape
        kind = reducer.partial(local.new_zeros((1,)), (0,), False).dtype
        return torch.full(shape, reducer.identity(kind), dtype=kind, device=local.device)
    return reducer.partial(local, axes, keepdims)


def _combine(reducer: Reducer, x: DNDarray, partial: torch.Tensor) -> torch.Tensor:
    if reducer.accumulates and partial.dtype in _WIDER:
        wide = convert(partial, _WIDER[partial.dtype])
        return convert(x.comm.allreduce(wide, reducer.op, out=wide), partial.dtype)
    total: torch.Tensor = x.comm.allreduce(partial, reducer.op, out=partial)
    return total


def _with_initial(reducer: Reducer, partial: torch.Tensor, initial: Scalar) -> torch.Tensor:
    other = torch.full_like(partial, initial)
    return reducer.partial(torch.stack((partial, other)), (0,), False)


def store(result: DNDarray, out: DNDarray | None) -> DNDarray:
    """``result``, or ``out`` filled with it under its own layout. Collective if layouts differ."""
    if out is None:
        return result
    if out.shape != result.shape:
        raise ValueError(f"out has shape {out.shape}, the result {result.shape}")
    if not can_cast(result.dtype, out.dtype, "same_kind"):
        raise TypeError(f"the result, {result.dtype.name}, does not fit {out.dtype.name}")
    local = relayout(result.comm, result.larray, result.layout, out.layout)
    out.larray.copy_(convert(local, out.larray.dtype))
    return out
