"""The command line of the prediction: ``python -m daso.predict``."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from daso.predict import Link, Training, table

__all__ = ["main", "measure_link"]

_TEXT = """Predict the time of a step for 4 to 1,024 nodes. Give what you know of the training;
under mpirun or torchrun, --measure finds out what the networks cost."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table, and draw it."""
    parser = argparse.ArgumentParser(prog="python -m daso.predict", description=_TEXT)
    parser.add_argument("--parameters", type=float, default=25.6e6)
    parser.add_argument("--compute-ms", type=float, default=120.0, help="of a step")
    parser.add_argument("--variation", type=float, default=0.05, help="coefficient of variation")
    parser.add_argument("--ranks", type=int, default=4, help="on each node")
    parser.add_argument("--adapters", type=int, default=1, help="of each node")
    parser.add_argument("--gbit", type=float, default=10.0, help="of an adapter, in effect")
    parser.add_argument("--latency-us", type=float, default=20.0)
    parser.add_argument("--local-gbit", type=float, default=400.0)
    parser.add_argument("--wire-bytes", type=float, default=4.0, help="4 fp32, 2 bf16, 1 int8")
    parser.add_argument("--every", type=int, default=4, help="B")
    parser.add_argument("--wait", type=int, default=1, help="W")
    parser.add_argument("--nodes", type=int, nargs="+", default=[4, 16, 64, 256, 1024])
    parser.add_argument("--measure", action="store_true", help="measure the networks of this job")
    parser.add_argument("--plot", type=Path, help="draw to this file")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    local, cross = Link.of(given.local_gbit, 5e-6), Link.of(given.gbit, given.latency_us * 1e-6)
    is_first = True
    if given.measure:
        local, cross, is_first = _measured(local, cross)
    training = Training(
        given.compute_ms / 1e3, int(given.parameters), local, cross, variation=given.variation,
        ranks=given.ranks, adapters=given.adapters, wire_bytes=given.wire_bytes,
    )  # fmt: skip
    rows = table(training, given.nodes, given.every, given.wait) if is_first else []
    if rows:
        sys.stdout.write(_markdown(rows))
        if given.json:
            given.json.write_text(json.dumps(rows, indent=1))
        if given.plot:
            _draw(rows, given.plot)
    return 0


def _markdown(rows: list[dict[str, float]]) -> str:
    names = list(rows[0])
    lines = [" | ".join(names), " | ".join("--:" for _ in names)]
    lines += [" | ".join(f"{row[n]:,.{0 if n == 'nodes' else 1}f}" for n in names) for row in rows]
    return "".join(f"| {line} |\n" for line in lines)


def _draw(rows: list[dict[str, float]], file: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    for name in ("DDP ms", "local SGD ms", "DASO ms", "floor ms"):
        style = ":" if name.startswith("floor") else "-o"
        axes.plot([r["nodes"] for r in rows], [r[name] for r in rows], style, label=name[:-3])
    axes.set(xscale="log", xlabel="nodes", ylabel="milliseconds a step", ylim=(0, None))
    axes.set_xticks([r["nodes"] for r in rows], [f"{r['nodes']:.0f}" for r in rows])
    axes.legend()
    figure.savefig(file)


def _measured(local: Link, cross: Link) -> tuple[Link, Link, bool]:
    """The links of this job, where it has several ranks or nodes."""
    from daso.transport.choice import make_transport

    transport = make_transport()
    if transport.node.size > 1:
        local = measure_link(transport.node, transport.world)
    if transport.cross is not None and transport.cross.size > 1:
        cross = measure_link(transport.cross, transport.world)
    return local, cross, transport.topology.rank == 0


def measure_link(group: Any, world: Any, *, sizes: tuple[int, int] = (256, 1_000_000)) -> Link:
    """Fit latency and bandwidth to a small and a large all-reduce. Collective.

    Parameters
    ----------
    group : Group
        The ranks behind the link.
    world : Group
        All that measure at the same time, and so share adapters.
    sizes : tuple of int
        Numbers in the small and in the large one.
    """
    import torch

    medians = []
    for size in sizes:
        x, times = torch.ones(size), []
        for _ in range(5):
            world.allreduce(torch.ones(1)).wait(60)
            began = time.perf_counter()
            group.allreduce(x).wait(60)
            times.append(time.perf_counter() - began)
        medians.append(statistics.median(times))
    share = 2 * (group.size - 1) / group.size
    per_byte = max((medians[1] - medians[0]) / (share * 4 * (sizes[1] - sizes[0])), 1e-13)
    messages = 2 * (group.size - 1).bit_length()
    return Link(medians[0] / messages, per_byte)
