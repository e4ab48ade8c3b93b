"""A week ahead on public hourly sets: errors of forecasts from midnights, and what intervals hold.

``python benchmarks/recycle/weeks.py [--quick] [--data FOLDER] [--json FILE]``. The folder holds the
files of `recycle.datasets`; default: the environment variable RECYCLE_DATA. The first 80 % of each
set train and choose (a quarter of them chooses), the rest is the test. Forecasts start at each
midnight from the 42nd day of the test on, which are the windows of the original's published code.
MAE is in the set's units; MSE and MAE in standard deviations of the training part stand beside
them, for which forecasts start at every hour of the test. The model has the package's defaults;
where it trains a network, its figures are means over ``--seeds`` seeds. The original's network is
trained from midnights as its authors do, with their sizes.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recycle import DataError, ReCycleForecaster
from recycle.datasets import load_dataset
from recycle.metrics import mape

SHARE = 0.8


@dataclass(frozen=True)
class Case:
    """A set: which columns, whose holidays, how many of its steps."""

    name: str
    data: str
    columns: tuple[str, ...] = ()
    country: str | None = None
    rows: int | None = None


CASES = (
    Case("electricity", "electricity", ("y",), "PT"),
    Case("ETTh1 OT", "ETTh1", ("OT",), "CN", 17_400),
    Case("load DE", "europe", ("DE",), "DE"),
    Case("SF traffic", "sf_traffic", ("y",), "US-CA"),
    Case("ETTh1", "ETTh1", (), None, 17_400),
    Case("ETTh2", "ETTh2", (), None, 17_400),
    Case("solar", "solar", ("y",)),
    Case("traffic volume", "traffic_volume", ("traffic_volume",), "US-MN"),
)


def measure(case: Case, table: pd.DataFrame, head: str, seed: int) -> dict[str, Any]:
    """Fit, and forecast the test from midnights and from every hour."""
    options: dict[str, Any] = {
        "horizon": "7c",
        "cycle": 24,
        "country": case.country,
        "validation": 0.25,
    }
    model = ReCycleForecaster(**options, head=head, seed=seed)
    if head == "paper":
        model = ReCycleForecaster.preset("paper", **options, seed=seed)
    cut = round(SHARE * len(table)) // 24 * 24
    start = time.process_time()
    model.fit(table.iloc[:cut])
    seconds = time.process_time() - start
    first = table.index[cut].normalize() + pd.Timedelta(days=42)
    levels = () if head == "paper" else (0.1, 0.9)
    found = model.backtest(table, start=_wall(first), quantiles=levels)
    row: dict[str, Any] = {
        "case": case.name, "head": head, "seed": seed, "windows": len(found.origins),
        "cpu_s": seconds, "mae": found.score("mae"), "mape": mape(found.truth, found.forecast),
        "coverage_80": found.coverage() if levels else np.nan,
    }  # fmt: skip
    for name in ("profile", "seasonal"):
        row[f"mae_{name}"] = model.backtest(table, start=_wall(first), head=name).score("mae")
    spread = table.iloc[: round(0.6 * len(table))].std().to_numpy()[:, None, None]
    for suffix, alone in (("", None), ("_profile", "profile")):
        whole = model.backtest(table, start=_wall(table.index[cut]), step=1, head=alone)
        error = (whole.forecast - whole.truth) / spread
        row[f"scaled_mse{suffix}"] = float(np.nanmean(error**2))
        row[f"scaled_mae{suffix}"] = float(np.nanmean(abs(error)))
    return row


def _wall(stamp: pd.Timestamp) -> pd.Timestamp:
    return stamp.tz_localize(None) if stamp.tzinfo is not None else stamp


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the ridge only")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--data", type=Path, default=os.environ.get("RECYCLE_DATA"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--heads", default="ridge,auto,paper", help="with commas")
    parser.add_argument("--only", help="cases, with commas")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    wanted = options.only.split(",") if options.only else [case.name for case in CASES]
    for case in CASES:
        if case.name not in wanted:
            continue
        try:
            table = load_dataset(case.data, options.data)
        except DataError as missing:
            print(f"skipped: {missing}")
            continue
        table = table[~table.index.duplicated()].iloc[: case.rows]
        table = table[list(case.columns)] if case.columns else table
        table = table.resample("h").mean()
        for head in ("ridge",) if options.quick else options.heads.split(","):
            if head == "paper" and len(table.columns) > 1:
                continue
            for seed in range(1 if head == "ridge" else options.seeds):
                rows.append(measure(case, table, head, seed))
                print(json.dumps(rows[-1]), flush=True)
                if options.json:
                    options.json.write_text(json.dumps(rows, indent=1))
    if not rows:
        return
    means = pd.DataFrame(rows).groupby(["case", "head"], sort=False).mean().drop(columns="seed")
    print(means.to_string(float_format="%.4g"))


if __name__ == "__main__":
    main()
