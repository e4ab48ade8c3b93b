"""An agent for all users of a node: it reads what they may not, and publishes the values."""

from __future__ import annotations

import threading
from pathlib import Path

from energymeter.agent.sampler import Sampler
from energymeter.backends.registry import discover, select
from energymeter.backends.served import Publisher
from energymeter.config import MeterConfig
from energymeter.environment import Environment
from energymeter.errors import NotMeasuredError
from energymeter.sensors import Sensor, Status

__all__ = ["serve", "served_sensors"]

PUBLIC = ("proc", "served")  # everybody reads these


def served_sensors(config: MeterConfig, env: Environment) -> list[Sensor]:
    """The sensors that are worth publishing.

    Raises
    ------
    NotMeasuredError
        If there is none, with the reasons.
    """
    probes = select(discover(config, env), config.include, config.exclude)
    found = [p for p in probes if isinstance(p, Sensor) and p.backend not in PUBLIC]
    if not any(sensor.is_energy for sensor in found):
        reasons = [f"{p.id}: {p.reason}" for p in probes if not isinstance(p, Sensor)]
        raise NotMeasuredError(f"there is nothing to serve: {'; '.join(reasons) or 'no sensors'}")
    return found


def serve(
    sensors: list[Sensor], config: MeterConfig, env: Environment, path: Path, stop: threading.Event
) -> None:
    """Publish the values of sensors until `stop` is set.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    latest: list[tuple[int | None, Status]] = [(None, Status.MISSING)] * len(sensors)

    def sink(index: int, _time: int, raw: int | None, status: Status) -> None:
        latest[index] = raw, status

    publisher = Publisher(path, sensors, config.period)
    sampler = Sampler(sensors, config, env, sink, 0.0)
    try:
        sampler.start()
        while True:
            with sampler.lock:
                publisher.publish(env.monotonic_ns(), latest)
            # slow sensors alone have no deadline that is as near as readers expect a record
            due = min(sampler.next_deadline(), env.monotonic_ns() + int(config.period * 1e9))
            if stop.wait(max(0.0, (due - env.monotonic_ns()) / 1e9)):
                return
            sampler.read_due()
    finally:
        sampler.stop()
        publisher.close()
