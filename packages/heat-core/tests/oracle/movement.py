"""Shape, joining, rearranging: functions that move elements and compute nothing."""

from __future__ import annotations

from typing import Any

import numpy as np


def _unfold(a: Any, axis: int, size: int, step: int) -> Any:
    windows = np.lib.stride_tricks.sliding_window_view(a, size, axis)
    return windows[(slice(None),) * axis + (slice(None, None, step),)]


MODES = ("edge", "reflect", "symmetric", "wrap")


def _fill(f: Any, x: Any) -> Any:
    y = x.copy()
    f(y, 7.0)
    return y


def _put(f: Any, x: Any, c: Any) -> Any:
    y = x.copy()
    f(y, c, 5.0, 1)
    return y


CASES: list[tuple[Any, ...]] = [
    ("reshape", lambda f, i: f(i, (5, 7))),
    ("reshape", lambda f, i: f(i, (-1,))),
    ("reshape", lambda f, t: f(t, (2, -1))),
    ("reshape", lambda f, e: f(e, (3, 0, 2))),
    ("ravel", lambda f, t: f(t)),
    ("flatten", lambda f, t: f(t), np.ravel),
    ("expand_dims", lambda f, i: f(i, 0)),
    ("expand_dims", lambda f, i: f(i, (1, -1))),
    ("squeeze", lambda f, col: f(col)),
    ("squeeze", lambda f, col: f(col, 1)),
    ("transpose", lambda f, t: f(t)),
    ("transpose permute_dims", lambda f, t: f(t, (1, 2, 0))),
    ("matrix_transpose", lambda f, t: f(t)),
    ("moveaxis", lambda f, t: f(t, 0, -1)),
    ("moveaxis", lambda f, t: f(t, (0, 1), (2, 0))),
    ("swapaxes", lambda f, t: f(t, 0, 2)),
    ("rollaxis", lambda f, t: f(t, 2)),
    ("broadcast_to", lambda f, row: f(row, (4, 5))),
    ("broadcast_to", lambda f, col: f(col, (2, 7, 3))),
    ("broadcast_arrays", lambda f, row, col: f(row, col)),
    ("atleast_1d atleast_2d atleast_3d", lambda f, w: f(w)),
    ("atleast_3d", lambda f, i, w: f(i, w)),
    ("sliding_window_view", lambda f, i: f(i, 3, 0), np.lib.stride_tricks.sliding_window_view),
    ("sliding_window_view", lambda f, i: f(i, (3, 2)), np.lib.stride_tricks.sliding_window_view),
    ("unfold", lambda f, i: f(i, 0, 3, 2), _unfold),
    ("unfold", lambda f, i: f(i, 1, 2, 1), _unfold),
    # joining and splitting
    *(("concatenate", call) for call in (
        lambda f, i, j: f([i, j]), lambda f, i, j: f([i, j, i], axis=1),
        lambda f, i, j: f([i, j], axis=None), lambda f, i, x: f([i, x]),
    )),
    ("stack", lambda f, i, j: f([i, j])),
    ("stack", lambda f, i, j: f([i, j], axis=-1)),
    ("hstack vstack dstack column_stack", lambda f, i, j: f([i, j])),
    ("hstack vstack dstack column_stack", lambda f, w, g: f([w, g])),
    ("block", lambda f, i, j: f([[i, j], [j, i]])),
    ("append", lambda f, i, j: f(i, j, axis=1)),
    ("append", lambda f, i, w: f(i, w)),
    ("insert", lambda f, w: f(w, 3, 99)),
    ("insert", lambda f, i: f(i, [0, 2, 2], 5, axis=0)),
    ("delete", lambda f, w: f(w, [1, -1])),
    ("delete", lambda f, i: f(i, 2, axis=1)),
    ("unstack", lambda f, i: f(i)),
    ("unstack", lambda f, i: f(i, axis=1)),
    ("split", lambda f, i: f(i, [2, 3, 9])),
    ("array_split", lambda f, i: f(i, 3, axis=1)),
    ("hsplit vsplit", lambda f, i: f(i, [1, 4])),
    ("dsplit", lambda f, t: f(t, 2)),
    # rearranging
    *(("flip", c) for c in (lambda f, t: f(t), lambda f, t: f(t, 0), lambda f, t: f(t, (1, 2)))),
    ("fliplr flipud", lambda f, i: f(i)),
    *(("roll", call) for call in (
        lambda f, i: f(i, 3), lambda f, i: f(i, -2, 0), lambda f, i: f(i, (9, 1), (0, 1)),
    )),
    *(("rot90", call) for call in (lambda f, i: f(i), lambda f, t: f(t, 3, (0, 2)))),
    *(("tile", call) for call in (lambda f, i: f(i, 2), lambda f, i: f(i, (3, 1, 2)))),
    *(("repeat", call) for call in (
        lambda f, i: f(i, 2), lambda f, i: f(i, 3, axis=0), lambda f, w, k: f(w, k),
        lambda f, i: f(i, [0, 1, 2, 0, 1], axis=1),
    )),
    ("pad", lambda f, i: f(i, ((1, 2), (0, 3)), constant_values=4)),
    ("pad", lambda f, i: [f(i, ((2, 3), (1, 2)), mode=mode) for mode in MODES]),
    ("trim_zeros", lambda f, k: f(k * (k > 2))),
    # diagonals
    *(("tril triu", c) for c in (lambda f, i: f(i), lambda f, i: f(i, 1), lambda f, t: f(t, -1))),
    ("diag diagflat", lambda f, w: f(w)),
    ("diag", lambda f, i: f(i, -1)),
    ("diagflat", lambda f, i: f(i, 2)),
    ("diagonal", lambda f, i: f(i, 1)),
    ("diagonal", lambda f, t: f(t)),
    ("fill_diagonal", _fill, np.fill_diagonal),
    # copies and types
    ("copy resplit balance", lambda f, i: f(i), np.copy),
    ("resplit", lambda f, t: f(t, 2), lambda x, axis: x),
    ("collect", lambda f, i: f(i, 0), lambda x, rank: x),
    ("redistribute", lambda f, i: f(i) if getattr(i, "split", 0) is not None else i, np.copy),
    ("astype", lambda f, i: f(i, np.float32)),
    ("astype", lambda f, x: f(x, np.int64)),
    ("ones_like zeros_like", lambda f, i: f(i)),
    ("full_like", lambda f, x: f(x, 3.5)),
    ("empty_like", lambda f, i: f(i) * 0),
]  # fmt: skip
