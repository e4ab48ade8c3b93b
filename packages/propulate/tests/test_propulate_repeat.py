"""Runs that can be repeated: deterministic ones, and replays; pruners that forecast; logging."""

from __future__ import annotations

import logging
import time

import numpy as np
import pytest

from mpi_utils import Communicator, world
from propulate import Individual, Islands, Propulator, Status, Uid, pruners, set_logger_config
from propulate import propagators as pg
from propulate.cli import main
from propulate.gaussian import most_likely
from propulate.replaying import replay
from propulate.storage.journal import Journal, read_journal

LIMITS = {"x": (-5.0, 5.0), "n": (0, 9)}


def loss(params) -> float:
    return (params["x"] - 1) ** 2 + params["n"]


@pytest.fixture
def comm() -> Communicator:
    return world()


def keys(result) -> list[tuple[object, float, tuple[object, ...]]]:
    return sorted((tuple(i.uid), i.loss, tuple(i.values())) for i in result)


@pytest.mark.parallel([1, 3])
@pytest.mark.parametrize("lag", [0, 2])
def test_deterministic_runs_do_not_depend_on_timing(comm, lag: int) -> None:
    def search(jitter: int):
        def slow(params) -> float:
            time.sleep(0.003 * ((jitter + 5 * comm.rank + params.uid.seq) % 3))
            return loss(params)

        return Propulator(
            slow,
            limits=LIMITS,
            max_evaluations=64,
            seed=1,
            deterministic=True,
            lag=lag,
            checkpoint_path=None,
        ).propulate()

    first, second = search(0), search(1)
    assert len(first) == 64 and keys(first) == keys(second)


@pytest.mark.parallel([3])
def test_a_deterministic_run_that_one_worker_ends_hangs_nobody(comm) -> None:
    def fragile(params) -> float:
        if comm.rank == 1 and params.uid.seq == 4:
            time.sleep(0.3)
        return loss(params)

    result = Propulator(
        fragile,
        limits=LIMITS,
        generations=2000,
        time_limit=0.2 if comm.rank == 1 else 60.0,
        deterministic=True,
        checkpoint_path=None,
    ).propulate()
    assert result.stop_reason == "time_limit" and len(result) < 6000


def test_deterministic_runs_are_checked() -> None:
    with pytest.raises(ValueError, match="needs generations or"):
        Propulator(loss, limits=LIMITS, time_limit=1.0, deterministic=True)
    with pytest.raises(ValueError, match="lag"):
        Propulator(loss, limits=LIMITS, generations=1, deterministic=True, lag=-1)


@pytest.mark.parallel([2])
def test_deterministic_islands_are_refused(comm) -> None:
    with pytest.raises(ValueError, match="one island"):
        Islands(loss, limits=LIMITS, generations=1, num_islands=2, deterministic=True)


@pytest.mark.parallel([1, 3])
def test_an_asynchronous_run_can_be_replayed(comm, tmp_path) -> None:
    folder = comm.handle.bcast(tmp_path)
    Propulator(
        loss,
        limits=LIMITS,
        max_evaluations=150,
        replayable=True,
        checkpoint_path=folder,
        initial=[{"x": 0.0, "n": 3}],
        seed=3,
    ).propulate()
    comm.handle.Barrier()
    assert replay(folder / "propulate") == (150, [])
    if comm.rank == 0:
        assert main(["replay", str(folder / "propulate")]) == 0
        path = folder / "propulate" / "journal" / "i0-w0.pj"
        header, frames, _ = read_journal(path)
        path.unlink()
        changed = Journal(path, {**header, "seed": 4})
        for kind, payload in frames:
            changed.write(kind, payload)
        changed.close()
        if comm.size == 1:
            assert len(replay(folder / "propulate")[1]) > 100


