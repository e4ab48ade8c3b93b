"""The command ``propulate``: looking at runs, taking their results elsewhere, running functions."""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from propulate.individual import Individual, Status
from propulate.result import Result, load_result

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit status."""
    parser = _parser()
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO if given.command == "run" else logging.WARNING)
    try:
        status: int = given.do(given)
    except (OSError, ValueError, RuntimeError) as error:
        print(f"propulate: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return status


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - this is what a command is for


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="propulate", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, do: Any, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(do=do)
        return sub

    status = command("status", _status, "workers, running candidates, best, failures")
    status.add_argument("--watch", type=float, metavar="SECONDS", help="again every so often")
    top = command("top", _top, "the best individuals")
    top.add_argument("-n", type=int, default=10)
    export = command("export", _export, "write all individuals to a file")
    export.add_argument("file", type=Path, help=".csv, .json, .parquet or .h5")
    plot = command("plot", _plot, "draw a figure")
    plot.add_argument("kind", help="history, importances, lineage, migration, ...")
    plot.add_argument("file", type=Path, help=".png, .svg, .pdf, ...")
    merge = command("merge", _merge, "write result.h5 into the folder")
    replay = command("replay", _replay, "breed all candidates again, and compare")
    optuna = command("optuna-export", _optuna, "add all individuals to an Optuna storage")
    optuna.add_argument("storage", help="such as sqlite:///run.db")
    optuna.add_argument("--name", default="propulate", help="of the study")
    for sub in (status, top, export, plot, merge, replay, optuna):
        sub._positionals.title = "arguments"
        sub.add_argument("folder", type=Path, help="of the run, with its journals; or a .h5 file")
    run = command("run", _run, "search with a function: propulate run module:function ...")
    run.add_argument("function", help="module:function, which gets a mapping")
    run.add_argument("--limits", type=Path, required=True, help="JSON: name to list of limits")
    run.add_argument("--max-evaluations", type=int)
    run.add_argument("--time-limit", type=float, help="seconds")
    run.add_argument("--maximize", action="store_true")
    run.add_argument("--seed", type=int, default=0)
    run.add_argument("--path", default="./", help="where the run's folder is made")
    run.add_argument("--name", default="propulate")
    bench = command("bench", _bench, "CPU time of the optimiser per evaluation, on this machine")
    bench.add_argument("--evaluations", type=int, default=3000)
    bench.add_argument("--dimensions", type=int, default=20)
    return parser


def _line(individual: Individual) -> str:
    values = ", ".join(f"{name}={_short(value)}" for name, value in individual.items())
    return f"{individual.loss:<14.6g} {values}"


def _short(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)


# ---------------------------------------------------------------------- looking


def _status(given: argparse.Namespace) -> int:
    while True:
        _say(_state(given.folder))
        if given.watch is None:
            return 0
        time.sleep(given.watch)


def _state(folder: Path) -> str:
    from propulate.storage.history import codec_of, population_of, read_history

    history = read_history(folder)
    if not history.header:
        raise FileNotFoundError(f"{folder} holds no journal of a run")
    result = Result([population_of(history)], tuple(history.header["signs"]))
    lines = [
        f"{len(result)} evaluations ended, {result.n_failed} failed, {result.n_pruned} pruned",
        f"loss function: {history.header['loss_fn']}",
    ]
    if result.best is not None:
        lines.append(f"best: {_line(result.best)}")
    ended = sorted(ind.evaltime + ind.evalperiod for ind in result)
    if len(ended) > 1 and ended[-1] > ended[0]:
        lines.append(f"rate: {3600 * (len(ended) - 1) / (ended[-1] - ended[0]):.4g} per hour")
    now = time.time()
    for uid, record in sorted(history.unfinished.items()):
        path = folder / "journal" / f"i{uid.island}-w{uid.worker}.pj"
        candidate = codec_of(history.header).decode(record)
        age = now - path.stat().st_mtime if path.exists() else float("nan")
        lines.append(f"running on {uid.island}-{uid.worker} for {age:.0f} s: {dict(candidate)}")
    return "\n".join(lines)


def _top(given: argparse.Namespace) -> int:
    for individual in load_result(given.folder).top(given.n):
        _say(_line(individual))
    return 0


# ---------------------------------------------------------------------- elsewhere


def _export(given: argparse.Namespace) -> int:
    result, kind = load_result(given.folder), given.file.suffix.removeprefix(".")
    writers = {
        "csv": result.to_csv,
        "json": result.to_json,
        "parquet": result.to_parquet,
        "h5": result.to_hdf5,
    }
    if kind not in writers:
        raise ValueError(f"the file's name must end in one of {sorted(writers)}, got {given.file}")
    writers[kind](given.file)
    return 0


def _merge(given: argparse.Namespace) -> int:
    path = given.folder / "result.h5"
    load_result(given.folder).to_hdf5(path)
    _say(str(path))
    return 0


def _plot(given: argparse.Namespace) -> int:
    from propulate import plot

    if given.kind not in plot.KINDS:
        raise ValueError(f"there is no plot {given.kind!r}; there are {', '.join(plot.KINDS)}")
    plot.KINDS[given.kind](load_result(given.folder)).savefig(given.file)
    return 0


def _replay(given: argparse.Namespace) -> int:
    from propulate.replaying import replay

    n, different = replay(given.folder)
    _say(f"{n} candidates, {len(different)} of them came out different")
    return 1 if different else 0


def _optuna(given: argparse.Namespace) -> int:
    from propulate.integrations.optuna import export

    study = export(load_result(given.folder), given.storage, given.name)
    _say(f"{len(study.get_trials(deepcopy=False))} trials in study {given.name!r}")
    return 0


# ---------------------------------------------------------------------- running


def _run(given: argparse.Namespace) -> int:
    from propulate.propulator import Propulator
    from propulate.space import SearchSpace

    module, _, name = given.function.partition(":")
    if not name:
        raise ValueError(f"expected module:function, got {given.function!r}")
    sys.path.insert(0, str(Path.cwd()))
    function = getattr(importlib.import_module(module), name, None)
    if function is None:
        raise ValueError(f"module {module} has no function {name}")
    limits = json.loads(given.limits.read_text())
    described = all(isinstance(limit, dict) for limit in limits.values())
    search = Propulator(
        function,
        limits=SearchSpace.from_json(json.dumps(limits)) if described else limits,
        seed=given.seed,
        max_evaluations=given.max_evaluations,
        time_limit=given.time_limit,
        direction="maximize" if given.maximize else "minimize",
        checkpoint_path=given.path,
        name=given.name,
    )
    result = search.propulate()
    if search.rank == 0 and result.best is not None:
        _say(f"{len(result)} evaluations, stopped by {result.stop_reason}")
        _say(_line(result.best))
    return 0 if result.best is not None else 1


def _bench(given: argparse.Namespace) -> int:
    from propulate.optimizer import Optimizer

    optimizer = Optimizer({f"x{i}": (-5.0, 5.0) for i in range(given.dimensions)}, seed=0)
    start = time.process_time()
    for _ in range(given.evaluations):
        candidate = optimizer.ask()
        optimizer.tell(candidate, float(candidate.genes @ candidate.genes))
    spent = (time.process_time() - start) / given.evaluations
    complete = optimizer.population.counts[Status.COMPLETE]
    _say(f"{1e6 * spent:.0f} us CPU per evaluation, mean of {complete}")
    return 0
