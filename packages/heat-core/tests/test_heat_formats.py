"""Files: NetCDF, Zarr, Parquet, folders of files, and how text is parsed."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

import heat_core as ht
from heat_core.io import csv_parser
from heat_core.io.chunks import aligned_layout, chunk_shape
from heat_core.layout import Layout

RANKS = [1, 2, 3, 4]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One temporary folder for all ranks."""
    return Path(ht.get_comm().handle.bcast(str(tmp_path)))


@pytest.fixture
def once() -> Any:
    """Call a function on rank 0 while the others wait."""

    def call(function: Any) -> None:
        comm = ht.get_comm()
        comm.barrier()
        if comm.rank == 0:
            function()
        comm.barrier()

    return call


# -- NetCDF ----------------------------------------------------------------------------------
@pytest.mark.parallel(RANKS)
def test_netcdf_round_trip(folder: Path, every_layout: Any, check: Any) -> None:
    path = folder / "data.nc"
    for dtype in ("float32", "int16", "uint64"):
        data = np.arange(21).reshape(7, 3).astype(dtype)
        for x in every_layout(data):
            ht.save(x, path, "values", dimension_names=["time", "station"])
            for split in (None, 0, 1):
                y = ht.load(path, "values", split=split)
                assert y.dtype == dtype and y.split == split
                check(y, data)
    check(ht.load_netcdf(path, "values", slices=(slice(1, None, 2),), split=0), data[1::2])
    ht.save_netcdf(ht.array(2.5), path, "scale", mode="a")
    check(ht.load_netcdf(path, "scale", dtype=ht.float64), 2.5)
    with netCDF4.Dataset(path) as file:
        assert list(file.dimensions) == ["time", "station"]


@pytest.mark.parallel(RANKS)
def test_netcdf_parts_and_growth(folder: Path, check: Any) -> None:
    path = folder / "grown.nc"
    ht.save_netcdf(ht.arange(4, split=0), path, "x", is_unlimited=True, zlib=True)
    ht.save_netcdf(ht.arange(10, 13, split=0), path, "x", mode="r+", file_slices=slice(4, 7))
    check(ht.load_netcdf(path, "x", split=0), [0, 1, 2, 3, 10, 11, 12])
    part = (slice(0, 2), slice(1, 6, 2))
    ht.save_netcdf(ht.ones((2, 3), split=1), path, "y", mode="a", file_slices=part, fill_value=-1)
    expected = np.full((2, 6), np.nan)
    expected[part] = 1
    check(ht.load_netcdf(path, "y", split=1), expected.astype(np.float32))
    with netCDF4.Dataset(path) as file:
        assert list(file.dimensions) == ["x_dim_0", "y_dim_0", "y_dim_1"]


@pytest.mark.parallel(RANKS)
def test_netcdf_packed_and_missing_values(folder: Path, once: Any, check: Any) -> None:
    path = folder / "packed.nc"

    def make() -> None:
        with netCDF4.Dataset(path, "w") as file:
            file.createDimension("n", 5)
            packed = file.createGroup("a").createVariable("packed", "i2", ("n",))
            packed.scale_factor, packed.add_offset = 0.5, 10.0
            packed[:] = [10, 10.5, 11, 11.5, 12]
            holes = file.createVariable("holes", "f8", ("n",), fill_value=-9.0)
            holes[:] = [1, 2, -9, 4, 5]
            file.createVariable("numbers", "i4", ("n",), fill_value=-9)[:] = [1, 2, -9, 4, 5]

    once(make)
    check(ht.load_netcdf(path, "a/packed", split=0), [10, 10.5, 11, 11.5, 12])
    check(ht.load_netcdf(path, "holes", split=0), [1, 2, np.nan, 4, 5])
    check(ht.load_netcdf(path, "numbers", split=0), np.array([1, 2, -9, 4, 5], np.int32))


