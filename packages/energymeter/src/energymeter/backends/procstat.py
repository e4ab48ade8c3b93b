"""CPU utilisation from /proc/stat: what the software model of CPU power is computed from."""

from __future__ import annotations

import os
from collections.abc import Sequence

from energymeter.backends.files import FileReader
from energymeter.environment import Environment
from energymeter.sensors import Kind, Probe, Provenance, Sensor, Unavailable

__all__ = ["ProcStatBackend"]

PATH = "/proc/stat"


class ProcStatBackend:
    """One counter for the whole node: CPU-seconds spent busy. Always there on Linux."""

    name = "proc"

    def discover(self, env: Environment) -> list[Probe]:
        """The counter of all CPUs together."""
        try:
            busy(env.read_text(PATH).encode())
        except (OSError, ValueError) as error:
            return [Unavailable("proc:busy", "node/cpu0", f"{PATH}: {error}")]
        ticks = os.sysconf("SC_CLK_TCK")
        return [
            Sensor(
                id="proc:busy",
                component="node/cpu0",
                kind=Kind.EVENT_COUNTER,
                scale=(1, ticks),
                update_period=1 / ticks,
                max_power=1.2 * env.cpu_count(),  # here a rate: busy CPUs
                provenance=Provenance.MODELLED,
                source=PATH,
            )
        ]

    def open(self, sensors: Sequence[Sensor], env: Environment) -> FileReader:
        """Open /proc/stat."""
        return FileReader([sensor.source for sensor in sensors], env, busy)


def busy(text: bytes) -> tuple[int, int]:
    """Ticks of user, nice, system, irq and softirq; guest is in user. Raises ValueError."""
    fields = text.split(b"\n", 1)[0].split()
    if len(fields) < 8 or fields[0] != b"cpu":
        raise ValueError("no line 'cpu' with seven numbers")
    user, nice, system, _idle, _iowait, irq, softirq = map(int, fields[1:8])
    return user + nice + system + irq + softirq, 0
