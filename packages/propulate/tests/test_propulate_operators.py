"""Propagators and the population that they draw from."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from propulate import Individual, Optimizer, Population, SearchSpace, Status, Uid
from propulate import propagators as pg
from propulate.engine.records import Codec
from propulate.propagators.cma import CovarianceAdaptation
from propulate.ranking import Ranking
from propulate.utils.benchmark_functions import (
    FUNCTIONS,
    bukin_n6,
    get_function_search_space,
    sphere,
    toy_hpo,
    zdt,
)
from propulate.view import PopulationView

LIMITS = {"x": (-1.0, 3.0), "n": (0, 9), "o": (1, 2, 4, 8), "c": ("a", "b", "d")}
SPACE = SearchSpace(LIMITS)


def some(k: int, seed: int = 0) -> list[Individual]:
    rng = np.random.default_rng(seed)
    found = []
    for seq in range(k):
        ind = Individual.from_genes(SPACE, SPACE.sample(rng))
        ind.uid, ind.loss, ind.status = Uid(0, 0, seq), float(rng.random()), Status.COMPLETE
        found.append(ind)
    return found


@pytest.mark.parametrize(
    "operator",
    [
        pg.PointMutation(LIMITS, 2, rng=1),
        pg.PointMutation(LIMITS, probability=0.0, rng=1),
        pg.RandomPointMutation(LIMITS, 1, 3, rng=1),
        pg.IntervalMutationNormal(LIMITS, 0.5, 2, rng=1),
        pg.IntervalMutationNormal(LIMITS, (1e-3, 0.5), rng=1),
        pg.MutationPolynomial(LIMITS, 5, 0.5, rng=1),
        pg.CrossoverUniform(0.5, rng=1),
        pg.CrossoverUniform(0.5, 0.0, rng=1),
        pg.CrossoverSigmoid(1.0, rng=1),
        pg.CrossoverMultiple(rng=1),
        pg.InitUniform(LIMITS, 1, 0.5, rng=1),
    ],
    ids=lambda operator: type(operator).__name__,
)
def test_offspring_is_new_and_legal_and_parents_stay(operator: pg.Propagator) -> None:
    parents = some(4)
    before = [ind.genes.copy() for ind in parents]
    for _ in range(100):
        child = operator(parents[: operator.parents] if operator.parents > 0 else parents)
        assert all(child is not ind and child.genes is not ind.genes for ind in parents)
        assert SPACE.decode(SPACE.encode(dict(child))) == dict(child)
    assert all(np.array_equal(a, ind.genes) for a, ind in zip(before, parents, strict=True))


def test_mutated_categories_are_uniform_over_the_others() -> None:
    parent = some(1)[0]
    parent.genes[3] = 1
    mutate = pg.RandomPointMutation(LIMITS, 4, 4, rng=0)
    counts = np.bincount([int(mutate([parent]).genes[3]) for _ in range(4000)], minlength=3)
    assert counts[1] == 0
    assert abs(counts[0] - 2000) < 4 * math.sqrt(1000)  # four standard deviations


def test_the_sigmoid_favours_the_better_parent() -> None:
    good, bad = some(2)
    good.genes, bad.genes = np.zeros(4), np.ones(4)
    good.loss, bad.loss = 0.0, 1.0
    cross = pg.CrossoverSigmoid(0.2, rng=0)
    share = np.mean([cross([bad, good]).genes for _ in range(2000)])
    assert share == pytest.approx(1 / (1 + math.exp(5)), abs=0.005)


def test_selection_ignores_nan_and_says_what_is_missing() -> None:
    inds = some(7)
    for ind, loss in zip(inds, [3, math.nan, 1, 2, math.nan, 0.5, 4], strict=True):
        ind.loss = loss
    assert [ind.loss for ind in pg.SelectMin(3)(inds)] == [0.5, 1, 2]
    assert [ind.loss for ind in pg.SelectMax(2)(inds)] == [4, 3]
    with pytest.raises(ValueError, match="takes 6 individuals, and there are 5"):
        pg.SelectMin(6)(inds)
    with pytest.raises(ValueError, match="takes 8"):
        pg.SelectUniform(8, rng=0)(inds)


def test_combinations_are_checked() -> None:
    with pytest.raises(ValueError, match="at least one"):
        pg.Compose([])
    with pytest.raises(ValueError, match="returns 1 individuals"):
        pg.Compose([pg.InitUniform(LIMITS), pg.CrossoverUniform()])
    with pytest.raises(ValueError, match="probability"):
        pg.CrossoverUniform(probability=1.5)
    with pytest.raises(ValueError, match="points must be"):
        pg.PointMutation(LIMITS, 5)
    with pytest.raises(ValueError, match="pop_size"):
        pg.get_default_propagator(1, LIMITS)


def test_operators_without_rng_do_not_share_one() -> None:
    assert pg.InitUniform(LIMITS).generator is not pg.InitUniform(LIMITS).generator


def test_the_ranking_agrees_with_sorting() -> None:
    rng, ranking, model = random.Random(1), Ranking(), []
    for row in range(4000):
        key = float(rng.randrange(500))
        ranking.add(key, row)
        model.append((key, row))
        if rng.random() < 0.4:
            victim = model.pop(rng.randrange(len(model)))
            ranking.remove(*victim)
    keys = [key for key, _ in sorted(model)]
    assert len(ranking) == len(model)
    by_row = {row: key for key, row in model}
    assert [by_row[row] for row in ranking.first(len(model)).tolist()] == keys
    assert [by_row[row] for row in ranking.last(700).tolist()] == keys[::-1][:700]
    assert ranking.position(250.0) == sum(key < 250 for key in keys)
    assert ranking.position(250.0, 100) >= 100 and ranking.position(3.0, 100) == keys.index(3.0)
    assert by_row[ranking.at(1000)] == keys[1000] == ranking.key_at(1000)
    with pytest.raises(ValueError, match="not in the ranking"):
        ranking.remove(1000.0, 1)


def test_the_population_agrees_with_a_list() -> None:
    population, inds = Population(SPACE), some(300)
    inds[5].loss, inds[5].status = math.nan, Status.FAILED
    inds[6].loss = math.inf
    for ind in inds:
        population.add(ind)
    assert population.add(inds[0]) == 0 and len(population) == 300
    view = PopulationView(population)
    good = sorted((i for i in inds if i.loss < math.inf), key=lambda i: i.loss)
    assert [i.uid for i in view.best(10)] == [i.uid for i in good[:10]]
    assert [i.uid for i in view.worst(3)] == [i.uid for i in good[:-4:-1]]
    assert population.best.uid == good[0].uid
    assert population.deactivate(good[0].uid) and not population.deactivate(good[0].uid)
    assert population.best.uid == good[1].uid
    assert len(view) == 299
    population.activate(good[0])
    assert population.best.equals(good[0])
    assert population[3] == inds[3] and population[3].equals(inds[3])
    # ≤ 8 n + 160 bytes, of which n are genes
    assert population.nbytes <= len(population) * (8 * SPACE.n + 160)


@pytest.mark.parametrize("n_objectives", [1, 2])
def test_individuals_added_together_are_as_if_one_by_one(n_objectives: int) -> None:
    rng = np.random.default_rng(4)
    codec, records = Codec(SPACE), []
    for seq, ind in enumerate(some(300)):
        ind.uid = Uid(0, int(rng.integers(3)), seq)
        ind.status = Status(int(rng.choice([Status.COMPLETE, Status.PRUNED, Status.COMPLETE])))
        ind.loss = math.inf if seq % 50 == 7 else float(rng.integers(40))  # with ties
        ind.losses = None if n_objectives == 1 else np.array([ind.loss, 1.0])
        ind.active, ind.operator = seq % 7 != 0, ("ga", "cma", "init")[seq % 3]
        records.append(codec.encode(ind))
    assert all(codec.is_plain(record, n_objectives) for record in records)
    one, many = Population(SPACE, n_objectives), Population(SPACE, n_objectives)
    for record in records:
        one.add(codec.decode(record))
    for record in records[:50]:
        many.add(codec.decode(record))
    many.extend(codec.columns(records[50:], n_objectives))
    assert one.equals(many) and one.n_active == many.n_active and one.counts == many.counts
    for worker in range(3):
        assert one.newest(0, worker).uid == many.newest(0, worker).uid
        assert one.personal_best(0, worker).uid == many.personal_best(0, worker).uid
    for k in (1, 50, 300):
        assert one.best_rows(k, k).tolist() == many.best_rows(k, k).tolist()
    for a, b in zip(one, many, strict=True):
        assert (a.uid, a.operator, a.status, a.active) == (b.uid, b.operator, b.status, b.active)
    for population in (one, many):  # and they go on alike
        population.deactivate(one[12].uid)
        population.add(codec.decode(records[3].replace(records[3][:12], bytes(12))))
    assert one.best_rows(400, 400).tolist() == many.best_rows(400, 400).tolist()


def test_nothing_that_was_handed_out_can_corrupt_the_population() -> None:
    population = Population(SPACE)
    population.add(some(1)[0])
    with pytest.raises(TypeError, match="can't be changed"):
        population[0]["x"] = 0.0


@pytest.mark.parametrize("n", [2, 10])
def test_covariance_adaptation_solves_an_ill_conditioned_quadratic(n: int) -> None:
    rng = np.random.default_rng(0)
    scale = 10 ** np.linspace(0, 4, n)
    cma = CovarianceAdaptation(n, np.full(n, 0.2), 0.3)
    best = math.inf
    for _ in range(600 * n):
        x = cma.ask(rng)
        loss = float((scale * (x - 0.6) ** 2).sum())
        cma.tell(x, loss)
        best = min(best, loss)
    assert best < 1e-10


@pytest.mark.parametrize("kind", ["adaptive", "ga"])
def test_candidates_stay_in_the_box_and_improve(kind: str) -> None:
    limits = {**LIMITS, "y": (0.0, 1e-3)}
    optimizer = Optimizer(limits, pg.get_default_propagator(20, limits, rng=2, kind=kind), seed=2)
    outstanding = []
    for _ in range(600):
        candidate = optimizer.ask()
        assert -1 <= candidate["x"] <= 3 and 0 <= candidate["y"] <= 1e-3
        loss = (candidate["x"] - 1) ** 2 + (candidate["n"] - 4) ** 2 + (candidate["c"] != "b")
        outstanding.append((candidate, loss + abs(candidate["o"] - 4)))
        if len(outstanding) > 8:  # results arrive late
            optimizer.tell(*outstanding.pop(0))
    assert optimizer.best.loss < 0.02
    assert optimizer.best["c"] == "b" and optimizer.best["n"] == 4


def test_a_seed_repeats_the_search() -> None:
    def losses() -> list[float]:
        optimizer = Optimizer(LIMITS, seed=5)
        for _ in range(150):
            candidate = optimizer.ask()
            optimizer.tell(candidate, (candidate["x"] - 1) ** 2 + candidate["n"])
        return [ind.loss for ind in optimizer.population]

    assert losses() == losses()


def test_functions_have_their_known_minima() -> None:
    at = {"bukin": (-10, 1), "himmelblau": (3, 2), "leon": (1, 1), "rosenbrock": (1, 1)}
    at |= {"keane": (1.3932491, 0), "schwefel": (420.9687,) * 10, "step": (-5.1,) * 5}
    at |= {"levy": (1,) * 10, "bisphere": (2.5,) * 30, "birastrigin": (2.5,) * 30}
    for name, (_, n, _, least) in FUNCTIONS.items():
        plain = "quartic_noisefree" if name == "quartic" else name
        function, limits = get_function_search_space(plain)
        point = dict(zip(limits, at.get(name, (0.0,) * n), strict=True))
        assert function(point) == pytest.approx(least, abs=2e-4), name
    keane, _ = get_function_search_space("keane")
    assert keane({"a": 0.0, "b": 0.0}) == 0
    with pytest.raises(ValueError, match="unknown function"):
        get_function_search_space("nothing")
    assert sphere({"a": 3.0, "b": 4.0}) == 25 and bukin_n6({"x": -10.0, "y": 1.0}) == 0
    toy, limits = toy_hpo()
    space, rng = SearchSpace(limits), np.random.default_rng(0)
    best = {"rate": 0.01, "layers": 3, "activation": "relu", "optimizer": "sgd", "momentum": 0.9}
    assert toy(best) == 0 < min(toy(space.decode(space.sample(rng))) for _ in range(50))
    for number, second in ((1, 0.5), (2, 0.9375), (3, 0.5 - 0.25 * math.sin(2.5 * math.pi))):
        losses, limits = zdt(number, 4)
        on_front = dict(zip(limits, (0.25, 0.0, 0.0, 0.0), strict=True))
        assert losses(on_front) == pytest.approx((0.25, second)), number
        assert losses(on_front | {"b": 0.5})[1] > second + 1
