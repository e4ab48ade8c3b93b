"""Which rank gets which blocks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

__all__ = ["balanced_cuts", "stages"]


def balanced_cuts(costs: Sequence[float], size: int) -> list[int]:
    """Cut a chain into `size` contiguous, non-empty parts whose largest cost is least.

    Parameters
    ----------
    costs : sequence of float
        Of each block.
    size : int
        At most the number of blocks.

    Returns
    -------
    list of int
        Where the parts after the first begin.
    """
    n = len(costs)
    check_size(n, size)
    sums = [0.0, *accumulate(costs)]
    # best[k][i]: largest cost of k parts of the first i blocks, and where the last of them begins
    best = [[(sums[i], 0) for i in range(n + 1)]]
    for parts in range(2, size + 1):
        row = [(float("inf"), 0)] * (n + 1)
        for i in range(parts, n + 1):
            row[i] = min((max(best[-1][j][0], sums[i] - sums[j]), j) for j in range(parts - 1, i))
        best.append(row)
    cuts, end = [], n
    for row in reversed(best[1:]):
        end = row[end][1]
        cuts.append(end)
    return cuts[::-1]


def check_size(n_blocks: int, size: int) -> None:
    """Refuse more ranks than blocks."""
    if not 1 <= size <= n_blocks:
        raise ValueError(
            f"{size} ranks can't share {n_blocks} blocks, each needs one: start fewer ranks, or "
            "cut the model into more blocks"
        )


def stages(cuts: Sequence[int], n_blocks: int, size: int) -> list[range]:
    """The blocks of each rank.

    Raises
    ------
    ValueError
        If the cuts don't make `size` non-empty parts.
    """
    check_size(n_blocks, size)
    edges = [0, *cuts, n_blocks]
    if len(edges) != size + 1 or any(a >= b for a, b in pairwise(edges)):
        raise ValueError(
            f"cuts {list(cuts)} must be {size - 1} rising block numbers from 1 to {n_blocks - 1}"
        )
    return [range(a, b) for a, b in pairwise(edges)]
