"""Model files: a zip of JSON and plain arrays. Reading one never runs code."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recycle._version import __version__
from recycle.effects import Effect
from recycle.errors import DAMAGE, ModelFileError
from recycle.forecaster import ReCycleForecaster
from recycle.gate import Gate
from recycle.intervals import Conformal
from recycle.model import CyclicModel, Settings
from recycle.preparation import choose_grid
from recycle.profiles import RecentHistoricProfile
from recycle.ridge import CycleRidge, RidgeConfig
from recycle.scaling import Scaler
from recycle.specialdays import SpecialDays
from recycle.statics import as_table
from recycle.windows import Array

__all__ = ["SCHEMA", "load", "save"]

#: Raised when older versions can't read new files.
SCHEMA = 1


def save(forecaster: ReCycleForecaster, path: Path) -> None:
    """Write a fitted forecaster, without its data.

    Raises
    ------
    TypeError
        If a parameter is a function, which no file can hold.
    """
    model, scaler = forecaster.model_, forecaster.scaler_
    params = forecaster.get_params()
    if callable(params["scheme"]):
        raise TypeError("A model whose scheme is a function cannot be saved")
    static = params["static"]
    if static is not None:
        static = as_table(static).to_dict(orient="index")
    arrays: dict[str, Array] = {"centre": scaler.centre, "scale": scaler.scale}
    described: dict[str, Any] = {
        "schema": SCHEMA,
        "version": __version__,
        "params": params
        | {name: asdict(params[name]) if params[name] else None for name in ("ridge", "network")}
        | {"static": static, "holidays": [str(day) for day in params["holidays"]]},
        "names": list(forecaster.names_),
        "cycle": forecaster.cycle_,
        "horizon": forecaster.horizon_,
        "anchor": str(forecaster.grid_.anchor),
        "logarithm": scaler.logarithm,
        "step": forecaster.step_.isoformat(),
        "tz": None if forecaster.tz_ is None else str(forecaster.tz_),
        "end": str(forecaster.end_),
        "covariates": list(forecaster.covariates_),
        "settings": asdict(model.settings),
        "typical": list(model.typical),
        "ridges": [],
    }
    for number, ridge in enumerate([model.pooled, *model.ridges] if model.pooled else []):
        assert ridge is not None
        arrays[f"ridge.{number}"] = ridge.weights
        numbers = {f.name: getattr(ridge, f.name) for f in fields(ridge) if f.name != "weights"}
        described["ridges"].append(numbers)
    if model.gate is not None:
        described["gate"] = {"names": model.gate.names, "blocks": model.gate.blocks}
        arrays["gate.weights"], arrays["gate.losses"] = model.gate.weights, model.gate.losses
    arrays |= _describe_intervals(model, described)
    if model.network is not None:
        described["network"] = _described(model.network)
        weights = model.network.module.state_dict()
        arrays |= {f"net.{key}": w.numpy() for key, w in weights.items()}
    arrays |= _describe_effects(forecaster, described)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.json", json.dumps(described, indent=1, default=_plain))
        archive.writestr("arrays.npz", buffer.getvalue())


def _describe_intervals(model: CyclicModel, described: dict[str, Any]) -> dict[str, Array]:
    """Arrays of the intervals, whose shapes are added to the description."""
    arrays: dict[str, Array] = {}
    for name in ("conformal", "own_quantiles"):
        found: Conformal | None = getattr(model, name)
        if found is None:
            continue
        shape = [len(found.scores), len(found.scores[0])]
        described[name] = {"shape": shape, "independent": found.independent, "levels": found.levels}
        rows = enumerate(found.scores)
        arrays |= {f"{name}.{r}.{n}": part for r, row in rows for n, part in enumerate(row)}
    return arrays


def _describe_effects(forecaster: ReCycleForecaster, described: dict[str, Any]) -> dict[str, Array]:
    """Arrays of special days and of covariates."""
    arrays: dict[str, Array] = {}
    if forecaster.days_ is not None:
        arrays["days"] = forecaster.days_.weights
    if forecaster.effect_ is not None:
        effect = forecaster.effect_
        described["effect"] = {"period": effect.period, "blocks": effect.blocks}
        for name in ("centre", "scale", "knots", "weights"):
            arrays[f"effect.{name}"] = getattr(effect, name)
    return arrays


def _described(network: Any) -> dict[str, Any]:
    module = network.module
    return {
        "config": asdict(module.config),
        "shape": [module.period, module.n_history, module.n_future, module.n_features],
        "history": list(network.history),
    }


def load(path: Path) -> ReCycleForecaster:
    """Read a forecaster.

    Raises
    ------
    ModelFileError
        If the file is damaged, no model, or from a newer version.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            described = json.loads(archive.read("model.json"))
            stored = np.load(io.BytesIO(archive.read("arrays.npz")), allow_pickle=False)
            arrays = {name: stored[name] for name in stored.files}
    except DAMAGE as error:
        raise ModelFileError(f"{path} is damaged, or no model of recycle: {error}") from error
    if described["schema"] > SCHEMA:
        raise ModelFileError(
            f"{path} was written by recycle {described['version']}; this is {__version__}: update"
        )
    params = described["params"]
    params["holidays"] = tuple(params["holidays"])
    if params["ridge"]:
        params["ridge"] = RidgeConfig(**params["ridge"])
    if params["network"]:
        from recycle.network.config import NetworkConfig

        params["network"] = NetworkConfig(**params["network"])
    forecaster = ReCycleForecaster(**params)
    forecaster.cycle_, forecaster.horizon_ = described["cycle"], described["horizon"]
    forecaster.names_ = tuple(described["names"])
    forecaster.scaler_ = Scaler(arrays["centre"], arrays["scale"], described["logarithm"])
    forecaster.model_ = _model(described, arrays)
    forecaster.step_ = pd.Timedelta(described["step"])
    forecaster.tz_, forecaster.end_ = described["tz"], pd.Timestamp(described["end"])
    forecaster.covariates_, forecaster.effect_ = tuple(described["covariates"]), None
    forecaster.days_ = SpecialDays(arrays["days"]) if "days" in arrays else None
    if "effect" in described:
        parts = {n: arrays[f"effect.{n}"] for n in ("centre", "scale", "knots", "weights")}
        forecaster.effect_ = Effect(**parts, **described["effect"])
    anchor = pd.Timestamp(described["anchor"])
    forecaster.grid_ = choose_grid(
        forecaster, forecaster.model_.settings.period, anchor, forecaster.names_
    )
    return forecaster


