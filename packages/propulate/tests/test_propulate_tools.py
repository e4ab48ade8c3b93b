"""What is done with results: Optuna, containers, importances, plots, the command."""

from __future__ import annotations

import json
import math
import pickle
import subprocess

import h5py
import numpy as np
import optuna
import pytest

from propulate import (
    Float,
    Int,
    Islands,
    Propulator,
    Result,
    Status,
    get_default_propagator,
    load_result,
    plot,
    propagators,
    pruners,
)
from propulate.cli import main
from propulate.hypervolume import hypervolume
from propulate.importance import correlation_ratio
from propulate.integrations.optuna import (
    PropulateSampler,
    export,
    from_optuna,
    space_from_optuna,
    space_to_optuna,
)
from propulate.integrations.original import from_checkpoint
from propulate.space import SearchSpace

optuna.logging.set_verbosity(optuna.logging.WARNING)
LIMITS = {
    "lr": Float(1e-4, 1e-1, log=True),
    "layers": (1, 4),
    "kind": ("a", "b", "d"),
    "momentum": Float(0, 1, when={"kind": "a"}),
}


def loss(params) -> dict[str, float]:
    if params.uid.seq == 7:
        raise KeyError("lost")
    value = abs(math.log10(params["lr"]) + 2) + (params["layers"] - 2) ** 2
    return {"loss": value + params.get("momentum", 0.5), "accuracy": 1 - value}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("run")
    Propulator(loss, limits=LIMITS, generations=40, checkpoint_path=path, seed=1).propulate()
    return path / "propulate"


# ---------------------------------------------------------------------- Optuna


def test_an_optuna_study_runs_with_the_sampler() -> None:
    def objective(trial) -> float:
        x = trial.suggest_float("x", -5, 5)
        kind = trial.suggest_categorical("kind", ["a", "b"])
        if kind == "b":
            trial.suggest_int("extra", 1, 9)  # not in all trials
        if trial.number == 12:
            raise optuna.TrialPruned
        return (x - 1) ** 2 + (kind == "a")

    study = optuna.create_study(sampler=PropulateSampler(seed=1))
    study.enqueue_trial({"x": 0.5, "kind": "b"})
    study.optimize(objective, n_trials=80)
    assert study.best_value < 0.05 and study.best_params["kind"] == "b"
    population = study.sampler._breeder.population
    assert len(population) == 79  # all but the last
    assert population.counts[Status.FAILED] == 1  # pruned before it reported a value
    again = optuna.create_study(sampler=PropulateSampler(seed=1))
    again.enqueue_trial({"x": 0.5, "kind": "b"})
    again.optimize(objective, n_trials=80)
    assert [t.params for t in again.trials] == [t.params for t in study.trials]
    with pytest.raises(ValueError, match="kind must be"):
        PropulateSampler("best")


def test_the_sampler_handles_directions_failures_and_several_objectives() -> None:
    study = optuna.create_study(direction="maximize", sampler=PropulateSampler("ga", seed=0))
    study.optimize(
        lambda t: -abs(t.suggest_int("n", 1, 1000, log=True) - 30) if t.number % 9 else math.nan,
        n_trials=70,
    )
    assert study.best_value > -5
    study = optuna.create_study(
        directions=["minimize", "maximize"], sampler=PropulateSampler(seed=0)
    )
    study.optimize(lambda t: (t.suggest_float("x", 0, 1), t.suggest_float("y", 0, 1)), n_trials=150)
    values = np.array([t.values for t in study.best_trials])
    assert values[:, 0].min() < 0.1 and values[:, 1].max() > 0.9


def test_spaces_and_trials_travel_to_optuna_and_back(folder) -> None:
    space = SearchSpace({k: v for k, v in LIMITS.items() if k != "momentum"})
    assert space_from_optuna(space_to_optuna(space)) == space
    result = load_result(folder)
    study = export(result, "sqlite:///:memory:")
    assert study.best_value == pytest.approx(result.best_loss)
    assert [t.state.name for t in study.trials].count("FAIL") == 1
    assert study.trials[3].user_attrs["accuracy"] == result.individuals[3].metrics["accuracy"]
    warm = Propulator(
        loss, limits=LIMITS, generations=60, initial=from_optuna(study), checkpoint_path=None
    ).propulate()
    assert warm.best_loss <= result.best_loss
    assert sum(ind.operator == "initial" for ind in warm) == 39


# ---------------------------------------------------------------------- files


