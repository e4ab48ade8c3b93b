"""Profile and ridge of one series as plain arrays: for NumPy alone, and as a header of C."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recycle.c_source import PROGRAM
from recycle.numpy_runtime import CANDIDATES
from recycle.ridge import factors
from recycle.windows import Array

if TYPE_CHECKING:
    from recycle.graph import ForecastGraph
    from recycle.model import CyclicModel

__all__ = ["compact_arrays", "compact_numbers", "write_header", "write_npz"]


def compact_numbers(graph: ForecastGraph) -> dict[str, Any]:
    """Numbers that a forecast needs beside arrays.

    Raises
    ------
    ValueError
        If the model has parts that need more than this.
    """
    if graph.network is not None:
        raise ValueError(
            "NumPy and C run profile and ridge, and this model weighs a network: export to .onnx, "
            "or fit with head='ridge'"
        )
    if graph.effect is not None:
        raise ValueError("NumPy and C take no covariates: export to .onnx")
    profile = graph.profile
    endless = 1e9  # every member counts the same
    return {
        "horizon": graph.horizon,
        "period": graph.period,
        "super_period": graph.super_period,
        "lookback": graph.lookback,
        "ridge_lookback": 0 if graph.ridge is None else graph.ridge.lookback,
        "beta": 0.0 if graph.ridge is None else graph.ridge.beta,
        "rows": profile.rows,
        "memory": 0 if profile.kind == "none" else profile.k,
        "half_life": profile.half_life if profile.kind == "ewm" else endless,
        "centre": graph.centre,
        "spread": graph.spread,
        "logarithm": graph.logarithm,
        "max_missing": graph.max_missing,
        "largest": graph.largest if np.isfinite(graph.largest) else None,
    }


def compact_arrays(graph: ForecastGraph, model: CyclicModel, series: int) -> dict[str, Array]:
    """Weights of the candidates, the ridge (as factors, if they are smaller), and the rest."""
    rows = dict(zip(model.names, model.weights(series)[:, : graph.horizon], strict=True))
    none = np.zeros(graph.horizon)
    arrays = {"weights": np.stack([rows.get(name, none) for name in CANDIDATES])}
    ridge = model.ridge_of(series)
    if graph.ridge is not None and ridge is not None:
        level, left, right = factors(ridge)
        right = right[:, : graph.horizon]
        if 2 * (left.size + right.size) < ridge.weights.size:
            arrays |= {"level": level, "left": left, "right": right}
        else:
            arrays["ridge"] = ridge.weights[:, : graph.horizon]
    if graph.days is not None:
        arrays["days"] = graph.days.weights.numpy()
    if graph.levels:
        arrays["offsets"] = graph.offsets.numpy()
    return {name: np.asarray(array, dtype=np.float32) for name, array in arrays.items()}


def write_npz(
    path: Path, numbers: dict[str, Any], arrays: dict[str, Array], about: dict[str, Any]
) -> None:
    """Write arrays and numbers for `recycle.numpy_runtime`."""
    text = np.array(json.dumps(about | {"compact": numbers}))
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, about=text, **arrays)


def write_header(
    path: Path, numbers: dict[str, Any], arrays: dict[str, Array], about: dict[str, Any]
) -> None:
    """Write a header with one function, ``recycle_forecast``, in C99 without allocations."""
    sizes = {
        "WINDOW": about["window"],
        "STEPS": about["steps"],
        "HORIZON": numbers["horizon"],
        "PERIOD": numbers["period"],
        "SUPER": numbers["super_period"],
        "LOOKBACK": numbers["lookback"],
        "RIDGE": numbers["ridge_lookback"],
        "RANK": arrays["left"].shape[1] if "left" in arrays else 0,
        "ROWS": numbers["rows"],
        "MEMORY": numbers["memory"],
        "KINDS": len(arrays.get("days", ())),
        "LEVELS": len(arrays.get("offsets", ())),
        "LOGARITHM": int(numbers["logarithm"]),
        "CHECKED": int(numbers["largest"] is not None),
    }
    reals = {
        "BETA": numbers["beta"],
        "FADE": 0.5 ** (1 / numbers["half_life"]),
        "CENTRE": numbers["centre"],
        "SPREAD": numbers["spread"],
        "MOST_MISSING": numbers["max_missing"],
        "LARGEST": numbers["largest"] or 0.0,
    }
    lines = [f"#define RECYCLE_{name} {value}" for name, value in sizes.items()]
    lines += [f"#define RECYCLE_{name} {value:.17e}" for name, value in reals.items()]
    lines += [
        f"static const float recycle_{name}[{array.size}] = {{\n{_numbers(array)}\n}};"
        for name, array in arrays.items()
    ]
    guard = ["#ifndef RECYCLE_FORECAST_H", "#define RECYCLE_FORECAST_H", "#include <math.h>"]
    path.write_text("\n".join([*guard, *lines, PROGRAM, "#endif", ""]))


def _numbers(array: Array) -> str:
    texts = [f"{value:.8e}f" for value in array.ravel().tolist()]
    return ",\n".join(", ".join(texts[row : row + 6]) for row in range(0, len(texts), 6))
