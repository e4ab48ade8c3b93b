"""The input files: where they are, and what is in them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

__all__ = ["STATIONS", "Station", "bundled_data", "check_readable"]


@dataclass(frozen=True)
class Station:
    """A CSV file with one header line, and the columns of the time and of the temperature in °F."""

    name: str
    file: str
    time_column: int
    temperature_column: int


STATIONS = (
    Station("Seattle", "seattle-temps.csv", 0, 1),
    Station("San Francisco", "sf-temps.csv", 1, 0),
)


def bundled_data() -> Path:
    """The folder with the files that are part of the distribution ``vega-datasets``."""
    spec = find_spec("vega_datasets")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("vega_datasets is not installed: pip install vega_datasets")
    return Path(spec.origin).parent / "_data"


def check_readable(folder: Path) -> None:
    """Raise OSError unless all input files can be read."""
    for station in STATIONS:
        with (folder / station.file).open("rb") as file:
            file.read(1)
