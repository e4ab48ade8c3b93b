"""Outcomes of a comparison as rows of a file, and as a table."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from f3.metrics import gap_closed
from f3.training import COSINE_LIMIT

__all__ = ["Outcome", "append", "read_outcomes", "table"]


@dataclass(frozen=True)
class Outcome:
    """The score of one run after its last epoch.

    Attributes
    ----------
    data, algorithm : str
    depth, width, epochs, seed : int
    lr : float
    part : {"validation", "test"}
        What was scored.
    score : float
        Accuracy, or mean squared error.
    cosine : float
        Least cosine of stored and fresh errors from the fifth epoch on; NaN without delayed errors.
    """

    data: str
    algorithm: str
    depth: int
    width: int
    epochs: int
    lr: float
    seed: int
    part: str
    score: float
    cosine: float

    @property
    def key(self) -> tuple[object, ...]:
        """What tells a run from others."""
        plain = asdict(self)
        return tuple(value for name, value in plain.items() if name not in {"score", "cosine"})


def append(file: Path, outcomes: Sequence[Outcome]) -> None:
    """Add rows to a CSV file, which gets a header if it is new."""
    names = [field.name for field in fields(Outcome)]
    is_new = not file.exists()
    with file.open("a", newline="") as handle:
        writer = csv.DictWriter(handle, names)
        if is_new:
            writer.writeheader()
        writer.writerows(asdict(outcome) for outcome in outcomes)


def read_outcomes(file: Path) -> list[Outcome]:
    """The rows of a file of `append`; none if there is no file.

    Raises
    ------
    ValueError
        If it is another kind of file, or damaged.
    """
    if not file.exists():
        return []
    kinds = {"str": str, "int": int, "float": float}
    with file.open(newline="") as handle:
        try:
            return [
                Outcome(**{f.name: kinds[str(f.type)](row[f.name]) for f in fields(Outcome)})
                for row in csv.DictReader(handle)
            ]
        except (KeyError, TypeError, ValueError, csv.Error) as error:
            raise ValueError(f"{file} holds no outcomes of comparisons: {error}") from error


def table(outcomes: Sequence[Outcome]) -> str:
    """Test scores as mean and deviation over seeds, and the gap that each algorithm closes.

    The gap is the one between a reference (DRTP, and training of the head alone) and
    backpropagation, where these were run. "stale" marks runs in which stored errors pointed
    elsewhere than fresh ones (where `fit` warns: a cosine below
    0.9 from the fifth epoch on, in any seed).
    """
    lines = []
    tests = [outcome for outcome in outcomes if outcome.part == "test"]
    for data, depth in sorted({(outcome.data, outcome.depth) for outcome in tests}):
        cell = [o for o in tests if (o.data, o.depth) == (data, depth)]
        names = list(dict.fromkeys(o.algorithm for o in cell))
        scores = {name: [o.score for o in cell if o.algorithm == name] for name in names}
        means = {name: statistics.mean(values) for name, values in scores.items()}
        lines.append(f"{data}, {depth} hidden")
        for name in names:
            spread = statistics.stdev(scores[name]) if len(scores[name]) > 1 else float("nan")
            mine = [o for o in cell if o.algorithm == name]
            line = f"  {name:17} lr {mine[0].lr:6.0e} {means[name]:8.4f} ± {spread:.4f}"
            for reference in ("drtp", "shallow"):
                if {"bp", reference} <= set(names) and name not in {"bp", reference}:
                    share = gap_closed(means[name], means[reference], means["bp"])
                    line += f"  {share:5.0%} of the gap to {reference}"
            least = min(o.cosine for o in mine)
            lines.append(f"{line}  stale: cosine {least:.2f}" if least < COSINE_LIMIT else line)
    return "\n".join(lines)
