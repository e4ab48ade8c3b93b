"""The settings of AB-training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import torch

from lowrank.ab.combine import Rule
from lowrank.parallel.averaging import check_payload
from lowrank.ranks import CustomRule, RankLimits, RankRule, RuleName
from lowrank.selection import SelectionConfig

__all__ = ["ABConfig"]


@dataclass(frozen=True, kw_only=True)
class ABConfig(SelectionConfig):
    """How AB-training trains. Steps are steps of the optimiser; shares below 1 are converted.

    Attributes
    ----------
    total_steps : int
        Length of the whole training; the weights are synchronised after the last step.
    warmup : float or int
        Dense data-parallel training first; a share of `total_steps`.
    period : float or int
        Distance of two synchronisations; a share of `total_steps`.
    dense : float or int
        Dense data-parallel steps after a synchronisation, for the weights to leave the subspace; a
        share of `period`. 0: weights are factored anew at once.
    cutoff : float
        Singular values below ``cutoff`` times the layer's largest are dropped.
    rank_rule, rank_value
        See `lowrank.ranks.RankRule`; the value is `cutoff`, or `rank_value` if that is given.
    min_rank, rank_multiple
        See `lowrank.ranks.RankLimits`.
    combine : {"learned", "stale", "product", "tangent", "only_b"}
        See `lowrank.ab.combine.combined`.
    group_size : int, optional
        Ranks in a group; by default those of a node, or half of the ranks on a single node.
    intra_group : {"sync", "local"}
        Average gradients within a group at each step, or don't communicate between
        synchronisations.
    sync_kept : bool
        Average the gradients of layers that are not factored over all ranks at each step.
    gauge : {"scaled", "orthonormal", "balanced"}
        How a weight ``U diag(s) V`` is parted. ``"balanced"``: the root of `s` on each side (the
        paper); ``"orthonormal"``: `s` goes to the trained factor; ``"scaled"``: likewise, and the
        frozen factor is as large as makes a step of Adam move the weight as far as a dense step.
    outer : {"mean", "nesterov"}
        Take the combined weight as it is, or as the gradient of a second optimiser with momentum
        (DiLoCo, arXiv 2311.08105), which keeps a dense buffer for each weight.
    outer_lr, outer_momentum : float
    payload_dtype : torch.dtype, optional
        A 16-bit type for gradients and changes on their way between ranks.
    optimizer_state : {"average", "reset"}
        What becomes of the optimiser's state at a synchronisation: that of factored layers always
        starts afresh; the others' is averaged, or starts afresh, too.
    rebound_steps : float or int
        After a synchronisation the learning rate rises from `rebound_floor` of its value in so many
        steps; a share of `period`.
    rebound_floor : float
    bucket_mb : float
        Size of messages.
    target_modules, exclude_modules, layers, keep_first, keep_last, min_aspect
        See `lowrank.select_layers`.

    Raises
    ------
    ValueError
        If a value is out of its range.
    """

    total_steps: int
    warmup: float = 0.2
    period: float = 0.03
    dense: float = 0.1
    cutoff: float = 0.1
    rank_rule: RuleName | CustomRule = "relative"
    rank_value: float | Mapping[str, float] | None = None
    min_rank: float = 0.01
    rank_multiple: int = 1
    combine: Rule = "learned"
    group_size: int | None = None
    intra_group: Literal["sync", "local"] = "sync"
    sync_kept: bool = False
    gauge: Literal["scaled", "orthonormal", "balanced"] = "scaled"
    outer: Literal["mean", "nesterov"] = "mean"
    outer_lr: float = 0.7
    outer_momentum: float = 0.9
    payload_dtype: torch.dtype | None = None
    optimizer_state: Literal["average", "reset"] = "average"
    rebound_steps: float = 0.25
    rebound_floor: float = 0.01
    bucket_mb: float = 25.0

    def __post_init__(self) -> None:
        if self.total_steps < 1:
            raise ValueError(f"total_steps must be positive, not {self.total_steps}")
        if not 0 <= self.warmup_steps <= self.total_steps:
            raise ValueError(f"warmup {self.warmup} is not within {self.total_steps} steps")
        if self.period <= 0 or self.period_steps < 1:
            raise ValueError(f"period {self.period} is no positive number of steps")
        if not 0 <= self.dense_steps < self.period_steps:
            raise ValueError(
                f"dense {self.dense} must be shorter than the period of {self.period_steps} steps: "
                "the factors would never be trained"
            )
        if self.group_size is not None and self.group_size < 1:
            raise ValueError(f"group_size must be positive, not {self.group_size}")
        for name, kinds in (
            ("combine", get_args(Rule)),
            ("intra_group", ("sync", "local")),
            ("gauge", ("scaled", "orthonormal", "balanced")),
            ("outer", ("mean", "nesterov")),
            ("optimizer_state", ("average", "reset")),
        ):
            if getattr(self, name) not in kinds:
                raise ValueError(f"{name}={getattr(self, name)!r} is none of {', '.join(kinds)}")
        if self.outer_lr <= 0 or not 0 <= self.outer_momentum < 1:
            raise ValueError("outer_lr is positive, and outer_momentum lies in [0, 1)")
        check_payload(self.payload_dtype)
        _ = self.rule  # validates

    @property
    def rule(self) -> RankRule:
        """How ranks are chosen."""
        return RankRule(self.rank_rule, self.cutoff if self.rank_value is None else self.rank_value)

    @property
    def limits(self) -> RankLimits:
        """What bounds the ranks."""
        return RankLimits(self.min_rank, 1 - 1e-9, self.rank_multiple)

    @property
    def warmup_steps(self) -> int:
        """Steps of dense training before the first factors."""
        return _steps(self.warmup, self.total_steps)

    @property
    def period_steps(self) -> int:
        """Steps from one synchronisation to the next."""
        return max(1, _steps(self.period, self.total_steps))

    @property
    def dense_steps(self) -> int:
        """Dense steps after each synchronisation."""
        return _steps(self.dense, self.period_steps)

    @property
    def rebound(self) -> int:
        """Steps in which the learning rate rises again."""
        return _steps(self.rebound_steps, self.period_steps)

    def trains_factors(self, step: int) -> bool:
        """Whether the step after this many is one of factors."""
        past = step - self.warmup_steps
        return past >= 0 and past % self.period_steps < self.period_steps - self.dense_steps

    def synchronises(self, step: int) -> bool:
        """Whether the factors are combined after this many steps."""
        past = step - self.warmup_steps + self.dense_steps
        return step == self.total_steps or (past > 0 and past % self.period_steps == 0)

    def phase(self, step: int) -> int:
        """The number of the period that a step lies in, from 0."""
        return max(0, step - self.warmup_steps) // self.period_steps


def _steps(value: float, whole: int) -> int:
    return round(value * whole) if 0 < value < 1 else int(value)
