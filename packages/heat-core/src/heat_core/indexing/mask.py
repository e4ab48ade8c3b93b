"""Selection by masks: the hits of all ranks in row-major order of the global array."""

from __future__ import annotations

from math import prod

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import to_layout
from heat_core.comm import Communicator
from heat_core.dtypes.unsigned import signed_view
from heat_core.layout import Layout, canonical_layout, replicated_layout

__all__ = ["collect", "hit_counts", "mask_select", "nonzero", "nonzero_rows", "truth"]


def truth(x: DNDarray) -> DNDarray:
    """The mask of the elements that are not zero. Local."""
    local = x.larray
    return x if local.dtype is torch.bool else wrap(local != 0, x.layout, x.comm)


def nonzero_rows(mask: DNDarray) -> DNDarray:
    """Positions of the hits of a mask, (n_hits, ndim), in row-major order. Collective.

    Split along axis 0 into canonical slabs; replicated if the mask is.
    """
    rows = torch.nonzero(mask.larray)
    layout = mask.layout
    if layout.split is not None:
        rows[:, layout.split] += layout.offset(mask.comm.rank)
    return collect(rows, mask)


def nonzero(mask: DNDarray) -> tuple[DNDarray, ...]:
    """The columns of `nonzero_rows`. Collective."""
    rows = nonzero_rows(mask)
    layout = rows.layout
    column = Layout(layout.gshape[:1], layout.split, layout.counts)
    return tuple(wrap(local.contiguous(), column, mask.comm) for local in rows.larray.unbind(1))


def mask_select(x: DNDarray, mask: DNDarray) -> DNDarray:
    """``x[mask]`` for a mask of the leading axes, under the slabs of ``x``. Collective.

    Split along axis 0 into canonical slabs; replicated if both are.
    """
    return collect(_hits(x.larray, mask.larray), mask)


def _hits(local: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """``local[mask]`` for a mask of the leading axes."""
    if not local.is_cpu or local.dtype is torch.bfloat16:
        return local[mask]
    # NumPy's compress is several times as fast as indexing by a mask, there and in torch.
    rows = local.resolve_conj().reshape(mask.numel(), *local.shape[mask.dim() :]).numpy()
    return torch.from_numpy(rows.compress(mask.reshape(-1).numpy(), axis=0))


def hit_counts(comm: Communicator, n_hits: int) -> tuple[int, ...]:
    """The number of hits on every rank. Collective."""
    return tuple(comm.allgather(torch.tensor(n_hits)).tolist())


def collect(rows: torch.Tensor, mask: DNDarray) -> DNDarray:
    """Rows that belong to the hits of a mask, in global order and balanced. Collective.

    Parameters
    ----------
    rows : torch.Tensor, (n_local_hits, ...)
        One for each hit of the local mask, in its row-major order.
    mask : DNDarray
    """
    comm, layout = mask.comm, mask.layout
    rest = tuple(rows.shape[1:])
    if layout.split is None:
        return wrap(rows, replicated_layout(tuple(rows.shape)), comm)
    if layout.split == 0 or comm.size == 1:
        counts = hit_counts(comm, rows.shape[0])
        found = Layout((sum(counts), *rest), 0, counts)
        return to_layout(wrap(rows, found, comm), found.canonical())
    positions, total = _hit_positions(mask, rows.shape[0])
    target = canonical_layout((total, *rest), 0, comm.size)
    # Positions ascend, so that they are grouped by their new owners.
    ends = torch.tensor(
        [start + n for start, n in zip(target.displs, target.counts or (), strict=True)],
        device=positions.device,
    )
    upto = torch.searchsorted(positions, ends).tolist()
    send_counts = [b - a for a, b in zip([0, *upto], upto, strict=False)]
    recv_counts = comm.alltoall(torch.tensor(send_counts)).tolist()
    arrived = comm.alltoallv(rows, send_counts, recv_counts)
    places = comm.alltoallv(positions, send_counts, recv_counts) - target.offset(comm.rank)
    local = torch.empty_like(arrived)
    signed_view(local)[places] = signed_view(arrived)
    return wrap(local, target, comm)


def _hit_positions(mask: DNDarray, n_hits: int) -> tuple[torch.Tensor, int]:
    """Global numbers of the local hits, split along an inner axis, and the number of all hits.

    The hits of one multi-index of the axes before the split axis follow each other, rank by rank.
    """
    comm, layout = mask.comm, mask.layout
    assert layout.split is not None
    lead = prod(layout.gshape[: layout.split])
    local = mask.larray.reshape(lead, prod(mask.larray.shape[layout.split :]))
    hits = local.sum(1)
    before, total = comm.exscan(hits), comm.allreduce(hits)
    starts = total.cumsum(0) - total
    local_starts = hits.cumsum(0) - hits
    shift = torch.repeat_interleave(starts + before - local_starts, hits, output_size=n_hits)
    numbers = torch.arange(n_hits, device=shift.device) + shift
    return numbers, int(total.sum())
