"""Stacks of matrices: the last two axes are a matrix, the axes before number matrices.

The functions of linear algebra work on whole matrices. A stack that is replicated or split along
one of its numbering axes has them on each rank already, and nothing is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, TypeAlias

import torch

from heat_core.array.conversion import convert
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import replicated, resplit
from heat_core.comm import Communicator
from heat_core.config import config
from heat_core.dispatch.operands import broadcast_shapes, coerce, common_comm
from heat_core.dtypes import float32, float_type, promote_types
from heat_core.errors import LinAlgError
from heat_core.layout import Layout, canonical_layout
from heat_core.layout.execute import relayout
from mpi_utils import collective

__all__ = ["as_matrices", "as_square", "fits", "lapack_errors", "map_matrices"]

_Kernel: TypeAlias = Callable[..., torch.Tensor | tuple[torch.Tensor, ...]]


def as_matrices(x: Any, name: str) -> DNDarray:
    """The operand as a stack of matrices in a type that LAPACK knows.

    Integers become the default floating-point type, half precision becomes single.

    Raises
    ------
    ValueError
        If there are fewer than two axes.
    """
    array = coerce(x, common_comm((x,)))
    if not isinstance(array, DNDarray) or array.ndim < 2:
        shape = getattr(array, "shape", ())
        raise ValueError(f"{name} needs matrices, two or more axes, not shape {shape}")
    dtype = float_type(array.dtype)
    if dtype.itemsize == 2:
        dtype = promote_types(dtype, float32)
    return wrap(convert(array.larray, dtype.torch), array.layout, array.comm)


def as_square(x: Any, name: str) -> DNDarray:
    """``as_matrices`` of square matrices; ValueError for others."""
    array = as_matrices(x, name)
    if array.shape[-1] != array.shape[-2]:
        raise ValueError(f"{name} needs square matrices, not shape {array.shape}")
    return array


def fits(x: DNDarray) -> bool:
    """Whether the functions may hold all of ``x`` on every rank: it is so, or small enough.

    Of a stack each rank gets its own matrices only.
    """
    return x.ndim > 2 or not x.is_distributed() or x.nbytes <= config.replicate_bytes


@contextmanager
def lapack_errors(comm: Communicator, distributed: bool) -> Iterator[None]:
    """Errors of LAPACK as ``LinAlgError``; on all ranks, if each works on matrices of its own."""
    with collective(comm) if distributed else nullcontext():
        try:
            yield
        except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]
            raise LinAlgError(str(error)) from None
        except RuntimeError as error:
            # torch has no type of its own for this one.
            if "NaN" not in str(error):
                raise
            raise LinAlgError(str(error)) from None


def _batch_layout(arrays: Sequence[DNDarray]) -> Layout:
    """How the numbering axes of the operands, broadcast against each other, are distributed."""
    shape = broadcast_shapes(*(x.shape[:-2] for x in arrays))
    distributed = sorted((x for x in arrays if x.split is not None), key=lambda x: -x.nbytes)
    for x in distributed:
        if x.split is not None and x.split < x.ndim - 2:
            layout = Layout(x.shape[:-2], x.split, x.layout.counts).broadcast(shape)
            if layout is not None:
                return layout
    if not distributed or not shape:
        return Layout(shape)
    return canonical_layout(shape, shape.index(max(shape)), distributed[0].comm.size)


def _laid_out(x: DNDarray, batch: Layout) -> torch.Tensor:
    """The local matrices of ``x`` that broadcast to this rank's part of ``batch``."""
    if batch.split is None:
        return replicated(x)
    axis = batch.split - batch.ndim + x.ndim - 2
    if axis < 0 or x.shape[axis] != batch.gshape[batch.split]:
        return replicated(x)
    return relayout(x.comm, x.larray, x.layout, Layout(x.shape, axis, batch.counts))


def _split_alone(x: DNDarray, split: int) -> DNDarray:
    """The same array, called split: on a single rank."""
    return wrap(x.larray, canonical_layout(x.shape, split, 1), x.comm)


def map_matrices(kernel: _Kernel, *arrays: DNDarray) -> tuple[DNDarray, ...]:
    """A function of whole matrices, mapped over stacks that broadcast against each other.

    Collective if an operand is distributed; without messages where each rank has its matrices.

    Parameters
    ----------
    kernel : callable
        Takes the local stacks, and gives one or several tensors with the numbering axes in front.
    arrays : DNDarray, (..., m, n)

    Returns
    -------
    tuple of DNDarray
        Of a stack, split along a numbering axis if an operand is distributed. Of one matrix that is
        distributed, matrices split like the first operand that is, everything else replicated.
    """
    comm, batch = arrays[0].comm, _batch_layout(arrays)
    split = next((x.split for x in arrays if x.split is not None), None)
    local = [_laid_out(x, batch) for x in arrays]
    with lapack_errors(comm, batch.split is not None and comm.size > 1):
        results = kernel(*local)
    found = []
    for part in results if isinstance(results, tuple) else (results,):
        shape = (*batch.gshape, *part.shape[batch.ndim :])
        result = wrap(part, Layout(shape, batch.split, batch.counts), comm)
        if batch.ndim == 0 and result.ndim == 2 and split is not None:
            # The own part only: a view would keep all of it.
            result = resplit(result, split) if comm.size > 1 else _split_alone(result, split)
        found.append(result)
    return tuple(found)