def _model(described: dict[str, Any], arrays: dict[str, Array]) -> CyclicModel:
    stored = described["settings"]
    stored.pop("network")  # stored with its weights
    stored["profile"] = RecentHistoricProfile(**stored["profile"])
    stored["ridge"] = RidgeConfig(**stored["ridge"])
    tuples = {key: tuple(value) for key, value in stored.items() if isinstance(value, list)}
    settings = Settings(**{**stored, **tuples})
    ridges = [
        CycleRidge(
            arrays[f"ridge.{number}"],
            numbers["beta"],
            tuple(numbers["lookbacks"]),
            tuple(numbers["lambdas"]),
            numbers["loss"],
        )
        for number, numbers in enumerate(described["ridges"])
    ]
    gate = network = None
    if "gate" in described:
        names, blocks = described["gate"]["names"], described["gate"]["blocks"]
        gate = Gate(tuple(names), tuple(blocks), arrays["gate.weights"], arrays["gate.losses"])
    if "network" in described:
        network = _network(described["network"], arrays)
        settings = replace(settings, network=network.module.config)
    return CyclicModel(
        settings,
        tuple(ridges[1:]),
        network,
        gate,
        _conformal(described, arrays, "conformal", settings.period),
        (float(described["typical"][0]), float(described["typical"][1])),
        ridges[0] if ridges else None,
        _conformal(described, arrays, "own_quantiles", settings.period),
    )


def _conformal(
    described: dict[str, Any], arrays: dict[str, Array], name: str, period: int
) -> Conformal | None:
    if name not in described:
        return None
    about = described[name]
    rows, cycles = about["shape"]
    scores = tuple(tuple(arrays[f"{name}.{r}.{n}"] for n in range(cycles)) for r in range(rows))
    return Conformal(scores, period, about["independent"], tuple(about["levels"]))


def _network(described: dict[str, Any], arrays: dict[str, Array]) -> Any:
    import torch

    from recycle.network import NetworkConfig, ReCycleNet, TrainedNetwork

    module = ReCycleNet(NetworkConfig(**described["config"]), *described["shape"])
    state = {
        key.removeprefix("net."): torch.from_numpy(array)
        for key, array in arrays.items()
        if key.startswith("net.")
    }
    module = module.to(next(iter(state.values())).dtype)
    module.load_state_dict(state)
    module.eval()
    return TrainedNetwork(module, tuple(described["history"]))


def _plain(value: Any) -> Any:
    if isinstance(value, np.integer | np.floating):
        return value.item()
    if isinstance(value, pd.Timestamp | pd.Timedelta):
        return str(value)
    raise TypeError(f"{value!r} of type {type(value).__name__} cannot be saved")
