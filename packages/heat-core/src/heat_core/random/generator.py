"""The random generator: a seed, and how many arrays it has drawn."""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from heat_core.comm import Communicator, get_comm
from heat_core.layout import Layout
from heat_core.memory import empty
from heat_core.random.philox import Draw, TileBits, fill

__all__ = ["Generator", "State", "default_rng"]

State = tuple[str, int, int, int, float]
_NAMES = ("Philox", "Threefry", "Batchparallel")


class Generator:
    """Draws arrays whose values depend on the global index only, with NumPy's method names.

    The same seed and the same calls give the same bits on any number of ranks and with every
    split. Nothing is communicated: each rank draws its slab, and replicated arrays are drawn by
    all ranks. All ranks must make the same calls. Made by ``default_rng``.

    The bits are computed on the CPU. They may change with the version of NumPy, and normal
    numbers in the last digit with the instruction set of the CPU.

    Parameters
    ----------
    seed : int
        Non-negative, of any size.
    stream : int
        How many arrays have been drawn before.
    """

    def __init__(self, seed: int, stream: int = 0) -> None:
        seed, stream = index(seed), index(stream)
        if seed < 0 or not 0 <= stream < 1 << 64:
            raise ValueError("seed and stream are not negative, and stream is below 2**64")
        self._seed = seed
        self._stream = stream
        self._n_children = 0
        self._bits = TileBits(seed)

    def get_state(self) -> State:
        """``("Philox", seed, arrays drawn, 0, 0.0)``. Local."""
        return ("Philox", self._seed, self._stream, 0, 0.0)

    def set_state(self, state: Any) -> None:
        """Go on from a state. Local.

        Parameters
        ----------
        state : tuple
            As from ``get_state``; the zeros at the end may be missing. The names that the
            original HeAT gives its generators, "Threefry" and "Batchparallel", mean this one.
        """
        if not isinstance(state, tuple) or len(state) not in (3, 5):
            raise TypeError("a state is a tuple of 3 or 5 items: name, seed, stream, 0, 0.0")
        if state[0] not in _NAMES:
            raise ValueError(f"unknown generator {state[0]!r}: known are {', '.join(_NAMES)}")
        Generator.__init__(self, state[1], state[2])

    def spawn(self, n_children: int) -> list[Generator]:
        """Independent generators, others with every call. Local."""
        first = self._n_children
        self._n_children += n_children
        return [Generator(_hashed(self._seed, child)) for child in range(first, first + n_children)]

    def bits(self) -> np.random.Generator:
        """NumPy's generator for something small that all ranks draw, such as a permutation."""
        return self._bits.at(self._next())

    def draw(
        self,
        draw: Draw,
        layout: Layout,
        comm: Communicator,
        dtype: torch.dtype,
        n_event_axes: int = 0,
    ) -> torch.Tensor:
        """The local part of an array of which ``draw`` fills the tiles, on the CPU."""
        local = empty(layout.lshape(comm.rank), dtype)
        slab = layout.slices(comm.rank)
        fill(self._bits, self._next(), layout.gshape, slab, local, draw, n_event_axes)
        return local

    def _next(self) -> int:
        """The number of the next array; the same on all ranks, whatever its size."""
        self._stream += 1
        return self._stream - 1

    def __repr__(self) -> str:
        return f"Generator(seed={self._seed}, stream={self._stream})"

    if TYPE_CHECKING:
        # The distributions are attached from the table in methods.py.
        def __getattr__(self, name: str) -> Any: ...


def _hashed(seed: int, child: int) -> int:
    sequence = np.random.SeedSequence(seed, spawn_key=(child,))
    return int(sequence.generate_state(1, np.uint64)[0])


def fresh_seed(comm: Any = None) -> int:
    """A seed from the operating system, the same on all ranks. Collective."""
    comm = get_comm() if comm is None else comm
    entropy = np.random.SeedSequence().entropy if comm.rank == 0 else None
    return int(comm.handle.bcast(entropy))


def default_rng(seed: int | Generator | None = None) -> Generator:
    """A generator of its own, independent of ``ht.random.seed``.

    Collective if ``seed`` is None, else local.

    Parameters
    ----------
    seed : int, Generator or None
        Non-negative; a generator is returned as it is; None: rank 0 asks the operating system.

    Examples
    --------
    >>> import heat_core as ht
    >>> rng = ht.random.default_rng(42)
    >>> rng.normal(size=(1000, 3), split=0).shape
    (1000, 3)
    """
    if isinstance(seed, Generator):
        return seed
    return Generator(fresh_seed() if seed is None else seed)