@pytest.mark.parallel([1, 3])
def test_netcdf_errors_reach_all_ranks(folder: Path) -> None:
    path = folder / "errors.nc"
    with pytest.raises(FileNotFoundError):
        ht.load_netcdf(path, "x")
    ht.save_netcdf(ht.arange(4, split=0), path, "x")
    with pytest.raises(KeyError, match="no variable"):
        ht.load_netcdf(path, "y")
    with pytest.raises(ValueError, match="does not fit"):
        ht.save_netcdf(ht.arange(5, split=0), path, "x", mode="a")
    with pytest.raises(ValueError, match="axes"):
        ht.save_netcdf(ht.ones((2, 2), dtype=ht.int64), path, "x", mode="a")
    with pytest.raises(ValueError, match="dimension names"):
        ht.save_netcdf(ht.arange(4), path, "x", dimension_names=["a", "b"])
    with pytest.raises(ValueError, match="mode"):
        ht.save_netcdf(ht.arange(4), path, "x", mode="x")
    for dtype in (ht.complex64, ht.bfloat16, ht.bool):
        with pytest.raises(TypeError, match="cast"):
            ht.save_netcdf(ht.ones(2, dtype=dtype), path, "x")
    with pytest.raises(ht.AxisError):
        ht.load_netcdf(path, "x", split=1)


# -- Zarr ------------------------------------------------------------------------------------
@pytest.mark.parallel(RANKS)
def test_zarr_round_trip(folder: Path, every_layout: Any, check: Any) -> None:
    path = folder / "data.zarr"
    data = np.arange(21.0).reshape(7, 3)
    for number, x in enumerate(every_layout(data)):
        options = [{}, {"chunks": (2, 2)}, {"zarr_format": 2}][number % 3]
        ht.save(x, path, overwrite=True, **options)
        for split in (None, 0, 1):
            y = ht.load(path, split=split)
            assert y.dtype is ht.float64 and y.split == split
            check(y, data)
    check(ht.load_zarr(path, slices=[slice(1, 6, 2), None], dtype=ht.int32), data[1:6:2])
    x = ht.arange(40, split=0)
    ht.save_zarr(x, folder / "shards.zarr", chunks=(2,), shards=(6,))
    check(ht.load_zarr(folder / "shards.zarr"), np.arange(40))
    ht.save_zarr(ht.array(3.0), folder / "scalar.zarr")
    check(ht.load_zarr(folder / "scalar.zarr", split=None), 3.0)


@pytest.mark.parallel(RANKS)
def test_zarr_groups(folder: Path, check: Any) -> None:
    path = folder / "group.zarr"
    ht.save_zarr(ht.arange(10, 14, split=0), path, variable="runs/b")
    check(ht.load_zarr(path), np.arange(10, 14))
    ht.save_zarr(ht.arange(3, split=0), path, variable="runs/a")
    ht.save_zarr(ht.ones((2, 2)), path, variable="other")
    for split in (None, 0):
        check(ht.load_zarr(path, "runs/*", split=split), [0, 1, 2, 10, 11, 12, 13])
    check(ht.load_zarr(path, "runs/a", slices=slice(1, None)), [1, 2])
    with pytest.raises(ValueError, match="name a variable"):
        ht.load_zarr(path)
    with pytest.raises(KeyError, match="other, runs/a"):
        ht.load_zarr(path, "runs/c")
    with pytest.raises(ValueError, match="must agree"):
        ht.load_zarr(path, "*")
    with pytest.raises(ValueError, match="slices"):
        ht.load_zarr(path, "runs/*", slices=slice(1))
    with pytest.raises(FileExistsError):
        ht.save_zarr(ht.ones(2), path, variable="other")
    with pytest.raises(FileExistsError):
        ht.save_zarr(ht.ones(2), path)
    with pytest.raises(FileNotFoundError):
        ht.load_zarr(folder / "missing.zarr")
    with pytest.raises(TypeError, match="bfloat16"):
        ht.save_zarr(ht.ones(2, dtype=ht.bfloat16), folder / "x.zarr")
    with pytest.raises(ValueError, match="chunks"):
        ht.save_zarr(ht.ones(2), folder / "x.zarr", chunks=(1, 1))


