"""Where settings come from: command line, environment, files, defaults, in this order."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from energymeter.config import MeterConfig, check_keys
from energymeter.errors import ConfigurationError

if TYPE_CHECKING:
    from energymeter.cost import Rates

__all__ = ["AllSettings", "Settings", "load_settings"]

PLAIN = ("period", "slow_period", "other_power", "baseline", "pue")
LISTS = ("include", "exclude")


@dataclass(frozen=True)
class Settings:
    """All settings of a measurement and its report.

    `origins` tells for each that is not a default where it comes from.
    """

    meter: MeterConfig = field(default_factory=MeterConfig)
    out: str = "energymeter"
    pue: float = 1.0
    carbon: str = ""
    price: str = ""
    origins: Mapping[str, str] = field(default_factory=dict)

    def rates(self) -> Rates | None:
        """Cost and carbon figures, if any were given."""
        if not self.carbon and not self.price and self.pue == 1.0:
            return None
        from energymeter.cost import Rates

        return Rates.parse(self.pue, self.carbon, self.price)


def load_settings(
    given: Mapping[str, Any],
    config: Path | None = None,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Settings:
    """Merge settings of all origins.

    Parameters
    ----------
    given : mapping
        From the command line; None: not given.
    config : Path, optional
        A file named by the user.
    environ : mapping, optional
        Default: the process's; variables ``ENERGYMETER_<SETTING>`` are read.
    folder : Path, optional
        Where ``energymeter.toml`` and ``pyproject.toml`` are looked for; default: the working one.

    Raises
    ------
    ConfigurationError
        For a file that cannot be read and for unknown settings, with the nearest known one.
    """
    environ = os.environ if environ is None else environ
    layers = [*_files(folder or Path.cwd(), environ)]
    if config is not None:
        layers.append((str(config), _read(config)))
    layers.append(("environment", _from_environment(environ)))
    layers.append(("command line", {k: v for k, v in given.items() if v is not None}))
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for origin, layer in layers:
        entries = dict(layer)
        if "sensor" in entries:  # [[sensor]] reads better in TOML
            entries["sensors"] = entries.pop("sensor")
        check_keys(AllSettings, entries)
        values |= entries
        origins |= dict.fromkeys(entries, origin)
    own = {f.name for f in fields(Settings)} - {"meter", "origins"}
    meter = MeterConfig.from_dict({k: v for k, v in values.items() if k not in own})
    rest = {k: v for k, v in values.items() if k in own}
    rest |= {k: str(v) for k, v in rest.items() if k in ("carbon", "price")}
    return Settings(meter, **rest, origins=origins)


@dataclass(frozen=True)
class AllSettings(MeterConfig):
    """The names of all settings."""

    out: str = ""
    pue: float = 1.0
    carbon: str = ""
    price: str = ""


def _files(folder: Path, environ: Mapping[str, str]) -> list[tuple[str, Mapping[str, Any]]]:
    home = Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    places = (home / "energymeter.toml", folder / "energymeter.toml")
    found: list[tuple[str, Mapping[str, Any]]] = [
        (str(path), _read(path)) for path in places if path.is_file()
    ]
    project = folder / "pyproject.toml"
    if project.is_file():
        table = _read(project).get("tool", {}).get("energymeter")
        if table:
            found.append((str(project), table))
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in (f.name for f in fields(AllSettings) if f.name not in ("cpu", "sensors")):
        text = environ.get(f"ENERGYMETER_{name.upper()}")
        if text is None:
            continue
        try:
            found[name] = float(text) if name in PLAIN else text
        except ValueError:
            raise ConfigurationError(f"ENERGYMETER_{name.upper()}={text!r} is no number") from None
        if name in LISTS:
            found[name] = [part for part in text.split(",") if part]
    return found
