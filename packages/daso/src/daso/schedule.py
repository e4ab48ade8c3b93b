"""When to synchronise: pure state machines, without torch and without communication."""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from daso.config import DASOConfig
from daso.plateau import PlateauDetector

__all__ = [
    "Action",
    "AutoSchedule",
    "CyclicSchedule",
    "FixedSchedule",
    "Phase",
    "Schedule",
    "Skips",
    "make_schedule",
]

Phase = Literal["warmup", "cycling", "cooldown"]


@dataclass(frozen=True)
class Action:
    """What one step of the optimiser involves.

    Attributes
    ----------
    local : bool
        Average the gradients over the node.
    blocking : bool
        Average over all nodes in this step, and wait for it.
    merge : bool
        After the step, merge the synchronisation that is under way.
    send : bool
        After that, start the next one.
    wait : int
        Steps until its merge; 0: at once.
    consensus : bool
        After that, make all nodes equal, for a blocking phase begins.
    """

    local: bool = True
    blocking: bool = False
    merge: bool = False
    send: bool = False
    wait: int = 0
    consensus: bool = False


@dataclass(frozen=True)
class Skips:
    """The three numbers that a schedule controls.

    Attributes
    ----------
    every : int
        Steps from one global synchronisation to the next (B).
    wait : int
        Steps from sending to merging (W).
    local : int
        Steps from one average inside the node to the next (L).
    """

    every: int
    wait: int
    local: int = 1


