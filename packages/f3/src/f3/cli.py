"""The command ``f3``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is 0 if it did what was asked."""
    parser = argparse.ArgumentParser(prog="f3", description="Training in the forward pass.")
    commands = parser.add_subparsers(dest="command", required=True)
    compare = commands.add_parser("compare", help="algorithms on small data, in one sweep")
    compare.add_argument(
        "--data", nargs="+", default=["digits"], help="digits, wine, diabetes, idx folder, CSV file"
    )
    compare.add_argument("--data-dir", type=Path, help="where relative names are looked for")
    compare.add_argument("--algorithms", type=_words, help="such as bp,drtp,f3")
    compare.add_argument("--depth", type=_integers, default=(1,), help="such as 1,3")
    compare.add_argument("--width", type=int, default=100)
    compare.add_argument("--epochs", type=int, default=20)
    compare.add_argument("--batch", type=int, default=50)
    compare.add_argument("--lr", type=_floats, default=(1e-3, 3e-3, 1e-2), help="to choose from")
    compare.add_argument("--seeds", type=_integers, default=(0, 1, 2, 3, 4), help="such as 0-4")
    compare.add_argument("--feedback", default="trinomial")
    compare.add_argument("--val", type=float, default=0.1, help="share for choosing rates")
    compare.add_argument("--out", type=Path, help="CSV file, which is gone on with")
    compare.add_argument("--plot", type=Path, help="picture of the test scores")
    given = parser.parse_args(arguments)
    try:
        return _compare(given)
    except (ValueError, FileNotFoundError) as error:
        sys.stderr.write(f"f3: {error}\n")
        return 2


def _compare(given: argparse.Namespace) -> int:
    from f3.compare.datasets import load
    from f3.compare.results import table
    from f3.compare.runner import Plan, compare

    settings = {"algorithms": given.algorithms} if given.algorithms else {}
    plan = Plan(
        depths=given.depth,
        width=given.width,
        epochs=given.epochs,
        batch_size=given.batch,
        rates=given.lr,
        seeds=given.seeds,
        feedback=given.feedback,
        validation=given.val,
        **settings,
    )
    outcomes = []
    for name in given.data:
        outcomes += compare(load(name, given.data_dir), plan, given.out)
    sys.stdout.write(table(outcomes) + "\n")
    if given.plot is not None:
        from f3.compare.plots import plot_outcomes

        plot_outcomes(outcomes).figure.savefig(given.plot, bbox_inches="tight")
    return 0


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _floats(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


def _integers(text: str) -> tuple[int, ...]:
    """Numbers and ranges: ``1,3`` or ``0-4``."""
    numbers: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return tuple(numbers)
