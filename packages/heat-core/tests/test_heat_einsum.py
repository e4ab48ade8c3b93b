"""Sums of products over named axes, in every layout, against NumPy."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

import heat_core as ht

SHAPES = {"a": (4, 5), "b": (5, 6), "c": (3, 4, 5), "d": (3, 5, 4), "e": (5,), "f": (4, 4),
          "g": (6, 4), "h": (1, 5)}  # fmt: skip
CASES = [
    ("ij,jk->ik", "ab"), ("ij,jk", "ab"), ("ii", "f"), ("ii->i", "f"), ("ij->ji", "a"),
    ("ij->", "a"), ("bij,bjk->bik", "cd"), ("bij,bjk->ik", "cd"), ("ij,ij->ij", "aa"),
    ("i,j->ij", "ee"), ("i,i", "ee"), ("ij,jk,kl->il", "abg"), ("ij,jk,kl,ln", "abgf"),
    ("...ij,...jk->...ik", "cd"), ("...ij,jk->...ik", "cb"), ("ij,j->i", "ae"),
    ("bij,j->b", "ce"), ("ij,kj->ikj", "aa"), ("ii,ij->j", "fa"), ("...j->...", "c"),
    ("ij,ij->i", "ah"),
]  # fmt: skip


@pytest.mark.parallel([1, 2, 3])
@pytest.mark.parametrize(("subscripts", "names"), CASES)
def test_einsum(subscripts: str, names: str) -> None:
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(size=shape) for name, shape in SHAPES.items()}
    expected = np.einsum(subscripts, *(arrays[n] for n in names))
    for splits in product(*([None, *range(arrays[n].ndim)] for n in names[:2])):
        chosen = (*splits, None, 0)
        operands = [ht.array(arrays[n], split=s) for n, s in zip(names, chosen, strict=False)]
        np.testing.assert_allclose(ht.einsum(subscripts, *operands).numpy(), expected, atol=1e-12)


def test_wrong_subscripts() -> None:
    a = ht.ones((3, 4))
    for subscripts, operands in (
        ("ij,jk", [a]), ("ij,jk", [a, a]), ("ijk", [a]), ("ij->k", [a]), ("ij->ii", [a]),
        ("i1", [a]),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"names?|extents|result"):
            ht.einsum(subscripts, *operands)
