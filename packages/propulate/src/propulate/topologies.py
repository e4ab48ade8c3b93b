"""Migration topologies: matrices whose entry [i, j] says how many individuals i sends to j."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["fully_connected", "hypercube", "random", "ring", "star", "torus"]

Topology = NDArray[np.int64]


def _checked(n: int) -> int:
    if n < 1:
        raise ValueError(f"there must be at least one island, got {n}")
    return n


def fully_connected(n: int, k: int = 1) -> Topology:
    """Each of n islands sends k individuals to every other one; shape (n, n)."""
    return k * (1 - np.eye(_checked(n), dtype=np.int64))


def ring(n: int, k: int = 1, *, bidirectional: bool = False) -> Topology:
    """Each island sends to the next one, and if wished to the one before; shape (n, n)."""
    table = np.zeros((_checked(n), n), np.int64)
    for i in range(n):
        table[i, (i + 1) % n] = k
        if bidirectional:
            table[i, i - 1] = k
    np.fill_diagonal(table, 0)
    return table


def star(n: int, k: int = 1) -> Topology:
    """Island 0 exchanges with all others, which don't exchange with each other; shape (n, n)."""
    table = np.zeros((_checked(n), n), np.int64)
    table[0, 1:] = table[1:, 0] = k
    return table


def torus(n: int, k: int = 1) -> Topology:
    """A grid as square as possible, closed in both directions; each sends to four neighbours."""
    rows = next(r for r in range(math.isqrt(_checked(n)), 0, -1) if n % r == 0)
    columns = n // rows
    table = np.zeros((n, n), np.int64)
    for i in range(n):
        row, column = divmod(i, columns)
        for down, right in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            table[i, (row + down) % rows * columns + (column + right) % columns] = k
    np.fill_diagonal(table, 0)
    return table


def hypercube(n: int, k: int = 1) -> Topology:
    """Islands whose numbers differ in one bit exchange; n must be a power of two."""
    if _checked(n) & (n - 1):
        raise ValueError(f"a hypercube has 1, 2, 4, 8, ... islands, got {n}")
    table = np.zeros((n, n), np.int64)
    for i in range(n):
        for bit in range(n.bit_length() - 1):
            table[i, i ^ (1 << bit)] = k
    return table


def random(n: int, degree: int = 2, k: int = 1, seed: int = 0) -> Topology:
    """Each island sends to `degree` others, drawn once; shape (n, n)."""
    if not 0 <= degree < _checked(n):
        raise ValueError(f"degree must be in 0..{n - 1}, got {degree}")
    rng = np.random.default_rng(seed)
    table = np.zeros((n, n), np.int64)
    for i in range(n):
        others = np.delete(np.arange(n), i)
        table[i, rng.choice(others, degree, replace=False)] = k
    return table
