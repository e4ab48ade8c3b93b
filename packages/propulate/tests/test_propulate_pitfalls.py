"""Traps that the original, and asynchronous search in general, is known for."""

from __future__ import annotations

import math
import random
import time
from pathlib import Path

import numpy as np
import pytest

from mpi_utils import Communicator, world
from propulate import Individual, Islands, Optimizer, Propulator, Status, pruners
from propulate import propagators as pg
from propulate.engine.worker import IMMIGRANT, Migration
from propulate.individual import Uid
from propulate.testing import VirtualCluster

LIMITS = {"x": (-5.0, 5.0), "y": (-5.0, 5.0)}


def loss(params) -> float:
    return (params["x"] - 1) ** 2 + params["y"] ** 2


@pytest.fixture
def comm() -> Communicator:
    return world()


def complete(final: float, series: list[float], seq: int = 0) -> Individual:
    individual = Individual({"x": min(final, 5.0), "y": 0.0}, LIMITS)
    individual.uid, individual.loss, individual.status = Uid(0, 0, seq), final, Status.COMPLETE
    individual.interim = series
    return individual


def global_states() -> tuple[object, list[int]]:
    return random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002 - the global one


def is_cancelled(pruner: pruners.Pruner, series: list[float]) -> bool:
    pruner.start_run(Individual({"x": 0.0, "y": 0.0}, LIMITS))
    return any(pruner.cancel(value) for value in series)


def test_a_cancelled_run_does_not_become_the_baseline_of_the_static_surrogate() -> None:
    surrogate = pruners.StaticSurrogate(0.8)
    surrogate.learn(complete(1.0, [4.0, 2.0, 1.0]))
    assert is_cancelled(surrogate, [9.0, 9.0, 9.0])
    pruned = complete(9.0, [9.0])
    pruned.status = Status.PRUNED
    surrogate.learn(pruned)
    assert surrogate.data() == (1.0, [4.0, 2.0, 1.0])
    assert not is_cancelled(surrogate, [3.9, 1.9, 0.9])


def test_the_static_surrogate_merges_the_better_run_in_any_order() -> None:
    runs = [(2.0, [3.0, 2.0]), (1.0, [4.0, 1.0]), (5.0, [6.0, 5.0])]
    for order in (runs, runs[::-1], [*runs, *runs]):
        surrogate = pruners.StaticSurrogate()
        for run in order:
            surrogate.merge(run)
        assert surrogate.data() == (1.0, [4.0, 1.0])


def test_the_static_surrogate_takes_negative_losses_and_series_of_other_lengths() -> None:
    surrogate = pruners.StaticSurrogate(0.8)
    surrogate.learn(complete(-3.0, [-1.0, -2.0, -3.0]))
    assert not is_cancelled(surrogate, [-1.0, -2.0, -3.0])  # the same run again
    assert not is_cancelled(surrogate, [-1.0, -2.0, -3.0, -3.5, -4.0])
    assert not is_cancelled(surrogate, [-1.0])
    assert is_cancelled(surrogate, [-1.0, -1.0])


def test_the_dynamic_surrogate_leaves_global_random_states_alone_and_the_best_running() -> None:
    before = global_states()
    surrogate = pruners.DynamicSurrogate(LIMITS)
    rng = np.random.default_rng(0)
    for seq in range(20):
        final = float(rng.uniform(-4, 4))
        surrogate.learn(complete(final, [final + 2, final + 1, final], seq))
    assert is_cancelled(surrogate, [6.0, 5.0, 4.0])
    assert not is_cancelled(surrogate, [-2.5, -3.5, -4.5])
    assert global_states() == before


def test_the_crossover_probability_is_one() -> None:
    # in the original it was the first parent's share of the genes, and 0 and 1 were errors
    limits = {f"x{i}": (0.0, 1.0) for i in range(30)}
    values = np.linspace(0.05, 0.95, 20)
    parents = [Individual(dict.fromkeys(limits, float(value)), limits) for value in values]
    for seq, parent in enumerate(parents):
        parent.loss, parent.status, parent.uid = float(seq), Status.COMPLETE, Uid(0, 0, seq)
    mixed = {}
    for chance in (0.0, 0.5, 1.0):
        breed = pg.get_default_propagator(20, limits, chance, 0.0, 0.0, rng=1, kind="ga")
        children = [breed(parents) for _ in range(400)]
        # one gene is moved in any case
        mixed[chance] = np.mean([len(set(child.values())) > 2 for child in children])
    assert mixed[0.0] == 0 and mixed[1.0] > 0.99
    assert 0.4 < mixed[0.5] < 0.6


def test_a_propagator_that_hands_its_parent_back_is_found_out() -> None:
    class Same(pg.Propagator):
        def __call__(self, inds) -> Individual:
            return inds[0] if len(inds) else pg.InitUniform(LIMITS)()

    optimizer = Optimizer(LIMITS, Same(1, 1))
    optimizer.tell(optimizer.ask(), 1.0)
    with pytest.raises(TypeError, match="Same returned one of its parents"):
        optimizer.ask()


