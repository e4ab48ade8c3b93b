"""Load of 20 European countries, a week ahead, each with its own holidays; and of new countries.

``python benchmarks/recycle/europe.py [--quick] [--data FOLDER] [--json FILE]``. The folder holds
entsoe_load_2016.csv.gz; default: the environment variable RECYCLE_DATA. The first 80 % of the year
2016 train and choose (a quarter of them chooses), the rest is forecast from every midnight. New
countries: the model is fitted on every other country and applied to those it has not seen. Heads
that are networks are means over ``--seeds`` seeds. MAPE is the mean over countries.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recycle import DataError, ReCycleForecaster
from recycle.datasets import load_dataset
from recycle.evaluation import Backtest
from recycle.metrics import mape

ZONE = "Europe/Berlin"
SHARE = 0.8


def model(names: list[str], head: str, seed: int) -> ReCycleForecaster:
    """The package's defaults, but for holidays, midnights, and the share that chooses."""
    country = {name: "GB" if name == "UK" else name for name in names}
    return ReCycleForecaster(
        horizon="7c",
        country=country,
        tz=ZONE,
        head=head,
        validation=0.25,
        origins="cycles",
        seed=seed,
    )


def error(found: Backtest) -> float:
    """MAPE, mean over countries."""
    pairs = zip(found.truth, found.forecast, strict=True)
    return float(np.mean([mape(truth, forecast) for truth, forecast in pairs]))


def measure(
    table: pd.DataFrame,
    fitted_on: list[str],
    judged_on: list[str],
    head: str,
    seed: int,
) -> dict[str, Any]:
    """Fit on some countries, and forecast some."""
    cut = round(SHARE * len(table)) // 24 * 24
    start = time.process_time()
    names = sorted({*fitted_on, *judged_on})
    fitted = model(names, head, seed).fit(table[fitted_on].iloc[:cut])
    seconds = time.process_time() - start
    data = table[judged_on]
    first = data.index[cut].tz_convert(ZONE).tz_localize(None).normalize() + pd.Timedelta(days=1)
    levels = [0.1, 0.9]
    found = fitted.backtest(data, start=first, quantiles=levels)
    errors = {"model": error(found)}
    plain = model(names, "profile", seed).fit(table[fitted_on].iloc[:cut])
    for name in ("profile", "seasonal", "last"):
        errors[name] = error(plain.backtest(data, start=first, head=name))
    return {
        "head": head, "seed": seed, "fitted_on": len(fitted_on), "judged_on": len(judged_on),
        "origins": len(found.origins), "cpu_s": seconds, "coverage_80": found.coverage(), **errors,
    }  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the ridge only")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--data", type=Path, default=os.environ.get("RECYCLE_DATA"))
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    try:
        table = load_dataset("europe", options.data)
    except DataError as missing:
        print(f"skipped: {missing}")
        return
    countries = list(table.columns)
    halves = (countries[::2], countries[1::2])
    cases = []
    for head in ("ridge",) if options.quick else ("ridge", "auto"):
        seeds = options.seeds if head == "auto" else 1
        cases += [("all", head, seed, countries, countries) for seed in range(seeds)]
        cases += [("new", head, 0, half, others) for half, others in (halves, halves[::-1])]
    rows = []
    for case, head, seed, half, others in cases:
        rows.append({"case": case, **measure(table, half, others, head, seed)})
        print(json.dumps(rows[-1]), flush=True)
    frame = pd.DataFrame(rows)
    report = frame.groupby(["case", "head"])[["model", "profile", "seasonal", "coverage_80"]].mean()
    report["below profile, %"] = 100 * (1 - report["model"] / report["profile"])
    print(report.to_string(float_format="%.3f"))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
