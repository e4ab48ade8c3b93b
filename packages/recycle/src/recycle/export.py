"""Graphs that forecast without this package: ONNX, and torch.export."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch

from recycle.graph import ForecastGraph
from recycle.intervals import check_quantiles

if TYPE_CHECKING:
    from recycle.forecaster import ReCycleForecaster

__all__ = ["export", "forecast_graph"]

#: Numbers of an array from which on half precision saves something.
HALF_SIZE = 10_000


def export(
    forecaster: ReCycleForecaster,
    path: Path,
    *,
    series: Any = None,
    quantiles: Sequence[float] = (),
    half: bool = True,
) -> Path:
    """Write one series' forecast as a graph: history and days in, forecast and quantiles out.

    Scaling, gaps, profile, ridge, network, weights and fallbacks are all in the graph; the batch is
    free. `recycle.edge.EdgeForecaster` makes the inputs from a table, and needs onnxruntime, but no
    torch.

    Parameters
    ----------
    forecaster : ReCycleForecaster
        Fitted.
    path : path
        ``.onnx``, or ``.pt2`` for torch.export.
    series : optional
        Which series, if the model has several.
    quantiles : sequence of float
        Their offsets are those of the fit, and do not follow later errors.
    half : bool
        Store the ridge's weights in half precision; forecasts change by some 1e-4 of the series'
        standard deviation, and files are half as large.

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        For another suffix, an unknown series, or the profile "median".
    """
    if path.suffix not in {".onnx", ".pt2"}:
        raise ValueError(f"The suffix of {path} must be .onnx or .pt2")
    graph, description = forecast_graph(forecaster, series, check_quantiles(quantiles), half)
    inputs = graph.example()
    batch = torch.export.Dim("batch", min=1, max=65536)
    shapes = (tuple({0: batch} for _ in inputs),)  # of the one variadic argument
    with _quiet(), torch.no_grad():
        program = torch.export.export(graph, inputs, dynamic_shapes=shapes, strict=False)
    if path.suffix == ".pt2":
        torch.export.save(program, path, extra_files={"recycle.json": json.dumps(description)})
        return path
    try:
        import onnx
        import onnxscript  # noqa: F401  torch needs it
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("ONNX needs the extra: pip install 'recycle[onnx]'") from error
    names = [*description["inputs"]]
    outputs = ["forecast", "quantiles"] if quantiles else ["forecast"]
    with _quiet():
        exported = torch.onnx.export(
            program, inputs, input_names=names, output_names=outputs, optimize=True, verbose=False
        )
    assert exported is not None
    model = exported.model_proto
    _shrink(model.graph, half)
    entry = model.metadata_props.add()
    entry.key, entry.value = "recycle", json.dumps(description)
    onnx.save(model, path)
    return path


@contextmanager
def _quiet() -> Iterator[None]:
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


def _shrink(graph: Any, half: bool) -> None:
    """Drop the exporter's notes, and store large weights that are half precision anyway as such."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    for node in graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    graph.ClearField("value_info")
    for number, stored in enumerate(graph.initializer):
        values = numpy_helper.to_array(stored)
        if not half or values.size < HALF_SIZE or values.dtype != np.float32:
            continue
        rounded = values.astype(np.float16)
        if not np.array_equal(rounded.astype(np.float32), values):
            continue
        name = stored.name
        stored.CopyFrom(numpy_helper.from_array(rounded, f"{name}_half"))
        cast = helper.make_node(
            "Cast", [f"{name}_half"], [name], name=f"cast_{number}", to=TensorProto.FLOAT
        )
        graph.node.insert(0, cast)  # folded when the file is opened


def forecast_graph(
    forecaster: ReCycleForecaster, series: Any, levels: Sequence[float], half: bool
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
        half,
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
        "tz": None if forecaster.tz_ is None else str(forecaster.tz_),
        "freq": forecaster.step_.isoformat(),
        "covariates": [str(name) for name in forecaster.covariates_],
        "quantiles": list(levels),
    }
    return graph, description
