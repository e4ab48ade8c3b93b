"""What can be multiplied with vectors (arrays, sparse matrices, functions), and the vectors."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import to_layout
from heat_core.layout import canonical_layout, replicated_layout
from heat_core.linalg.matmul import matmul
from heat_core.linalg.stacks import as_square

if TYPE_CHECKING:
    from heat_core.comm import Communicator

__all__ = ["Apply", "VectorSpace", "applied", "operator", "operator_type"]

Apply = Callable[[DNDarray], DNDarray]


def operator(A: Any, name: str) -> Apply:
    """The product with a vector or with columns.

    Parameters
    ----------
    A : DNDarray, sparse matrix or callable
        Square.
    name : str
        Of the function that asks, for errors.
    """
    if isinstance(A, DNDarray):
        matrix = as_square(A, name)
        if matrix.ndim != 2:
            raise ValueError(f"{name} takes one matrix, not shape {matrix.shape}")
        return partial(matmul, matrix)
    if hasattr(A, "lindptr"):
        if A.shape[0] != A.shape[1]:
            raise ValueError(f"{name} needs a square matrix, not shape {A.shape}")
        product: Apply = A.__matmul__
        return product
    if callable(A):
        return A  # type: ignore[no-any-return]
    raise TypeError(f"{name} takes an array, a sparse matrix or a function, not {type(A).__name__}")


def operator_type(*things: Any) -> torch.dtype:
    """The floating-point type of what operators and arrays have in common; functions have none."""
    found = torch.float32
    for thing in things:
        dtype = getattr(thing, "dtype", None)
        if dtype is not None:
            found = torch.promote_types(found, dtype.torch)
    return found


def applied(apply: Apply, vector: DNDarray) -> DNDarray:
    """The product with a vector, (n,), which the operator sees as one column. Collective."""
    column = wrap(vector.larray.unsqueeze(1), vector.layout.expand(1), vector.comm)
    product = apply(column)
    if product.ndim == 1:
        return product
    if product.split == 1:
        product = to_layout(product, replicated_layout(product.shape))
    return wrap(product.larray[:, 0], product.layout.squeeze(frozenset((1,))), product.comm)


class VectorSpace:
    """Vectors of which each rank has a slab, or all: sums over all their components.

    Parameters
    ----------
    n : int
    comm : Communicator
    distributed : bool
        Whether the ranks have slabs.
    """

    def __init__(self, n: int, comm: Communicator, distributed: bool) -> None:
        self.distributed = distributed and comm.size > 1
        self.layout = canonical_layout((n,), 0 if self.distributed else None, comm.size)
        self.comm = comm

    def own(self, vector: DNDarray, kind: torch.dtype) -> torch.Tensor:
        """The part of a vector that is this rank's, a tensor of its own. Collective."""
        return to_layout(vector, self.layout).larray.to(kind, copy=True)

    def array(self, local: torch.Tensor) -> DNDarray:
        """The vector of which this is the rank's part."""
        return wrap(local, self.layout, self.comm)

    def total(self, part: torch.Tensor) -> torch.Tensor:
        """The sum over ranks. Collective if distributed."""
        result: torch.Tensor = self.comm.allreduce(part) if self.distributed else part
        return result

    def dots(self, *pairs: tuple[torch.Tensor, torch.Tensor]) -> list[complex]:
        """Inner products, conjugate in the first vector. One allreduce."""
        parts = torch.stack([torch.vdot(x, y) for x, y in pairs])
        wide = torch.complex128 if parts.is_complex() else torch.float64
        found: list[complex] = self.total(parts.to(wide)).tolist()
        return found

    def norm(self, vector: torch.Tensor) -> float:
        """The 2-norm. One allreduce."""
        return math.sqrt(float(self.total(vector.abs().double().square().sum())))

    def project_out(self, basis: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
        """Take the components along orthonormal rows out of a vector, in place; one allreduce."""
        coefficients = self.total(basis.conj() @ vector)
        vector -= basis.T @ coefficients
        return coefficients
