"""Quality of the default propagator on the functions of the literature, at equal budgets.

``python benchmarks/propulate/quality.py [--quick] [--json FILE] [--cache FILE] [--seeds N]
[--budgets 1000 5000] [--tpe-seeds N] [--tpe-work N]``. Medians over seeds of the error of the best
point, with results that arrive in order, and with each result 16 evaluations late, as with 17
workers. Errors below 1e-6 count as equal.

Searchers: ``adaptive``, the default; ``ga``, the genetic operators alone; ``original``, the
pipeline of the original package's default, rebuilt from our operators (crossover always, steps
clipped at the bounds); Optuna's ``tpe`` and ``cma`` samplers (`cma` needs ``pip install cmaes``).
TPE needs an hour for 5,000 evaluations in 30 dimensions: it is run where evaluations times
dimensions don't exceed ``--tpe-work``, on ``--tpe-seeds`` seeds. ``--cache`` keeps peers' results.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import warnings
from collections import deque
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from propulate import Optimizer
from propulate import propagators as pg
from propulate.utils.benchmark_functions import FUNCTIONS, get_function_search_space

EQUAL = 1e-6
NAMES = [name if name != "quartic" else "quartic_noisefree" for name in FUNCTIONS]
NAMES.remove("ackley")  # not among the paper's
Limits = Mapping[str, tuple[float, float]]
Ask = Callable[[], tuple[Any, Mapping[str, float]]]
Tell = Callable[[Any, float], None]


class ClippedStep(pg.Propagator):
    """The original's interval mutation: one gene moves by a normal step, clipped at the bounds."""

    def __init__(self, limits: Limits, sigma: float) -> None:
        super().__init__(1, 1)
        self.limits, self.sigma = list(limits.values()), sigma

    def __call__(self, inds: Any) -> Any:
        """The mutant."""
        child = inds[0].copy()
        i = int(self.generator.integers(len(self.limits)))
        low, high = self.limits[i]
        moved = child.genes[i] + self.sigma * (high - low) * self.generator.standard_normal()
        child.genes[i] = min(high, max(low, moved))
        return child


def original(limits: Limits, pop_size: int = 20) -> pg.Propagator:
    """The default propagator of the original package, with its default arguments."""
    steps = [
        pg.SelectMin(pop_size),
        pg.SelectUniform(2),
        pg.CrossoverUniform(0.7),
        pg.PointMutation(limits, probability=0.4),
        ClippedStep(limits, 0.05),
        pg.InitUniform(limits, 1, 0.1),
    ]
    return pg.Conditional(pop_size, pg.Compose(steps), pg.InitUniform(limits))


def ours(kind: str, limits: Limits, seed: int, budget: int) -> tuple[Ask, Tell]:
    """A searcher of this package."""
    made: dict[str, Callable[[], pg.Propagator | None]] = {
        "adaptive": lambda: None,
        "ga": lambda: pg.get_default_propagator(20, limits, kind="ga"),
        "original": lambda: original(limits),
    }
    optimizer = Optimizer(limits, made[kind](), seed, budget=budget)

    def ask() -> tuple[Any, Mapping[str, float]]:
        candidate = optimizer.ask()
        return candidate, candidate

    return ask, optimizer.tell


