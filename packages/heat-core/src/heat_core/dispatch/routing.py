"""Ask the rank that holds a range of sorted elements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heat_core.dispatch.order import Array
from heat_core.dispatch.samplesort import Partition

if TYPE_CHECKING:
    from heat_core.comm import Communicator

__all__ = ["to_holders"]


def to_holders(
    comm: Communicator, queries: Array, own: Array, counts: tuple[int, ...], side: str = "left"
) -> Partition:
    """The way of ascending queries to the ranks where they fit among sorted elements. Collective.

    Parameters
    ----------
    queries : (n,)
    own : (counts[rank],)
        This rank's part of the elements, which are sorted over all ranks.
    counts : tuple of int
    side : {"left", "right"}
        Whether a query goes before or behind equal elements.
    """
    last = own[-1] if len(own) else own.dtype.type(0)
    lasts = comm.allgather(np.array(last, dtype=own.dtype))
    holders = np.flatnonzero(counts)
    if len(holders) == 0:
        holders = np.zeros(1, dtype=np.int64)
    # All elements of the ranks before the first with a large enough last element are smaller.
    place = np.searchsorted(lasts[holders], queries, side)  # type: ignore[call-overload]
    owners = holders[np.minimum(place, len(holders) - 1)]
    return Partition(comm, np.bincount(owners, minlength=comm.size).tolist())
