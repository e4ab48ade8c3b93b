"""QR factorisation: which algorithm for which layout."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import to_layout
from heat_core.config import config
from heat_core.layout import canonical_layout
from heat_core.linalg.cholesky_qr import cholesky_qr2
from heat_core.linalg.column_qr import column_qr
from heat_core.linalg.stacks import as_matrices, fits, map_matrices
from heat_core.linalg.tsqr import local_qr, tsqr

__all__ = ["QRResult", "is_tall", "qr", "reduced_qr"]


_LARGE = 1 << 20  # bytes of a matrix from which on products are faster than reflections


class QRResult(NamedTuple):
    """``x = Q @ R``; Q is None where only R was asked for."""

    Q: DNDarray | None
    R: DNDarray


def qr(
    x: Any,
    /,
    mode: str = "reduced",
    procs_to_merge: int = 2,  # noqa: ARG001 - an argument that callers of the original pass
    *,
    method: str = "auto",
) -> QRResult:
    """The factors of ``x = Q @ R``, orthonormal columns and upper triangular. Collective.

    Parameters
    ----------
    x : DNDarray, (..., m, n)
    mode : {"reduced", "complete", "r"}
        Shapes (..., m, k) and (..., k, n) with k = min(m, n); (..., m, m) and (..., m, n); only R,
        and None for Q. ``"complete"`` gathers one distributed matrix on every rank.
    procs_to_merge : int
        Has no effect.
    method : {"auto", "householder", "cholesky"}
        ``"cholesky"`` for one tall matrix split along rows: CholeskyQR2, by matrix products in
        double precision, for condition numbers up to about 1e7; others fall back to Householder
        reflections. ``"auto"``: where that is faster, for large matrices of double precision.

    Returns
    -------
    (Q, R)
        The diagonal of R is real and not negative, so that the result does not depend on the number
        of ranks. Both are split like ``x``, but R of a tall matrix split along rows is replicated.

    Notes
    -----
    One distributed matrix is tall if ``m >= n * ranks``: TSQR, with one allgather of the
    factors R, n**2 numbers of each rank; CholeskyQR2 with two allreduces of as many. Otherwise it
    is factorised on every rank up to ``config.replicate_bytes``, and beyond by Householder
    reflections of panels of columns, without gathering it: the owner of a panel broadcasts its
    rows from the diagonal on, once for R and once for Q.
    """
    matrices = as_matrices(x, "qr")
    if mode not in ("reduced", "complete", "r"):
        raise ValueError(f"mode is reduced, complete or r, not {mode!r}")
    if method not in ("auto", "householder", "cholesky"):
        raise ValueError(f"method is auto, householder or cholesky, not {method!r}")
    if mode == "complete":
        return QRResult(*map_matrices(lambda a: local_qr(a, "complete"), matrices))
    if mode == "r" and matrices.ndim > 2:
        return QRResult(None, map_matrices(lambda a: local_qr(a, "r")[1], matrices)[0])
    cholesky = None if method == "auto" else method == "cholesky"
    q, r = reduced_qr(matrices, with_q=mode == "reduced", cholesky=cholesky)
    if q is None or mode == "r":
        return QRResult(None, r)
    if q.ndim == 2:
        q = to_layout(q, q.layout.with_split(matrices.split, q.comm.size))
    return QRResult(q, r)


def is_tall(x: DNDarray) -> bool:
    """Whether QR of rows is the first step: one matrix with rows enough for all ranks.

    Of those that are not distributed, the ones with which products are faster.
    """
    m, n = x.shape[-2:]
    if x.ndim > 2 or not x.is_distributed():
        return x.ndim == 2 and m >= 4 * n and _is_for_products(x)
    small = x.comm.size * min(m, n) * n * x.itemsize <= config.replicate_bytes
    return m >= n * x.comm.size and small


def _is_for_products(x: DNDarray) -> bool:
    is_double = x.larray.dtype in (torch.float64, torch.complex128)
    return is_double and x.nbytes >= _LARGE


def reduced_qr(
    x: DNDarray, *, with_q: bool = True, cholesky: bool | None = None
) -> tuple[DNDarray | None, DNDarray]:
    """The factors, laid out as the algorithm leaves them. Collective if distributed."""
    if is_tall(x):
        # Rows of a matrix that is cut in columns: two exchanges, but parallel work.
        rows = to_layout(x, x.layout.with_split(0, x.comm.size)) if x.is_distributed() else x
        by_products = _is_for_products(x) if cholesky is None else cholesky
        found = cholesky_qr2(rows) if by_products else None
        q_local, r_local = _reflected(rows, with_q) if found is None else found
        split = None if x.is_distributed() else x.split
        r = wrap(r_local, canonical_layout(tuple(r_local.shape), split, x.comm.size), x.comm)
        return None if q_local is None else wrap(q_local, rows.layout, x.comm), r
    if fits(x):
        factors = map_matrices(lambda a: local_qr(a, "reduced"), x)
        return factors[0], factors[1]
    q, r = column_qr(x, with_q)
    return q, to_layout(r, r.layout.with_split(x.split, r.comm.size))


def _reflected(rows: DNDarray, with_q: bool) -> tuple[torch.Tensor | None, torch.Tensor]:
    """By Householder reflections."""
    if rows.is_distributed():
        return tsqr(rows, with_q)
    return local_qr(rows.larray, "reduced" if with_q else "r")
