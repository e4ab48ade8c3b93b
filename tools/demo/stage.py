"""What a stage of the demo is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import heat_core as ht
from energymeter.analysis.summary import Result
from tools.demo.series import Observations

__all__ = ["Checked", "Context", "Plot", "Row", "Stage", "Timed", "with_energy"]


@dataclass(frozen=True)
class Row:
    """One line of the table: a result and what an oracle says.

    Attributes
    ----------
    what, result : str
        As they are shown.
    oracle, expected : str
        Who knows the truth, and the result as it should be.
    difference : float
        Between both, the largest of all elements.
    tolerance : float
        What the difference may be.
    """

    what: str
    result: str
    oracle: str
    expected: str
    difference: float
    tolerance: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the check held; a difference of NaN does not."""
        return self.difference <= self.tolerance


@dataclass(frozen=True)
class Plot:
    """A figure of the report: its SVG source and what it shows."""

    svg: str
    caption: str


@dataclass(frozen=True)
class Checked:
    """What a stage has to show for itself: at least one row, maybe plots and a remark."""

    rows: tuple[Row, ...]
    plots: tuple[Plot, ...] = ()
    remark: str = ""


@dataclass(frozen=True)
class Timed:
    """A stage that has run: its check, and the seconds of the slowest rank without the check.

    `energy` is that of the node in these seconds; with ``~`` if it is an estimate.
    """

    stage: Stage
    checked: Checked
    seconds: float
    energy: str = ""

    @property
    def ok(self) -> bool:
        """Whether all checks held."""
        return all(row.ok for row in self.checked.rows)


def with_energy(stages: Sequence[Timed], result: Result) -> list[Timed]:
    """Add the energy of each stage, which was measured as a region of its name."""
    mark = "~" if result.total.is_estimate else ""
    joules = {region.path: region.inclusive for region in result.regions}
    return [replace(t, energy=f"{mark}{joules[t.stage.name]:.3g} J") for t in stages]


@dataclass
class Context:
    """What the stages share; earlier ones fill it for later ones.

    Attributes
    ----------
    comm : heat_core.Communicator
    data, output : Path
        Folders of the input files and of what the demo writes.
    observations : tuple of Observations
        The stations as read, one row an observation; set by the stage ``load``.
    hourly : DNDarray, (hours, stations)
        Degrees Celsius at every hour of the year, split by whole days; set by ``quality``.
    days : DNDarray, (days, 24 * stations)
        The same data, one row a day, hours of the first station first; set by ``quality``.
    """

    comm: ht.Communicator
    data: Path
    output: Path
    observations: tuple[Observations, ...] = ()
    hourly: ht.DNDarray = field(init=False)
    days: ht.DNDarray = field(init=False)


class Stage(ABC):
    """One step of the demo, listed in ``stages.STAGES``.

    ``run`` is the parallel part and ``check`` the serial one, so that no oracle can disturb the
    ranks and no message can be lost in a check.
    """

    name: ClassVar[str]
    shows: ClassVar[str]
    package: ClassVar[str] = "heat-core"

    @abstractmethod
    def run(self, context: Context) -> Any:
        """Compute on all ranks. Collective; what it returns is handed to ``check``."""

    @abstractmethod
    def check(self, context: Context, found: Any) -> Checked:
        """Compare with an oracle and draw. On rank 0 only: must not communicate."""
