"""Sensors: what is read, in which unit, where in the node it belongs, and how good it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

from energymeter.environment import Environment
from energymeter.errors import ConfigurationError

__all__ = [
    "Backend",
    "Kind",
    "Probe",
    "Provenance",
    "RawReading",
    "Reader",
    "Sensor",
    "Status",
    "Unavailable",
    "component_class",
]


class Kind(StrEnum):
    """What a raw value means once it is multiplied by the sensor's scale."""

    ENERGY_COUNTER = "energy_counter"  # J since some moment
    POWER_INSTANT = "power_instant"  # W now
    POWER_AVERAGE = "power_average"  # W, mean of the last `window` seconds
    GAUGE = "gauge"  # utilisation, temperature, clock
    EVENT_COUNTER = "event_counter"  # such as busy CPU-seconds


class Provenance(StrEnum):
    """Where a number comes from."""

    MEASURED = "measured"
    MODELLED = "modelled"
    DERIVED = "derived"
    USER = "user"


class Status(StrEnum):
    """The outcome of one reading. Everything but OK comes without a value: never a silent zero."""

    OK = "ok"
    MISSING = "missing"
    DENIED = "denied"
    INVALID = "invalid"
    TIMEOUT = "timeout"
    MEAN = "mean"  # not a reading, but the mean of several since the one before

    @property
    def has_value(self) -> bool:
        """Whether there is a number."""
        return self in (Status.OK, Status.MEAN)


RawReading: TypeAlias = tuple[int | None, Status, int]
"""A raw value, its status, and the sensor's own time stamp in ns (0: the time of reading)."""

CLASSES = {
    "cpu": "cpu",
    "mem": "memory",
    "gpu": "gpu",
    "nic": "network",
    "disk": "storage",
    "platform": "platform",
    "other": "other",
}
# plausibility bounds in W: a reading that would need more is a failed one
MAX_POWER = {"cpu": 1500.0, "memory": 500.0, "gpu": 3000.0}


def component_class(component: str) -> str:
    """The class of a component: ``node/cpu0/cores`` is of class cpu, ``node`` of class node."""
    parts = component.split("/")
    if len(parts) == 1:
        return "node"
    return CLASSES.get(parts[1].rstrip("0123456789"), "other")


@dataclass(frozen=True, slots=True)
class Sensor:
    """One quantity that can be read; see Kind for units.

    Parameters
    ----------
    id : str
        ``<backend>:<native name>``, unique on a node.
    component : str
        Place in the component tree, such as ``node/cpu0``.
    kind : Kind
    scale : (int, int)
        Numerator and denominator of SI value / raw value; exact.
    modulus : int, optional
        The counter starts again at 0 here; None: it never does.
    resolution : float
        One raw quantum that the hardware really distinguishes, in SI units; 0: the scale.
    update_period, window : float
        Seconds between refreshes of the value, and averaging window; 0: unknown, none.
    duty : float
        Share of the time that the hardware observes.
    accuracy : float
        Declared relative systematic error; 0: not declared.
    provenance : Provenance
    slow : bool
        Reading may block: it gets a thread and a period of its own.
    max_power : float
        Plausibility bound in W; 0: by class.
    contains : tuple of str
        Components whose energy is part of this one's; declared, never guessed from names.
    cross_check : bool
        A second view of a component: shown, never added.
    assigned : bool
        False: the place of this sensor is unknown; it is listed and not added.
    """

    id: str
    component: str
    kind: Kind
    scale: tuple[int, int] = (1, 1)
    modulus: int | None = None
    resolution: float = 0.0
    update_period: float = 0.0
    window: float = 0.0
    duty: float = 1.0
    accuracy: float = 0.0
    provenance: Provenance = Provenance.MEASURED
    slow: bool = False
    max_power: float = 0.0
    contains: tuple[str, ...] = ()
    cross_check: bool = False
    assigned: bool = True
    source: str = ""

    def __post_init__(self) -> None:
        if self.scale[0] <= 0 or self.scale[1] <= 0:
            raise ConfigurationError(f"{self.id}: the scale {self.scale} must be positive")
        if self.modulus is not None and self.modulus <= 0:
            raise ConfigurationError(f"{self.id}: the modulus {self.modulus} must be positive")

    @property
    def factor(self) -> float:
        """SI value of one raw unit."""
        return self.scale[0] / self.scale[1]

    @property
    def quantum(self) -> float:
        """Resolution in SI units."""
        return self.resolution or self.factor

    @property
    def bound(self) -> float:
        """Highest plausible power in W."""
        return self.max_power or MAX_POWER.get(component_class(self.component), 30000.0)

    def plausible_energy(self, seconds: Any) -> Any:
        """Most that a counter can gain in `seconds` (a number or an array)."""
        # a refresh may bring what was used before the first reading
        refresh = self.update_period or 0.1
        return 1.5 * self.bound * (seconds + refresh) + 4 * self.quantum

    @property
    def is_energy(self) -> bool:
        """Whether energy can be had from this sensor."""
        return self.kind in (Kind.ENERGY_COUNTER, Kind.POWER_INSTANT, Kind.POWER_AVERAGE)

    @property
    def backend(self) -> str:
        """Name of the backend that found it."""
        return self.id.partition(":")[0]

    def to_dict(self) -> dict[str, Any]:
        """As JSON-compatible values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Sensor:
        """Back from `to_dict`; unknown keys of a later version are left out."""
        known = {k: v for k, v in values.items() if k in cls.__dataclass_fields__}
        known["kind"] = Kind(known["kind"])
        known["provenance"] = Provenance(known.get("provenance", "measured"))
        known["scale"] = tuple(known["scale"])
        known["contains"] = tuple(known.get("contains", ()))
        return cls(**known)


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A source that exists here and cannot be used, or could be had: why, and the remedy."""

    id: str
    component: str
    reason: str
    hint: str = ""

    def to_dict(self) -> dict[str, str]:
        """As JSON-compatible values."""
        return asdict(self)


Probe: TypeAlias = Sensor | Unavailable


class Reader(Protocol):
    """Reads the sensors it was opened with; lives in the agent only, never in the application."""

    def read(self) -> Sequence[RawReading]:
        """One reading per sensor, in their order. Does not raise: a failure is a Status."""
        ...

    def close(self) -> None:
        """Release descriptors."""
        ...


class Backend(Protocol):
    """A family of sensors. `discover` runs without side effects; `open` once, in the agent."""

    name: str

    def discover(self, env: Environment) -> list[Probe]:
        """All sensors of this node, and what is unavailable and why."""
        ...

    def open(self, sensors: Sequence[Sensor], env: Environment) -> Reader:
        """Open sensors that `discover` returned."""
        ...
