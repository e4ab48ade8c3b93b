"""What measuring costs: CPU-seconds at start-up, of the agent, of regions and of the analysis.

``python benchmarks/energymeter/cost.py [--quick] [--json FILE] [--peers PYTHON]``. ``PYTHON`` is an
interpreter that has perun and codecarbon; without it, they are left out. All run the same empty
script in turns; what the bare interpreter needs is subtracted. The agent reads eight counter files
ten times a second; its CPU time is what it wrote into its journal at its end.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

from energymeter.analysis.attribution import Instance
from energymeter.analysis.events import ProcessEvents
from energymeter.analysis.nodes import NodeData, Series
from energymeter.analysis.summary import summarize
from energymeter.config import MeterConfig
from energymeter.meter import Meter
from energymeter.overhead import AgentCost, agent_cost, cpu_and_wall, region_cost
from energymeter.run import latest_run, load
from energymeter.sensors import Kind, Sensor
from energymeter.testing import FakeNode

CODECARBON = """
from codecarbon import OfflineEmissionsTracker
with OfflineEmissionsTracker(country_iso_code="DEU", log_level="error", save_to_file=False):
    pass
"""


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
                (node,) = load(latest_run(folder / "energymeter")).nodes
                cpu += next(e["cpu_s"] for e in node.events if e["event"] == "stop")
            found[name].append((cpu - bare_cpu, wall - bare_wall))
    return {
        name: {
            "cpu_s": statistics.median(cpu for cpu, _ in values),
            "wall_s": statistics.median(wall for _, wall in values),
        }
        for name, values in found.items()
    }


def agent_of_eight_files(folder: Path, seconds: float) -> AgentCost:
    """The agent with eight counter files at 10 Hz."""
    node = FakeNode(folder / "node")
    node.rapl({str(k): f"package-{k}" for k in range(8)})
    before = dict(os.environ)
    os.environ.update(node.environ())
    try:
        return agent_cost(folder / "agents", seconds, MeterConfig(backends="rapl"))
    finally:
        os.environ.clear()
        os.environ.update(before)


def analysis_of_an_hour(regions: int) -> float:
    """CPU-seconds to analyse an hour of 20 counters at 10 Hz with so many regions."""
    period, start = 10**8, 10**12
    sensors = tuple(
        Sensor(f"t:{k}", f"node/cpu{k}", Kind.ENERGY_COUNTER, (1, 10**6)) for k in range(20)
    )
    times = start + np.arange(36_001) * period
    raws = np.arange(36_001) * 10**7
    series = tuple(Series(times, raws, np.zeros(36_001, np.uint8)) for _ in sensors)
    header = {
        "description": {"node_type": "t", "logical_cpus": 1, "memory_gib": 1},
        "config": MeterConfig(model="never").to_dict(),
    }
    stop = int(times[-1])
    events = (
        {"event": "register", "role": "rank", "pid": 1, "t": start},
        {"event": "end", "pid": 1, "t": stop, "status": 0},
    )
    node = NodeData("n", header, sensors, series, events)
    length = (stop - start) // regions
    instances = tuple(
        Instance(("p", k), 0, f"r{k % 10}", "", start + k * length, start + (k + 1) * length)
        for k in range(regions)
    )
    begin = time.process_time()
    summarize([node], [ProcessEvents("n", 0, 1, instances)])
    return time.process_time() - begin


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
        agent = agent_of_eight_files(folder, 10 if options.quick else 60)
        with Meter(label="regions", out=folder / "regions"):
            inside = region_cost()
    outside = region_cost()
    hour = analysis_of_an_hour(10_000 if options.quick else 100_000)
    print(f"{'added by, on an empty script':40} {'CPU s':>8} {'wall s':>8}")
    for tool, values in costs.items():
        print(f"{tool:40} {values['cpu_s']:8.2f} {values['wall_s']:8.2f}")
    rows = {
        "agent, 8 files at 10 Hz: share of a core": f"{agent.share:.2%}",
        "  its memory": f"{agent.mib:.0f} MiB",
        "  stored in an hour": f"{agent.bytes_per_hour / 1e6:.1f} MB",
        "a region, with an agent": f"{inside * 1e6:.1f} µs",
        "a region, without": f"{outside * 1e6:.2f} µs",
        "analysis of an hour of 20 sensors": f"{hour:.2f} s",
    }
    for what, value in rows.items():
        print(f"{what:40} {value:>17}")
    if options.json:
        figures: dict[str, object] = {"startup": costs, "agent": asdict(agent)}
        figures |= {"region_s": inside, "region_without_agent_s": outside, "analysis_s": hour}
        options.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
