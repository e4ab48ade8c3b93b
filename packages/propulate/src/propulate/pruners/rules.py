"""Pruning rules. All learn from the interim losses of all workers, and judge by them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from propulate.individual import Individual, Status
from propulate.pruners.base import Pruner

__all__ = ["ASHA", "MedianPruner", "PatientPruner", "PercentilePruner", "StaticSurrogate"]
__all__ += ["Hyperband", "ThresholdPruner"]


class _StepPruner(Pruner):
    """Base of rules that look at the interim losses so far."""

    def __init__(self) -> None:
        self._series: list[float] = []

    def start_run(self, ind: Individual) -> None:  # noqa: ARG002 - protocol
        """Begin with an empty series."""
        self._series = []

    def cancel(self, loss: float) -> bool:
        """Whether the series so far is to be ended."""
        self._series.append(loss)
        return self.judge(self._series)

    def judge(self, series: Sequence[float]) -> bool:
        """Whether an evaluation with these interim losses is to be ended."""
        raise TypeError(f"{type(self).__name__} does not say what it prunes: {len(series)} losses")


class StaticSurrogate(_StepPruner):
    """Ends evaluations that are worse than the best known one at the same step.

    Parameters
    ----------
    margin : float
        In (0, 1]; how much worse is allowed: (1/margin - 1) times the best one's magnitude.
    """

    def __init__(self, margin: float = 0.8) -> None:
        super().__init__()
        if not 0 < margin <= 1:
            raise ValueError(f"margin must be in (0, 1], got {margin}")
        self.margin = margin
        self._best: tuple[float, list[float]] = (math.inf, [])

    def judge(self, series: Sequence[float]) -> bool:
        """Compare with the best evaluation's loss at this step, if it had one."""
        baseline = self._best[1]
        if len(series) > len(baseline):
            return False
        reference = baseline[len(series) - 1]
        return series[-1] > reference + (1 / self.margin - 1) * abs(reference)

    def learn(self, ind: Individual) -> None:
        """Keep the interim losses of the best complete evaluation."""
        if ind.status == Status.COMPLETE and ind.interim:
            self.merge((ind.loss, list(ind.interim)))

    def update(self, loss: float) -> None:
        """The running evaluation is complete."""
        self.merge((loss, list(self._series)))

    def merge(self, data: tuple[float, list[float]]) -> None:
        """Take in another's best evaluation if it is better."""
        self._best = min(self._best, data)

    def data(self) -> tuple[float, list[float]]:
        """Final loss and interim losses of the best evaluation."""
        return self._best


class PercentilePruner(_StepPruner):
    """Ends evaluations whose best interim loss is above a percentile of others' at that step.

    Parameters
    ----------
    percentile : float
        In percent; 25 keeps the best quarter.
    n_startup : int
        Complete evaluations before anything is pruned.
    n_warmup : int
        Steps of each evaluation that are never pruned.
    interval : int
        Judge every so many steps.
    """

    def __init__(
        self, percentile: float, n_startup: int = 5, n_warmup: int = 0, interval: int = 1
    ) -> None:
        super().__init__()
        if not 0 <= percentile <= 100:
            raise ValueError(f"percentile must be in [0, 100], got {percentile}")
        self.percentile, self.n_startup = percentile, n_startup
        self.n_warmup, self.interval = n_warmup, interval
        self._known: list[list[float]] = []  # of each step, the best so far of each evaluation
        self._complete = 0

    def judge(self, series: Sequence[float]) -> bool:
        """Compare the best interim loss so far with others' at this step."""
        step = len(series)
        if self._complete < self.n_startup or step <= self.n_warmup or step > len(self._known):
            return False
        if (step - self.n_warmup - 1) % self.interval:
            return False
        best = min((value for value in series if not math.isnan(value)), default=math.nan)
        return not best <= float(np.percentile(self._known[step - 1], self.percentile))

    def learn(self, ind: Individual) -> None:
        """Remember the interim losses of complete evaluations."""
        if ind.status != Status.COMPLETE or not ind.interim:
            return
        self._complete += 1
        for step, value in enumerate(np.minimum.accumulate(ind.interim).tolist()):
            if step == len(self._known):
                self._known.append([])
            self._known[step].append(value)


class MedianPruner(PercentilePruner):
    """`PercentilePruner` with the median."""

    def __init__(self, n_startup: int = 5, n_warmup: int = 0, interval: int = 1) -> None:
        super().__init__(50.0, n_startup, n_warmup, interval)


