"""Sweeps against single learners, and what a comparison writes."""

from __future__ import annotations

import gzip
import hashlib
import pickle

import numpy as np
import pytest
import torch
from torch import nn

import f3
from f3 import cli
from f3.compare import (
    ALGORITHMS,
    Run,
    Sweep,
    load,
    make_learner,
    mlp,
    read_outcomes,
    sweep,
)
from f3.seeds import ORDER, derive
from mpi_utils import world

CLASSIFICATION = [name for name in ALGORITHMS if name != "f3-softmax"]


def orders(n: int, seed: int, epochs: int):
    for epoch in range(epochs):
        generator = torch.Generator().manual_seed(derive(seed, ORDER, epoch))
        yield torch.randperm(n, generator=generator)


@pytest.mark.parametrize("depth", [2])
def test_a_sweep_trains_as_single_learners_do(depth) -> None:
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(40, 6, generator=generator)
    t = torch.randint(5, (40,), generator=generator)
    rows = nn.functional.one_hot(t, 5).float()
    runs = [Run(name, lr, 3) for name in CLASSIFICATION for lr in (1e-2, 3e-3)]
    with torch.no_grad():
        many = Sweep(runs, x, rows, depth=depth, width=12, feedback="kaiming_uniform")
        for _ in range(3):
            many.epoch(16)
    for number, run in enumerate(many.runs):
        torch.manual_seed(run.seed)
        model = mlp(6, 12, depth, 5)
        learn = make_learner(
            run.algorithm, model, 40, lr=run.lr, seed=run.seed, feedback="kaiming_uniform"
        )
        for order in orders(40, run.seed, 3):
            for ids in order.split(16):
                learn.step(x[ids], t[ids], ids)
        for layer, block in enumerate(model):
            linear = block if isinstance(block, nn.Linear) else block[0]
            torch.testing.assert_close(
                many.weights[layer][number].T, linear.weight.detach(), atol=2e-4, rtol=1e-3
            )
        if isinstance(learn.source, f3.DelayedError):
            assert float(many.cosine[number]) == pytest.approx(
                learn.source.staleness.cosine, abs=0.2
            )


def test_sweeps_of_regressions_train_as_single_learners_do() -> None:
    generator = torch.Generator().manual_seed(5)
    x, rows = torch.randn(40, 6, generator=generator), torch.randn(40, 2, generator=generator)
    runs = [Run(name, 1e-2, 1) for name in ("bp", "dfa", "drtp", "f3", "f3-damped", "shallow")]
    result = sweep(
        runs, x, rows, epochs=3, batch_size=16, width=12, regression=True, scored={"all": (x, rows)}
    )
    assert result.scores["all"].shape == (3, 6)
    for number, run in enumerate(result.runs):
        torch.manual_seed(1)
        model = mlp(6, 12, 1, 2)
        algorithm = ALGORITHMS[run.algorithm]
        kinds = {"current": f3.CurrentError("error"), "target": f3.TargetError()}
        source = kinds.get(algorithm.signal)
        if algorithm.signal == "delayed":
            source = f3.DelayedError(40, "error", damping=algorithm.damping)
        learn = f3.Learner(
            model,
            loss=nn.MSELoss(),
            error=source,
            mode=algorithm.mode,
            optimizer=lambda p: torch.optim.Adam(p, lr=1e-2),
            seed=1,
        )
        for order in orders(40, 1, 3):
            for ids in order.split(16):
                learn.step(x[ids], rows[ids], ids)
        expected = float((learn.predict(x) - rows).square().mean())
        assert float(result.scores["all"][-1, number]) == pytest.approx(expected, rel=1e-3)


