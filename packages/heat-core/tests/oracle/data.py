"""The arrays that rows of the oracle ask for by name."""

from __future__ import annotations

import numpy as np


def arrays() -> dict[str, np.ndarray]:
    """Small arrays, each longer than it is wide, of every kind of number."""
    rng = np.random.default_rng(7)
    x = rng.standard_normal((7, 5))
    with_nan, special = x.copy(), x.copy()
    with_nan[[0, 2, 2, 6], [1, 1, 3, 4]] = np.nan
    special[[1, 3, 5, 6], [0, 2, 4, 4]] = np.nan, np.inf, -np.inf, -0.0
    integers = rng.integers(-9, 10, (7, 5))
    return {
        "x": x,  # real
        "r": rng.uniform(0.1, 0.9, (7, 5)),  # within (0, 1)
        "q": with_nan,
        "y": special,  # NaN, infinities, negative zero
        "z": (rng.integers(-9, 9, (4, 3)) + 1j * rng.integers(1, 9, (4, 3))) / 2,
        "i": integers,
        "j": rng.integers(1, 6, (7, 5)),  # positive
        "c": rng.integers(0, 5, (7, 5)),  # positions
        "m": integers > 1,
        "n": integers < -2,
        "row": rng.standard_normal(5),
        "col": rng.standard_normal((7, 1)),
        "t": rng.standard_normal((3, 4, 2)),
        "e": np.zeros((0, 3, 2)),
        "v": special.ravel()[:9],
        "w": rng.integers(-4, 5, 9),
        "g": rng.integers(0, 2, 9),
        "k": np.abs(rng.integers(0, 7, 9)),
        "s": np.sort(rng.standard_normal(9)),
    }
