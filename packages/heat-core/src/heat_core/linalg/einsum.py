"""Sums of products over named axes."""

from __future__ import annotations

import string
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from heat_core.array.dndarray import DNDarray
from heat_core.dispatch.operands import coerce, common_comm, common_device
from heat_core.dtypes import result_type
from heat_core.linalg.matmul import matmul
from heat_core.linalg.products import diagonal
from heat_core.ops.arithmetic import multiply
from heat_core.ops.reductions import sum as sum_of
from heat_core.ops.reshape import reshape
from heat_core.ops.shape import broadcast_to, expand_dims, transpose

__all__ = ["einsum"]

_Term = tuple[str, DNDarray]  # the names of its axes, and the array


def einsum(subscripts: str, /, *operands: Any) -> DNDarray:
    """Sums of products by Einstein's convention, as ``numpy.einsum``. Collective if distributed.

    Parameters
    ----------
    subscripts : str
        Such as ``"ij,jk->ik"``; ``...`` stands for axes that are broadcast. Without ``->`` the
        names that come once, in alphabetical order.
    *operands : array_like

    Returns
    -------
    DNDarray

    Raises
    ------
    ValueError
        If names and axes do not fit.

    Notes
    -----
    Two operands at a time, in the order that costs least: each pair is one matrix product, or a
    stack of them. The layout is that of the products.
    """
    comm = common_comm(operands)
    found = [coerce(operand, comm, common_device(operands)) for operand in operands]
    arrays = [array for array in found if isinstance(array, DNDarray)]
    if not arrays or len(arrays) < len(found):
        raise ValueError("einsum takes arrays, at least one")
    terms, output = _parsed(subscripts, arrays)
    extents = _extents(terms)
    dtype = result_type(*(array for _, array in terms))
    terms = [_simplified(term, output, terms, place) for place, term in enumerate(terms)]
    for pair in _order(terms, output, extents):
        first, second = (terms[place] for place in pair)
        terms = [term for place, term in enumerate(terms) if place not in pair]
        kept = set(output).union(*(names for names, _ in terms))
        terms.append(_contracted(first, second, kept, extents))
    names, result = terms[0]
    gone = tuple(axis for axis, name in enumerate(names) if name not in output)
    if gone:
        result = sum_of(result, axis=gone, dtype=dtype)
        names = "".join(name for name in names if name in output)
    order = [names.index(name) for name in output]
    return transpose(result, order) if order != sorted(order) else result


def _parsed(subscripts: str, arrays: Sequence[DNDarray]) -> tuple[list[_Term], str]:
    """Each operand with a letter for each axis, and the letters of the result."""
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    parts = left.split(",")
    if len(parts) != len(arrays):
        raise ValueError(f"{subscripts!r} names {len(parts)} operands, not {len(arrays)}")
    free = [letter for letter in string.ascii_letters if letter not in subscripts]
    widths = [
        array.ndim - len(part.replace("...", "")) if "..." in part else 0
        for part, array in zip(parts, arrays, strict=True)
    ]
    hidden = "".join(free[: max(widths, default=0)])
    terms = []
    for part, array, width in zip(parts, arrays, widths, strict=True):
        names = part.replace("...", hidden[len(hidden) - width :]) if width >= 0 else part
        if (names and not names.isalpha()) or len(names) != array.ndim:
            raise ValueError(f"{part!r} does not name the {array.ndim} axes of an operand")
        terms.append((names, array))
    every = "".join(names for names, _ in terms)
    if arrow:
        output = right.replace("...", hidden)
    else:
        output = hidden + "".join(
            sorted(n for n in set(every) if every.count(n) == 1 and n not in hidden)
        )
    if len(set(output)) != len(output) or not set(output) <= set(every):
        raise ValueError(f"{right!r} is no result of {left!r}")
    return terms, output


def _extents(terms: Sequence[_Term]) -> dict[str, int]:
    found: dict[str, int] = {}
    for names, array in terms:
        for name, extent in zip(names, array.shape, strict=True):
            if found.setdefault(name, extent) in (1, extent):
                found[name] = extent
            elif extent != 1:
                raise ValueError(f"axis {name!r} has extents {found[name]} and {extent}")
    return found


