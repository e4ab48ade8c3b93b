"""Matrices with known properties."""

from __future__ import annotations

from typing import Any

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.comm import sanitize_comm
from heat_core.dtypes import canonical_heat_type
from heat_core.linalg.adjoint import adjoint
from heat_core.linalg.matmul import matmul
from heat_core.linalg.qr import qr
from heat_core.ops.creation import placed
from heat_core.random import Generator, default_rng

__all__ = [
    "hermitian",
    "parter",
    "random_known_rank",
    "random_known_singularvalues",
    "random_orthogonal",
]

_SVD = tuple[DNDarray, DNDarray, DNDarray]


def hermitian(
    n: int,
    dtype: object = "complex64",
    split: int | None = None,
    device: object = None,
    comm: Any = None,
    positive_definite: bool = False,
    *,
    random_state: int | Generator | None = None,
) -> DNDarray:
    """A random Hermitian matrix, (n, n); symmetric for a real type. Collective.

    Parameters
    ----------
    n : int
    dtype : data type
        Floating-point or complex.
    split : int or None
    device : {"cpu", "gpu"} or Device, optional
    comm : Communicator, optional
    positive_definite : bool
    random_state : int, Generator or None
    """
    kind = canonical_heat_type(dtype)
    if not (kind.torch.is_floating_point or kind.torch.is_complex):
        raise TypeError(f"a Hermitian matrix has real or complex numbers, not {kind.name}")
    rng = default_rng(random_state)
    real = "float64" if kind.torch in (torch.float64, torch.complex128) else "float32"
    given = {"dtype": real, "split": split, "device": device, "comm": comm}
    a = rng.standard_normal((n, n), **given)
    if kind.torch.is_complex:
        a = a + 1j * rng.standard_normal((n, n), **given)
    result: DNDarray = matmul(a, adjoint(a)) if positive_definite else (a + adjoint(a)) / 2
    result = result.astype(kind)
    return result if result.split == split else result.resplit(split)


def parter(
    n: int,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
    dtype: object = "float32",
) -> DNDarray:
    """The Toeplitz matrix of ``1 / (i - j + 0.5)``: most singular values are near pi. Local."""
    kind = canonical_heat_type(dtype)
    layout, comm, _, where = placed((n, n), split, device, sanitize_comm(comm))
    rows, columns = (
        torch.arange(part.start, part.stop, dtype=torch.float64, device=where)
        for part in layout.slices(comm.rank)
    )
    local = 1 / (rows.unsqueeze(1) - columns + 0.5)
    return wrap(local.to(kind.torch), layout, comm)


def random_orthogonal(
    m: int,
    n: int,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
    dtype: object = "float32",
    *,
    random_state: int | Generator | None = None,
) -> DNDarray:
    """Random orthonormal columns, (m, n), m >= n. Collective if split."""
    if n > m:
        raise ValueError(f"there are no {n} orthonormal columns of length {m}")
    drawn = default_rng(random_state).standard_normal(
        (m, n), dtype=dtype, split=split, device=device, comm=comm
    )
    q = qr(drawn).Q
    assert q is not None
    return q


def random_known_singularvalues(
    m: int,
    n: int,
    singular_values: DNDarray,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
    dtype: object = "float32",
    *,
    random_state: int | Generator | None = None,
) -> tuple[DNDarray, _SVD]:
    """A random matrix with given singular values, and its factors. Collective if split.

    Parameters
    ----------
    m, n : int
    singular_values : DNDarray, (r,)
        Not negative; r is at most ``min(m, n)``.

    Returns
    -------
    (A, (U, S, V))
        ``A = (U * S) @ V.T`` with V of shape (n, r), as in the original.
    """
    r = singular_values.shape[0]
    if singular_values.ndim != 1 or r > min(m, n):
        raise ValueError(f"{singular_values.shape} singular values of a matrix {(m, n)}")
    rng = default_rng(random_state)
    given = {"device": device, "comm": comm, "dtype": dtype, "random_state": rng}
    u = random_orthogonal(m, r, 0 if split == 0 else None, **given)
    v = random_orthogonal(n, r, 0 if split == 1 else None, **given)
    s = singular_values.astype(u.dtype).resplit(None)
    a = matmul(u * s, v.T)
    return (a if a.split == split else a.resplit(split)), (u, s, v)


def random_known_rank(
    m: int,
    n: int,
    r: int,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
    dtype: object = "float32",
    *,
    random_state: int | Generator | None = None,
) -> tuple[DNDarray, _SVD]:
    """A random matrix of rank ``r``, and its factors; as ``random_known_singularvalues``.

    The singular values are drawn from [1, 2) and fall.
    """
    if not 1 <= r <= min(m, n):
        raise ValueError(f"no matrix {(m, n)} has rank {r}")
    rng = default_rng(random_state)
    drawn = rng.random((r,), dtype="float64", comm=comm)
    values = wrap(drawn.larray.sort(descending=True).values + 1, drawn.layout, drawn.comm)
    given = {"device": device, "comm": comm, "dtype": dtype, "random_state": rng}
    return random_known_singularvalues(m, n, values, split, **given)
