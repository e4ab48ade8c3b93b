"""Element-wise arithmetic of sparse matrices, and the methods that they have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from heat_core.dtypes import result_type
from heat_core.sparse import reductions
from heat_core.sparse.convert import (
    converted,
    to_dense,
    to_sparse_csc,
    to_sparse_csr,
)
from heat_core.sparse.coordinates import balance, compressed, to_layout
from heat_core.sparse.matrix import Compressed, DCSC_matrix, DCSR_matrix
from heat_core.sparse.products import matmul, rmatmul

__all__ = ["add", "mul", "subtract", "transpose"]

_KINDS: dict[str, type[Compressed]] = {"row": DCSR_matrix, "col": DCSC_matrix}
# Functions of which zero is zero: the pattern stays.
_UNARY: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "__abs__": torch.abs,
    "__neg__": torch.neg,
    "abs": torch.abs,
    "conj": lambda data: data.conj().resolve_conj(),
    "expm1": torch.expm1,
    "log1p": torch.log1p,
    "sign": torch.sgn,
    "sin": torch.sin,
    "sqrt": torch.sqrt,
    "square": torch.square,
    "tan": torch.tan,
    "tanh": torch.tanh,
}


def _pair(a: Any, b: Any, orientation: str | None) -> tuple[Compressed, Compressed]:
    """Both in the same form, layout and type."""
    if not (isinstance(a, Compressed) and isinstance(b, Compressed)):
        raise TypeError("both operands are sparse matrices")
    if a.shape != b.shape:
        raise ValueError(f"shapes {a.shape} and {b.shape} differ")
    if orientation is not None:
        if orientation not in _KINDS:
            raise ValueError(f"orientation is 'row' or 'col', not {orientation!r}")
        a = converted(_KINDS[orientation], a)
    b = converted(type(a), b)
    if a.split is None and b.split is not None:
        a = to_layout(a, b.layout)
    dtype = result_type(a.dtype, b.dtype)
    return a.astype(dtype, copy=False), to_layout(b, a.layout).astype(dtype, copy=False)


def add(t1: Compressed, t2: Compressed, orientation: str | None = None) -> Compressed:
    """The sum of two sparse matrices. Collective if their layouts or forms differ.

    Parameters
    ----------
    t1, t2 : DCSR_matrix or DCSC_matrix
        Of one shape.
    orientation : {"row", "col"}, optional
        Form of the result. Default: that of ``t1``.
    """
    a, b = _pair(t1, t2, orientation)
    return compressed(
        type(a),
        torch.cat([a.major_numbers(), b.major_numbers()]),
        torch.cat([a.lindices, b.lindices]),
        torch.cat([a.ldata, b.ldata]),
        a.layout,
        a.comm,
    )


def subtract(t1: Compressed, t2: Compressed) -> Compressed:
    """The difference of two sparse matrices. Collective if their layouts or forms differ."""
    return add(t1, t2.with_data(-t2.ldata))


def mul(t1: Compressed, t2: Any, orientation: str | None = None) -> Compressed:
    """The element-wise product of two sparse matrices, or of one with a scalar.

    Collective if their layouts or forms differ; parameters as for ``add``. The result stores the
    places that both store.
    """
    if isinstance(t2, (bool, int, float, complex)):
        return t1.with_data(t1.ldata * t2)
    a, b = _pair(t1, t2, orientation)
    n_minor = a.shape[1 - a.major]
    keys, others = (one.major_numbers() * n_minor + one.lindices for one in (a, b))
    place = torch.searchsorted(others, keys).clamp(max=max(0, others.numel() - 1))
    both = others[place] == keys if others.numel() else torch.zeros_like(keys, dtype=torch.bool)
    data = a.ldata[both] * b.ldata[place[both]]
    return compressed(type(a), a.major_numbers()[both], a.lindices[both], data, a.layout, a.comm)


def divide(matrix: Compressed, scalar: Any) -> Compressed:
    """The matrix divided by a scalar. Local."""
    return matrix.with_data(matrix.ldata / scalar)


def transpose(matrix: Compressed) -> Compressed:
    """The transpose, in the other form and without a copy. Local."""
    kind = DCSC_matrix if matrix.major == 0 else DCSR_matrix
    layout = matrix.layout.transpose((1, 0))
    return kind(matrix.lindptr, matrix.lindices, matrix.ldata, layout, matrix.comm)


def _unary(function: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Compressed], Compressed]:
    return lambda matrix: matrix.with_data(function(matrix.ldata))


def _of_operands(
    function: Callable[..., Any], accepts: tuple[type, ...] | None
) -> Callable[[Compressed, Any], Any]:
    def method(matrix: Compressed, other: Any) -> Any:
        if accepts is not None and not isinstance(other, accepts):
            return NotImplemented
        return function(matrix, other)

    return method


_SCALARS = (bool, int, float, complex)


def _attach() -> None:
    methods: dict[str, Any] = {
        **{name: _unary(function) for name, function in _UNARY.items()},
        "T": property(transpose),
        "__add__": _of_operands(add, (Compressed,)),
        "__getitem__": reductions.getitem,
        "__matmul__": matmul,
        "__mul__": _of_operands(mul, (Compressed, *_SCALARS)),
        "__rmatmul__": rmatmul,
        "__rmul__": _of_operands(mul, _SCALARS),
        "__sub__": _of_operands(subtract, (Compressed,)),
        "__truediv__": _of_operands(divide, _SCALARS),
        "balance": balance,
        "diagonal": reductions.diagonal,
        "max": reductions.maximum,
        "mean": reductions.mean,
        "min": reductions.minimum,
        "sum": reductions.total,
        "to_dense": to_dense,
        "to_sparse_csc": to_sparse_csc,
        "to_sparse_csr": to_sparse_csr,
        "todense": to_dense,
        "transpose": transpose,
    }
    for name, method in methods.items():
        setattr(Compressed, name, method)


_attach()