def test_checkpoints_of_the_original_are_a_warm_start(tmp_path, monkeypatch) -> None:
    class Individual:  # as far as the original's are looked at
        def __init__(self, position: list[float], loss: float) -> None:
            self.limits = {"x": (-5.0, 5.0), "kind": ("a", "b"), "n": (1, 9), "m": (8, 16, 32)}
            self.position, self.loss = np.array(position), loss

    Individual.__module__, Individual.__qualname__ = "propulate.population", "Individual"
    monkeypatch.setattr("propulate.population.Individual", Individual)
    rows = [1.5, 0, 1, 3, 16], [-2.0, 1, 1, 9, 8], [9.0, 1, 0, 3, 16], [0.0, 1, 0, 3, 12]
    known = [Individual(row, loss) for row, loss in zip(rows, (1.0, 2.0, 3.0, 4.0), strict=True)]
    known.append(Individual([0.0, 1, 0, 1, 8], math.inf))
    path = tmp_path / "island_0_ckpt.pickle"
    path.write_bytes(pickle.dumps(known))
    monkeypatch.undo()
    first = {"x": 1.5, "kind": "b", "n": 3, "m": 16}
    assert from_checkpoint(path) == [(first, 1.0), ({"x": -2.0, "kind": "a", "n": 9, "m": 8}, 2.0)]
    optimum = Propulator(
        lambda p: 7.0,
        limits=known[0].limits,
        max_evaluations=3,
        checkpoint_path=None,
        initial=from_checkpoint(path),
    ).propulate()
    assert optimum.best_loss == 1.0 and optimum.best_params == first
    for wrong in (b"", path.read_bytes()[:60], pickle.dumps([1, 2]), pickle.dumps(subprocess.run)):
        path.write_bytes(wrong)
        with pytest.raises(ValueError, match="no checkpoint of the original"):
            from_checkpoint(path)


def test_the_container_keeps_everything(folder, tmp_path) -> None:
    result = load_result(folder)
    path = tmp_path / "all.h5"
    result.to_hdf5(path)
    again = load_result(path)
    assert again.population.equals(result.population) and again.n_failed == 1
    for old, new in zip(result, again, strict=True):
        assert dict(old) == dict(new) and old.uid == new.uid and old.metrics == new.metrics
        assert (old.error, old.operator, old.evaltime) == (new.error, new.operator, new.evaltime)
    with h5py.File(path) as file:  # as another program sees it
        assert file["parameters/lr"].shape == (40,)
        assert file["individuals/status"][7] == b"FAILED"
        assert file["individuals/evalperiod"].attrs["unit"] == "s"
        assert np.isnan(file["parameters/momentum"][:]).any()
    with h5py.File(tmp_path / "other.h5", "w"):
        pass
    with pytest.raises(ValueError, match="no container"):
        load_result(tmp_path / "other.h5")


def test_the_container_keeps_signs_interim_losses_and_objectives(tmp_path) -> None:
    def training(params):
        yield from (params["x"] / 4, params["x"] / 2, params["x"])

    limits = {"x": (0.0, 1.0)}
    result = Propulator(
        training,
        limits=limits,
        generations=12,
        direction="maximize",
        surrogate_factory=pruners.MedianPruner,
        checkpoint_path=None,
    ).propulate()
    result.to_hdf5(tmp_path / "a.h5")
    again = load_result(tmp_path / "a.h5")
    assert [i.interim for i in again] == [i.interim for i in result]
    assert again.best_loss == result.best_loss and again.n_pruned == result.n_pruned
    two = Propulator(
        lambda p: (p["x"], -p["x"]),
        limits=limits,
        generations=5,
        directions=["minimize", "maximize"],
        checkpoint_path=None,
    ).propulate()
    two.to_hdf5(tmp_path / "b.h5")
    again = load_result(tmp_path / "b.h5")
    assert [i.losses.tolist() for i in again] == [i.losses.tolist() for i in two]


def test_an_empty_result_can_be_written(tmp_path) -> None:
    empty = Propulator(loss, limits=LIMITS, generations=0, checkpoint_path=None).propulate()
    empty.to_hdf5(tmp_path / "e.h5")
    assert len(load_result(tmp_path / "e.h5")) == 0


# ---------------------------------------------------------------------- numbers


def test_importances_find_what_matters() -> None:
    result = Propulator(
        lambda p: 3 * abs(p["a"] - 0.5) + (p["c"] == "u") + 0.01 * p["n"],
        limits={"a": (0.0, 1.0), "b": (0.0, 1.0), "c": ("u", "v", "w"), "n": Int(1, 5)},
        propagator=propagators.InitUniform,
        generations=400,
        checkpoint_path=None,
    ).propulate()
    shares = result.importances()
    assert sum(shares.values()) == pytest.approx(1)
    assert set(list(shares)[:2]) == {"a", "c"} and shares["b"] < 0.1
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 4, 4000)
    assert correlation_ratio(groups, rng.standard_normal(4000)) < 0.01
    # variance 1.25 between the groups, and 1 within
    share = correlation_ratio(groups, groups + rng.standard_normal(4000))
    assert share == pytest.approx(1.25 / 2.25, abs=0.03)
    assert correlation_ratio(groups, np.ones(4000)) == 0


