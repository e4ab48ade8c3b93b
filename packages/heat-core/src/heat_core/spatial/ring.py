"""Rows that travel from rank to rank, while each rank works on those that it has."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from heat_core.samples import Samples

__all__ = ["travelling"]


def travelling(samples: Samples, slabs: int | None = None) -> Iterator[tuple[int, torch.Tensor]]:
    """All rows, slab by slab, the own slab first: global number of the first row, and the rows.

    Collective: the next slab arrives while the caller works on this one, so that a rank holds two
    slabs at a time. The whole iterator must be used up.

    Parameters
    ----------
    samples : Samples
    slabs : int, optional
        Of so many ranks only, the own one and those that follow.
    """
    if not samples.is_distributed:
        yield 0, samples.local
        return
    comm, layout = samples.comm, samples.layout
    assert layout.counts is not None
    rank, size = comm.rank, comm.size
    slab = samples.local
    slabs = size if slabs is None else slabs
    for step in range(slabs):
        owner = (rank + step) % size
        request, arriving = None, slab
        if step < slabs - 1:
            arriving = slab.new_empty(layout.counts[(owner + 1) % size], samples.d)
            request = comm.iexchange([((rank - 1) % size, slab)], [((rank + 1) % size, arriving)])
        yield layout.offset(owner), slab
        if request is not None:
            request.wait()
        slab = arriving
