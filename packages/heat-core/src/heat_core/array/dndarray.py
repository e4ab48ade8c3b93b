"""The distributed array: a local torch tensor, a layout and a communicator.

Methods that compute are attached from the table in ``methods.py``, so that ``x.f(...)`` and
``ht.f(x, ...)`` are the same function. Here stand the attributes, which never communicate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

import heat_core.memory  # noqa: F401 - before the first tensor
from heat_core.devices import Device, device_of
from heat_core.dtypes import DType, canonical_heat_type, from_torch
from heat_core.layout import Layout, canonical_layout, replicated_layout

if TYPE_CHECKING:
    from heat_core.comm import Communicator

__all__ = ["DNDarray", "wrap"]


class DNDarray:
    """A global array of which each rank holds one slab, or the whole.

    Arrays are made by ``array``, ``zeros``, ``load`` and the like; this constructor takes the
    parts as they are.

    Parameters
    ----------
    array : torch.Tensor
        The local tensor.
    gshape : tuple of int
        Global shape.
    dtype : data type
        Must be the type of the tensor.
    split : int or None
        The distributed axis.
    device : Device
        Must be the device of the tensor.
    comm : Communicator
    balanced : bool, optional
        True: the slabs are the canonical ones, and nothing is communicated.
    counts : tuple of int, optional
        Extents of the slabs. Without them and without ``balanced=True`` the ranks tell each
        other, which is collective.
    """

    __slots__ = ("__weakref__", "_comm", "_halos", "_layout", "_local")

    _comm: Communicator
    _halos: object
    _layout: Layout
    _local: torch.Tensor

    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self,
        array: torch.Tensor,
        gshape: tuple[int, ...],
        dtype: object,
        split: int | None,
        device: Device,
        comm: Communicator,
        balanced: bool | None = None,
        *,
        counts: tuple[int, ...] | None = None,
    ) -> None:
        if canonical_heat_type(dtype) is not from_torch[array.dtype]:
            raise TypeError(f"a tensor of {array.dtype} is not an array of {dtype}")
        if device != device_of(array.device):
            raise ValueError(f"a tensor on {array.device} is not an array on {device}")
        if split is None:
            layout = replicated_layout(tuple(gshape))
        elif balanced and counts is None:
            layout = canonical_layout(tuple(gshape), split, comm.size)
        else:
            if counts is None:
                counts = tuple(comm.handle.allgather(array.shape[split]))
            layout = Layout(tuple(gshape), split, counts)
        self._comm = comm
        self._layout = layout
        self.larray = array

    # -- placement ---------------------------------------------------------------------------
    @property
    def larray(self) -> torch.Tensor:
        """The local tensor. Assigning one of another shape is a ValueError."""
        return self._local

    @larray.setter
    def larray(self, tensor: torch.Tensor) -> None:
        expected = self._layout.lshape(self._comm.rank)
        if tuple(tensor.shape) != expected:
            raise ValueError(
                f"the local tensor of this rank has shape {expected}, not {tuple(tensor.shape)}"
            )
        self._local = tensor

    @property
    def layout(self) -> Layout:
        """Which rank holds what."""
        return self._layout

    @property
    def split(self) -> int | None:
        """The distributed axis, or None."""
        return self._layout.split

    @property
    def comm(self) -> Communicator:
        """The communicator of the ranks that hold the array."""
        return self._comm

    @property
    def device(self) -> Device:
        """The device of the local tensor."""
        return device_of(self._local.device)

    @property
    def lshape_map(self) -> torch.Tensor:
        """Local shapes of all ranks, (size, ndim)."""
        return self.create_lshape_map()

    def create_lshape_map(self) -> torch.Tensor:
        """Local shapes of all ranks, (size, ndim). Local."""
        shapes = [self._layout.lshape(rank) for rank in range(self._comm.size)]
        return torch.tensor(shapes, dtype=torch.int64).reshape(self._comm.size, self.ndim)

    @property
    def balanced(self) -> bool:
        """Whether the slabs are the canonical ones."""
        return self._layout.is_balanced

    def is_balanced(self, force_check: bool = False) -> bool:  # noqa: ARG002
        """Whether the slabs are the canonical ones. Local.

        ``force_check``, known from the original, has no effect: every rank knows all counts.
        """
        return self._layout.is_balanced

    def is_distributed(self) -> bool:
        """Whether the ranks hold different parts: split, and more than one rank. Local."""
        return self._layout.split is not None and self._comm.size > 1

    def counts_displs(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Extents and starts of the slabs along the split axis. Local."""
        if self._layout.counts is None:
            raise ValueError("a replicated array has no counts and displacements")
        return self._layout.counts, self._layout.displs

    # -- shape and type ----------------------------------------------------------------------
    @property
    def shape(self) -> tuple[int, ...]:
        """Global shape."""
        return self._layout.gshape

    gshape = shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self._layout.gshape)

    @property
    def size(self) -> int:
        """Global number of elements."""
        number = 1
        for extent in self._layout.gshape:
            number *= extent
        return number

    gnumel = size

    @property
    def lshape(self) -> tuple[int, ...]:
        """Shape of the local tensor."""
        return tuple(self._local.shape)

    @property
    def lnumel(self) -> int:
        """Number of elements of the local tensor."""
        return self._local.numel()

    @property
    def dtype(self) -> DType:
        """Data type."""
        return from_torch[self._local.dtype]

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return self._local.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of the global array."""
        return self.size * self._local.itemsize

    gnbytes = nbytes

    @property
    def lnbytes(self) -> int:
        """Bytes of the local tensor."""
        return self._local.numel() * self._local.itemsize

    def stride(self) -> tuple[int, ...]:
        """Strides of the local tensor in elements. Local."""
        return self._local.stride()

    @property
    def strides(self) -> tuple[int, ...]:
        """Strides of the local tensor in bytes."""
        return tuple(step * self._local.itemsize for step in self._local.stride())

    def __len__(self) -> int:
        if not self._layout.gshape:
            raise TypeError("len() of a 0-d array")
        return self._layout.gshape[0]

    if TYPE_CHECKING:
        # Attached from the table in methods.py.
        def __getattr__(self, name: str) -> Any: ...
        def __getitem__(self, key: Any) -> DNDarray: ...
        def __setitem__(self, key: Any, value: Any) -> None: ...
        def __add__(self, other: Any) -> DNDarray: ...
        def __radd__(self, other: Any) -> DNDarray: ...
        def __sub__(self, other: Any) -> DNDarray: ...
        def __rsub__(self, other: Any) -> DNDarray: ...
        def __mul__(self, other: Any) -> DNDarray: ...
        def __rmul__(self, other: Any) -> DNDarray: ...
        def __truediv__(self, other: Any) -> DNDarray: ...
        def __rtruediv__(self, other: Any) -> DNDarray: ...
        def __floordiv__(self, other: Any) -> DNDarray: ...
        def __rfloordiv__(self, other: Any) -> DNDarray: ...
        def __mod__(self, other: Any) -> DNDarray: ...
        def __rmod__(self, other: Any) -> DNDarray: ...
        def __pow__(self, other: Any) -> DNDarray: ...
        def __rpow__(self, other: Any) -> DNDarray: ...
        def __matmul__(self, other: Any) -> DNDarray: ...
        def __rmatmul__(self, other: Any) -> DNDarray: ...
        def __and__(self, other: Any) -> DNDarray: ...
        def __or__(self, other: Any) -> DNDarray: ...
        def __xor__(self, other: Any) -> DNDarray: ...
        def __lshift__(self, other: Any) -> DNDarray: ...
        def __rshift__(self, other: Any) -> DNDarray: ...
        def __lt__(self, other: Any) -> DNDarray: ...
        def __le__(self, other: Any) -> DNDarray: ...
        def __gt__(self, other: Any) -> DNDarray: ...
        def __ge__(self, other: Any) -> DNDarray: ...
        def __neg__(self) -> DNDarray: ...
        def __pos__(self) -> DNDarray: ...
        def __abs__(self) -> DNDarray: ...
        def __invert__(self) -> DNDarray: ...
        def __float__(self) -> float: ...
        def __int__(self) -> int: ...


_new = object.__new__


def wrap(local: torch.Tensor, layout: Layout, comm: Communicator) -> DNDarray:
    """An array of parts that are known to fit: what every operation ends with. Local."""
    array: DNDarray = _new(DNDarray)
    array._local = local
    array._layout = layout
    array._comm = comm
    return array
