"""Independent random seeds."""

from __future__ import annotations


def spawn_seeds(seed: int, n: int) -> list[int]:
    """`n` statistically independent seeds, the same on every rank and machine.

    Give rank r of n ``spawn_seeds(seed, n)[r]``, for ``numpy.random.default_rng`` or
    ``torch.manual_seed``; seeds such as ``seed + r`` are correlated for some generators.

    Parameters
    ----------
    seed : int
        Non-negative, of any size.
    n : int

    Returns
    -------
    list of int
        Below 2^63; from `numpy.random.SeedSequence.spawn`.
    """
    import numpy as np

    children = np.random.SeedSequence(seed).spawn(n)
    return [int(child.generate_state(1, np.uint64)[0] >> np.uint64(1)) for child in children]
