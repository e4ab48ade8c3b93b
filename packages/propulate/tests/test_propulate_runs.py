"""Runs: limits, failures, journals and continuation."""

from __future__ import annotations

import fcntl
import logging
import math
import time
from pathlib import Path

import pytest

from mpi_utils import Communicator, world
from propulate import (
    EvaluationError,
    Float,
    Islands,
    Population,
    Propulator,
    Settings,
    Status,
    TooManyFailuresError,
    Uid,
    load_result,
    pruners,
)
from propulate.engine.transport import check_complete
from propulate.storage.history import read_history
from propulate.storage.journal import Journal, parse_journal, read_journal

LIMITS = {"x": (-5.0, 5.0), "n": (0, 9)}


def loss(params) -> float:
    return (params["x"] - 1) ** 2 + params["n"]


@pytest.fixture
def comm() -> Communicator:
    return world()


@pytest.fixture
def folder(tmp_path: Path, comm: Communicator) -> Path:
    return comm.handle.bcast(tmp_path)


def keys(result) -> list[tuple[object, float]]:
    return sorted((tuple(ind.uid), ind.loss) for ind in result)


@pytest.mark.parallel([1, 2, 3, 4])
def test_exactly_the_budget_is_spent_and_all_know_everything(comm, folder) -> None:
    run = Propulator(loss, limits=LIMITS, max_evaluations=120, seed=1, checkpoint_path=folder)
    result = run.propulate()
    assert len(result) == 120 and result.stop_reason
    everyone = comm.handle.allgather(keys(result))
    assert everyone == [everyone[0]] * comm.size
    assert result.best_loss < 1.5
    tops = run.summarize(3)
    assert len(tops) == comm.size
    assert [ind.loss for ind in tops[0]] == sorted(ind.loss for ind in tops[0])
    assert len(run.summarize(1000)[0]) <= 120  # fewer than asked for


@pytest.mark.parallel([1, 2, 3])
def test_a_run_goes_on_where_it_ended(comm, folder) -> None:
    def search(n: int):
        return Propulator(loss, limits=LIMITS, max_evaluations=n, seed=1, checkpoint_path=folder)

    assert len(search(40).population) == 0
    first = search(40).propulate()
    again = search(90)
    assert sorted(ind.uid for ind in again.population) == sorted(uid for uid, _ in keys(first))
    second = again.propulate()
    assert len(second) == 90
    assert set(keys(first)) < set(keys(second))
    assert len({uid for uid, _ in keys(second)}) == 90
    assert keys(load_result(folder / "propulate")) == keys(second)


@pytest.mark.parallel([4])
@pytest.mark.parametrize("pollination", [True, False])
def test_islands_exchange_and_lose_nothing(comm, folder, pollination: bool) -> None:
    run = Islands(
        loss,
        limits=LIMITS,
        generations=25,
        num_islands=2,
        pollination=pollination,
        checkpoint_path=folder,
    )
    result = run.propulate()
    parts = comm.handle.allgather((run.island, result.population.n_active, keys(result)))
    assert parts[0][1:] == parts[1][1:] and parts[2][1:] == parts[3][1:]
    assert parts[0][1] + parts[2][1] == 100
    assert len({uid for part in parts for uid, _ in part[2]}) == 100


@pytest.mark.parallel([2])
def test_sub_communicators_suffice(comm) -> None:
    part = comm.handle.Split(comm.rank)
    result = Propulator(
        loss, limits=LIMITS, generations=5, island_comm=part, checkpoint_path=None
    ).propulate()
    assert len(result) == 5


