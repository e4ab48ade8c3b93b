"""What a fit chooses, it chooses without the data that come later."""

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from recycle import read_panel
from recycle.datasets import make_cyclic
from recycle.fitting import fit_model
from recycle.model import Settings
from recycle.network import NetworkConfig
from recycle.preparation import Grid, cyclic_data
from recycle.profiles import RecentHistoricProfile
from recycle.scaling import fit_scaler

TRAIN, VALIDATION = (0, 24 * 60), (24 * 60, 24 * 80)
NET = NetworkConfig(history=7, d_model=8, d_ff=16, epochs=2, windows_per_epoch=256)


def model_of(y, network):
    panel = read_panel(y)
    scaler = fit_scaler(panel.values[slice(*TRAIN)], "standard")
    grid = Grid(24, panel.times[0], None, "default")
    data = cyclic_data(panel, grid, scaler, 3, 48, 0)
    profile = RecentHistoricProfile(24, data.calendar.n_categories)
    head = "ridge" if network is None else "transformer"
    settings = Settings(48, profile, (72, 168), super_cycle=7, head=head, network=network)
    return fit_model(data, settings, TRAIN, VALIDATION)


@pytest.mark.parametrize("network", [None, NET], ids=["ridge", "transformer"])
def test_no_choice_depends_on_the_test_part(network):
    y = pd.DataFrame({"a": make_cyclic(100)["y"], "b": 2 * make_cyclic(100, seed=1)["y"]})
    shuffled = y.copy()
    rows = np.random.default_rng(0).permutation(np.arange(VALIDATION[1], len(y)))
    shuffled.iloc[VALIDATION[1] :] = y.iloc[rows].to_numpy()
    assert not shuffled.equals(y)
    first, second = model_of(y, network), model_of(shuffled, network)
    assert asdict(first.settings) == asdict(second.settings)
    for one, other in zip(
        (first.pooled, *first.ridges), (second.pooled, *second.ridges), strict=True
    ):
        assert (one.beta, one.lambdas, one.loss) == (other.beta, other.lambdas, other.loss)
        assert np.array_equal(one.weights, other.weights)
    assert np.array_equal(first.gate.weights, second.gate.weights)
    assert np.array_equal(first.gate.losses, second.gate.losses, equal_nan=True)
    for one, other in zip(first.conformal.scores[0], second.conformal.scores[0], strict=True):
        assert np.array_equal(one, other)
    if network is not None:
        losses = [[row["val_loss"] for row in m.network.history] for m in (first, second)]
        assert losses[0] == losses[1]
