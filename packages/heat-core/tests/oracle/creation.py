"""Functions that make arrays: the call gets the split axis."""

from __future__ import annotations

from typing import Any

import numpy as np

CASES: list[tuple[Any, ...]] = [
    ("zeros ones", lambda f, o: f((7, 3), **o)),
    ("fft.fftfreq fft.rfftfreq", lambda f, a: f(9, 0.5, **a), np.fft),
    ("zeros ones", lambda f, o: f((0, 3), **o)),
    ("empty", lambda f, o: f((7, 3), dtype="int64", **o) * 0),
    ("full", lambda f, o: f((5, 4), 3, **o)),
    ("eye", lambda f, o: f(5, 7, k=1, **o)),
    ("identity", lambda f, o: f(6, **o)),
    ("tri", lambda f, o: f(5, 7, -1, **o)),
    ("arange", lambda f, a: f(2, 20, 3, **a)),
    ("arange", lambda f, a: f(0.5, -3, -0.25, **a)),
    ("linspace", lambda f, a: f(1, 2, 11, **a)),
    ("logspace", lambda f, a: f(0, 2, 11, **a)),
    ("geomspace", lambda f, a: f(1, 1000, 4, **a)),
    ("indices", lambda f, o: f((7, 3), **o)),
    ("diag_indices", lambda f, a: f(7, **a)),
    ("tril_indices triu_indices", lambda f, a: f(5, 1, **a)),
    ("fromfunction", lambda f, o: f(lambda i, j: i * 10 + j, (7, 3), **o)),
    ("array asarray", lambda f, o: f([[1, 2], [3, 4], [5, 6]], **o), np.array),
]