@pytest.mark.parallel([1, 4])
def test_failures_are_recorded_and_hang_nobody(comm) -> None:
    outcomes = [lambda: 1 / 0, lambda: math.nan, lambda: None, lambda: "text", lambda: [1, 2]]

    def fragile(params) -> float:
        number = params.uid.seq
        return outcomes[number // 2 % 5]() if number % 2 else loss(params)

    result = Propulator(
        fragile, limits=LIMITS, generations=20, max_failures=0.9, checkpoint_path=None
    ).propulate()
    assert len(result) == 20 * comm.size and result.n_failed == len(result) / 2
    assert math.isfinite(result.best_loss)
    errors = "".join(ind.error or "" for ind in result)
    for text in ("ZeroDivisionError", "nan", "returned None", "'text'", "returned 2 numbers"):
        assert text in errors
    traces = [ind.error for ind in result if "ZeroDivisionError" in (ind.error or "")]
    assert traces and not any("evaluation.py" in trace for trace in traces)  # the user's part only


@pytest.mark.parallel([1, 3])
def test_an_exception_is_raised_on_all_ranks_if_asked_for(comm) -> None:
    def broken(params) -> float:
        if comm.rank == comm.size - 1 and params.uid.seq == 3:
            raise KeyError("no such column")
        return loss(params)

    run = Propulator(broken, limits=LIMITS, generations=500, on_error="raise", checkpoint_path=None)
    with pytest.raises(EvaluationError, match="no such column"):
        run.propulate()


@pytest.mark.parallel([1, 2])
def test_a_search_in_which_everything_fails_stops(comm) -> None:
    run = Propulator(lambda p: p["typo"], limits=LIMITS, generations=1000, checkpoint_path=None)
    with pytest.raises(TooManyFailuresError, match="typo"):
        run.propulate()


def test_nothing_evaluated_is_a_legal_run() -> None:
    result = Propulator(loss, limits=LIMITS, generations=0, checkpoint_path=None).propulate()
    assert len(result) == 0 and result.best is None and result.top(3) == []
    with pytest.raises(ValueError, match="nothing would end this run"):
        Settings()


def test_the_signs_are_the_users() -> None:
    result = Propulator(
        lambda p: -loss(p),
        limits=LIMITS,
        direction="maximize",
        max_evaluations=200,
        checkpoint_path=None,
    ).propulate()
    assert -0.5 < result.best_loss <= 0
    assert result.history()[-1] == result.best_loss == max(ind.loss for ind in result)


def test_other_limits_stop_the_search() -> None:
    def reason(**limits: object) -> str:
        return (
            Propulator(loss, limits=LIMITS, checkpoint_path=None, **limits).propulate().stop_reason
        )

    assert reason(target_loss=5.0) == "target_loss"
    assert reason(patience=30) == "patience"
    assert reason(time_limit=0.05) == "time_limit"
    assert reason(generations=20, callbacks=[lambda ind: ind.uid.seq < 3]) == "callback"
    search = Propulator(loss, limits=LIMITS, checkpoint_path=None, patience=30, min_delta=100.0)
    assert len(search.propulate()) == 31  # the first one is better than nothing


def test_the_end_of_a_slurm_job_is_a_limit(monkeypatch) -> None:
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time()) + 720))
    assert 590 < Settings(time_limit="slurm").time_limit <= 600
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time()) + 60))
    search = Propulator(loss, limits=LIMITS, checkpoint_path=None, time_limit="slurm")
    assert len(search.propulate()) == 0
    monkeypatch.delenv("SLURM_JOB_END_TIME")
    with pytest.raises(ValueError, match="SLURM_JOB_END_TIME"):
        Settings(time_limit="slurm")


def test_each_candidate_has_a_folder_for_the_files_of_the_user(tmp_path: Path) -> None:
    def train(params) -> float:
        assert not list(params.workdir.iterdir())
        (params.workdir / "weights").write_text(str(params["x"]))
        return loss(params)

    search = Propulator(train, limits=LIMITS, generations=9, checkpoint_path=tmp_path)
    for result in (search.propulate(), load_result(tmp_path / "propulate")):
        assert result.best is not None
        assert (result.best.workdir / "weights").read_text() == str(result.best["x"])
    assert len(list((tmp_path / "propulate" / "work").iterdir())) == 9
    with pytest.raises(RuntimeError, match="checkpoint_path"):
        _ = next(iter(search.population)).workdir


