"""The matrix product of stacks of matrices: NumPy's broadcasting over distributed arrays."""

from __future__ import annotations

from collections.abc import Callable

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import replicated
from heat_core.dispatch.operands import broadcast_shapes
from heat_core.layout import Layout
from heat_core.linalg.stacks import map_matrices

__all__ = ["stacked_product"]

_Multiply = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def stacked_product(a: DNDarray, b: DNDarray, multiply: _Multiply) -> DNDarray:
    """The products of the matrices in the last two axes, of which one operand has more.

    Collective if an operand is distributed.

    Parameters
    ----------
    a : DNDarray, (..., m, k)
    b : DNDarray, (..., k, n)
    multiply : callable
        The product of local stacks.

    Returns
    -------
    DNDarray, (..., m, n)
        Split along a numbering axis if an operand is; else along the rows if ``a`` is, along the
        columns if ``b`` is, and if the inner extent is cut, along the longest numbering axis.
    """
    by_stack = any(x.split is not None and x.split < x.ndim - 2 for x in (a, b))
    shape = (*broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1])
    if not by_stack and a.split == a.ndim - 2:
        # Each rank has rows of all matrices, and needs all columns.
        local = multiply(a.larray, replicated(b))
        return wrap(local, Layout(shape, len(shape) - 2, a.layout.counts), a.comm)
    if not by_stack and b.split == b.ndim - 1:
        local = multiply(replicated(a), b.larray)
        return wrap(local, Layout(shape, len(shape) - 1, b.layout.counts), a.comm)
    return map_matrices(multiply, a, b)[0]