def test_not_a_number_is_never_the_best_nor_a_parent() -> None:
    optimizer = Optimizer(LIMITS, seed=1)
    for n in range(120):
        candidate = optimizer.ask()
        optimizer.tell(candidate, math.nan if n % 3 == 0 else loss(candidate))
    assert optimizer.best.loss < 1 and optimizer.population.counts[Status.FAILED] == 40
    ranked = optimizer.population.losses[optimizer.population.ranking.first(1000)]
    assert len(ranked) == 80 and np.isfinite(ranked).all()


def test_all_individuals_share_one_search_space() -> None:
    optimizer = Optimizer(LIMITS, seed=1)
    candidates = [optimizer.ask() for _ in range(30)]
    for candidate in candidates:
        optimizer.tell(candidate, loss(candidate))
    spaces = {id(ind.space) for ind in [*candidates, *optimizer.population]}
    assert spaces == {id(optimizer.population.space)}


def test_covariance_adaptation_keeps_its_step_while_it_gains_and_scales_apart() -> None:
    # the original had one step for all scales, and collapsed far from the minimum
    limits = {"small": (0.0, 1e-6), "large": (-1e6, 1e6)}
    optimizer = Optimizer(limits, pg.CMAPropagator(pg.ActiveCMA(), limits), seed=3)
    outstanding: list[Individual] = []
    for _ in range(800):
        candidate = optimizer.ask()
        assert 0 <= candidate["small"] <= 1e-6 and -1e6 <= candidate["large"] <= 1e6
        outstanding.append(candidate)
        if len(outstanding) > 8:
            ready = outstanding.pop(0)
            small, large = ready["small"] * 1e6 - 0.9, ready["large"] / 1e6 + 0.8
            optimizer.tell(ready, small**2 + large**2 + (small + large) ** 2)
    assert optimizer.best.loss < 1e-10


def test_an_individual_is_not_sent_twice_to_an_island() -> None:
    migration = Migration([[0, 2], [2, 0]], 0.9, pollination=True)
    cluster = VirtualCluster(loss, LIMITS, [2, 2], seed=2, migration=migration)
    sent: list[tuple[int, int, Uid]] = []
    for number, worker in enumerate(cluster.workers):
        post = worker.outbox.post

        def spy(island, kind, payload, number=number, post=post, codec=worker.codec) -> None:
            if kind == IMMIGRANT:
                sent.append((number, island, codec.uid(payload)))
            post(island, kind, payload)

        worker.outbox.post = spy
    cluster.run(200)
    assert len(sent) > 100 and len(set(sent)) == len(sent)


def test_the_journal_grows_by_the_same_for_every_evaluation(tmp_path: Path) -> None:
    path = tmp_path / "propulate" / "journal" / "i0-w0.pj"
    sizes: list[int] = []
    Propulator(
        loss,
        limits=LIMITS,
        generations=300,
        checkpoint_path=tmp_path,
        callbacks=[lambda ind: sizes.append(path.stat().st_size)],
    ).propulate()
    growth = np.diff(sizes)
    assert growth[:50].max() == growth[-50:].max() < 400


@pytest.mark.parallel([2])
@pytest.mark.parametrize("pollination", [True, False])
def test_migrants_of_thousands_of_parameters_do_not_block(comm, pollination: bool) -> None:
    limits = {f"x{i}": (0.0, 1.0) for i in range(2000)}  # the original hung from 500 on
    run = Islands(
        lambda p: float(p.genes.sum()),
        pg.get_default_propagator(4, limits, kind="ga"),
        limits=limits,
        generations=25,
        num_islands=2,
        pollination=pollination,
        checkpoint_path=None,
    )
    result = run.propulate()
    sent = comm.handle.allreduce(run.worker.counters.sent_away)
    assert sent > 10 and len(result) >= 25


@pytest.mark.parallel([3])
def test_a_run_goes_on_with_fewer_and_more_ranks(comm, tmp_path) -> None:
    folder = comm.handle.bcast(tmp_path)
    known: set[tuple[Uid, float]] = set()
    for ranks, budget in ((3, 40), (1, 60), (2, 80), (3, 100)):
        part = comm.handle.Split(comm.rank < ranks)
        if comm.rank < ranks:
            search = Propulator(
                loss, limits=LIMITS, max_evaluations=budget, comm=part, checkpoint_path=folder
            )
            found = {(ind.uid, ind.loss) for ind in search.propulate()}
            assert len(found) == budget and known <= found
            known = found
        known = comm.handle.bcast(known)
        part.Free()


@pytest.mark.parallel([2, 4])
def test_slow_and_fast_workers_spend_the_shared_budget_exactly(comm) -> None:
    def uneven(params) -> float:
        time.sleep(0.06 if comm.rank == 0 else 0.003)
        return loss(params)

    run = Propulator(uneven, limits=LIMITS, max_evaluations=60, checkpoint_path=None)
    result = run.propulate()
    assert len(result) == 60 == len({ind.uid for ind in result})
    assert comm.handle.allreduce(run.worker.counters.started) == 60
