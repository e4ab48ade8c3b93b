"""Define-by-run studies."""

from __future__ import annotations

import math

import pytest

from mpi_utils import Communicator, world
from propulate import EvaluationError, TrialPruned, create_study, load_result, pruners
from propulate import propagators as pg
from propulate.space import Float, Int
from propulate.space.growing import GrowingSpace


def objective(trial) -> float:
    x = trial.suggest_float("x", -5, 5)
    kind = trial.suggest_categorical("kind", ["linear", "deep", None])
    value = (x - 1) ** 2 + (kind != "deep")
    if kind == "deep":
        value += abs(trial.suggest_int("layers", 1, 8) - 3) / 4
    trial.set_user_attr("twice", 2 * x)
    return value


@pytest.fixture
def comm() -> Communicator:
    return world()


@pytest.mark.parallel([1, 2, 4])
def test_the_space_is_discovered_on_all_ranks(comm) -> None:
    study = create_study(seed=1)
    study.optimize(objective, n_trials=120)
    assert len(study.trials) == 120
    # only "deep" gets below 1; how far, depends on the order in which results arrive
    assert study.best_value < 1 and study.best_params["kind"] == "deep"
    assert set(study.best_params) == {"x", "kind", "layers"}
    for trial in study.trials:
        assert ("layers" in trial.params) == (trial.params["kind"] == "deep")
        assert trial.user_attrs == {"twice": 2 * trial.params["x"]}
        again = (trial.params["x"] - 1) ** 2 + (trial.params["kind"] != "deep")
        again += abs(trial.params.get("layers", 3) - 3) / 4
        assert trial.value == pytest.approx(again)
    seen = comm.handle.allgather([(t.number, t.value, t.params) for t in study.trials])
    assert seen == [seen[0]] * comm.size
    study.optimize(objective, n_trials=10)  # more of it
    assert len(study.trials) == 130
    assert len({trial.individual.uid for trial in study.trials}) == 130


@pytest.mark.parallel([1, 3])
def test_a_study_goes_on_in_another_session(comm, tmp_path) -> None:
    folder = comm.handle.bcast(tmp_path)

    def session():
        study = create_study("maximize", name="s", checkpoint_path=folder)
        study.optimize(lambda trial: -objective(trial), n_trials=20)
        return study

    first, second = session(), session()
    assert len(first.trials) == 20 and len(second.trials) == 40
    assert second.best_value >= first.best_value
    result = load_result(folder / "s")
    assert len(result) == 40 and result.best_loss == second.best_value
    kept = {t.individual.uid: (t.params, t.value) for t in second.trials}
    assert all(kept[t.individual.uid] == (t.params, t.value) for t in first.trials)


def test_ranges_may_change_and_kinds_may_not() -> None:
    def widening(trial) -> float:
        high = 2 if trial.number < 20 else 6
        n = trial.suggest_int("n", 1, high)
        assert 1 <= n <= high
        fixed = trial.suggest_float("fixed", 3, 3)
        return abs(n - 5) + trial.suggest_float("x", 0, 1) + fixed

    study = create_study()
    study.optimize(widening, n_trials=80)
    assert study.best_params["n"] == 5 and study.best_params["fixed"] == 3
    growing = GrowingSpace()
    growing.merge({"a": Float(0, 1), "b": Int(1, 3)})
    first = growing.space
    growing.merge({"b": Int(1, 3)})
    assert growing.space is first
    growing.merge({"b": Int(0, 2)})
    assert growing.parameters["b"] == Int(0, 3)
    with pytest.raises(ValueError, match="can't become"):
        growing.merge({"a": Float(1, 2, log=True)})


def test_trials_are_pruned_fail_and_are_caught() -> None:
    def fragile(trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        if trial.number % 5 == 1:
            raise KeyError("lost")
        for step in range(4):
            trial.report(x + 1 / (step + 1), step)
            if trial.should_prune():
                raise TrialPruned
        return x

    study = create_study(pruner=pruners.MedianPruner)
    study.optimize(fragile, n_trials=60, catch=KeyError)
    states = [trial.state for trial in study.trials]
    assert states.count("FAIL") == 12 and states.count("PRUNED") > 5
    failed = next(trial for trial in study.trials if trial.state == "FAIL")
    assert failed.value is None and "lost" in failed.individual.error
    whole = next(trial for trial in study.trials if trial.state == "COMPLETE")
    assert list(whole.intermediate_values) == [0, 1, 2, 3]
    frame = study.trials_dataframe()
    assert len(frame) == 60 and {"number", "value", "params_x", "state"} <= set(frame.columns)
    with pytest.raises(EvaluationError, match="lost"):
        create_study().optimize(fragile, n_trials=60)


def test_optunas_exception_prunes_as_well() -> None:
    import optuna

    def objective(trial) -> float:
        if trial.suggest_float("x", 0, 1) > 0.5:
            raise optuna.TrialPruned
        return trial.params["x"]

    study = create_study()
    study.optimize(objective, n_trials=30)
    assert {trial.state for trial in study.trials} == {"COMPLETE", "PRUNED"}


def test_ask_tell_enqueue_callbacks_and_stop() -> None:
    study = create_study("maximize")
    study.enqueue_trial({"x": 0.25})
    trial = study.ask()
    assert trial.suggest_float("x", 0, 1) == 0.25
    study.tell(trial, 7.0)
    with pytest.raises(ValueError, match="told before"):
        study.tell(trial, 7.0)
    other = study.ask()
    other.suggest_float("x", 0, 1)
    study.tell(other, state="FAIL")
    assert study.best_value == 7.0 and [t.state for t in study.trials] == ["COMPLETE", "FAIL"]
    seen = []

    def callback(study, trial) -> None:
        seen.append((trial.number, trial.value))
        if len(seen) == 4:
            study.stop()

    study.optimize(lambda t: -t.suggest_float("x", 0, 1), n_trials=50, callbacks=[callback])
    assert len(study.trials) == 6 and all(-1 <= value <= 0 for _, value in seen)
    assert study.best_value == 7.0


def test_several_objectives_and_other_propagators() -> None:
    study = create_study(directions=["minimize", "maximize"])
    study.optimize(lambda t: (t.suggest_float("x", 0, 1), t.suggest_float("y", 0, 1)), n_trials=150)
    best = study.best_trials
    assert min(t.values[0] for t in best) < 0.1 and max(t.values[1] for t in best) > 0.9
    study = create_study(propagator=pg.TPE)
    study.optimize(lambda t: t.suggest_float("x", 0, 1) ** 2, n_trials=40)
    assert {t.individual.operator for t in study.trials[-20:]} == {"TPE"}


def test_what_a_study_refuses(tmp_path) -> None:
    with pytest.raises(ValueError, match="direction"):
        create_study("down")
    study = create_study()
    with pytest.raises(RuntimeError, match="nothing was tried"):
        _ = study.best_trial
    with pytest.raises(RuntimeError, match="not running"):
        study.stop()
    trial = study.ask()
    with pytest.raises(ValueError, match="None, booleans"):
        trial.suggest_categorical("c", [[1], [2]])
    trial.suggest_float("x", 0, 1)
    with pytest.raises(ValueError, match="before in this trial"):
        trial.suggest_float("x", 0, 2)
    with pytest.raises(ValueError, match="negative"):
        trial.report(1.0, -1)
    with pytest.raises(RuntimeError, match="without a path"):
        create_study(checkpoint_path=tmp_path).ask()
    assert math.isinf(trial._candidate.loss)