def _simplified(term: _Term, output: str, terms: Sequence[_Term], place: int) -> _Term:
    """Diagonals of repeated names, and sums over names that nobody else has."""
    names, array = term
    while len(set(names)) < len(names):
        name = next(n for n in names if names.count(n) > 1)
        first = names.index(name)
        second = names.index(name, first + 1)
        array = diagonal(_moved_last(array, first, second))
        names = names[:first] + names[first + 1 : second] + names[second + 1 :] + name
    others = set(output).union(*(n for k, (n, _) in enumerate(terms) if k != place))
    lonely = tuple(axis for axis, name in enumerate(names) if name not in others)
    if lonely:
        array = sum_of(array, axis=lonely, dtype=array.dtype)
        names = "".join(name for name in names if name in others)
    return names, array


def _moved_last(array: DNDarray, first: int, second: int) -> DNDarray:
    rest = [axis for axis in range(array.ndim) if axis not in (first, second)]
    return transpose(array, (*rest, first, second))


def _order(terms: Sequence[_Term], output: str, extents: dict[str, int]) -> list[tuple[int, int]]:
    """Pairs of places, of which the result comes last each time."""
    if len(terms) <= 2:
        return [(0, 1)] if len(terms) == 2 else []
    text = ",".join(names for names, _ in terms) + "->" + output
    models = [np.broadcast_to(0.0, [extents[n] for n in names]) for names, _ in terms]
    path = np.einsum_path(text, *models, optimize="greedy")[0][1:]
    pairs = []
    for step in path:
        places = sorted(step)
        if len(places) == 1:
            continue
        pairs.append((places[0], places[1]))
        # NumPy may take the last few at once.
        pairs += [(0, 1)] * (len(places) - 2)
    return pairs


def _contracted(first: _Term, second: _Term, kept: set[str], extents: dict[str, int]) -> _Term:
    """One pair: names of both that are kept number matrices, the others are summed over."""
    (a_names, a), (b_names, b) = first, second
    a, b = _unstretched(first, b_names, extents), _unstretched(second, a_names, extents)
    shared = [n for n in a_names if n in b_names]
    summed = [n for n in shared if n not in kept]
    batch = [n for n in shared if n in kept]
    rows = [n for n in a_names if n not in shared]
    columns = [n for n in b_names if n not in shared]
    names = "".join((*batch, *rows, *columns))
    if not summed:
        left = _aligned(a, a_names, names)
        return names, multiply(left, _aligned(b, b_names, names))
    left = _grouped(a, a_names, batch, rows, summed, extents)
    right = _grouped(b, b_names, batch, summed, columns, extents)
    product = matmul(left, right)
    shape = tuple(extents[n] for n in names)
    return names, product if product.shape == shape else reshape(product, shape)


def _unstretched(term: _Term, others: str, extents: dict[str, int]) -> DNDarray:
    """Axes of extent 1 that stand for a longer one of the other operand, repeated."""
    names, array = term
    shape = tuple(
        extents[name] if name in others and extent == 1 else extent
        for name, extent in zip(names, array.shape, strict=True)
    )
    if shape == array.shape:
        return array
    return broadcast_to(array, shape)


def _aligned(array: DNDarray, names: str, wanted: str) -> DNDarray:
    """Axes in the wanted order, with extent 1 where there is none."""
    order = [names.index(name) for name in wanted if name in names]
    turned = transpose(array, order) if order != sorted(order) else array
    missing = tuple(place for place, name in enumerate(wanted) if name not in names)
    return expand_dims(turned, missing) if missing else turned


def _grouped(
    array: DNDarray,
    names: str,
    batch: Sequence[str],
    rows: Sequence[str],
    columns: Sequence[str],
    extents: dict[str, int],
) -> DNDarray:
    """A stack of matrices, (*batch, rows, columns)."""
    order = [names.index(name) for name in (*batch, *rows, *columns)]
    turned = transpose(array, order) if order != sorted(order) else array
    shape = (
        *(extents[n] for n in batch),
        prod(extents[n] for n in rows),
        prod(extents[n] for n in columns),
    )
    return turned if turned.shape == shape else reshape(turned, shape)
