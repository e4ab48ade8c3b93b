"""Linear systems by products with the matrix: conjugate gradients, BiCGSTAB and GMRES.

Y. Saad: Iterative Methods for Sparse Linear Systems, 2nd ed. (2003), algorithms 9.1, 7.7 and 6.9.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch

from heat_core.array.dndarray import DNDarray
from heat_core.array.relayout import to_layout
from heat_core.linalg.operators import Apply, VectorSpace, applied, operator, operator_type
from heat_core.samples import check_array

__all__ = ["bicgstab", "cg", "gmres"]

logger = logging.getLogger(__name__)

# Below this part of the residual's square an inner product says nothing any more.
_TINY = 1e-30

Callback = Callable[[DNDarray], object]


def cg(
    A: Any,
    b: DNDarray,
    x0: DNDarray | None = None,
    out: DNDarray | None = None,
    *,
    tol: float = 1e-10,
    maxiter: int | None = None,
    M: Any = None,
    callback: Callback | None = None,
) -> DNDarray:
    """The solution of ``A @ x = b`` for a Hermitian positive definite ``A``. Collective.

    Parameters
    ----------
    A : DNDarray, (n, n), sparse matrix, or callable
        A callable takes and returns columns, (n, 1).
    b : DNDarray, (n,)
    x0 : DNDarray, (n,), optional
        Where it begins; default: zero.
    out : DNDarray, (n,), optional
        Takes the result under its own layout.
    tol : float
        It stops when the residual's norm is ``tol`` times that of ``b``.
    maxiter : int, optional
        Default: 10 n. A warning is logged if they are not enough.
    M : as ``A``, optional
        Approximate inverse of ``A``, the preconditioner.
    callback : callable, optional
        Called with the solution after each iteration.

    Returns
    -------
    DNDarray, (n,)
        Split like ``b``.

    Notes
    -----
    Two allreduces an iteration, and what the product with ``A`` sends.

    Examples
    --------
    >>> import heat_core as ht
    >>> A = ht.array([[4.0, 1.0], [1.0, 3.0]], split=0)
    >>> ht.linalg.cg(A, ht.array([1.0, 2.0], split=0)).numpy().round(3).tolist()
    [0.09099999815225601, 0.6359999775886536]
    """
    system = _System(A, b, M, "cg")
    space = system.space
    x = system.start(x0)
    r = system.right - system.times(x) if x0 is not None else system.right.clone()
    limit = tol * space.norm(system.right)
    z = system.preconditioned(r)
    p = z.clone()
    rz, rr = space.dots((r, z), (r, r))
    for _ in range(10 * len(b) if maxiter is None else maxiter):
        if not abs(rr) ** 0.5 > limit:  # NaN, too, ends it
            break
        image = system.times(p)
        (curvature,) = space.dots((p, image))
        step = rz / curvature
        x += p * step
        r -= image * step
        z = system.preconditioned(r)
        new, rr = space.dots((r, z), (r, r))
        p = z + p * (new / rz)
        rz = new
        if callback is not None:
            callback(space.array(x))
    return system.finished(x, out, abs(rr) ** 0.5 <= limit, "cg")


def bicgstab(
    A: Any,
    b: DNDarray,
    x0: DNDarray | None = None,
    *,
    tol: float = 1e-10,
    maxiter: int | None = None,
    M: Any = None,
    callback: Callback | None = None,
) -> DNDarray:
    """The solution of ``A @ x = b`` for any regular ``A``, by few vectors. Collective.

    Its memory does not grow with the iterations as that of ``gmres`` does; its residual does not
    fall with each of them.

    Parameters
    ----------
    A, b, x0, tol, maxiter, callback
        As of ``cg``.
    M : as ``A``, optional
        Approximate inverse of ``A``, applied from the right: the residual is the true one.

    Returns
    -------
    DNDarray, (n,)
        Split like ``b``.

    Notes
    -----
    Two products with ``A`` and three allreduces an iteration.
    """
    system = _System(A, b, M, "bicgstab")
    space = system.space
    x = system.start(x0)
    r = system.right - system.times(x) if x0 is not None else system.right.clone()
    limit = tol * space.norm(system.right)
    shadow, p = r.clone(), r.clone()
    rho, rr = space.dots((shadow, r), (r, r))
    for _ in range(10 * len(b) if maxiter is None else maxiter):
        if not abs(rr) ** 0.5 > limit:  # NaN, too, ends it
            break
        if abs(rho) <= _TINY * abs(rr):
            # The shadow is orthogonal to the residual: begin again with this one.
            shadow, p, rho = r.clone(), r.clone(), rr
        direction = system.preconditioned(p)
        image = system.times(direction)
        (curvature,) = space.dots((shadow, image))
        if curvature == 0:
            break
        alpha = rho / curvature
        s = r - image * alpha
        correction = system.preconditioned(s)
        t = system.times(correction)
        ts, tt = space.dots((t, s), (t, t))
        omega = ts / tt if tt else 0.0
        x += direction * alpha + correction * omega
        r = s - t * omega
        old = rho
        rho, rr = space.dots((shadow, r), (r, r))
        if callback is not None:
            callback(space.array(x))
        if omega == 0:
            break
        p = r + (p - image * omega) * (rho / old * alpha / omega)
    return system.finished(x, None, abs(rr) ** 0.5 <= limit, "bicgstab")


def gmres(
    A: Any,
    b: DNDarray,
    x0: DNDarray | None = None,
    *,
    tol: float = 1e-10,
    restart: int = 30,
    maxiter: int | None = None,
    M: Any = None,
    callback: Callback | None = None,
) -> DNDarray:
    """The solution of ``A @ x = b`` for any regular ``A``. Collective.

    Parameters
    ----------
    A, b, x0, tol, M
        As of ``cg``; M is applied from the right, so that the residual is the true one.
    restart : int
        Vectors that are kept.
    maxiter : int, optional
        Restarts; default: ``10 * n / restart``, at least 10.
    callback : callable, optional
        Called with the solution after each restart.

    Returns
    -------
    DNDarray, (n,)
        Split like ``b``.

    Notes
    -----
    Three allreduces an iteration: Gram-Schmidt twice against all vectors at once, and the norm.
    """
    system = _System(A, b, M, "gmres")
    space, n = system.space, len(b)
    x = system.start(x0)
    limit = tol * space.norm(system.right)
    restart = min(restart, n)
    cycles = max(10, 10 * n // restart) if maxiter is None else maxiter
    for _ in range(cycles):
        r = system.right - system.times(x)
        norm = space.norm(r)
        if not norm > limit:  # NaN, too, ends it
            break
        x += _cycle(system, r, norm, restart, limit)
        if callback is not None:
            callback(space.array(x))
    norm = space.norm(system.right - system.times(x))
    return system.finished(x, None, norm <= limit, "gmres")


def _cycle(
    system: _System, r: torch.Tensor, norm: float, restart: int, limit: float
) -> torch.Tensor:
    """The correction that is best within the Krylov space of some steps."""
    space = system.space
    basis = r.new_zeros((restart + 1, len(r)))
    basis[0] = r / norm
    wide = torch.complex128 if r.is_complex() else torch.float64
    hessenberg = torch.zeros((restart + 1, restart), dtype=wide)
    target = torch.zeros(restart + 1, dtype=wide)
    target[0] = norm
    solution = torch.zeros(0, dtype=wide)
    for step in range(restart):
        w = system.times(system.preconditioned(basis[step]))
        known = basis[: step + 1]
        column = space.project_out(known, w)
        column = column + space.project_out(known, w)
        hessenberg[: step + 1, step] = column.to(wide)
        length = space.norm(w)
        hessenberg[step + 1, step] = length
        small = hessenberg[: step + 2, : step + 1]
        solution = torch.linalg.lstsq(small, target[: step + 2].unsqueeze(1)).solution[:, 0]
        residual = float((small @ solution - target[: step + 2]).abs().square().sum().sqrt())
        if residual <= limit or length <= 1e-14 * norm:
            break
        basis[step + 1] = w / length
    combined = basis[: len(solution)].T @ solution.to(r)
    return system.preconditioned(combined)


class _System:
    """A matrix, a right side and a preconditioner, on vectors of which each rank has a slab."""

    def __init__(self, A: Any, b: DNDarray, preconditioner: Any, name: str) -> None:
        check_array(b, "right sides")
        if b.ndim != 1:
            raise ValueError(f"{name} takes a right side of one axis, not shape {b.shape}")
        self.apply: Apply = operator(A, name)
        if not callable(A) and A.shape[0] != len(b):
            raise ValueError(f"{name}: a matrix {A.shape} and a right side {b.shape}")
        self.inverse = None if preconditioner is None else operator(preconditioner, name)
        distributed = b.is_distributed() or (
            hasattr(A, "is_distributed") and bool(A.is_distributed())
        )
        self.space = VectorSpace(len(b), b.comm, distributed)
        self.kind = operator_type(A, b)
        self.b = b
        self.right = self.space.own(b, self.kind)

    def start(self, x0: DNDarray | None) -> torch.Tensor:
        return torch.zeros_like(self.right) if x0 is None else self.space.own(x0, self.kind)

    def times(self, vector: torch.Tensor) -> torch.Tensor:
        return self.space.own(applied(self.apply, self.space.array(vector)), self.kind)

    def preconditioned(self, vector: torch.Tensor) -> torch.Tensor:
        if self.inverse is None:
            return vector
        return self.space.own(applied(self.inverse, self.space.array(vector)), self.kind)

    def finished(
        self, x: torch.Tensor, out: DNDarray | None, converged: bool, name: str
    ) -> DNDarray:
        if not converged:
            logger.warning("%s did not reach its tolerance", name)
        solution = self.space.array(x)
        if out is None:
            return to_layout(solution, self.b.layout)
        out.larray.copy_(to_layout(solution, out.layout).larray)
        return out
