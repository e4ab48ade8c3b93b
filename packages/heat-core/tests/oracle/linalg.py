"""Products, norms and what is the same for all algorithms in factorisations."""

from __future__ import annotations

import types
from typing import Any

import numpy as np
import scipy.linalg
import torch

import heat_core as ht


def _projection(a: Any, b: Any) -> Any:
    return b * (a @ b) / (b @ b)


def _exponential(a: Any) -> Any:
    return torch.linalg.matrix_exp(torch.from_numpy(a)).numpy()


def _triangular(a: Any, b: Any) -> Any:
    return np.linalg.solve(np.triu(a), b)


class _Factor:
    """The second factor of QR with a diagonal that is not negative."""

    def __init__(self, a: Any) -> None:
        r = np.linalg.qr(a)[1]
        self.R = r * np.sign(np.diagonal(r))[:, None]


def _polar(a: Any) -> Any:
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    return u @ vh, (vh.T * s) @ vh


def _values(a: Any, *_: Any, **__: Any) -> Any:
    return types.SimpleNamespace(S=np.linalg.svd(a, compute_uv=False))


def _joined_values(new: Any, u: Any, s: Any, vh: Any) -> Any:
    found = _values(np.hstack([(u * s) @ vh, new]))
    return types.SimpleNamespace(S=found.S[: len(s) + new.shape[1]])


def _dominant(a: Any, k: int) -> Any:
    values = np.linalg.eigvalsh(a)
    return types.SimpleNamespace(eigenvalues=values[np.argsort(-np.abs(values))][:k])


def _factors(a: Any) -> Any:
    library = scipy.linalg if isinstance(a, np.ndarray) else ht.linalg
    return tuple(library.lu_factor(a))


def _largest(a: Any, x: Any) -> Any:
    return types.SimpleNamespace(eigenvalues=np.linalg.eigvalsh(a)[-x.shape[1] :])


CASES: list[tuple[Any, ...]] = [
    ("dot inner", lambda f, x, row: f(x, row)),
    ("inner", lambda f, x, r: f(x, r)),
    ("dot", lambda f, x, r: f(x.T, r)),
    ("dot", lambda f, row, x: f(2, x)),
    ("outer", lambda f, row, col: f(row, col)),
    ("kron", lambda f, z, t: f(t, z)),
    ("vdot", lambda f, z: f(z, z)),
    ("vecdot", lambda f, x, r: f(x, r)),
    ("vecdot", lambda f, z: f(z, z, axis=0)),
    ("tensordot", lambda f, x, r: f(x.T, r, 1)),
    ("tensordot", lambda f, t: f(t, t, ((1, 2), (1, 2)))),
    ("trace", lambda f, x: f(x, 1)),
    ("trace", lambda f, t: f(t, axis1=2, axis2=1)),
    ("cross", lambda f, z: f(z, z + 1)),
    ("projection", lambda f, row, x: f(row, x[0]), _projection),
    ("norm", lambda f, x: f(x), np.linalg.norm),
    ("norm", lambda f, t: f(t, axis=(0, 2), ord=1), np.linalg.norm),
    ("vector_norm", lambda f, x: f(x, axis=0, ord=3), np.linalg.vector_norm),
    ("matrix_norm", lambda f, t: f(t), np.linalg.matrix_norm),
    ("det", lambda f, x: f(x.T @ x), np.linalg.det),
    ("inv", lambda f, x: f(x.T @ x), np.linalg.inv),
    ("slogdet", lambda f, x: f(x.T @ x), np.linalg.slogdet),
    ("solve", lambda f, x, row: f(x.T @ x, row), np.linalg.solve),
    ("solve_triangular", lambda f, x, row: f(x.T @ x, row), _triangular),
    ("matrix_exp expm", lambda f, x: f(x.T @ x / 9), _exponential),
    ("eigh", lambda f, x: f(x.T @ x).eigenvalues, np.linalg.eigh),
    ("svd", lambda f, x: f(x, full_matrices=False).S, np.linalg.svd),
    ("qr", lambda f, x: f(x).R, _Factor),
    ("cg gmres bicgstab", lambda f, x, row: f(x.T @ x, row), np.linalg.solve),
    ("linalg.cholesky linalg.eigvalsh", lambda f, x: f(x.T @ x)),
    ("linalg.cond linalg.pinv linalg.svdvals linalg.matrix_rank", lambda f, x: f(x)),
    ("linalg.pinv linalg.svdvals linalg.matrix_transpose", lambda f, t: f(t)),
    ("linalg.diagonal", lambda f, x: f(x, offset=-1)),
    ("linalg.matrix_power", lambda f, x: f(x.T @ x, 3)),
    ("linalg.matmul", lambda f, x, r: f(x.T, r), np.matmul),
    ("linalg.multi_dot", lambda f, x, r, row: f([x, r.T, x, row])),
    ("linalg.eigvals", lambda f, x: f(x[:5]).prod().real, np.linalg.eigvals),
    ("linalg.eig", lambda f, x: f(x[:5]).eigenvalues.sum().real, np.linalg.eig),
    ("linalg.lstsq", lambda f, x, col: f(x, col)[0], np.linalg.lstsq),
    ("linalg.lu linalg.lu_factor", lambda f, x: tuple(f(x)), scipy.linalg),
    ("linalg.lu_solve", lambda f, x, row: f(_factors(x.T @ x), row), scipy.linalg),
    ("linalg.lobpcg", lambda f, x, r: f(x.T @ x, r.T[:, :1]).eigenvalues, _largest),
    ("einsum", lambda f, x, r: f("ij,kj->ik", x, r)),
    ("einsum", lambda f, t, x, row: f("abc,xb,c", t, x[:3, :4], row[:2])),
    ("einsum", lambda f, x, r: f("...j,...j", x, r)),
    ("polar", lambda f, x: tuple(f(x)), _polar),
    ("rsvd", lambda f, x: f(x, 5).S, _values),
    ("hsvd", lambda f, x: f(x, 5, compute_sv=True).S, _values),
    ("hsvd_rank", lambda f, z: f(z, 3, compute_sv=True).S, _values),
    ("hsvd_rtol", lambda f, x: f(x, 1e-9, compute_sv=True).S, _values),
    ("isvd", lambda f, col, x, row: f(col, x[:, :1], row[:1], x[:1, :1] * 0 + 1).S, _joined_values),
    ("reigh", lambda f, x: f(x.T @ x, 4).eigenvalues, _dominant),
]
