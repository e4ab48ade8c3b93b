"""CPU time that the optimiser needs per evaluation, journal included, and what Optuna needs.

Run on one rank: ``python benchmarks/propulate/cost.py [--quick] [--json FILE] [--peers]``.
The loss is a sphere in 20 dimensions. First one worker with a pool of 100, without the loss's own
time: the bar is 150 us, and late evaluations at most 1.5 times as expensive as early ones. With
``--peers``, four processes share a search: ours under mpirun, and Optuna's TPE on a SQLite
database and on a journal file, each 1,000 evaluations; CPU of all processes, loss included, divided
by the evaluations.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from propulate import SearchSpace
from propulate.engine.evaluation import Evaluator
from propulate.engine.worker import Worker
from propulate.optimizer import Breeder
from propulate.propagators import AdaptivePropagator, Context
from propulate.storage.history import read_history
from propulate.storage.journal import Journal

PROCESSES = 4
OURS = """
import sys, time
from propulate import Propulator

search = Propulator(
    lambda candidate: float(candidate.genes @ candidate.genes),
    limits={f"x{i}": (-5.0, 5.0) for i in range(20)},
    max_evaluations=int(sys.argv[1]), checkpoint_path=sys.argv[2],
)
start = time.process_time()
search.propulate()
sys.stdout.write(f"{time.process_time() - start}\\n")
"""
OPTUNA = """
import sys, time
import optuna
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

n, folder, kind = int(sys.argv[1]), sys.argv[2], sys.argv[3]
optuna.logging.set_verbosity(optuna.logging.ERROR)
if kind == "SQLite":
    url = f"sqlite:///{folder}/study.db"
    storage = RDBStorage(url, engine_kwargs={"connect_args": {"timeout": 100}})
else:
    storage = JournalStorage(JournalFileBackend(f"{folder}/journal"))
study = optuna.create_study(storage=storage, study_name="sphere", load_if_exists=True)
start = time.process_time()
study.optimize(
    lambda trial: sum(trial.suggest_float(f"x{i}", -5.0, 5.0) ** 2 for i in range(20)), n_trials=n
)
print(time.process_time() - start)
"""
INHERITED = ("PMI_", "PMIX_", "OMPI_COMM_", "OMPI_UNIVERSE_", "PRTE_LAUNCHED", "HYDI_")
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith(INHERITED)}


def ours_together(n: int) -> float:
    """CPU seconds per evaluation of a search on four ranks."""
    beside = Path(sys.executable).with_name("mpirun")
    launcher = str(beside) if beside.exists() else shutil.which("mpirun")
    if launcher is None:
        raise FileNotFoundError("no mpirun: `pip install mpich`")
    with tempfile.TemporaryDirectory() as folder:
        words = [launcher, "-n", str(PROCESSES), sys.executable, "-c", OURS, str(n), folder]
        run = subprocess.run(words, env=ENVIRONMENT, check=True, stdout=subprocess.PIPE, text=True)
    return sum(float(seconds) for seconds in run.stdout.split()) / n


def optuna_together(n: int, kind: str) -> float:
    """CPU seconds per evaluation of Optuna's TPE in four processes."""
    with tempfile.TemporaryDirectory() as folder:

        def start(trials: int) -> subprocess.Popen[str]:
            words = [sys.executable, "-W", "ignore", "-c", OPTUNA, str(trials), folder, kind]
            return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)

        start(0).communicate()  # makes the study
        jobs = [start(n // PROCESSES) for _ in range(PROCESSES)]
        found = [job.communicate()[0] for job in jobs]
        if any(job.returncode for job in jobs):
            raise RuntimeError(f"Optuna failed on {kind}")
    return sum(map(float, found)) / n


def compare(n: int) -> dict[str, float]:
    """Print and return milliseconds per evaluation with four processes."""
    ours = max(n, 1000)  # searches of up to 500 use Gaussian processes
    cost = {"propulate": ours_together(ours)}
    cost |= {f"Optuna, {kind}": optuna_together(n, kind) for kind in ("SQLite", "journal file")}
    print(f"four processes, CPU per evaluation (propulate {ours}, Optuna {n} of them):")
    for name, seconds in cost.items():
        print(f"{name:22s} {1000 * seconds:8.3f} ms, {seconds / cost['propulate']:6.1f} times")
    return {name: 1000 * seconds for name, seconds in cost.items()}


def measure(n: int, windows: list[tuple[int, int]], folder: Path) -> dict[str, float]:
    """Microseconds of CPU per evaluation in each window of n evaluations."""
    space = SearchSpace({f"x{i}": (-5.0, 5.0) for i in range(20)})
    context = Context(space, np.random.default_rng(0), design=space.design())
    breeder = Breeder(context, AdaptivePropagator(space, 100))
    header = {"space": space.to_json(), "signs": [1.0], "problem_id": "", "loss_fn": "sphere"}
    journal = Journal(folder / "journal" / "i0-w0.pj", header)
    worker = Worker(breeder, write=journal.write)
    evaluate = Evaluator(lambda candidate: float(candidate.genes @ candidate.genes))
    cpu = np.empty(n)
    for number in range(n):
        start = time.process_time_ns()
        candidate = worker.next()
        middle = time.process_time_ns()
        evaluate(candidate)
        again = time.process_time_ns()
        worker.finish(candidate)
        cpu[number] = (middle - start + time.process_time_ns() - again) / 1000
    journal.close()
    return {f"{low + 1}-{high}": float(cpu[low:high].mean()) for low, high in windows}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--peers", action="store_true")
    options = parser.parse_args()
    n = 20_000 if options.quick else 100_000
    with tempfile.TemporaryDirectory() as name:
        cost = measure(n, [(1_000, 2_000), (n - 10_000, n)], Path(name))
        start = time.perf_counter()
        history = read_history(Path(name))
        reading = time.perf_counter() - start
    for window, microseconds in cost.items():
        print(f"evaluations {window:>14}: {microseconds:6.1f} us CPU per evaluation")
    early, late = cost.values()
    print(f"late / early: {late / early:.2f}")
    print(f"reading the journal of {history.n_finished} evaluations: {reading:.1f} s")
    results: dict[str, Any] = {"cpu_us": cost, "late / early": late / early, "read_s": reading}
    if options.peers:
        results["together_ms"] = compare(100 if options.quick else 1000)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
