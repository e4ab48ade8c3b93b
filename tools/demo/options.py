"""The command line, read alike by the launcher and by every rank."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Options", "parse"]


@dataclass(frozen=True)
class Options:
    """What the user chose.

    Attributes
    ----------
    ranks : int
        For the launcher; a job that runs already has the ranks that it has.
    data : Path or None
        Folder of the input files; None: where vega_datasets is installed.
    output : Path
        Folder of the report.
    minutes : float
        How long to go on with further rounds; 0: one round.
    """

    ranks: int
    data: Path | None
    output: Path
    minutes: float = 0.0


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Read the command line; ends the program with status 2 if it is wrong."""
    parser = argparse.ArgumentParser(
        prog="hatch run demo",
        description="Run real data through the packages on a few MPI ranks, hold every result "
        "against an oracle, and write a report. The exit status is 0 if every check held, "
        "1 if one did not, 2 if the demo could not run.",
    )
    parser.add_argument("-n", dest="ranks", type=_ranks, default=2, help="number of ranks; 2")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder with seattle-temps.csv and sf-temps.csv; default: those of vega_datasets",
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", default=Path("hpc-ml-demo"), help="%(default)s"
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=0.0,
        help="repeat for so long, and say what memory and files the ranks hold after each round",
    )
    given = parser.parse_args(arguments)
    return Options(given.ranks, given.data, given.output, given.minutes)


def _ranks(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"at least one rank is needed, not {number}")
    return number
