"""A comparison: learning rates are chosen on a validation split, seeds are tested once."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from f3.compare.algorithms import ALGORITHMS
from f3.compare.datasets import Samples
from f3.compare.results import Outcome, append, read_outcomes
from f3.compare.sweep import Run, sweep

__all__ = ["Plan", "compare"]

#: seeds of the runs among which a learning rate is chosen, by their mean
CHOOSING_SEEDS = (1000, 1001, 1002)
SETTLED = 5


@dataclass(frozen=True)
class Plan:
    """What is compared.

    Parameters
    ----------
    algorithms : tuple of str
    depths : tuple of int
        Hidden layers.
    width, epochs, batch_size : int
    rates : tuple of float
        Learning rates of Adam to choose from.
    seeds : tuple of int
    feedback : str
    validation : float
        Share of the training samples for choosing.
    """

    algorithms: tuple[str, ...] = ("bp", "shallow", "dfa", "drtp", "f3", "f3-onehot", "f3-damped")
    depths: tuple[int, ...] = (1,)
    width: int = 100
    epochs: int = 20
    batch_size: int = 50
    rates: tuple[float, ...] = (1e-3, 3e-3, 1e-2)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    feedback: str = "trinomial"
    validation: float = 0.1

    def __post_init__(self) -> None:
        unknown = sorted(set(self.algorithms) - set(ALGORITHMS))
        if unknown:
            raise ValueError(f"there are no algorithms {unknown}; choose from {list(ALGORITHMS)}")
        if not 0 < self.validation < 1:
            raise ValueError(f"validation must be a share between 0 and 1, not {self.validation}")


def compare(samples: Samples, plan: Plan, file: Path | None = None) -> list[Outcome]:
    """Run a plan; what a file holds already is not run again.

    Parameters
    ----------
    samples : Samples
    plan : Plan
    file : Path, optional
        A CSV file that gets a row for each run as soon as it is done.

    Returns
    -------
    list of Outcome
        Of the validation runs and of the tests.
    """
    done = {outcome.key: outcome for outcome in (read_outcomes(file) if file else [])}
    wanted: list[Outcome] = []
    for depth in plan.depths:
        choosing = [
            Run(name, lr, seed)
            for name in plan.algorithms
            for lr in plan.rates
            for seed in CHOOSING_SEEDS
        ]
        chosen = _scored(samples, plan, depth, choosing, "validation", done, file)
        best = {
            name: max(plan.rates, key=lambda lr: _merit(chosen, name, lr, samples.regression))
            for name in plan.algorithms
        }
        runs = [Run(name, best[name], seed) for name in plan.algorithms for seed in plan.seeds]
        wanted += chosen + _scored(samples, plan, depth, runs, "test", done, file)
    return wanted


def _merit(outcomes: Sequence[Outcome], algorithm: str, lr: float, regression: bool) -> float:
    """Mean score over the seeds, more is better; a run that diverged makes it the worst."""
    mean = statistics.mean(o.score for o in outcomes if (o.algorithm, o.lr) == (algorithm, lr))
    if math.isnan(mean):
        return -math.inf
    return -mean if regression else mean


def _scored(
    samples: Samples,
    plan: Plan,
    depth: int,
    runs: Sequence[Run],
    part: str,
    done: dict[tuple[object, ...], Outcome],
    file: Path | None,
) -> list[Outcome]:
    """Outcomes of runs, from the file or by training those that are missing together."""

    def outcome(run: Run, score: float, cosine: float) -> Outcome:
        shape = (depth, plan.width, plan.epochs)
        return Outcome(samples.name, run.algorithm, *shape, run.lr, run.seed, part, score, cosine)

    missing = [run for run in runs if outcome(run, 0.0, 0.0).key not in done]
    if missing:
        data = samples.split(plan.validation) if part == "validation" else samples
        result = sweep(
            missing,
            data.x,
            data.rows,
            epochs=plan.epochs,
            batch_size=plan.batch_size,
            scored={part: (data.test_x, data.test_rows)},
            every=plan.epochs,
            depth=depth,
            width=plan.width,
            feedback=plan.feedback,
            regression=data.regression,
        )
        cosine = result.cosine[min(SETTLED, plan.epochs) - 1 :].amin(0)
        scores = result.scores[part][-1]
        numbers = torch.stack([scores, cosine], 1).tolist()
        new = [outcome(run, *row) for run, row in zip(result.runs, numbers, strict=True)]
        if file is not None:
            append(file, new)
        done |= {each.key: each for each in new}
    return [done[outcome(run, 0.0, 0.0).key] for run in runs]
