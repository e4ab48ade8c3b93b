"""Sorting, sets, searching, indexing."""

from __future__ import annotations

from typing import Any

import numpy as np


def _topk(a: Any, k: int, dim: int = -1, largest: bool = True) -> Any:
    order = np.argsort(-a if largest else a, axis=dim, kind="stable")
    order = order.take(range(k), axis=dim)
    return np.take_along_axis(a, order, dim), order


def _descending(a: Any, axis: int = -1, *, descending: bool) -> Any:
    return np.flip(np.sort(a, axis=axis), axis)


def _written(f: Any, x: Any, *arguments: Any) -> Any:
    y = x.copy()
    f(y, *arguments)
    return y


CASES: list[tuple[Any, ...]] = [
    *(("sort", c) for c in (
        lambda f, w: f(w), lambda f, i: f(i), lambda f, i: f(i, axis=0),
        lambda f, i: f(i, axis=None), lambda f, v: f(v), lambda f, z: f(z, axis=0),
        lambda f, m: f(m, axis=0),
    )),
    ("sort", lambda f, i: f(i, axis=0, descending=True), _descending),
    *(("argsort", c) for c in (
        lambda f, w: f(w, stable=True), lambda f, i: f(i, axis=0, stable=True),
        lambda f, i: f(i, axis=None, stable=True),
    )),
    ("lexsort", lambda f, w, g: f((w, g))),
    ("partition", lambda f, w: np.sort(np.asarray(f(w, 5)))[:]),
    ("argpartition", lambda f, x: f(x, 3, axis=0)[3]),
    ("topk", lambda f, w: f(w, 4), _topk),
    ("topk", lambda f, i: f(i, 3, 0, False), _topk),
    ("unique unique_values", lambda f, i: f(i), np.unique),
    ("unique", lambda f, i: f(i, axis=0)),
    ("unique", lambda f, i: f(i, return_inverse=True)),
    ("unique_all unique_counts unique_inverse", lambda f, i: tuple(f(i))),
    ("union1d intersect1d setdiff1d setxor1d isin", lambda f, i, w: f(i, w)),
    ("searchsorted", lambda f, s, x: f(s, x)),
    ("searchsorted", lambda f, s, x: f(s, x, side="right")),
    ("digitize", lambda f, x, s: f(x, s)),
    ("bucketize", lambda f, x, s: f(x, s), lambda x, s: np.searchsorted(s, x)),
    ("nonzero argwhere flatnonzero", lambda f, i: f(i)),
    ("extract", lambda f, m, i: f(m, i)),
    ("compress", lambda f, i: f([True, False, True], i, axis=1)),
    ("take", lambda f, i: f(i, [3, -1, 3])),
    ("take", lambda f, i, c: f(i, c, axis=0)),
    ("take_along_axis", lambda f, i, c: f(i, c, axis=1)),
    ("put_along_axis", lambda f, i, c: _written(f, i, c, 5, 1)),
    ("unravel_index", lambda f, k: f(k, (3, 4))),
    ("ravel_multi_index", lambda f, k: f((k, k), (9, 9))),
    ("ix_", lambda f, k, w: f(k, w)),
    ("vander", lambda f, w: f(w, 3)),
    ("meshgrid", lambda f, w, s: f(w, s)),
    ("meshgrid", lambda f, w, s: f(w, s, indexing="ij")),
]  # fmt: skip
