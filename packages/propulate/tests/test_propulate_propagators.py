"""Propagators on their own: swarms, simplices, models, several objectives, combinations."""

from __future__ import annotations

import math

import numpy as np
import pytest

from propulate import (
    Float,
    Individual,
    Int,
    Islands,
    Optimizer,
    Propulator,
    SearchSpace,
    Status,
    Uid,
    topologies,
)
from propulate import propagators as pg
from propulate.propagators.bayesian import soften
from propulate.propagators.pareto import crowding_distances, domination_ranks
from propulate.utils.benchmark_functions import zdt

NUMBERS = {"x": (-5.0, 5.0), "y": (0.0, 1e-3), "n": (0, 20)}
MIXED = {**NUMBERS, "c": ("a", "b", "d")}


def loss(params) -> float:
    far = (params["x"] - 1) ** 2 + (1e3 * params["y"] - 0.3) ** 2 + (params["n"] - 7) ** 2 / 40
    return far + (params.get("c", "b") != "b")


def search(propagator, limits, n: int, late: int = 4, seed: int = 1) -> Optimizer:
    optimizer = Optimizer(limits, propagator, seed=seed, budget=n)
    waiting = []
    for _ in range(n):
        candidate = optimizer.ask()
        assert -5 <= candidate["x"] <= 5 and 0 <= candidate["y"] <= 1e-3
        assert 0 <= candidate["n"] <= 20
        waiting.append(candidate)
        if len(waiting) > late:
            done = waiting.pop(0)
            optimizer.tell(done, loss(done))
    return optimizer


SWARMS = [
    pg.BasicPSO,
    pg.VelocityClampingPSO,
    pg.ConstrictionPSO,
    pg.CanonicalPSO,
    pg.StatelessPSO,
]


@pytest.mark.parametrize("kind", SWARMS)
@pytest.mark.parametrize("neighbourhood", ["global", "ring"])
def test_swarms_stay_in_the_box_and_find_the_minimum(kind, neighbourhood: str) -> None:
    swarm = kind(limits=NUMBERS, neighbourhood=neighbourhood)
    assert search(swarm, NUMBERS, 600, late=2).best.loss < 0.1


def test_a_particle_moves_by_the_formula() -> None:
    swarm = pg.BasicPSO(0.5, 0.0, 0.0, limits=NUMBERS, particles_per_worker=1, rng=0)
    optimizer = Optimizer(NUMBERS, swarm)
    first = optimizer.ask()
    velocity, unit = first.velocity, first.unit
    assert np.abs(velocity).max() <= 0.1
    optimizer.tell(first, 1.0)
    second = optimizer.ask()
    assert second.velocity == pytest.approx(0.5 * velocity)
    assert second["x"] == pytest.approx(10 * (unit[0] + 0.5 * velocity[0]) - 5)


def test_a_particle_that_leaves_the_box_comes_back_in() -> None:
    swarm = pg.BasicPSO(1.0, 0.0, 0.0, limits={"x": (0.0, 1.0)}, particles_per_worker=1, rng=0)
    ind = Individual([0.9], {"x": (0.0, 1.0)}, np.array([0.3]))
    ind.uid, ind.loss, ind.status = Uid(0, 0, 0), 1.0, Status.COMPLETE
    optimizer = Optimizer({"x": (0.0, 1.0)}, swarm)
    optimizer._breeder.learn(ind)
    child = optimizer.ask()
    assert child["x"] == pytest.approx(0.8) and child.velocity == pytest.approx([-0.3])


def test_swarms_say_what_they_cannot_do() -> None:
    with pytest.raises(TypeError, match=r"\['c'\] are categories"):
        pg.BasicPSO(limits=MIXED)
    with pytest.raises(ValueError, match="must exceed 4"):
        pg.ConstrictionPSO(2.0, 2.0, limits=NUMBERS)
    with pytest.raises(TypeError, match="needs limits"):
        pg.StatelessPSO()
    with pytest.warns(DeprecationWarning, match="rank= is ignored"):
        pg.BasicPSO(0.7, 1.5, 1.5, 0, NUMBERS)


@pytest.mark.parallel([4])
def test_swarms_and_simplices_work_on_islands() -> None:
    # in the original, a particle on the second island did not find its own individuals
    for kind in (pg.BasicPSO, pg.ParallelNelderMead):
        result = Islands(
            loss, kind(limits=NUMBERS), generations=40, num_islands=2, checkpoint_path=None
        ).propulate()
        assert result.n_failed == 0 and result.best_loss < 1


