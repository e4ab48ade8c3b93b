"""Files: NumPy's own, tables as text, and checkpoints of one file per rank."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import heat_core as ht

RANKS = [1, 2, 3, 4]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One temporary folder for all ranks."""
    return Path(ht.get_comm().handle.bcast(str(tmp_path)))


@pytest.mark.parallel(RANKS)
def test_npy_round_trip(folder: Path, every_layout: Any, check: Any) -> None:
    comm, path = ht.get_comm(), folder / "data.npy"
    for dtype, shape in (("float32", (7, 3)), ("uint16", (5,)), ("bool", (2, 1, 3)), ("c8", ())):
        data = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
        for x in every_layout(data):
            ht.save(x, path)
            comm.barrier()
            np.testing.assert_array_equal(np.load(path), data, strict=True)
            for split in (None, *range(len(shape))):
                y = ht.load(path, split=split)
                assert y.split == split
                assert y.dtype is x.dtype
                check(y, data)
    ht.save_npy(ht.zeros((0, 3), split=0), path)
    assert ht.load_npy(path, split=0).shape == (0, 3)
    if comm.rank == 0:
        np.save(path, np.asfortranarray(np.arange(6.0).reshape(2, 3)).astype(">f8"))
    comm.barrier()
    check(ht.load_npy(path, dtype=ht.float32, split=1), np.arange(6.0).reshape(2, 3))
    with pytest.raises(FileNotFoundError):
        ht.load_npy(folder / "missing.npy")
    with pytest.raises(ht.AxisError):
        ht.load_npy(path, split=2)
    if comm.rank == 0:
        np.save(folder / "records.npy", np.zeros(3, [("height", "f4")]))
    comm.barrier()
    with pytest.raises(ValueError, match="no numbers are stored"):
        ht.load_npy(folder / "records.npy", split=0)
    with pytest.raises(TypeError, match="bfloat16"):
        ht.save_npy(ht.ones(3, dtype=ht.bfloat16), path)


@pytest.mark.parallel(RANKS)
def test_npz_and_folders(folder: Path, check: Any) -> None:
    comm = ht.get_comm()
    parts = [np.arange(3 * n).reshape(n, 3) + 100 * n for n in (4, 0, 1, 2)]
    if comm.rank == 0:
        np.savez_compressed(folder / "all.npz", a=parts[0], b=parts[3])
        # Written out of order: the names decide.
        for number in (2, 0, 3, 1):
            np.save(folder / f"part{number}.npy", parts[number])
    comm.barrier()
    arrays = ht.load(folder / "all.npz", split=0)
    assert list(arrays) == ["a", "b"]
    check(arrays["a"], parts[0])
    check(ht.load_npz(folder / "all.npz", split=1)["b"], parts[3])
    for split in (None, 0, 1):
        x = ht.load_npy_from_path(folder, split=split)
        assert x.is_balanced()
        check(x, np.concatenate(parts))
    comm.barrier()
    if comm.rank == 0:
        np.save(folder / "part9.npy", np.ones((2, 2)))
    comm.barrier()
    with pytest.raises(ValueError, match="axis 0"):
        ht.load_npy_from_path(folder)


@pytest.mark.parallel(RANKS)
def test_csv_round_trip(folder: Path, every_layout: Any, check: Any) -> None:
    path = folder / "table.csv"
    rng = np.random.default_rng(3)
    data = rng.standard_normal((5, 3)) * 10.0 ** rng.integers(-9, 9, (5, 3))
    data[1, 1] = np.nan
    for x in every_layout(data):
        ht.save(x, path, ["a,b,c", "units"])
        y = ht.load_csv(path, 2, dtype=ht.float64, split=0)
        check(y, data, rtol=0, atol=0)
    numbers = np.array([2**53 + 1, -5, 2**62])
    for x in every_layout(numbers):
        ht.save_csv(x, path)
        check(ht.load_csv(path, dtype=ht.int64, split=0), numbers[:, None])
    ht.save_csv(ht.array([[1.25, 2.5]] * 3, split=0), path, sep=";", decimals=1)
    assert path.read_text() == "1.2;2.5\n" * 3
    ht.get_comm().barrier()
    ht.save_csv(ht.array([7]), path, truncate=False)
    assert path.read_text().startswith("7\n2;2.5\n")
    with pytest.raises(ValueError, match="axes"):
        ht.save_csv(ht.ones((1, 1, 1)), path)
    with pytest.raises(TypeError, match="complex"):
        ht.save_csv(ht.ones(1, dtype=ht.complex64), path)
    ht.save_csv(ht.arange(4, split=0), folder / "b.csv")
    ht.save_csv(ht.arange(10, 12, split=0), folder / "a.csv")
    (folder / "table.csv").unlink(missing_ok=True)
    ht.get_comm().barrier()
    both = ht.load_csv_from_folder(folder, ht.int64, split=0, func=lambda part: part + 1)
    check(both, np.array([11, 12, 1, 2, 3, 4])[:, None])


@pytest.mark.parallel(RANKS)
def test_checkpoints(folder: Path, every_layout: Any, check: Any) -> None:
    data = np.arange(21.0).reshape(7, 3)
    path = folder / "checkpoint" / "deep"
    alone = ht.get_comm().split(ht.get_comm().rank)
    for x in every_layout(data):
        ht.save_sharded(x, path)
        y = ht.load_sharded(path)
        assert y.split == x.split
        check(y, data)
        for split in (None, 0, 1):
            check(ht.load_sharded(path, split), data)
        # On another number of ranks.
        check(ht.load_sharded(path, 0, comm=alone), data)
        ht.get_comm().barrier()
    ht.save_sharded(ht.array([1.5, 2.5, -3.0], dtype=ht.bfloat16, split=0), path)
    y = ht.load_sharded(path, None)
    assert y.larray.dtype is torch.bfloat16
    assert y.tolist() == [1.5, 2.5, -3.0]
    ht.get_comm().barrier()
    (path / "manifest.json").unlink(missing_ok=True)
    ht.get_comm().barrier()
    with pytest.raises(FileNotFoundError):
        ht.load_sharded(path)