def test_the_command_chooses_rates_tests_once_and_goes_on(tmp_path, capsys, monkeypatch) -> None:
    file, picture = tmp_path / "runs.csv", tmp_path / "scores.png"
    command = ["compare", "--data", "digits", "--algorithms", "bp,drtp,f3", "--epochs", "3"]
    command += ["--width", "20", "--lr", "1e-3,1e-2", "--seeds", "0-1", "--out", str(file)]
    assert cli.main([*command, "--plot", str(picture)]) == 0
    printed = capsys.readouterr().out
    assert "digits, 1 hidden" in printed and "of the gap to drtp" in printed
    outcomes = read_outcomes(file)
    assert [o.part for o in outcomes].count("validation") == 18  # three seeds each
    tests = [o for o in outcomes if o.part == "test"]
    assert sorted({o.seed for o in tests}) == [0, 1]
    assert all(o.score > 0.3 for o in tests if o.algorithm == "bp")
    assert picture.stat().st_size > 1000
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="no outcomes"):
        read_outcomes(tmp_path / "other.csv")
    before = file.read_text()
    monkeypatch.setattr("f3.compare.runner.sweep", None)  # nothing is left to train
    assert cli.main(command) == 0
    assert file.read_text() == before
    assert capsys.readouterr().out == printed


