"""The command ``f3``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["main"]

MIB = 2**20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is 0 if it did what was asked."""
    given = _parser().parse_args(arguments)
    commands = {"compare": _compare, "data": _data, "bench": _bench}
    try:
        return commands[given.command](given)
    except (ImportError, OSError, ValueError) as error:
        sys.stderr.write(f"f3: {error}\n")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="f3", description="Training in the forward pass.")
    commands = parser.add_subparsers(dest="command", required=True)
    compare = commands.add_parser("compare", help="algorithms on small data, in one sweep")
    compare.add_argument(
        "--data",
        nargs="+",
        default=["digits"],
        help="digits, wine, diabetes, wine-quality, sgemm, a folder of images, or a CSV file",
    )
    compare.add_argument("--data-dir", type=Path, help="where names are looked for")
    compare.add_argument("--algorithms", type=_words, help="such as bp,drtp,f3")
    compare.add_argument("--depth", type=_integers, default=(1,), help="such as 1,3")
    compare.add_argument("--width", type=int, default=100)
    compare.add_argument("--epochs", type=int, default=20)
    compare.add_argument("--batch", type=int, default=50)
    compare.add_argument("--lr", type=_floats, default=(1e-3, 3e-3, 1e-2), help="to choose from")
    compare.add_argument("--seeds", type=_integers, default=(0, 1, 2, 3, 4), help="such as 0-4")
    compare.add_argument("--feedback", default="trinomial")
    compare.add_argument("--val", type=float, default=0.1, help="share for choosing rates")
    compare.add_argument("--device", default="cpu", help="such as cuda")
    compare.add_argument("--out", type=Path, help="CSV file, which is gone on with")
    compare.add_argument("--plot", type=Path, help="picture of the test scores")
    data = commands.add_parser("data", help="files of known data sets, with checksums")
    data.add_argument("folder", type=Path, nargs="?", default=Path())
    bench = commands.add_parser("bench", help="what a training step costs on this machine")
    bench.add_argument("what", choices=("memory", "speed", "pipeline"), help="pipeline: by mpirun")
    bench.add_argument("--depth", type=_integers, default=(8,), help="hidden blocks, such as 8,32")
    bench.add_argument("--width", type=int, default=512)
    bench.add_argument("--batch", type=int, default=256)
    bench.add_argument("--rounds", type=int, default=5)
    return parser


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
        outcomes += compare(load(name, given.data_dir).to(given.device), plan, given.out)
    sys.stdout.write(table(outcomes) + "\n")
    if given.plot is not None:
        from f3.compare.plots import plot_outcomes

        plot_outcomes(outcomes).figure.savefig(given.plot, bbox_inches="tight")
    return 0


def _data(given: argparse.Namespace) -> int:
    from f3.compare.files import find

    if not given.folder.is_dir():
        raise FileNotFoundError(f"there is no folder {given.folder}")
    found = find(given.folder)
    for each in found:
        sys.stdout.write(f"{each.kind:12} {each.size:12,} {each.sha256} {each.file}\n")
    if not found:
        sys.stdout.write(f"{given.folder.resolve()} has no files of known data sets\n")
    return 0


def _bench(given: argparse.Namespace) -> int:
    if given.what == "pipeline":
        return _bench_pipeline(given)
    from f3.compare.cost import cpu_time, live_memory, operations

    for depth in given.depth:
        shape = (depth, given.width, given.batch)
        heading = f"{depth} x {given.width}, batch {given.batch}"
        if given.what == "memory":
            peaks = live_memory(*shape)
            cells = "  ".join(f"{way} {peak / MIB:.1f}" for way, peak in peaks.items())
            sys.stdout.write(f"{heading}: live memory of a step, MiB: {cells}\n")
            continue
        counts = operations(*shape)
        times = cpu_time(*shape, given.rounds)
        cells = "  ".join(
            f"{way} {counts[way] / counts['bp']:.2f} and {times[way]:.2f}" for way in times
        )
        sys.stdout.write(f"{heading}: operations and CPU time over backpropagation's: {cells}\n")
    return 0


def _bench_pipeline(given: argparse.Namespace) -> int:
    from f3.compare.pipelining import pipeline_gain
    from mpi_utils import abort_on_exception, world

    abort_on_exception()
    comm = world()
    for depth in given.depth:
        gain = pipeline_gain(comm, depth, given.width, given.batch, rounds=given.rounds)
        if comm.rank == 0:
            sys.stdout.write(
                f"{depth} x {given.width}, batch {given.batch}, {comm.size} ranks: "
                f"{gain.speed('f3'):.2f} times as fast as one process, "
                f"{gain.speed('bp'):.2f} times as fast as backpropagation; as many networks side "
                f"by side: {gain.limit:.2f}; largest difference of a weight: {gain.difference}\n"
            )
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
