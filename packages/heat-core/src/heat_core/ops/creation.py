"""Arrays from data and from constants."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any

import torch

from heat_core.array.axes import normalize_split
from heat_core.array.conversion import astype, convert
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import replicated
from heat_core.comm import Communicator, sanitize_comm
from heat_core.devices import sanitize_device
from heat_core.dispatch.operands import as_tensor
from heat_core.dtypes import DType, canonical_heat_type, default_float, heat_type_of
from heat_core.layout import Layout, canonical_layout

__all__ = [
    "array",
    "asarray",
    "empty",
    "empty_like",
    "from_local",
    "full",
    "full_like",
    "ones",
    "ones_like",
    "zeros",
    "zeros_like",
]

Shape = int | Sequence[int]


# -- from data -------------------------------------------------------------------------------
def array(
    obj: Any,
    dtype: object = None,
    copy: bool | None = None,
    ndmin: int = 0,
    order: str = "C",
    split: int | None = None,
    is_split: int | None = None,
    device: object = None,
    comm: Any = None,
) -> DNDarray:
    """An array of anything: nested lists, NumPy arrays, tensors, arrays.

    Parameters
    ----------
    obj : array_like
        With ``split``, the same on all ranks, which keep their slabs of it; with ``is_split``,
        the slab of the rank.
    dtype : data type, optional
        Default: that of ``obj``; Python floats become the default floating-point type.
    copy : bool or None
        True: never share memory with ``obj``; None: share where possible; False: ValueError where
        it is not.
    ndmin : int
        Axes of extent 1 are put in front up to this number.
    order : {"C", "F"}
        Memory order of the local tensor.
    split, is_split : int or None
        The distributed axis. ``is_split`` is collective: the ranks tell each other the extents of
        their slabs; shapes that differ along other axes are a ValueError on all ranks.
    device : {"cpu", "gpu"} or Device, optional
    comm : Communicator, optional

    Examples
    --------
    >>> ht.array([[1, 2], [3, 4]], split=0).shape
    (2, 2)
    """
    if split is not None and is_split is not None:
        raise ValueError("split and is_split exclude each other")
    if order not in ("C", "F"):
        raise ValueError(f"order is 'C' or 'F', not {order!r}")
    if isinstance(obj, DNDarray):
        return _from_array(obj, dtype, copy, split, is_split)
    comm = sanitize_comm(comm)
    target = sanitize_device(device, comm).torch_device
    source = _tensor_of(obj, dtype)
    tensor = source[(None,) * max(0, ndmin - source.ndim)].to(target)
    if is_split is not None:
        axis, counts = _agree_on_slabs(tensor, is_split, comm)
        shape = (*tensor.shape[:axis], sum(counts), *tensor.shape[axis + 1 :])
        layout = Layout(tuple(shape), axis, counts)
    else:
        layout = canonical_layout(
            tuple(tensor.shape), normalize_split(split, tensor.ndim), comm.size
        )
        tensor = tensor[layout.slices(comm.rank)] if layout.split is not None else tensor
    return wrap(_in_order(tensor, obj, copy, order, part=layout.split is not None), layout, comm)


def _tensor_of(obj: Any, dtype: object) -> torch.Tensor:
    if isinstance(obj, torch.Tensor) or hasattr(obj, "__array__"):
        tensor = as_tensor(obj)
    else:
        # Python floats have the default type here, not NumPy's float64; a given type is reached
        # without a detour over it, which would round.
        scalars = _first_scalars(obj)
        tensor = as_tensor(_without_arrays(obj) if _has_arrays(scalars) else obj)
        if dtype is None:
            tensor = convert(tensor, heat_type_of(scalars).torch)
    return tensor if dtype is None else convert(tensor, canonical_heat_type(dtype).torch)


def _first_scalars(obj: Any) -> Any:
    """``obj`` with every array-like replaced by its dtype, so that only types are looked at."""
    if isinstance(obj, (list, tuple)):
        kinds = {type(item): item for item in obj if not isinstance(item, (list, tuple))}
        nested = [_first_scalars(item) for item in obj if isinstance(item, (list, tuple))]
        return [*kinds.values(), *nested]
    return obj


def _has_arrays(obj: Any) -> bool:
    if isinstance(obj, list):
        return any(_has_arrays(item) for item in obj)
    return isinstance(obj, DNDarray)


def _without_arrays(obj: Any) -> Any:
    """``obj`` with arrays as NumPy arrays, which are gathered."""
    if isinstance(obj, (list, tuple)):
        return [_without_arrays(item) for item in obj]
    return replicated(obj).numpy() if isinstance(obj, DNDarray) else obj


def _in_order(
    tensor: torch.Tensor, obj: Any, copy: bool | None, order: str, *, part: bool
) -> torch.Tensor:
    shares = _shares_memory(tensor, obj)
    if copy is False and not shares:
        raise ValueError("cannot make the array without a copy")
    if order == "F":
        axes = tuple(range(tensor.ndim))[::-1]
        return tensor.permute(axes).contiguous().permute(axes)
    # A slab is copied even where it could be shared, so that it does not keep the whole alive.
    if shares and (copy or (part and copy is None)):
        return tensor.clone(memory_format=torch.contiguous_format)
    return tensor.contiguous()


def _shares_memory(tensor: torch.Tensor, obj: Any) -> bool:
    if isinstance(obj, torch.Tensor):
        return tensor.untyped_storage().data_ptr() == obj.untyped_storage().data_ptr()
    interface = getattr(obj, "__array_interface__", None)
    if interface is None:
        return False
    storage = tensor.untyped_storage()
    return bool(storage.data_ptr() <= interface["data"][0] <= storage.data_ptr() + storage.nbytes())


def _agree_on_slabs(
    tensor: torch.Tensor, is_split: int, comm: Communicator
) -> tuple[int, tuple[int, ...]]:
    """The split axis and the counts; the same ValueError on all ranks if slabs do not match."""
    reports = comm.handle.allgather((tuple(tensor.shape), tensor.dtype))
    shapes = [shape for shape, _ in reports]
    if len({len(shape) for shape in shapes}) > 1:
        raise ValueError(f"slabs differ in their number of axes: {shapes}")
    axis = normalize_split(is_split, tensor.ndim)
    assert axis is not None
    if len({(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}) > 1:
        raise ValueError(f"slabs differ along other axes than {axis}: {shapes}")
    if len({dtype for _, dtype in reports}) > 1:
        raise ValueError(f"slabs differ in type: {[dtype for _, dtype in reports]}")
    return axis, tuple(shape[axis] for shape in shapes)


def _from_array(
    x: DNDarray, dtype: object, copy: bool | None, split: int | None, is_split: int | None
) -> DNDarray:
    wanted = split if is_split is None else is_split
    if wanted is not None and normalize_split(wanted, x.ndim) != x.split:
        raise ValueError(f"the array is split along {x.split}, not {wanted}: use resplit")
    target = x.larray.dtype if dtype is None else canonical_heat_type(dtype).torch
    local = convert(x.larray, target)
    if copy is False and local is not x.larray:
        raise ValueError("cannot make the array without a copy")
    return wrap(local.clone() if copy and local is x.larray else local, x.layout, x.comm)


def asarray(
    obj: Any,
    dtype: object = None,
    copy: bool | None = None,
    order: str = "C",
    is_split: int | None = None,
    device: object = None,
    *,
    split: int | None = None,
    comm: Any = None,
) -> DNDarray:
    """``array`` that returns an array of the wanted type itself unless ``copy``."""
    if isinstance(obj, DNDarray) and not copy and split is None and is_split is None:
        return astype(obj, obj.dtype if dtype is None else dtype, copy=False)
    return array(
        obj, dtype, copy, order=order, split=split, is_split=is_split, device=device, comm=comm
    )


def from_local(tensor: Any, split: int = 0, *, comm: Any = None) -> DNDarray:
    """The array whose slab on this rank is ``tensor``; shares its memory. Collective.

    Parameters
    ----------
    tensor : torch.Tensor or array_like
        Shapes must agree along all axes but ``split``.
    split : int
    comm : Communicator, optional
    """
    return array(tensor, is_split=split, comm=comm)


# -- constants -------------------------------------------------------------------------------
def shape_of(shape: Shape) -> tuple[int, ...]:
    """The extents of a new array; ValueError if one is negative."""
    extents = (shape,) if isinstance(shape, int) else tuple(shape)
    result = tuple(index(extent) for extent in extents)
    if any(extent < 0 for extent in result):
        raise ValueError(f"negative extents in shape {result}")
    return result


def placed(
    shape: Shape, split: int | None, device: object, comm: Any
) -> tuple[Layout, Communicator, tuple[int, ...], torch.device]:
    """Layout, communicator, local shape and device of a new array."""
    comm = sanitize_comm(comm)
    extents = shape_of(shape)
    layout = canonical_layout(extents, normalize_split(split, len(extents)), comm.size)
    return layout, comm, layout.lshape(comm.rank), sanitize_device(device, comm).torch_device


def full(
    shape: Shape,
    fill_value: Any,
    dtype: object = None,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
    order: str = "C",
) -> DNDarray:
    """An array of one value. Local.

    Parameters
    ----------
    shape : int or tuple of int
    fill_value : scalar
    dtype : data type, optional
        Default: that of the value.
    split : int or None
        The distributed axis, cut in canonical slabs.
    device : {"cpu", "gpu"} or Device, optional
    comm : Communicator, optional
    order : {"C", "F"}
        Memory order of the local tensor.
    """
    layout, comm, lshape, where = placed(shape, split, device, comm)
    chosen = heat_type_of(fill_value) if dtype is None else canonical_heat_type(dtype)
    value = fill_value.item() if hasattr(fill_value, "item") else fill_value
    local = torch.full(lshape, value, dtype=chosen.torch, device=where)
    return wrap(_in_order(local, local, None, order, part=False), layout, comm)


def zeros(
    shape: Shape,
    dtype: object = None,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
    order: str = "C",
) -> DNDarray:
    """An array of zeros; parameters as for ``full``, default type floating-point. Local."""
    return full(shape, 0, dtype or default_float(), split, device, comm, order)


def ones(
    shape: Shape,
    dtype: object = None,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
    order: str = "C",
) -> DNDarray:
    """An array of ones; parameters as for ``full``, default type floating-point. Local."""
    return full(shape, 1, dtype or default_float(), split, device, comm, order)


def empty(
    shape: Shape,
    dtype: object = None,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
    order: str = "C",
) -> DNDarray:
    """An array of whatever the memory holds; parameters as for ``zeros``. Local."""
    layout, comm, lshape, where = placed(shape, split, device, comm)
    chosen = default_float() if dtype is None else canonical_heat_type(dtype)
    local = torch.empty(lshape, dtype=chosen.torch, device=where)
    return wrap(_in_order(local, local, None, order, part=False), layout, comm)


def _like(a: DNDarray, value: Any, dtype: object, split: int | None, device: object) -> DNDarray:
    layout = (
        a.layout
        if split is None
        else a.layout.with_split(normalize_split(split, a.ndim), a.comm.size)
    )
    where = a.larray.device if device is None else sanitize_device(device, a.comm).torch_device
    chosen = a.dtype if dtype is None else canonical_heat_type(dtype)
    shape = layout.lshape(a.comm.rank)
    if value is None:
        return wrap(torch.empty(shape, dtype=chosen.torch, device=where), layout, a.comm)
    return wrap(torch.full(shape, value, dtype=chosen.torch, device=where), layout, a.comm)


def full_like(
    a: DNDarray,
    fill_value: Any,
    dtype: object = None,
    split: int | None = None,
    device: object = None,
) -> DNDarray:
    """An array of one value with the shape, type and layout of ``a`` where not given. Local."""
    return _like(a, fill_value, dtype, split, device)


def zeros_like(
    a: DNDarray, dtype: object = None, split: int | None = None, device: object = None
) -> DNDarray:
    """Zeros with the shape, type and layout of ``a`` where not given. Local."""
    return _like(a, 0, dtype, split, device)


def ones_like(
    a: DNDarray, dtype: object = None, split: int | None = None, device: object = None
) -> DNDarray:
    """Ones with the shape, type and layout of ``a`` where not given. Local."""
    return _like(a, 1, dtype, split, device)


def empty_like(
    a: DNDarray, dtype: object = None, split: int | None = None, device: object = None
) -> DNDarray:
    """An uninitialised array with the shape, type and layout of ``a`` where not given. Local."""
    return _like(a, None, dtype, split, device)


DType.factory = array