def test_hypervolumes_agree_with_counting() -> None:
    rng = np.random.default_rng(1)
    for m in (1, 2, 3):
        points = rng.integers(0, 6, (7, m)).astype(float)
        grid = np.stack(np.meshgrid(*[np.arange(6) + 0.5] * m), -1).reshape(-1, m)
        cells = (points[:, None] <= grid[None]).all(2).any(0).sum()
        assert hypervolume(points, np.full(m, 6.0)) == pytest.approx(cells)
    four = np.array([[0.0, 0.0, 0.0, 0.5]])
    assert hypervolume(four, np.ones(4)) == pytest.approx(0.5, rel=0.02)
    assert hypervolume(four, np.zeros(4)) == 0


# ---------------------------------------------------------------------- plots and the command


@pytest.mark.parametrize("kind", [k for k in plot.KINDS if k != "pareto"])
def test_each_plot_is_drawn(kind: str, folder, tmp_path) -> None:
    figure = plot.KINDS[kind](load_result(folder))
    figure.savefig(tmp_path / "p.svg")
    assert (tmp_path / "p.svg").read_text().count("<path") > 3
    assert figure.axes[0].get_xlabel() or kind == "parallel"


def test_plots_show_the_data(folder) -> None:
    result = load_result(folder)
    best = plot.history(result).axes[0].lines[1].get_ydata()
    assert best[-1] == result.best_loss and len(best) == 39
    assert plot.history(result, by="time").axes[0].get_xlabel() == "time / s"
    with pytest.raises(ValueError, match="by must be"):
        plot.history(result, by="day")
    with pytest.raises(ValueError, match="one objective"):
        plot.pareto_front(result)
    with pytest.raises(ValueError, match="nothing to draw"):
        plot.history(Result([type(result.population)(result.space)]))
    family = Islands(
        lambda p: p["x"] ** 2,
        limits={"x": (0.0, 1.0), "y": (0.0, 1.0)},
        propagator=lambda space: get_default_propagator(8, space, kind="ga"),
        generations=60,
        checkpoint_path=None,
    ).propulate()
    assert len(plot.lineage(family).axes[0].lines) > 3


def test_the_command_shows_and_exports(folder, tmp_path, capsys) -> None:
    assert main(["status", str(folder)]) == 0
    text = capsys.readouterr().out
    assert "40 evaluations ended, 1 failed" in text and "best:" in text
    assert main(["top", str(folder), "-n", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and float(lines[0].split()[0]) <= float(lines[1].split()[0])
    for kind in ("csv", "json", "parquet", "h5"):
        assert main(["export", str(tmp_path / f"all.{kind}"), str(folder)]) == 0
        assert (tmp_path / f"all.{kind}").stat().st_size > 100
    assert main(["plot", "history", str(tmp_path / "h.png"), str(folder)]) == 0
    assert main(["merge", str(folder)]) == 0
    assert main(["top", str(folder / "result.h5")]) == 0
    assert main(["optuna-export", f"sqlite:///{tmp_path}/s.db", str(folder)]) == 0
    assert "40 trials" in capsys.readouterr().out


def test_the_command_says_what_is_wrong(folder, tmp_path, capsys) -> None:
    for arguments, words in (
        (["status", str(tmp_path)], "no journal"),
        (["export", str(tmp_path / "all.xls"), str(folder)], "must end in"),
        (["plot", "pie", str(tmp_path / "p.png"), str(folder)], "no plot 'pie'"),
    ):
        assert main(arguments) == 1
        assert words in capsys.readouterr().err


def test_the_command_runs_a_function(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("def f(p):\n    return (p['x'] - 1) ** 2 + p['n']\n")
    (tmp_path / "space.json").write_text(json.dumps({"x": [-5.0, 5.0], "n": [0, 3]}))
    run = ["run", "mine:f", "--limits", "space.json", "--max-evaluations", "60"]
    assert main(run) == 0
    assert "60 evaluations" in capsys.readouterr().out
    assert len(load_result("propulate")) == 60
    assert main(["run", "mine:g", "--limits", "space.json"]) == 1
    assert "no function g" in capsys.readouterr().err
    assert main(["bench", "--evaluations", "200", "--dimensions", "3"]) == 0
    assert "us CPU per evaluation" in capsys.readouterr().out


def test_status_shows_what_is_running(folder, tmp_path, capsys) -> None:
    Propulator(loss, limits=LIMITS, generations=4, checkpoint_path=tmp_path).propulate()
    from propulate.storage.journal import read_journal

    path = tmp_path / "propulate" / "journal" / "i0-w0.pj"
    started = [frame for frame in read_journal(path)[1] if frame[0] == 5][-1][1]
    data = path.read_bytes()
    path.write_bytes(data[: data.index(started) + len(started) + 4])
    assert main(["status", str(tmp_path / "propulate")]) == 0
    assert "running on 0-0 for" in capsys.readouterr().out
    assert load_result(tmp_path / "propulate").population.counts[Status.COMPLETE] == 3
