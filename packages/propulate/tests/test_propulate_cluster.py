"""Many workers in one process: nothing is lost, whatever the order of events."""

from __future__ import annotations

import pytest

from propulate import Status
from propulate.engine.worker import Migration
from propulate.testing import VirtualCluster

LIMITS = {"x": (-5.0, 5.0), "n": (0, 20)}


def loss(params) -> float:
    return (params["x"] - 1) ** 2 + (params["n"] - 7) ** 2


@pytest.mark.parametrize("seed", range(4))
def test_all_workers_of_an_island_end_with_the_same_population(seed: int) -> None:
    cluster = VirtualCluster(loss, LIMITS, [7], delay=lambda rng: rng.exponential(3.0), seed=seed)
    cluster.run(300)
    first = cluster.workers[0].population
    assert len(first) == 300
    assert all(worker.population.equals(first) for worker in cluster.workers)
    assert first.best.loss < 0.1


def test_failures_and_stragglers_are_known_to_all_workers() -> None:
    def fragile(params) -> float:
        return 1 / 0 if params["n"] % 5 == 0 else loss(params)

    cluster = VirtualCluster(
        fragile, LIMITS, [5], lambda worker, rng: rng.pareto(1.2), lambda rng: rng.pareto(1.2), 4
    )
    cluster.run(250)
    first = cluster.workers[0].population
    assert 5 < first.counts[Status.FAILED] < 150 and first.best["n"] % 5
    assert all(worker.population.equals(first) for worker in cluster.workers)


@pytest.mark.parametrize("seed", range(4))
def test_migration_leaves_each_individual_active_on_one_island(seed: int) -> None:
    # with four islands one can come back by two routes; the original confused these
    topology = [[0, 2, 1, 1], [1, 0, 1, 1], [1, 1, 0, 1], [1, 0, 1, 0]]
    migration = Migration(topology, 0.9, pollination=False)
    cluster = VirtualCluster(
        loss, LIMITS, [3, 4, 2, 2], seed=seed, migration=migration, budget=1000
    )
    cluster.run(300)
    homes: dict[object, set[int]] = {}
    for worker in cluster.workers:
        active = {ind.uid for ind in worker.population if ind.active}
        for uid in active:
            homes.setdefault(uid, set()).add(worker.island)
        twin = next(w for w in cluster.workers if w.island == worker.island)
        assert active == {ind.uid for ind in twin.population if ind.active}
    assert len(homes) == 300
    assert all(len(islands) == 1 for islands in homes.values())
    assert sum(worker.counters.sent_away for worker in cluster.workers) > 50


@pytest.mark.parametrize("seed", range(5))
def test_pollination_keeps_the_number_of_active_individuals(seed: int) -> None:
    # every immigrant of a batch displaces one; the original displaced one a batch
    migration = Migration([[0, 3], [3, 0]], 0.9, pollination=True)
    cluster = VirtualCluster(loss, LIMITS, [3, 3], seed=seed, migration=migration, budget=1000)
    cluster.run(200)
    arrived = set()
    for island in range(2):
        own, active = set(), []
        for worker in cluster.workers:
            if worker.island == island:
                own |= {ind.uid for ind in worker.population if ind.uid.island == island}
                active.append(worker.population.n_active)
                arrived |= {i.uid for i in worker.population if i.uid.island != island}
        assert active == [len(own)] * 3
    sent = sum(worker.counters.sent_away for worker in cluster.workers)
    assert 0 < len(arrived) <= sent


def test_a_slow_worker_gets_no_more_than_the_window_until_it_answers() -> None:
    slow = 1e6
    cluster = VirtualCluster(
        loss, LIMITS, [2], lambda worker, rng: slow if worker else 1.0, delay=lambda rng: 2 * slow
    )
    cluster.run(1000)
    peer = cluster.workers[0].outbox._peers[1]
    assert peer.sent == 999  # in the end it has them all
    assert len(cluster.workers[1].population) == 1000
    cluster = VirtualCluster(loss, LIMITS, [2])
    busy, _ = cluster.workers
    for _ in range(1000):
        candidate = busy.next()
        busy.finish(cluster._evaluate(candidate))
        list(busy.outbox.batches())
    assert busy.outbox._peers[1].sent == busy.outbox.window == 256


def test_uneven_durations_leave_nobody_idle() -> None:
    cluster = VirtualCluster(loss, LIMITS, [4], lambda worker, rng: 0.5 if worker == 0 else 0.05)
    cluster.run(160)
    assert cluster.busy / (4 * cluster.now) > 0.95  # the slow one starts none at the very end
    assert len(cluster.workers[0].population) == 160


def test_a_worker_that_leaves_the_rest_to_others_takes_over_when_they_stall() -> None:
    seconds = iter([1.0] * 30 + [1e3] * 100)
    cluster = VirtualCluster(
        loss, LIMITS, [2], lambda worker, rng: next(seconds) if worker else 20.0, seed=3
    )
    cluster.run(40)
    assert len(cluster.workers[0].population) == len(cluster.workers[1].population) == 40