@pytest.mark.parallel([3])
def test_workers_that_know_different_individuals_are_found_out(comm) -> None:
    search = Islands(loss, limits=LIMITS, max_evaluations=30, checkpoint_path=None, comm=comm)
    population = search.propulate().population
    check_complete(comm, 0, population)
    other = Population(LIMITS)
    for individual in population[comm.rank == 1 :]:  # it lacks one
        other.add(individual)
    with pytest.raises(RuntimeError, match="different individuals"):
        check_complete(comm, 0, other)
    check_complete(comm, int(comm.rank == 1), other)  # islands of their own may differ


def test_a_discrete_space_is_searched_once_and_exhausted() -> None:
    small = {"a": (1, 3), "b": ("u", "v")}
    result = Propulator(
        lambda p: p["a"], limits=small, generations=50, checkpoint_path=None
    ).propulate()
    assert result.stop_reason == "exhausted"
    assert len({tuple(dict(ind).items()) for ind in result}) == len(result) == 6


def test_interim_losses_prune_and_pruned_ones_are_never_best() -> None:
    closed = []

    def training(params):
        try:
            for epoch in range(1, 10):
                yield loss(params) + 10 / epoch if epoch < 9 else loss(params)
        finally:
            closed.append(params.uid)

    result = Propulator(
        training,
        limits=LIMITS,
        max_evaluations=100,
        checkpoint_path=None,
        surrogate_factory=pruners.MedianPruner,
    ).propulate()
    assert 10 < result.n_pruned < 95 and len(closed) == 100
    assert result.best.status == Status.COMPLETE and len(result.best.interim) == 9


@pytest.mark.parallel([1, 4])
def test_an_evaluation_that_hangs_times_out_and_holds_nobody_up(comm) -> None:
    hangs = Uid(0, comm.size - 1, 1)
    result = Propulator(
        lambda p: time.sleep(100) if p.uid == hangs else loss(p),
        limits=LIMITS,
        generations=3,
        eval_timeout=0.5,
        checkpoint_path=None,
    ).propulate()
    assert len(result) == 3 * comm.size
    (failed,) = [ind for ind in result if ind.uid == hangs]
    assert failed.status == Status.FAILED and "timeout" in failed.error
    assert 0.4 < failed.evalperiod < 50