@given(
    counts=st.lists(st.integers(0, 9), min_size=1, max_size=5),
    other=st.integers(0, 9),
    split=st.integers(0, 1),
    limit=st.sampled_from([8, 40, 200, 10_000]),
)
def test_chunks_are_written_by_one_rank(
    counts: list[int], other: int, split: int, limit: int
) -> None:
    shape = (sum(counts), other) if split == 0 else (other, sum(counts))
    layout = Layout(shape, split, tuple(counts))
    chunks = chunk_shape(layout, 8, limit)
    assert all(n >= 1 for n in chunks)
    assert math.prod(chunks) * 8 <= max(limit, 8)
    target = aligned_layout(layout, chunks[split])
    for start, stop in pairwise((*target.displs, shape[split])):
        assert start == stop or start % chunks[split] == 0
    assert target.counts is not None and sum(target.counts) == shape[split]


def test_chunks_fit_balanced_slabs_where_they_can() -> None:
    even = Layout((4000, 100), 0, (1000,) * 4)
    assert aligned_layout(even, chunk_shape(even, 8, 1 << 18)[0]) is even
    odd = Layout((4001, 100), 0, (1001, 1000, 1000, 1000))
    assert chunk_shape(odd, 8, 1 << 18)[0] > 100  # never a chunk for every row


# -- Parquet ---------------------------------------------------------------------------------
@pytest.mark.parallel(RANKS)
def test_parquet(folder: Path, once: Any, check: Any) -> None:
    path = folder / "table.parquet"
    a, b = np.arange(23), np.linspace(0, 1, 23, dtype=np.float32)
    holes = [None if i == 5 else float(i) for i in range(23)]
    names = ["x"] * 23

    def make() -> None:
        table = pa.table({"a": a, "b": b, "c": holes, "name": names})
        pq.write_table(table, path, row_group_size=4)
        integers = pa.table({"i": pa.array([1, None], pa.int32())})
        pq.write_table(integers, folder / "missing.parquet")
        (folder / "many").mkdir()
        for number in (1, 0):
            part = table.slice(10 * number, 10)
            pq.write_table(part, folder / "many" / f"{number}.parquet")

    once(make)
    for split in (None, 0, 1):
        x = ht.load(path, columns=["b", "a"], split=split)
        assert x.dtype is ht.float64 and x.split == split
        check(x, np.stack([b, a], axis=1))
    check(ht.load_parquet(path, ["a"], dtype=ht.int8, split=0), a[:, None].astype(np.int8))
    x = ht.load_parquet(path, ["c"], split=0)
    check(x, np.array(holes, float)[:, None])
    check(ht.load_parquet(folder / "many", ["a"], split=0), a[:20, None])
    with pytest.raises(TypeError, match="name"):
        ht.load_parquet(path)
    with pytest.raises(KeyError, match="oops"):
        ht.load_parquet(path, ["oops"])
    with pytest.raises(ValueError, match="missing numbers"):
        ht.load_parquet(folder / "missing.parquet")
    with pytest.raises(FileNotFoundError):
        ht.load_parquet(folder / "nowhere.parquet")


# -- folders of HDF5 files -------------------------------------------------------------------
@pytest.mark.parallel(RANKS)
def test_multiple_hdf5(folder: Path, once: Any, check: Any) -> None:
    parts = [np.arange(2.0 * n).reshape(n, 2) + 100 * n for n in (3, 0, 1, 6)]

    def make() -> None:
        for number in (2, 0, 3, 1):
            with h5py.File(folder / f"{number}.h5", "w") as file:
                file["x"] = parts[number]

    once(make)
    for split in (None, 0, 1):
        x = ht.load_multiple_hdf5(folder, "x", split=split)
        assert x.is_balanced()
        check(x, np.concatenate(parts))
    x = ht.load_multiple_hdf5(folder, "x", ht.float32, lambda files: sorted(files, reverse=True))
    check(x, np.concatenate(parts[::-1]).astype(np.float32))
    with pytest.raises(KeyError):
        ht.load_multiple_hdf5(folder, "y")
    with pytest.raises(FileNotFoundError, match=r"\.hdf5"):
        ht.load_multiple_hdf5(folder.parent / folder.name / "..", "x")


