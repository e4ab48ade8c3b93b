"""Memory and time of reading files, as multiples of what a rank keeps.

``mpirun -n 2 python benchmarks/heat-core/readers.py [--quick] [--json PATH]``. A file of 400 MB of
numbers is written in every format and read along both axes. The peak is that of the resident memory
during the call, above what the rank held before; Linux only. The rank with most memory counts.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

import heat_core as ht

RANKS = 2
COLUMNS = 64
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Row:
    """One format, read along one axis; megabytes of a rank."""

    format: str
    split: int
    share_mb: float
    peak_mb: float
    seconds: float

    @property
    def ratio(self) -> float:
        """Peak memory as a multiple of the rank's share of the array."""
        return self.peak_mb / self.share_mb


def resident(field: str) -> float:
    """``VmRSS`` or ``VmHWM`` of this process in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise LookupError(field)


def measure(name: str, split: int, read: Callable[[], ht.DNDarray]) -> Row:
    """Read once and look at the peak."""
    comm = ht.get_comm()
    comm.barrier()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before, start = resident("VmRSS"), time.perf_counter()
    x = read()
    taken = time.perf_counter() - start
    found = torch.tensor([resident("VmHWM") - before, taken], dtype=torch.float64)
    peak, seconds = comm.allreduce(found, "max").tolist()
    return Row(name, split, x.lnbytes / MEGABYTE, peak, seconds)


def measure_all(folder: Path, n_bytes: int) -> list[Row]:
    """All formats that are installed, split along both axes."""
    rows = n_bytes // (4 * COLUMNS)
    x = ht.random.rand(rows, COLUMNS, split=0)
    text = x[: rows // 4]  # a number takes about four times as many bytes as text
    formats: list[tuple[str, tuple[Any, ...], ht.DNDarray, bool]] = [
        ("npy", (), x, True),
        ("csv", (), text, True),
        ("h5", ("x",), x, ht.supports_hdf5()),
        ("nc", ("x",), x, ht.supports_netcdf()),
        ("zarr", (), x, ht.supports_zarr()),
        ("shards", (), x, True),
    ]
    result = []
    for name, arguments, data, installed in formats:
        path = folder / f"x.{name}"
        if not installed:
            continue
        save: Callable[..., None] = ht.save_sharded if name == "shards" else ht.save
        load: Callable[..., ht.DNDarray] = ht.load_sharded if name == "shards" else ht.load
        save(data, path, *arguments)
        load(path, *arguments, split=0)  # imports its library
        result += [
            measure(name, split, partial(load, path, *arguments, split=split)) for split in (0, 1)
        ]
    return result


def main() -> None:
    """Print the table on rank 0 and write it as JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="64 MB")
    parser.add_argument("--json", type=Path, help="file for the results")
    given = parser.parse_args()
    comm = ht.get_comm()
    with tempfile.TemporaryDirectory() as own:
        folder = Path(comm.handle.bcast(own))
        rows = measure_all(folder, (64 if given.quick else 400) * MEGABYTE)
        comm.barrier()
    if comm.rank:
        return
    print(f"{'format':10}{'split':>6}{'share MB':>10}{'peak MB':>10}{'ratio':>8}{'seconds':>9}")
    for row in rows:
        print(
            f"{row.format:10}{row.split:6}{row.share_mb:10.1f}{row.peak_mb:10.1f}"
            f"{row.ratio:8.2f}{row.seconds:9.2f}"
        )
    if given.json:
        machine = {"ranks": comm.size, "machine": platform.machine(), "torch": torch.__version__}
        listed = [{**asdict(row), "ratio": row.ratio} for row in rows]
        given.json.write_text(json.dumps({**machine, "rows": listed}, indent=1))


if __name__ == "__main__":
    main()
