"""Change which rank holds what: resplit, redistribute, balance, and gathering to NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from heat_core.array.axes import normalize_split
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.layout import Layout
from heat_core.layout.execute import relayout
from heat_core.memory import copied

__all__ = [
    "balance",
    "balance_",
    "collect",
    "collect_",
    "numpy",
    "redistribute",
    "redistribute_",
    "replicated",
    "resplit",
    "resplit_",
    "to_layout",
    "tolist",
]


def to_layout(x: DNDarray, layout: Layout) -> DNDarray:
    """The array under another layout; it may share memory with ``x``. Collective."""
    if layout == x.layout:
        return x
    return wrap(relayout(x.comm, x.larray, x.layout, layout), layout, x.comm)


def replicated(x: DNDarray) -> torch.Tensor:
    """The whole array as a tensor on every rank; it may share memory with ``x``. Collective."""
    return relayout(x.comm, x.larray, x.layout, Layout(x.shape))


def _copied(x: DNDarray, layout: Layout) -> DNDarray:
    result = to_layout(x, layout)
    local = result.larray
    if local.untyped_storage().data_ptr() == x.larray.untyped_storage().data_ptr():
        # A part of the own tensor: the result must not alias the input, nor keep all of it.
        local = copied(local)
    return wrap(local, layout, x.comm)


def resplit(arr: DNDarray, axis: int | None = None) -> DNDarray:
    """A copy with another distributed axis. Collective.

    Parameters
    ----------
    arr : DNDarray
    axis : int or None
        The new split axis; None: every rank gets the whole array.

    Returns
    -------
    DNDarray
        With canonical slabs along ``axis``; if ``arr`` is split along it already, a copy with the
        slabs as they are.
    """
    split = normalize_split(axis, arr.ndim)
    return _copied(arr, arr.layout.with_split(split, arr.comm.size))


def resplit_(arr: DNDarray, axis: int | None = None) -> DNDarray:
    """``resplit`` in place. Collective."""
    return _become(arr, resplit(arr, axis))


def _become(arr: DNDarray, other: DNDarray) -> DNDarray:
    arr._layout = other.layout
    arr._local = other.larray
    return arr


def _target_layout(arr: DNDarray, target_map: Any) -> Layout:
    if arr.split is None:
        raise ValueError("a replicated array cannot be redistributed: resplit it first")
    if target_map is None:
        return arr.layout.canonical()
    table = np.asarray(target_map)
    if table.shape != (arr.comm.size, arr.ndim):
        raise ValueError(
            f"target_map has one row per rank and one column per axis, "
            f"{(arr.comm.size, arr.ndim)}, not {table.shape}"
        )
    return Layout(arr.shape, arr.split, tuple(int(n) for n in table[:, arr.split]))


def redistribute(
    arr: DNDarray,
    lshape_map: Any = None,  # noqa: ARG001 - an argument that callers of the original pass
    target_map: Any = None,
) -> DNDarray:
    """A copy with other slabs along the same axis. Collective.

    Parameters
    ----------
    arr : DNDarray
        Distributed.
    lshape_map : optional
        Has no effect: every rank always knows the present slabs.
    target_map : array_like of int, (size, ndim), optional
        Wanted local shapes; only the column of the split axis counts. None: balanced.

    Raises
    ------
    ValueError
        If the array is replicated, or the column does not sum up to the extent.
    """
    return _copied(arr, _target_layout(arr, target_map))


def redistribute_(
    arr: DNDarray,
    lshape_map: Any = None,  # noqa: ARG001 - as in ``redistribute``
    target_map: Any = None,
) -> DNDarray:
    """``redistribute`` in place. Collective."""
    return _become(arr, to_layout(arr, _target_layout(arr, target_map)))


def balance(array: DNDarray, copy: bool = False) -> DNDarray:
    """The array with canonical slabs; itself if it has them, unless ``copy``. Collective."""
    layout = array.layout.canonical()
    return _copied(array, layout) if copy else to_layout(array, layout)


def balance_(array: DNDarray) -> DNDarray:
    """``balance`` in place. Collective."""
    return _become(array, to_layout(array, array.layout.canonical()))


def collect(arr: DNDarray, target_rank: int = 0) -> DNDarray:
    """A copy of which one rank holds everything and the others nothing. Collective.

    Parameters
    ----------
    arr : DNDarray
        A replicated array is copied as it is.
    target_rank : int

    Raises
    ------
    ValueError
        If there is no such rank.
    """
    size = arr.comm.size
    if not isinstance(target_rank, int):
        raise TypeError(f"target_rank is an int, not {type(target_rank).__name__}")
    if not 0 <= target_rank < size:
        raise ValueError(f"target_rank {target_rank} is not a rank of {size}")
    if arr.split is None:
        return _copied(arr, arr.layout)
    counts = tuple(arr.shape[arr.split] * (rank == target_rank) for rank in range(size))
    return _copied(arr, Layout(arr.shape, arr.split, counts))


def collect_(arr: DNDarray, target_rank: int = 0) -> DNDarray:
    """``collect`` in place. Collective."""
    return _become(arr, collect(arr, target_rank))


def numpy(x: DNDarray, root: int | None = None) -> np.ndarray[Any, Any] | None:
    """The whole array in NumPy. Collective, local if replicated.

    Parameters
    ----------
    x : DNDarray
    root : int, optional
        Gather to this rank only; the others get None. Default: every rank gets the array.
    """
    if root is not None and not 0 <= root < x.comm.size:
        raise ValueError(f"root {root} is not a rank of {x.comm.size}")
    if root is not None and x.is_distributed():
        assert x.split is not None
        packed = x.larray.movedim(x.split, 0).contiguous()
        gathered = x.comm.gatherv(packed, x.layout.counts, root=root)
        return None if gathered is None else to_numpy(gathered.movedim(0, x.split))
    if root is not None and x.comm.rank != root:
        return None
    return to_numpy(replicated(x))


def to_numpy(tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    """A NumPy copy of a tensor; bfloat16, which NumPy lacks, as float32."""
    if tensor.dtype is torch.bfloat16:
        tensor = tensor.float()
    return np.array(tensor.detach().cpu().numpy(), order="C")


def tolist(x: DNDarray, keepsplit: bool = False) -> Any:
    """Nested lists of the whole array, or of the local part if ``keepsplit``. Collective."""
    tensor = x.larray if keepsplit else replicated(x)
    return tensor.tolist()
