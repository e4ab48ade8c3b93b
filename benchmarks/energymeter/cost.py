"""What measuring costs: CPU-seconds at start-up, alone and under mpirun, and of the agent.

``python benchmarks/energymeter/cost.py [--quick] [--json FILE] [--peers PYTHON]``. ``PYTHON`` is an
interpreter that has perun and codecarbon; without it, they are left out. All run the same empty
script in turns; what the bare interpreter needs is subtracted. The agent reads eight counter files
ten times a second; its CPU time is what it wrote into its journal at its end.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from energymeter.run import latest_run, load
from energymeter.testing import FakeNode

CODECARBON = """
from codecarbon import OfflineEmissionsTracker
with OfflineEmissionsTracker(country_iso_code="DEU", log_level="error", save_to_file=False):
    pass
"""


def cpu_and_wall(command: list[str], folder: Path) -> tuple[float, float]:
    """Seconds of CPU, of all processes that were waited for, and of wall time."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - start
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime), wall


def agent_cost(folder: Path) -> tuple[float, float]:
    """CPU-seconds of the agent of the latest run, and how long it ran."""
    run = load(latest_run(folder / "energymeter"))
    (node,) = run.nodes
    (stop,) = (event for event in node.events if event["event"] == "stop")
    return stop["cpu_s"], (node.span[1] - node.span[0]) / 1e9


def startup(folder: Path, peers: str | None, rounds: int) -> dict[str, dict[str, float]]:
    """Added CPU and wall seconds of each tool on an empty script; medians, in turns."""
    (folder / "empty.py").write_text("pass\n")
    (folder / "carbon.py").write_text(CODECARBON)
    python, meter = sys.executable, [sys.executable, "-m", "energymeter", "run", "--quiet"]
    mpirun = shutil.which("mpirun")
    cases: dict[str, tuple[list[str], list[str]]] = {
        "energymeter": ([*meter, "empty.py"], [python, "empty.py"])
    }
    if mpirun:
        four = [mpirun, "-n", "4"]
        cases["energymeter, 4 ranks"] = ([*four, *meter, "empty.py"], [*four, python, "empty.py"])
    if peers:
        perun = str(Path(peers).with_name("perun"))
        cases["perun"] = ([perun, "monitor", "empty.py"], [peers, "empty.py"])
        cases["codecarbon"] = ([peers, "carbon.py"], [peers, "empty.py"])
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, (with_tool, bare) in cases.items():
            cpu, wall = cpu_and_wall(with_tool, folder)
            bare_cpu, bare_wall = cpu_and_wall(bare, folder)
            if "ranks" in name:  # this agent is nobody's child
                time.sleep(0.5)
                cpu += agent_cost(folder)[0]
            found[name].append((cpu - bare_cpu, wall - bare_wall))
    return {
        name: {
            "cpu_s": statistics.median(cpu for cpu, _ in values),
            "wall_s": statistics.median(wall for _, wall in values),
        }
        for name, values in found.items()
    }


def agent_share(folder: Path, seconds: float) -> float:
    """CPU of the agent with eight files at 10 Hz, as a share of one core, start included."""
    node = FakeNode(folder / "node")
    node.rapl({str(k): f"package-{k}" for k in range(8)})
    os.environ.update(node.environ())
    command = [sys.executable, "-m", "energymeter", "run", "--quiet", "--backends", "rapl"]
    cpu_and_wall([*command, "--", "sleep", "0.1"], folder)
    base, _ = agent_cost(folder)
    cpu_and_wall([*command, "--", "sleep", str(seconds)], folder)
    total, length = agent_cost(folder)
    return (total - base) / length


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--peers", help="an interpreter with perun and codecarbon")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        costs = startup(folder, options.peers, 3 if options.quick else 7)
        share = agent_share(folder, 10 if options.quick else 30)
    print(f"{'added by, on an empty script':32} {'CPU s':>8} {'wall s':>8}")
    for tool, values in costs.items():
        print(f"{tool:32} {values['cpu_s']:8.2f} {values['wall_s']:8.2f}")
    print(f"agent, 8 files at 10 Hz: {share:.2%} of a core")
    if options.json:
        options.json.write_text(json.dumps({"startup": costs, "agent_share": share}, indent=2))


if __name__ == "__main__":
    main()
