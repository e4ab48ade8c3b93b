"""Hierarchical SVD: each rank compresses its columns, and pairs of ranks merge what is left.

M. A. Iwen, B. W. Ong: A distributed and incremental SVD algorithm for agglomerative data analysis
on large networks, SIAM J. Matrix Anal. Appl. 37 (2016); C. Himpe, T. Leibner, S. Rave: Hierarchical
approximate proper orthogonal decomposition, SIAM J. Sci. Comput. 40 (2018).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.layout import replicated_layout
from heat_core.linalg.adjoint import adjoint
from heat_core.linalg.matmul import matmul
from heat_core.linalg.stacks import as_matrices
from heat_core.linalg.svd import SVDResult, svd
from heat_core.linalg.truncation import compressed
from heat_core.parameters import check_parameters, one_of, whole

if TYPE_CHECKING:
    from heat_core.comm import Communicator

__all__ = ["HSVDBasis", "HSVDResult", "hsvd", "hsvd_rank", "hsvd_rtol"]


class HSVDBasis(NamedTuple):
    """Left singular vectors, (m, r), and a bound of ``|A - U U^H A| / |A|``."""

    U: DNDarray
    error: float


class HSVDResult(NamedTuple):
    """``A ~ (U * S) @ V^H`` with V, (n, r), and a bound of the relative error in Frobenius norm."""

    U: DNDarray
    S: DNDarray
    V: DNDarray
    error: float


def hsvd_rank(
    A: Any,
    maxrank: int,
    compute_sv: bool = False,
    maxmergedim: int | None = None,
    safetyshift: int = 5,
    silent: bool = True,
) -> HSVDBasis | HSVDResult:
    """``hsvd`` with at most ``maxrank`` singular values. Collective if distributed."""
    return hsvd(A, maxrank, maxmergedim, None, safetyshift, 2, compute_sv, silent)


def hsvd_rtol(
    A: Any,
    rtol: float,
    compute_sv: bool = False,
    maxrank: int | None = None,
    maxmergedim: int | None = None,
    safetyshift: int = 5,
    no_of_merges: int | None = None,
    silent: bool = True,
) -> HSVDBasis | HSVDResult:
    """``hsvd`` with an error of at most ``rtol``. Collective if distributed."""
    merges = 2 if no_of_merges is None else no_of_merges
    return hsvd(A, maxrank, maxmergedim, rtol, safetyshift, merges, compute_sv, silent)


def hsvd(
    A: Any,
    maxrank: int | None = None,
    maxmergedim: int | None = None,
    rtol: float | None = None,
    safetyshift: int = 0,
    no_of_merges: int | None = 2,
    compute_sv: bool = False,
    silent: bool = True,  # noqa: ARG001 - arguments that callers of the original pass
    warnings_off: bool = False,  # noqa: ARG001
) -> HSVDBasis | HSVDResult:
    """An approximate truncated SVD with little communication. Collective if distributed.

    Each rank compresses its columns (rows, if ``A`` is split along rows) to few vectors; groups of
    ranks join theirs and compress them again, until one rank has those of the whole.

    Parameters
    ----------
    A : DNDarray, (m, n)
    maxrank : int, optional
        Singular values of the result, at most.
    maxmergedim : int, optional
        Vectors that a rank joins at a time, at most: groups are smaller then. Not less than twice
        ``maxrank + safetyshift``.
    rtol : float, optional
        Bound of ``|A - A'| / |A|`` in Frobenius norm, if ``maxrank`` does not prevent it.
    safetyshift : int
        Singular values kept beyond ``maxrank`` or ``rtol`` on the way.
    no_of_merges : int, optional
        Ranks in a group.
    compute_sv : bool
        Whether the singular values and the other vectors are wanted, too.
    silent, warnings_off : bool
        Have no effect.

    Returns
    -------
    (U, error), or (U, S, V, error) with ``compute_sv``
        ``A ~ (U * S) @ V^H``. V has columns, (n, r), as in the original. The factor along the split
        axis is split, the other one replicated. The error bounds the relative one in Frobenius
        norm: the roots of what each level left out, added up.

    Notes
    -----
    The result depends on the number of ranks within its error. With ``compute_sv`` the vectors are
    rotated and scaled by ``A`` itself once more (Rayleigh-Ritz).
    """
    matrix = as_matrices(A, "hsvd")
    merges = 2 if no_of_merges is None else no_of_merges
    if matrix.ndim != 2:
        raise ValueError(f"hsvd takes one matrix, not shape {matrix.shape}")
    if maxrank is None and rtol is None:
        raise ValueError("hsvd needs maxrank or rtol")
    given = {"maxrank": maxrank, "safetyshift": safetyshift, "no_of_merges": merges}
    check_parameters(
        given,
        {"maxrank": one_of(None) | whole(1), "safetyshift": whole(0), "no_of_merges": whole(2)},
    )
    if maxmergedim is not None and maxrank is not None:
        if maxmergedim < 2 * (maxrank + safetyshift):
            raise ValueError(f"maxmergedim is at least {2 * (maxrank + safetyshift)} here")
        merges = min(merges, maxmergedim // (maxrank + safetyshift))
    turned = matrix.split == 0
    columns = adjoint(matrix) if turned else matrix
    basis, error = _merged(columns, maxrank, rtol, safetyshift, merges)
    if not compute_sv and not turned:
        return HSVDBasis(basis, error)
    # Rayleigh-Ritz: A^H W has as many columns as W, and its SVD is exact.
    found = svd(matmul(adjoint(columns), basis), full_matrices=False)
    assert isinstance(found, SVDResult)
    left, right = matmul(basis, adjoint(found.Vh).resplit(None)), found.U
    u, v = (right, left) if turned else (left, right)
    return HSVDResult(u, found.S, v, error) if compute_sv else HSVDBasis(u, error)


def _merged(
    columns: DNDarray, maxrank: int | None, rtol: float | None, spare: int, merges: int
) -> tuple[DNDarray, float]:
    """Orthonormal columns on every rank, (m, r), and the relative error. Collective."""
    comm = columns.comm
    size = comm.size if columns.is_distributed() else 1
    levels = list(_levels(size, merges))
    local = columns.larray
    squares = local.abs().double().square().sum()
    if size > 1:
        squares = comm.allreduce(squares)
    total = float(squares)
    if total == 0:
        identity = torch.eye(
            columns.shape[0], min(1, *columns.shape), dtype=local.dtype, device=local.device
        )
        return _shared(identity, comm), 0.0
    # The errors of a level are orthogonal, those of different levels add up.
    energy = 0.0 if rtol is None else total * (rtol / (len(levels) + 1)) ** 2
    lost = torch.zeros(len(levels) + 1, dtype=torch.float64)
    part, lost[0] = compressed(local, maxrank, energy / size, spare if levels else 0)
    for number, (leaders, members) in enumerate(levels, start=1):
        last = number == len(levels)
        joined = _joined(comm, part, leaders, members)
        if joined is not None:
            share = energy / len(leaders)
            part, lost[number] = compressed(joined, maxrank, share, 0 if last else spare)
    if size > 1:
        lost = comm.allreduce(lost)
        n_vectors = int(comm.bcast(torch.tensor(part.shape[1])))
        kept = part if comm.rank == 0 else part.new_empty((part.shape[0], n_vectors))
        part = comm.bcast(kept.contiguous())
    basis = torch.linalg.qr(part)[0]
    return _shared(basis, comm), float(lost.sqrt().sum()) / math.sqrt(total)


def _shared(tensor: torch.Tensor, comm: Communicator) -> DNDarray:
    return wrap(tensor, replicated_layout(tuple(tensor.shape)), comm)


def _levels(size: int, merges: int) -> Iterator[tuple[list[int], list[list[int]]]]:
    """Of each level the ranks that join, and the ranks whose vectors each of them gets."""
    alive = list(range(size))
    while len(alive) > 1:
        groups = [alive[start : start + merges] for start in range(0, len(alive), merges)]
        leaders = [group[0] for group in groups]
        yield leaders, [group[1:] for group in groups]
        alive = leaders


def _joined(
    comm: Communicator, part: torch.Tensor, leaders: list[int], members: list[list[int]]
) -> torch.Tensor | None:
    """The vectors of a group side by side, at its leader. Called by all ranks of the level."""
    rank, rows = comm.rank, part.shape[0]
    for leader, others in zip(leaders, members, strict=True):
        if rank in others:
            comm.send(torch.tensor(part.shape[1]), leader)
            comm.send(part.T.contiguous(), leader)
            return None
        if rank == leader:
            widths = [int(comm.recv(torch.tensor(0), other)) for other in others]
            arriving = [part.new_empty((width, rows)) for width in widths]
            comm.exchange([], list(zip(others, arriving, strict=True)))
            return torch.cat([part, *(block.T for block in arriving)], dim=1)
    return None
