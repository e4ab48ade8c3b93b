"""A real search: hyper-parameters of a network on handwritten digits, with pruning.

``python benchmarks/propulate/search.py [--quick] [--json FILE] [--seeds N]``. A multilayer
perceptron of scikit-learn with mixed and conditional parameters, 60 trials of up to eight epochs,
by random search, Optuna's TPE and propulate, each with a median rule for pruning. Four workers take
turns epoch by epoch, as if they ran side by side; what a worker finishes the others know at once.
The loss is the share of wrong answers on validation data; cost is counted in epochs. A seed stands
for one split of the data, the same for all searches: their differences are taken seed by seed.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import statistics
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from propulate import Categorical, Float, Int, Optimizer, pruners

EPOCHS, WORKERS = 8, 4
LIMITS = {
    "rate": Float(1e-4, 1.0, log=True),
    "decay": Float(1e-6, 1e-1, log=True),
    "width": Int(4, 64, log=True),
    "batch": (16, 32, 64, 128),
    "activation": Categorical(["relu", "tanh", "logistic"]),
    "solver": Categorical(["adam", "sgd"]),
    "momentum": Float(0.0, 0.99, when={"solver": "sgd"}),
}
Trial = tuple[Any, dict[str, Any]]


@functools.cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Images, shape (n, 64), scaled to [0, 1], and labels."""
    images, labels = load_digits(return_X_y=True)
    return images / 16, labels


def training(params: dict[str, Any], seed: int) -> Iterator[float]:
    """The validation error after each epoch."""
    images, labels = digits()
    order = np.random.default_rng(seed).permutation(len(labels))
    train, test = order[:700], order[700:1400]
    model = MLPClassifier(
        (params["width"],),
        activation=params["activation"],
        solver=params["solver"],
        alpha=params["decay"],
        learning_rate_init=params["rate"],
        momentum=params.get("momentum", 0.9),
        batch_size=params["batch"],
        random_state=seed,
    )
    for _ in range(EPOCHS):
        with np.errstate(all="ignore"):
            model.partial_fit(images[train], labels[train], classes=range(10))
            yield 1 - float(model.score(images[test], labels[test]))


class Propulate:
    """Our searcher and pruner."""

    def __init__(self, seed: int, n_trials: int) -> None:
        self.optimizer = Optimizer(LIMITS, seed=seed, budget=n_trials)
        self.pruner = pruners.MedianPruner()

    def ask(self) -> Trial:
        """A trial and its parameters."""
        candidate = self.optimizer.ask()
        return candidate, dict(candidate)

    def goes_on(self, candidate: Any, step: int, value: float) -> bool:
        """Whether to train for another epoch."""
        del step
        candidate.interim.append(value)
        return not self.pruner.judge(candidate.interim)

    def tell(self, candidate: Any, value: float, *, pruned: bool) -> None:
        """Report the last value."""
        self.optimizer.tell(candidate, value, pruned=pruned)
        self.pruner.learn(candidate)


class Optuna:
    """Optuna's sampler and pruner."""

    def __init__(self, sampler: str, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.filterwarnings("ignore", module="optuna")
        samplers = {"tpe": optuna.samplers.TPESampler, "random": optuna.samplers.RandomSampler}
        self.states = optuna.trial.TrialState
        self.study = optuna.create_study(
            sampler=samplers[sampler](seed=seed), pruner=optuna.pruners.MedianPruner()
        )

    def ask(self) -> Trial:
        """A trial and its parameters."""
        trial = self.study.ask()
        params = {
            "rate": trial.suggest_float("rate", 1e-4, 1.0, log=True),
            "decay": trial.suggest_float("decay", 1e-6, 1e-1, log=True),
            "width": trial.suggest_int("width", 4, 64, log=True),
            "batch": trial.suggest_categorical("batch", [16, 32, 64, 128]),
            "activation": trial.suggest_categorical("activation", ["relu", "tanh", "logistic"]),
            "solver": trial.suggest_categorical("solver", ["adam", "sgd"]),
        }
        if params["solver"] == "sgd":
            params["momentum"] = trial.suggest_float("momentum", 0.0, 0.99)
        return trial, params

    def goes_on(self, trial: Any, step: int, value: float) -> bool:
        """Whether to train for another epoch."""
        trial.report(value, step)
        return not trial.should_prune()

    def tell(self, trial: Any, value: float, *, pruned: bool) -> None:
        """Report the last value."""
        state = self.states.PRUNED if pruned else self.states.COMPLETE
        self.study.tell(trial, None if pruned else value, state=state)


def search(searcher: Propulate | Optuna, n_trials: int, seed: int) -> list[float]:
    """The best validation error after each epoch of any worker."""
    best, course, started = math.inf, [], 0
    running: list[tuple[Any, Iterator[float], int] | None] = [None] * WORKERS
    while True:
        for worker in range(WORKERS):
            if running[worker] is None and started < n_trials:
                trial, params = searcher.ask()
                running[worker], started = (trial, training(params, seed), 0), started + 1
            now = running[worker]
            if now is None:
                continue
            trial, steps, step = now
            value = next(steps)
            goes_on = searcher.goes_on(trial, step, value)
            ended = step + 1 == EPOCHS
            running[worker] = (trial, steps, step + 1)
            if ended or not goes_on:
                searcher.tell(trial, value, pruned=not ended)
                best = min(best, value) if ended else best
                running[worker] = None
            course.append(best)
        if started == n_trials and not any(running):
            return course


def first_within(course: list[float], bound: float) -> float:
    """Epochs until the error is at most the bound; infinite if it never is."""
    return next((i + 1 for i, value in enumerate(course) if value <= bound), math.inf)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seeds", type=int, default=20)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", module="sklearn")
    seeds, n_trials = (range(2), 20) if options.quick else (range(options.seeds), 60)
    makers: dict[str, Callable[[int], Propulate | Optuna]] = {
        "random": lambda seed: Optuna("random", seed),
        "Optuna TPE": lambda seed: Optuna("tpe", seed),
        "propulate": lambda seed: Propulate(seed, n_trials),
    }
    courses = {
        name: [search(make(seed), n_trials, seed) for seed in seeds]
        for name, make in makers.items()
    }
    bound = statistics.median(course[-1] for course in courses["random"])
    results = {}
    print(
        f"{n_trials} trials, {len(seeds)} seeds; epochs until random search's median, {bound:.4f}"
    )
    ours = np.array([course[-1] for course in courses["propulate"]])
    for name, runs in courses.items():
        found = np.array([course[-1] for course in runs])
        differences = found - ours
        results[name] = {
            "error": float(np.median(found)),
            "mean error": float(found.mean()),
            "mean difference to propulate": float(differences.mean()),
            "its standard error": float(differences.std(ddof=1) / math.sqrt(len(seeds))),
            "epochs": statistics.median(len(course) for course in runs),
            "epochs_to_random": statistics.median(first_within(course, bound) for course in runs),
        }
        row = results[name]
        print(
            f"{name:12s} error: median {row['error']:.4f}, mean {row['mean error']:.4f}, "
            f"{row['mean difference to propulate']:+.4f} +- {row['its standard error']:.4f} from "
            f"propulate's; {row['epochs']:.0f} epochs in all, {row['epochs_to_random']:.0f} until "
            "random search's error"
        )
    if options.json:
        options.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
