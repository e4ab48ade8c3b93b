"""The settings of a training, checked on construction."""

from __future__ import annotations

import hashlib
import json
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Self

from daso.codec import CODECS, Codec

__all__ = ["DASOConfig"]

_POSITIVE = ("total_epochs", "total_steps", "max_global_skips", "initial_global_skips")
#: field -> smallest value; None as a value is left alone
_LEAST: dict[str, float] = {
    **dict.fromkeys(_POSITIVE, 1),
    "warmup_epochs": 0,
    "warmup_steps": 0,
    "cooldown_epochs": 0,
    "cooldown_steps": 0,
    "min_global_skips": 1,
    "batches_to_wait": 0,
    "wait_factor": 1,
    "skip_reduction_factor": 2,
    "local_skips": 1,
    "local_skip_factor": 1,
    "stability_level": 0,
    "patience": 0,
    "headroom": 1,
    "max_wait": 1,
    "tune_interval": 1,
    "fragments": 1,
    "log_every": 0,
}

_OPERATIONAL = {"timeout_s", "on_fatal", "verify", "init_sync", "uneven", "log_every"}


@dataclass(frozen=True, kw_only=True)
class DASOConfig:
    """How nodes train together. Steps are steps of the optimiser.

    Attributes
    ----------
    total_epochs, warmup_epochs, cooldown_epochs : int, optional
        Length of the training and of the blocking phases at its ends. Default of the latter: 4, or
        a quarter of the total if that is less. Without a total there is no cool-down.
    total_steps, warmup_steps, cooldown_steps : int, optional
        The same in steps, instead of epochs; the blocking phases are 0 by default.
    schedule : {"cyclic", "fixed", "auto"} or callable
        How the skips B, the wait W and the local skips L evolve while cycling. A callable takes
        this configuration and returns a `daso.Schedule`.
    max_global_skips, initial_global_skips, min_global_skips : int
        Bounds of B, and its first value; ``"fixed"`` keeps the first value.
    batches_to_wait : int, optional
        W at the start; 0 blocks. Default: B // `wait_factor`, at least 1.
    wait_factor, skip_reduction_factor, wait_decrement
        ``"cyclic"`` divides B and W by `skip_reduction_factor` on a plateau
        (``wait_decrement="subtract_one"``: W is lowered by one), until B = 1, and then starts again
        with the maximum and W = B // `wait_factor`.
    local_skips : int
        L after a restart of the cycle: steps from one average inside the node to the next.
    local_skip_factor : int, optional
        If given, L after a restart is ``max_global_skips // local_skip_factor``.
    stability_level, patience, plateau_mode, plateau_threshold_mode
        A plateau: more than `patience` metrics without a change for the better by this share
        (``"rel"``) or amount (``"abs"``).
    headroom, max_wait, tune_interval
        ``"auto"``: W covers a synchronisation's time `headroom` times, up to `max_wait` steps; it
        is reconsidered after every `tune_interval` synchronisations.
    merge : {"delay_corrected", "stale_average", "replace", "lerp"}
        What becomes of a received mean; see `daso.merge`. `merge_alpha` is the local share of
        ``"lerp"``.
    layout : {"striped", "rotating"}
        All ranks of a node send a stripe each, or one rank sends all, in turn.
    blocking : {"gradients", "parameters"}
        What blocking phases average. Gradients are exact for every optimiser.
    wire : str or Codec
        ``fp32``, ``fp64``, ``bf16``, ``fp16``, ``int8``: how differences are sent.
    blocking_wire : str or Codec, optional
        The same in blocking phases that average parameters; default: `wire`.
    error_feedback : bool
        Carry what a codec rounds away to the next synchronisation.
    bucket_mb : float
        Size of a message in MiB.
    outer_optimizer : callable, optional
        Makes an optimiser for a list of one flat parameter, which moves the consensus (DiLoCo).
    fragments : int
        Parts of the model that are synchronised in turn, each every B steps.
    sync_buffers : {"average", "broadcast", "none"}
        Floating buffers, such as the statistics of BatchNorm, take the mean of all ranks, or the
        first rank's values, at each synchronisation.
    sync_optimizer_state : {"at_phase_change", "always", "never"}
        When the optimiser's state is averaged over the nodes; "always" at each blocking one, too.
    weights : {"equal", "samples"}
        Nodes count alike, or by the samples reported with ``opt.count_samples``.
    nonfinite : {"raise", "skip_node", "ignore"}
        What happens if a node's parameters are no longer finite; ``"skip_node"`` leaves it out and
        gives it the mean of the others.
    uneven : {"raise", "stop"}
        What happens if a node finishes early; ``"stop"`` sets ``opt.should_stop`` on the others.
    timeout_s : float
        Longest wait for other ranks.
    on_fatal : {"abort", "raise"}
        Under MPI: end the whole job when an uncaught exception ends one rank, or leave it.
    verify : {"none", "header", "checksum"}
        Compare steps and settings before each synchronisation; ``"checksum"`` also compares
        the replicas of a node and the consensus of all nodes after it.
    init_sync : {"broadcast", "check", "none"}
        What happens to the model at the start.
    log_every : int
        Synchronisations between two log lines; 0: none.
    """

    total_epochs: int | None = None
    warmup_epochs: int | None = None
    cooldown_epochs: int | None = None
    total_steps: int | None = None
    warmup_steps: int | None = None
    cooldown_steps: int | None = None
    schedule: Literal["cyclic", "fixed", "auto"] | Callable[[Any], Any] = "cyclic"
    max_global_skips: int = 8
    initial_global_skips: int = 4
    min_global_skips: int = 1
    batches_to_wait: int | None = None
    wait_factor: int = 4
    skip_reduction_factor: int = 2
    wait_decrement: Literal["halve", "subtract_one"] = "halve"
    local_skips: int = 1
    local_skip_factor: int | None = None
    stability_level: float = 0.05
    patience: int = 2
    plateau_mode: Literal["min", "max"] = "min"
    plateau_threshold_mode: Literal["rel", "abs"] = "rel"
    headroom: float = 1.2
    max_wait: int = 64
    tune_interval: int = 4
    merge: Literal["delay_corrected", "stale_average", "replace", "lerp"] = "delay_corrected"
    merge_alpha: float = 0.5
    layout: Literal["striped", "rotating"] = "striped"
    blocking: Literal["gradients", "parameters"] = "gradients"
    wire: str | Codec = "fp32"
    blocking_wire: str | Codec | None = None
    error_feedback: bool = True
    bucket_mb: float = 25.0
    outer_optimizer: Callable[[Any], Any] | None = None
    fragments: int = 1
    sync_buffers: Literal["average", "broadcast", "none"] = "average"
    sync_optimizer_state: Literal["at_phase_change", "always", "never"] = "at_phase_change"
    weights: Literal["equal", "samples"] = "equal"
    nonfinite: Literal["raise", "skip_node", "ignore"] = "raise"
    uneven: Literal["raise", "stop"] = "raise"
    timeout_s: float = 300.0
    on_fatal: Literal["abort", "raise"] = "abort"
    verify: Literal["none", "header", "checksum"] = "header"
    init_sync: Literal["broadcast", "check", "none"] = "broadcast"
    log_every: int = 0

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self))
        for name, value in self._items():
            _check_type(name, value, hints[name])
            least = _LEAST.get(name)
            if least is not None and value is not None and value < least:
                raise ValueError(f"{name} must be at least {least}, not {value}")
        for name in ("timeout_s", "bucket_mb"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}")
        if not 0 <= self.merge_alpha <= 1:
            raise ValueError(f"merge_alpha must lie in 0...1, not {self.merge_alpha}")
        for name in ("wire", "blocking_wire"):
            value = getattr(self, name)
            if isinstance(value, str) and value not in CODECS:
                raise ValueError(f"{name} must be one of {', '.join(CODECS)}, not {value!r}")
        self._check_lengths()
        self._check_skips()

    def _check_lengths(self) -> None:
        given = {
            unit: [n for n, v in self._items() if n.endswith(f"_{unit}") and v is not None]
            for unit in ("epochs", "steps")
        }
        if given["epochs"] and given["steps"]:
            raise ValueError(
                f"give the lengths in epochs or in steps, not both: {given['epochs'][0]} and "
                f"{given['steps'][0]}"
            )
        if self.total is not None and self.warmup + self.cooldown > self.total:
            raise ValueError(
                f"warmup_{self.unit} {self.warmup} and cooldown_{self.unit} {self.cooldown} "
                f"exceed total_{self.unit} {self.total}: their sum must be at most the total"
            )

    def _check_skips(self) -> None:
        first = min(self.initial_global_skips, self.max_global_skips)
        if self.fragments > self.max_global_skips:
            raise ValueError(
                f"fragments must be at most max_global_skips {self.max_global_skips}, "
                f"not {self.fragments}: each step can start one of them"
            )
        if self.batches_to_wait is not None and self.batches_to_wait > first:
            raise ValueError(
                f"batches_to_wait must lie in 0...{first} (the skips at the start), "
                f"not {self.batches_to_wait}: one synchronisation is under way at a time"
            )
        if self.batches_to_wait == 0 and self.schedule in ("cyclic", "auto"):
            raise ValueError("batches_to_wait must be at least 1; 0 needs schedule='fixed'")
        if self.merge == "delay_corrected" or self.outer_optimizer is None:
            return
        if self.merge == "stale_average":
            raise ValueError("outer_optimizer moves the consensus: use another merge")

    # ------------------------------------------------------------------ presets

    @classmethod
    def paper(cls, **changes: Any) -> Self:
        """The method as published: stale average, rotating groups, parameters in 16 bit."""
        settings: dict[str, Any] = {
            "merge": "stale_average",
            "layout": "rotating",
            "blocking": "parameters",
            "blocking_wire": "bf16",
            "wait_decrement": "subtract_one",
            "local_skip_factor": 4,
            **changes,
        }
        return cls(**settings)

    @classmethod
    def fixed(
        cls, global_skips: int = 4, batches_to_wait: int | None = None, **changes: Any
    ) -> Self:
        """Synchronise every `global_skips` steps and merge `batches_to_wait` steps later."""
        settings: dict[str, Any] = {
            "schedule": "fixed",
            "max_global_skips": global_skips,
            "initial_global_skips": global_skips,
            "batches_to_wait": batches_to_wait,
            **changes,
        }
        return cls(**settings)

    @classmethod
    def local_sgd(cls, global_skips: int = 4, **changes: Any) -> Self:
        """Local SGD: average the parameters every `global_skips` steps, blocking."""
        return cls.fixed(global_skips, 0, **{"merge": "replace", **changes})

    @classmethod
    def diloco(cls, global_skips: int = 16, **changes: Any) -> Self:
        """As DiLoCo: blocking, with Nesterov momentum on the consensus; use AdamW inside."""
        settings = {"outer_optimizer": nesterov, "merge": "replace", **changes}
        return cls.fixed(global_skips, 0, **settings)

    # ------------------------------------------------------------------ derived

    @property
    def unit(self) -> Literal["epochs", "steps"]:
        """What the lengths count."""
        steps = (self.total_steps, self.warmup_steps, self.cooldown_steps)
        return "steps" if any(value is not None for value in steps) else "epochs"

    @property
    def total(self) -> int | None:
        """Length of the training."""
        return self.total_steps if self.unit == "steps" else self.total_epochs

    @property
    def warmup(self) -> int:
        """Length of the blocking phase at the start."""
        return self._edge(self.warmup_steps, self.warmup_epochs)

    @property
    def cooldown(self) -> int:
        """Length of the blocking phase at the end; 0 if the length of the training is unknown."""
        return self._edge(self.cooldown_steps, self.cooldown_epochs) if self.total else 0

    def _edge(self, steps: int | None, epochs: int | None) -> int:
        if self.unit == "steps":
            return steps or 0
        if epochs is not None:
            return epochs
        return 4 if self.total_epochs is None else min(4, self.total_epochs // 4)

    def codec(self, *, blocking: bool = False) -> Codec:
        """What encodes a synchronisation."""
        chosen = self.blocking_wire if blocking and self.blocking_wire is not None else self.wire
        return CODECS[chosen]() if isinstance(chosen, str) else chosen

    # ------------------------------------------------------------------ as data

    def _items(self) -> list[tuple[str, Any]]:
        return [(field.name, getattr(self, field.name)) for field in fields(self)]

    def to_dict(self) -> dict[str, Any]:
        """All settings, by name."""
        return dict(self._items())

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """The configuration with these settings, the others by default."""
        return cls(**settings)

    def replace(self, **changes: Any) -> Self:
        """The same with changes."""
        return replace(self, **changes)

    def described(self) -> dict[str, str]:
        """All settings as text, the same on all ranks."""
        return {name: _describe(value) for name, value in self._items()}

    def fingerprint(self, *, operational: bool = True) -> int:
        """63 bits that differ if a setting does.

        Parameters
        ----------
        operational : bool
            Include settings that don't change what is computed, such as `timeout_s`.
        """
        kept = {k: v for k, v in self.described().items() if operational or k not in _OPERATIONAL}
        text = json.dumps(kept, sort_keys=True)
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def nesterov(parameters: Any) -> Any:
    """DiLoCo's outer optimiser: SGD, learning rate 0.7, Nesterov momentum 0.9."""
    import torch

    return torch.optim.SGD(parameters, lr=0.7, momentum=0.9, nesterov=True)


def _describe(value: Any) -> str:
    if callable(value):
        return str(getattr(value, "__qualname__", type(value).__qualname__))
    return repr(value.name if isinstance(value, Codec) else value)


def _check_type(name: str, value: Any, hint: Any) -> None:
    """TypeError unless the value is of the field's type; ValueError unless it is a choice."""
    options = typing.get_args(hint) if not _is_literal(hint) else (hint,)
    choices = [
        c for option in options or (hint,) if _is_literal(option) for c in typing.get_args(option)
    ]
    kinds = tuple(o for o in options or (hint,) if isinstance(o, type))
    if isinstance(value, bool) and bool not in kinds:
        raise TypeError(f"{name} must not be a bool, got {value}")
    if float in kinds and isinstance(value, int):
        return
    takes_callables = any(typing.get_origin(o) is not None and not _is_literal(o) for o in options)
    if isinstance(value, kinds) or (takes_callables and callable(value)):
        return
    if choices and isinstance(value, str):
        if value not in choices:
            raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")
        return
    wanted = " or ".join([*(k.__name__ for k in kinds), *map(repr, choices)])
    raise TypeError(f"{name} must be {wanted or 'callable'}, not {type(value).__name__}")


def _is_literal(hint: Any) -> bool:
    return typing.get_origin(hint) is Literal
