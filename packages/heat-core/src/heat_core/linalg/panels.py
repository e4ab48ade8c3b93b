"""Factorisations of a matrix that is cut in columns: the march of panels over the ranks.

LU, Cholesky and Householder QR share one shape. The columns are taken in panels of up to 128, each
within the slab of one rank. The owner factorises its panel and broadcasts it; every rank brings its
columns to the right up to date. Nothing is gathered: a rank holds its slab and one panel.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from heat_core.comm import Communicator

__all__ = ["Panel", "panels", "received"]

WIDTH = 128


@dataclass(frozen=True, slots=True)
class Panel:
    """Columns ``start:stop`` of a matrix, on rank ``owner`` from its column ``local`` on."""

    owner: int
    start: int
    stop: int
    local: int

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.stop - self.start

    @property
    def columns(self) -> slice:
        """The columns in the owner's slab."""
        return slice(self.local, self.local + self.width)


def panels(counts: Iterable[int], limit: int, width: int = WIDTH) -> list[Panel]:
    """The panels of slabs of ``counts`` columns that begin before column ``limit``."""
    found: list[Panel] = []
    offset = 0
    for owner, count in enumerate(counts):
        for local in range(0, count, width):
            if offset + local >= limit:
                return found
            stop = offset + min(local + width, count)
            found.append(Panel(owner, offset + local, stop, local))
        offset += count
    return found


def right_of(panel: Panel, offset: int, count: int) -> slice:
    """The columns to the right of the panel in a slab of ``count`` columns from ``offset`` on."""
    return slice(min(max(panel.stop - offset, 0), count), count)


def received(
    comm: Communicator,
    panel: Panel,
    block: torch.Tensor | None,
    shape: tuple[int, ...],
    like: torch.Tensor,
) -> torch.Tensor:
    """The owner's block on every rank. Collective.

    Parameters
    ----------
    comm : Communicator
    panel : Panel
    block : torch.Tensor or None
        On the owner.
    shape : tuple of int
    like : torch.Tensor
        Of the block's type and device.
    """
    buffer = like.new_empty(shape) if block is None else block.contiguous()
    result: torch.Tensor = comm.bcast(buffer, root=panel.owner)
    return result
