"""Search for parameters, shared by ranks."""

import numpy as np
import pytest

from mpi_utils import world
from recycle import ReCycleForecaster
from recycle.datasets import make_cyclic
from recycle.network import NetworkConfig
from recycle.tuning import tune, with_choice

pytest.importorskip("propulate")
OPTIONS = {"horizon": "1c", "cycle": 24, "history": "7c", "head": "ridge"}


@pytest.mark.parallel([1, 2])
def test_ranks_find_parameters_together():
    y = make_cyclic(60, noise=0.5)["y"]
    start = ReCycleForecaster(**{**OPTIONS, "head": "profile"}, k=1)
    found = tune(start, y, evaluations=4, folds=1, space={"k": (3, 8)})
    assert found.loss < found.before  # more days are better than one
    assert found.forecaster.k >= 3 and found.forecaster.head == "profile"
    assert len(found.trials) >= 4
    again = found.forecaster.cross_validate(y, folds=1, metrics=("mae",)).iloc[0]["mae"]
    assert again == pytest.approx(found.loss, rel=1e-6)
    everyone = world().handle.allgather(found.forecaster.get_params())
    assert all(params == everyone[0] for params in everyone)


def test_what_is_not_better_stays():
    y = make_cyclic(60, noise=0.1)["y"]
    start = ReCycleForecaster(**OPTIONS)
    found = tune(start, y, evaluations=3, folds=1, space={"cycles": (500, 600)})  # too long
    assert found.loss == found.before and np.isfinite(found.before)
    assert repr(found.forecaster) == repr(start)


def test_choices_reach_the_network():
    start = ReCycleForecaster(head="transformer", network=NetworkConfig(epochs=3), seed=4)
    found = with_choice(start, {"cycles": 9, "d_model": 16, "rate": 1e-3, "k": 5})
    assert found.k == 5 and found.history == "auto"
    assert found.network == NetworkConfig(epochs=3, history=9, d_model=16, rate=1e-3)
    assert with_choice(ReCycleForecaster(seed=4), {"d_ff": 32}).network.seed == 4
    with pytest.raises(ValueError, match="no parameters"):
        with_choice(start, {"speed": 1})
