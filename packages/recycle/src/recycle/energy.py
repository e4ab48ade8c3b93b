"""Energy of fits, by the package energymeter, which is the only place that imports it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["Energy", "Measured", "measured"]


@dataclass(frozen=True)
class Energy:
    """Energy of a piece of work.

    Attributes
    ----------
    joules, low, high : float
        With the interval that energymeter gives.
    seconds : float
    kind : str
        "measured", or "estimate" for want of sensors.
    """

    joules: float
    low: float
    high: float
    seconds: float
    kind: str

    @property
    def watts(self) -> float:
        """On average."""
        return self.joules / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        interval = f"{self.low:.3g} to {self.high:.3g}"
        return f"{self.joules:.3g} J ({interval}; {self.kind}) in {self.seconds:.3g} s"


@dataclass
class Measured:
    """Holds the energy once the block has ended."""

    energy: Energy | None = None


@contextmanager
def measured(label: str) -> Iterator[Measured]:
    """Measure the block.

    Raises
    ------
    ModuleNotFoundError
        If energymeter is not installed, with what to do.
    """
    try:
        import energymeter
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "energy=True needs the package energymeter: pip install energymeter"
        ) from error
    found = Measured()
    with tempfile.TemporaryDirectory() as folder:
        with energymeter.Meter(label=label, out=folder) as meter:
            yield found
        result = meter.result
    total = result.total
    kind = "measured" if result.measured and not result.modelled else "estimate"
    found.energy = Energy(total.joules, total.low, total.high, result.seconds, kind)
