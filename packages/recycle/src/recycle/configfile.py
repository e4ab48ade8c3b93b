"""Parameters of a forecaster in files: TOML, JSON, or YAML where PyYAML is installed."""

from __future__ import annotations

import importlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from recycle.errors import DataError
from recycle.ridge import RidgeConfig

__all__ = ["parameters_from", "to_toml"]


def parameters_from(path: Path) -> dict[str, Any]:
    """Parameters of `ReCycleForecaster` from a file.

    Raises
    ------
    DataError
        If the file is not there, or cannot be parsed.
    ValueError
        For an unknown suffix or key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    try:
        stored = _parsed(text, path.suffix)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"{path} cannot be parsed: {error}") from error
    if not isinstance(stored, dict):
        raise DataError(f"{path} holds no names and values")
    if "holidays" in stored:
        stored["holidays"] = tuple(stored["holidays"])
    from recycle.network.config import NetworkConfig

    for name, kind in (("ridge", RidgeConfig), ("network", NetworkConfig)):
        if stored.get(name) is None:
            continue
        try:
            stored[name] = kind(**stored[name])
        except TypeError as error:
            raise ValueError(f"{path}, table {name}: {error}") from error
    return stored


def _parsed(text: str, suffix: str) -> Any:
    if suffix == ".toml":
        return tomllib.loads(text)
    if suffix == ".json":
        return json.loads(text)
    if suffix in {".yaml", ".yml"}:
        try:
            yaml: Any = importlib.import_module("yaml")
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("YAML needs: pip install pyyaml; or write TOML") from error
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise DataError(f"The YAML cannot be parsed: {error}") from error
    raise ValueError(f"A configuration ends in .toml, .json or .yaml, not {suffix!r}")


def to_toml(params: Mapping[str, Any]) -> str:
    """All parameters as TOML; those that are None as comments."""
    tables = {name: asdict(value) for name, value in params.items() if is_dataclass(value)}  # type: ignore[arg-type]
    lines = [_line(name, value) for name, value in params.items() if name not in tables]
    for name, table in tables.items():
        lines += ["", f"[{name}]", *(_line(key, value) for key, value in table.items())]
    return "\n".join(lines) + "\n"


def _line(name: str, value: Any) -> str:
    return f"# {name} =" if value is None else f"{name} = {_literal(value)}"


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        pairs = (f"{json.dumps(str(key))} = {_literal(item)}" for key, item in value.items())
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_literal, value)) + "]"
    if isinstance(value, int | float):
        return repr(value)
    raise ValueError(f"{value!r} cannot be written to a file")
