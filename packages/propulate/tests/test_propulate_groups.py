"""Workers of several ranks, and jobs that are told to end."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from mpi_utils import Communicator, world
from propulate import (
    EvaluationError,
    Islands,
    Migrator,
    Pollinator,
    Propulator,
    Status,
    get_default_propagator,
    load_result,
    propagators,
    pruners,
)
from propulate.engine.group import group_number

LIMITS = {"x": (-5.0, 5.0), "n": (0, 9)}


@pytest.fixture
def comm() -> Communicator:
    return world()


def together(params, comm) -> float:
    """A loss that needs all ranks of the group."""
    share = (params["x"] - 1) ** 2 if comm.rank == 0 else float(params["n"])
    return comm.allreduce(share / (1 if comm.rank == 0 else max(1, comm.size - 1)))


@pytest.mark.parallel([2, 4])
def test_the_ranks_of_a_worker_evaluate_together(comm, tmp_path) -> None:
    folder = comm.handle.bcast(tmp_path)
    search = Islands(
        together, limits=LIMITS, max_evaluations=60, ranks_per_worker=2, checkpoint_path=folder
    )
    result = search.propulate()
    seen = comm.handle.allgather([(tuple(i.uid), i.loss) for i in result])
    assert len(seen[0]) == 60 and all(sorted(s) == sorted(seen[0]) for s in seen)
    for ind in result:
        assert ind.loss == pytest.approx((ind["x"] - 1) ** 2 + ind["n"])
    assert {ind.uid.worker for ind in result} <= set(range(comm.size // 2))
    assert len(set(comm.handle.allgather(result.best.workdir))) == 1
    tops = search.summarize(2)
    assert (tops is None) == (comm.rank % 2 == 1)
    assert len(load_result(folder / "propulate")) == 60


@pytest.mark.parallel([3])
@pytest.mark.parametrize("layout", [3, [1, 2], "node", "given"])
def test_groups_come_in_all_sizes(comm, layout) -> None:
    options = {"ranks_per_worker": layout}
    if layout == "given":
        options = {"worker_sub_comm": comm.handle.Split(int(comm.rank > 0), comm.rank)}
    sizes = []

    def loss(params, group) -> float:
        sizes.append(group.size)
        return group.allreduce(params["x"] ** 2) / group.size

    result = Islands(
        loss, limits=LIMITS, generations=8, checkpoint_path=None, **options
    ).propulate()
    expected = 3 if layout in (3, "node") else 1 if comm.rank == 0 else 2
    assert set(sizes) == {expected} and len(sizes) == 8
    assert len(result) == 8 * (1 if expected == 3 else 2)


@pytest.mark.parallel([3])
def test_groups_that_do_not_add_up_are_refused(comm) -> None:
    for wrong in (2, [1, 1], [0, 3], 0):
        with pytest.raises(ValueError, match="rank"):
            group_number(comm, wrong, None)


@pytest.mark.parallel([2, 4])
def test_a_failure_on_any_rank_of_a_group_fails_the_evaluation(comm) -> None:
    def fragile(params, group) -> float:
        if group.rank == params.uid.seq % 3:  # on the first, on the second, nowhere
            raise KeyError(f"on rank {group.rank}")
        return params["x"] ** 2

    result = Islands(
        fragile, limits=LIMITS, generations=9, ranks_per_worker=2, checkpoint_path=None
    ).propulate()
    assert result.n_failed == 6 * (comm.size // 2)
    for ind in result:
        where = ind.uid.seq % 3
        assert (ind.status == Status.FAILED) == (where < 2)
        assert where == 2 or f"on rank {where}" in ind.error


@pytest.mark.parallel([2])
def test_an_exception_that_ends_the_search_ends_it_on_all_ranks(comm) -> None:
    def broken(params, group) -> float:
        if group.rank == 1 and params.uid.seq == 2:
            raise KeyError("no such column")
        return params["x"] ** 2

    search = Islands(
        broken,
        limits=LIMITS,
        generations=9,
        ranks_per_worker=2,
        on_error="raise",
        checkpoint_path=None,
    )
    with pytest.raises(EvaluationError, match="no such column"):
        search.propulate()


@pytest.mark.parallel([2])
def test_generators_of_a_group_go_in_step(comm) -> None:
    closed, steps = [], []

    def training(params, group):
        try:
            for epoch in range(1, 9):
                steps.append(params.uid)
                total = group.allreduce(params["x"] ** 2 / 2)
                yield total + 10 / epoch if group.rank == 0 else None
        finally:
            closed.append(params.uid)

    result = Islands(
        training,
        limits=LIMITS,
        generations=40,
        ranks_per_worker=2,
        surrogate_factory=pruners.MedianPruner,
        checkpoint_path=None,
    ).propulate()
    assert 3 < result.n_pruned < 38 and result.n_failed == 0
    counts = comm.handle.allgather((len(steps), len(closed)))
    assert counts[0] == counts[1] and counts[0][1] == 40


def summed_by_torch(params, comm) -> float:
    import torch

    from propulate.integrations.torch import process_group

    with process_group(comm) as device:
        mine = torch.full((2,), params["x"] * (comm.rank + 1), device=device)
        torch.distributed.all_reduce(mine)
        if params.uid.seq == 2 and comm.rank == 1:
            raise KeyError("lost")
    assert not torch.distributed.is_initialized()
    return float(mine[0])


@pytest.mark.parallel([2])
def test_groups_use_torch_among_themselves(comm) -> None:
    limits = {"x": (-5.0, 5.0)}
    result = Islands(
        summed_by_torch, limits=limits, max_evaluations=5, ranks_per_worker=2, checkpoint_path=None
    ).propulate()
    assert result.n_failed == 1 and "lost" in next(ind.error for ind in result if ind.error)
    for ind in result:
        assert ind.error or ind.loss == pytest.approx(3 * ind["x"], rel=1e-6)


@pytest.mark.parallel([2])
def test_the_original_arguments_are_accepted_in_their_order(comm) -> None:
    propagator = get_default_propagator(8, LIMITS, kind="ga")
    handle = comm.handle
    search = Propulator(
        lambda p: p["x"] ** 2, propagator, 1, 0, handle, handle, None, 5, None, None, 0.0
    )
    assert len(search.propulate()) == 5 * comm.size
    with pytest.raises(ValueError, match="no island 1"):
        Propulator(lambda p: 0.0, propagator, island_idx=1, generations=1)
    places = None, 20, None, [[0, 1], [1, 0]], 1.0, propagators.SelectMin
    arguments = lambda p: p["x"] ** 2, propagator, 1, comm.rank, handle, handle, *places
    migrated = Migrator(*arguments, [0, 1], [1, 1]).propulate()
    copied = Pollinator(*arguments, propagators.SelectMax, [0, 1], [1, 1]).propulate()
    assert {ind.island for ind in migrated} == {ind.island for ind in copied} == {0, 1}
    active = comm.handle.allgather((migrated.population.n_active, copied.population.n_active))
    assert sum(a for a, _ in active) == 40 and [b for _, b in active] == [20, 20]


def _signal_later(seconds: float, number: int) -> None:
    threading.Timer(seconds, os.kill, (os.getpid(), number)).start()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_ends_the_run_and_the_next_one_continues(number, tmp_path) -> None:
    before = signal.getsignal(number)

    def slow(params) -> float:
        time.sleep(0.02)
        return params["x"] ** 2

    search = Propulator(slow, limits=LIMITS, max_evaluations=500, checkpoint_path=tmp_path)
    _signal_later(0.3, number)
    result = search.propulate()
    assert result.stop_reason == number.name and 0 < len(result) < 500
    assert result.n_failed == 0 and signal.getsignal(number) == before
    again = Propulator(
        lambda p: p["x"] ** 2,
        limits=LIMITS,
        max_evaluations=len(result) + 5,
        checkpoint_path=tmp_path,
    ).propulate()
    assert len(again) == len(result) + 5


def test_a_generator_is_interrupted_and_evaluated_again(tmp_path) -> None:
    started = []

    def training(params):
        started.append(params.uid)
        for _ in range(200):
            time.sleep(0.01)
            yield params["x"] ** 2

    _signal_later(0.3, signal.SIGTERM)
    result = Propulator(
        training, limits=LIMITS, max_evaluations=5, checkpoint_path=tmp_path
    ).propulate()
    assert result.stop_reason == "SIGTERM" and len(result) == 0 and len(started) == 1

    def quick(params):
        started.append(params.uid)
        yield params["x"] ** 2

    result = Propulator(
        quick, limits=LIMITS, max_evaluations=5, checkpoint_path=tmp_path
    ).propulate()
    assert len(result) == 5 and started[1] == started[0]
    assert all(ind.status == Status.COMPLETE for ind in result)
