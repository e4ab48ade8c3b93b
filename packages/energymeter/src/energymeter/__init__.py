"""Energy measurement of MPI and Python AI workloads on all kinds of nodes."""

import importlib as _importlib
from typing import TYPE_CHECKING

from energymeter._version import __version__
from energymeter.regions import mark, phase, region

if TYPE_CHECKING:
    from energymeter.comparing import Comparison, compare
    from energymeter.config import CpuModel, MeterConfig, UserSensor
    from energymeter.errors import (
        ConfigurationError,
        EnergymeterError,
        NotMeasuredError,
        RunError,
    )
    from energymeter.live import current_run, snapshot
    from energymeter.meter import Meter
    from energymeter.run import Run, load

__all__ = [
    "Comparison",
    "ConfigurationError",
    "CpuModel",
    "EnergymeterError",
    "Meter",
    "MeterConfig",
    "NotMeasuredError",
    "Run",
    "RunError",
    "UserSensor",
    "__version__",
    "compare",
    "current_run",
    "load",
    "mark",
    "phase",
    "region",
    "snapshot",
]

_LAZY = {
    "Comparison": "comparing",
    "ConfigurationError": "errors",
    "CpuModel": "config",
    "EnergymeterError": "errors",
    "Meter": "meter",
    "MeterConfig": "config",
    "NotMeasuredError": "errors",
    "Run": "run",
    "RunError": "errors",
    "UserSensor": "config",
    "compare": "comparing",
    "current_run": "live",
    "load": "run",
    "snapshot": "live",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _importlib.import_module(f"energymeter.{_LAZY[name]}")
    return getattr(module, name)
