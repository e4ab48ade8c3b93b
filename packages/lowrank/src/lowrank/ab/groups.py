"""Which ranks train together, and which of the two factors they train. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

__all__ = ["Mode", "group_of_ranks", "mode_of_groups"]

Mode = Literal["a", "b"]


def group_of_ranks(node_of: Sequence[int], group_size: int | None = None) -> list[int]:
    """The group of each rank.

    Parameters
    ----------
    node_of : sequence of int
        The node of each rank.
    group_size : int, optional
        About so many ranks make a group; those that are left over go to the first groups. By
        default each node is a group, or half of the ranks where there is one node only. There are
        at least two groups, unless there is one rank.

    Returns
    -------
    list of int
        Neighbours by node and rank share a group.
    """
    n_ranks, nodes = len(node_of), sorted(set(node_of))
    if group_size is None and len(nodes) > 1:
        return [nodes.index(node) for node in node_of]
    size = group_size or max(1, n_ranks // 2)
    n_groups = min(n_ranks, max(2, n_ranks // size))
    ordered = sorted(range(n_ranks), key=lambda rank: (node_of[rank], rank))
    group = [0] * n_ranks
    for place, rank in enumerate(ordered):
        group[rank] = _group_at(place, n_ranks, n_groups)
    return group


def _group_at(place: int, n_ranks: int, n_groups: int) -> int:
    """Groups of equal size in a row; the first ones take one more each if it doesn't work out."""
    base, more = divmod(n_ranks, n_groups)
    if place < more * (base + 1):
        return place // (base + 1)
    return more + (place - more * (base + 1)) // base


def mode_of_groups(groups: Sequence[int]) -> list[Mode]:
    """The factor that each rank trains: the first half of the groups `A`, the others `B`."""
    n_groups = max(groups) + 1
    return ["a" if group < n_groups // 2 else "b" for group in groups]