def optunas(kind: str, limits: Limits, seed: int) -> tuple[Ask, Tell]:
    """A searcher of Optuna, in memory."""
    import optuna

    warnings.filterwarnings("ignore", module="optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    samplers = {"tpe": optuna.samplers.TPESampler, "cma": optuna.samplers.CmaEsSampler}
    study = optuna.create_study(sampler=samplers[kind](seed=seed))

    def ask() -> tuple[Any, Mapping[str, float]]:
        trial = study.ask()
        return trial, {name: trial.suggest_float(name, *pair) for name, pair in limits.items()}

    def tell(trial: Any, loss: float) -> None:
        study.tell(trial, loss)

    return ask, tell


def errors(kind: str, name: str, seed: int, budgets: list[int], late: int) -> list[float]:
    """The error of the best point after each number of evaluations."""
    if kind in {"tpe", "cma"}:
        return _errors(optunas(kind, get_function_search_space(name)[1], seed), name, budgets, late)
    found = []
    for budget in budgets:  # ours may plan with the budget
        searcher = ours(kind, get_function_search_space(name)[1], seed, budget)
        found += _errors(searcher, name, [budget], late)
    return found


def _errors(searcher: tuple[Ask, Tell], name: str, budgets: list[int], late: int) -> list[float]:
    (ask, tell), (function, _) = searcher, get_function_search_space(name)
    least = FUNCTIONS[name.removesuffix("_noisefree")][3]
    outstanding: deque[tuple[Any, float]] = deque()
    best, found = math.inf, []
    for n in range(1, max(budgets) + 1):
        try:
            candidate, values = ask()
        except ValueError as error:  # Optuna's CMA-ES proposes NaN once it has converged
            print(f"  stopped after {n - 1} evaluations: {error}", file=sys.stderr)
            break
        loss = function(values)
        best = min(best, loss)
        outstanding.append((candidate, loss))
        if len(outstanding) > late:
            tell(*outstanding.popleft())
        if n in budgets:
            found.append(max(0.0, best - least))
    return found + [max(0.0, best - least)] * (len(budgets) - len(found))


class Table:
    """Errors of all searchers, kept in a file while they are computed."""

    def __init__(self, cache: Path | None) -> None:
        self.cache = cache
        self.known: dict[str, float] = {}
        if cache is not None and cache.exists():
            self.known = json.loads(cache.read_text())

    def get(self, kind: str, name: str, seed: int, budgets: list[int], late: int) -> list[float]:
        """Errors at each budget; peers' come from the file if they are there."""
        keys = [f"{kind} {name} {seed} {budget} {late}" for budget in budgets]
        if any(key not in self.known for key in keys):
            self.known |= dict(zip(keys, errors(kind, name, seed, budgets, late), strict=True))
            if kind in {"tpe", "cma"} and self.cache is not None:
                peers = {k: v for k, v in self.known.items() if k[:3] in {"tpe", "cma"}}
                self.cache.write_text(json.dumps(peers))
        return [self.known[key] for key in keys]


def medians(options: argparse.Namespace, late: int) -> dict[str, dict[str, list[float]]]:
    """Of each searcher and function, the median errors at the budgets."""
    table = Table(options.cache)
    found: dict[str, dict[str, list[float]]] = {}
    for kind in options.searchers:
        found[kind] = {}
        for name in options.functions:
            budgets, seeds = list(options.budgets), options.seeds
            if kind == "tpe":
                n = len(get_function_search_space(name)[1])
                budgets = [b for b in budgets if b * n <= options.tpe_work]
                seeds = seeds[: options.tpe_seeds]
            rows = [table.get(kind, name, seed, budgets, late) for seed in seeds if budgets]
            columns = [statistics.median(column) for column in zip(*rows, strict=True)]
            found[kind][name] = columns + [math.nan] * (len(options.budgets) - len(columns))
            print(f"  {kind} {name} {columns}", file=sys.stderr, flush=True)
    return found


def _level(error: float) -> float:
    return max(error, EQUAL)


def verdict(found: dict[str, dict[str, list[float]]], column: int) -> dict[str, float]:
    """The bars: shares of functions, and the worst ratio to the genetic operators."""
    names = list(found["adaptive"])

    def at(kind: str, name: str) -> float:
        return _level(found[kind][name][column]) if kind in found else math.nan

    peers = {name: np.nanmin([at("tpe", name), at("cma", name), math.inf]) for name in names}
    mine = {name: at("adaptive", name) for name in names}
    shares = {"not worse than Optuna's better sampler": [mine[n] <= peers[n] for n in names]}
    shares["not worse than the original's default"] = [mine[n] <= at("original", n) for n in names]
    return {what: sum(flags) / len(flags) for what, flags in shares.items()} | {
        "worst ratio to kind='ga'": max(mine[n] / at("ga", n) for n in names)
    }


def show(found: dict[str, dict[str, list[float]]], column: int) -> None:
    """Print one table."""
    kinds = list(found)
    print(f"{'':20s}" + "".join(f"{kind:>12s}" for kind in kinds))
    for name in found["adaptive"]:
        row = "".join(f"{found[kind][name][column]:12.2g}" for kind in kinds)
        print(f"{name:20s}{row}")
    for what, number in verdict(found, column).items():
        print(f"  {what}: {number:.2f}")


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--budgets", type=int, nargs="+", default=[1000, 5000])
    parser.add_argument("--late", type=int, nargs="+", default=[0, 16])
    parser.add_argument("--tpe-seeds", type=int, default=3)
    parser.add_argument("--tpe-work", type=int, default=30_000)
    parser.add_argument("--functions", nargs="+", default=NAMES)
    kinds = ["adaptive", "ga", "original", "tpe", "cma"]
    parser.add_argument("--searchers", nargs="+", default=kinds, choices=kinds)
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.budgets, options.tpe_work = options.seeds[:3], [300], 3_000
        options.functions = ["bukin", "rosenbrock", "step", "schwefel"]
    if find_spec("cmaes") is None:
        options.searchers = [kind for kind in options.searchers if kind != "cma"]
    return options


def main() -> None:
    """Measure and print."""
    options = parse()
    results: dict[str, Any] = {}
    for late in options.late:
        found = medians(options, late)
        for column, budget in enumerate(options.budgets):
            print(f"\n{budget} evaluations, results {late} late, {len(options.seeds)} seeds")
            show(found, column)
            results[f"{budget} evaluations, {late} late"] = {
                "median errors": {
                    k: {n: e[column] for n, e in f.items()} for k, f in found.items()
                },
                "bars": verdict(found, column),
            }
    if options.json:
        options.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
