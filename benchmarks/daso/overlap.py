"""Exposed waits on an emulated cluster, over MPI and over gloo, beside what the model predicts.

``python benchmarks/daso/overlap.py [--quick] [--json FILE]``. Two nodes of two ranks, one million
parameters, steps of 50 ms of sleep: many ranks share few cores here, and would disturb each other's
computing. The prediction knows the step, and the link as two all-reduces measure it beforehand.
Needs root, or the right to make namespaces.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

import daso
from daso.predict import Link, Training, predict
from daso.predict_command import measure_link

ROOT = Path(__file__).parents[2]
PARAMETERS, STEP_S = 1_000_000, 0.05
#: rate in Mbit/s -> pairs of B and W
CASES = {
    400: [(2, 1), (4, 2), (4, 4)],
    200: [(2, 1), (4, 1), (4, 2), (8, 5)],
    100: [(4, 1), (8, 4), (8, 8)],
}


def worker(cases: list[tuple[int, int]], cycles: int, file: Path) -> None:
    """Train with each pair, and write what was waited for."""
    torch.set_num_threads(1)
    transport, rows = daso.make_transport(timeout_s=60.0), []
    assert transport.cross is not None
    # all ranks measure at once, as their stripes travel at once
    link = measure_link(
        transport.cross, transport.world, sizes=(256, PARAMETERS // transport.topology.stripes)
    )
    for every, wait in cases:
        model = nn.Linear(1000, PARAMETERS // 1000, bias=False)
        config = daso.DASOConfig.fixed(every, wait, total_steps=10**6, timeout_s=60.0)
        opt = daso.DASO(torch.optim.SGD(model.parameters(), 0.0), model, config=config,
                        transport=transport)  # fmt: skip
        model.weight.grad = torch.zeros_like(model.weight)
        opt._gradients.is_done = True  # there are no gradients to be averaged inside the node
        steps = every * cycles + wait
        began, slept = time.perf_counter(), 0.0
        for _ in range(steps):
            start = time.perf_counter()
            time.sleep(STEP_S)
            slept += time.perf_counter() - start
            opt._gradients.is_done = True
            opt.step()
        taken = time.perf_counter() - began
        waited = opt.stats.seconds["wait_global"]
        numbers = torch.tensor([waited, opt.stats.sync_s, slept, taken], dtype=torch.float64)
        transport.world.allreduce(numbers).wait(60)
        exposed, sync, slept, taken = (numbers / transport.topology.size).tolist()
        own = max(0.0, taken - slept - exposed) / opt.stats.merged
        rows.append(
            {
                "B": every,
                "W": wait,
                "exposed": exposed / steps,
                "sync": sync,
                "step": slept / steps,
                "per_sync": own,
                "steps": steps,
                "link": [link.latency_s, link.seconds_per_byte],
            }
        )
        opt._sync.drain()
    if transport.topology.rank == 0:
        file.write_text(json.dumps(rows))


def measure(
    rate: int, launcher: str, cases: list[tuple[int, int]], cycles: int
) -> list[dict[str, Any]]:
    """Measured and predicted milliseconds a step."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.json"
        command = [sys.executable, "-m", "tools.emulated_cluster", "-n", "2", "-r", "2"]
        command += ["--rate", f"{rate}mbit", "--launcher", launcher, "--", sys.executable, __file__]
        command += ["--worker", str(file), "--cases", json.dumps(cases), "--cycles", str(cycles)]
        subprocess.run(command, cwd=ROOT, check=True)
        rows = json.loads(file.read_text())
    table = []
    for row in rows:
        training = Training(
            row["step"],
            PARAMETERS,
            local=Link.of(1e5),
            cross=Link(*row["link"]),
            variation=0.0,
            ranks=2,
            adapters=2,  # the link was measured with both stripes on it
            per_sync_s=row["per_sync"],
        )
        expected = predict(training, 2, every=row["B"], wait=row["W"], steps=row["steps"])
        table.append({
            "over": "MPI" if launcher == "mpirun" else "gloo",
            "Mbit/s": rate,
            "B": row["B"],
            "W": row["W"],
            "W T_step / T_sync": row["W"] * row["step"] / row["sync"],
            "T_sync ms": 1e3 * row["sync"],
            "exposed ms a step": 1e3 * row["exposed"],
            "predicted": 1e3 * expected.exposed_s,
            "% of step": 100 * row["exposed"] / row["step"],
        })  # fmt: skip
    return table


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one rate, fewer steps")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--cases", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--cycles", type=int, default=8, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options.cases, options.cycles, options.worker)
        return 0
    rates = [200] if options.quick else list(CASES)
    rows: list[dict[str, Any]] = []
    for launcher in ("mpirun", "torchrun"):
        for rate in rates:
            rows += measure(rate, launcher, CASES[rate], 4 if options.quick else options.cycles)
    names = list(rows[0])
    print("| " + " | ".join(names) + " |\n|" + "--:|" * len(names))
    for row in rows:
        cells = [f"{v:.2f}" if isinstance(v, float) else str(v) for v in row.values()]
        print("| " + " | ".join(cells) + " |")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
