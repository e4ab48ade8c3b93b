"""Inner, outer and tensor products, on the matrix product, sums and element-wise products."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch

from heat_core.array.axes import normalize_axis
from heat_core.array.conversion import convert
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import replicated, resplit
from heat_core.config import config
from heat_core.dispatch.operands import coerce, common_comm, common_device
from heat_core.dispatch.reduce import store
from heat_core.dtypes import DType, canonical_heat_type, result_type
from heat_core.dtypes.unsigned import carry, uncarry
from heat_core.layout import Layout
from heat_core.linalg.matmul import matmul
from heat_core.ops.arithmetic import multiply
from heat_core.ops.complex_numbers import conj
from heat_core.ops.diagonals import diagonal as general_diagonal
from heat_core.ops.reductions import sum as sum_of
from heat_core.ops.reshape import ravel, reshape
from heat_core.ops.shape import expand_dims, transpose

__all__ = [
    "diagonal",
    "dot",
    "inner",
    "kron",
    "multi_dot",
    "outer",
    "projection",
    "tensordot",
    "trace",
    "vdot",
    "vecdot",
]


def _arrays(*operands: Any) -> list[DNDarray]:
    """The operands as arrays; scalars become arrays without axes."""
    comm, device = common_comm(operands), common_device(operands)
    dtype = result_type(*operands) if any(isinstance(x, DNDarray) for x in operands) else None
    arrays = []
    for operand in operands:
        array = coerce(operand, comm, device)
        if not isinstance(array, DNDarray):
            kind = result_type(array) if dtype is None else dtype
            array = coerce(torch.tensor(array, dtype=kind.torch), comm, device)
            assert isinstance(array, DNDarray)
        arrays.append(array)
    return arrays


def vecdot(x1: Any, x2: Any, /, axis: int | None = -1, *, keepdims: bool | None = None) -> DNDarray:
    """The sum of ``conj(x1) * x2`` along an axis. Collective if that is the split axis.

    Parameters
    ----------
    x1, x2 : array_like
        Broadcast against each other, except along ``axis``.
    axis : int
        Of the broadcast arrays.
    keepdims : bool
        Keep ``axis`` with extent 1.

    Raises
    ------
    ValueError
        If the extents of ``axis`` differ: it is not broadcast.
    """
    a, b = _arrays(x1, x2)
    ndim = max(a.ndim, b.ndim)
    place = normalize_axis(-1 if axis is None else axis, ndim) - ndim
    if min(a.ndim, b.ndim) < -place or a.shape[place] != b.shape[place]:
        raise ValueError(f"vecdot of shapes {a.shape} and {b.shape}: axis {axis} differs")
    dtype = result_type(a, b)
    return sum_of(multiply(conj(a), b), axis=place, dtype=dtype, keepdims=bool(keepdims))


def vdot(x1: Any, x2: Any, /) -> DNDarray:
    """The sum of ``conj(x1) * x2`` over all elements, of flattened arrays. Collective."""
    a, b = _arrays(x1, x2)
    if a.size != b.size:
        raise ValueError(f"vdot needs as many elements in both, not {a.size} and {b.size}")
    return vecdot(ravel(a), ravel(b))


def dot(a: Any, b: Any, out: DNDarray | None = None) -> DNDarray:
    """NumPy's ``dot``: of vectors and matrices the matrix product. Collective.

    Of more axes the sum over the last axis of ``a`` and the last but one of ``b``; with a scalar
    the element-wise product.
    """
    x, y = _arrays(a, b)
    if x.ndim == 0 or y.ndim == 0:
        return multiply(x, y, out=out)
    if x.ndim == y.ndim == 1 and config.reproducible:
        return store(vecdot(conj(x), y), out)
    if x.ndim <= 2 and y.ndim <= 2:
        return store(matmul(x, y), out)
    return store(tensordot(x, y, axes=((-1,), (max(-2, -y.ndim),))), out)


def inner(a: Any, b: Any) -> DNDarray:
    """The sum over the last axes of both, ``tensordot(a, b, ((-1,), (-1,)))``. Collective."""
    x, y = _arrays(a, b)
    if x.ndim == 0 or y.ndim == 0:
        return multiply(x, y)
    if x.ndim == y.ndim == 1:
        return dot(x, y)
    return tensordot(x, y, axes=((-1,), (-1,)))


def outer(
    a: Any, b: Any, out: DNDarray | None = None, split: int | str | None = "auto"
) -> DNDarray:
    """All products of an element of ``a`` with one of ``b``. Collective if one is distributed.

    Parameters
    ----------
    a, b : array_like
        Flattened.
    out : DNDarray, (m, n), optional
        Takes the result under its own layout.
    split : {0, 1, None}, optional
        Of the result; default: rows if ``a`` is distributed, else columns if ``b`` is.

    Returns
    -------
    DNDarray, (m, n)
    """
    x, y = (ravel(array) for array in _arrays(a, b))
    rows, columns = expand_dims(x, 1), expand_dims(y, 0)
    if rows.is_distributed() or split == 0:
        columns = wrap(replicated(columns), Layout(columns.shape), columns.comm)
        rows = resplit(rows, 0) if split == 0 else rows
    result = multiply(rows, columns)
    if not isinstance(split, str) and split != result.split:
        result = resplit(result, split)
    return store(result, out)


def _contracted(x: DNDarray, axes: Sequence[int]) -> list[int]:
    numbers = [normalize_axis(axis, x.ndim) for axis in axes]
    if len(set(numbers)) != len(numbers):
        raise ValueError(f"an axis comes twice in {tuple(axes)}")
    return numbers


def tensordot(x1: Any, x2: Any, /, axes: int | Sequence[int | Sequence[int]] = 2) -> DNDarray:
    """The sum of products over pairs of axes: one matrix product of reshaped arrays. Collective.

    Parameters
    ----------
    x1, x2 : array_like
    axes : int, or two sequences of int
        A number of last axes of ``x1`` and first axes of ``x2``, or the axes of each.

    Returns
    -------
    DNDarray
        The axes of ``x1`` that remain, then those of ``x2``.
    """
    a, b = _arrays(x1, x2)
    if isinstance(axes, int):
        pairs: list[Sequence[int]] = [range(a.ndim - axes, a.ndim), range(axes)]
        if not 0 <= axes <= min(a.ndim, b.ndim):
            raise ValueError(f"tensordot over {axes} axes of shapes {a.shape} and {b.shape}")
    else:
        pairs = [(item,) if isinstance(item, int) else tuple(item) for item in axes]
    first, second = _contracted(a, pairs[0]), _contracted(b, pairs[1])
    if [a.shape[i] for i in first] != [b.shape[j] for j in second]:
        raise ValueError(f"tensordot of shapes {a.shape} and {b.shape}: axes {axes} differ")
    kept_a = [i for i in range(a.ndim) if i not in first]
    kept_b = [j for j in range(b.ndim) if j not in second]
    inner_extent = prod(a.shape[i] for i in first)
    shape_a, shape_b = [a.shape[i] for i in kept_a], [b.shape[j] for j in kept_b]
    left = reshape(transpose(a, (*kept_a, *first)), (prod(shape_a), inner_extent))
    right = reshape(transpose(b, (*second, *kept_b)), (inner_extent, prod(shape_b)))
    return reshape(matmul(left, right), (*shape_a, *shape_b))


def kron(a: Any, b: Any) -> DNDarray:
    """The Kronecker product. Collective if ``b`` is distributed.

    Returns
    -------
    DNDarray
        Axis ``i`` has extent ``a.shape[i] * b.shape[i]``; split like ``a``.
    """
    x, y = _arrays(a, b)
    ndim = max(x.ndim, y.ndim)
    x = expand_dims(x, range(ndim - x.ndim)) if x.ndim < ndim else x
    y = expand_dims(y, range(ndim - y.ndim)) if y.ndim < ndim else y
    dtype = result_type(x, y).torch
    part = carry(convert(x.larray, dtype), "wrap")
    whole = carry(convert(replicated(y), dtype), "wrap")
    shape = tuple(m * n for m, n in zip(part.shape, y.shape, strict=True))
    part = part.reshape([n for extent in part.shape for n in (extent, 1)])
    whole = whole.reshape([n for extent in whole.shape for n in (1, extent)])
    local = uncarry((part * whole).reshape(shape), dtype, "wrap")
    gshape = tuple(m * n for m, n in zip(x.shape, y.shape, strict=True))
    if x.split is None or x.layout.counts is None:
        found = wrap(local, Layout(gshape), x.comm)
        return found if y.split is None else resplit(found, y.split)
    counts = tuple(count * y.shape[x.split] for count in x.layout.counts)
    return wrap(local, Layout(gshape, x.split, counts), x.comm)


def multi_dot(arrays: Sequence[Any]) -> DNDarray:
    """The product of several matrices, in the cheapest order. Collective.

    Parameters
    ----------
    arrays : sequence of array_like
        The first and the last may be vectors.

    Notes
    -----
    The order minimises the number of multiplications (Cormen et al., Introduction to Algorithms,
    section "Matrix-chain multiplication").
    """
    operands = _arrays(*arrays)
    if len(operands) < 2:
        raise ValueError("multi_dot needs two or more arrays")
    extents = [1 if operands[0].ndim == 1 else operands[0].shape[0]]
    extents += [x.shape[0] if x.ndim == 1 else x.shape[-2] for x in operands[1:]]
    extents += [1 if operands[-1].ndim == 1 else operands[-1].shape[-1]]
    cheapest: dict[tuple[int, int], tuple[int, int]] = {
        (i, i): (0, i) for i in range(len(operands))
    }
    for length in range(1, len(operands)):
        for i in range(len(operands) - length):
            j = i + length
            cheapest[i, j] = min(
                (
                    cheapest[i, k][0]
                    + cheapest[k + 1, j][0]
                    + extents[i] * extents[k + 1] * extents[j + 1],
                    k,
                )
                for k in range(i, j)
            )

    def product(i: int, j: int) -> DNDarray:
        if i == j:
            return operands[i]
        k = cheapest[i, j][1]
        return matmul(product(i, k), product(k + 1, j))

    return product(0, len(operands) - 1)


def diagonal(x: DNDarray, /, *, offset: int = 0) -> DNDarray:
    """The diagonals of the matrices in the last two axes; see ``heat_core.diagonal``."""
    return general_diagonal(x, offset, -2, -1)


def trace(x: DNDarray, /, *, offset: int = 0, dtype: object = None) -> DNDarray:
    """The sums of the diagonals of matrices, in the last two axes. Collective if they are cut."""
    return trace_of_axes(x, offset, -2, -1, dtype)


def trace_of_axes(
    a: DNDarray,
    offset: int = 0,
    axis1: int = 0,
    axis2: int = 1,
    dtype: object = None,
    out: DNDarray | None = None,
) -> DNDarray:
    """NumPy's ``trace``, by default of the first two axes. Collective if they are cut.

    Parameters
    ----------
    a : DNDarray
    offset : int
        The diagonal: 0 main, positive above.
    axis1, axis2 : int
        Axes of rows and columns.
    dtype : data type, optional
        Of the sum; default as for ``sum``.
    out : DNDarray, optional
    """
    chosen: DType | None = None if dtype is None else canonical_heat_type(dtype)
    # The diagonal where it lies: summed up before it is sent.
    return sum_of(general_diagonal(a, offset, axis1, axis2), axis=-1, dtype=chosen, out=out)


def projection(a: DNDarray, b: DNDarray) -> DNDarray:
    """The projection of the vector ``a`` on the vector ``b``. Collective."""
    if a.ndim != 1 or b.ndim != 1:
        raise ValueError(f"projection takes vectors, not shapes {a.shape} and {b.shape}")
    return multiply(b, vecdot(b, a) / vecdot(b, b))
