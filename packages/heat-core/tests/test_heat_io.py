"""Files: CSV and HDF5, and errors that all ranks see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import heat_core as ht

RANKS = [1, 2, 3, 4]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One temporary folder for all ranks."""
    return Path(ht.get_comm().handle.bcast(str(tmp_path)))


def write(path: Path, content: bytes) -> Path:
    comm = ht.get_comm()
    comm.barrier()
    if comm.rank == 0:
        path.write_bytes(content)
    comm.barrier()
    return path


@pytest.mark.parallel([1, 2, 3, 4, 7])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("ends", [True, False])
def test_csv(newline: str, ends: bool, folder: Path, check: Any) -> None:
    data = np.arange(30).reshape(10, 3) * 1.25
    lines = ["a,b,c", *(",".join(map(str, row)) for row in data)]
    text = newline.join(lines) + newline * ends
    path = write(folder / "table.csv", text.encode())
    for split in (None, 0, 1):
        x = ht.load_csv(path, header_lines=1, split=split)
        assert x.dtype is ht.float32
        assert x.split == split
        assert x.is_balanced()
        check(x, data.astype(np.float32))
    check(ht.load(path, 1, dtype=ht.float64, split=0, usecols=[2, 0]), data[:, [2, 0]])
    check(ht.load_csv(path, 1, split=0, usecols=1), data[:, [1]])


@pytest.mark.parallel(RANKS)
def test_csv_with_text_blank_lines_and_few_rows(folder: Path, check: Any) -> None:
    text = 'x;"a;b";1\n\n# a note\ny;c;2\n\n\n'
    path = write(folder / "mixed.txt", text.encode())
    x = ht.load_csv(path, sep=";", usecols=[2], dtype=ht.int64, split=0, comment="#")
    check(x, [[1], [2]])
    path = write(folder / "one.csv", b"1,2,3")
    check(ht.load_csv(path, split=0), [[1, 2, 3]])
    path = write(folder / "none.csv", b"")
    assert ht.load_csv(path, split=0).shape == (0, 0)


@pytest.mark.parallel(RANKS)
def test_csv_integers_are_exact(folder: Path, check: Any) -> None:
    numbers = [2**53 + 1, -(2**62) - 1, 7]
    path = write(folder / "integers.csv", "\n".join(map(str, numbers)).encode())
    check(ht.load_csv(path, dtype=ht.int64, split=0), np.array(numbers)[:, None])


@pytest.mark.parallel(RANKS)
@given(widths=st.lists(st.integers(1, 30), max_size=12))
def test_csv_lines_of_any_length(
    widths: list[int], tmp_path_factory: pytest.TempPathFactory, check: Any
) -> None:
    base = Path(ht.get_comm().handle.bcast(str(tmp_path_factory.getbasetemp())))
    text = "".join(f"{number}.{'0' * width}\n" for number, width in enumerate(widths))
    path = write(base / "lines.csv", text.encode())
    x = ht.load_csv(path, split=0)
    check(x[:, 0] if widths else ht.zeros(0), np.arange(len(widths)))