# -- text ------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "uint64"])
@pytest.mark.parametrize(
    "text",
    [
        "1,2\n3,4\n",
        "\n\n 1 ,2\r\n\r\n3,4",
        '"1",2\n3,"4"',
        "1,2\n3\n",
        "1\n2,3\n",
        "1,\n",
        "nan,inf\n-1,-0.0\n1e400,3\n",
        "300,-1\n",
        "18446744073709551615,1\n",
        "1.5,0x10\n",
        "1_000,2\n",
        "NA,1\n",
    ],
)
def test_both_parsers_agree(text: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def outcome(**options: Any) -> tuple[str, Any]:
        parser = csv_parser.CsvParser(
            dtype=np.dtype(dtype),
            sep=",",
            encoding="utf-8",
            **{"columns": None, "comment": None, **options},
        )
        try:
            return "rows", parser(text.encode())
        except ValueError:
            return "error", None

    for columns in (None, (1,), (0, 1)):
        with np.errstate(over="ignore"):
            fast = outcome(columns=columns)
            with monkeypatch.context() as patched:
                patched.setattr(csv_parser, "_pyarrow_csv", lambda: None)
                slow = outcome(columns=columns)
        assert fast[0] == slow[0]
        if fast[0] == "rows":
            np.testing.assert_array_equal(fast[1], slow[1], strict=True)


def test_plain_text_is_parsed_by_pyarrow() -> None:
    parser = csv_parser.CsvParser(np.dtype(np.float32), ";", "utf-8", (1,), None)
    rows = parser._by_pyarrow(b"a;1.5\nb;2\n")
    assert rows is not None and rows.tolist() == [[1.5], [2.0]]


def test_zarr_of_both_formats_is_what_others_read(tmp_path: Path) -> None:
    for version in (2, 3):
        path = tmp_path / f"v{version}.zarr"
        ht.save_zarr(ht.arange(5), path, zarr_format=version)
        stored = zarr.open(path, mode="r")
        assert stored.metadata.zarr_format == version
        assert stored[:].tolist() == [0, 1, 2, 3, 4]


# -- one rank that cannot read ---------------------------------------------------------------
@pytest.mark.parallel([2, 3])
def test_a_file_that_one_rank_cannot_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    comm = ht.get_comm()
    x = ht.arange(12, dtype=ht.float32, split=0)
    writers = {"csv": (), "npy": (), "h5": ("x",), "nc": ("x",), "zarr": ()}
    for extension, arguments in writers.items():
        ht.save(x, folder / f"x.{extension}", *arguments)
    comm.barrier()

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError("not on this node")

    if comm.rank == comm.size - 1:
        monkeypatch.setattr(Path, "open", refuse)
        for module, name in ((h5py, "File"), (netCDF4, "Dataset"), (zarr, "open")):
            monkeypatch.setattr(module, name, refuse)
    for extension, arguments in writers.items():
        with pytest.raises(PermissionError, match="not on this node"):
            ht.load(folder / f"x.{extension}", *arguments, split=0)


# -- memory ----------------------------------------------------------------------------------
def resident(field: str) -> int:
    """``VmRSS`` or ``VmHWM`` of this process in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field))


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux only")
@pytest.mark.parallel([2])
def test_readers_need_little_more_than_their_slab(folder: Path) -> None:
    x = ht.ones((1 << 17, 128), split=0)  # 64 MB
    ht.save_sharded(x, folder / "shards")
    readers: dict[str, Any] = {"shards": lambda split: ht.load_sharded(folder / "shards", split)}
    for extension, arguments in {"npy": (), "h5": ("x",), "nc": ("x",), "zarr": ()}.items():
        path = folder / f"x.{extension}"
        options = {"chunks": (1 << 13, 128)} if extension == "zarr" else {}
        ht.save(x, path, *arguments, **options)
        readers[extension] = lambda split, path=path, arguments=arguments: ht.load(
            path, *arguments, split=split
        )
    del x
    for name, read in readers.items():
        for split in (0, 1):
            Path("/proc/self/clear_refs").write_text("5")
            before = resident("VmRSS")
            y = read(split)
            peak = resident("VmHWM") - before
            assert peak < 2.5 * y.lnbytes, (name, split, peak / y.lnbytes)
            assert float(y.sum()) == 1 << 24
