"""The oracle: every public function in every layout gives NumPy's answer, and leaves no trace.

The tables of ``oracle/`` are rows ``(names, call[, oracle])``. For each layout of the arrays that a
call asks for, the result must have NumPy's values (and lie legally), and the arguments their own,
in their old layout. A function without a row fails, unless another test file names it.
"""

from __future__ import annotations

import inspect
import re
import runpy
import warnings
from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

import heat_core as ht
from heat_core.array.dndarray import wrap
from heat_core.layout import Layout

HERE = Path(__file__).parent
TABLES = [
    *("elementwise", "reductions", "movement", "searching", "linalg", "transforms"),
    *("creation", "randomness"),
]
# Whose names must all be checked; those of classes and of what takes no arrays in other files.
NAMESPACES = """linalg fft signal sparse spatial graph cluster classification regression
decomposition naive_bayes preprocessing utils.data"""

NO_FUNCTIONS = (type, ModuleType, ht.datatype)


def table(name: str) -> list[tuple[Any, ...]]:
    """The rows of a table."""
    return runpy.run_path(str(HERE / "oracle" / f"{name}.py"))["CASES"]


def layouts(shape: tuple[int, ...], size: int) -> Iterator[Layout]:
    """Replicated, and along each axis: balanced, on the last rank alone, and random."""
    yield Layout(shape)
    for split, extent in enumerate(shape):
        rng = np.random.default_rng(extent * 31 + size)
        cuts = [0, *sorted(rng.integers(0, extent + 1, size - 1)), extent]
        balanced = tuple(extent // size + (rank < extent % size) for rank in range(size))
        for counts in dict.fromkeys(
            (balanced, (*(0,) * (size - 1), extent), tuple(int(n) for n in np.diff(cuts)))
        ):
            yield Layout(shape, split, counts)


def distribute(data: np.ndarray, layout: Layout) -> ht.DNDarray:
    """The array under a layout; a copy."""
    comm = ht.get_comm()
    device = ht.get_device().torch_device
    return wrap(torch.tensor(data[layout.slices(comm.rank)], device=device), layout, comm)


def leaves(result: Any) -> list[Any]:
    """The arrays and scalars of a result."""
    if isinstance(result, (tuple, list)):
        return [leaf for part in result for leaf in leaves(part)]
    return [result]


def compare(result: Any, expected: Any, seen: list[Any]) -> None:
    """Equal, and legally laid out; ``seen`` takes what must be the same on all ranks."""
    found, wanted = leaves(result), leaves(expected)
    assert len(found) == len(wanted), f"{len(found)} results, not {len(wanted)}"
    for got, want in zip(found, wanted, strict=True):
        if not isinstance(got, ht.DNDarray):
            assert np.allclose(got, want), f"{got}, not {want}"
            seen.append(got)
            continue
        array = np.asarray(want)
        layout = got.layout
        seen.append((layout, got.dtype.name))
        assert Layout(layout.gshape, layout.split, layout.counts) == layout
        assert layout.gshape == array.shape, f"shape {layout.gshape}, not {array.shape}"
        assert got.lshape == layout.lshape(got.comm.rank)
        actual, part = got.larray.resolve_conj().cpu().numpy(), array[layout.slices(got.comm.rank)]
        assert actual.dtype.kind == array.dtype.kind, f"{actual.dtype}, not {array.dtype}"
        if array.dtype.kind in "fc":
            np.testing.assert_allclose(actual, part, rtol=1e-6, atol=1e-12)
        else:
            np.testing.assert_array_equal(actual, part)


def run_layouts(name: str, call: Callable[..., Any], oracle: Any, data: Any, seen: Any) -> None:
    """One row for one function, under all layouts of its first argument."""
    names = list(inspect.signature(call).parameters)[1:]
    arrays = [data[key] for key in names]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        expected = call(oracle, *(array.copy() for array in arrays))
    choices = [list(layouts(array.shape, ht.get_comm().size)) for array in arrays]
    for number in range(len(choices[0])):
        # The other arguments in another layout: all pairs would be too many.
        chosen = [own[(number * (1 + 2 * k)) % len(own)] for k, own in enumerate(choices)]
        inputs = [distribute(array, layout) for array, layout in zip(arrays, chosen, strict=True)]
        before = [(x.larray, x.larray.clone(), x.layout) for x in inputs]
        where = (
            f"{name} of {', '.join(f'{n}: {x.layout}' for n, x in zip(names, inputs, strict=True))}"
        )
        try:
            compare(call(attrgetter(name)(ht), *inputs), expected, seen)
        except Exception as error:
            raise AssertionError(f"{where}: {error!r}") from error
        for x, (local, value, layout) in zip(inputs, before, strict=True):
            assert x.larray is local and x.layout == layout, f"{where}: an argument moved"
            assert torch.equal(
                local.view(torch.uint8) if local.numel() else local,
                value.view(torch.uint8) if local.numel() else value,
            ), f"{where}: an argument changed"


def numpy_namesake(name: str, row: tuple[Any, ...]) -> Any:
    """The third of the row, a function or a library that has one of this name; or NumPy's."""
    oracle = row[2] if len(row) > 2 else attrgetter(name)(np)
    return getattr(oracle, name.rpartition(".")[2]) if isinstance(oracle, ModuleType) else oracle


@pytest.mark.parallel([1, 2, 3, 4, 7])
@pytest.mark.parametrize("group", TABLES[:-2])
def test_answers_of_numpy_in_every_layout(group: str) -> None:
    data = runpy.run_path(str(HERE / "oracle" / "data.py"))["arrays"]()
    seen: list[Any] = []
    failures = []
    for row in table(group):
        for name in row[0].split():
            try:
                run_layouts(name, row[1], numpy_namesake(name, row), data, seen)
            except Exception as error:
                failures.append(str(error)[:600])
    assert not failures, "\n".join(failures)
    assert len({repr(part) for part in ht.get_comm().handle.allgather(repr(seen))}) == 1


@pytest.mark.parallel([1, 2, 3, 4, 7])
def test_new_arrays_for_every_split() -> None:
    for row in table("creation"):
        key = list(inspect.signature(row[1]).parameters)[1]
        for name in row[0].split():
            expected = row[1](numpy_namesake(name, row), {})
            for split in [None, 0, 1] if key == "o" else [None, 0]:
                compare(row[1](attrgetter(name)(ht), {"split": split}), expected, [])


@pytest.mark.parallel([1, 2, 3, 4, 5, 7])
def test_random_bits_of_one_rank_alone_on_all_ranks_and_splits() -> None:
    alone = ht.sanitize_comm(ht.MPI_SELF)
    for row in table("randomness"):
        key = list(inspect.signature(row[1]).parameters)[1]
        for name in row[0].split():
            ht.random.seed(11)
            expected = row[1](getattr(ht.random, name), {"comm": alone}).numpy()
            for split in [None, 0, 1] if key == "o" and expected.ndim > 1 else [None, 0]:
                ht.random.seed(11)
                result = row[1](getattr(ht.random, name), {"split": split})
                assert result.split == split
                part = expected[result.layout.slices(result.comm.rank)]
                assert np.array_equal(result.larray.numpy(), part), f"{name}, split {split}"


def test_no_public_function_is_forgotten() -> None:
    rows = {name for group in TABLES[:-1] for row in table(group) for name in row[0].split()}
    checked = {id(attrgetter(name)(ht)) for name in rows}
    checked |= {
        id(getattr(ht.random, name)) for row in table("randomness") for name in row[0].split()
    }
    texts = [path.read_text() for path in HERE.glob("test_*.py")]
    forgotten = []
    for namespace in (ht, ht.random):
        for name in namespace.__all__:
            thing = getattr(namespace, name)
            if isinstance(thing, NO_FUNCTIONS) or not callable(thing) or id(thing) in checked:
                continue
            if not any(re.search(rf"\b(ht|random|linalg|fft)\.{name}\b", text) for text in texts):
                forgotten.append(name)
    everything = "\n".join(texts)
    for space in NAMESPACES.split():
        namespace = attrgetter(space)(ht)
        for name in namespace.__all__:
            thing = getattr(namespace, name)
            if id(thing) in checked or isinstance(thing, ModuleType):
                continue
            if not re.search(rf"\b(?:{space.rpartition('.')[2]}|ht|tools)\.{name}\b", everything):
                forgotten.append(f"{space}.{name}")
    assert not forgotten, " ".join(forgotten)
