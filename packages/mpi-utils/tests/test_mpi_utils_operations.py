"""Every operation x dtype x memory layout x kind of array, against NumPy, on 1 to 7 ranks."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from mpi_utils import Communicator, Request, largecount, waitall

RANKS = [1, 2, 3, 4, 7]
INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
FLOATS = ["float16", "bfloat16", "float32", "float64"]
COMPLEX = ["complex64", "complex128"]
DTYPES = ["bool", *INTEGERS, *FLOATS, *COMPLEX]
SHAPES: dict[str, tuple[int, ...]] = {
    "contiguous": (3, 4),
    "strided": (3, 4),
    "empty": (0, 4),
    "0-d": (),
}
UFUNCS = {"sum": np.add, "prod": np.multiply, "min": np.minimum, "max": np.maximum}


def values(rank: int, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """What rank `rank` holds, in a dtype that NumPy can compute with."""
    generator = np.random.default_rng([rank, len(dtype), *shape])
    numbers = generator.integers(0, 2 if dtype == "bool" else 5, shape)
    if dtype in COMPLEX:
        return (numbers + 1j * generator.integers(0, 5, shape)).astype(dtype)
    return numbers.astype("float32" if dtype == "bfloat16" else dtype)


def build(numbers: np.ndarray, dtype: str, kind: str, layout: str) -> Any:
    """The numbers as an array of a kind and memory layout."""
    if kind == "numpy":
        if layout != "strided":
            return np.array(numbers, dtype)
        wide = np.zeros(tuple(2 * n for n in numbers.shape), dtype)
        wide[tuple(slice(None, None, 2) for _ in numbers.shape)] = numbers
        return wide[tuple(slice(None, None, 2) for _ in numbers.shape)]
    tensor = torch.from_numpy(np.array(numbers)).to(getattr(torch, dtype))
    if layout != "strided":
        return tensor
    spread = torch.zeros(tuple(2 * n for n in numbers.shape), dtype=tensor.dtype)
    spread[tuple(slice(None, None, 2) for _ in numbers.shape)] = tensor
    return spread[tuple(slice(None, None, 2) for _ in numbers.shape)]


def plain(x: Any) -> np.ndarray:
    """Any array as NumPy, bfloat16 as float32."""
    if isinstance(x, torch.Tensor):
        return (x.float() if x.dtype == torch.bfloat16 else x).numpy()
    return np.asarray(x)


def cases(*, axes: int = 0) -> Iterator[tuple[str, str, str]]:
    """(dtype, kind, layout): every dtype in every layout of at least `axes` axes, kinds in turn."""
    for i, dtype in enumerate(DTYPES):
        for j, (layout, shape) in enumerate(SHAPES.items()):
            if len(shape) >= axes:
                yield dtype, "torch" if dtype == "bfloat16" or (i + j) % 2 else "numpy", layout


def same(result: Any, expected: np.ndarray, like: Any) -> None:
    assert type(result) is type(like)
    assert result.dtype == like.dtype
    np.testing.assert_array_equal(plain(result), expected)


def out_array(shape: tuple[int, ...], dtype: str, kind: str, layout: str) -> Any:
    return build(np.zeros(shape), dtype, kind, layout)


@functools.singledispatch
def finish(result: Any) -> Any:
    return result


@finish.register
def _(result: Request) -> Any:  # type: ignore[type-arg]
    return result.wait()


@pytest.fixture(params=["blocking", "non-blocking", "in pieces"])
def mode(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, comm: Communicator
) -> str:
    """Run each test in both forms, and as on an MPI library without large counts."""
    if request.param == "in pieces":
        monkeypatch.setattr(comm, "_segmented", True)
        monkeypatch.setattr(largecount, "MAX_COUNT", 5)
    name: str = request.param
    return name


def call(comm: Communicator, mode: str, name: str, *args: Any, **kwargs: Any) -> Any:
    method = getattr(comm, f"i{name}" if mode == "non-blocking" else name)
    return finish(method(*args, **kwargs))


def combined(op: str, dtype: str, shape: tuple[int, ...], ranks: range) -> np.ndarray:
    """The reduction of the values of `ranks`, as NumPy computes it."""
    parts = [values(rank, dtype, shape) for rank in ranks]
    if dtype == "bool":
        ufunc = np.logical_or if op in {"sum", "max"} else np.logical_and
        return functools.reduce(ufunc, parts)
    if dtype == "float16":
        wide = functools.reduce(UFUNCS[op], [part.astype(np.float32) for part in parts])
        return wide.astype(np.float16)
    result = functools.reduce(UFUNCS[op], parts)
    return result.astype(parts[0].dtype)


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("name", ["allreduce", "reduce", "scan", "exscan"])
def test_reductions(comm: Communicator, mode: str, name: str) -> None:
    extra = {"root": comm.size - 1} if name == "reduce" else {}
    ranks = {"scan": range(comm.rank + 1), "exscan": range(comm.rank)}.get(name, range(comm.size))
    for i, (dtype, kind, layout) in enumerate(cases()):
        ops = ["sum", "prod"] if dtype in COMPLEX else list(UFUNCS)
        op, shape = ops[(i + i // 4) % len(ops)], SHAPES[layout]
        x = build(values(comm.rank, dtype, shape), dtype, kind, layout)
        before = plain(x).copy()
        out = out_array(shape, dtype, kind, layout) if i % 3 else None
        result = call(comm, mode, name, x, op, out=out, **extra)
        np.testing.assert_array_equal(plain(x), before)
        if name == "reduce" and comm.rank != comm.size - 1:
            assert result is None
        elif ranks:  # the neutral element has its own test
            same(result, combined(op, dtype, shape, ranks), x)
            assert out is None or result is out


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("op", UFUNCS)
def test_allreduce_in_place(comm: Communicator, mode: str, op: str) -> None:
    for dtype, kind, layout in cases():
        if dtype not in COMPLEX or op in {"sum", "prod"}:
            x = build(values(comm.rank, dtype, SHAPES[layout]), dtype, kind, layout)
            assert call(comm, mode, "allreduce", x, op, out=x) is x
            same(x, combined(op, dtype, SHAPES[layout], range(comm.size)), x)


@pytest.mark.parallel(RANKS)
def test_exclusive_scan_starts_with_the_neutral_element(comm: Communicator) -> None:
    lowest, highest = np.iinfo(np.int16).min, np.iinfo(np.int16).max
    neutral: dict[str, int] = {
        "sum": 0,
        "prod": 1,
        "max": lowest,
        "min": highest,
        "band": -1,
        "bor": 0,
    }
    for op, expected in neutral.items():
        result = comm.exscan(np.full(2, comm.rank + 3, np.int16), op)
        if comm.rank == 0:
            assert result.tolist() == [expected] * 2
    floats = comm.exscan(torch.ones(2), "max")
    assert comm.rank or bool(torch.isneginf(floats).all())
    flags = comm.exscan(np.ones(2, bool), "land")
    assert flags.all()
    unknown = comm.exscan(np.ones(1, bool), "band")
    assert unknown.all()
    assert comm.exscan(np.zeros(1, bool), "min").all() or comm.rank


@pytest.mark.parallel(RANKS)
def test_integer_and_logical_operations(comm: Communicator) -> None:
    x = np.array([comm.rank, 6, 0], np.uint8)
    everyone = np.array([[rank, 6, 0] for rank in range(comm.size)], np.uint8)
    assert comm.allreduce(x, "bor").tolist() == np.bitwise_or.reduce(everyone).tolist()
    assert comm.allreduce(x, "band").tolist() == np.bitwise_and.reduce(everyone).tolist()
    assert comm.allreduce(x != 0, "lor").tolist() == (everyone != 0).any(0).tolist()
    assert comm.allreduce(x != 0, "land").tolist() == (everyone != 0).all(0).tolist()
    from mpi4py import MPI

    assert comm.allreduce(x, MPI.SUM).tolist() == everyone.sum(0).tolist()


@pytest.mark.parallel([1, 2])
def test_sixteen_bit_floats_are_summed_as_numbers(comm: Communicator) -> None:
    for dtype in (torch.float16, torch.bfloat16):
        ones = torch.full((3,), 1000.0 / comm.size * 2, dtype=dtype)
        assert comm.allreduce(ones).tolist() == [2000.0] * 3
        blocks = comm.reduce_scatter(ones.expand(comm.size, 3))
        assert blocks.tolist() == [[2000.0] * 3]


@pytest.mark.parallel(RANKS)
def test_extremes_propagate_nan(comm: Communicator) -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        x = torch.tensor([float(comm.rank), 1.0], dtype=dtype)
        if comm.rank == comm.size - 1:
            x[1] = torch.nan
        for op, first in (("max", comm.size - 1), ("min", 0)):
            result = comm.allreduce(x, op)
            assert result[0] == first
            assert torch.isnan(result[1])


@pytest.mark.parallel(RANKS)
def test_bcast(comm: Communicator, mode: str) -> None:
    for dtype, kind, layout in cases():
        x = build(values(comm.rank, dtype, SHAPES[layout]), dtype, kind, layout)
        assert call(comm, mode, "bcast", x, comm.size - 1) is x
        same(x, values(comm.size - 1, dtype, SHAPES[layout]), x)


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("name", ["allgather", "gather"])
def test_gather(comm: Communicator, mode: str, name: str) -> None:
    root = comm.size - 1
    extra = {"root": root} if name == "gather" else {}
    for dtype, kind, layout in cases():
        shape = SHAPES[layout]
        x = build(values(comm.rank, dtype, shape), dtype, kind, layout)
        expected = np.stack([values(rank, dtype, shape) for rank in range(comm.size)])
        out = out_array(expected.shape, dtype, kind, layout) if layout != "strided" else None
        result = call(comm, mode, name, x, out=out, **extra)
        if name == "gather" and comm.rank != root:
            assert result is None
        else:
            same(result, expected, x)


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("name", ["allgatherv", "gatherv"])
def test_gather_of_different_lengths(comm: Communicator, mode: str, name: str) -> None:
    extra = {"root": 0} if name == "gatherv" else {}
    counts = [rank % 3 for rank in range(comm.size)]  # some ranks have nothing
    for dtype, kind, layout in cases(axes=1):
        width = SHAPES[layout][1:]
        parts = [values(rank, dtype, (n, *width)) for rank, n in enumerate(counts)]
        x = build(parts[comm.rank], dtype, kind, layout)
        result = call(comm, mode, name, x, counts if layout == "strided" else None, **extra)
        if name == "gatherv" and comm.rank != 0:
            assert result is None
        else:
            same(result, np.concatenate(parts), x)


@pytest.mark.parallel(RANKS)
def test_scatter(comm: Communicator, mode: str) -> None:
    root = comm.size - 1
    for dtype, kind, layout in cases():
        shape = SHAPES[layout]
        whole = values(root, dtype, (comm.size, *shape))
        x = build(whole, dtype, kind, layout) if comm.rank == root else None
        out = out_array(shape, dtype, kind, layout)
        result = call(comm, mode, "scatter", x, root=root, out=out)
        assert result is out
        same(result, whole[comm.rank], out)


@pytest.mark.parallel(RANKS)
def test_scatter_of_different_lengths(comm: Communicator, mode: str) -> None:
    counts = [(rank + 1) % 3 for rank in range(comm.size)]
    offsets = np.cumsum([0, *counts])
    for dtype, kind, layout in cases(axes=1):
        whole = values(0, dtype, (sum(counts), *SHAPES[layout][1:]))
        x = build(whole, dtype, kind, layout) if comm.rank == 0 else None
        mine = whole[offsets[comm.rank] : offsets[comm.rank + 1]]
        out = out_array(mine.shape, dtype, kind, layout)
        result = call(comm, mode, "scatterv", x, counts, out=None if comm.rank == 0 else out)
        same(result, mine, out)


@pytest.mark.parallel(RANKS)
def test_alltoall(comm: Communicator, mode: str) -> None:
    for dtype, kind, layout in cases():
        shape = (comm.size, *SHAPES[layout])
        x = build(values(comm.rank, dtype, shape), dtype, kind, layout)
        expected = np.stack([values(rank, dtype, shape)[comm.rank] for rank in range(comm.size)])
        out = out_array(shape, dtype, kind, layout) if layout != "strided" else None
        same(call(comm, mode, "alltoall", x, out=out), expected, x)


@pytest.mark.parallel(RANKS)
def test_alltoall_of_different_lengths(comm: Communicator, mode: str) -> None:
    def rows(source: int, target: int) -> int:
        return (source + 2 * target) % 3

    for dtype, kind, layout in cases(axes=1):
        blocks = [
            [values(s * 10 + t, dtype, (rows(s, t), *SHAPES[layout][1:])) for t in range(comm.size)]
            for s in range(comm.size)
        ]
        x = build(np.concatenate(blocks[comm.rank]), dtype, kind, layout)
        sends = [rows(comm.rank, t) for t in range(comm.size)]
        expected = np.concatenate([blocks[s][comm.rank] for s in range(comm.size)])
        receives = [rows(s, comm.rank) for s in range(comm.size)]
        given = receives if layout == "strided" else None
        same(call(comm, mode, "alltoallv", x, sends, given), expected, x)


@pytest.mark.parallel(RANKS)
def test_reduce_scatter(comm: Communicator, mode: str) -> None:
    counts = [rank % 3 for rank in range(comm.size)]
    offsets = np.cumsum([0, *counts])
    for dtype, kind, layout in cases(axes=1):
        width = SHAPES[layout][1:]
        op = "max" if layout == "strided" and dtype not in COMPLEX else "sum"
        shape = (sum(counts), *width)
        x = build(values(comm.rank, dtype, shape), dtype, kind, layout)
        mine = combined(op, dtype, shape, range(comm.size))[offsets[comm.rank] :][
            : counts[comm.rank]
        ]
        same(call(comm, mode, "reduce_scatter", x, counts, op), mine, x)
    shape = (2 * comm.size, 3)
    x = build(values(comm.rank, "float32", shape), "float32", "torch", "strided")
    mine = combined("sum", "float32", shape, range(comm.size))[2 * comm.rank :][:2]
    out = out_array(mine.shape, "float32", "torch", "strided")
    assert call(comm, mode, "reduce_scatter", x, out=out) is out
    same(out, mine, x)


@pytest.mark.parallel(RANKS)
def test_messages_around_a_ring(comm: Communicator, mode: str) -> None:
    right, left = (comm.rank + 1) % comm.size, (comm.rank - 1) % comm.size
    for dtype, kind, layout in cases():
        shape = SHAPES[layout]
        x = build(values(comm.rank, dtype, shape), dtype, kind, layout)
        out = out_array(shape, dtype, kind, layout)
        assert call(comm, mode, "sendrecv", x, right, out, left, tag=3) is out
        same(out, values(left, dtype, shape), x)
        again = out_array(shape, dtype, kind, layout)
        arrival = (
            comm.irecv(again, left) if comm.size > 1 else comm.iexchange([(0, x)], [(0, again)])
        )
        if comm.size > 1:
            call(comm, mode, "send", x, right)
        arrival.wait()
        same(again, values(left, dtype, shape), x)


@pytest.mark.parallel([2, 3])
def test_receive_returns_the_array_it_fills(comm: Communicator, mode: str) -> None:
    x = torch.full((12,), float(comm.rank))
    if comm.rank == 0:
        call(comm, mode, "send", torch.arange(12.0), 1, tag=9)
    elif comm.rank == 1:
        assert call(comm, mode, "recv", x, 0, tag=9) is x
        assert x.tolist() == list(range(12))


@pytest.mark.parallel(RANKS)
def test_exchange_of_everything_with_everyone(comm: Communicator, mode: str) -> None:
    for dtype, kind, layout in cases():
        shape = SHAPES[layout]
        sends = [
            (peer, build(values(10 * comm.rank + peer, dtype, shape), dtype, kind, layout))
            for peer in range(comm.size)
        ]
        recvs = [(peer, out_array(shape, dtype, kind, layout)) for peer in range(comm.size)]
        call(comm, mode, "exchange", sends, recvs)
        for peer, received in recvs:
            same(received, values(10 * peer + comm.rank, dtype, shape), sends[0][1])


@pytest.mark.parallel(RANKS)
def test_barrier_and_many_requests_at_once(comm: Communicator) -> None:
    comm.barrier()
    requests = [comm.iallreduce(torch.full((5,), float(i))) for i in range(8)]
    requests.append(comm.ibarrier())
    *sums, nothing = waitall(requests)
    assert nothing is None
    assert [int(s[0]) for s in sums] == [i * comm.size for i in range(8)]
    request = comm.iallgather(np.array([comm.rank]))
    while not request.test():
        pass
    assert request.test()
    assert request.wait().ravel().tolist() == list(range(comm.size))


@pytest.mark.parallel([1, 2])
def test_other_arrays_and_views(comm: Communicator) -> None:
    import array

    class DLPackOnly:
        def __init__(self, x: Any) -> None:
            self.x = x

        def __dlpack__(self, **kwargs: Any) -> Any:
            return self.x.__dlpack__(**kwargs)

        def __dlpack_device__(self) -> Any:
            return self.x.__dlpack_device__()

    assert comm.allreduce(array.array("d", [1.0, 2.0])).tolist() == [comm.size, 2 * comm.size]
    assert comm.allreduce(DLPackOnly(np.ones(2))).tolist() == [comm.size] * 2
    assert comm.allreduce(np.float64(1.5)) == 1.5 * comm.size
    big_endian = np.arange(3).astype(">i4")
    assert comm.allreduce(big_endian).tolist() == [0, comm.size, 2 * comm.size]
    weights = torch.nn.Parameter(torch.ones(2))
    total = comm.allreduce(weights)
    assert not total.requires_grad
    assert total.tolist() == [comm.size] * 2
    comm.bcast(weights)
    z = torch.tensor([1 + 2j])
    assert comm.allreduce(z.conj()).tolist() == [(1 - 2j) * comm.size]
    assert comm.allreduce(z.conj().imag).tolist() == [-2.0 * comm.size]


@pytest.mark.parallel([1, 2])
@pytest.mark.parametrize(
    ("error", "message", "action"),
    [
        (TypeError, "comm.handle", lambda c: c.allreduce([1, 2])),
        (TypeError, "can't be sent", lambda c: c.bcast(np.array(["a"]))),
        (ValueError, "Unknown reduction", lambda c: c.allreduce(np.ones(1), "mean")),
        (TypeError, "not defined for complex64", lambda c: c.allreduce(np.ones(1, "c8"), "max")),
        (TypeError, "not defined for uint8", lambda c: c.allreduce(np.ones(1, "u1"), "lor")),
        (TypeError, "an MPI.Op", lambda c: c.allreduce(np.ones(1), sum)),
        (TypeError, "not defined for float32", lambda c: c.allreduce(torch.ones(1), "bor")),
        (ValueError, "must have shape", lambda c: c.allreduce(np.ones(2), out=np.ones(3))),
        (ValueError, "must have shape", lambda c: c.allreduce(np.ones(2), out=np.ones(2, "f4"))),
        (ValueError, "read-only", lambda c: c.allreduce(np.ones(2), out=np.broadcast_to(0.0, 2))),
        (ValueError, "no rank 9", lambda c: c.bcast(np.ones(2), 9)),
        (ValueError, "no rank -1", lambda c: c.send(np.ones(2), -1)),
        (ValueError, "no axes", lambda c: c.allgatherv(np.ones(()))),
        (ValueError, "counts", lambda c: c.allgatherv(np.ones(2), [5] * c.size)),
        (ValueError, "counts", lambda c: c.alltoallv(np.ones(2), [5] * c.size, [5] * c.size)),
        (ValueError, "counts", lambda c: c.reduce_scatter(np.ones(2), [5] * c.size)),
        (ValueError, "both dest and source", lambda c: c.sendrecv(
            np.ones(1), c.rank, np.ones(1), c.size)),
        (ValueError, "its own rank", lambda c: c.exchange([(c.rank, np.ones(1))], [])),
    ],
)  # fmt: skip
def test_bad_arguments(comm: Communicator, error: type, message: str, action: Any) -> None:
    with pytest.raises(error, match=message):
        action(comm)


@pytest.mark.parallel([2])
def test_scatter_says_what_it_lacks(comm: Communicator) -> None:
    if comm.rank == 1:
        with pytest.raises(ValueError, match="needs `out`"):
            comm.scatter(None)
    else:
        with pytest.raises(ValueError, match="3 rows among 2 ranks"):
            comm.scatter(np.ones(3))


@pytest.mark.parallel([2])
def test_device_memory_is_staged(comm: Communicator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a GPU here, pretend that MPI can't reach the memory of float64 tensors."""
    from mpi_utils import buffers

    reachable = buffers._is_ready
    monkeypatch.setattr(
        buffers, "_is_ready", lambda x: reachable(x) and getattr(x, "dtype", None) != torch.float64
    )
    x = torch.full((3,), float(comm.rank), dtype=torch.float64)
    assert comm.allreduce(x).tolist() == [1.0] * 3
    assert comm.allgather(x)[:, 0].tolist() == [0.0, 1.0]
    assert comm.allreduce(x, out=x) is x
    assert x.tolist() == [1.0] * 3


@pytest.mark.skipif("HPC_ML_SLOW" not in os.environ, reason="takes 9 GiB; set HPC_ML_SLOW=1")
@pytest.mark.parallel(2)
@pytest.mark.timeout(300)
def test_one_message_of_more_than_two_to_the_31_bytes(comm: Communicator) -> None:
    n = 2**31 + 16
    x = torch.zeros(n, dtype=torch.uint8)
    if comm.rank == 0:
        x[-3:] = 7
    comm.bcast(x)
    assert x[-4:].tolist() == [0, 7, 7, 7]
    total = comm.allreduce(x)
    assert total[-4:].tolist() == [0, 14, 14, 14]
