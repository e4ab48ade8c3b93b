"""The commands of ``recycle``. Under mpirun all ranks share the work, and rank 0 writes."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from recycle._version import __version__
from recycle.tableoptions import Table, reads_tables

__all__ = ["app"]

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False,
    help="Forecasts of series with a cycle, from files.",
)  # fmt: skip
File = Annotated[
    Path, typer.Argument(help="CSV (also .gz, .xz, .zip), Parquet, Feather, HDF5 or npz")
]
Model = Annotated[Path, typer.Argument(help="from recycle train")]
Output = Annotated[Path, typer.Option("-o", "--output", help="the file that is written")]
Inputs = Annotated[str, typer.Option(help="columns that are known ahead, with commas")]
Horizon = Annotated[str | None, typer.Option(help="steps, 7c for cycles, or 36h; default: 7c")]
Country = Annotated[str | None, typer.Option(help="holidays, such as DE-BW")]
Zone = Annotated[str | None, typer.Option(help="time zone, such as Europe/Berlin")]
Freq = Annotated[str | None, typer.Option(help="of the steps, such as 15min; default: seen")]
Heads = "auto, profile, ridge, transformer, mlp, paper"
Quantiles = Annotated[str, typer.Option(help="with commas, such as .1,.5,.9")]
Json = Annotated[bool, typer.Option("--json", help="print JSON")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def main(
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="tell what is done")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print it, and end")
    ] = False,
) -> None:
    """Forecasts of series with a cycle, from files."""
    del version  # its callback has seen to it
    if verbose:
        logging.getLogger("recycle").setLevel(logging.INFO)


@app.command()
@reads_tables
def detect(table: Table, file: File, freq: Freq = None, as_json: Json = False) -> None:
    """Print the cycle of each series."""
    from recycle.panels import read_panel
    from recycle.preparation import detect_cycles

    panel = read_panel(table.read(file)[0], freq=freq)
    found = dict(zip(panel.names, detect_cycles(panel), strict=True))
    if as_json:
        _print(json.dumps({str(name): vars(info) for name, info in found.items()}))
        return
    for name, info in found.items():
        cycle = "none" if info.primary is None else f"{info.primary} steps"
        more = f", repeating after {info.super}" if info.super > 1 else ""
        _print(f"{name}: {cycle}{more}, strength {info.strength:.2f} (a step is {_span(panel)})")


@app.command()
@reads_tables
def train(
    table: Table, file: File,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="the model file")] = None,
    horizon: Horizon = None, country: Country = None, tz: Zone = None, freq: Freq = None,
    head: Annotated[str | None, typer.Option(help=Heads)] = None, inputs: Inputs = "",
    preset: Annotated[str, typer.Option(help="fast, accurate, edge or paper")] = "accurate",
    config: Annotated[
        Path | None, typer.Option(help="TOML, JSON or YAML with parameters; options count more")
    ] = None,
    dump_config: Annotated[
        Path | None, typer.Option(help="write all parameters to this TOML file, and end")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="say what would be done, and end")] = False,
    energy: Annotated[bool, typer.Option(help="measure the energy")] = False,
) -> None:  # fmt: skip
    """Fit a model and write it to a file."""
    from recycle.configfile import parameters_from, to_toml
    from recycle.forecaster import ReCycleForecaster

    options = {
        "horizon": _length(horizon), "country": country, "tz": tz, "freq": freq, "head": head
    }  # fmt: skip
    given = {} if config is None else parameters_from(config)
    given |= {name: value for name, value in options.items() if value is not None}
    model = ReCycleForecaster.preset(preset).set_params(**given)
    if dump_config is not None:
        dump_config.write_text(to_toml(model.get_params()), encoding="utf-8")
        _print(f"The parameters are in {dump_config}")
        return
    y, x = table.read(file, inputs)
    if dry_run:
        _describe(model, y)
        return
    if output is None:
        raise ValueError("Where to? Give the model file by -o")
    watched = sys.stderr.isatty() and _rank() == 0
    model.fit(y, x, comm=_comm(), callbacks=[_tell] if watched else [], energy=energy)
    if _rank() == 0:
        model.save(output)
    _print(model.gate_report().dropna().round(4).to_string(index=False))
    if energy:
        _print(str(model.energy_))
    _print(f"The model is in {output}")


def _describe(model: Any, y: Any) -> None:
    """What a fit would do."""
    from recycle.forecasting import read
    from recycle.learning import plan

    panel = read(model, y)
    settings, split = plan(model, panel)
    steps = len(panel.times)
    lines = {
        "series": f"{len(panel.names)}: {', '.join(map(str, panel.names[:10]))}",
        "steps": f"{steps} of {_span(panel)}, {panel.times[0]} to {panel.times[-1]}",
        "missing": f"{100 * float((panel.values != panel.values).mean()):.1f} %",
        "cycle": model.cycle_ or "none",
        "horizon": f"{model.horizon_} steps",
        "head": settings.head,
        "lookbacks": ", ".join(map(str, settings.lookbacks)),
        "training": f"{split} steps, {steps - split} to choose by" if split else "none",
    }
    for name, value in lines.items():
        _print(f"{name:10} {value}")


@app.command()
@reads_tables
def forecast(
    table: Table, model: Model,
    history: Annotated[Path, typer.Option(help="the table that the forecast continues")],
    output: Output,
    quantiles: Quantiles = "",
    horizon: Annotated[
        str | None, typer.Option(help="default: the model's; beyond it, --recursive")
    ] = None,
    recursive: Annotated[bool, typer.Option(help="go on from the forecast itself")] = False,
    plot: Annotated[Path | None, typer.Option(help="a picture of the first series")] = None,
    future: Annotated[Path | None, typer.Option(help="table of the inputs of the horizon")] = None,
) -> None:  # fmt: skip
    """Forecast what follows the last row of a table."""
    from recycle.forecaster import ReCycleForecaster

    fitted = ReCycleForecaster.load(model)
    y, x = table.read(history, fitted.covariates_)
    if future is not None:
        import pandas as pd

        x = pd.concat([x, table.read_inputs(future, fitted.covariates_)])
    found = fitted.predict(
        _length(horizon), history=y, X=x, quantiles=_numbers(quantiles), recursive=recursive
    )
    if _rank() != 0:
        return
    table.write(found, output)
    _print(f"{len(found)} rows are in {output}")
    if plot is not None:
        from recycle.plots import first_series, plot_forecast

        plot_forecast(*first_series(y, found)).figure.savefig(plot, dpi=150)
        _print(f"The picture is in {plot}")


@app.command()
@reads_tables
def evaluate(
    table: Table, model: Model,
    data: Annotated[Path, typer.Option(help="a table that the model has not seen")],
    step: Annotated[str, typer.Option(help="between forecasts")] = "1c",
    by: Annotated[str, typer.Option(help="all, series, horizon or month")] = "all",
    metrics: Annotated[str, typer.Option(help="with commas")] = "mae,rmse,mape,wape",
    report: Annotated[Path | None, typer.Option(help="an HTML page with everything")] = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Compare forecasts from many origins of a table with what came, and with the profile's."""
    import pandas as pd

    from recycle.forecaster import ReCycleForecaster

    fitted = ReCycleForecaster.load(model)
    y, x = table.read(data, fitted.covariates_)
    names = [name for name in metrics.split(",") if name]
    parts = {
        label: fitted.backtest(y, x, step=_length(step), head=head, comm=_comm()).scores(by, names)
        for label, head in (("model", None), ("profile", "profile"), ("naive", "naive"))
    }
    scores = pd.concat(parts, names=["forecast"])
    if by == "all":
        scores = scores.droplevel(1)
    _print(scores.to_json(orient="table", index=True) if as_json else scores.round(4).to_string())
    if report is not None and _rank() == 0:
        from recycle.report import write_report

        _print(f"The report is in {write_report(fitted, y, report, X=x)}")


