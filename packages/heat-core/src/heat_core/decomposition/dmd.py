"""Dynamic mode decomposition: the linear map that takes each snapshot to the next.

J. H. Tu, C. W. Rowley, D. M. Luchtenburg, S. L. Brunton, J. N. Kutz: On dynamic mode decomposition,
J. Comput. Dynamics 1 (2014), "exact DMD"; J. L. Proctor, S. L. Brunton, J. N. Kutz: Dynamic mode
decomposition with control, SIAM J. Appl. Dyn. Syst. 15 (2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import replicated
from heat_core.estimators import BaseEstimator, RegressionMixin, check_fitted
from heat_core.layout import replicated_layout
from heat_core.linalg.adjoint import adjoint
from heat_core.linalg.hierarchical import hsvd
from heat_core.linalg.matmul import matmul
from heat_core.linalg.randomized import rsvd
from heat_core.linalg.stacks import as_matrices
from heat_core.linalg.svd import SVDResult, svd
from heat_core.ops.joining import concatenate, stack
from heat_core.parameters import one_of, real, rules, whole
from heat_core.samples import check_array

__all__ = ["DMD", "DMDc"]

_SOLVERS = ("full", "hierarchical", "randomized")


class _Modes(RegressionMixin, BaseEstimator):
    """The parameters and the reduced SVD of both kinds.

    Parameters
    ----------
    svd_solver : {"full", "hierarchical", "randomized"}
    svd_rank : int, optional
        Singular values that are kept, at most; needed by ``"randomized"``.
    svd_tol : float, optional
        Singular values below ``svd_tol`` times the largest are left out; of ``"hierarchical"``: the
        relative error.
    """

    rom_basis_: DNDarray
    rom_transfer_matrix_: DNDarray
    rom_eigenvalues_: DNDarray
    rom_eigenmodes_: DNDarray
    dmdmodes_: DNDarray
    n_modes_: int
    _rules = rules(
        svd_solver=one_of(*_SOLVERS),
        svd_rank=one_of(None) | whole(1),
        svd_tol=one_of(None) | real(0),
    )

    def __init__(
        self,
        svd_solver: str = "full",
        svd_rank: int | None = None,
        svd_tol: float | None = None,
    ) -> None:
        self.svd_solver = svd_solver
        self.svd_rank = svd_rank
        self.svd_tol = svd_tol

    def _checked(self, X: DNDarray) -> DNDarray:
        self._check_parameters()
        if self.svd_solver == "randomized" and self.svd_rank is None:
            raise ValueError("svd_solver 'randomized' needs svd_rank")
        check_array(X, "snapshots")
        if X.ndim != 2 or X.shape[1] < 2 or X.shape[0] < 1:
            raise ValueError(f"snapshots are columns, (features, times >= 2), not {X.shape}")
        return as_matrices(X, "DMD")

    def _check_start(self, X: DNDarray) -> None:
        check_fitted(self)
        check_array(X, "snapshots")
        if X.ndim not in (1, 2) or X.shape[0] != self.rom_basis_.shape[0]:
            known = self.rom_basis_.shape[0]
            raise ValueError(f"snapshots of {X.shape} features, but fit saw {known}")

    def _factors(self, x: DNDarray) -> tuple[DNDarray, torch.Tensor, DNDarray]:
        """U, the singular values, and V^H, without those that do not count."""
        rank, tol = self.svd_rank, self.svd_tol
        if self.svd_solver == "randomized":
            assert rank is not None
            u, s, vh = rsvd(x, min(rank, *x.shape), power_iter=2, random_state=0)
        elif self.svd_solver == "hierarchical" and (rank is not None or tol is not None):
            found: Any = hsvd(x, rank, rtol=tol, safetyshift=5, compute_sv=True)
            u, s, vh = found.U, found.S, adjoint(found.V)
        else:
            reduced = svd(x, full_matrices=False)
            assert isinstance(reduced, SVDResult)
            u, s, vh = reduced
        values = replicated(s)
        least = max(x.shape) * torch.finfo(values.dtype).eps if tol is None else tol
        kept = max(int((values > least * values[0]).sum()), 1)
        kept = kept if rank is None else min(kept, rank)
        return u[:, :kept], values[:kept], vh[:kept]

    def _keep(self, basis: DNDarray, transfer: torch.Tensor) -> torch.Tensor:
        """Set what is known from the reduced operator; its eigenvectors."""
        values: torch.Tensor
        modes: torch.Tensor
        values, modes = torch.linalg.eig(transfer)
        # By falling magnitude, then by angle: the same on any number of ranks.
        keys = torch.stack((-values.abs().double(), -values.imag.double()))
        order = sorted(range(len(values)), key=lambda i: [round(float(k), 9) for k in keys[:, i]])
        values, modes = values[order], modes[:, order]
        self.rom_basis_, self.n_modes_ = basis, len(values)
        self.rom_transfer_matrix_ = _shared(transfer, basis)
        self.rom_eigenvalues_ = _shared(values, basis)
        self.rom_eigenmodes_ = _shared(modes, basis)
        return modes


def _shared(tensor: torch.Tensor, like: DNDarray) -> DNDarray:
    return wrap(tensor, replicated_layout(tuple(tensor.shape)), like.comm)


class DMD(_Modes):
    """Modes, growth and frequencies of snapshots of a process that is nearly linear.

    Parameters
    ----------
    svd_solver : {"full", "hierarchical", "randomized"}
    svd_rank : int, optional
        Singular values that are kept, at most; needed by ``"randomized"``.
    svd_tol : float, optional
        Singular values below ``svd_tol`` times the largest are left out; of ``"hierarchical"``: the
        relative error.

    Attributes
    ----------
    rom_basis_ : DNDarray, (m, r)
        Orthonormal; split along rows if the snapshots are.
    rom_transfer_matrix_ : DNDarray, (r, r)
        The map in this basis.
    rom_eigenvalues_, rom_eigenmodes_ : DNDarray, (r,) and (r, r)
        Its eigenvalues, by falling magnitude, and eigenvectors; complex.
    dmdmodes_ : DNDarray, (m, r)
        The eigenvectors of the map; complex.
    n_modes_ : int
    """

    def fit(self, X: DNDarray, y: DNDarray | None = None) -> DMD:
        """Find the modes of snapshots, (features, times), at equal distances. Collective."""
        del y
        snapshots = self._checked(X)
        u, s, vh = self._factors(snapshots[:, :-1])
        following = matmul(snapshots[:, 1:], adjoint(vh) / _shared(s, vh))
        transfer = replicated(matmul(adjoint(u), following))
        modes = self._keep(u, transfer)
        wide = following.astype(self.rom_eigenvalues_.dtype)
        self.dmdmodes_ = matmul(wide, _shared(modes, u))
        return self

    def predict_next(self, X: DNDarray, n_steps: int = 1) -> DNDarray:
        """Each column of ``X``, (m,) or (m, k), ``n_steps`` later; same shape. Collective."""
        return self._later(X, [n_steps])[0]

    def predict(self, X: DNDarray, steps: int | Sequence[int]) -> DNDarray:
        """Columns of ``X``, (m,) or (m, k), after some numbers of steps. Collective.

        Parameters
        ----------
        X : DNDarray, (m,) or (m, k)
        steps : int or sequence of int
            An int n stands for 0, 1, ..., n - 1.

        Returns
        -------
        DNDarray, (m, t) or (k, m, t)
            One column for each of t steps.
        """
        times = list(range(steps)) if isinstance(steps, int) else [int(t) for t in steps]
        parts = self._later(X, times)
        joined = stack(parts, axis=-1)
        return joined if X.ndim == 1 else joined.transpose((1, 0, 2))

    def _later(self, X: DNDarray, times: Sequence[int]) -> list[DNDarray]:
        self._check_start(X)
        if any(t < 0 for t in times):
            raise ValueError("numbers of steps are not negative")
        start = replicated(matmul(adjoint(self.rom_basis_), X.astype(self.rom_basis_.dtype)))
        step = self.rom_transfer_matrix_.larray
        return [
            matmul(self.rom_basis_, _shared(torch.linalg.matrix_power(step, t) @ start, X))
            for t in times
        ]


class DMDc(_Modes):
    """Dynamic mode decomposition of a process that is steered: ``x' = A x + B c``.

    Parameters
    ----------
    svd_solver, svd_rank, svd_tol
        As of ``DMD``; ``svd_rank`` of snapshots and controls together.

    Attributes
    ----------
    rom_basis_, rom_transfer_matrix_, rom_eigenvalues_, rom_eigenmodes_, dmdmodes_, n_modes_
        As of ``DMD``.
    rom_control_matrix_ : DNDarray, (r, c)
        B in the basis.
    """

    rom_control_matrix_: DNDarray

    def fit(self, X: DNDarray, C: DNDarray) -> DMDc:
        """Find the modes of snapshots, (m, times), under controls, (c, times). Collective.

        The control of the last time has no effect.
        """
        snapshots = self._checked(X)
        check_array(C, "controls")
        if C.ndim != 2 or C.shape[1] != X.shape[1]:
            raise ValueError(f"controls of shape {C.shape} for {X.shape[1]} snapshots")
        m = snapshots.shape[0]
        control = as_matrices(C, "DMDc").astype(snapshots.dtype)
        following = snapshots[:, 1:]
        u, s, vh = self._factors(concatenate([snapshots[:, :-1], control[:, :-1]], axis=0))
        basis, _, _ = self._factors(following)
        right = adjoint(vh) / _shared(s, vh)
        reduced = matmul(matmul(adjoint(basis), following, out_split=None), right)
        # A = X' V S^-1 U1^H and B = X' V S^-1 U2^H (Proctor et al., eq. 3.7).
        transfer = replicated(matmul(reduced, matmul(adjoint(u[:m]), basis, out_split=None)))
        steering = replicated(matmul(reduced, adjoint(u[m:])))
        modes = self._keep(basis, transfer)
        self.rom_control_matrix_ = _shared(steering, basis)
        lifted = matmul(adjoint(u[:m]), basis, out_split=None)
        wide = matmul(matmul(following, right), lifted).astype(self.rom_eigenvalues_.dtype)
        self.dmdmodes_ = matmul(wide, _shared(modes, basis))
        return self

    def predict(self, X: DNDarray, C: DNDarray) -> DNDarray:
        """The course from snapshots under controls. Collective.

        Parameters
        ----------
        X : DNDarray, (m,) or (m, k)
            Where it begins.
        C : DNDarray, (c, t)

        Returns
        -------
        DNDarray, (m, t) or (k, m, t)
            Column 0 is the beginning, column ``i + 1`` what control ``i`` makes of column ``i``.
        """
        self._check_start(X)
        check_array(C, "controls")
        kind = self.rom_basis_.dtype
        state = replicated(matmul(adjoint(self.rom_basis_), X.astype(kind)))
        controls = replicated(C.astype(kind))
        if controls.shape[0] != self.rom_control_matrix_.shape[1]:
            raise ValueError(f"controls of shape {C.shape}, but fit saw other ones")
        states = [state]
        for control in controls.T[:-1]:
            push = self.rom_control_matrix_.larray @ control
            state = self.rom_transfer_matrix_.larray @ state
            state = state + (push if state.ndim == 1 else push.unsqueeze(1))
            states.append(state)
        course = [matmul(self.rom_basis_, _shared(part, X)) for part in states]
        joined = stack(course, axis=-1)
        return joined if X.ndim == 1 else joined.transpose((1, 0, 2))
