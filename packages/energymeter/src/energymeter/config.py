"""What a measurement is asked to do: checked here, once, and handed to the agent as JSON."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from energymeter.errors import ConfigurationError

__all__ = ["ATTRIBUTIONS", "CpuModel", "MeterConfig", "UserSensor", "thinning_steps"]

UNITS = {
    "J": ("energy_counter", 1, 1),
    "mJ": ("energy_counter", 1, 1000),
    "uJ": ("energy_counter", 1, 1_000_000),
    "Wh": ("energy_counter", 3600, 1),
    "kWh": ("energy_counter", 3_600_000, 1),
    "W": ("power_instant", 1, 1),
    "mW": ("power_instant", 1, 1000),
    "uW": ("power_instant", 1, 1_000_000),
}
ATTRIBUTIONS = ("exclusive", "allocated", "cpu-time")
# from s after the start on, keep one reading in so many s
AUTOMATIC = ((3600.0, 1.0), (86400.0, 10.0))


def thinning_steps(store: str) -> tuple[tuple[float, float], ...]:
    """When readings are thinned out, and to which period; both in s.

    Raises
    ------
    ConfigurationError
        If `store` is neither full, nor auto, nor a period.
    """
    if store in ("full", "auto"):
        return AUTOMATIC if store == "auto" else ()
    try:
        period = float(store)
    except ValueError:
        period = 0.0
    if not 0.001 <= period <= 3600:
        raise ConfigurationError(f"store={store!r}: use full, auto, or a period of 0.001 to 3600 s")
    return ((0.0, period),)


@dataclass(frozen=True)
class UserSensor:
    """A sensor of the user's own: a file or a command that prints a number.

    Parameters
    ----------
    backend : {"file", "command"}
    unit : str
        J, mJ, uJ, Wh or kWh of a counter; W, mW or uW of a power.
    component : str
        Such as ``node`` or ``node/gpu0``.
    path : str
        File to read.
    argv : tuple of str
        Command to run.
    regex : str
        The first group that it finds is the number; default: the first number.
    modulus : int, optional
        Value at which a counter starts again, in `unit`.
    contains : tuple of str
        Components that are inside this one.
    """

    backend: str
    unit: str
    component: str = "node"
    path: str = ""
    argv: tuple[str, ...] = ()
    regex: str = r"(-?[0-9]+(?:\.[0-9]+)?)"
    modulus: int | None = None
    contains: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.backend not in ("file", "command"):
            raise ConfigurationError(f"backend={self.backend!r} of a sensor: use file or command")
        if self.unit not in UNITS:
            raise ConfigurationError(f"unit={self.unit!r}: use one of {', '.join(UNITS)}")
        if self.backend == "file" and not self.path.startswith("/"):
            raise ConfigurationError("a file sensor needs an absolute path")
        if self.backend == "command" and not self.argv:
            raise ConfigurationError("a command sensor needs argv, a list of words")
        if self.component != "node" and not self.component.startswith("node/"):
            raise ConfigurationError(f"component={self.component!r}: it is node or node/...")


@dataclass(frozen=True)
class CpuModel:
    """What is known of the power of the CPUs of a node, in W; see `energymeter.analysis.model`.

    Parameters
    ----------
    tdp : float
        Thermal design power of all sockets together; 0: unknown.
    idle, full : float
        Power at rest and at full load; 0: unknown.
    exponent : float
        Of the utilisation, between idle and full.
    points : tuple of (float, float)
        Calibration: (utilisation in 0...1, W), three or more.
    gpu_tdp : float
        Of one accelerator; 0: unknown.
    """

    tdp: float = 0.0
    idle: float = 0.0
    full: float = 0.0
    exponent: float = 1.0
    points: tuple[tuple[float, float], ...] = ()
    gpu_tdp: float = 0.0

    def __post_init__(self) -> None:
        values = (self.tdp, self.idle, self.full, self.gpu_tdp)
        if not all(math.isfinite(value) and value >= 0 for value in values):
            raise ConfigurationError("powers of the model must be finite and not negative")
        if not self.exponent > 0:
            raise ConfigurationError(f"exponent={self.exponent} must be positive")
        if self.full and self.full < self.idle:
            raise ConfigurationError(f"full={self.full} W is less than idle={self.idle} W")
        if self.points and (len(self.points) < 3 or any(not 0 <= u <= 1 for u, _ in self.points)):
            raise ConfigurationError("calibration needs 3 or more points (utilisation 0...1, W)")


@dataclass(frozen=True)
class MeterConfig:
    """Options of a measurement; times in s, powers in W.

    Parameters
    ----------
    period, slow_period : float
        Between readings of files and libraries; of commands and controllers. 0.001 to 60.
    backends : str
        ``a,b`` these; ``+a,-b`` the safe ones, with a and without b.
    include, exclude : tuple of str
        Shell patterns on sensor ids.
    model : {"auto", "always", "never"}
        Estimates for what has no sensor.
    require : str
        ``measured`` or ``measured:cpu,gpu``: refuse to start without measured sources.
    prefer : {"", "psys"}
        Which of two overlapping sources counts.
    other_power : float
        Constant of parts without a sensor.
    node_type : str
        Name for this kind of node; default: a fingerprint.
    openmetrics : str
        File that is replaced every 10 s.
    store : str
        ``full``: every reading; ``auto``: of the first hour, then one each second, and each 10 s
        after a day; or the s between those that are kept. Energies stay exact, only cuts between
        readings are interpolated.
    baseline : float
        s at rest before the application starts, to tell idle from used power.
    attribution : {"exclusive", "allocated", "cpu-time"}
        On nodes that other jobs share: the whole node, this job's part by cores and accelerators,
        or by CPU time; see `energymeter.analysis.sharing`.
    """

    period: float = 0.1
    slow_period: float = 1.0
    backends: str = ""
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    model: str = "auto"
    require: str = ""
    prefer: str = ""
    other_power: float = 0.0
    node_type: str = ""
    openmetrics: str = ""
    store: str = "auto"
    baseline: float = 0.0
    attribution: str = "exclusive"
    cpu: CpuModel = field(default_factory=CpuModel)
    sensors: tuple[UserSensor, ...] = ()

    def __post_init__(self) -> None:
        for name in ("period", "slow_period"):
            if not 0.001 <= getattr(self, name) <= 60:
                raise ConfigurationError(f"{name}={getattr(self, name)} s: 0.001 to 60 s")
        if self.model not in ("auto", "always", "never"):
            raise ConfigurationError(f"model={self.model!r}: use auto, always or never")
        if self.prefer not in ("", "psys"):
            raise ConfigurationError(f"prefer={self.prefer!r}: only psys can be preferred")
        if self.require and self.require.partition(":")[0] != "measured":
            raise ConfigurationError(f"require={self.require!r}: use measured or measured:cpu,gpu")
        for name in ("other_power", "baseline"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ConfigurationError(f"{name}={value} must be finite and not negative")
        if self.attribution not in ATTRIBUTIONS:
            raise ConfigurationError(
                f"attribution={self.attribution!r}: use one of {', '.join(ATTRIBUTIONS)}"
            )
        thinning_steps(self.store)

    @property
    def required_classes(self) -> tuple[str, ...] | None:
        """Classes that must be measured; empty: any; None: nothing is required."""
        if not self.require:
            return None
        return tuple(filter(None, self.require.partition(":")[2].split(",")))

    def to_dict(self) -> dict[str, Any]:
        """As JSON-compatible values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> MeterConfig:
        """From JSON or TOML values.

        Raises
        ------
        ConfigurationError
            For keys that there are not, with the nearest one that there is; for values of the
            wrong kind; and for sensors that lack something.
        """
        try:
            return cls._from_dict(dict(values))
        except (AttributeError, TypeError) as error:
            raise ConfigurationError(f"settings are not as they should be: {error}") from error

    @classmethod
    def _from_dict(cls, given: dict[str, Any]) -> MeterConfig:
        check_keys(cls, given)
        if "cpu" in given:
            cpu = dict(given["cpu"])
            check_keys(CpuModel, cpu, "cpu.")
            cpu["points"] = tuple((float(u), float(w)) for u, w in cpu.get("points", ()))
            given["cpu"] = CpuModel(**cpu)
        sensors = []
        for entry in given.get("sensors", ()):
            check_keys(UserSensor, entry, "sensor.")
            lists = {k: tuple(v) for k, v in entry.items() if k in ("argv", "contains")}
            sensors.append(UserSensor(**{**entry, **lists}))
        given["sensors"] = tuple(sensors)
        for name in ("include", "exclude"):
            given[name] = tuple(given.get(name, ()))
        return cls(**given)


def check_keys(cls: type, given: Mapping[str, Any], prefix: str = "") -> None:
    """Refuse keys that are no field of a dataclass, and suggest the nearest.

    Raises
    ------
    ConfigurationError
        With the name of the first unknown key.
    """
    known = [f.name for f in fields(cls)]
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {prefix}{near[0]}?" if near else f"known: {', '.join(known)}"
            raise ConfigurationError(f"unknown setting {prefix}{key}: {hint}")
