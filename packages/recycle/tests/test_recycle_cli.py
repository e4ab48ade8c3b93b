import sys

import numpy as np
import pandas as pd
import pytest

from recycle import __main__ as cli
from recycle import metrics


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
