"""Reading and writing by every kind of key, against NumPy."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
import torch

import heat_core as ht
from heat_core.array.dndarray import wrap
from heat_core.layout import Layout

RANKS = [1, 2, 3, 4]
# 5,000 keys in all, other ones for each number of ranks; or as many on each.
N_FUZZ = 5000 if os.environ.get("HPC_ML_SLOW") == "1" else 1250


def distribute(data: np.ndarray, rng: np.random.Generator) -> ht.DNDarray:
    """The array in a random layout, the same on all ranks."""
    comm = ht.get_comm()
    split = rng.integers(-1, data.ndim)
    if split < 0:
        return ht.array(data)
    cuts = np.sort(rng.integers(0, data.shape[split] + 1, comm.size - 1))
    counts = tuple(int(n) for n in np.diff([0, *cuts, data.shape[split]]))
    layout = Layout(data.shape, int(split), counts)
    return wrap(torch.tensor(data[layout.slices(comm.rank)]), layout, comm)


# -- random keys: pairs of what NumPy and what heat-core gets ------------------------------------
def random_slice(rng: np.random.Generator, extent: int) -> slice:
    bounds = [None, None, *range(-extent - 1, extent + 2)]
    steps = [None, None, 1, 2, 3, -1, -2, -3]
    start, stop = (bounds[rng.integers(len(bounds))] for _ in range(2))
    return slice(start, stop, steps[rng.integers(len(steps))])


def random_array(rng: np.random.Generator, array: np.ndarray) -> tuple[Any, Any]:
    """An index array in one of the forms in which users have it."""
    form = rng.integers(5)
    if form == 0:
        return array.tolist(), array.tolist()
    if form == 1:
        return array, array
    if form == 2:
        return array, torch.tensor(array)
    return array, distribute(array, rng)


def random_positions(rng: np.random.Generator, extent: int, shape: Any) -> np.ndarray:
    slack = int(rng.random() < 0.02)  # now and then out of range
    low, high = -extent - slack, extent + slack
    if high <= low:
        return np.zeros(shape, dtype=np.int64)
    kinds = (np.int64, np.int64, np.int32, np.int8)
    array = rng.integers(low, high, shape).astype(kinds[rng.integers(4)])
    return np.abs(array).astype(np.uint8) % max(extent, 1) if rng.random() < 0.1 else array


def random_part(
    rng: np.random.Generator, shape: tuple[int, ...], arrays: tuple[int, ...]
) -> tuple[Any, Any, int]:
    """A part of a key for the leading axes of ``shape``, and how many axes it takes."""
    extent = shape[0]
    choice = rng.random()
    if choice < 0.35:
        part = random_slice(rng, extent)
        return part, part, 1
    if choice < 0.5:
        position = int(rng.integers(-extent, extent)) if extent else 0
        position += 99 * int(rng.random() < 0.01)
        return position, position, 1
    if choice < 0.8:
        broadcast = tuple(n if rng.random() < 0.8 else 1 for n in arrays)
        cut = broadcast[int(rng.integers(0, len(broadcast))) :]
        return *random_array(rng, random_positions(rng, extent, cut)), 1
    n_axes = int(rng.integers(1, min(2, len(shape)) + 1))
    mask = rng.random(shape[:n_axes]) < rng.random()
    if rng.random() < 0.02:
        mask = np.concatenate((mask, mask[:1]))
    if mask.size == 0 or rng.random() < 0.5:
        return mask, distribute(mask, rng), n_axes
    return mask, mask.tolist() if rng.random() < 0.3 else mask, n_axes


def random_key(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[Any, Any]:
    arrays = tuple(
        int(n) for n in rng.integers(0 if rng.random() < 0.1 else 1, 5, rng.integers(1, 3))
    )
    expected: list[Any] = []
    key: list[Any] = []
    axis, has_ellipsis = 0, False
    while axis < len(shape) and rng.random() < 0.85:
        extra = rng.random()
        if extra < 0.08:
            part: Any = None
        elif extra < 0.14 and not has_ellipsis:
            part, has_ellipsis = Ellipsis, True
            axis += int(rng.integers(0, len(shape) - axis + 1))
        elif extra < 0.16:
            part = bool(rng.random() < 0.7)
        else:
            a, b, taken = random_part(rng, shape[axis:], arrays)
            expected.append(a)
            key.append(b)
            axis += taken
            continue
        expected.append(part)
        key.append(part)
    if len(key) == 1 and rng.random() < 0.5:
        return expected[0], key[0]
    return tuple(expected), tuple(key)


def random_value(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[Any, Any]:
    choice = rng.random()
    if choice < 0.25:
        scalar = int(rng.integers(-50, 50))
        return scalar, scalar
    if choice < 0.9:
        shape = tuple(n if rng.random() < 0.8 else 1 for n in shape)
        shape = shape[int(rng.integers(0, len(shape) + 1)) if rng.random() < 0.3 else 0 :]
    else:
        shape = (*shape[:-1], 3)  # mostly wrong
    value = rng.integers(-50, 50, shape)
    if rng.random() < 0.3:
        value = value.astype(np.float64)
    return value, distribute(value, rng) if rng.random() < 0.7 else value


def outcome(function: Any) -> tuple[Any, type[Exception] | None]:
    try:
        return function(), None
    except (IndexError, ValueError, TypeError) as error:
        return None, next(k for k in (IndexError, ValueError, TypeError) if isinstance(error, k))


@pytest.mark.parallel(RANKS)
@pytest.mark.timeout(120)
def test_random_keys(check: Any) -> None:
    """Results, or the same type of exception on all ranks."""
    first = 5000 * ht.get_comm().size
    for seed in range(first, first + N_FUZZ):
        rng = np.random.default_rng(seed)
        shape = tuple(
            int(n) for n in rng.integers(0 if rng.random() < 0.1 else 1, 6, rng.integers(1, 5))
        )
        data = rng.integers(-99, 99, shape)
        x = distribute(data, rng)
        key, ht_key = random_key(rng, shape)
        what = f"seed {seed}: shape {shape}, layout {x.layout}, key {key}"
        expected, error = outcome(lambda: data[key])  # noqa: B023
        result, ht_error = outcome(lambda: x[ht_key])  # noqa: B023
        assert error is ht_error, f"{what}: {error}, {ht_error}"
        if error is None:
            assert result.shape == expected.shape, what
            assert np.array_equal(
                result.larray.numpy(), expected[result.layout.slices(x.comm.rank)]
            ), what
        value, ht_value = (0, 0) if error else random_value(rng, expected.shape)
        layout, written = x.layout, data.copy()
        is_mask = isinstance(key, (np.ndarray, list)) and np.asarray(key).dtype == bool
        if is_mask and np.ndim(value) > 1:
            continue  # NumPy takes flat values only if there is nothing but a mask in the key
        _, error = outcome(lambda: written.__setitem__(key, value))  # noqa: B023
        _, ht_error = outcome(lambda: x.__setitem__(ht_key, ht_value))  # noqa: B023
        what += f", value {value!r}"
        assert error is ht_error, f"{what}: {error}, {ht_error}"
        assert x.layout == layout
        if error is None:
            assert np.array_equal(x.larray.numpy(), written[layout.slices(x.comm.rank)]), what


@pytest.mark.parallel(RANKS)
def test_masks_without_elements_select_nothing(every_layout: Any, check: Any) -> None:
    data = np.arange(12).reshape(4, 3)
    for x in map(ht.copy, every_layout(data)):
        for shape in ((0,), (0, 3), (4, 0)):
            mask = np.zeros(shape, dtype=bool)
            for key in (mask, ht.array(mask, split=0)):
                check(x[key], data[mask])
                x[key] = 7
        with pytest.raises(IndexError, match="mask"):
            x[np.zeros((0, 2), dtype=bool)]
        check(x, data)


@pytest.mark.parallel([1, 2])
def test_numbers_are_written_exactly(every_layout: Any, check: Any) -> None:
    data = np.zeros((3, 2))
    for x in map(ht.copy, every_layout(data)):
        x[ht.array([True, False, True])] = 16_777_217.0  # not a float32
        x[[1], [1]] = 0.1
        check(x, [[16_777_217.0] * 2, [0, 0.1], [16_777_217.0] * 2], rtol=0, atol=0)
    for dtype in ("uint16", "uint32", "uint64"):
        x = ht.array(5, dtype=dtype)
        assert (x[True].tolist(), x[False].tolist()) == ([5], [])
