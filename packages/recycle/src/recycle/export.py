"""Files that forecast without this package: ONNX, torch.export, NumPy and C."""

from __future__ import annotations

import json
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from recycle.compact import compact_arrays, compact_numbers, write_header, write_npz
from recycle.graph import ForecastGraph
from recycle.intervals import check_quantiles

if TYPE_CHECKING:
    from recycle.forecaster import ReCycleForecaster

__all__ = ["compare_weights", "export", "forecast_graph", "quiet"]

#: Numbers of an array from which on a smaller type saves something.
LARGE = 1_000
WEIGHTS = ("single", "half", "int8")
SUFFIXES = (".onnx", ".pt2", ".npz", ".h")


def export(
    forecaster: ReCycleForecaster,
    path: Path,
    *,
    series: Any = None,
    quantiles: Sequence[float] = (),
    weights: str = "half",
) -> Path:
    """Write one series' forecast as a graph: history and days in, forecast and quantiles out.

    Scaling, gaps, profile, ridge, network, weights and fallbacks are all in the graph; the batch is
    free. `recycle.edge.EdgeForecaster` makes the inputs of ``.onnx`` and ``.npz`` from a table, and
    needs no torch.

    Parameters
    ----------
    forecaster : ReCycleForecaster
        Fitted.
    path : path
        ``.onnx``; ``.pt2`` for torch.export; ``.npz`` for `recycle.numpy_runtime`, or ``.h``, a
        header of C, both for profile and ridge without network and covariates.
    series : optional
        Which series, if the model has several.
    quantiles : sequence of float
        Their offsets are those of the fit, and do not follow later errors.
    weights : str
        How an ONNX file stores large arrays: "single"; "half", half the size, which changes
        forecasts by some 1e-4 of the series' standard deviation; "int8", a quarter, with a scale a
        column, which changes them by some 1e-2. `compare_weights` says what it does to yours.

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        For another suffix, an unknown series or type of weights, the profile "median", or a
        network that mixes series.
    """
    if weights not in WEIGHTS:
        raise ValueError(f"weights must be one of {WEIGHTS}, not {weights!r}")
    if path.suffix not in SUFFIXES:
        raise ValueError(f"The suffix of {path} must be one of {', '.join(SUFFIXES)}")
    graph, description = forecast_graph(forecaster, series, check_quantiles(quantiles))
    if path.suffix in {".npz", ".h"}:
        numbers = compact_numbers(graph)
        place = 0 if series is None else list(forecaster.names_).index(series)
        arrays = compact_arrays(graph, forecaster.model_, place)
        write = write_npz if path.suffix == ".npz" else write_header
        write(path, numbers, arrays, description)
        return path
    inputs = graph.example()
    batch = torch.export.Dim("batch", min=1, max=65536)
    shapes = (tuple({0: batch} for _ in inputs),)  # of the one variadic argument
    with quiet(), torch.no_grad():
        program = torch.export.export(graph, inputs, dynamic_shapes=shapes, strict=False)
    if path.suffix == ".pt2":
        torch.export.save(program, path, extra_files={"recycle.json": json.dumps(description)})
        return path
    model = _onnx(program, inputs, description, bool(quantiles))
    _shrink(model.graph, weights)
    path.write_bytes(model.SerializeToString())
    return path


def _onnx(program: Any, inputs: Any, description: dict[str, Any], quantiles: bool) -> Any:
    """The model as ONNX has it, in single precision."""
    try:
        import onnxscript  # noqa: F401  torch needs it
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("ONNX needs the extra: pip install 'recycle[onnx]'") from error
    outputs = ["forecast", "quantiles"] if quantiles else ["forecast"]
    with quiet():
        exported = torch.onnx.export(
            program,
            inputs,
            input_names=[*description["inputs"]],
            output_names=outputs,
            optimize=True,
            verbose=False,
        )
    assert exported is not None
    model = exported.model_proto
    for node in model.graph.node:  # the exporter's notes
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    model.graph.ClearField("value_info")
    entry = model.metadata_props.add()
    entry.key, entry.value = "recycle", json.dumps(description)
    return model


@contextmanager
def quiet() -> Iterator[None]:
    """The exporter tells of libraries that are not there, and of its own deprecations."""
    noisy = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript")]
    levels = [logger.level for logger in noisy]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in noisy:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(noisy, levels, strict=True):
                logger.setLevel(level)


