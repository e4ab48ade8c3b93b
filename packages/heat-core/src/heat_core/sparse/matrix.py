"""Distributed sparse matrices: compressed rows or compressed columns, one slab of them a rank.

Both are the same storage. The *major* axis is the compressed one, rows of a ``DCSR_matrix`` and
columns of a ``DCSC_matrix``; only it can be distributed. Indices along the *minor* axis are global,
and ascend within each row or column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.devices import Device, device_of
from heat_core.dtypes import DType, canonical_heat_type, from_torch
from heat_core.layout import Layout

if TYPE_CHECKING:
    from heat_core.comm import Communicator

__all__ = ["Compressed", "DCSC_matrix", "DCSR_matrix"]


class Compressed:
    """What both kinds of matrices share. They are made by ``sparse_csr_matrix`` and the like.

    Parameters
    ----------
    indptr : torch.Tensor of int64, (local rows or columns + 1,)
        Where the elements of each begin in the local ``indices`` and ``data``.
    indices, data : torch.Tensor, (local number of elements,)
    layout : Layout
        Of the matrix, (rows, columns).
    comm : Communicator
    """

    major: ClassVar[int]
    # NumPy must leave products to the reflected operators of this class.
    __array_ufunc__ = None

    def __init__(
        self,
        indptr: torch.Tensor,
        indices: torch.Tensor,
        data: torch.Tensor,
        layout: Layout,
        comm: Communicator,
    ) -> None:
        if layout.split not in (None, self.major):
            raise ValueError(f"a {type(self).__name__} is split along {self.major} or not at all")
        self.lindptr, self.lindices, self.ldata = indptr, indices, data
        self.layout, self.comm = layout, comm
        self._plan: Any = None  # the communication of products, made by the first one

    # -- attributes, all local ---------------------------------------------------------------
    @property
    def shape(self) -> tuple[int, ...]:
        """Global shape."""
        return self.layout.gshape

    gshape = shape

    @property
    def ndim(self) -> int:
        """Two."""
        return 2

    @property
    def lshape(self) -> tuple[int, ...]:
        """Shape of this rank's part."""
        return self.layout.lshape(self.comm.rank)

    @property
    def split(self) -> int | None:
        """The distributed axis, or None."""
        return self.layout.split

    @property
    def balanced(self) -> bool:
        """Whether the slabs are the canonical ones."""
        return self.layout.is_balanced

    @property
    def dtype(self) -> DType:
        """Data type of the elements."""
        return from_torch[self.ldata.dtype]

    @property
    def device(self) -> Device:
        """The device of the local tensors."""
        return device_of(self.ldata.device)

    @property
    def lnnz(self) -> int:
        """Number of elements that this rank stores."""
        return self.ldata.numel()

    @property
    def larray(self) -> torch.Tensor:
        """The part of this rank as a sparse tensor of torch, which shares its memory."""
        make = torch.sparse_csr_tensor if self.major == 0 else torch.sparse_csc_tensor
        parts = (self.lindptr, self.lindices, self.ldata)
        return make(*parts, self.lshape, check_invariants=False)

    def is_distributed(self) -> bool:
        """Whether the ranks hold different parts. Local."""
        return self.split is not None and self.comm.size > 1

    # -- numbers of elements, exact in int64 -------------------------------------------------
    def counts_displs_nnz(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Elements of each rank, and how many there are on the ranks before it. Collective."""
        if self.split is None:
            raise ValueError("a replicated matrix has no counts and displacements")
        counts = tuple(self.comm.allgather(torch.tensor([self.lnnz])).flatten().tolist())
        return counts, tuple(sum(counts[:rank]) for rank in range(self.comm.size))

    @property
    def nnz(self) -> int:
        """Number of stored elements. Collective, local if replicated."""
        return sum(self.counts_displs_nnz()[0]) if self.is_distributed() else self.lnnz

    gnnz = nnz

    def global_indptr(self) -> DNDarray:
        """Where each row or column begins in the elements of all ranks. Collective.

        Returns
        -------
        DNDarray of int64, (rows or columns + 1,)
            Replicated.
        """
        extent = self.shape[self.major]
        lengths = self._major_vector(self.lindptr.diff()).resplit(None).larray
        starts = torch.zeros(extent + 1, dtype=torch.int64, device=lengths.device)
        torch.cumsum(lengths, 0, out=starts[1:])
        return wrap(starts, Layout((extent + 1,)), self.comm)

    @property
    def gdata(self) -> DNDarray:
        """The stored elements of all ranks, (nnz,), where they lie. Collective if distributed."""
        return self._along_elements(self.ldata)

    @property
    def gindices(self) -> DNDarray:
        """Their numbers along the minor axis, (nnz,). Collective if distributed."""
        return self._along_elements(self.lindices)

    @property
    def gindptr(self) -> DNDarray:
        """As ``global_indptr()``. Collective."""
        return self.global_indptr()

    data, indices, indptr = gdata, gindices, gindptr

    def _along_elements(self, local: torch.Tensor) -> DNDarray:
        if self.split is None:
            return wrap(local, Layout((self.lnnz,)), self.comm)
        counts, _ = self.counts_displs_nnz()
        return wrap(local, Layout((sum(counts),), 0, counts), self.comm)

    def _major_vector(self, local: torch.Tensor) -> DNDarray:
        """A vector along the major axis, distributed like it."""
        split = None if self.split is None else 0
        layout = Layout((self.shape[self.major],), split, self.layout.counts)
        return wrap(local, layout, self.comm)

    # -- the same elements in another form ---------------------------------------------------
    def with_data(self, data: torch.Tensor) -> Self:
        """The same pattern with other elements. Local."""
        return type(self)(self.lindptr, self.lindices, data, self.layout, self.comm)

    def astype(self, dtype: object, copy: bool = True) -> Self:
        """The matrix in another data type. Local."""
        target = canonical_heat_type(dtype).torch
        if target is self.ldata.dtype and not copy:
            return self
        return self.with_data(self.ldata.to(target, copy=True))

    def major_numbers(self) -> torch.Tensor:
        """The local row (or column) of each stored element. Local."""
        lengths = self.lindptr.diff()
        numbers = torch.arange(lengths.numel(), device=lengths.device)
        return numbers.repeat_interleave(lengths)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(rank={self.comm.rank}, shape={self.shape}, "
            f"dtype=ht.{self.dtype.name}, split={self.split}, lnnz={self.lnnz})"
        )

    if TYPE_CHECKING:
        # Attached from the table in arithmetic.py.
        def __getattr__(self, name: str) -> Any: ...


class DCSR_matrix(Compressed):  # noqa: N801 - the name that users of the original know
    """A matrix of compressed rows, replicated or split along axis 0."""

    major = 0


class DCSC_matrix(Compressed):  # noqa: N801 - likewise
    """A matrix of compressed columns, replicated or split along axis 1."""

    major = 1
