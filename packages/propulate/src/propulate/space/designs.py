"""Initial designs: where the search begins."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["KINDS", "Design"]

KINDS = ("sobol", "lhs", "uniform", "grid")
_BITS = 30
# Degree, coefficients and initial numbers of the primitive polynomials of the first dimensions
# after the van der Corput sequence: S. Joe and F. Y. Kuo, SIAM J. Sci. Comput. 30 (2008), table D6.
_POLYNOMIALS: tuple[tuple[int, int, tuple[int, ...]], ...] = (
    (1, 0, (1,)),
    (2, 1, (1, 3)),
    (3, 1, (1, 3, 1)),
    (3, 2, (1, 1, 1)),
    (4, 1, (1, 1, 3, 3)),
    (4, 4, (1, 3, 5, 13)),
    (5, 2, (1, 1, 5, 5, 17)),
    (5, 4, (1, 1, 5, 5, 5)),
    (5, 7, (1, 1, 7, 11, 19)),
    (5, 11, (1, 1, 5, 1, 1)),
    (5, 13, (1, 1, 1, 3, 11)),
    (5, 14, (1, 3, 5, 5, 31)),
    (6, 1, (1, 3, 3, 9, 7, 49)),
    (6, 13, (1, 1, 1, 15, 21, 21)),
    (6, 16, (1, 3, 1, 13, 27, 49)),
    (6, 19, (1, 1, 1, 15, 7, 5)),
    (6, 22, (1, 3, 1, 15, 13, 25)),
    (6, 25, (1, 1, 5, 5, 19, 61)),
    (7, 1, (1, 3, 7, 11, 23, 15, 103)),
    (7, 4, (1, 3, 7, 13, 13, 15, 69)),
)
_BLOCK = 64  # points of one Latin hypercube


class Design:
    """A sequence of points in the unit cube that covers it evenly.

    The points depend on the seed and the index alone, so that workers can share one design: worker
    w of P takes the indices w, w + P, w + 2P, ...

    Parameters
    ----------
    n : int
        Dimensions.
    kind : {"sobol", "lhs", "uniform", "grid"}
        Scrambled Sobol points (up to 21 dimensions, Latin hypercubes of 64 points above), Latin
        hypercubes, independent points, or a grid of all discrete values and three values of each
        continuous one.
    seed : int
    counts : (n,) int array, optional
        Number of values of discrete dimensions, 0 for continuous ones; for the grid.
    """

    def __init__(
        self, n: int, kind: str = "sobol", seed: int = 0, counts: NDArray[np.int64] | None = None
    ) -> None:
        if kind not in KINDS:
            raise ValueError(f"design must be one of {KINDS}, got {kind!r}")
        self.n, self.seed = n, seed
        self.kind = "lhs" if kind == "sobol" and n > len(_POLYNOMIALS) + 1 else kind
        self._counts = [3] * n if counts is None else [int(c) or 3 for c in counts]
        self._block: tuple[int, NDArray[np.float64]] | None = None
        if self.kind == "sobol":
            self._directions = _directions(n)
            rng = np.random.default_rng([seed, 1])
            # a random digital shift keeps the net's structure and moves its first point off 0
            self._scramble = rng.integers(0, 1 << _BITS, n)

    def __len__(self) -> int:
        """Number of points of the grid; TypeError for the other kinds, which never end."""
        if self.kind != "grid":
            raise TypeError(f"a {self.kind} design has no end")
        return math.prod(self._counts)

    def point(self, index: int) -> NDArray[np.float64]:
        """Point `index` of the design, shape (n,), in (0, 1)."""
        if self.kind == "uniform":
            return np.random.default_rng([self.seed, 2, index]).random(self.n)
        if self.kind == "grid":
            digits = []
            for count in reversed(self._counts):
                index, digit = divmod(index, count)
                digits.append((digit + 0.5) / count)
            return np.array(digits[::-1])
        if self.kind == "lhs":
            return self._latin(index)
        gray = index ^ (index >> 1)
        bits = [b for b in range(_BITS) if gray >> b & 1]
        numbers = np.bitwise_xor.reduce(self._directions[bits], axis=0) if bits else 0
        scrambled: NDArray[np.float64] = ((numbers ^ self._scramble) + 0.5) / (1 << _BITS)
        return scrambled

    def _latin(self, index: int) -> NDArray[np.float64]:
        block, place = divmod(index, _BLOCK)
        if self._block is None or self._block[0] != block:
            rng = np.random.default_rng([self.seed, 3, block])
            order = np.argsort(rng.random((self.n, _BLOCK)), axis=1).T
            self._block = block, (order + rng.random((_BLOCK, self.n))) / _BLOCK
        point: NDArray[np.float64] = self._block[1][place]
        return point


def _directions(n: int) -> NDArray[np.int64]:
    """Direction numbers, shape (bits, n): Joe and Kuo (2008), eq. 2 and 3."""
    directions = np.empty((_BITS, n), np.int64)
    directions[:, 0] = [1 << (_BITS - 1 - bit) for bit in range(_BITS)]
    for column, (degree, coefficients, initial) in zip(range(1, n), _POLYNOMIALS, strict=False):
        m = [number << (_BITS - 1 - bit) for bit, number in enumerate(initial)]
        for bit in range(degree, _BITS):
            number = m[bit - degree] ^ (m[bit - degree] >> degree)
            for k in range(1, degree):
                if coefficients >> (degree - 1 - k) & 1:
                    number ^= m[bit - k]
            m.append(number)
        directions[:, column] = list(itertools.islice(m, _BITS))
    return directions
