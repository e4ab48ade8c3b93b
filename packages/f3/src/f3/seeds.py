"""Seeds for single purposes, derived from one."""

from __future__ import annotations

import numpy as np

__all__ = ["FEEDBACK", "NOISE", "ORDER", "derive"]

#: first part of a seed's path: what it is for
FEEDBACK, NOISE, ORDER = range(3)


def derive(seed: int, *path: int) -> int:
    """A seed below 2^63 for the purpose `path`, independent of those of all other paths."""
    sequence = np.random.SeedSequence(seed, spawn_key=path)
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))
