import sys
import tomllib

import h5py
import numpy as np
import pandas as pd
import pytest

from recycle import DataError, ReCycleForecaster, RidgeConfig, metrics
from recycle import __main__ as cli
from recycle.configfile import parameters_from, to_toml
from recycle.files import TableFormat, read_table


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> object:
    monkeypatch.setattr(sys, "argv", ["recycle", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code or 0


@pytest.fixture
def table(tmp_path):
    t = np.arange(24 * 40)
    index = pd.date_range("2024-01-01", periods=len(t), freq="h")
    frame = pd.DataFrame({"load": np.sin(t * np.pi / 12), "note": "x"}, index=index)
    path = tmp_path / "load.csv"
    frame.to_csv(path, index_label="ts")
    return path


def test_from_table_to_forecast(table, tmp_path, monkeypatch, capsys):
    model, found = tmp_path / "m.recycle", tmp_path / "f.csv"
    assert run(monkeypatch, "detect", table, "--time", "ts") == 0
    assert "load: 24 steps" in capsys.readouterr().out
    assert run(monkeypatch, "train", table, "--horizon", "2c", "--head", "ridge", "-o", model) == 0
    options = ["--history", table, "-o", found, "--quantiles", ".1,.9"]
    plot = tmp_path / "f.png"
    assert run(monkeypatch, "forecast", model, *options, "--plot", plot) == 0
    forecast = pd.read_csv(found, index_col=0, parse_dates=True)
    assert list(forecast.columns) == ["load", "load_q0.1", "load_q0.9"] and len(forecast) == 48
    assert forecast["load"].to_numpy() == pytest.approx(
        np.sin(np.arange(48) * np.pi / 12), abs=0.02
    )
    assert plot.stat().st_size > 10_000
    assert run(monkeypatch, "evaluate", model, "--data", table) == 0
    assert "profile" in capsys.readouterr().out


def test_what_excel_writes_is_understood(tmp_path, monkeypatch, capsys):
    index = pd.date_range("2024-01-01", periods=24 * 60, freq="h")
    wave = 1000 + 100.5 * np.sin(np.arange(len(index)) * np.pi / 12)
    frame = pd.DataFrame({"Zeit": index.strftime("%d.%m.%Y %H:%M"), "Last": wave, "Ort": "Süd"})
    path = tmp_path / "last.csv"
    frame.drop(index=range(100, 110)).to_csv(
        path, sep=";", decimal=",", index=False, encoding="latin-1"
    )
    again = read_table(path, TableFormat(encoding="latin-1"))
    assert list(again.columns) == ["Last"] and again.index[24 * 12] == index[24 * 12 + 10]
    assert again["Last"].to_numpy() == pytest.approx(np.delete(wave, range(100, 110)))
    assert run(monkeypatch, "detect", path) == 3  # not UTF-8
    command = ("train", path, "--encoding", "latin-1", "--preset", "fast", "--horizon", "2c")
    assert run(monkeypatch, *command, "--dry-run") == 0
    out = capsys.readouterr().out
    assert "head       ridge" in out and "horizon    48 steps" in out and "1: Last" in out
    assert run(monkeypatch, *command) == 2  # no output
    assert run(monkeypatch, *command, "-o", tmp_path / "m.recycle") == 0
    ahead = ("--horizon", "4c", "--recursive", "--encoding", "latin-1")
    found = tmp_path / "f.csv"
    options = ("--history", path, "-o", found, *ahead)
    assert run(monkeypatch, "forecast", tmp_path / "m.recycle", *options) == 0
    assert len(pd.read_csv(found)) == 96
    assert run(monkeypatch, "detect", path, "--encoding", "latin-1", "--target", "Ort") == 3
    assert "holds no numbers" in capsys.readouterr().err


def test_tables_with_an_id_keep_their_names(tmp_path, monkeypatch, capsys):
    hours = pd.date_range("2024-01-01", periods=24 * 40, freq="h")
    wave = np.sin(np.arange(len(hours)) * np.pi / 12)
    parts = [pd.DataFrame({"meter": n, "when": hours, "kw": wave + k}) for k, n in enumerate("ab")]
    path, model, found = tmp_path / "long.csv", tmp_path / "m.recycle", tmp_path / "f.csv"
    pd.concat(parts).to_csv(path, index=False)
    names = ("--time", "when", "--id", "meter", "--target", "kw")
    options = ("--horizon", "1c", "--head", "profile")
    assert run(monkeypatch, "train", path, *names, *options, "-o", model) == 0
    options = ("--history", path, "-o", found, "--quantiles", ".5")
    assert run(monkeypatch, "forecast", model, *names, *options) == 0
    table = pd.read_csv(found)
    assert list(table.columns) == ["meter", "when", "kw", "kw_q0.5"] and len(table) == 48
    assert table["kw"].to_numpy() == pytest.approx(np.r_[wave[:24], wave[:24] + 1], abs=1e-4)
    assert run(monkeypatch, "detect", path) == 3
    assert "--time" in capsys.readouterr().err
    assert run(monkeypatch, "--version") == 0


def test_parameters_from_files(table, tmp_path, monkeypatch, capsys):
    given = tmp_path / "given.toml"
    given.write_text('head = "ridge"\nhorizon = "1c"\nk = 4\n[ridge]\nrank = 2\n')
    whole = tmp_path / "all.toml"
    options = ("train", table, "--config", given, "--horizon", "2c", "--country", "DE")
    assert run(monkeypatch, *options, "--dump-config", whole) == 0
    found = ReCycleForecaster(**parameters_from(whole))
    expected = ReCycleForecaster(
        head="ridge", horizon="2c", k=4, country="DE", ridge=RidgeConfig(rank=2)
    )
    assert repr(found) == repr(expected)
    assert set(tomllib.loads(whole.read_text())["ridge"]) == {
        "loss",
        "rank",
        "own_share",
        "half_life",
    }
    for name, text in (("a.json", '{"k": 5}'), ("a.yaml", "k: 5\n")):
        (tmp_path / name).write_text(text)
        assert parameters_from(tmp_path / name) == {"k": 5}
    for text, status in (("speed = 3", 2), ("[ridge]\nspeed = 3", 2), ("k = ", 3)):
        given.write_text(text)
        assert run(monkeypatch, *options, "--dry-run") == status
    assert "speed" in capsys.readouterr().err
    static = ReCycleForecaster(country={"a": "DE", 2: "FR"}, validation=0.2)
    (tmp_path / "b.toml").write_text(to_toml(static.get_params()))
    assert parameters_from(tmp_path / "b.toml")["country"] == {"a": "DE", "2": "FR"}


def test_arrays_and_offsets(tmp_path):
    index = pd.date_range("2024-03-29", periods=96, freq="h", tz="Europe/Berlin")
    values = np.arange(192.0).reshape(96, 2)
    seconds = index.as_unit("s").asi8
    np.savez(tmp_path / "y.npz", time=seconds, values=values, columns=np.array(["a", "b"]))
    with h5py.File(tmp_path / "y.h5", "w") as file:
        file["time"] = [str(stamp) for stamp in index.tz_convert("UTC").tz_localize(None)]
        file["values"] = values[:, 0]
    pd.DataFrame({"t": index.astype(str), "a": values[:, 0]}).to_csv(
        tmp_path / "y.csv", index=False
    )
    for name in ("y.npz", "y.h5", "y.csv"):
        found = read_table(tmp_path / name)
        stamps = found.index if found.index.tz else found.index.tz_localize("UTC")
        assert (stamps == index).all()
        assert found.iloc[:, 0].to_numpy() == pytest.approx(values[:, 0])
    np.savez(tmp_path / "bad.npz", time=seconds[:5], values=values)
    np.savez(tmp_path / "none.npz", a=values)
    np.savez(tmp_path / "one.npz", time=np.array(1), values=np.array(1.0))
    with h5py.File(tmp_path / "name.h5", "w") as file:  # its name is no text
        file[b"\xb5alues"], file["time"] = values, seconds
    for name, message in (
        ("bad.npz", "do not fit"),
        ("none.npz", "no arrays"),
        ("one.npz", "do not fit"),
        ("name.h5", "no arrays"),
    ):
        with pytest.raises(DataError, match=message):
            read_table(tmp_path / name)
    american = pd.DataFrame({"t": ["1/2/2024", "1/13/2024"], "a": [1.0, 2.0]})
    american.to_csv(tmp_path / "us.csv", index=False)
    assert read_table(tmp_path / "us.csv").index[0] == pd.Timestamp("2024-01-02")
    days = read_table(tmp_path / "us.csv", TableFormat(dayfirst=False)).index
    assert days[1] == pd.Timestamp("2024-01-13")


def test_exit_statuses(table, tmp_path, monkeypatch, capsys):
    assert run(monkeypatch, "detect", tmp_path / "none.csv") == 3
    assert run(monkeypatch, "detect", table, "--time", "when") == 3
    (tmp_path / "bad").write_text("")
    assert run(monkeypatch, "evaluate", tmp_path / "bad", "--data", table) == 4
    assert run(monkeypatch, "train", table, "-o", tmp_path / "m", "--country", "XX") == 2
    assert "similar codes" in capsys.readouterr().err


def test_metrics_by_hand():
    truth, forecast = np.array([1.0, 2.0, np.nan, 4.0]), np.array([2.0, 2.0, 9.0, 2.0])
    assert metrics.mae(truth, forecast) == 1.0
    assert metrics.mse(truth, forecast) == pytest.approx(5 / 3)
    assert metrics.rmse(truth, forecast) == pytest.approx(np.sqrt(5 / 3))
    assert metrics.mape(truth, forecast) == pytest.approx(50.0)
    assert metrics.wape(truth, forecast) == pytest.approx(3 / 7)
    assert metrics.smape(truth, forecast) == pytest.approx(100 * (2 / 3 + 0 + 4 / 6) / 3)
    assert metrics.mase(truth, forecast, np.arange(6.0), 2) == 0.5
    assert metrics.pinball(truth, forecast, 0.9) == pytest.approx((0.1 + 0 + 1.8) / 3)
    assert metrics.coverage(truth, truth - 1, np.array([1.0, 1.5, 0, 5])) == pytest.approx(2 / 3)
    assert metrics.bias(truth, forecast) == pytest.approx(-1 / 3)
    assert metrics.rmsse(truth, forecast, np.arange(6.0), 2) == pytest.approx(np.sqrt(5 / 3) / 2)
    assert metrics.skill(truth, forecast, truth + 4) == 0.75
    two = np.array([[1.0, 3.0], [2.0, np.nan]])
    assert metrics.peak_error(two, np.array([[5.0, 1.0], [9.0, 9.0]])) == 2.0
    lower, upper = truth - 1, np.array([1.0, 1.5, 0, 5])
    assert metrics.width(truth, lower, upper) == pytest.approx((1 + 0.5 + 2) / 3)
    assert metrics.winkler(truth, lower, upper, 0.8) == pytest.approx((3.5 + 10 * 0.5) / 3)
    levels = np.arange(1, 100) / 100
    known, bands = np.array([0.5, 0.25]), np.repeat(levels[:, None], 2, axis=1)  # uniform
    by_hand = [
        ((np.arange(1e5) + 0.5) / 1e5 - (y < (np.arange(1e5) + 0.5) / 1e5)) ** 2 for y in known
    ]
    assert metrics.crps(known, bands, levels) == pytest.approx(np.mean(by_hand), rel=0.02)