def test_the_simplex_converges_on_a_curved_valley() -> None:
    def rosenbrock(p) -> float:
        return 100 * (p["a"] ** 2 - p["b"]) ** 2 + (1 - p["a"]) ** 2

    limits = {"a": (-2.0, 2.0), "b": (-2.0, 2.0)}
    for late, n, bar in ((0, 250, 1e-6), (5, 1500, 1e-3)):
        simplex = pg.ParallelNelderMead(limits, start={"a": -1.2, "b": 1.0})
        optimizer = Optimizer(limits, simplex, seed=3)
        waiting = []
        for _ in range(n):
            waiting.append(optimizer.ask())
            if len(waiting) > late:
                done = waiting.pop(0)
                optimizer.tell(done, rosenbrock(done))
        assert optimizer.best.loss < bar


def test_the_simplex_makes_the_moves_of_the_book() -> None:
    limits = {"a": (0.0, 1.0), "b": (0.0, 1.0)}
    simplex = pg.ParallelNelderMead(limits, start={"a": 0.4, "b": 0.4}, scale=0.2)
    optimizer = Optimizer(limits, simplex)
    vertices = [optimizer.ask() for _ in range(3)]
    assert [list(v.values()) for v in vertices] == [
        pytest.approx(p) for p in ([0.4, 0.4], [0.6, 0.4], [0.4, 0.6])
    ]
    for vertex, value in zip(vertices, (1.0, 2.0, 3.0), strict=True):
        optimizer.tell(vertex, value)

    def move(value: float) -> list[float]:
        candidate = optimizer.ask()
        optimizer.tell(candidate, value)
        return list(candidate.values())

    assert move(0.5) == pytest.approx([0.6, 0.2])  # reflected through (0.5, 0.4), a new best
    assert move(0.7) == pytest.approx([0.7, 0.0])  # expanded, and worse than the reflected one
    assert move(1.5) == pytest.approx([0.4, 0.2])  # neither best nor second worst
    assert move(9.0) == pytest.approx([0.45, 0.25])  # outside contraction, in vain
    assert {tuple(np.round(move(5.0), 6)) for _ in range(2)} == {(0.5, 0.3), (0.6, 0.3)}  # shrunk


@pytest.mark.parametrize(
    ("make", "bar"),
    [
        (lambda: pg.CMAPropagator(pg.BasicCMA(), MIXED), 0.05),
        (lambda: pg.CMAPropagator(pg.ActiveCMA(), MIXED), 0.05),
        (lambda: pg.DifferentialEvolution(MIXED), 0.05),
        (lambda: pg.TPE(MIXED), 0.3),
    ],
)
def test_models_solve_mixed_problems(make, bar: float) -> None:
    optimizer = search(make(), MIXED, 600)
    assert optimizer.best.loss < bar and optimizer.best["c"] == "b"
    state = optimizer._breeder.propagator.state_dict()
    again = make()
    again.load_state_dict(state)
    assert again.state_dict() == state


def test_cma_needs_numbers_and_de_a_pool() -> None:
    with pytest.raises(TypeError, match="numeric"):
        pg.CMAPropagator(pg.BasicCMA(), {"c": ("a", "b")})
    with pytest.raises(ValueError, match="at least 6"):
        pg.DifferentialEvolution(NUMBERS, 3)
    with pytest.raises(ValueError, match="n_startup"):
        pg.TPE(NUMBERS, n_startup=0)


CONDITIONAL = {
    "rate": Float(1e-5, 1.0, log=True),
    "units": Int(1, 64, log=True),
    "kind": ("a", "b", "d"),
    "decay": Float(0.0, 1.0, when={"kind": "b"}),
}


def conditional_loss(params) -> float:
    gain = 1 - abs(params["decay"] - 0.4) if params["kind"] == "b" else 0.0
    distance = (math.log10(params["rate"]) + 2) ** 2 / 4 + math.log2(params["units"] / 16) ** 2 / 9
    return distance - gain


