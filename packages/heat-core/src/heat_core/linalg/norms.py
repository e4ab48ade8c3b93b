"""Norms of vectors and matrices, and what is measured with them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from heat_core.array.axes import normalize_axes, normalize_axis
from heat_core.array.conversion import astype
from heat_core.array.dndarray import DNDarray
from heat_core.dispatch.reduce import Reducer, reduce
from heat_core.dtypes import DType, float64, float_type
from heat_core.dtypes.dtype import from_torch
from heat_core.indexing.functions import count_nonzero, where
from heat_core.linalg.inverse import inv
from heat_core.linalg.stacks import as_matrices, as_square
from heat_core.linalg.svd import svdvals
from heat_core.linalg.tolerance import relative_tolerance
from heat_core.ops.arithmetic import absolute, multiply, power, sqrt
from heat_core.ops.reductions import max as max_of
from heat_core.ops.reductions import min as min_of
from heat_core.ops.reductions import sum as sum_of
from heat_core.ops.shape import expand_dims, moveaxis

__all__ = ["cond", "matrix_norm", "matrix_rank", "norm", "vector_norm"]

Axis = int | Sequence[int] | None
_MATRIX_NORMS = (None, "fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf)
_TINY = float(torch.finfo(torch.float64).tiny)


def _real_type(dtype: DType) -> DType:
    """The type of magnitudes."""
    return from_torch[float_type(dtype).torch.to_real()]


def _power_sum(p: float) -> Reducer:
    """The sum of ``|x|**p``, in double precision, and added up over ranks there."""

    def partial(local: torch.Tensor, axes: tuple[int, ...], keepdims: bool) -> torch.Tensor:
        wide = torch.complex128 if local.is_complex() else torch.float64
        found: torch.Tensor = torch.linalg.vector_norm(local, p, axes, keepdims, dtype=wide)
        return found if p == 0 else torch.pow(found, p)

    return Reducer("vector_norm", partial, "sum", lambda dtype: 0, lambda dtype: float64)


def vector_norm(
    x: DNDarray, /, axis: Axis = None, keepdims: bool = False, ord: float | None = 2
) -> DNDarray:
    """The ``ord``-norm of vectors. Collective if the split axis is reduced: one small reduction.

    Parameters
    ----------
    x : DNDarray
    axis : int, tuple of int or None
        Axes that number the components; None: all.
    keepdims : bool
        Keep these axes with extent 1.
    ord : float
        ``(sum |x|**ord)**(1/ord)``; ``inf`` and ``-inf``: the largest and the smallest magnitude;
        0: how many are not zero. None: 2.

    Returns
    -------
    DNDarray
        Of the real type of ``x``. The 2-norm does not overflow or vanish unless it has to.
    """
    p = 2.0 if ord is None else float(ord)
    magnitude = _real_type(x.dtype)
    if math.isinf(p):
        sizes = absolute(astype(x, float_type(x.dtype), copy=False))
        extreme = max_of if p > 0 else min_of
        if p > 0 and x.size == 0:
            return max_of(sizes, axis=axis, keepdims=keepdims, initial=0.0)
        return extreme(sizes, axis=axis, keepdims=keepdims)
    floating = astype(x, float_type(x.dtype), copy=False)
    total = reduce(_power_sum(p), floating, axis, keepdims=keepdims)
    if p == 0:
        return astype(total, magnitude, copy=False)
    if p == 2:
        # The total is the same on all ranks if parts of several are in it: they decide alike.
        squares = total.larray
        if bool((~torch.isfinite(squares) | (squares < _TINY)).any()):
            return astype(_scaled_two_norm(floating, axis, keepdims), magnitude, copy=False)
        return astype(sqrt(total), magnitude, copy=False)
    return astype(power(total, 1 / p), magnitude, copy=False)


def _scaled_two_norm(x: DNDarray, axis: Axis, keepdims: bool) -> DNDarray:
    """The 2-norm where squares overflow or vanish: of the vectors divided by their maximum."""
    if x.size == 0:
        return sqrt(reduce(_power_sum(2.0), x, axis, keepdims=keepdims))
    largest = max_of(absolute(x), axis=axis, keepdims=True)
    scale = where((largest > 0) & (largest < math.inf), largest, 1)
    scaled: DNDarray = sqrt(reduce(_power_sum(2.0), x / scale, axis, keepdims=True)) * scale
    if keepdims:
        return scaled
    return reduce(_first(), scaled, axis)


def _first() -> Reducer:
    """Drops axes of extent 1."""
    return Reducer(
        "squeeze",
        lambda local, axes, keepdims: torch.amax(local, axes, keepdim=keepdims),
        "max",
        lambda dtype: -math.inf,
    )


def matrix_norm(
    x: DNDarray,
    /,
    axis: tuple[int, int] | None = None,
    keepdims: bool = False,
    ord: float | str | None = "fro",
) -> DNDarray:
    """A norm of matrices. Collective if they are distributed.

    Parameters
    ----------
    x : DNDarray, (..., m, n)
    axis : (int, int), optional
        Axes of rows and columns; default: the last two.
    keepdims : bool
        Keep these axes with extent 1.
    ord : {"fro", "nuc", 1, -1, 2, -2, inf, -inf}
        Frobenius; sum of singular values; largest or smallest column sum, singular value, row sum
        of magnitudes. None: Frobenius.

    Returns
    -------
    DNDarray, (...)
        Of the real type of ``x``.
    """
    if x.ndim < 2:
        raise ValueError(f"a matrix has two axes, an array of shape {x.shape} has fewer")
    rows, columns = (normalize_axis(a, x.ndim) for a in ((-2, -1) if axis is None else axis))
    if rows == columns:
        raise ValueError(f"axis {axis} names the same axis twice")
    if ord not in _MATRIX_NORMS:
        raise ValueError(f"ord {ord!r} is not a norm of matrices, one of {_MATRIX_NORMS}")
    if ord is None or ord == "fro":
        return vector_norm(x, axis=(rows, columns), keepdims=keepdims)
    floating = astype(x, float_type(x.dtype), copy=False)
    if isinstance(ord, str) or ord in (2, -2):
        values = svdvals(moveaxis(floating, (rows, columns), (-2, -1)))
        number = _of_singular_values(values, ord)
        return expand_dims(number, (rows, columns)) if keepdims else number
    added, compared = (rows, columns) if abs(ord) == 1 else (columns, rows)
    sums = sum_of(absolute(floating), axis=added, keepdims=True)
    result = (max_of if ord > 0 else min_of)(sums, axis=compared, keepdims=True)
    return result if keepdims else reduce(_first(), result, (rows, columns))


def _of_singular_values(values: DNDarray, ord: float | str) -> DNDarray:
    if ord == "nuc":
        return sum_of(values, axis=-1)
    return max_of(values, axis=-1) if ord == 2 else min_of(values, axis=-1)


def norm(
    x: DNDarray, axis: Axis = None, keepdims: bool = False, ord: float | str | None = None
) -> DNDarray:
    """NumPy's ``norm``: of vectors for one axis, of matrices for two. Collective.

    Parameters
    ----------
    x : DNDarray
    axis : int, (int, int) or None
        None: all axes; without ``ord`` the array is then taken as one vector.
    keepdims : bool
    ord : float or str, optional
        As for ``vector_norm`` and ``matrix_norm``.
    """
    if axis is None and ord is None:
        return vector_norm(x, keepdims=keepdims)
    axes = tuple(range(x.ndim)) if axis is None else axis
    if isinstance(axes, int) or len(axes) == 1:
        if isinstance(ord, str):
            raise ValueError(f"ord {ord!r} is not a norm of vectors")
        return vector_norm(x, axis=axes, keepdims=keepdims, ord=ord)
    if len(normalize_axes(axes, x.ndim)) != 2:
        raise ValueError(f"a norm is one of vectors or of matrices, not over axes {axes}")
    return matrix_norm(x, axis=(axes[0], axes[1]), keepdims=keepdims, ord=ord)


def cond(x: DNDarray, p: float | str | None = None) -> DNDarray:
    """The condition number, the norm times that of the inverse. Collective if distributed.

    Parameters
    ----------
    x : DNDarray, (..., m, n)
        Square unless ``p`` is None, 2 or -2.
    p : optional
        As ``ord`` of ``matrix_norm``. None: 2, by singular values.
    """
    if p in (None, 2, -2):
        values = svdvals(as_matrices(x, "cond"))
        largest, smallest = max_of(values, axis=-1), min_of(values, axis=-1)
        return smallest / largest if p == -2 else largest / smallest
    square = as_square(x, "cond")
    return multiply(matrix_norm(square, ord=p), matrix_norm(inv(square), ord=p))


def matrix_rank(x: DNDarray, /, *, rtol: Any = None) -> DNDarray:
    """How many singular values are above ``rtol`` times the largest. Collective if distributed.

    Parameters
    ----------
    x : DNDarray, (..., m, n)
    rtol : float or array_like, (...), optional
        Default: ``max(m, n)`` times the machine epsilon.

    Returns
    -------
    DNDarray, (...)
        Of type int64.
    """
    matrices = as_matrices(x, "matrix_rank")
    values = svdvals(matrices)
    if values.shape[-1] == 0:
        return sum_of(astype(values, "int64"), axis=-1)
    largest = max_of(values, axis=-1, keepdims=True)
    return count_nonzero(values > largest * relative_tolerance(matrices, rtol), axis=-1)
