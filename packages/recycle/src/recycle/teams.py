"""Who computes together: one process, or the ranks of a communicator."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from recycle.windows import Array

__all__ = ["ALONE", "Alone", "Team", "shared_sum"]


class Team(Protocol):
    """What the algorithms need of a communicator; `mpi_utils.Communicator` offers it."""

    rank: int
    size: int

    def allreduce(self, x: Any, /) -> Any:
        """Sum over the ranks."""


class Alone:
    """A team of one."""

    rank = 0
    size = 1

    def allreduce(self, x: Array, /) -> Array:
        """The array itself."""
        return x


ALONE = Alone()


def shared_sum(team: Team, *arrays: Array) -> list[Array]:
    """Sums over the ranks of several float64 arrays, in one message. Collective."""
    flat = np.concatenate([np.asarray(array, dtype=np.float64).ravel() for array in arrays])
    flat = team.allreduce(flat)
    cuts = np.cumsum([array.size for array in arrays])[:-1]
    parts = np.split(flat, cuts)
    return [part.reshape(array.shape) for part, array in zip(parts, arrays, strict=True)]
