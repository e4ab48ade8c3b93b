"""Scalers against scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import preprocessing as oracle
from sklearn.datasets import load_wine

import heat_core as ht

RANKS = [1, 2, 3, 4, 7]
CASES = [
    ("StandardScaler", {}),
    ("StandardScaler", {"with_mean": False}),
    ("StandardScaler", {"with_std": False}),
    ("MinMaxScaler", {}),
    ("MinMaxScaler", {"feature_range": (-2, 3), "clip": True}),
    ("MaxAbsScaler", {}),
    ("RobustScaler", {}),
    ("RobustScaler", {"quantile_range": (10, 80), "unit_variance": True}),
    ("RobustScaler", {"with_centering": False}),
    ("RobustScaler", {"with_scaling": False}),
    ("Normalizer", {}),
    ("Normalizer", {"norm": "l1"}),
    ("Normalizer", {"norm": "max"}),
]


def _wine() -> np.ndarray[Any, Any]:
    data = load_wine().data
    data[:, 3] = 0.1  # constant, and not exact in binary
    data[:, 5] = 0
    return data


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize(("name", "parameters"), CASES)
def test_as_scikit_learn(name: str, parameters: dict[str, Any]) -> None:
    data = _wine()
    theirs = getattr(oracle, name)(**parameters).fit(data[:150])
    X = ht.array(data, split=0)
    ours = getattr(ht.preprocessing, name)(**parameters).fit(X[:150])
    wanted = theirs.transform(data)
    found = ours.transform(X)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-9, atol=1e-12)
    for attribute in ("mean_", "var_", "scale_", "data_min_", "data_max_", "min_", "center_"):
        if getattr(theirs, attribute, None) is not None and hasattr(ours, attribute):
            np.testing.assert_allclose(
                getattr(ours, attribute).numpy(), getattr(theirs, attribute), rtol=1e-9, atol=1e-12
            )
    if hasattr(theirs, "inverse_transform"):
        back = ours.inverse_transform(found)
        np.testing.assert_allclose(back.numpy(), theirs.inverse_transform(wanted), rtol=1e-9)
    single = getattr(ht.preprocessing, name)(**parameters).fit(X.astype("float32"))
    assert single.transform(X.astype("float32")).dtype is ht.float32


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("name", ["StandardScaler", "MinMaxScaler", "MaxAbsScaler"])
def test_in_parts(name: str) -> None:
    data = _wine()
    X = ht.array(data, split=0)
    whole = getattr(ht.preprocessing, name)().fit(X)
    parts = getattr(ht.preprocessing, name)()
    for start in range(0, len(data), 60):
        parts.partial_fit(X[start : start + 60])
    np.testing.assert_allclose(
        parts.transform(X).numpy(), whole.transform(X).numpy(), rtol=1e-9, atol=1e-12
    )
    refitted = parts.fit(X[:20]).transform(X)
    fresh = getattr(ht.preprocessing, name)().fit(X[:20]).transform(X)
    np.testing.assert_array_equal(refitted.numpy(), fresh.numpy())


@pytest.mark.parallel([1, 2])
def test_in_place_and_bad_parameters() -> None:
    X = ht.array(_wine(), split=0)
    scaled = ht.preprocessing.StandardScaler(copy=False).fit(X).transform(X)
    assert scaled.larray.data_ptr() == X.larray.data_ptr()
    with pytest.raises(ValueError, match="ascending"):
        ht.preprocessing.MinMaxScaler((1, 0)).fit(X)
    with pytest.raises(ValueError, match="ascending"):
        ht.preprocessing.RobustScaler(quantile_range=(50, 20)).fit(X)
    with pytest.raises(ValueError, match="norm is one of"):
        ht.preprocessing.Normalizer("l3").fit(X)
