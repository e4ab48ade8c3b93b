"""Set operations on the distinct elements of arrays.

Results are sorted, split at 0 and balanced if an argument is split, else replicated.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from heat_core.array.conversion import astype
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import to_layout
from heat_core.dispatch.flat import flattened
from heat_core.dispatch.operands import as_array, as_tensor
from heat_core.dispatch.order import Array, native
from heat_core.dispatch.routing import to_holders
from heat_core.dispatch.uniques import distinct
from heat_core.dtypes import result_type
from heat_core.layout import Layout
from heat_core.layout.execute import relayout
from heat_core.ops.unique import unique

__all__ = ["intersect1d", "isin", "setdiff1d", "setxor1d", "union1d"]


def isin(
    element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False
) -> DNDarray:
    """Whether each element is among the test elements. Collective if these are distributed.

    Parameters
    ----------
    element, test_elements : array_like or scalar
    assume_unique : bool
        Has no effect.
    invert : bool
        Whether it is not among them.

    Returns
    -------
    DNDarray
        Bool, of the shape and layout of ``element``.
    """
    del assume_unique
    x, among = _pair(element, test_elements)
    found = _is_in(x, among) ^ invert
    return wrap(torch.from_numpy(found.reshape(x.lshape)).to(x.larray.device), x.layout, x.comm)


def intersect1d(a: Any, b: Any, assume_unique: bool = False) -> DNDarray:
    """The distinct elements that are in both arrays. Collective."""
    del assume_unique
    x, y = _pair(a, b)
    own = _unique(x)
    return _kept(own, _is_in(own, y))


def setdiff1d(a: Any, b: Any, assume_unique: bool = False) -> DNDarray:
    """The distinct elements of ``a`` that are not in ``b``. Collective.

    With ``assume_unique`` all such elements of ``a``, in their order.
    """
    x, y = _pair(a, b)
    own = flattened(x) if assume_unique else _unique(x)
    return _kept(own, ~_is_in(own, y))


def setxor1d(a: Any, b: Any, assume_unique: bool = False) -> DNDarray:
    """The distinct elements that are in one of the arrays only. Collective."""
    del assume_unique
    x, y = (_unique(operand) for operand in _pair(a, b))
    return _unique(_joined(_kept(x, ~_is_in(x, y)), _kept(y, ~_is_in(y, x))))


def union1d(a: Any, b: Any) -> DNDarray:
    """The distinct elements of both arrays. Collective."""
    return _unique(_joined(*_pair(a, b)))


def _pair(a: Any, b: Any) -> tuple[DNDarray, DNDarray]:
    """Both as arrays of one type."""
    dtype = result_type(*(as_tensor(o) if isinstance(o, (list, tuple)) else o for o in (a, b)))
    x, y = (astype(as_array(operand, a, b), dtype, copy=False) for operand in (a, b))
    return x, y


def _unique(x: DNDarray) -> DNDarray:
    values = unique(x)
    assert isinstance(values, DNDarray)
    return values


def _is_in(x: DNDarray, among: DNDarray) -> Array:
    """For the elements of this rank, flat."""
    values = native(x.larray).reshape(-1)
    if not among.is_distributed():
        return np.isin(values, native(among.larray))
    # Each distinct element is asked for once, from the rank that would hold it.
    own = distinct(values, positions=True, equal_nan=True)
    table = _unique(among)
    assert table.layout.counts is not None and own.inverse is not None
    held = native(table.larray)
    moves = to_holders(x.comm, own.values, held, table.layout.counts)
    answer: Array = moves.back(np.isin(moves.forward(own.values), held))[own.inverse]
    return answer


def _kept(x: DNDarray, mask: Array) -> DNDarray:
    """The elements of a vector under a local mask, balanced. Collective if distributed."""
    values = x.larray[torch.from_numpy(mask).to(x.larray.device)]
    if x.split is None:
        return wrap(values, Layout(tuple(values.shape)), x.comm)
    lengths = tuple(x.comm.allgather(np.array(len(values), dtype=np.int64)).tolist())
    parts = Layout((sum(lengths),), 0, lengths)
    target = parts.canonical()
    return wrap(relayout(x.comm, values, parts, target), target, x.comm)


def _joined(x: DNDarray, y: DNDarray) -> DNDarray:
    """All elements of both in one vector; their order does not matter, and stays local."""
    if x.split is None and y.split is None:
        values = torch.cat((x.larray.reshape(-1), y.larray.reshape(-1)))
        return wrap(values, Layout(tuple(values.shape)), x.comm)
    parts = [to_layout(z, z.layout.with_split(0, z.comm.size)) for z in map(flattened, (x, y))]
    counts = tuple(
        m + n
        for m, n in zip(parts[0].layout.counts or (), parts[1].layout.counts or (), strict=True)
    )
    values = torch.cat([part.larray for part in parts])
    return wrap(values, Layout((sum(counts),), 0, counts), x.comm)
