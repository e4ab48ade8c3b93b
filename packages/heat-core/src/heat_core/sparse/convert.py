"""Sparse matrices from SciPy's, torch's and dense arrays, from each other, and back."""

from __future__ import annotations

from typing import Any, TypeVar

import torch

from heat_core.array.axes import normalize_split
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import to_layout as relaid
from heat_core.comm import Communicator, sanitize_comm
from heat_core.devices import sanitize_device
from heat_core.dispatch.operands import as_tensor
from heat_core.dtypes import canonical_heat_type
from heat_core.layout import Layout, canonical_layout
from heat_core.ops.creation import array
from heat_core.sparse.coordinates import compressed, global_coordinates, routed, to_layout
from heat_core.sparse.matrix import Compressed, DCSC_matrix, DCSR_matrix

__all__ = [
    "converted",
    "sparse_csc_matrix",
    "sparse_csr_matrix",
    "to_dense",
    "to_sparse_csc",
    "to_sparse_csr",
]

M = TypeVar("M", bound=Compressed)


def sparse_csr_matrix(
    obj: Any,
    dtype: object = None,
    split: int | None = None,
    is_split: int | None = None,
    device: object = None,
    comm: Any = None,
) -> DCSR_matrix:
    """A matrix of compressed rows.

    Parameters
    ----------
    obj : SciPy sparse matrix, torch sparse tensor, sparse matrix of this library, or array_like
        With ``is_split``, the slab of this rank, else the same on all ranks. Elements at the same
        place are added, those that are stored as zeros are kept.
    dtype : data type, optional
        Default: that of ``obj``.
    split, is_split : {0, None}
        The distributed axis. ``is_split`` is collective. A distributed array or matrix stays
        distributed: canonical slabs of rows.
    device : {"cpu", "gpu"} or Device, optional
    comm : Communicator, optional
    """
    return _made(DCSR_matrix, obj, dtype, split, is_split, device, comm)


def sparse_csc_matrix(
    obj: Any,
    dtype: object = None,
    split: int | None = None,
    is_split: int | None = None,
    device: object = None,
    comm: Any = None,
) -> DCSC_matrix:
    """A matrix of compressed columns; parameters as for ``sparse_csr_matrix``, with axis 1."""
    return _made(DCSC_matrix, obj, dtype, split, is_split, device, comm)


def _made(
    kind: type[M],
    obj: Any,
    dtype: object,
    split: int | None,
    is_split: int | None,
    device: object,
    comm: Any,
) -> M:
    for axis in (split, is_split):
        if normalize_split(axis, 2) not in (None, kind.major):
            raise ValueError(f"a {kind.__name__} can be split along axis {kind.major} only")
    if split is not None and is_split is not None:
        raise ValueError("split and is_split exclude each other")
    if isinstance(obj, (DNDarray, Compressed)):
        matrix = _of_distributed(kind, obj)
        if split is not None:
            matrix = to_layout(matrix, matrix.layout.with_split(kind.major, matrix.comm.size))
        return matrix if dtype is None else matrix.astype(dtype, copy=False)
    comm = sanitize_comm(comm)
    where = sanitize_device(device, comm).torch_device
    target = None if dtype is None else canonical_heat_type(dtype).torch
    coordinates, data, shape = _coordinates(obj)
    data = data.to(where, target)
    layout = _layout(kind, shape, split, is_split, comm)
    major, minor = (coordinates[axis].to(where) for axis in (kind.major, 1 - kind.major))
    if is_split is None and layout.split is not None:
        start = layout.offset(comm.rank)
        mine = (major >= start) & (major < start + layout.lshape(comm.rank)[kind.major])
        major, minor, data = major[mine] - start, minor[mine], data[mine]
    return compressed(kind, major, minor, data, layout, comm)


def _layout(
    kind: type[M],
    shape: tuple[int, ...],
    split: int | None,
    is_split: int | None,
    comm: Communicator,
) -> Layout:
    if is_split is None:
        return canonical_layout(shape, None if split is None else kind.major, comm.size)
    shapes = comm.handle.allgather(shape)
    if len({one[1 - kind.major] for one in shapes}) > 1:
        raise ValueError(f"slabs differ along axis {1 - kind.major}: their shapes are {shapes}")
    counts = tuple(one[kind.major] for one in shapes)
    whole = list(shape)
    whole[kind.major] = sum(counts)
    return Layout(tuple(whole), kind.major, counts)


