"""Random order: permutations, shuffling, choosing."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np
import torch

from heat_core.array.axes import normalize_axis
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import replicated, to_layout
from heat_core.comm import Communicator
from heat_core.dispatch.operands import as_tensor
from heat_core.dtypes import canonical_heat_type, int64
from heat_core.dtypes.unsigned import take_positions
from heat_core.indexing.access import getitem
from heat_core.layout import Layout
from heat_core.ops.creation import placed, shape_of
from heat_core.random import kernels
from heat_core.random.bijection import Bijection, Indices, random_bijection
from heat_core.random.generator import Generator

__all__ = ["choice", "permutation", "randperm", "shuffle"]


def _slab(layout: Layout, rank: int, axis: int = 0) -> Indices:
    part = layout.slices(rank)[axis]
    return np.arange(part.start, part.stop)


def randperm(
    self: Generator,
    n: int,
    dtype: object = int64,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
) -> DNDarray:
    """The numbers of ``range(n)`` in random order. Local.

    Memory of O(n / ranks) beyond n = 2**20, and O(n), at most 8 MiB, below.

    Parameters
    ----------
    n : int
    dtype : data type
    split : int or None
        0 or None.
    device : {"cpu", "gpu"} or Device, optional
    comm : Communicator, optional
    """
    chosen = canonical_heat_type(dtype)
    layout, comm, _, where = placed(index(n), split, device, comm)
    bijection = random_bijection(index(n), self.bits())
    (part,) = layout.slices(comm.rank)
    local = torch.from_numpy(bijection.part(part.start, part.stop))
    return wrap(local.to(where, chosen.torch), layout, comm)


def permutation(
    self: Generator,
    x: Any,
    axis: int = 0,
    *,
    dtype: object = None,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
) -> DNDarray:
    """An array in random order along an axis, or the numbers of ``range(x)`` in random order.

    Collective if ``x`` is split along ``axis``, else local. Every rank knows both where its rows
    go and which ones it gets: one exchange moves them.

    Parameters
    ----------
    x : int or array_like
    axis : int
    dtype, split, device, comm : optional
        Of the result; arrays keep theirs.
    """
    if isinstance(x, (int, np.integer)):
        return randperm(self, int(x), int64 if dtype is None else dtype, split, device, comm)
    if not isinstance(x, DNDarray):
        from heat_core.ops.creation import array

        x = array(x, dtype, split=split, device=device, comm=comm)
    if x.ndim == 0:
        raise ValueError("a 0-d array has no order")
    axis = normalize_axis(axis, x.ndim)
    bijection = random_bijection(x.shape[axis], self.bits())
    if x.split == axis and x.is_distributed():
        local = _exchanged(x, axis, bijection)
    else:
        source = bijection.part(0, x.shape[axis])
        local = _selected(x.larray, axis, torch.from_numpy(source))
    return wrap(local, x.layout, x.comm)


def _selected(local: torch.Tensor, axis: int, positions: torch.Tensor) -> torch.Tensor:
    return take_positions(local, axis, positions.to(local.device))


def exchange_order(
    bijection: Bijection, layout: Layout, rank: int
) -> tuple[Indices, list[int], Indices, list[int]]:
    """How the slabs along the split axis are permuted by one exchange.

    Returns
    -------
    (order, send_counts, places, receive_counts)
        Rows of the slab in the order of sending, and how many go to each rank; the place in the
        new slab of every row that arrives, and how many come from each rank. Messages hold their
        rows in the order of the result.
    """
    mine = _slab(layout, rank, layout.split or 0)
    starts = np.array(layout.displs)
    destinations = bijection.inverse(mine)
    order = np.argsort(destinations)
    # The last of the ranks that start at a place owns it; the others are empty.
    receivers = np.searchsorted(starts, destinations, side="right") - 1
    owners = np.searchsorted(starts, bijection.forward(mine), side="right") - 1
    places = np.argsort(owners, kind="stable")
    n_ranks = len(starts)
    return (
        order,
        np.bincount(receivers, minlength=n_ranks).tolist(),
        places,
        np.bincount(owners, minlength=n_ranks).tolist(),
    )


def _exchanged(x: DNDarray, axis: int, bijection: Bijection) -> torch.Tensor:
    order, sends, places, receives = exchange_order(bijection, x.layout, x.comm.rank)
    packed = _selected(x.larray.movedim(axis, 0), 0, torch.from_numpy(order))
    arrived = x.comm.alltoallv(packed, sends, receives)
    result = torch.empty_like(arrived)
    result[torch.from_numpy(places).to(result.device)] = arrived
    return result.movedim(0, axis).contiguous()


def shuffle(self: Generator, x: DNDarray, axis: int = 0) -> None:
    """Bring an array into random order along an axis, in place, as ``permutation`` does.

    Collective if ``x`` is split along ``axis``, else local.
    """
    x.larray.copy_(permutation(self, x, axis).larray)


def choice(
    self: Generator,
    a: Any,
    size: Any = None,
    replace: bool = True,
    p: Any = None,
    *,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
) -> Any:
    """Elements of an array, or numbers of ``range(a)``, at random.

    Collective if ``a`` or ``p`` is distributed, else local. Replicating ``p``.

    Parameters
    ----------
    a : int or array_like, (n,)
    size : int or tuple of int, optional
        Default: one element, as a Python number.
    replace : bool
        Whether an element may come more than once.
    p : array_like, (n,), optional
        Probabilities; default: all equal.
    split : int or None
        The distributed axis of the result.
    device : {"cpu", "gpu"} or Device, optional
    comm : Communicator, optional
    """
    values = None if isinstance(a, (int, np.integer)) else _vector(a)
    n = int(a) if values is None else values.shape[0]
    shape = () if size is None else shape_of(size)
    n_draws = int(np.prod(shape, dtype=np.int64))
    weights = None if p is None else _probabilities(p, n)
    if n < 1 and n_draws:
        raise ValueError("there is nothing to choose from")
    available = n if weights is None else int(np.count_nonzero(weights))
    if not replace and n_draws > available:
        raise ValueError(f"{n_draws} of {available} elements cannot be chosen without replacement")
    layout, comm, _, where = placed(shape, split, device, comm)
    chosen = _chosen(self, n, layout, comm, replace, weights)
    result = wrap(chosen.to(where), layout, comm)
    if isinstance(values, DNDarray):
        result = to_layout(getitem(values, result), layout)
    elif values is not None:
        result = wrap(values[chosen].to(where), layout, comm)
    return result.larray.item() if size is None else result


def _chosen(
    rng: Generator,
    n: int,
    layout: Layout,
    comm: Communicator,
    replace: bool,
    weights: np.ndarray[Any, Any] | None,
) -> torch.Tensor:
    """The own part of the chosen positions."""
    if not replace:
        places = np.arange(int(np.prod(layout.gshape, dtype=np.int64))).reshape(layout.gshape)
        places = places[layout.slices(comm.rank)]
        if weights is None:
            found = random_bijection(n, rng.bits()).forward(places.ravel())
            return torch.from_numpy(found.reshape(places.shape))
        n_draws = int(np.prod(layout.gshape, dtype=np.int64))
        found = rng.bits().choice(n, n_draws, replace=False, p=weights)
        return torch.from_numpy(found[places])
    if weights is None:
        return rng.draw(kernels.integers(0, max(n, 1)), layout, comm, torch.int64)
    uniform = rng.draw(kernels.uniform, layout, comm, torch.float64)
    bounds = torch.from_numpy(np.cumsum(weights))
    # Rounding may leave the last bound below 1; elements of probability 0 are never found.
    found_at = torch.searchsorted(bounds, uniform * bounds[-1], right=True)
    return found_at.clamp_(max=int(np.flatnonzero(weights)[-1]))


def _vector(a: Any) -> torch.Tensor | DNDarray:
    vector = a if isinstance(a, DNDarray) else as_tensor(a)
    if vector.ndim != 1:
        raise ValueError(f"a is a number or a vector, not of shape {tuple(vector.shape)}")
    return vector


def _probabilities(p: Any, n: int) -> np.ndarray[Any, Any]:
    given = replicated(p).cpu().numpy() if isinstance(p, DNDarray) else np.asarray(p)
    weights: np.ndarray[Any, Any] = given.astype(np.float64)
    total = float(weights.sum())
    # Single-precision probabilities sum up to 1 within their own rounding.
    tolerance = np.sqrt(np.finfo(given.dtype if given.dtype.kind == "f" else np.float64).eps)
    if weights.shape != (n,) or not (weights >= 0).all() or abs(total - 1) > tolerance:
        raise ValueError(f"p holds {n} probabilities that sum up to 1")
    return weights / total
