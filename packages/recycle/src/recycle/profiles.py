"""Running profiles: what the last cycles of the same kind say of the next ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from recycle.windows import Array

__all__ = ["KINDS", "RecentHistoricProfile"]

#: Kinds of profiles; what differs is the statistic, the categories, and how many cycles count.
KINDS = ("rhp", "ewm", "median", "tenday", "persistence", "seasonal", "none")


@dataclass(frozen=True)
class RecentHistoricProfile:
    """The mean of the last k cycles of each category, for each slot of the cycle.

    Strictly causal: the profile at an origin knows the steps before it, and no other. Missing
    values are skipped and do not use up a place (ReCycle, section "recent historic profiles").

    Parameters
    ----------
    period : int
        Steps of a primary cycle.
    n_categories : int
    k : int
        Cycles that count.
    kind : str
        "rhp"; "median" instead of the mean; "ewm": weights that halve every k cycles;
        "tenday": last ten cycles of any category; "persistence": the last one;
        "seasonal": the last k cycles at the same place of the super-cycle; "none": zero.
    super_cycle : int
        Cycles of a super-cycle, for "seasonal".
    """

    period: int
    n_categories: int = 1
    k: int = 3
    kind: str = "rhp"
    super_cycle: int = 7

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"profile must be one of {KINDS}, not {self.kind!r}")
        if self.k < 1 or self.period < 1:
            raise ValueError("A profile needs at least one cycle of at least one step")

    @property
    def rows(self) -> int:
        """Categories that the profile tells apart."""
        if self.kind in {"tenday", "persistence", "none"}:
            return 1
        return self.super_cycle if self.kind == "seasonal" else self.n_categories

    def cells(self, category: Array, phase: int = 0) -> Array:
        """The place of each step in a row of `table`: ``(T,) -> (T,)``.

        Parameters
        ----------
        category : (T,) int
            Of each step.
        phase : int
            Slot of the first step.
        """
        step = np.arange(len(category)) + phase
        slot = step % self.period
        if self.rows == 1:
            return slot
        row = (step // self.period) % self.super_cycle if self.kind == "seasonal" else category
        return np.asarray(row * self.period + slot)

    def table(self, values: Array, cells: Array, origins: Array) -> Array:
        """The profile at each origin.

        Categories without members take another's: the one before in the list, and so on around;
        then the same slot of any category, then the mean of all that is known, then 0.

        Parameters
        ----------
        values : (T,)
            With NaN where missing.
        cells : (at least T,)
            From `cells`.
        origins : (n,)

        Returns
        -------
        (n, rows * period)
        """
        origins = np.asarray(origins)
        table = np.zeros((len(origins), self.rows * self.period))
        if self.kind == "none":
            return table
        known = np.flatnonzero(np.isfinite(values))
        here = cells[known]
        order = np.argsort(here, kind="stable")
        bounds = np.searchsorted(here[order], np.arange(self.rows * self.period + 1))
        for cell in range(table.shape[1]):
            members = known[order[bounds[cell] : bounds[cell + 1]]]
            statistic = self._statistic(values[members])
            table[:, cell] = statistic[np.searchsorted(members, origins)]
        if np.isnan(table).any():
            self._fill(table, values, known, here % self.period, origins)
        return table

    def before(self, values: Array, cells: Array) -> Array:
        """The profile of each step as it was known just before it: ``(T,) -> (T,)``.

        NaN where the step's category had no member yet.
        """
        found = np.full(len(values), 0.0 if self.kind == "none" else np.nan)
        known = np.isfinite(values)
        for cell in range(self.rows * self.period if self.kind != "none" else 0):
            here = cells == cell
            members = values[here & known]
            count = np.cumsum(known[here]) - known[here]  # members before each step
            found[here] = self._statistic(members)[count]
        return found

    def at(self, table: Array, cells: Array, origins: Array, start: int, stop: int) -> Array:
        """The profile of the steps from ``origin + start`` to ``origin + stop``.

        Returns
        -------
        (n, stop - start)
        """
        wanted = sliding_window_view(cells, stop - start)[np.asarray(origins) + start]
        return np.take_along_axis(table, wanted, axis=1)

    def _statistic(self, members: Array) -> Array:
        """Of the last members, after 0, 1, 2, ... members: ``(m,) -> (m + 1,)``."""
        k = {"tenday": 10, "persistence": 1, "ewm": 6 * self.k}.get(self.kind, self.k)
        padded = np.concatenate([np.full(k, np.nan), members])
        last = sliding_window_view(padded, k)
        counted = np.isfinite(last)
        found = np.full(len(last), np.nan)
        some = counted.any(axis=1)
        if self.kind == "median":
            found[some] = np.nanmedian(last[some], axis=1)
            return found
        age = np.arange(k)[::-1]
        weight = 0.5 ** (age / self.k) if self.kind == "ewm" else np.ones(k)
        total = np.where(counted, last, 0.0) @ weight
        found[some] = total[some] / (counted @ weight)[some]
        return found

    def _fill(
        self, table: Array, values: Array, known: Array, slots: Array, origins: Array
    ) -> None:
        grid = table.reshape(len(table), self.rows, self.period)
        original = grid.copy()
        for step in range(1, self.rows):
            missing = np.isnan(grid)
            if not missing.any():
                return
            grid[missing] = np.roll(original, step, axis=1)[missing]
        for slot in np.flatnonzero(np.isnan(grid).any(axis=(0, 1))):
            members = known[slots == slot]
            after = self._statistic(values[members])[np.searchsorted(members, origins)]
            column = grid[:, :, slot]
            column[...] = np.where(np.isnan(column), after[:, None], column)
        sums = np.concatenate([[0.0], np.cumsum(values[known])])
        count = np.searchsorted(known, origins)
        mean = np.where(count > 0, sums[count] / np.maximum(count, 1), 0.0)
        grid[...] = np.where(np.isnan(grid), mean[:, None, None], grid)