class ThresholdPruner(_StepPruner):
    """Ends evaluations with an interim loss outside [lower, upper], or NaN."""

    def __init__(self, lower: float = -math.inf, upper: float = math.inf) -> None:
        super().__init__()
        self.lower, self.upper = lower, upper

    def judge(self, series: Sequence[float]) -> bool:
        """Look at the newest loss."""
        return not self.lower <= series[-1] <= self.upper


class PatientPruner(_StepPruner):
    """Ends evaluations that have not improved by `min_delta` for `patience` steps."""

    def __init__(self, patience: int, min_delta: float = 0.0) -> None:
        super().__init__()
        if patience < 1:
            raise ValueError(f"patience must be positive, got {patience}")
        self.patience, self.min_delta = patience, min_delta

    def judge(self, series: Sequence[float]) -> bool:
        """Compare the best of the last steps with the best before."""
        if len(series) <= self.patience:
            return False
        before, after = series[: -self.patience], series[-self.patience :]
        return min(after) > min(before) - self.min_delta


class ASHA(_StepPruner):
    """Asynchronous successive halving, in the variant that stops.

    L. Li et al., "A System for Massively Parallel Hyperparameter Tuning" (2020). At the rungs,
    steps min_resource * reduction_factor^r, an evaluation goes on if it is among the best
    1/reduction_factor of those known there.

    Parameters
    ----------
    min_resource : int
        Step of the first rung.
    max_resource : int
        No rungs from here on.
    reduction_factor : int
    """

    def __init__(self, min_resource: int, max_resource: int, reduction_factor: int = 3) -> None:
        super().__init__()
        if not 1 <= min_resource <= max_resource or reduction_factor < 2:
            raise ValueError("expected 1 <= min_resource <= max_resource, reduction_factor >= 2")
        self.factor = reduction_factor
        self._rungs: dict[int, list[float]] = {}
        step = min_resource
        while step < max_resource:
            self._rungs[step] = []
            step *= reduction_factor

    def judge(self, series: Sequence[float]) -> bool:
        """At a rung, compare with what is known there."""
        known = self._rungs.get(len(series))
        if known is None or len(known) + 1 < self.factor:
            return math.isnan(series[-1])
        allowed = sorted([*known, series[-1]])[(len(known) + 1) // self.factor - 1]
        return not series[-1] <= allowed

    def learn(self, ind: Individual) -> None:
        """Enter an evaluation's losses at the rungs that it reached."""
        for step, known in self._rungs.items():
            if len(ind.interim) >= step and not math.isnan(ind.interim[step - 1]):
                known.append(ind.interim[step - 1])


class Hyperband(Pruner):
    """Successive halving in several brackets, which differ in when they begin to prune.

    L. Li et al., "Hyperband" (2018). Each evaluation belongs to a bracket by its uid; early losses
    that mislead spoil only some of the brackets.

    Parameters
    ----------
    min_resource, max_resource, reduction_factor : int
        Of `ASHA`.
    """

    def __init__(self, min_resource: int, max_resource: int, reduction_factor: int = 3) -> None:
        self.brackets: list[ASHA] = []
        first = min_resource
        while first < max_resource or not self.brackets:
            self.brackets.append(ASHA(first, max_resource, reduction_factor))
            first *= reduction_factor
        # a bracket that prunes early costs less, and gets more of the evaluations
        shares = [reduction_factor**k for k in range(len(self.brackets))][::-1]
        self._bracket_of = [k for k, share in enumerate(shares) for _ in range(share)]
        self._running = self.brackets[0]

    def bracket(self, ind: Individual) -> ASHA:
        """The bracket of an individual, the same on all workers."""
        island, worker, seq = ind.uid
        mixed = (island * 40_503 + worker * 2_654_435_761 + seq * 97) % 4_294_967_291
        return self.brackets[self._bracket_of[mixed % len(self._bracket_of)]]

    def start_run(self, ind: Individual) -> None:
        """Begin in the individual's bracket."""
        self._running = self.bracket(ind)
        self._running.start_run(ind)

    def cancel(self, loss: float) -> bool:
        """By the rule of the bracket."""
        return self._running.cancel(loss)

    def learn(self, ind: Individual) -> None:
        """Enter an evaluation into its bracket."""
        self.bracket(ind).learn(ind)
