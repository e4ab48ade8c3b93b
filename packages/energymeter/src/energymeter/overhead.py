"""What measuring costs on this machine: CPU time, memory, disk, and time of a region."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from energymeter.config import MeterConfig
from energymeter.errors import EnergymeterError
from energymeter.meter import Meter
from energymeter.recorder import restore_target, set_target
from energymeter.regions import region
from energymeter.run import Run, latest_run, load

__all__ = ["AgentCost", "Overhead", "agent_cost", "cpu_and_wall", "measure_overhead", "region_cost"]

REPEATS = 3
CALLS = 20_000


@dataclass(frozen=True)
class AgentCost:
    """Of the agent: share of one core, MiB of memory, and bytes it stored for an hour."""

    share: float
    mib: float
    bytes_per_hour: float
    sensors: int


@dataclass(frozen=True)
class Overhead:
    """CPU-seconds of `import energymeter` and of ``energymeter run``, and s of a region."""

    import_cpu: float
    run_cpu: float
    run_wall: float
    region: float
    region_without_agent: float
    agent: AgentCost


def measure_overhead(seconds: float = 10.0) -> Overhead:
    """Measure everything; `seconds` is how long the agent is watched."""
    python = sys.executable
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = [python, "-m", "energymeter", "run", "--quiet", "--mode", "supervise", "--", "true"]
        bare, imported = [python, "-c", "pass"], [python, "-c", "import energymeter"]
        pairs = [(cpu_and_wall(bare, folder), cpu_and_wall(imported, folder)) for _ in range(3)]
        runs = [cpu_and_wall(run, folder) for _ in range(REPEATS)]
        with Meter(label="regions", out=folder / "regions"):
            inside = region_cost()
        before = set_target(None)
        outside = region_cost()
        restore_target(before)
        return Overhead(
            statistics.median(after[0] - before[0] for before, after in pairs),
            statistics.median(cpu for cpu, _ in runs),
            statistics.median(wall for _, wall in runs),
            inside,
            outside,
            agent_cost(folder, seconds),
        )


def cpu_and_wall(command: Sequence[str], folder: Path) -> tuple[float, float]:
    """Seconds of CPU, of all processes that were waited for, and of wall time.

    Raises
    ------
    EnergymeterError
        If the command fails, with what it says.
    """
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)  # noqa: S603
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - start
    if done.returncode:
        raise EnergymeterError(f"{' '.join(command)}: {done.stderr.strip()}")
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime), wall


def region_cost(calls: int = CALLS) -> float:
    """CPU-seconds of entering and leaving a region once: the least of several series."""
    found = []
    for _ in range(5):
        start = time.process_time()
        for _ in range(calls // 5):
            with region("overhead"):
                pass
        found.append((time.process_time() - start) / (calls // 5))
    return min(found)


def agent_cost(folder: Path, seconds: float, config: MeterConfig | None = None) -> AgentCost:
    """Watch an agent with the sensors of this node for a while; its start is not in the share."""
    brief, long = (_idle_run(folder / name, s, config) for name, s in (("a", 0.1), ("b", seconds)))
    first, last = _stop(brief), _stop(long)
    (node,) = long.nodes
    length = (node.span[1] - node.span[0]) / 1e9
    stored = _journal_bytes(long) - _journal_bytes(brief)
    return AgentCost(
        (last["cpu_s"] - first["cpu_s"]) / length,
        last["rss_kib"] / 1024,
        stored / length * 3600,
        len(node.sensors),
    )


def _idle_run(out: Path, seconds: float, config: MeterConfig | None) -> Run:
    with Meter(label="agent", out=out, config=config):
        time.sleep(seconds)
    return load(latest_run(out))


def _stop(run: Run) -> dict[str, float]:
    """What the agent wrote at its end about itself."""
    (node,) = run.nodes
    return next(event for event in node.events if event["event"] == "stop")


def _journal_bytes(run: Run) -> int:
    return sum(path.stat().st_size for path in run.path.glob("nodes/*/journal.emj"))
