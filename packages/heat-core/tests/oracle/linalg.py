"""Products, norms and what is the same for all algorithms in factorisations."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch


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
]
