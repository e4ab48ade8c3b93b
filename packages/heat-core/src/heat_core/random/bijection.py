"""Random permutations as functions: the place of any element, without all the others.

Short ones are tables, shuffled by NumPy (Fisher and Yates). Long ones are ciphers: a Feistel
network maps the numbers of some bits one to one, and a number that leaves the range is mapped
again until it comes back (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002). A rank
then needs no more memory than its own elements, and no message, for a permutation and its inverse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["TABLE_LIMIT", "Bijection", "Cipher", "Indices", "Table", "random_bijection"]

Indices = npt.NDArray[np.int64]

TABLE_LIMIT = 1 << 20
"""Up to this length permutations are tables. It must not depend on the number of ranks."""

_ROUNDS = 8
_BLOCK = 1 << 15


class Bijection(Protocol):
    """A permutation of ``range(n)``."""

    def forward(self, indices: Indices) -> Indices:
        """The numbers at these places of the permutation."""
        ...

    def part(self, start: int, stop: int) -> Indices:
        """The numbers at the places of ``range(start, stop)``."""
        ...

    def inverse(self, numbers: Indices) -> Indices:
        """The places at which these numbers stand."""
        ...


@dataclass(frozen=True, slots=True)
class Table:
    """A permutation written down."""

    table: Indices

    def forward(self, indices: Indices) -> Indices:
        """The numbers at these places of the permutation."""
        return self.table[indices]

    def part(self, start: int, stop: int) -> Indices:
        """The numbers at the places of ``range(start, stop)``."""
        return self.table[start:stop]

    def inverse(self, numbers: Indices) -> Indices:
        """The places at which these numbers stand."""
        places = np.empty_like(self.table)
        places[self.table] = np.arange(len(self.table))
        return places[numbers]


@dataclass(frozen=True, slots=True)
class Cipher:
    """A permutation of ``range(n)`` by a key.

    Parameters
    ----------
    n : int
    keys : tuple of int
        One 64-bit number a round.
    """

    n: int
    keys: tuple[int, ...]

    def forward(self, indices: Indices) -> Indices:
        """The numbers at these places of the permutation."""
        return self._walk(indices, decrypt=False)

    def part(self, start: int, stop: int) -> Indices:
        """The numbers at the places of ``range(start, stop)``."""
        return self.forward(np.arange(start, stop))

    def inverse(self, numbers: Indices) -> Indices:
        """The places at which these numbers stand."""
        return self._walk(numbers, decrypt=True)

    def _walk(self, numbers: Indices, *, decrypt: bool) -> Indices:
        result = np.empty(len(numbers), np.int64)
        for start in range(0, len(numbers), _BLOCK):
            block = self._rounds(numbers[start : start + _BLOCK].astype(np.uint64), decrypt)
            outside = np.flatnonzero(block >= self.n)
            while len(outside):
                block[outside] = self._rounds(block[outside], decrypt)
                outside = outside[block[outside] >= self.n]
            result[start : start + _BLOCK] = block
        return result

    def _rounds(self, numbers: npt.NDArray[np.uint64], decrypt: bool) -> npt.NDArray[np.uint64]:
        n_bits = max(2, (self.n - 1).bit_length())
        shift = np.uint64(n_bits // 2)
        masks = (np.uint64((1 << int(shift)) - 1), np.uint64((1 << (n_bits - int(shift))) - 1))
        halves = [numbers & masks[0], numbers >> shift]
        order = range(len(self.keys))
        for turn in reversed(order) if decrypt else order:
            target = turn % 2
            halves[target] ^= _mixed(halves[1 - target], self.keys[turn]) & masks[target]
        return (halves[1] << shift) | halves[0]


def _mixed(half: npt.NDArray[np.uint64], key: int) -> npt.NDArray[np.uint64]:
    """A hash of 64 bits: the finaliser of splitmix64 (Steele et al., 2014)."""
    bits = half + np.uint64(key)
    bits ^= bits >> np.uint64(30)
    bits *= np.uint64(0xBF58476D1CE4E5B9)
    bits ^= bits >> np.uint64(27)
    bits *= np.uint64(0x94D049BB133111EB)
    bits ^= bits >> np.uint64(31)
    return bits


def random_bijection(n: int, rng: np.random.Generator) -> Bijection:
    """A random permutation of ``range(n)``."""
    if n <= TABLE_LIMIT:
        # Bits in sequence are cheaper from a generator without a counter (Doty-Humphrey's).
        fast = np.random.Generator(np.random.SFC64(int(rng.integers(1 << 63))))
        return Table(fast.permutation(n))
    keys = rng.integers(0, 1 << 64, _ROUNDS, np.uint64)
    return Cipher(n, tuple(int(key) for key in keys))