def test_replays_say_what_they_need(tmp_path) -> None:
    def run(name: str, **options: object) -> None:
        Propulator(loss, limits=LIMITS, checkpoint_path=tmp_path, name=name, **options).propulate()

    run("plain", generations=3)
    with pytest.raises(ValueError, match="without replayable"):
        replay(tmp_path / "plain")
    run("twice", generations=3, replayable=True)
    run("twice", generations=5, replayable=True)
    with pytest.raises(ValueError, match="one session"):
        replay(tmp_path / "twice")
    with pytest.raises(FileNotFoundError, match="no journal"):
        replay(tmp_path / "nothing")
    run("custom", generations=60, replayable=True, propagator=pg.TPE)
    assert replay(tmp_path / "custom", pg.TPE) == (60, [])
    discrete = {"a": (0, 9), "b": ("u", "v", "w")}
    Propulator(
        lambda p: p["a"],
        limits=discrete,
        generations=25,
        replayable=True,
        checkpoint_path=tmp_path,
        name="discrete",
    ).propulate()
    assert replay(tmp_path / "discrete") == (25, [])


# ---------------------------------------------------------------------- pruners


def test_gaussian_processes_interpolate_and_know_what_they_do_not() -> None:
    x = np.linspace(0, 1, 25)[:, None]
    model = most_likely(x, np.sin(6 * x[:, 0]))
    mean, deviation = model.predict(np.array([[0.51], [3.0]]))
    assert mean[0] == pytest.approx(np.sin(3.06), abs=0.02)
    assert deviation[1] > 5 * deviation[0]


def curves(params):
    for epoch in range(1, 9):
        yield (params["x"] - 1) ** 2 + params["n"] + 3 / epoch


@pytest.mark.parametrize(
    "make", [lambda: pruners.DynamicSurrogate(LIMITS), lambda: pruners.Hyperband(1, 8, 2)]
)
def test_forecasts_and_brackets_prune_the_hopeless_only(make) -> None:
    result = Propulator(
        curves, limits=LIMITS, generations=80, surrogate_factory=make, checkpoint_path=None, seed=2
    ).propulate()
    assert 10 < result.n_pruned < 75
    assert result.best_loss < 3 / 8 + 0.3
    pruned = [ind for ind in result if ind.status == Status.PRUNED]
    best = result.best_loss
    hopeless = [(i["x"] - 1) ** 2 + i["n"] + 3 / 8 > best for i in pruned]
    assert np.mean(hopeless) > 0.95


def test_brackets_are_the_same_on_all_workers_and_differ_in_patience() -> None:
    hyperband = pruners.Hyperband(1, 27, 3)
    assert len(hyperband.brackets) == 3
    counts = dict.fromkeys(map(id, hyperband.brackets), 0)
    for worker in range(5):
        for seq in range(200):
            ind = Individual({"x": 0.0, "n": 0}, LIMITS)
            ind.uid = Uid(0, worker, seq)
            assert hyperband.bracket(ind) is hyperband.bracket(ind)
            counts[id(hyperband.bracket(ind))] += 1
    shares = np.array(list(counts.values())) / 1000
    assert shares == pytest.approx([9 / 13, 3 / 13, 1 / 13], abs=0.05)


# ---------------------------------------------------------------------- logging


def test_logging_is_set_up_once(tmp_path, capsys) -> None:
    logger = logging.getLogger("propulate")
    before = list(logger.handlers)
    try:
        for _ in range(3):
            set_logger_config(log_file=tmp_path / "logs" / "run.log", log_rank=True)
        assert len(logger.handlers) == len(before) + 2
        Propulator(loss, limits=LIMITS, generations=20, checkpoint_path=None).propulate()
        shown, written = capsys.readouterr().out, (tmp_path / "logs" / "run.log").read_text()
        assert shown == written and "20 evaluations of 20, 0 s left" in shown and "rank 0" in shown
        set_logger_config(logging.WARNING, log_to_stdout=False)
        assert len(logger.handlers) == len(before)
        Propulator(loss, limits=LIMITS, generations=20, checkpoint_path=None).propulate()
        assert capsys.readouterr().out == ""
    finally:
        set_logger_config(logging.NOTSET, log_to_stdout=False)
