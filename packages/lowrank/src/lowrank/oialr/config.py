"""The settings of OIALR."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

from lowrank.costs import Profit
from lowrank.decay import FactorDecay
from lowrank.optimizer_state import StatePolicy
from lowrank.ranks import CustomRule, RankLimits, RankRule, RuleName
from lowrank.scaling import UpdateScale
from lowrank.selection import SelectionConfig

__all__ = ["OIALRConfig"]


@dataclass(frozen=True, kw_only=True)
class OIALRConfig(SelectionConfig):
    """How OIALR trains. Shares below 1 are of `total_steps`; steps are steps of the optimiser.

    Attributes
    ----------
    total_steps : int
        Length of the whole training.
    delay : float, int or "auto"
        Dense training first. ``"auto"``: each layer until its orthogonal part has settled.
    frequency : float or int
        Distance of two updates of the ranks.
    cutoff : float
        Singular values below ``cutoff`` times the layer's largest are dropped (beta in the paper).
    rank_rule : str or callable
        See `RankRule`; its value is `cutoff`, or `rank_value` if that is given.
    rank_value : float or mapping, optional
        The value of a rule other than ``"relative"``.
    layer_fraction : float
        Each update takes in this further share of the layers, from the output on (alpha).
    cooldown : int
        Updates that a layer skips after one that changed it.
    convert : {"when_profitable", "at_delay"}
        When a layer leaves the dense form: as soon as the rank that it wants makes it cheaper, so
        that no step is slower than a dense one, or all at the end of `delay`, as in the paper.
    profit : {"time", "memory", "either", "both"}
        What is meant by cheaper; see `lowrank.costs.break_even_rank`.
    min_rank, max_drop, rank_multiple
        Bounds of a rank; see `RankLimits`.
    init_rank : float
        Share of the full rank that a conversion at `delay` keeps.
    update_scale : "auto" or float
        The exponent p of ``scale = (sqrt(m n) / r)^p``, which makes up for the smaller steps of a
        small core: 1 for optimisers whose steps don't depend on the gradient's size (Adam and
        alike), 0 for SGD; "auto" goes by the optimiser's class.
    core_lr_mult : float
        Multiplies the scale.
    fold_at : float, int or None
        From here on both factors of a layer are trained, as ``A B``, and ranks stay; what is still
        dense remains so.
    factor_decay : {"weight", "factors", "none"}
        What the optimiser's weight decay means for them: that of the weight ``A B``, as before; of
        each factor, which pulls on the nuclear norm; or none. See `lowrank.decay`.
    state_policy : {"project", "reset"} or callable
        What becomes of the optimiser's state; see `lowrank.optimizer_state`.
    rebound_steps : int
        After a change the learning rate rises from `rebound_floor` of its value in so many steps.
    rebound_floor : float
    stability_threshold, probe_every, patience
        With ``delay="auto"``: a layer is converted when its stability between probes
        `probe_every` apart has been at least the threshold `patience` times in a row.
    target_modules, exclude_modules, layers, keep_first, keep_last, min_aspect
        See `lowrank.select_layers`.
    on_nonfinite : {"raise", "skip"}
        What to do about NaN in a weight.

    Raises
    ------
    ValueError
        If a value is out of its range.
    """

    total_steps: int
    delay: float | Literal["auto"] = 0.4
    frequency: float = 0.05
    cutoff: float = 0.1
    rank_rule: RuleName | CustomRule = "relative"
    rank_value: float | Mapping[str, float] | None = None
    layer_fraction: float = 0.1
    cooldown: int = 0
    convert: Literal["when_profitable", "at_delay"] = "when_profitable"
    profit: Profit = "time"
    min_rank: float = 0.01
    max_drop: float = 0.5
    rank_multiple: int = 1
    init_rank: float = 1.0
    update_scale: UpdateScale = "auto"
    core_lr_mult: float = 1.0
    fold_at: float | None = None
    factor_decay: FactorDecay = "weight"
    state_policy: StatePolicy = "project"
    rebound_steps: int = 0
    rebound_floor: float = 0.01
    stability_threshold: float = 0.999
    probe_every: float = 0.02
    patience: int = 2
    on_nonfinite: Literal["raise", "skip"] = "raise"

    def __post_init__(self) -> None:
        if self.total_steps < 1:
            raise ValueError(f"total_steps must be positive, not {self.total_steps}")
        if self.delay != "auto" and not 0 <= self.delay_steps <= self.total_steps:
            raise ValueError(f"delay {self.delay} is not within {self.total_steps} steps")
        if self.frequency <= 0 or self.update_every < 1:
            raise ValueError(f"frequency {self.frequency} is no positive number of steps")
        if not 0 <= self.cutoff < 1:
            raise ValueError(f"cutoff must lie in [0, 1), not {self.cutoff}")
        if not 0 < self.layer_fraction <= 1:
            raise ValueError(f"layer_fraction must lie in (0, 1], not {self.layer_fraction}")
        if not 0 <= self.max_drop < 1 or self.min_rank < 0 or self.rank_multiple < 1:
            raise ValueError("max_drop lies in [0, 1), min_rank >= 0 and rank_multiple >= 1")
        if not 0 < self.init_rank <= 1 or not 0 <= self.rebound_floor <= 1:
            raise ValueError("init_rank lies in (0, 1] and rebound_floor in [0, 1]")
        if self.convert not in ("when_profitable", "at_delay"):
            raise ValueError(f"convert={self.convert!r} is neither when_profitable nor at_delay")
        if self.factor_decay not in get_args(FactorDecay):
            raise ValueError(f"factor_decay={self.factor_decay!r} is not weight, factors or none")
        if self.convert == "at_delay" and self.delay == "auto":
            raise ValueError("delay='auto' converts layer by layer: use convert='when_profitable'")
        _ = self.rule  # validates

    @classmethod
    def paper(cls, *, total_steps: int, **changes: Any) -> Self:
        """The method as published, without what this package adds."""
        settings: dict[str, Any] = {
            "delay": 0.17,
            "convert": "at_delay",
            "update_scale": 0.0,
            **changes,
        }
        return cls(total_steps=total_steps, **settings)

    @property
    def rule(self) -> RankRule:
        """How ranks are chosen."""
        return RankRule(self.rank_rule, self.cutoff if self.rank_value is None else self.rank_value)

    @property
    def limits(self) -> RankLimits:
        """What bounds the ranks."""
        return RankLimits(self.min_rank, self.max_drop, self.rank_multiple)

    @property
    def delay_steps(self) -> int:
        """Steps of dense training; 0 for "auto"."""
        return 0 if self.delay == "auto" else self._steps(self.delay)

    @property
    def update_every(self) -> int:
        """Steps from one update to the next."""
        return max(1, self._steps(self.frequency)) if self.frequency < 1 else int(self.frequency)

    @property
    def probe_steps(self) -> int:
        """Steps from one probe of the stability to the next."""
        return max(1, self._steps(self.probe_every))

    @property
    def fold_step(self) -> int | None:
        """The step at which both factors begin to be trained."""
        return None if self.fold_at is None else self._steps(self.fold_at)

    def _steps(self, value: float) -> int:
        return round(value * self.total_steps) if 0 < value < 1 else int(value)

    def is_update(self, step: int) -> bool:
        """Whether ranks are chosen after this step, the first of which is 1 (alg. 1)."""
        if self.fold_step is not None and step >= self.fold_step:
            return False
        past = step - self.delay_steps
        return past >= 0 and past % self.update_every == 0 and step > 0

    def n_active(self, update: int, n_layers: int) -> int:
        """Layers that take part in an update, counted from 0; they are the last ones (alg. 1)."""
        return min(n_layers, (update + 1) * max(1, int(self.layer_fraction * n_layers)))
