"""The commands of ``recycle``. Under mpirun all ranks share the work, and rank 0 writes."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from recycle.forecaster import ReCycleForecaster

__all__ = ["app"]

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False,
    help="Forecasts of series with a cycle, from files.",
)  # fmt: skip
File = Annotated[Path, typer.Argument(help="CSV (also .gz, .xz, .zip), Parquet or Feather")]
Model = Annotated[Path, typer.Argument(help="from recycle train")]
Output = Annotated[Path, typer.Option("-o", "--output", help="the file that is written")]
Time = Annotated[str | None, typer.Option(help="column of stamps; default: the first")]
Target = Annotated[str, typer.Option(help="columns to forecast, with commas; default: all numbers")]
Id = Annotated[str | None, typer.Option("--id", help="column that names the series")]
Inputs = Annotated[str, typer.Option(help="columns that are known ahead, with commas")]
Sep = Annotated[str, typer.Option(help="between columns of CSV")]
Decimal = Annotated[str, typer.Option(help="decimal sign of CSV")]
Horizon = Annotated[str, typer.Option(help="steps, 7c for cycles, or 36h")]
Country = Annotated[str | None, typer.Option(help="holidays, such as DE-BW")]
Zone = Annotated[str | None, typer.Option(help="time zone, such as Europe/Berlin")]
Head = Annotated[str, typer.Option(help="auto, profile, ridge, transformer, mlp, paper")]
Quantiles = Annotated[str, typer.Option(help="with commas, such as .1,.5,.9")]
Json = Annotated[bool, typer.Option("--json", help="print JSON")]


@app.command()
def detect(
    file: File, time: Time = None, target: Target = "", unique_id: Id = None,
    sep: Sep = ",", decimal: Decimal = ".", as_json: Json = False,
) -> None:  # fmt: skip
    """Print the cycle of each series."""
    from recycle.panels import read_panel
    from recycle.preparation import detect_cycles

    panel = read_panel(_read(file, time, target, unique_id, sep, decimal)[0])
    found = dict(zip(panel.names, detect_cycles(panel), strict=True))
    if as_json:
        _print(json.dumps({str(name): vars(info) for name, info in found.items()}))
        return
    for name, info in found.items():
        cycle = "none" if info.primary is None else f"{info.primary} steps"
        more = f", repeating after {info.super}" if info.super > 1 else ""
        _print(f"{name}: {cycle}{more}, strength {info.strength:.2f} (a step is {panel.step})")


@app.command()
def train(
    file: File, output: Output, horizon: Horizon = "7c", country: Country = None, tz: Zone = None,
    head: Head = "auto", inputs: Inputs = "",
    config: Annotated[Path | None, typer.Option(help="TOML with parameters of the model")] = None,
    energy: Annotated[bool, typer.Option(help="measure the energy")] = False,
    time: Time = None, target: Target = "", unique_id: Id = None,
    sep: Sep = ",", decimal: Decimal = ".",
) -> None:  # fmt: skip
    """Fit a model and write it to a file."""
    from recycle.forecaster import ReCycleForecaster

    y, x = _read(file, time, target, unique_id, sep, decimal, inputs)
    given = {"horizon": _length(horizon), "country": country, "tz": tz, "head": head}
    if config is not None:
        stored = tomllib.loads(config.read_text())
        if "network" in stored:
            from recycle.network import NetworkConfig

            stored["network"] = NetworkConfig(**stored["network"])
        given |= stored
    model = ReCycleForecaster().set_params(**given)
    model.fit(y, x, comm=_comm(), energy=energy)
    if _rank() == 0:
        model.save(output)
    _print(model.gate_report().dropna().round(4).to_string(index=False))
    if energy:
        _print(str(model.energy_))
    _print(f"The model is in {output}")


@app.command()
def forecast(
    model: Model,
    history: Annotated[Path, typer.Option(help="the table that the forecast continues")],
    output: Output,
    quantiles: Quantiles = "",
    plot: Annotated[Path | None, typer.Option(help="a picture of the first series")] = None,
    future: Annotated[Path | None, typer.Option(help="table of the inputs of the horizon")] = None,
    time: Time = None, target: Target = "", unique_id: Id = None,
    sep: Sep = ",", decimal: Decimal = ".",
) -> None:  # fmt: skip
    """Forecast what follows the last row of a table."""
    fitted, table, x = _load(model, history, time, target, unique_id, sep, decimal)
    if future is not None:
        import pandas as pd

        from recycle.files import read_table

        ahead = read_table(future, time=time, unique_id=unique_id, sep=sep, decimal=decimal)
        x = pd.concat([x, ahead[list(fitted.covariates_)]])
    found = fitted.predict(history=table, X=x, quantiles=_numbers(quantiles))
    if _rank() != 0:
        return
    found.to_csv(output, index=unique_id is None, index_label=time or "time")
    _print(f"{len(found)} rows are in {output}")
    if plot is not None:
        from recycle.plots import first_series, plot_forecast

        plot_forecast(*first_series(table, found)).figure.savefig(plot, dpi=150)
        _print(f"The picture is in {plot}")


@app.command()
def evaluate(
    model: Model,
    data: Annotated[Path, typer.Option(help="a table that the model has not seen")],
    step: Annotated[str, typer.Option(help="between forecasts")] = "1c",
    by: Annotated[str, typer.Option(help="all, series, horizon or month")] = "all",
    metrics: Annotated[str, typer.Option(help="with commas")] = "mae,rmse,mape,wape",
    report: Annotated[Path | None, typer.Option(help="an HTML page with everything")] = None,
    time: Time = None, target: Target = "", unique_id: Id = None,
    sep: Sep = ",", decimal: Decimal = ".", as_json: Json = False,
) -> None:  # fmt: skip
    """Compare forecasts from many origins of a table with what came, and with the profile's."""
    import pandas as pd

    fitted, table, x = _load(model, data, time, target, unique_id, sep, decimal)
    names = [name for name in metrics.split(",") if name]
    parts = {
        label: fitted.backtest(table, x, step=_length(step), head=head, comm=_comm()).scores(
            by, names
        )
        for label, head in (("model", None), ("profile", "profile"), ("naive", "naive"))
    }
    scores = pd.concat(parts, names=["forecast"])
    if by == "all":
        scores = scores.droplevel(1)
    _print(scores.to_json(orient="table", index=True) if as_json else scores.round(4).to_string())
    if report is not None and _rank() == 0:
        from recycle.report import write_report

        _print(f"The report is in {write_report(fitted, table, report, X=x)}")


