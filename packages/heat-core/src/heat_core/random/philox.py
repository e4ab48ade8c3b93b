"""Random bits by position: NumPy's Philox, started anew for every tile.

Philox computes its output from a key and a counter (Salmon et al., "Parallel random numbers: as
easy as 1, 2, 3", 2011). Key: the seed and the number of the array; the upper half of the counter:
the number of the tile. A tile can use 2**128 blocks of bits before it meets the next one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import torch

from heat_core.layout.plans import Block
from heat_core.random.tiles import tiles

__all__ = ["Draw", "TileBits", "fill"]

Draw: TypeAlias = Callable[[np.random.Generator, torch.Tensor, Block], None]
"""Fills the contiguous tensor of a tile, given the tile's place in the global array."""


class TileBits:
    """The source of bits of all tiles of all arrays of one seed.

    Parameters
    ----------
    seed : int
        Non-negative, of any size.
    """

    def __init__(self, seed: int) -> None:
        hashed = np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]
        self._key = np.array([hashed, 0], np.uint64)
        self._counter = np.zeros(4, np.uint64)
        self._philox = np.random.Philox(0)
        self._generator = np.random.Generator(self._philox)
        # Assigning a state is several times as fast as making a new Philox.
        self._state: Any = {
            "bit_generator": "Philox",
            "state": {"counter": self._counter, "key": self._key},
            "buffer": np.zeros(4, np.uint64),
            "buffer_pos": 4,
            "has_uint32": 0,
            "uinteger": 0,
        }

    def at(self, stream: int, tile: int = 0) -> np.random.Generator:
        """NumPy's generator at the first bit of a tile of the ``stream``-th array."""
        self._key[1] = stream
        self._counter[3] = tile
        self._philox.state = self._state
        return self._generator


def fill(
    bits: TileBits,
    stream: int,
    gshape: tuple[int, ...],
    slab: Block,
    out: torch.Tensor,
    draw: Draw,
    n_event_axes: int = 0,
) -> None:
    """Draw the part ``slab`` of a global array.

    Parameters
    ----------
    bits : TileBits
    stream : int
        Number of the array.
    gshape : tuple of int
    slab : tuple of slice
        The wanted part.
    out : torch.Tensor
        Takes it; contiguous, on the CPU.
    draw : callable
        Fills one tile.
    n_event_axes : int
        Axes at the end that belong to one draw.
    """
    for tile in tiles(gshape, slab, n_event_axes):
        rng = bits.at(stream, tile.number)
        part = out[tile.target]
        if tile.is_whole and part.is_contiguous():
            draw(rng, part, tile.block)
        else:
            # A tile's bits are used from its first element on, so all of it must be drawn.
            scratch = torch.empty(tile.shape, dtype=out.dtype)
            draw(rng, scratch, tile.block)
            part.copy_(scratch[tile.shared])
