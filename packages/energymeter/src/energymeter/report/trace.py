"""A run as Chrome trace events: regions as slices, power as counter tracks, marks as instants.

The file opens in Perfetto (ui.perfetto.dev) and in chrome://tracing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from energymeter.analysis.attribution import Instance
from energymeter.analysis.events import ProcessEvents
from energymeter.analysis.summary import NodeResult
from energymeter.report.text import total_line
from energymeter.report.timeline import power_layers
from energymeter.run import Run

__all__ = ["lanes", "trace"]

BINS = 2000
LANES = 1000  # more than any process has regions open at once
Event = dict[str, Any]


def trace(run: Run) -> str:
    """The trace as JSON. Nodes are processes of it, and ranks their threads; times in µs."""
    starts = {
        result.key: result.window[0] + node.clock_offset
        for node, result in zip(run.nodes, run.result.nodes, strict=True)
    }
    first = min(starts.values(), default=0)
    events: list[Event] = []
    for number, result in enumerate(run.result.nodes):
        # from this node's clock to µs since the first node started
        shift = starts[result.key] - result.window[0] - first
        events.append(_named("process_name", number, 0, result.key))
        events += _powers(result, number, shift)
        for process in run.processes:
            if process.node == result.key:
                events += _slices(process, number, shift, result.window[1])
    other = {"label": run.label, "run": run.run_id, "status": run.status}
    other["energy"] = total_line(run.result)
    return json.dumps({"traceEvents": events, "displayTimeUnit": "ms", "otherData": other}) + "\n"


def lanes(instances: Sequence[Instance]) -> list[int]:
    """A lane for each region, so that those of one lane nest and never cross.

    Regions of threads and of asyncio tasks overlap; in a trace each of them needs a line of its
    own. Instances are to be sorted by start, outer ones first.
    """
    open_until: list[list[int]] = []  # of each lane: ends of the regions that are open, outer first
    found = []
    for instance in instances:
        for stack in open_until:
            while stack and stack[-1] <= instance.start:
                stack.pop()
        fitting = (k for k, s in enumerate(open_until) if not s or instance.stop <= s[-1])
        lane = next(fitting, len(open_until))
        if lane == len(open_until):
            open_until.append([])
        open_until[lane].append(instance.stop)
        found.append(lane)
    return found


def _named(what: str, pid: int, tid: int, name: str) -> Event:
    return {"ph": "M", "name": what, "pid": pid, "tid": tid, "args": {"name": name}}


def _powers(result: NodeResult, pid: int, shift: int) -> Iterator[Event]:
    edges, layers = power_layers(result, BINS)
    start = (result.window[0] + shift) / 1e3
    for index, edge in enumerate(edges[:-1]):
        watts = {layer.name: round(float(layer.watts[index]), 6) for layer in layers}
        yield {"ph": "C", "name": "power in W", "pid": pid, "ts": start + edge * 1e6, "args": watts}


def _slices(process: ProcessEvents, pid: int, shift: int, end: int) -> Iterator[Event]:
    base = process.rank * LANES
    instances = sorted(process.instances, key=lambda i: (i.start, -i.stop))
    placed = lanes(instances)
    for lane in range(max(placed, default=0) + 1):
        name = f"rank {process.rank}" + (f", {lane + 1}" if lane else "")
        yield _named("thread_name", pid, base + lane, name)
    for instance, lane in zip(instances, placed, strict=True):
        stop = min(instance.stop, max(end, instance.start))
        yield {
            "ph": "X",
            "name": instance.path.rpartition("/")[2],
            "cat": instance.phase or "region",
            "pid": pid,
            "tid": base + lane,
            "ts": (instance.start + shift) / 1e3,
            "dur": (stop - instance.start) / 1e3,
            "args": {"path": instance.path, "failed": instance.failed},
        }
    for mark in process.marks:
        at, value = (mark.time + shift) / 1e3, {"value": mark.value}
        place = {"pid": pid, "tid": base, "ts": at, "s": "p"}
        yield {"ph": "i", "name": mark.name, **place, "args": value}
