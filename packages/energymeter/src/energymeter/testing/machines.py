"""Fake nodes: folders in place of /sys and /proc, and fakes of vendor libraries."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["FakeNode", "fake_modules"]

RANGE = 262_143_328_850


def fake_modules() -> Path:
    """The folder with fake ``pynvml`` and ``amdsmi``, for ``ENERGYMETER_PYMODULES``.

    They read ``ENERGYMETER_FAKE_GPUS``: a JSON file with a list of boards, see their sources.
    """
    return Path(__file__).parent / "fakes"


class FakeNode:
    """Builds a node's files below a folder.

    Parameters
    ----------
    root : Path

    Examples
    --------
    >>> import tempfile
    >>> node = FakeNode(Path(tempfile.mkdtemp()))
    >>> node.rapl({"0": "package-0", "0:0": "core", "0:1": "dram"})
    >>> sorted(node.environ())
    ['ENERGYMETER_SYSROOT']
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._variables: dict[str, str] = {}

    def file(self, path: str, text: object) -> Path:
        """Write one file; `path` as on a real node."""
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"{text}\n")
        return place

    def rapl(
        self, zones: Mapping[str, str], prefix: str = "intel-rapl", microjoules: int = 10**6
    ) -> None:
        """RAPL zones: from numbers such as ``0:1`` to names such as ``dram``."""
        for number, name in zones.items():
            folder = f"/sys/class/powercap/{prefix}:{number}"
            self.file(f"{folder}/name", name)
            self.file(f"{folder}/energy_uj", microjoules)
            self.file(f"{folder}/max_energy_range_uj", RANGE)

    def hwmon(self, number: int, name: str, files: Mapping[str, object]) -> None:
        """A hardware monitor."""
        self.file(f"/sys/class/hwmon/hwmon{number}/name", name)
        for file, text in files.items():
            self.file(f"/sys/class/hwmon/hwmon{number}/{file}", text)

    def cray(self, joules: Mapping[str, int]) -> None:
        """Counters of pm_counters: from names such as ``cpu_energy`` to J."""
        self.file("/sys/cray/pm_counters/freshness", 1)
        for name, value in joules.items():
            self.file(f"/sys/cray/pm_counters/{name}", f"{value} J 1700000000000000 us")

    def battery(self, number: int, **files: object) -> None:
        """A battery with files such as ``power_now=7_000_000``."""
        for name, text in {"type": "Battery", "status": "Discharging", **files}.items():
            self.file(f"/sys/class/power_supply/BAT{number}/{name}", text)

    def cpus(self, busy: Sequence[int], count: int = 4, model: str = "Test CPU") -> None:
        """``/proc/stat`` (user, nice, system, idle, iowait, irq, softirq), and the CPUs."""
        total = " ".join(map(str, busy))
        lines = [f"cpu  {total} 0 0 0", *(f"cpu{i} {total} 0 0 0" for i in range(count))]
        self.file("/proc/stat", "\n".join(lines))
        self.file("/proc/cpuinfo", f"model name\t: {model}\nphysical id\t: 0\n" * count)
        self.file("/proc/meminfo", f"MemTotal:       {8 * 2**20} kB")

    def gpus(self, boards: Sequence[Mapping[str, Any]]) -> None:
        """Accelerators of the fake vendor libraries."""
        path = self.file("/gpus.json", json.dumps(list(boards)))
        self._variables["ENERGYMETER_PYMODULES"] = str(fake_modules())
        self._variables["ENERGYMETER_FAKE_GPUS"] = str(path)

    def command(self, name: str, script: str) -> None:
        """A fake command: a shell script."""
        path = self.file(f"/commands/{name}", f"#!/bin/sh\n{script}")
        path.chmod(0o755)
        self._variables["ENERGYMETER_COMMANDS"] = str(path.parent)

    def environ(self) -> dict[str, str]:
        """The variables that redirect sensors to this node."""
        return {"ENERGYMETER_SYSROOT": str(self.root), **self._variables}
