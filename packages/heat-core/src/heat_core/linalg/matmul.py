"""The matrix product of distributed matrices and vectors, for every pair of splits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

from heat_core.array.axes import normalize_split
from heat_core.array.conversion import convert
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import replicated, to_layout
from heat_core.config import config
from heat_core.dispatch.operands import coerce, common_comm, common_device
from heat_core.dtypes import promote_types
from heat_core.dtypes.unsigned import carry, uncarry
from heat_core.layout import Layout, canonical_layout, displacements, replicated_layout
from heat_core.linalg.local_product import add_product, aligned_matrix, multiply
from heat_core.linalg.stacked_matmul import stacked_product

if TYPE_CHECKING:
    from heat_core.comm import Communicator

__all__ = ["matmul"]

_SMALL = 1 << 18  # bytes: latency counts more than what could be overlapped


def matmul(a: DNDarray, b: DNDarray, *, out_split: int | str | None = "auto") -> DNDarray:
    """The matrix product ``a @ b``. Collective unless an operand of each kind is local.

    Parameters
    ----------
    a : DNDarray, (..., m, k) or (k,)
    b : DNDarray, (..., k, n) or (k,)
        The axes before the last two number matrices, and are broadcast.
    out_split : int, None or "auto"
        The split of the result.

    Returns
    -------
    DNDarray, (..., m, n)
        Without ``out_split``, split like ``a`` if that is distributed, otherwise like ``b``; for
        stacks see ``stacked_product``. A vector that would be split along an axis that it does not
        have is replicated.

    Raises
    ------
    ValueError
        If the inner extents differ, or the numbering axes do not broadcast.
    TypeError
        For scalars.

    Notes
    -----
    A slab of one operand passes around the ranks while each works on the one before: of ``b``, of
    ``a`` if both are split along columns, ``ranks - 1`` messages of a slab from each rank. A small
    ``b`` is gathered. Where the inner axis is cut, one reduce-scatter sums partial products of m n
    numbers.
    """
    left, right = _operand(a, b), _operand(b, a)
    if left.ndim == 0 or right.ndim == 0:
        raise TypeError("matmul does not take scalars; use multiply")
    if left.shape[-1] != right.shape[-1 if right.ndim == 1 else -2]:
        raise ValueError(f"the inner extents of {left.shape} @ {right.shape} differ")
    dtype = promote_types(left.dtype, right.dtype).torch
    x, y = _as_matrix(left, dtype, 0), _as_matrix(right, dtype, 1)
    result = _product(x, y) if x.ndim == y.ndim == 2 else stacked_product(x, y, multiply)
    result = wrap(uncarry(result.larray, dtype, "wrap"), result.layout, result.comm)
    dropped = frozenset(
        result.ndim - 2 + axis for axis, x in enumerate((left, right)) if x.ndim == 1
    )
    if dropped:
        if result.split in dropped:
            result = to_layout(result, replicated_layout(result.shape))
        local = result.larray.squeeze(tuple(dropped))
        result = wrap(local, result.layout.squeeze(dropped), result.comm)
    if isinstance(out_split, str):
        return result
    split = normalize_split(out_split, result.ndim)
    return to_layout(result, result.layout.with_split(split, result.comm.size))


def _operand(x: DNDarray, other: DNDarray) -> DNDarray:
    operand = coerce(x, common_comm((x, other)), common_device((x, other)))
    if not isinstance(operand, DNDarray):
        raise TypeError("matmul does not take scalars; use multiply")
    return operand


def _as_matrix(x: DNDarray, dtype: torch.dtype, axis: int) -> DNDarray:
    """A matrix of the carrier of ``dtype``; a vector gets ``axis`` of extent 1."""
    local = carry(convert(x.larray, dtype), "wrap")
    layout = x.layout
    if x.ndim == 1:
        local, layout = local.unsqueeze(axis), layout.expand(axis)
    return wrap(local, layout, x.comm)


def _product(a: DNDarray, b: DNDarray) -> DNDarray:
    """The product of two matrices of one type, by the table of pairs of splits."""
    comm, shape = a.comm, (a.shape[0], b.shape[1])
    if comm.size == 1:
        split = a.split if a.split is not None else b.split
        local = multiply(a.larray, b.larray)
        return wrap(local, canonical_layout(shape, split, 1), comm)
    match (a.split, b.split):
        case (None, None):
            return wrap(multiply(a.larray, b.larray), replicated_layout(shape), comm)
        case (0, None):
            return _rows(a, b.larray)
        case (None, 1):
            return wrap(multiply(a.larray, b.larray), Layout(shape, 1, b.layout.counts), comm)
        case (1, None):
            return _inner(a, b, a.layout.counts, split=1)
        case (None, 0):
            return _inner(a, b, b.layout.counts, split=0)
        case (1, 0):
            return _inner(a, b, a.layout.counts, split=1)
        case (0, 0) if b.nbytes <= _SMALL:
            return _rows(a, replicated(b))
        case (0, 0):
            return _ring_rows_by_rows(a, b)
        case (0, 1):
            if b.nbytes <= min(a.nbytes, config.replicate_bytes):
                return _rows(a, replicated(b))
            return _ring_rows_by_columns(a, b)
        case _:
            return _ring_columns_by_columns(a, b)


def _rows(a: DNDarray, b: torch.Tensor) -> DNDarray:
    layout = Layout((a.shape[0], b.shape[1]), 0, a.layout.counts)
    return wrap(multiply(a.larray, b), layout, a.comm)


def _inner(a: DNDarray, b: DNDarray, counts: tuple[int, ...] | None, *, split: int) -> DNDarray:
    """The inner extent is cut: partial products, whose sum is scattered along ``split``."""
    comm, shape = a.comm, (a.shape[0], b.shape[1])
    inner = a.shape[1]
    columns = to_layout(a, Layout((shape[0], inner), 1, counts)).larray
    rows = to_layout(b, Layout((inner, shape[1]), 0, counts)).larray
    op = "lor" if rows.dtype is torch.bool else "sum"
    if shape[split] == 1:
        # Nothing to scatter.
        total = comm.allreduce(multiply(columns, rows), op)
        return wrap(total, replicated_layout(shape), comm)
    layout = canonical_layout(shape, split, comm.size)
    if split == 0:
        partial = multiply(columns, rows)
        return wrap(comm.reduce_scatter(partial, layout.counts, op), layout, comm)
    # Scattered along columns: the transposed product has them as contiguous rows.
    partial = multiply(rows.T, columns.T).contiguous()
    return wrap(comm.reduce_scatter(partial, layout.counts, op).T, layout, comm)


def _ring(
    comm: Communicator, block: torch.Tensor, axis: int, counts: tuple[int, ...]
) -> Iterator[tuple[slice, torch.Tensor]]:
    """The slabs of all ranks in turn, beginning with the own one, and where each belongs.

    The next slab travels while the caller works on the present one.
    """
    shape, displs = list(block.shape), displacements(counts)
    block = block.contiguous()
    for step in range(comm.size):
        owner = (comm.rank + step) % comm.size
        here = slice(displs[owner], displs[owner] + counts[owner])
        if step == comm.size - 1:
            yield here, block
            return
        shape[axis] = counts[(owner + 1) % comm.size]
        arriving = block.new_empty(shape)
        request = comm.iexchange(
            [((comm.rank - 1) % comm.size, block)], [((comm.rank + 1) % comm.size, arriving)]
        )
        yield here, block
        request.wait()
        block = arriving


def _ring_rows_by_rows(a: DNDarray, b: DNDarray) -> DNDarray:
    """Row blocks of b pass by; block s meets the columns of a with its numbers."""
    counts = b.layout.counts
    assert counts is not None
    out = aligned_matrix(a.larray, a.larray.shape[0], b.shape[1])
    for step, (columns, block) in enumerate(_ring(a.comm, b.larray, 0, counts)):
        add_product(out, a.larray[:, columns], block, fresh=step == 0)
    return wrap(out.contiguous(), Layout((a.shape[0], b.shape[1]), 0, a.layout.counts), a.comm)


def _ring_rows_by_columns(a: DNDarray, b: DNDarray) -> DNDarray:
    """Column blocks of b pass by; each fills its columns of the result."""
    counts = b.layout.counts
    assert counts is not None
    out = aligned_matrix(a.larray, a.larray.shape[0], b.shape[1])
    for columns, block in _ring(a.comm, b.larray, 1, counts):
        out[:, columns] = multiply(a.larray, block)
    return wrap(out.contiguous(), Layout((a.shape[0], b.shape[1]), 0, a.layout.counts), a.comm)


def _ring_columns_by_columns(a: DNDarray, b: DNDarray) -> DNDarray:
    """Column blocks of a pass by; block s meets the rows of b with its numbers."""
    counts = a.layout.counts
    assert counts is not None
    out = aligned_matrix(a.larray, a.shape[0], b.larray.shape[1])
    for step, (rows, block) in enumerate(_ring(a.comm, a.larray, 1, counts)):
        add_product(out, block, b.larray[rows], fresh=step == 0)
    return wrap(out.contiguous(), Layout((a.shape[0], b.shape[1]), 1, b.layout.counts), a.comm)
