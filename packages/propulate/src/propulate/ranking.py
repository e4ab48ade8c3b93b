"""Rows of a table, kept sorted by a number."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ranking"]

_BLOCK = 512


class Ranking:
    """Row numbers in the order of their keys, smallest key first; equal keys in order of arrival.

    Sorted blocks of up to 1,024 entries: inserting and removing cost the same for a thousand and
    for a million rows, and an entry takes 12 bytes.
    """

    def __init__(self) -> None:
        self._keys = [array("d")]
        self._rows = [array("i")]
        self._last: list[float] = []  # greatest key of each block but the last
        self._n = 0

    def __len__(self) -> int:
        return self._n

    def add(self, key: float, row: int) -> None:
        """Insert a row."""
        b = bisect_right(self._last, key)
        keys, rows = self._keys[b], self._rows[b]
        i = bisect_right(keys, key)
        keys.insert(i, key)
        rows.insert(i, row)
        self._n += 1
        if len(keys) > 2 * _BLOCK:
            self._keys[b : b + 1] = [keys[:_BLOCK], keys[_BLOCK:]]
            self._rows[b : b + 1] = [rows[:_BLOCK], rows[_BLOCK:]]
            self._last.insert(b, keys[_BLOCK - 1])

    def extend(self, keys: NDArray[np.float64], rows: NDArray[np.int32]) -> None:
        """Insert many rows."""
        keys = np.concatenate([*(np.frombuffer(block) for block in self._keys), keys])
        rows = np.concatenate([*(np.frombuffer(block, np.int32) for block in self._rows), rows])
        order = np.argsort(keys, kind="stable")
        keys, rows, self._n = keys[order], rows[order], len(order)
        starts = range(0, max(1, self._n), _BLOCK)
        self._keys = [array("d", keys[i : i + _BLOCK].tobytes()) for i in starts]
        self._rows = [array("i", rows[i : i + _BLOCK].tobytes()) for i in starts]
        self._last = [block[-1] for block in self._keys[:-1]]

    def remove(self, key: float, row: int) -> None:
        """Remove a row; ValueError if it is not there."""
        b = bisect_left(self._last, key)
        while b < len(self._keys):
            keys, rows = self._keys[b], self._rows[b]
            lo, hi = bisect_left(keys, key), bisect_right(keys, key)
            if row in rows[lo:hi]:
                i = lo + rows[lo:hi].index(row)
                del keys[i], rows[i]
                self._n -= 1
                if not keys and len(self._keys) > 1:
                    del self._keys[b], self._rows[b]
                    del self._last[min(b, len(self._last) - 1)]
                return
            if hi < len(keys):
                break
            b += 1
        raise ValueError(f"row {row} with key {key} is not in the ranking")

    def first(self, k: int) -> NDArray[np.int32]:
        """The `k` rows with the smallest keys, or all, best first."""
        found = np.frombuffer(self._rows[0], np.int32)[:k].copy() if self._rows[0] else _NONE
        b = 1
        while len(found) < k and b < len(self._rows):
            more = np.frombuffer(self._rows[b], np.int32)[: k - len(found)]
            found = np.concatenate([found, more])
            b += 1
        return found

    def last(self, k: int) -> NDArray[np.int32]:
        """The `k` rows with the greatest keys, or all, worst first."""
        found: list[int] = []
        for rows in reversed(self._rows):
            if len(found) >= k:
                break
            found.extend(reversed(rows[-(k - len(found)) :]))
        return np.array(found, np.int32)

    def at(self, position: int) -> int:
        """The row at a position, 0 for the smallest key."""
        for rows in self._rows:
            if position < len(rows):
                return rows[position]
            position -= len(rows)
        raise IndexError(f"there are {self._n} rows")

    def key_at(self, position: int) -> float:
        """The key at a position; infinity beyond the end."""
        for keys in self._keys:
            if position < len(keys):
                return keys[position]
            position -= len(keys)
        return float("inf")

    def position(self, key: float, most: float = math.inf) -> int:
        """How many keys are smaller; a number of at least `most` may be less than the truth."""
        b, before = bisect_left(self._last, key), 0
        for keys in self._keys[:b]:
            before += len(keys)
            if before >= most:
                return before
        return before + bisect_left(self._keys[b], key)


_NONE = np.empty(0, np.int32)
