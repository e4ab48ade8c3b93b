"""The ``__partitioned__`` protocol: which process holds which part, for other libraries."""

from __future__ import annotations

from typing import Any

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.comm import sanitize_comm
from heat_core.dispatch.operands import as_tensor
from heat_core.dtypes import canonical_heat_type
from heat_core.layout import Layout, replicated_layout
from mpi_utils import collective

__all__ = ["create_partition_interface", "from_partition_dict", "from_partitioned"]

Key = tuple[int, ...]


def create_partition_interface(x: DNDarray) -> dict[str, Any]:
    """The array in terms of the protocol. Local.

    Returns
    -------
    dict
        ``shape``; ``partition_tiling``, the number of parts along each axis; ``partitions``, for
        each part its ``start``, ``shape``, ``data`` (the local tensor, None on other ranks),
        ``location`` (ranks), ``dtype`` and ``device``; ``locals``, the keys of this rank's parts;
        ``get``, which gives the data of a part.
    """
    layout, rank = x.layout, x.comm.rank
    owners = range(x.comm.size) if layout.split is not None else (rank,)
    everywhere = [*range(x.comm.size)]
    partitions, tiling = {}, [1] * x.ndim
    if layout.split is not None:
        tiling[layout.split] = x.comm.size
    for owner in owners:
        partitions[_key(layout, owner)] = {
            "start": tuple(part.start for part in layout.slices(owner)),
            "shape": layout.lshape(owner),
            "data": x.larray if owner == rank else None,
            "location": everywhere if layout.split is None else [owner],
            "dtype": x.larray.dtype,
            "device": str(x.device),
        }
    return {
        "shape": x.shape,
        "partition_tiling": tuple(tiling),
        "partitions": partitions,
        "locals": [_key(layout, rank)],
        "get": lambda data: data,
    }


def _key(layout: Layout, rank: int) -> Key:
    return tuple(rank if axis == layout.split else 0 for axis in range(layout.ndim))


def from_partitioned(x: Any, comm: Any = None) -> DNDarray:
    """An array of an object with ``__partitioned__``. Collective.

    See ``from_partition_dict``.
    """
    if not hasattr(x, "__partitioned__"):
        raise TypeError(f"{type(x).__name__} has no __partitioned__")
    return from_partition_dict(x.__partitioned__, comm)


def from_partition_dict(parted: dict[str, Any], comm: Any = None) -> DNDarray:
    """An array of parts in terms of the ``__partitioned__`` protocol. Collective.

    Shares memory with the parts where each rank has one.

    Parameters
    ----------
    parted : dict
        As from ``create_partition_interface``. Parts are cut along one axis at most, in the order
        of the ranks that hold them.
    comm : Communicator, optional
        Its ranks are the locations. Default: the default one.

    Raises
    ------
    ValueError
        On all ranks, if the parts are cut along several axes, or lie in another order.
    """
    comm = sanitize_comm(comm)
    shape, tiling = tuple(parted["shape"]), tuple(parted["partition_tiling"])
    cut = [axis for axis, number in enumerate(tiling) if number > 1]
    if len(cut) > 1:
        raise ValueError(f"parts are cut along several axes: the tiling is {tiling}")
    keys = sorted(parted["partitions"])
    owners = [_owners(parted["partitions"][key]) for key in keys]
    with collective(comm):
        mine = [_data(parted, key) for key in keys if key in parted["locals"]]
    if not cut and (not shape or len(owners[0]) == comm.size):
        return wrap(mine[0], replicated_layout(shape), comm)
    axis = cut[0] if cut else 0
    first_owners = [ranks[0] for ranks in owners]
    if first_owners != sorted(first_owners):
        raise ValueError(f"parts do not lie in the order of the ranks: {first_owners}")
    counts = [0] * comm.size
    for key, owner in zip(keys, first_owners, strict=True):
        counts[owner] += parted["partitions"][key]["shape"][axis]
    layout = Layout(shape, axis, tuple(counts))
    if mine:
        local = mine[0] if len(mine) == 1 else torch.cat(mine, axis)
    else:
        dtype = canonical_heat_type(parted["partitions"][keys[0]]["dtype"]).torch
        local = torch.empty(layout.lshape(comm.rank), dtype=dtype)
    return wrap(local, layout, comm)


def _owners(part: dict[str, Any]) -> list[int]:
    return [int(rank) for rank in part["location"]]


def _data(parted: dict[str, Any], key: Key) -> torch.Tensor:
    part = parted["partitions"][key]
    tensor = as_tensor(parted["get"](part["data"]))
    if tuple(tensor.shape) != tuple(part["shape"]):
        raise ValueError(f"part {key} has shape {tuple(tensor.shape)}, not {part['shape']}")
    return tensor