@pytest.mark.parallel(RANKS)
def test_csv_errors_reach_all_ranks(folder: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ht.load_csv(folder / "missing.csv")
    path = write(folder / "broken.csv", b"1,2\n" * 40 + b"1,oops\n" + b"3,4\n" * 3)
    with pytest.raises(ValueError, match="oops"):
        ht.load_csv(path, split=0)
    path = write(folder / "ragged.csv", b"1,2\n" * 20 + b"1,2,3\n" * 20)
    with pytest.raises(ValueError, match="column"):
        ht.load_csv(path, split=0)
    with pytest.raises(ht.AxisError):
        ht.load_csv(path, split=2)
    with pytest.raises(ValueError, match="extension"):
        ht.load(folder / "picture.png")


@pytest.mark.parallel(RANKS)
def test_csv_in_pieces(folder: Path, check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that become shorter, so that there are more of them than the first piece tells."""
    monkeypatch.setattr("heat_core.io.csv._PIECE_BYTES", 100)
    data = np.stack([10 ** np.arange(12.0)[::-1].repeat(20), np.arange(240.0)], axis=1)
    lines = [f"{a:.0f},{b:.0f}\n" for a, b in data]
    path = write(folder / "pieces.csv", "".join(lines).encode())
    for split in (None, 0, 1):
        check(ht.load_csv(path, dtype=ht.float64, split=split), data)
    path = write(folder / "ragged_late.csv", "".join([*lines, *["1,2,3\n"] * 40]).encode())
    with pytest.raises(ValueError, match="column"):
        ht.load_csv(path, split=0)


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("dtype", ["float32", "int16", "uint64", "bool", "complex64"])
def test_hdf5_round_trip(dtype: str, folder: Path, every_layout: Any, check: Any) -> None:
    data = np.arange(21).reshape(7, 3).astype(dtype)
    path = folder / "data.h5"
    for x in every_layout(data):
        ht.save(x, path, "group/values")
        for split in (None, 0, 1):
            y = ht.load(path, "group/values", split=split)
            assert y.dtype == dtype
            assert y.split == split
            check(y, data)
    part = ht.load_hdf5(path, "group/values", slices=(slice(1, 6, 2), None), split=0)
    check(part, data[1:6:2])
    check(ht.load_hdf5(path, "group/values", dtype=ht.float64, split=1), data.astype(float))


@pytest.mark.parallel(RANKS)
def test_hdf5_modes_and_options(folder: Path, check: Any) -> None:
    path = folder / "more.h5"
    ht.save_hdf5(ht.arange(4, split=0), path, "a", dtype=ht.float32)
    ht.save_hdf5(ht.array(3.0), path, "b", mode="a")
    ht.save_hdf5(ht.ones((6, 2), split=1), path, "c", mode="r+", chunks=(2, 2))
    ht.get_comm().barrier()
    with h5py.File(path, "r") as file:
        assert file["a"].dtype == np.float32
        assert file["c"].chunks == (2, 2)
    check(ht.load_hdf5(path, "b"), 3.0)


@pytest.mark.parallel([2, 3])
def test_hdf5_with_mpi_writes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """h5py's wheels have no MPI: a stand-in records what would be asked of it."""
    from types import SimpleNamespace
    from unittest.mock import MagicMock

    fake = MagicMock()
    fake.get_config.return_value = SimpleNamespace(mpi=True)
    monkeypatch.setattr("heat_core.io.hdf5.require", lambda name: fake)
    x = ht.arange(10, split=0)
    ht.save_hdf5(x, "a.h5", "x", compression="gzip")
    fake.File.assert_called_once_with("a.h5", "w", driver="mpio", comm=x.comm.handle)
    target = fake.File.return_value.__enter__.return_value.create_dataset
    target.assert_called_once_with("x", (10,), np.dtype(np.int64), compression="gzip")
    ((key, values),) = [call.args for call in target.return_value.__setitem__.call_args_list]
    assert key == x.layout.slices(x.comm.rank)
    np.testing.assert_array_equal(values, x.larray.numpy())
    target.return_value.collective.__enter__.assert_called_once_with()


@pytest.mark.parallel(RANKS)
def test_hdf5_errors_reach_all_ranks(folder: Path) -> None:
    path = folder / "errors.h5"
    with pytest.raises(FileNotFoundError):
        ht.load_hdf5(path, "a")
    ht.save_hdf5(ht.arange(4, split=0), path, "a")
    with pytest.raises(KeyError):
        ht.load_hdf5(path, "b")
    with pytest.raises(ValueError, match="mode"):
        ht.save_hdf5(ht.arange(4), path, "a", mode="x")
    with pytest.raises(ValueError, match="steps"):
        ht.load_hdf5(path, "a", slices=(slice(None, None, -1),))
    with pytest.raises(ValueError, match="name already exists"):
        ht.save_hdf5(ht.arange(4), path, "a", mode="a")
    with pytest.raises(TypeError, match="bfloat16"):
        ht.save_hdf5(ht.ones(3, dtype=ht.bfloat16), path, "c")
