"""Measuring without hardware: waves of known energy, fake nodes, vendor libraries and clocks."""

import importlib as _importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from energymeter.testing.machines import FakeNode, fake_modules
    from energymeter.testing.simulation import VirtualEnvironment, simulate
    from energymeter.testing.wave_server import WaveServer
    from energymeter.testing.waves import Wave, parse_wave

__all__ = [
    "FakeNode",
    "VirtualEnvironment",
    "Wave",
    "WaveServer",
    "fake_modules",
    "parse_wave",
    "simulate",
]

_LAZY = {
    "FakeNode": "machines",
    "VirtualEnvironment": "simulation",
    "Wave": "waves",
    "WaveServer": "wave_server",
    "fake_modules": "machines",
    "parse_wave": "waves",
    "simulate": "simulation",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _importlib.import_module(f"energymeter.testing.{_LAZY[name]}")
    return getattr(module, name)