def _coordinates(obj: Any) -> tuple[torch.Tensor, torch.Tensor, tuple[int, ...]]:
    """(2, n) coordinates, their elements, and the shape."""
    if hasattr(obj, "tocoo"):
        coo = obj.tocoo()
        coordinates = torch.stack([torch.tensor(part, dtype=torch.int64) for part in coo.coords])
        data, shape = as_tensor(coo.data), tuple(map(int, coo.shape))
    elif isinstance(obj, torch.Tensor) and obj.layout is not torch.strided:
        coo = obj.detach().to_sparse_coo().coalesce()
        coordinates, data, shape = coo.indices(), coo.values(), tuple(coo.shape)
    else:
        dense = array(obj).larray
        coordinates = dense.nonzero().T
        data, shape = dense[tuple(coordinates)], tuple(dense.shape)
    if len(shape) != 2:
        raise ValueError(f"a sparse matrix has two axes, not {len(shape)}")
    return coordinates, data, shape


def _of_distributed(kind: type[M], obj: DNDarray | Compressed) -> M:
    if isinstance(obj, Compressed):
        return converted(kind, obj)
    if obj.ndim != 2:
        raise ValueError(f"a sparse matrix has two axes, not {obj.ndim}")
    if obj.split == 1 - kind.major:
        obj = relaid(obj, obj.layout.with_split(kind.major, obj.comm.size))
    coordinates = obj.larray.nonzero().T
    data = obj.larray[tuple(coordinates)]
    major, minor = coordinates[kind.major], coordinates[1 - kind.major]
    return compressed(kind, major, minor, data, obj.layout, obj.comm)


def converted(kind: type[M], matrix: Compressed) -> M:
    """The matrix in the other form, itself if it has it; canonical slabs. One exchange."""
    if isinstance(matrix, kind):
        return matrix
    comm, shape = matrix.comm, matrix.shape
    layout = canonical_layout(shape, None if matrix.split is None else kind.major, comm.size)
    coordinates = global_coordinates(matrix)
    major, minor, data = coordinates[kind.major], coordinates[1 - kind.major], matrix.ldata
    if matrix.is_distributed():
        major, minor, data = routed(comm, layout, major, [major, minor, data])
    return compressed(kind, major - layout.offset(comm.rank), minor, data, layout, comm)


def to_sparse_csr(array: DNDarray | Compressed) -> DCSR_matrix:
    """The elements that are not zero, in compressed rows. Local if split 0 or not at all."""
    return _of_distributed(DCSR_matrix, array)


def to_sparse_csc(array: DNDarray | Compressed) -> DCSC_matrix:
    """The elements that are not zero, in compressed columns. Local if split 1 or not at all."""
    return _of_distributed(DCSC_matrix, array)


def to_dense(sparse_matrix: Compressed, order: str = "C", out: DNDarray | None = None) -> DNDarray:
    """The matrix with its zeros. Local; same layout.

    Parameters
    ----------
    sparse_matrix : DCSR_matrix or DCSC_matrix
    order : {"C", "F"}
        Memory order of the local tensor.
    out : DNDarray, optional
        Takes the result; of the same shape and type.
    """
    if order not in ("C", "F"):
        raise ValueError(f"order is 'C' or 'F', not {order!r}")
    matrix = sparse_matrix
    shape, data = matrix.lshape, matrix.ldata
    local = data.new_zeros(shape) if order == "C" else data.new_zeros(shape[::-1]).T
    key = (matrix.major_numbers(), matrix.lindices)
    local[key if matrix.major == 0 else key[::-1]] = data
    result = wrap(local, matrix.layout, matrix.comm)
    if out is None:
        return result
    if out.shape != matrix.shape or out.dtype is not matrix.dtype:
        raise ValueError(f"out is no array of {matrix.dtype.name} of shape {matrix.shape}")
    out.larray.copy_(relaid(result, out.layout).larray)
    return out