def test_what_can_not_be_compared(tmp_path, capsys) -> None:
    assert cli.main(["compare", "--data", "nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().err
    assert cli.main(["compare", "--algorithms", "magic"]) == 2
    assert "magic" in capsys.readouterr().err
    rows = np.random.default_rng(0).normal(size=(40, 4))
    np.savetxt(tmp_path / "own.csv", rows, delimiter=",", header="a,b,c,d")
    own = load("own.csv", tmp_path)
    assert own.regression and own.x.shape == (30, 3) and own.rows.shape == (30, 1)
    assert abs(float(own.rows.mean())) < 1e-6


def write_idx(file, array) -> None:
    shape = np.array(array.shape, ">u4").tobytes()
    with gzip.open(file, "wb") if file.suffix == ".gz" else file.open("wb") as handle:
        handle.write(b"\0\0\x08" + bytes([array.ndim]) + shape + array.tobytes())


def test_files_of_known_data_sets(tmp_path, capsys) -> None:
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (9, 4, 4), dtype=np.uint8)
    classes = np.arange(9, dtype=np.uint8) % 3
    idx = tmp_path / "idx"
    idx.mkdir()
    for part, n in (("train", 9), ("t10k", 4)):
        write_idx(idx / f"{part}-images-idx3-ubyte.gz", pixels[:n])
        write_idx(idx / f"{part}-labels-idx1-ubyte", classes[:n])
    images = load("idx", tmp_path)
    assert images.x.shape == (9, 16) and images.test_rows.shape == (4, 3)
    assert abs(float(images.x.mean())) < 1e-6 and float(
        images.x.std(correction=0)
    ) == pytest.approx(1)
    assert images.rows.argmax(1).tolist() == classes.tolist()
    assert images.first(5).x.shape == (5, 16)

    cifar = tmp_path / "cifar"
    cifar.mkdir()
    for number, name in enumerate(["data_batch_1", "data_batch_2", "test_batch"]):
        rows = pixels.reshape(9, 16)[3 * number : 3 * number + 3]
        batch = {b"data": rows, b"labels": [0, 1, 2]}
        (cifar / name).write_bytes(pickle.dumps(batch, protocol=2))
    read = load("cifar", tmp_path)
    torch.testing.assert_close(
        read.x * pixels[:6].std() + pixels[:6].mean(), torch.tensor(pixels[:6]).flatten(1).float()
    )
    assert read.test_x.shape == (3, 16)
    (cifar / "test_batch").write_bytes(pickle.dumps(print))
    assert cli.main(["compare", "--data", "cifar", "--data-dir", str(tmp_path)]) == 2
    assert "no use for" in capsys.readouterr().err

    (idx / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\1\0\0\0\x09abc")
    assert cli.main(["compare", "--data", "idx", "--data-dir", str(tmp_path)]) == 2
    assert "cut off" in capsys.readouterr().err
    (idx / "train-labels-idx1-ubyte").write_bytes(b"hello")
    with pytest.raises(ValueError, match="not an idx file"):
        load("idx", tmp_path)

    assert cli.main(["data", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    digest = hashlib.sha256((cifar / "data_batch_1").read_bytes()).hexdigest()
    assert digest in printed and printed.count("idx ") == 4
    assert cli.main(["data", str(tmp_path / "nowhere")]) == 2


def test_tables_of_wines_and_kernels(tmp_path) -> None:
    generator = np.random.default_rng(0)
    names = ";".join(f'"{i}"' for i in range(12))
    wines = generator.normal(size=(40, 12)).round(3)
    wines[7] = wines[3]
    for colour, part in (("red", wines[:15]), ("white", wines[15:])):
        file = tmp_path / f"winequality-{colour}.csv"
        np.savetxt(file, part, delimiter=";", header=names, comments="", fmt="%.3f")
    all_of_them, unique = load("wine-quality", tmp_path), load("wine-quality-unique", tmp_path)
    assert all_of_them.x.shape == (32, 12) and all_of_them.test_x.shape == (8, 12)
    assert len(unique.x) + len(unique.test_x) == 39
    flags = torch.cat([all_of_them.x[:, 0], all_of_them.test_x[:, 0]])
    assert sorted(flags.unique(return_counts=True)[1].tolist()) == [15, 25]

    kernels = generator.integers(1, 9, (20, 18)).astype(float)
    np.savetxt(tmp_path / "sgemm_product.csv", kernels, delimiter=",", header="x", comments="")
    times = load("sgemm", tmp_path)
    assert times.x.shape == (64, 14) and times.test_rows.shape == (16, 1)
    assert torch.equal(times.x[0], times.x[3]) and times.regression


def test_folders_of_images(tmp_path) -> None:
    image = pytest.importorskip("PIL.Image")
    for part in ("train", "test"):
        for name, shade in (("cat", 10), ("dog", 200)):
            folder = tmp_path / "pets" / part / name
            folder.mkdir(parents=True)
            for number in range(3):
                image.new("L", (4, 4), shade + number).save(folder / f"{number}.png")
    pets = load("pets", tmp_path)
    assert pets.x.shape == (6, 16) and pets.rows.argmax(1).tolist() == [0, 0, 0, 1, 1, 1]
    assert bool((pets.x[:3] < 0).all()) and bool((pets.test_x[3:] > 0).all())


def test_costs_of_a_step(capsys) -> None:
    assert cli.main(["bench", "memory", "--depth", "4,16", "--width", "64", "--batch", "256"]) == 0
    lines = [line.split(": ")[-1].split() for line in capsys.readouterr().out.splitlines()]
    peaks = [dict(zip(line[::2], map(float, line[1::2]), strict=True)) for line in lines]
    assert peaks[1]["f3"] == pytest.approx(peaks[0]["f3"], abs=0.1)  # does not grow with the depth
    assert peaks[1]["bp"] > 2.5 * peaks[0]["bp"]
    speed = ["bench", "speed", "--depth", "10", "--width", "64", "--batch", "64", "--rounds", "1"]
    assert cli.main(speed) == 0
    shares = capsys.readouterr().out
    assert "bp 1.00 and 1.00" in shares and "f3 0.7" in shares


@pytest.mark.parallel([1, 2])
def test_pipelines_are_measured_with_equal_weights(capsys) -> None:
    bench = ["bench", "pipeline", "--depth", "4", "--width", "16", "--batch", "8", "--rounds", "1"]
    assert cli.main(bench) == 0
    printed = capsys.readouterr().out
    if world().rank == 0:
        assert "largest difference of a weight: 0.0" in printed
    else:
        assert printed == ""


def test_gaps_are_shares_of_the_way_to_backpropagation() -> None:
    assert f3.gap_closed(0.93, 0.90, 0.95) == pytest.approx(0.6)
    assert f3.gap_closed(0.62, 0.70, 0.60) == pytest.approx(0.8)  # losses
    assert f3.gap_closed(0.85, 0.90, 0.95) == pytest.approx(-1)
    assert np.isnan(f3.gap_closed(1.0, 0.5, 0.5))
