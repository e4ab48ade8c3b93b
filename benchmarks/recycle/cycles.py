"""The cycles that are found, of public series and of made ones whose cycle is known.

``python benchmarks/recycle/cycles.py [--quick] [--data FOLDER] [--json FILE]``. The folder holds
the files of `recycle.datasets.DATASETS`; default: the environment variable RECYCLE_DATA. Public
series have the cycle of a day, those of load and traffic also that of a week. Made ones have days
of half hours, years of months, or a length that divides no day, under noise and a trend; white
noise and random walks have none. Made series are the same in each run.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from recycle import DataError, detect_cycle
from recycle.datasets import load_dataset

PUBLIC = ("ETTh1", "ETTh2", "europe", "electricity", "sf_traffic", "solar", "traffic_volume")


def public(folder: Path | None) -> Iterator[tuple[str, Any, tuple[int, ...], int | None]]:
    """Name, values, hints and cycle of each public series."""
    for name in PUBLIC:
        try:
            table = load_dataset(name, folder)
        except DataError as missing:
            print(f"skipped: {missing}")
            continue
        hourly = table.groupby(level=0).mean().asfreq("h")
        for column in hourly:
            yield f"{name} {column}", hourly[column].to_numpy(float), (24, 168), 24


def made(count: int) -> Iterator[tuple[str, Any, tuple[int, ...], int | None]]:
    """Series that were not looked at when the detection was written."""
    for seed in range(count):
        random = np.random.default_rng(1000 + seed)
        for period, hints in ((48, (48, 336)), (12, ()), (37, (24, 168)), (96, (96, 672))):
            t = np.arange(40 * period)
            shape = np.cumsum(random.normal(size=period))
            shape = (shape - np.linspace(0, shape[-1], period)) / shape.std()
            noise = 0.5 * random.normal(size=len(t))
            yield f"made {period}", shape[t % period] + noise + 0.002 * t, hints, period
        noise = random.normal(size=2000)
        yield "white noise", noise, (24, 168), None
        yield "random walk", np.cumsum(noise), (24, 168), None


def main() -> None:
    """Detect and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer made series")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--data", type=Path, default=os.environ.get("RECYCLE_DATA"))
    options = parser.parse_args()
    rows = []
    for name, values, hints, wanted in [
        *public(options.data),
        *made(20 if options.quick else 100),
    ]:
        longest = 2 * max(hints, default=0) or None
        found = detect_cycle(values, hints=hints, max_period=longest).primary
        rows.append({"name": name, "wanted": wanted, "found": found})
        if found != wanted:
            print(f"{name}: {found} instead of {wanted}", flush=True)
    kinds = dict.fromkeys(str(row["name"]).split()[0] for row in rows)
    for kind in kinds:
        here = [row for row in rows if str(row["name"]).split()[0] == kind]
        right = sum(row["found"] == row["wanted"] for row in here)
        print(f"{kind:16}{right:5} of {len(here)} right")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