@pytest.mark.parametrize("alone", [False, True])
def test_small_budgets_of_mixed_spaces_are_used_well(alone: bool) -> None:
    found = []
    for seed in range(3):
        propagator = pg.BayesianPropagator(CONDITIONAL) if alone else None
        optimizer = Optimizer(CONDITIONAL, propagator, seed=seed, budget=60)
        waiting = []
        for n in range(60):
            waiting.append(optimizer.ask())
            if len(waiting) == 4:
                first = waiting.pop(0)
                value = conditional_loss(first)
                optimizer.tell(first, value, pruned=n % 5 == 0 and value > 0.5)
        found.append(optimizer.best.loss)
    assert np.median(found) < -0.9  # the minimum is -1; 60 random points reach -0.5
    again = pg.BayesianPropagator(CONDITIONAL)
    again.load_state_dict({"logs": [0.1] * 5})
    assert again.state_dict() == {"logs": [0.1] * 5}
    with pytest.raises(ValueError, match="n_startup"):
        pg.BayesianPropagator(CONDITIONAL, n_startup=1)


def test_gaussian_processes_propose_no_known_point_and_bear_equal_losses() -> None:
    limits = {"a": ("x", "y", "z"), "n": (1, 3)}
    optimizer = Optimizer(limits, pg.BayesianPropagator(limits, n_startup=2), seed=1)
    seen = set()
    for _ in range(2):
        candidate = optimizer.ask()
        optimizer.tell(candidate, 0.0)
        seen.add(tuple(candidate.values()))
    while len(seen) < 9:
        candidate = optimizer.ask()
        assert tuple(candidate.values()) not in seen
        seen.add(tuple(candidate.values()))
        optimizer.tell(candidate, 0.0)


def test_losses_are_softened_above_the_median_and_keep_their_order() -> None:
    losses = np.array([0.0, 1.0, 2.0, 1e9, 1e12, 3.0])  # the last one is a pruned one
    softened = soften(losses, 5)
    assert np.all(np.diff(softened[:5]) > 0) and softened[5] == softened[3]
    assert softened[4] - softened[0] < 60 * (softened[1] - softened[0])
    assert soften(np.full(4, 2.0), 2).tolist() == [0.0] * 4


def test_fronts_agree_with_their_definition() -> None:
    rng = np.random.default_rng(0)
    losses = rng.integers(0, 12, (80, 3)).astype(float)
    violations = np.where(rng.random(80) < 0.3, rng.integers(1, 4, 80), 0).astype(float)

    def dominates(a: int, b: int) -> bool:
        if violations[a] != violations[b]:
            return bool(violations[a] < violations[b])
        return bool((losses[a] <= losses[b]).all() and (losses[a] < losses[b]).any())

    left, ranks, front = set(range(80)), np.empty(80, int), 0
    while left:
        best = {b for b in left if not any(dominates(a, b) for a in left)}
        ranks[list(best)] = front
        left -= best
        front += 1
    assert np.array_equal(domination_ranks(losses, violations), ranks)
    line = np.array([[0.0, 4.0], [1.0, 2.0], [4.0, 0.0]])
    assert crowding_distances(line).tolist() == [math.inf, 2.0, math.inf]
    front = rng.random((30, 3))
    for i, distance in enumerate(crowding_distances(front)):
        sides = 0.0
        for column in front.T:  # the sides of the box between the next ones, as the article has it
            below, above = column[column < column[i]], column[column > column[i]]
            ends = not len(below) or not len(above)
            sides += math.inf if ends else (above.min() - below.max()) / np.ptp(column)
        assert distance == pytest.approx(sides)


def test_several_objectives_give_a_spread_front() -> None:
    losses, limits = zdt(1, 3)
    result = Propulator(
        losses,
        limits=limits,
        directions=["minimize", "minimize"],
        max_evaluations=1200,
        checkpoint_path=None,
        seed=1,
    ).propulate()
    front = np.array([ind.losses for ind in result.pareto_front])
    off = front[:, 1] - (1 - np.sqrt(front[:, 0]))
    assert np.median(off) < 0.02 and len(front) > 30
    assert front[:, 0].min() < 0.05 and front[:, 0].max() > 0.95
    assert result.hypervolume([1.1, 1.1]) > 0.83  # 0.8767 is the whole