class Schedule:
    """Phases, and who is under way; derived classes say how the skips evolve.

    The engine asks for the `action` of the current step, and calls `advance` after it. All ranks
    make the same calls, so all get the same answers. A schedule of your own derives from this
    class, and changes ``self.skips`` in `on_metric` or `on_timing`.

    Parameters
    ----------
    config : DASOConfig
    """

    def __init__(self, config: DASOConfig) -> None:
        self.config = config
        self.step = self.epoch = 0
        self.last_send = self.last_local = -1
        self.due: int | None = None  # the step of the next merge
        self.skips = self.first_skips()

    def first_skips(self) -> Skips:
        """The skips when cycling begins."""
        every = min(self.config.initial_global_skips, self.config.max_global_skips)
        every = max(every, self.config.fragments)
        return Skips(every, self._wait(every, self.config.batches_to_wait))

    def _wait(self, every: int, wait: int | None = None) -> int:
        if wait is None:
            wait = max(1, every // self.config.wait_factor)
        return min(wait, self._interval(every))

    def _interval(self, every: int) -> int:
        """Steps from one send to the next, which concerns another fragment."""
        return max(1, every // self.config.fragments)

    # ------------------------------------------------------------------ questions

    def phase_at(self, position: int) -> Phase:
        """The phase of an epoch or a step, whichever the configuration counts."""
        config = self.config
        if position < config.warmup:
            return "warmup"
        if config.total is not None and position >= config.total - config.cooldown:
            return "cooldown"
        return "cycling"

    @property
    def _position(self) -> int:
        return self.step if self.config.unit == "steps" else self.epoch

    @property
    def phase(self) -> Phase:
        """The phase of the current step."""
        return self.phase_at(self._position)

    def action(self) -> Action:
        """What the current step involves; the same until `advance` is called."""
        if self.phase != "cycling":
            return Action(blocking=True)
        merge = self.due is not None and self.step >= self.due
        free = self.due is None or merge
        skips = self.skips
        ends = self.config.unit == "steps" and self.phase_at(self.step + 1) != "cycling"
        send = free and not ends and self.step - self.last_send >= self._interval(skips.every)
        local = self.step - self.last_local >= skips.local
        return Action(local, False, merge, send, min(skips.wait, skips.every), ends)

    # ------------------------------------------------------------------ events

    def advance(self) -> None:
        """The current step is done."""
        action = self.action()
        if action.merge or action.consensus:
            self.due = None
        if action.send:
            self.due = self.step + action.wait if action.wait else None
        if action.send or action.consensus or action.blocking:
            self.last_send = self.step
        if action.local:
            self.last_local = self.step
        self.step += 1

    def on_epoch(self) -> bool:
        """An epoch is over; whether a blocking phase begins, for which all nodes become equal."""
        was = self.phase
        self.epoch += 1
        begins = was == "cycling" and self.phase != "cycling"
        if begins:
            self.drained()
        return begins

    def drained(self) -> None:
        """Nothing is under way any more."""
        self.due = None

    def on_metric(self, value: float) -> None:
        """Learn of the metric, averaged over all ranks."""

    def on_timing(self, step_s: float, sync_s: float) -> None:
        """Learn how long a step and a synchronisation take on the slowest rank."""

    # ------------------------------------------------------------------ as data

    def state_dict(self) -> dict[str, Any]:
        """Everything that changes, as plain data."""
        names = ("step", "epoch", "last_send", "last_local", "due")
        return {**{name: getattr(self, name) for name in names}, "skips": asdict(self.skips)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        for name in ("step", "epoch", "last_send", "last_local", "due"):
            setattr(self, name, state[name])
        self.skips = Skips(**state["skips"])

    def fingerprint(self) -> int:
        """31 bits that differ if the states do."""
        text = f"{type(self).__qualname__} {sorted(self.state_dict().items())}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


class FixedSchedule(Schedule):
    """The same skips all the time."""

    def first_skips(self) -> Skips:  # noqa: D102 - see the base
        return replace(super().first_skips(), local=self.config.local_skips)


class CyclicSchedule(Schedule):
    """Shorter skips on each plateau of the metric, then the longest again.

    Section "cycling" of the DASO paper, with bounds that no combination of settings leaves.
    """

    def __init__(self, config: DASOConfig) -> None:
        super().__init__(config)
        self.detector = PlateauDetector(
            config.stability_level,
            config.patience,
            mode=config.plateau_mode,
            threshold_mode=config.plateau_threshold_mode,
        )

    def on_metric(self, value: float) -> None:
        """Shorten the skips if the metric is on a plateau."""
        if self.phase == "cycling" and self.detector.update(value):
            self.skips = self.next_skips()

    def next_skips(self) -> Skips:
        """The skips after a plateau."""
        config, now = self.config, self.skips
        factor, least = config.skip_reduction_factor, config.fragments
        if now.every > least:
            every = max(least, now.every // factor)
            halve = config.wait_decrement == "halve"
            wait = now.wait // factor if halve else now.wait - 1
            wait = max(1, min(wait, self._interval(every)))
            return Skips(every, wait, max(1, now.local // factor))
        most = config.max_global_skips
        share = config.local_skip_factor
        local = config.local_skips if share is None else max(1, most // share)
        return Skips(most, self._wait(most), local)

    def state_dict(self) -> dict[str, Any]:  # noqa: D102 - see the base
        return {**super().state_dict(), "detector": self.detector.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: D102
        super().load_state_dict(state)
        self.detector.load_state_dict(state["detector"])


class AutoSchedule(FixedSchedule):
    """Synchronise as often as the network allows for free."""

    def __init__(self, config: DASOConfig) -> None:
        super().__init__(config)
        self.proposal: int | None = None

    def on_timing(self, step_s: float, sync_s: float) -> None:
        """Set W to what covers a synchronisation; the same new value is needed twice in a row."""
        config = self.config
        covering = math.ceil(config.headroom * sync_s / max(step_s, 1e-9))
        wait = max(1, min(covering, config.max_wait))
        if wait != self.skips.wait and wait == self.proposal:
            every = max(wait * config.fragments, config.min_global_skips)
            self.skips = Skips(every, wait, self.skips.local)
        self.proposal = wait

    def state_dict(self) -> dict[str, Any]:  # noqa: D102
        return {**super().state_dict(), "proposal": self.proposal}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: D102
        super().load_state_dict(state)
        self.proposal = state["proposal"]


def make_schedule(config: DASOConfig) -> Schedule:
    """The schedule that a configuration asks for."""
    if not isinstance(config.schedule, str):
        made = config.schedule(config)
        if not isinstance(made, Schedule):
            raise TypeError(f"schedule must make a daso.Schedule, not {type(made).__name__}")
        return made
    kinds = {"cyclic": CyclicSchedule, "fixed": FixedSchedule, "auto": AutoSchedule}
    return kinds[config.schedule](config)
