"""How a global array is cut into tiles, each of which is drawn from random bits of its own.

The tiles depend on the global shape only, so that the value of an element depends neither on the
number of ranks nor on the split. All axes are cut about equally: whatever the split axis, a slab
consists of whole tiles but for one layer at each border, which both neighbours draw.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from heat_core.layout.plans import Block

__all__ = ["TILE_VOLUME", "Tile", "tile_shape", "tiles"]

TILE_VOLUME = 1 << 16
"""Elements of a tile: enough to make the cost of starting one small, and few enough for a cache."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile that a slab touches.

    Parameters
    ----------
    number : int
        Row-major position among the tiles of the global array.
    block : tuple of slice
        The tile in the global array.
    shared : tuple of slice
        The part that the slab shares, in the tile.
    target : tuple of slice
        The same part in the slab.
    """

    number: int
    block: Block
    shared: Block
    target: Block

    @property
    def shape(self) -> tuple[int, ...]:
        """Extents of the tile."""
        return tuple(axis.stop - axis.start for axis in self.block)

    @property
    def is_whole(self) -> bool:
        """Whether all of the tile lies in the slab."""
        return all(
            part.stop - part.start == axis.stop - axis.start
            for part, axis in zip(self.shared, self.block, strict=True)
        )


@lru_cache(maxsize=1024)
def tile_shape(gshape: tuple[int, ...], n_event_axes: int = 0) -> tuple[int, ...]:
    """Extents of a tile.

    Parameters
    ----------
    gshape : tuple of int
        Global shape.
    n_event_axes : int
        The last so many axes are not cut: they belong to one draw, such as a random vector.
    """
    n_batch = len(gshape) - n_event_axes
    tile, volume = [1] * n_batch, math.prod(gshape[n_batch:])
    while volume < TILE_VOLUME:
        numbers = [-(-extent // side) for extent, side in zip(gshape, tile, strict=False)]
        if max(numbers, default=1) <= 1:
            break
        tile[numbers.index(max(numbers))] *= 2
        volume *= 2
    return tuple(map(min, (*tile, *gshape[n_batch:]), gshape))


def tiles(gshape: tuple[int, ...], slab: Block, n_event_axes: int = 0) -> Iterator[Tile]:
    """The tiles that the part ``slab`` of an array touches, in row-major order."""
    if any(part.stop <= part.start for part in slab):
        return
    sides = tile_shape(gshape, n_event_axes)
    numbers = [-(-extent // side) for extent, side in zip(gshape, sides, strict=True)]
    touched = [
        range(part.start // side, -(-part.stop // side))
        for part, side in zip(slab, sides, strict=True)
    ]
    for position in itertools.product(*touched):
        number = 0
        for index, n in zip(position, numbers, strict=True):
            number = number * n + index
        yield _tile(number, position, sides, gshape, slab)


def _tile(
    number: int,
    position: tuple[int, ...],
    sides: tuple[int, ...],
    gshape: tuple[int, ...],
    slab: Block,
) -> Tile:
    block, shared, target = [], [], []
    for index, side, extent, part in zip(position, sides, gshape, slab, strict=True):
        start, stop = index * side, min((index + 1) * side, extent)
        low, high = max(start, part.start), min(stop, part.stop)
        block.append(slice(start, stop))
        shared.append(slice(low - start, high - start))
        target.append(slice(low - part.start, high - part.start))
    return Tile(number, tuple(block), tuple(shared), tuple(target))