def test_a_journal_survives_being_cut_anywhere(tmp_path: Path, caplog) -> None:
    caplog.set_level(logging.CRITICAL)
    Propulator(loss, limits=LIMITS, generations=4, checkpoint_path=tmp_path).propulate()
    path = tmp_path / "propulate" / "journal" / "i0-w0.pj"
    data, (_, whole, _) = path.read_bytes(), read_journal(path)
    results = [frame for frame in whole if frame[0] == 1]
    assert len(results) == 4
    for length in range(len(data)):
        _, frames, intact = parse_journal(data[:length])
        assert frames == whole[: len(frames)] and intact <= length
    for position in range(data.index(b"\n") + 1, len(data), 7):
        flipped = bytes([data[position] ^ 0xFF])
        _, frames, _ = parse_journal(data[:position] + flipped + data[position + 1 :])
        assert frames == whole[: len(frames)] and len(frames) < len(whole)
    path.write_bytes(data[: len(data) // 2])
    result = Propulator(loss, limits=LIMITS, generations=4, checkpoint_path=tmp_path).propulate()
    assert len(result) == 4


def test_what_was_running_in_a_crash_comes_first_and_is_given_up_at_last(tmp_path: Path) -> None:
    def search(fn, n: int):
        return Propulator(fn, limits=LIMITS, generations=n, checkpoint_path=tmp_path).propulate()

    search(loss, 3)
    path = tmp_path / "propulate" / "journal" / "i0-w0.pj"
    started = [frame for frame in read_journal(path)[1] if frame[0] == 5]
    lost = started[-1][1]
    cut = path.read_bytes().index(lost) + len(lost) + 4
    path.write_bytes(path.read_bytes()[:cut])  # killed in the third evaluation
    assert read_history(tmp_path / "propulate").n_finished == 2
    seen = []
    result = search(lambda p: seen.append(p.uid.seq) or loss(p), 4)
    assert seen == [2, 3] and len(result) == 4
    path.write_bytes(path.read_bytes()[:cut])
    journal = Journal(path, {})
    journal.write(5, lost)  # and once more
    journal.close()
    result = search(loss, 4)
    (failed,) = [ind for ind in result if ind.status == Status.FAILED]
    assert failed.uid.seq == 2 and "crashed the job 2 times" in failed.error


def test_other_problems_are_not_continued(tmp_path: Path) -> None:
    def search(limits, **settings: object):
        search = Propulator(
            loss, limits=limits, generations=3, checkpoint_path=tmp_path, **settings
        )
        return search.propulate()

    search(LIMITS)
    with pytest.raises(ValueError, match="another space"):
        search({**LIMITS, "x": Float(-5.0, 6.0)})
    with pytest.raises(ValueError, match="another signs"):
        search(LIMITS, direction="maximize")
    with pytest.raises(FileNotFoundError, match="no run to continue"):
        search(LIMITS, name="other", resume="must")
    wider, known = {**LIMITS, "x": Float(-5.0, 6.0)}, load_result(tmp_path / "propulate")
    result = search(wider, resume="never", initial=known)
    assert len(result) == 6 and sum(ind.operator == "initial" for ind in result) == 3


def test_two_jobs_in_one_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "propulate").mkdir()
    with (tmp_path / "propulate" / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        run = Propulator(loss, limits=LIMITS, generations=3, checkpoint_path=tmp_path)
        with pytest.raises(RuntimeError, match="another job"):
            run.propulate()


def test_an_interrupted_run_of_one_worker_continues_bit_by_bit(tmp_path: Path) -> None:
    def search(name: str, callback=lambda ind: True):
        return Propulator(
            loss,
            limits=LIMITS,
            generations=80,
            name=name,
            seed=3,
            checkpoint_path=tmp_path,
            callbacks=[callback],
        ).propulate()

    whole = search("whole")
    assert len(search("parts", lambda ind: ind.uid.seq < 49)) == 50
    assert keys(search("parts")) == keys(whole)


def test_a_full_disk_does_not_end_the_search(tmp_path: Path, monkeypatch, caplog) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("propulate.storage.journal.os.write", full)
    result = Propulator(loss, limits=LIMITS, generations=5, checkpoint_path=tmp_path).propulate()
    assert len(result) == 5
    assert caplog.text.count("the search goes on in memory") == 1
    with pytest.raises(OSError, match="No space"):
        Journal(tmp_path / "j", {}, required=True)


def test_known_points_and_losses_begin_the_search(tmp_path: Path) -> None:
    result = Propulator(
        loss,
        limits=LIMITS,
        generations=5,
        checkpoint_path=None,
        initial=[{"x": 1.0, "n": 4}, ({"x": 1.0, "n": 0}, 0.0)],
    ).propulate()
    assert result.best_params == {"x": 1.0, "n": 0}
    assert {"x": 1.0, "n": 4} in [dict(ind) for ind in result]
    result.to_csv(tmp_path / "all.csv")
    assert len((tmp_path / "all.csv").read_text().splitlines()) == 1 + len(result)


@pytest.mark.parametrize(
    "wrong",
    [
        {"on_error": "ignore"},
        {"direction": "up"},
        {"generations": -3},
        {"num_islands": 2},
        {"island_sizes": [2]},
        {"migration_probability": 2.0},
        {"migration_topology": [[1]]},
    ],
)
def test_settings_are_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Islands(loss, limits=LIMITS, checkpoint_path=None, **{"generations": 1, **wrong})
