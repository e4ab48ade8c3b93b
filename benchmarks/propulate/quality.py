"""Quality of the default propagator on the functions of the literature, at equal budgets.

``python benchmarks/propulate/quality.py [--quick] [--json FILE] [--cache FILE] [--seconds S]
[--original DIR] [--seeds ...] [--budgets 1000 5000] [--late 0 16]``. Medians over seeds of the
error of the best point, with results that arrive in order, and with each result 16 evaluations
late, as with 17 workers. Errors below 1e-6 count as equal.

Searchers: ``adaptive``, the default; ``ga``, the genetic operators alone; ``original``, the default
of the original package (``pip install --target DIR --no-deps propulate==1.2.2``); Optuna's ``tpe``
and ``cma`` samplers (`cma` needs ``pip install cmaes``).

TPE needs an hour for 5,000 evaluations in 30 dimensions, so that a table takes many sittings:
results of peers are kept in ``--cache``, by default ``peers.jsonl`` beside this file, seed by seed.
They are run for ``--seconds`` only, by default not at all, and the table is made of what is there,
with the number of seeds in brackets where some are missing. TPE is run where evaluations times
dimensions don't exceed ``--tpe-work``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from propulate import Optimizer
from propulate import propagators as pg
from propulate.utils.benchmark_functions import FUNCTIONS, get_function_search_space

EQUAL = 1e-6
PEERS = ("original", "tpe", "cma")
EXTRA = {"ackley", "levy"}  # not among the paper's
NAMES = [name if name != "quartic" else "quartic_noisefree" for name in FUNCTIONS]
NAMES = [name for name in NAMES if name not in EXTRA]
Limits = Mapping[str, tuple[float, float]]
Ask = Callable[[], tuple[Any, Mapping[str, float]]]
Tell = Callable[[Any, float], None]


ORIGINAL = """
import json, random, sys
from unittest.mock import MagicMock

for name in ("GPy", "deepdiff", "colorlog"):  # imported, but not needed by its propagators
    sys.modules[name] = MagicMock()
from propulate import get_default_propagator

limits = {name: tuple(pair) for name, pair in json.loads(sys.argv[1]).items()}
propagator = get_default_propagator(20, limits, rng=random.Random(int(sys.argv[2])))
asked, known = [], []
for line in sys.stdin:
    told = json.loads(line)
    if told is None:
        asked.append(propagator(known))
        print(json.dumps([asked[-1][name] for name in limits]), flush=True)
    else:
        known.append(asked[told[0]])
        known[-1].loss = told[1]
"""


def ours(kind: str, limits: Limits, seed: int, budget: int) -> tuple[Ask, Tell]:
    """A searcher of this package."""
    propagator = pg.get_default_propagator(20, limits, kind="ga") if kind == "ga" else None
    optimizer = Optimizer(limits, propagator, seed, budget=budget)

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


@contextmanager
def originals(folder: Path, limits: Limits, seed: int) -> Iterator[tuple[Ask, Tell]]:
    """The default propagator of the original package, in a process of its own."""
    numbers = itertools.count()

    def ask() -> tuple[Any, Mapping[str, float]]:
        assert job.stdin is not None and job.stdout is not None
        job.stdin.write("null\n")
        return next(numbers), dict(zip(limits, json.loads(job.stdout.readline()), strict=True))

    def tell(number: int, loss: float) -> None:
        assert job.stdin is not None
        job.stdin.write(json.dumps([number, loss]) + "\n")

    command = [sys.executable, "-c", ORIGINAL, json.dumps(limits), str(seed)]
    environment, pipe = os.environ | {"PYTHONPATH": str(folder)}, subprocess.PIPE
    with subprocess.Popen(
        command, env=environment, stdin=pipe, stdout=pipe, text=True, bufsize=1
    ) as job:
        yield ask, tell


def errors(searcher: tuple[Ask, Tell], name: str, budgets: list[int], late: int) -> list[float]:
    """The error of the best point after each number of evaluations."""
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


class Runs:
    """Errors of all searchers; peers' are kept in a file."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.known: dict[str, float] = {}
        self.deadline = time.monotonic() + options.seconds
        if options.cache is not None and options.cache.exists():
            for line in options.cache.read_text().splitlines():
                self.known |= json.loads(line)

    def budgets(self, kind: str, name: str) -> list[int]:
        """Those that a searcher is run with."""
        most = self.options.tpe_work / FUNCTIONS[name.removesuffix("_noisefree")][1]
        return [b for b in self.options.budgets if kind != "tpe" or b <= most]

    def run(self, kind: str, name: str, seed: int, late: int) -> None:
        """Find the errors at each budget, unless they are known or the time is over."""
        budgets = self.budgets(kind, name)
        keys = [f"{kind} {name} {seed} {budget} {late}" for budget in budgets]
        if all(key in self.known for key in keys):
            return
        if kind in self.options.absent or (kind in PEERS and time.monotonic() > self.deadline):
            return
        found = dict(zip(keys, self._errors(kind, name, seed, budgets, late), strict=True))
        self.known |= found
        if kind in PEERS and self.options.cache is not None:
            with self.options.cache.open("a") as file:
                file.write(json.dumps(found) + "\n")

    def _errors(
        self, kind: str, name: str, seed: int, budgets: list[int], late: int
    ) -> list[float]:
        limits = get_function_search_space(name)[1]
        if kind == "original":
            with originals(self.options.original, limits, seed) as searcher:
                return errors(searcher, name, budgets, late)
        if kind in PEERS:
            return errors(optunas(kind, limits, seed), name, budgets, late)
        found = []
        for budget in budgets:  # ours may plan with the budget
            found += errors(ours(kind, limits, seed, budget), name, [budget], late)
        return found

    def at(self, kind: str, name: str, budget: int, late: int) -> list[float]:
        """The errors of the seeds that were run."""
        keys = [f"{kind} {name} {seed} {budget} {late}" for seed in self.options.seeds]
        return [self.known[key] for key in keys if key in self.known]


