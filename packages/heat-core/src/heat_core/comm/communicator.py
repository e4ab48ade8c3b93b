"""The communicator of arrays, and the default one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import mpi_utils
from heat_core.layout import canonical_counts, canonical_layout, displacements

__all__ = ["Communicator", "get_comm", "sanitize_comm", "use_comm"]


class Communicator(mpi_utils.Communicator):
    """``mpi_utils.Communicator`` that knows how arrays are cut.

    With ``HEAT_CORE_DEBUG=1`` the ranks compare what they are about to do before each collective,
    and raise ``mpi_utils.CollectiveMismatchError`` with a table of call sites if they differ.
    With ``HEAT_CORE_TIMEOUT=30`` an operation that takes longer than 30 seconds prints all stacks.
    """

    packages = ("heat_core", "mpi_utils")

    def __getattr__(self, name: str) -> Any:
        """MPI's own operations as mpi4py spells them: ``Send``, ``Allreduce``, ``Ibcast``.

        They take mpi4py's arguments; of an array, the local tensor is meant, which must be
        contiguous. The operations in lower case know strides, devices and all data types.
        """
        if not name[0].isupper():
            raise AttributeError(f"a communicator has no attribute {name!r}")
        if name in ("Split", "Free"):
            return getattr(self, name.lower())
        operation = getattr(self.handle, name)
        return partial(_with_local_tensors, operation) if callable(operation) else operation

    def is_distributed(self) -> bool:
        """Whether there is more than one rank."""
        return bool(self.size > 1)

    def chunk(
        self,
        shape: tuple[int, ...],
        split: int | None,
        rank: int | None = None,
        w_size: int | None = None,
    ) -> tuple[int, tuple[int, ...], tuple[slice, ...]]:
        """Offset, local shape and slices of a rank's part under balanced chunking. Local.

        Parameters
        ----------
        shape : tuple of int
            Global shape.
        split : int or None
        rank, w_size : int, optional
            Of another rank, or for another number of ranks, than the own.
        """
        rank = self.rank if rank is None else rank
        axis = None if split is None else split % len(shape)
        layout = canonical_layout(tuple(shape), axis, self.size if w_size is None else w_size)
        return layout.offset(rank), layout.lshape(rank), layout.slices(rank)

    def counts_displs_shape(
        self, shape: tuple[int, ...], axis: int
    ) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """Counts and displacements of balanced slabs along ``axis``, and the own shape. Local."""
        counts = canonical_counts(shape[axis], self.size)
        local_shape = list(shape)
        local_shape[axis] = counts[self.rank]
        return counts, displacements(counts), tuple(local_shape)


def _with_local_tensors(operation: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    """Call mpi4py with the local tensors of arrays, also within buffer specifications."""
    return operation(
        *map(_local_tensor, arguments), **{key: _local_tensor(it) for key, it in keywords.items()}
    )


def _local_tensor(argument: Any) -> Any:
    if isinstance(argument, (tuple, list)):
        return type(argument)(map(_local_tensor, argument))
    return getattr(argument, "larray", argument)


_default: Communicator | None = None


def get_comm() -> Communicator:
    """The communicator of new arrays: a duplicate of the world unless changed.

    The first call is collective, and starts MPI if the program has not done so. From then on an
    exception that nobody catches ends the whole job of several ranks, instead of leaving the
    others waiting; ``HEAT_CORE_ABORT_ON_ERROR=0`` prevents that, and it is off in interactive
    sessions.
    """
    global _default  # noqa: PLW0603 - the one process-wide default
    if _default is None:
        _default = Communicator()
        is_interactive = hasattr(sys, "ps1") or bool(sys.flags.interactive)
        wanted = os.environ.get("HEAT_CORE_ABORT_ON_ERROR", "0" if is_interactive else "1")
        if _default.size > 1 and wanted != "0":
            mpi_utils.abort_on_exception()
    return _default


def use_comm(comm: Any = None) -> None:
    """Make ``comm`` the communicator of new arrays; None: the world. Collective."""
    global _default  # noqa: PLW0603 - the one process-wide default
    _default = None if comm is None else sanitize_comm(comm)


def sanitize_comm(comm: Any) -> Communicator:
    """The communicator that ``comm`` names.

    None is the default. An mpi4py communicator is duplicated, which is collective; one of
    mpi_utils is shared.
    """
    if comm is None:
        return get_comm()
    if isinstance(comm, Communicator):
        return comm
    if isinstance(comm, mpi_utils.Communicator):
        return Communicator(comm.handle, duplicate=False)
    if hasattr(comm, "Get_rank"):
        return Communicator(comm)
    raise TypeError(f"comm must be a communicator, not {type(comm).__name__}")
