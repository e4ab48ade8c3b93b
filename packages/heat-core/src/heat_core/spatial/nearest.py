"""Reductions of distances that never hold the table of all pairs."""

from __future__ import annotations

from collections.abc import Callable

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import to_layout
from heat_core.parameters import check_parameters, whole
from heat_core.spatial.distances import euclidean, pair_of
from heat_core.spatial.ring import travelling

__all__ = ["cdist_argmin", "cdist_reduce", "cdist_topk"]

_BLOCK_ELEMENTS = 1 << 19
_GROUP = 64
_SPARE = 4  # candidates beyond k, among which rounding may have mixed up the order


def cdist_topk(X: DNDarray, Y: DNDarray, k: int) -> tuple[DNDarray, DNDarray]:
    """The ``k`` nearest rows of ``Y`` for each row of ``X``. Collective if ``Y`` is distributed.

    Parameters
    ----------
    X : DNDarray, (n, d)
    Y : DNDarray, (m, d)
    k : int

    Returns
    -------
    (distances, indices) : (n, k)
        Euclidean, ascending, of equal ones the lower index first. Split at 0 if ``X`` is
        distributed; if only ``Y`` is, split at 0, too. Memory of O((n + m) / ranks).
        Each rank sends ``ranks - 1`` slabs of ``Y``, and one allreduce of d numbers.
    """
    check_parameters({"k": k}, {"k": whole(1)})
    first, second = pair_of(X, Y)
    if k > second.n:
        raise ValueError(f"k={k} of {second.n} rows")
    if first.layout.split is None and second.is_distributed:
        # Each rank takes a part of the rows.
        X = to_layout(X, X.layout.with_split(0, X.comm.size))
        first, second = pair_of(X, Y)
    n = len(first.local)
    kept = min(k + _SPARE, second.n)
    best = torch.full((n, kept), torch.inf, dtype=torch.float64, device=first.local.device)
    places = torch.full((n, kept), second.n, dtype=torch.int64, device=first.local.device)
    # About a point near all rows, so that less cancels in the products.
    centre = (
        second.rows([0])[0].double()
        if second.n
        else torch.zeros(second.d, device=second.local.device)
    )
    for start, slab in travelling(second):
        moved = slab.double() - centre
        norms, columns = (moved * moved).sum(1), moved.T.contiguous()
        rows = max(1, _BLOCK_ELEMENTS // max(1, len(slab)))
        for top in range(0, n if len(slab) else 0, rows):
            block = slice(top, top + rows)
            own = first.local[block].double() - centre
            # Squared distances less the square of the own row, which changes no order.
            scores = torch.addmm(norms, own, columns, alpha=-2)
            near = _least(scores, min(kept, len(slab)))
            exact = (own.unsqueeze(1) - moved[near]).square_().sum(2)
            best[block], places[block] = _merged(
                torch.cat((best[block], exact), 1),
                torch.cat((places[block], near + start), 1),
                kept,
            )
    distances = best[:, :k].sqrt().to(first.local.dtype)
    return first.array(distances), first.array(places[:, :k].contiguous())


def _least(scores: torch.Tensor, k: int) -> torch.Tensor:
    """The columns of the ``k`` least numbers of each row, (n, k), in any order."""
    n, m = scores.shape
    groups = m // _GROUP
    if groups < 2 * k:
        return scores.topk(k, largest=False).indices
    # They are in the k groups whose minima are least, and a minimum is faster than a selection.
    grouped = scores[:, : groups * _GROUP].unflatten(1, (groups, _GROUP))
    chosen = grouped.amin(2).topk(k, largest=False).indices
    inside = chosen.unsqueeze(2) * _GROUP + torch.arange(_GROUP, device=scores.device)
    rest = torch.arange(groups * _GROUP, m, device=scores.device).expand(n, -1)
    columns = torch.cat((inside.flatten(1), rest), 1)
    return columns.gather(1, scores.gather(1, columns).topk(k, largest=False).indices)


def _merged(
    distances: torch.Tensor, places: torch.Tensor, k: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The ``k`` least distances of each row, of equal ones the lower place first."""
    order = places.argsort(dim=1)
    distances, places = distances.gather(1, order), places.gather(1, order)
    values, order = distances.sort(dim=1, stable=True)
    return values[:, :k], places.gather(1, order[:, :k])


def cdist_argmin(X: DNDarray, Y: DNDarray) -> tuple[DNDarray, DNDarray]:
    """Distance and index of the nearest row of ``Y`` for each row of ``X``, (n,).

    As ``cdist_topk`` with k = 1.
    """
    return tuple(_column(part) for part in cdist_topk(X, Y, 1))  # type: ignore[return-value]


def _column(table: DNDarray) -> DNDarray:
    return wrap(table.larray[:, 0], table.layout.squeeze(frozenset((1,))), table.comm)


def cdist_reduce(X: DNDarray, Y: DNDarray, fn: Callable[[torch.Tensor], torch.Tensor]) -> DNDarray:
    """Sums over the rows of ``Y`` of a function of the distances, for each row of ``X``, (n,).

    Collective if ``Y`` is distributed.

    Parameters
    ----------
    X : DNDarray, (n, d)
    Y : DNDarray, (m, d)
    fn : callable
        Of a tensor of Euclidean distances, element by element.
    """
    first, second = pair_of(X, Y)
    if first.layout.split is None and second.is_distributed:
        X = to_layout(X, X.layout.with_split(0, X.comm.size))
        first, second = pair_of(X, Y)
    total = torch.zeros(len(first.local), dtype=torch.float64, device=first.local.device)
    for _, slab in travelling(second):
        rows = max(1, _BLOCK_ELEMENTS // max(1, len(slab)))
        for top in range(0, len(total), rows):
            block = slice(top, top + rows)
            total[block] += fn(euclidean(first.local[block], slab)).sum(1, dtype=torch.float64)
    return first.array(total.to(first.local.dtype))