def _level(error: float) -> float:
    return max(error, EQUAL)


def verdict(medians: dict[str, dict[str, float]]) -> dict[str, float]:
    """The bars: shares of functions, and the worst ratio to the genetic operators."""
    mine = {name: _level(error) for name, error in medians.get("adaptive", {}).items()}
    bars: dict[str, float] = {}
    for what, kinds in {
        "not worse than Optuna's TPE": ("tpe",),
        "not worse than Optuna's CMA-ES": ("cma",),
        "not worse than the better of these": ("tpe", "cma"),
        "not worse than the original's default": ("original",),
    }.items():
        peers = {n: [medians[k][n] for k in kinds if n in medians.get(k, {})] for n in mine}
        flags = [mine[n] <= _level(min(found)) for n, found in peers.items() if found]
        if flags:
            bars[f"{what}, share of {len(flags)} functions"] = statistics.fmean(flags)
    if mine and "ga" in medians:
        ratios = [mine[n] / _level(error) for n, error in medians["ga"].items()]
        bars["worst ratio to kind='ga'"] = max(ratios)
    return bars


def table(runs: Runs, budget: int, late: int) -> dict[str, Any]:
    """Print one table, and return its figures."""
    options = runs.options
    medians: dict[str, dict[str, float]] = {kind: {} for kind in options.searchers}
    print(f"\n{budget} evaluations, results {late} late, {len(options.seeds)} seeds")
    print(f"{'':20s}" + "".join(f"{kind:>14s}" for kind in medians))
    for name in options.functions:
        row = f"{name:20s}"
        for kind, found in medians.items():
            errors = runs.at(kind, name, budget, late)
            if errors:
                found[name] = statistics.median(errors)
            few = f"[{len(errors)}]" if len(errors) < len(options.seeds) else ""
            row += f"{found.get(name, math.nan):10.2g}{few:4s}"
        print(row)
    bars = verdict(medians)
    for what, number in bars.items():
        print(f"  {what}: {number:.2f}")
    return {"median errors": medians, "bars": bars}


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--cache", type=Path, default=Path(__file__).with_name("peers.jsonl"))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--budgets", type=int, nargs="+", default=[1000, 5000])
    parser.add_argument("--late", type=int, nargs="+", default=[0, 16])
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--original", type=Path)
    parser.add_argument("--tpe-work", type=int, default=30_000)
    parser.add_argument("--functions", nargs="+", default=NAMES)
    kinds = ["adaptive", "ga", *PEERS]
    parser.add_argument("--searchers", nargs="+", default=kinds, choices=kinds)
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.budgets, options.tpe_work = options.seeds[:3], [300], 3_000
        options.functions = ["bukin", "rosenbrock", "step", "schwefel"]
        options.cache, options.seconds = None, 40.0
    options.absent = {"cma"} if find_spec("cmaes") is None else set()  # shown if they are kept
    options.absent |= {"original"} if options.original is None else set()
    return options


def main() -> None:
    """Measure and print."""
    runs = Runs(parse())
    options = runs.options
    for job in itertools.product(options.seeds, options.late, options.functions, options.searchers):
        seed, late, name, kind = job
        runs.run(kind, name, seed, late)
    tables = {
        f"{budget} evaluations, {late} late": table(runs, budget, late)
        for budget, late in itertools.product(options.budgets, options.late)
    }
    if options.json:
        options.json.write_text(json.dumps(tables, indent=2))


if __name__ == "__main__":
    main()
