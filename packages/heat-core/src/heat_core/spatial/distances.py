"""Tables of the distances of all pairs of rows."""

from __future__ import annotations

from collections.abc import Callable

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.dispatch.operands import common_comm
from heat_core.layout import Layout
from heat_core.parameters import check_parameters, real
from heat_core.samples import Samples, check_features
from heat_core.spatial.ring import travelling

__all__ = ["cdist", "euclidean", "manhattan", "pair_of", "quadratic", "rbf"]

Kernel = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

_BLOCK_ROWS = 128
_FEW_FEATURES = 32
_BLOCK_ELEMENTS = 1 << 18  # of a table, so that a block of it stays in the cache


def euclidean(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Distances of all rows by their differences, (n, m), so that small ones do not cancel."""
    if _is_narrow(x):
        return _squared(x, y).sqrt_()
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")


def _squared(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    if not _is_narrow(x):
        return euclidean(x, y).square_()
    # Feature by feature, which keeps vector units busier than row by row.
    columns = y.T.contiguous()
    total = (x[:, :1] - columns[0]).square_()
    differences = torch.empty_like(total)
    for j in range(1, x.shape[1]):
        torch.sub(x[:, j : j + 1], columns[j], out=differences)
        total.addcmul_(differences, differences)
    return total


def _is_narrow(x: torch.Tensor) -> bool:
    return x.device.type == "cpu" and 1 <= x.shape[1] <= _FEW_FEATURES


def _manhattan(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.cdist(x, y, p=1.0)


def _chebyshev(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.cdist(x, y, p=torch.inf)


def quadratic(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Squared distances as ``|x|**2 - 2 x.y + |y|**2``, (n, m): fast, but small ones cancel."""
    squares = torch.addmm((y * y).sum(1), x, y.T, alpha=-2)
    return squares.add_((x * x).sum(1, keepdim=True)).clamp_(min=0)


_METRICS: dict[str, Kernel] = {
    "euclidean": euclidean,
    "sqeuclidean": _squared,
    "manhattan": _manhattan,
    "cityblock": _manhattan,
    "chebyshev": _chebyshev,
}


def cdist(
    X: DNDarray,
    Y: DNDarray | None = None,
    metric: str = "euclidean",
    quadratic_expansion: bool = False,
) -> DNDarray:
    """The distances of all rows of ``X`` to all rows of ``Y``. Collective if both are distributed.

    Parameters
    ----------
    X : DNDarray, (n, d)
    Y : DNDarray, (m, d), optional
        Default: ``X``.
    metric : {"euclidean", "sqeuclidean", "manhattan", "cityblock", "chebyshev"}
    quadratic_expansion : bool
        Euclidean distances by a matrix product: faster, but small distances lose digits.

    Returns
    -------
    DNDarray, (n, m)
        Split at 0 if ``X`` is distributed; at 1 if only ``Y`` is. The slabs of ``Y`` travel around
        the ranks, while each rank works on one: ``ranks - 1`` messages of a slab from each. Of the
        distances of ``X`` to itself, each is computed once and sent to the other rank, but for the
        quadratic expansion, where that would take longer.
    """
    kernel = _METRICS.get(metric)
    if kernel is None:
        raise ValueError(f"metric is one of {', '.join(_METRICS)}, not {metric!r}")
    if quadratic_expansion:
        if metric not in ("euclidean", "sqeuclidean"):
            raise ValueError(f"there is no quadratic expansion of {metric} distances")
        kernel = quadratic if metric == "sqeuclidean" else _root_of_quadratic
    return _table(X, Y, kernel, is_zero_on_diagonal=quadratic_expansion)


def _root_of_quadratic(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return quadratic(x, y).sqrt_()


def manhattan(X: DNDarray, Y: DNDarray | None = None, expand: bool = False) -> DNDarray:
    """Sums of the absolute differences, (n, m); as ``cdist``. ``expand`` has no effect."""
    del expand
    return cdist(X, Y, "manhattan")


def rbf(
    X: DNDarray,
    Y: DNDarray | None = None,
    sigma: float = 1.0,
    quadratic_expansion: bool = False,
) -> DNDarray:
    """``exp(-|x - y|**2 / (2 sigma**2))`` of all pairs of rows, (n, m); as ``cdist``."""
    check_parameters({"sigma": sigma}, {"sigma": real(positive=True)})
    squares = cdist(X, Y, "sqeuclidean", quadratic_expansion)
    squares.larray.mul_(-0.5 / sigma**2).exp_()
    return squares


def pair_of(X: DNDarray, Y: DNDarray | None) -> tuple[Samples, Samples]:
    """Both tables, of one type. Collective if one is split along axis 1."""
    first = Samples.of(X, least=0)
    if Y is None:
        return first, first
    common_comm((X, Y))
    second = Samples.of(Y, least=0)
    check_features(second, first.d)
    kind = torch.promote_types(first.local.dtype, second.local.dtype)
    return (
        Samples(first.local.to(kind), first.layout, first.comm),
        Samples(second.local.to(kind), second.layout, second.comm),
    )


def _fill_symmetric(tile: torch.Tensor, rows: torch.Tensor, kernel: Kernel) -> None:
    """The distances of rows to each other: computed above the diagonal, copied below."""
    for top in range(0, len(rows), _BLOCK_ROWS):
        end = min(top + _BLOCK_ROWS, len(rows))
        block = kernel(rows[top:end], rows[top:])
        tile[top:end, top:] = block
        tile[end:, top:end] = block[:, end - top :].T


def _fill(tile: torch.Tensor, rows: torch.Tensor, slab: torch.Tensor, kernel: Kernel) -> None:
    """The distances of rows to a slab, by blocks."""
    height = max(1, _BLOCK_ELEMENTS // max(1, len(slab)))
    for top in range(0, len(tile), height):
        block = slice(top, top + height)
        tile[block] = kernel(rows[block], slab)


def _symmetric(samples: Samples, kernel: Kernel) -> torch.Tensor:
    """The rows of this rank in the table of all distances, each computed once. Collective.

    A rank computes its tiles with the following half of the ranks, and sends them, transposed, to
    those; the tile of two ranks that lie opposite is shared between them.
    """
    comm, layout, local = samples.comm, samples.layout, samples.local
    size, counts = comm.size, layout.counts
    assert counts is not None
    table = local.new_empty(len(local), samples.n)
    arriving = []
    for step, (start, slab) in enumerate(travelling(samples, size // 2 + 1)):
        tile = table[:, start : start + len(slab)]
        if step == 0:
            _fill_symmetric(tile, slab, kernel)
            continue
        to, source = (comm.rank + step) % size, (comm.rank - step) % size
        first = layout.offset(source)
        theirs = table[:, first : first + counts[source]]
        if 2 * step < size:
            _fill(tile, local, slab, kernel)
        elif comm.rank < to:
            half = len(tile) // 2
            tile, theirs = tile[:half], tile[half:]
            _fill(tile, local[:half], slab, kernel)
        else:
            half = len(slab) // 2
            tile, theirs = tile[:, half:], tile[:, :half]
            _fill(tile, local, slab[half:], kernel)
        buffer = local.new_empty(theirs.shape)
        request = comm.iexchange([(to, tile.T.contiguous())], [(source, buffer)])
        arriving.append((request, theirs, buffer))
    for request, theirs, buffer in arriving:
        request.wait()
        theirs.copy_(buffer)
    return table


def _table(
    X: DNDarray, Y: DNDarray | None, kernel: Kernel, *, is_zero_on_diagonal: bool
) -> DNDarray:
    first, second = pair_of(X, Y)
    shape = (first.n, second.n)
    if Y is None and first.is_distributed and not is_zero_on_diagonal:
        return first.array(_symmetric(first, kernel))
    if first.layout.split is None and second.layout.split is not None:
        layout = Layout(shape, 1, second.layout.counts)
        slabs = [(0, second.local)]
    else:
        layout = Layout(shape, first.layout.split, first.layout.counts)
        slabs = travelling(second)  # type: ignore[assignment]
    table = first.local.new_empty(layout.lshape(first.comm.rank))
    for start, slab in slabs:
        tile = table[:, start : start + len(slab)]
        if Y is None and start == first.offset and len(slab) == len(table):  # its own rows
            _fill_symmetric(tile, slab, kernel)
            continue
        _fill(tile, first.local, slab, kernel)
    if Y is None and is_zero_on_diagonal:
        own = torch.arange(len(table), device=table.device)
        table[own, own + first.offset] = 0
    return wrap(table, layout, first.comm)