@app.command()
@reads_tables
def profile(
    table: Table, file: File, output: Output, horizon: Horizon = None, country: Country = None,
    tz: Zone = None, freq: Freq = None,
) -> None:  # fmt: skip
    """Forecast by the profile alone, which needs no training."""
    from recycle.forecaster import ReCycleForecaster

    y, _ = table.read(file)
    model = ReCycleForecaster(
        horizon=_length(horizon) or "7c", country=country, tz=tz, freq=freq, head="profile"
    )
    found = model.fit(y).predict()
    table.write(found, output)
    _print(f"{len(found)} rows are in {output}")


@app.command()
def export(
    model: Model, output: Output, quantiles: Quantiles = "",
    series: Annotated[str | None, typer.Option(help="which one, if there are several")] = None,
    weights: Annotated[str, typer.Option(help="of .onnx: single, half or int8")] = "half",
) -> None:  # fmt: skip
    """Write what forecasts without this package: .onnx, .pt2 of torch, .npz, or .h for C."""
    from recycle.forecaster import ReCycleForecaster

    fitted = ReCycleForecaster.load(model)
    fitted.export(output, series=series, quantiles=_numbers(quantiles), weights=weights)
    _print(f"The forecaster is in {output}, {output.stat().st_size / 1000:.0f} kB")


@app.command()
@reads_tables
def benchmark(
    table: Table, file: File, horizon: Horizon = None, country: Country = None, tz: Zone = None,
    freq: Freq = None,
    heads: Annotated[str, typer.Option(help="with commas")] = "profile,ridge,transformer",
    folds: Annotated[int, typer.Option(help="fits of each head on growing data")] = 1,
    inputs: Inputs = "", as_json: Json = False,
) -> None:  # fmt: skip
    """Fit each head on the first part of your data, and compare errors on the rest, and times."""
    from recycle.evaluation import compare_heads
    from recycle.forecaster import ReCycleForecaster

    y, x = table.read(file, inputs)
    model = ReCycleForecaster(horizon=_length(horizon) or "7c", country=country, tz=tz, freq=freq)
    names = [name for name in heads.split(",") if name]
    found = compare_heads(model, y, x, heads=names, folds=folds, comm=_comm())
    _print(
        found.to_json(orient="records")
        if as_json
        else found.to_string(index=False, float_format="%.4g")
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


def _span(panel: Any) -> str:
    return str(panel.step).removeprefix("0 days ")


def _tell(row: dict[str, float]) -> None:
    """Progress of a network, for whoever watches."""
    typer.echo(f"epoch {row['epoch']:.0f}: validation loss {row['val_loss']:.4f}", err=True)


def _length(text: str | None) -> Any:
    return int(text) if text is not None and text.isdigit() else text


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