def _shrink(graph: Any, weights: str) -> None:
    """Store large arrays in a smaller type."""
    from onnx import TensorProto, helper, numpy_helper

    for stored in list(graph.initializer):
        values, name = numpy_helper.to_array(stored), stored.name
        if weights == "single" or values.size < LARGE or values.dtype != np.float32:
            continue
        small, scale = values.astype(np.float16), None
        if weights == "int8":
            scale = np.maximum(np.abs(values).max(axis=0, keepdims=True), 1e-30) / 127
            small = np.rint(values / scale).astype(np.int8)
        stored.CopyFrom(numpy_helper.from_array(small, f"{name}_small"))
        # both are folded when the file is opened
        whole = name if scale is None else f"{name}_whole"
        nodes = [helper.make_node("Cast", [f"{name}_small"], [whole], to=TensorProto.FLOAT)]
        if scale is not None:
            graph.initializer.append(numpy_helper.from_array(scale, f"{name}_scale"))
            nodes.append(helper.make_node("Mul", [whole, f"{name}_scale"], [name]))
        for place, node in enumerate(nodes):
            graph.node.insert(place, node)


def compare_weights(
    forecaster: ReCycleForecaster, history: Any, X: Any = None, *, series: Any = None
) -> pd.DataFrame:
    """What smaller types of weights save, and what they do to the forecast that follows a history.

    Parameters
    ----------
    forecaster : ReCycleForecaster
    history : Series
    X : DataFrame, optional
        Covariates of history and horizon.
    series : optional
        Which one, if the model has several.

    Returns
    -------
    DataFrame
        A row a type: kB, and the mean and the largest difference from single precision, in
        standard deviations of the series.
    """
    import onnx

    from recycle.edge import EdgeForecaster

    number = 0 if series is None else list(forecaster.names_).index(series)
    deviation = float(forecaster.scaler_.scale[number])
    rows, exact = [], np.zeros(0)
    with tempfile.TemporaryDirectory() as folder:
        path = export(forecaster, Path(folder) / "m.onnx", series=series, weights="single")
        whole = path.read_bytes()
        for weights in WEIGHTS:
            model = onnx.load_from_string(whole)
            _shrink(model.graph, weights)
            path.write_bytes(model.SerializeToString())
            found = np.asarray(EdgeForecaster(path).predict(history, X), dtype=float).ravel()
            exact = exact if len(exact) else found
            difference = np.abs(found - exact) / deviation
            rows.append({
                "weights": weights, "kB": path.stat().st_size / 1000,
                "mean": difference.mean(), "largest": difference.max(),
            })  # fmt: skip
    return pd.DataFrame(rows)


def forecast_graph(
    forecaster: ReCycleForecaster, series: Any, levels: Sequence[float]
) -> tuple[ForecastGraph, dict[str, Any]]:
    """The graph as a torch module in single precision, and what its inputs are made from."""
    names = forecaster.names_
    if series is None and len(names) > 1:
        raise ValueError(f"Which series? The model has {list(names)[:5]}; give series=")
    if series is not None and series not in names:
        raise ValueError(f"series must be one of {list(names)}, not {series!r}")
    number = 0 if series is None else names.index(series)
    # on days when clocks change a forecast reaches an hour further on the grid
    slack = 0 if forecaster.tz_ is None else -(-pd.Timedelta(hours=1) // forecaster.step_)
    graph = ForecastGraph(
        forecaster.model_,
        number,
        forecaster.scaler_,
        forecaster.effect_,
        forecaster.days_,
        forecaster.horizon_ + slack,
        levels,
    )
    grid, settings = forecaster.grid_, forecaster.model_.settings
    country = grid.country
    description = {
        "inputs": list(graph.inputs()),
        "series": None if names[number] is None else str(names[number]),
        "horizon": forecaster.horizon_,
        "window": graph.window,
        "steps": graph.whole,
        "cycles": [graph.n_history, graph.n_future],
        "profile": asdict(settings.profile),
        "anchor": str(grid.anchor),
        "country": country if isinstance(country, str | None) else country.get(names[number]),
        "scheme": grid.scheme if isinstance(grid.scheme, str) else None,
        "paper": grid.paper,
        "holidays": [day.isoformat() for day in grid.holidays],
        "static": None if grid.static is None else grid.static([names[number]])[0].tolist(),
        "tz": None if forecaster.tz_ is None else str(forecaster.tz_),
        "freq": forecaster.step_.isoformat(),
        "covariates": [str(name) for name in forecaster.covariates_],
        "quantiles": list(levels),
    }
    return graph, description
