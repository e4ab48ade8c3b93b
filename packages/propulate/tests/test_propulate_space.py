"""The search space."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propulate import Bool, Categorical, Constant, Float, Individual, Int, Ordinal, SearchSpace
from propulate.space import Design

MIXED = SearchSpace(
    {
        "lr": Float(1e-4, 1e-1, log=True),
        "x": (-5.0, 5.0),
        "step": Float(0, 1, step=0.25),
        "layers": (1, 4),
        "width": Int(1, 1000, log=True),
        "batch": (16, 32, 64, 128),
        "optimizer": ("sgd", "adam", "rmsprop"),
        "momentum": Float(0, 1, when={"optimizer": "sgd"}),
        "nesterov": Bool(when={"momentum": lambda m: m > 0.5}),
        "fixed": Constant("yes"),
    }
)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_values_and_genes_are_exact_inverses(seed: int) -> None:
    genes = MIXED.sample(np.random.default_rng(seed))
    values = MIXED.decode(genes)
    assert MIXED.decode(MIXED.encode(values)) == values
    unit = MIXED.to_unit(genes)
    assert ((unit >= 0) & (unit <= 1)).all()
    again = MIXED.from_unit(unit)
    assert np.array_equal(again[MIXED.counts > 0], genes[MIXED.counts > 0])
    assert np.allclose(again, genes, rtol=1e-12, atol=1e-12)
    assert ("momentum" in values) == (values["optimizer"] == "sgd")


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=9, max_size=9))
def test_every_unit_point_becomes_legal(unit: list[float]) -> None:
    values = MIXED.decode(MIXED.from_unit(np.array(unit)))
    assert 1e-4 <= values["lr"] <= 1e-1
    assert values["batch"] in {16, 32, 64, 128}
    assert 1 <= values["width"] <= 1000
    assert values["step"] in {0, 0.25, 0.5, 0.75, 1}


@pytest.mark.parametrize(
    ("limit", "kind"),
    [
        ((0, 1.0), Float),
        ((0, 1), Int),
        ((np.float64(0), np.float64(1)), Float),
        ((np.int64(0), np.int64(3)), Int),
        ((1, 2, 4), Ordinal),
        ([1, 2, 4], Ordinal),
        (("a", "b"), Categorical),
        ((True, False), Bool),
    ],
)
def test_types_are_inferred_from_tuples(limit: object, kind: type) -> None:
    assert type(SearchSpace({"p": limit}).parameters["p"]) is kind


def test_reversed_bounds_are_sorted_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="is taken as"):
        space = SearchSpace({"lr": (0.01, 0.0001)})
    assert space.parameters["lr"] == Float(0.0001, 0.01)


@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"p": ()},
        {"p": (1,)},
        {"p": (1.0, 1.0)},
        {"p": (0.0, math.inf)},
        {"p": (-1e308, 1e308)},
        {"p": (0, 2**70)},
        {"p": (0, 10**400)},
        {"p": ("a", "a")},
        {"_p": (0.0, 1.0)},
        {1: (0.0, 1.0)},
        {"a": Float(0, 1, when={"b": 1}), "b": Float(0, 1, when={"a": 1})},
        {"a": Float(0, 1, when={"c": 1})},
    ],
)
def test_limits_that_make_no_sense_are_refused(limits: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        SearchSpace(limits)


def test_a_log_scale_needs_positive_bounds() -> None:
    with pytest.raises(ValueError, match="positive lower bound"):
        Float(0, 1, log=True)


def test_single_coordinates_and_activity_agree_with_the_whole_point() -> None:
    genes = np.array([MIXED.sample(np.random.default_rng(seed)) for seed in range(100)])
    unit = MIXED.to_unit(genes)
    active = MIXED.active(genes)
    for row in range(100):
        values = MIXED.decode(genes[row])
        assert active[row].tolist() == [name in values for name in MIXED.names]
        for i in range(MIXED.n):
            assert MIXED.unit_at(genes[row, i], i) == pytest.approx(unit[row, i], abs=1e-12)
            back = MIXED.gene_at(unit[row, i], i)
            assert back == pytest.approx(MIXED.from_unit(unit[row])[i], rel=1e-12)
    assert active.any(axis=0).all() and not active.all(axis=0).all()


def test_the_description_restores_the_space() -> None:
    space = SearchSpace(
        {"a": Float(1, 2, log=True), "b": ("x", "y"), "c": Int(0, 9, when={"b": "x"})}
    )
    again = SearchSpace.from_json(space.to_json())
    assert again == space
    assert again.decode(again.encode({"a": 1.5, "b": "y"})) == {"a": 1.5, "b": "y"}


@pytest.mark.parametrize("n", [1, 2, 21])
def test_sobol_points_stratify_every_dimension(n: int) -> None:
    design = Design(n, "sobol", seed=3)
    points = np.array([design.point(i) for i in range(256)])
    for column in points.T:
        assert sorted((column * 256).astype(int)) == list(range(256))


def test_other_designs_cover_the_cube() -> None:
    latin = Design(40, "sobol", 0)
    points = np.array([latin.point(i) for i in range(64)])
    assert all(sorted((c * 64).astype(int)) == list(range(64)) for c in points.T)
    grid = Design(2, "grid", counts=np.array([2, 3]))
    assert len({tuple(grid.point(i)) for i in range(len(grid))}) == 6
    with pytest.raises(ValueError, match="design must be"):
        Design(2, "random")


def test_assigning_categories_keeps_the_one_hot_layout_in_step() -> None:
    # with two encoded columns before it, the original decoded to another category
    limits = {"a": ("p", "q"), "b": (0.0, 1.0), "c": ("u", "v", "w", "x")}
    individual = Individual({"a": "q", "b": 0.5, "c": "x"}, limits)
    for choice in ("u", "w", "v", "x", "v"):
        individual["c"] = choice
        assert individual["c"] == choice
        assert individual.position[3:].sum() == 1
        assert Individual(individual.position, limits)["c"] == choice


def test_an_individual_is_a_mapping_with_private_extras() -> None:
    individual = Individual([0.5, 2.0], {"x": (0.0, 1.0), "n": (0, 5)})
    assert dict(individual) == {"x": 0.5, "n": 2}
    individual["_note"] = 1
    assert "_note" in individual and len(individual) == 2
    del individual["_note"]
    with pytest.raises(KeyError):
        del individual["x"]
    with pytest.raises(ValueError, match="expected 2 numbers"):
        Individual([0.5], individual.space)
    with pytest.raises(ValueError, match="unknown"):
        Individual({"y": 1}, individual.space)
    assert individual.replace(n=3)["n"] == 3 and individual["n"] == 2
