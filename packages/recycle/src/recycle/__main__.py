"""``recycle``, or ``python -m recycle``: forecasts from files."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Any

import typer

from recycle.errors import DataError, ModelFileError

__all__ = ["app", "main"]

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)
File = Annotated[Path, typer.Argument(help="CSV (also .gz, .xz, .zip), Parquet or Feather")]
Time = Annotated[str | None, typer.Option(help="column of stamps; default: the first")]
Target = Annotated[str, typer.Option(help="columns to forecast, with commas; default: all numbers")]
Id = Annotated[str | None, typer.Option("--id", help="column that names the series")]
Sep = Annotated[str, typer.Option(help="between columns of CSV")]
Decimal = Annotated[str, typer.Option(help="decimal sign of CSV")]


def _read(
    file: Path, time: str | None, target: str, unique_id: str | None, sep: str, decimal: str
) -> Any:
    from recycle.files import read_table

    columns = [name for name in target.split(",") if name]
    return read_table(
        file, time=time, target=columns, unique_id=unique_id, sep=sep, decimal=decimal
    )


@app.command()
def detect(
    file: File, time: Time = None, target: Target = "", unique_id: Id = None,
    sep: Sep = ",", decimal: Decimal = ".",
) -> None:  # fmt: skip
    """Print the cycle of each series."""
    import pandas as pd

    from recycle.detection import detect_cycle
    from recycle.panels import read_panel

    panel = read_panel(_read(file, time, target, unique_id, sep, decimal))
    spans = [pd.Timedelta(days=1), pd.Timedelta(days=7)]
    hints = [int(span // panel.step) for span in spans if span >= 2 * panel.step]
    for name, series in zip(panel.names, panel.values.T, strict=True):
        most = max(hints, default=0) * 2 or None
        found = detect_cycle(series, hints=hints, max_period=most)
        cycle = "none" if found.primary is None else f"{found.primary} steps"
        more = f", repeating after {found.super}" if found.super > 1 else ""
        print(f"{name}: {cycle}{more}, strength {found.strength:.2f} (a step is {panel.step})")


@app.command()
def train(
    file: File,
    output: Annotated[Path, typer.Option("-o", "--output", help="the model")],
    horizon: Annotated[str, typer.Option(help="steps, 7c for cycles, or 36h")] = "7c",
    country: Annotated[str | None, typer.Option(help="holidays, such as DE-BW")] = None,
    tz: Annotated[str | None, typer.Option(help="time zone, such as Europe/Berlin")] = None,
    head: Annotated[str, typer.Option(help="auto, profile, ridge, transformer")] = "auto",
    time: Time = None, target: Target = "", unique_id: Id = None,
    sep: Sep = ",", decimal: Decimal = ".",
) -> None:  # fmt: skip
    """Fit a model and write it to a file."""
    from recycle.forecaster import ReCycleForecaster

    length: int | str = int(horizon) if horizon.isdigit() else horizon
    model = ReCycleForecaster(horizon=length, country=country, tz=tz, head=head)
    model.fit(_read(file, time, target, unique_id, sep, decimal))
    model.save(output)
    print(model.gate_report().dropna().round(4).to_string(index=False))
    print(f"The model is in {output}")


@app.command()
def forecast(
    model: Annotated[Path, typer.Argument(help="from recycle train")],
    history: Annotated[Path, typer.Option(help="the table that the forecast continues")],
    output: Annotated[Path, typer.Option("-o", "--output", help="CSV")],
    quantiles: Annotated[str, typer.Option(help="with commas, such as .1,.5,.9")] = "",
    plot: Annotated[Path | None, typer.Option(help="a picture of the first series")] = None,
    time: Time = None, target: Target = "", unique_id: Id = None,
    sep: Sep = ",", decimal: Decimal = ".",
) -> None:  # fmt: skip
    """Forecast what follows the last row of a table."""
    from recycle.forecaster import ReCycleForecaster

    fitted = ReCycleForecaster.load(model)
    table = _read(history, time, target, unique_id, sep, decimal)
    levels = [float(level) for level in quantiles.split(",") if level]
    found = fitted.predict(history=table, quantiles=levels)
    found.to_csv(output, index=unique_id is None, index_label=time or "time")
    print(f"{len(found)} rows are in {output}")
    if plot is not None and unique_id is None:
        from recycle.plots import plot_forecast

        name = table.columns[0]
        columns = [c for c in found if c == name or str(c).startswith(f"{name}_q")]
        plot_forecast(table[name], found[columns]).figure.savefig(plot, dpi=150)
        print(f"The picture is in {plot}")


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="from recycle train")],
    data: Annotated[Path, typer.Option(help="a table that the model has not seen")],
    step: Annotated[str, typer.Option(help="between forecasts")] = "1c",
    time: Time = None, target: Target = "", unique_id: Id = None,
    sep: Sep = ",", decimal: Decimal = ".",
) -> None:  # fmt: skip
    """Compare forecasts from many origins of a table with what came, and with the profile's."""
    from recycle.forecaster import ReCycleForecaster
    from recycle.metrics import METRICS

    fitted = ReCycleForecaster.load(model)
    table = _read(data, time, target, unique_id, sep, decimal)
    print(f"{'forecast':10}" + "".join(f"{name:>12}" for name in METRICS))
    for label, head in (("model", None), ("profile", "profile"), ("naive", "naive")):
        truth, found = fitted.backtest(table, step=step, head=head)
        print(f"{label:10}" + "".join(f"{f(truth, found):12.4f}" for f in METRICS.values()))


def main() -> None:
    """Run the command line: 0 is success, 2 wrong usage, 3 bad data, 4 a bad model file."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        app()
    except DataError as error:
        raise SystemExit(_fail(error, 3)) from None
    except ModelFileError as error:
        raise SystemExit(_fail(error, 4)) from None
    except ValueError as error:
        raise SystemExit(_fail(error, 2)) from None


def _fail(error: Exception, status: int) -> int:
    import sys

    print(f"recycle: {error}", file=sys.stderr)
    return status


if __name__ == "__main__":
    main()
