"""The settings of DLRT."""

from __future__ import annotations

from dataclasses import dataclass

from lowrank.optimizer_state import StatePolicy
from lowrank.ranks import RankLimits, RankRule
from lowrank.scaling import UpdateScale
from lowrank.selection import SelectionConfig

__all__ = ["DLRTConfig"]


@dataclass(frozen=True, kw_only=True)
class DLRTConfig(SelectionConfig):
    """How DLRT trains. Steps are steps of the optimiser.

    Attributes
    ----------
    total_steps : int
        Length of the whole training; ranks are cut for the last time at its end.
    delay : float or int
        Dense training first; a share of `total_steps` if below 1.
    frequency : int
        Steps of a cycle: one finds new directions for the bases (K and L, by one backward pass),
        the others train the core in the wider bases (S). 2 is the published method; longer cycles
        spread the cost of the decompositions, and lose fewer steps.
    init_rank : float
        Rank at the beginning; a share of the full one if below 1.
    tolerance : float
        Singular values whose squares make up for this share squared of all are cut after each
        cycle (theta in the paper).
    min_rank, max_rank : float
        Bounds of the rank between cycles; shares of the full one if below 1. The core has up to
        twice as many rows within a cycle.
    update_scale : "auto" or float
        See `OIALRConfig`.
    state_policy : {"project", "reset"} or callable
        What becomes of the optimiser's state; see `lowrank.optimizer_state`.
    target_modules, exclude_modules, layers, keep_first, keep_last, min_aspect
        See `lowrank.select_layers`. A layer's `cutoff` stands for its tolerance, and its `rank` for
        a fixed rank.

    Raises
    ------
    ValueError
        If a value is out of its range.
    """

    total_steps: int
    delay: float = 0
    frequency: int = 20
    init_rank: float = 0.25
    tolerance: float = 0.1
    min_rank: float = 0.01
    max_rank: float = 0.4
    update_scale: UpdateScale = "auto"
    state_policy: StatePolicy = "project"

    def __post_init__(self) -> None:
        if self.total_steps < 1:
            raise ValueError(f"total_steps must be positive, not {self.total_steps}")
        if not 0 <= self.delay_steps < self.total_steps:
            raise ValueError(f"delay {self.delay} is not within {self.total_steps} steps")
        if self.frequency < 2:
            raise ValueError(
                f"a cycle has a step for the bases and one or more for the core: frequency must be "
                f"at least 2, not {self.frequency}"
            )
        if not 0 <= self.tolerance < 1:
            raise ValueError(f"tolerance must lie in [0, 1), not {self.tolerance}")
        if self.min_rank < 0 or self.max_rank <= 0 or self.init_rank <= 0:
            raise ValueError("init_rank and max_rank are positive, and min_rank >= 0")

    @property
    def delay_steps(self) -> int:
        """Steps of dense training."""
        return round(self.delay * self.total_steps) if 0 < self.delay < 1 else int(self.delay)

    @property
    def rule(self) -> RankRule:
        """The smallest rank whose tail is within the tolerance."""
        return tail_rule(self.tolerance)

    @property
    def limits(self) -> RankLimits:
        """What bounds the ranks from below."""
        return RankLimits(self.min_rank, 1 - 1e-9)

    def begins_cycle(self, step: int) -> bool:
        """Whether a cycle begins after this step, the first of which is 1."""
        past = step - max(1, self.delay_steps)
        return past >= 0 and past % self.frequency == 0 and step < self.total_steps


def tail_rule(tolerance: float) -> RankRule:
    """Keep the smallest rank with ``norm(s[rank:]) <= tolerance * norm(s)``."""
    return RankRule("energy", 1 - tolerance**2)


def rank_of(value: float, full: int) -> int:
    """A rank, or a share of the full one."""
    return max(1, min(full, round(value * full) if value < 1 else int(value)))
