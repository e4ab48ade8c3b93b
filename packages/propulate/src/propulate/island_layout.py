"""Who belongs to which island, and how many individuals travel between islands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["island_sizes", "migration_probability", "migration_table"]


def island_sizes(workers: int, num_islands: int, sizes: Sequence[int] | None) -> tuple[int, ...]:
    """Workers of each island; ValueError if they don't add up."""
    if sizes is not None:
        if sum(sizes) != workers or min(sizes) < 1:
            raise ValueError(
                f"island_sizes {tuple(sizes)} must be positive and add up to {workers} workers"
            )
        return tuple(int(size) for size in sizes)
    if not 1 <= num_islands <= workers:
        raise ValueError(f"{num_islands} islands need as many workers, there are {workers}")
    share, rest = divmod(workers, num_islands)
    return tuple(share + (island < rest) for island in range(num_islands))


def migration_table(topology: Any, n: int) -> list[list[int]]:
    """The topology as lists; by default one individual to each other island."""
    if topology is None:
        topology = np.ones((n, n), int) - np.eye(n, dtype=int)
    table = np.asarray(topology)
    if table.shape != (n, n):
        raise ValueError(f"migration_topology must have shape ({n}, {n}), got {table.shape}")
    if (table < 0).any() or table.diagonal().any():
        raise ValueError("migration_topology must be non-negative, with a diagonal of zeros")
    return [[int(k) for k in row] for row in table]


def migration_probability(probability: float) -> float:
    """The probability; ValueError if it is none."""
    if not 0 <= probability <= 1:
        raise ValueError(f"migration_probability must be in [0, 1], got {probability}")
    return probability