def test_combinations_choose_by_phase_worker_and_island() -> None:
    first, later = pg.InitUniform(NUMBERS, rng=0), pg.InitUniform(NUMBERS, rng=1)
    schedule = pg.Schedule([(3, first), (5, later)])
    counts = {id(first): 0, id(later): 0}
    for propagator in (first, later):
        call = propagator.__call__
        assert callable(call)
    optimizer = Optimizer(NUMBERS, schedule)
    for _ in range(6):
        present = schedule.phases[0 if len(optimizer.population) < 3 else 1][1]
        expected = pg.InitUniform(NUMBERS)
        expected._generator = np.random.default_rng()
        expected._generator.bit_generator.state = present.generator.bit_generator.state
        candidate = optimizer.ask()
        assert dict(candidate) == dict(expected())
        optimizer.tell(candidate, 1.0)
        counts[id(present)] += 1
    assert counts == {id(first): 3, id(later): 3}
    with pytest.raises(ValueError, match="must increase"):
        pg.Schedule([(5, first), (3, later)])
    islands = pg.PerIsland({0: first, 1: later})
    islands.bind(pg.Context(SearchSpace(NUMBERS), np.random.default_rng(), island=1))
    assert islands.children() == (later,)
    with pytest.raises(RuntimeError, match="inside of a search"):
        pg.PerWorker(lambda context: first)([])


@pytest.mark.parametrize("kind", [pg.CrossoverSBX, pg.CrossoverBlend, pg.CrossoverArithmetic])
def test_unit_crossovers_are_legal_and_centred_on_the_parents(kind) -> None:
    parents = [
        Individual(dict(zip(MIXED, v, strict=True)), MIXED)
        for v in ((-2.0, 4e-4, 5, "a"), (2.0, 6e-4, 9, "b"))
    ]
    cross = kind(MIXED, probability=1.0, rng=0)
    children = [cross(parents) for _ in range(400)]
    assert all(MIXED["x"][0] <= c["x"] <= MIXED["x"][1] and c["c"] in "ab" for c in children)
    mean = np.mean([c["y"] for c in children])
    assert mean == pytest.approx(4.5e-4 if kind is pg.CrossoverSBX else 5e-4, abs=3e-5)
    never = kind(MIXED, probability=0.0, rng=0)(parents)
    assert dict(never) == dict(parents[0]) and never is not parents[0]


def test_selections_prefer_what_they_say() -> None:
    inds = []
    for seq in range(10):
        ind = Individual([0.0, 0.0, 0.0], NUMBERS)
        ind.uid, ind.loss, ind.status = Uid(0, 0, seq), float(seq), Status.COMPLETE
        inds.append(ind)
    assert [i.loss for i in pg.SelectYoungest(3)(inds)] == [9, 8, 7]
    select = pg.SelectRank(1, 2.0, rng=0)
    drawn = [select(inds)[0].loss for _ in range(2000)]
    assert np.bincount(np.array(drawn, int), minlength=10)[0] == pytest.approx(400, abs=75)
    boltzmann = pg.SelectBoltzmann(1, 2.0, rng=0)
    share = np.mean([boltzmann(inds)[0].loss == 0 for _ in range(2000)])
    assert share == pytest.approx(1 / sum(math.exp(-k / 2) for k in range(10)), abs=0.04)
    with pytest.raises(ValueError, match="pressure"):
        pg.SelectRank(1, 3.0)


def test_topologies_connect_whom_they_say() -> None:
    assert topologies.fully_connected(3, 2).tolist() == [[0, 2, 2], [2, 0, 2], [2, 2, 0]]
    assert topologies.ring(3).tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0]]
    assert topologies.ring(4, bidirectional=True).sum() == 8
    assert topologies.star(3).tolist() == [[0, 1, 1], [1, 0, 0], [1, 0, 0]]
    assert (topologies.torus(9).sum(axis=1) == 4).all()
    assert (topologies.hypercube(8).sum(axis=1) == 3).all()
    assert (topologies.random(6, 2, seed=1).sum(axis=1) == 2).all()
    for table in (topologies.torus(6), topologies.random(5), topologies.ring(1)):
        assert not table.diagonal().any()
    with pytest.raises(ValueError, match="hypercube"):
        topologies.hypercube(6)


def test_names_of_custom_operators_survive_in_the_journal(tmp_path) -> None:
    class Mine(pg.InitUniform):
        pass

    from propulate import load_result

    Propulator(loss, Mine(MIXED), generations=3, checkpoint_path=tmp_path).propulate()
    assert [ind.operator for ind in load_result(tmp_path / "propulate")] == ["Mine"] * 3
