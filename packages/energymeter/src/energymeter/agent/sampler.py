"""Reading groups of sensors at their deadlines into a journal."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from energymeter.agent.totals import Total
from energymeter.backends.registry import get_backend
from energymeter.config import MeterConfig
from energymeter.environment import Environment
from energymeter.sampling import Budget, Deadlines, group_period, is_jittered, wrap_limit
from energymeter.sensors import Reader, Sensor, Status

__all__ = ["Sampler"]

# of a core, at most, for the readings of a group; and s between its readings, at most
SHARE, LONGEST = 0.005, 10.0

Sink = Callable[[int, int, "int | None", Status], None]


@dataclass
class Group:
    """Sensors of one backend that are read together."""

    reader: Reader
    indices: tuple[int, ...]
    deadlines: Deadlines
    budget: Budget
    slow: bool


class Sampler:
    """Reads all sensors of a node, each group when it is due.

    Groups of slow sensors have a thread each: a controller that hangs delays nobody else.

    Parameters
    ----------
    sensors : sequence of Sensor
    config : MeterConfig
    env : Environment
    sink : callable
        Gets (sensor index, time in ns, raw value or None, status); called by one thread at a time.
    u0 : float
        Start of the jitter, in [0, 1).
    """

    def __init__(
        self,
        sensors: Sequence[Sensor],
        config: MeterConfig,
        env: Environment,
        sink: Sink,
        u0: float,
    ) -> None:
        self.sensors, self.env, self.sink = sensors, env, sink
        self.failures: Counter[tuple[str, str]] = Counter()
        self.totals = [Total(sensor) for sensor in sensors]
        self.groups = _groups(sensors, config, env, u0)
        self.lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._follow, args=(group,), daemon=True)
            for group in self.groups
            if group.slow
        ]

    def start(self) -> None:
        """Take the first sample of all fast sensors, and start the threads of the slow ones."""
        self.read_fast()
        for thread in self._threads:
            thread.start()

    def read_fast(self) -> None:
        """Read all fast sensors now, whatever their deadlines."""
        for group in self.groups:
            if not group.slow:
                self._read(group)

    def next_deadline(self) -> int:
        """When the next fast group is due, in ns."""
        due = [group.deadlines.next for group in self.groups if not group.slow]
        return min(due, default=self.env.monotonic_ns() + 1_000_000_000)

    def read_due(self) -> None:
        """Read the fast groups that are due."""
        for group in self.groups:
            if not group.slow and group.deadlines.next <= self.env.monotonic_ns():
                rest = group.budget.rest(self._read(group))
                group.deadlines.done(self.env.monotonic_ns(), rest)

    def stop(self) -> None:
        """End the threads, as far as they do not hang, and close the readers of the others."""
        self._stop.set()
        for thread in self._threads:
            thread.join(0.2)
        for group in self.groups:
            if not group.slow:
                group.reader.close()

    @property
    def missed(self) -> int:
        """Deadlines that passed without a reading."""
        return sum(group.deadlines.missed for group in self.groups)

    def _follow(self, group: Group) -> None:
        while True:
            self._read(group)
            group.deadlines.done(self.env.monotonic_ns())
            wait = (group.deadlines.next - self.env.monotonic_ns()) / 1e9
            if self._stop.wait(max(0.0, wait)):
                return

    def _read(self, group: Group) -> int:
        """Read a group; how long that took, in ns."""
        before = self.env.monotonic_ns()
        readings = group.reader.read()
        after = self.env.monotonic_ns()
        middle = (before + after) // 2
        with self.lock:
            for index, (raw, status, stamp) in zip(group.indices, readings, strict=True):
                time = stamp or middle
                self.sink(index, time, raw, status)
                if status is Status.OK and raw is not None:
                    self.totals[index].add(time, raw)
                else:
                    self.failures[self.sensors[index].id, status.value] += 1
        return after - before


def _groups(
    sensors: Sequence[Sensor], config: MeterConfig, env: Environment, u0: float
) -> list[Group]:
    kinds: dict[tuple[str, bool, bool], list[int]] = {}
    for index, sensor in enumerate(sensors):
        jitter = is_jittered(sensor, config.slow_period if sensor.slow else config.period)
        kinds.setdefault((sensor.backend, sensor.slow, jitter), []).append(index)
    start = env.monotonic_ns()
    groups = []
    for (name, slow, jitter), indices in kinds.items():
        members = [sensors[index] for index in indices]
        period = group_period(members, config.slow_period if slow else config.period)
        deadlines = Deadlines(start, int(period * 1e9), jitter=jitter, u0=u0)
        reader = get_backend(name, config).open(members, env)
        budget = Budget(SHARE, int(min(LONGEST, wrap_limit(members)) * 1e9))
        groups.append(Group(reader, tuple(indices), deadlines, budget, slow))
    return groups