@app.command()
def profile(
    file: File, output: Output, horizon: Horizon = "7c", country: Country = None, tz: Zone = None,
    time: Time = None, target: Target = "", unique_id: Id = None,
    sep: Sep = ",", decimal: Decimal = ".",
) -> None:  # fmt: skip
    """Forecast by the profile alone, which needs no training."""
    from recycle.forecaster import ReCycleForecaster

    y, _ = _read(file, time, target, unique_id, sep, decimal)
    found = (
        ReCycleForecaster(horizon=_length(horizon), country=country, tz=tz, head="profile")
        .fit(y)
        .predict()
    )
    found.to_csv(output, index=unique_id is None, index_label=time or "time")
    _print(f"{len(found)} rows are in {output}")


@app.command()
def export(
    model: Model, output: Output, quantiles: Quantiles = "",
    series: Annotated[str | None, typer.Option(help="which one, if there are several")] = None,
    weights: Annotated[str, typer.Option(help="of .onnx: single, half or int8")] = "half",
) -> None:  # fmt: skip
    """Write a graph that forecasts without this package: .onnx, or .pt2 of torch."""
    from recycle.forecaster import ReCycleForecaster

    fitted = ReCycleForecaster.load(model)
    fitted.export(output, series=series, quantiles=_numbers(quantiles), weights=weights)
    _print(f"The graph is in {output}, {output.stat().st_size / 1000:.0f} kB")


@app.command()
def benchmark(
    file: File, horizon: Horizon = "7c", country: Country = None, tz: Zone = None,
    heads: Annotated[str, typer.Option(help="with commas")] = "profile,ridge,transformer",
    folds: Annotated[int, typer.Option(help="fits of each head on growing data")] = 1,
    inputs: Inputs = "", time: Time = None, target: Target = "", unique_id: Id = None,
    sep: Sep = ",", decimal: Decimal = ".", as_json: Json = False,
) -> None:  # fmt: skip
    """Fit each head on the first part of your data, and compare errors on the rest, and times."""
    from recycle.evaluation import compare_heads
    from recycle.forecaster import ReCycleForecaster

    y, x = _read(file, time, target, unique_id, sep, decimal, inputs)
    model = ReCycleForecaster(horizon=_length(horizon), country=country, tz=tz)
    names = [name for name in heads.split(",") if name]
    table = compare_heads(model, y, x, heads=names, folds=folds, comm=_comm())
    _print(
        table.to_json(orient="records")
        if as_json
        else table.to_string(index=False, float_format="%.4g")
    )


@app.command()
def info(model: Model, as_json: Json = False) -> None:
    """Say what a model file holds."""
    from recycle.inspection import summary
    from recycle.storage import load

    about = summary(load(model))
    if as_json:
        _print(json.dumps(about, default=str))
        return
    for name, value in about.items():
        _print(f"{name:12} {value}")


def _read(
    file: Path, time: str | None, target: str, unique_id: str | None, sep: str, decimal: str,
    inputs: str = "",
) -> tuple[Any, Any]:  # fmt: skip
    """Series, and the table of inputs if there are any."""
    from recycle.files import read_table, split_inputs

    columns = [name for name in target.split(",") if name]
    known = [name for name in inputs.split(",") if name]
    table = read_table(
        file, time=time, target=columns, unique_id=unique_id, sep=sep, decimal=decimal, inputs=known
    )
    return split_inputs(table, known)


def _load(
    model: Path, file: Path, time: str | None, target: str, unique_id: str | None, sep: str,
    decimal: str,
) -> tuple[ReCycleForecaster, Any, Any]:  # fmt: skip
    """A model, and a table with the series and the inputs that it knows."""
    from recycle.forecaster import ReCycleForecaster

    fitted = ReCycleForecaster.load(model)
    inputs = ",".join(map(str, fitted.covariates_))
    return fitted, *_read(file, time, target, unique_id, sep, decimal, inputs)


def _length(text: str) -> int | str:
    return int(text) if text.isdigit() else text


def _numbers(text: str) -> list[float]:
    return [float(number) for number in text.split(",") if number]


def _rank() -> int:
    comm = _comm()
    return 0 if comm is None else int(comm.rank)


def _comm() -> Any:
    """The ranks of mpirun; None without."""
    import os

    if not any(name in os.environ for name in ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK")):
        return None
    from mpi_utils import world

    return world()


def _print(text: str) -> None:
    if _rank() == 0:
        typer.echo(text)
