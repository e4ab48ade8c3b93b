"""Products of the matrices of one rank.

The library behind torch's products on CPUs is several times slower with some shapes than with their
neighbours. Those are given to it in another form, with the same result.
"""

from __future__ import annotations

import torch

from heat_core.memory import empty
from heat_core.samples import products_with_themselves

__all__ = ["add_product", "aligned_matrix", "multiply"]

_FEW = 8  # columns: up to so many are faster as contiguous columns, by up to four times
_LINE = 16  # float32 in a cache line
_SMALL = 32  # extents below which a copy costs more than it saves
_DEEP = 512  # inner extent from which a copy of the result costs less than it saves


def multiply(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """``a @ b`` of matrices, (m, k) and (k, n), or of stacks of them; ``or`` of ``and`` of bool."""
    if a.dtype is torch.bool:
        # Whether any product is true: a sum of as many ones cannot wrap around in int64.
        return torch.matmul(a.to(torch.int64), b.to(torch.int64)) > 0
    if not _is_tuned(a) or a.ndim != 2 or b.ndim != 2:
        return torch.matmul(a, b)
    if _are_transposes(a, b):
        return products_with_themselves(b)
    b = _few_as_columns(len(a), b)
    if a.shape[1] < _DEEP or b.shape[1] <= _FEW:
        return torch.matmul(a, b)
    return torch.mm(a, b, out=aligned_matrix(a, len(a), b.shape[1])).contiguous()


def add_product(out: torch.Tensor, a: torch.Tensor, b: torch.Tensor, *, fresh: bool) -> None:
    """``out += a @ b`` of matrices; ``out = a @ b`` if ``out`` is ``fresh``, with any content."""
    if out.dtype is torch.bool:
        product = multiply(a, b)
        out.copy_(product if fresh else out | product)
    else:
        out.addmm_(a, _few_as_columns(len(a), b) if _is_tuned(a) else b, beta=0 if fresh else 1)


def aligned_matrix(like: torch.Tensor, m: int, n: int) -> torch.Tensor:
    """An empty matrix, (m, n), whose rows begin where products write them fastest.

    float32 on CPUs: at whole cache lines, which saves up to a third of the time; else contiguous.
    """
    if like.dtype is not torch.float32 or like.device.type != "cpu":
        return empty((m, n), like.dtype, like.device)
    return empty((m, n + -n % _LINE), like.dtype)[:, :n]


def _is_tuned(a: torch.Tensor) -> bool:
    """Whether these forms matter: real numbers on a CPU."""
    return a.device.type == "cpu" and a.dtype in (torch.float32, torch.float64)


def _few_as_columns(m: int, b: torch.Tensor) -> torch.Tensor:
    if 2 <= b.shape[1] <= _FEW and min(m, len(b)) >= _SMALL:
        return b.T.contiguous().T
    return b


def _are_transposes(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether both are views of the same real numbers, the one transposed."""
    return (
        a.data_ptr() == b.data_ptr() and a.shape == b.shape[::-1] and a.stride() == b.stride()[::-1]
    )
