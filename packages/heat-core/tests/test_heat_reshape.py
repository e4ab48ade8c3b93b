"""Shapes and axes, against NumPy in every layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import heat_core as ht

CUBE = np.arange(60).reshape(5, 4, 3)


@pytest.mark.parallel([1, 3])
def test_reshape(every_layout: Any, check: Any) -> None:
    shapes = ((60,), (12, 5), (5, 12), (3, -1, 4), (2, 2, 15), (1, 60, 1), (5, 4, 3, 1), (4, 5, 3))
    for x in every_layout(CUBE):
        before = x.layout
        for shape in shapes:
            result = ht.reshape(x, shape)
            check(result, CUBE.reshape(shape))
            stays = (
                x.split is not None
                and len(shape) == 3
                and result.shape[x.split] == x.shape[x.split]
            )
            assert result.split == (None if x.split is None else x.split if stays else 0)
            for new_split in range(len(shape)):
                split_result = x.reshape(*shape, new_split=new_split)
                check(split_result, CUBE.reshape(shape))
                assert split_result.split == new_split
        check(x.ravel(), CUBE.ravel())
        check(x.flatten(), CUBE.flatten())
        check(ht.reshape(x.T, 15, 4), CUBE.T.reshape(15, 4))
        assert x.layout == before
    for x in every_layout(np.zeros((0, 3))):
        check(ht.reshape(x, (3, 0, 2)), np.zeros((3, 0, 2)))
        check(ht.reshape(x, (-1, 2)), np.zeros((0, 2)))
        with pytest.raises(ValueError, match="any extent"):
            ht.reshape(x, (0, -1))
    for x in every_layout(np.array([[3]])):
        check(ht.reshape(x, ()), np.array(3))
    for wrong in ((7, 9), (-1, -1), (-2, 30), (7, -1)):
        with pytest.raises(ValueError, match="shape"):
            ht.reshape(ht.zeros((5, 12), split=0), wrong)


@pytest.mark.parallel([1, 3])
def test_reshape_copies_as_asked(check: Any) -> None:
    x = ht.array(CUBE, split=0)
    view = ht.reshape(x, (5, 12), copy=False)
    copy = ht.reshape(x, (5, 12), copy=True)
    x.larray.fill_(-1)
    check(view, np.full((5, 12), -1))
    check(copy, CUBE.reshape(5, 12))
    with pytest.raises(ValueError, match="without a copy"):
        ht.reshape(x, (12, 5), copy=False)
    with pytest.raises(ValueError, match="without a copy"):
        ht.reshape(x.mT, (5, 12), copy=False)


@pytest.mark.parallel([1, 3])
def test_axes(every_layout: Any, check: Any) -> None:
    for x in every_layout(CUBE):
        check(x.mT, np.swapaxes(CUBE, -1, -2))
        check(ht.matrix_transpose(x), np.swapaxes(CUBE, -1, -2))
        for axis in range(3):
            for start in range(4):
                check(ht.rollaxis(x, axis, start), np.rollaxis(CUBE, axis, start))
    for data in (np.float32(2), np.arange(5.0), np.arange(6).reshape(2, 3), CUBE):
        for x in every_layout(data):
            for name in ("atleast_1d", "atleast_2d", "atleast_3d"):
                check(getattr(ht, name)(x), getattr(np, name)(data))
    assert len(ht.atleast_1d(ht.zeros(()), ht.zeros(2))) == 2
    with pytest.raises(ValueError, match="two axes"):
        ht.matrix_transpose(ht.zeros(2))


@pytest.mark.parallel([1, 3])
def test_broadcasts(every_layout: Any, check: Any) -> None:
    row, column = np.arange(4), np.arange(5).reshape(5, 1)
    for x in every_layout(row):
        check(ht.broadcast_to(x, (3, 4)), np.broadcast_to(row, (3, 4)))
        for y in every_layout(column):
            check(ht.broadcast_to(y, (2, 5, 6)), np.broadcast_to(column, (2, 5, 6)))
            stretched = ht.broadcast_arrays(x, y)
            assert isinstance(stretched, tuple)
            for result, expected in zip(stretched, np.broadcast_arrays(row, column), strict=True):
                check(result, expected)
    for shape in ((3,), (1,), (4, 3)):
        with pytest.raises(ValueError, match="broadcast"):
            ht.broadcast_to(ht.zeros(4, split=0), shape)
