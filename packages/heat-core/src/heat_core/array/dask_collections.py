"""Arrays of dask, and back."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate, pairwise
from math import isnan
from typing import Any

from heat_core.array.axes import normalize_split
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.numpy_protocol import to_array
from heat_core.array.relayout import to_layout
from heat_core.comm import sanitize_comm
from heat_core.dispatch.operands import as_tensor
from heat_core.layout import Layout, canonical_counts, canonical_layout
from mpi_utils import collective

__all__ = ["from_dask", "to_dask"]


def from_dask(
    x: Any, split: int | None = 0, *, device: object = None, comm: Any = None
) -> DNDarray:
    """An array of a lazy one, of which each rank computes its part. Collective.

    All ranks pass the same graph, built by each for itself. Whole chunks are computed, each by one
    rank, with the scheduler that dask is set to; the results are then balanced.

    Parameters
    ----------
    x : dask.array.Array
        Or another collection with ``shape``, ``chunks``, slicing and ``compute``.
    split : int or None
        The distributed axis; of no effect without axes. None: every rank gets all, of which each
        has computed some chunks along axis 0.
    device : {"cpu", "gpu"} or Device, optional
    comm : Communicator, optional

    Raises
    ------
    TypeError
        If ``x`` is no such collection.
    ValueError
        If the lengths of chunks are unknown. Errors of the graph come on all ranks.
    """
    if not all(hasattr(x, name) for name in ("shape", "chunks", "compute")):
        raise TypeError(f"{type(x).__name__} is not an array of dask")
    comm = sanitize_comm(comm)
    if any(isnan(extent) for extent in x.shape):
        raise ValueError("the lengths of chunks are unknown: call x.compute_chunk_sizes() first")
    shape = tuple(int(extent) for extent in x.shape)
    axis = normalize_split(split, len(shape)) if shape else None
    layout = Layout(shape)
    if shape:
        axis_of_chunks = 0 if axis is None else axis
        counts = _chunks_of_ranks(x.chunks[axis_of_chunks], comm.size)
        layout = Layout(shape, axis_of_chunks, counts)
    with collective(comm):
        local = as_tensor(x[layout.slices(comm.rank)].compute())
    result = wrap(local.contiguous(), layout, comm)
    result = to_layout(result, canonical_layout(shape, axis, comm.size))
    return result if device is None else result.to_device(device)


def _chunks_of_ranks(chunks: tuple[int, ...], size: int) -> tuple[int, ...]:
    """Extents of slabs of whole chunks, as near to equal ones as the chunks allow."""
    edges = [0, *accumulate(int(extent) for extent in chunks)]
    wanted = accumulate(canonical_counts(edges[-1], size))
    cuts = [0]
    for end in wanted:
        above = bisect_left(edges, end)
        below = max(above - 1, 0)
        nearest = edges[below] if end - edges[below] < edges[above] - end else edges[above]
        cuts.append(max(nearest, cuts[-1]))
    return tuple(stop - start for start, stop in pairwise(cuts))


def to_dask(x: DNDarray, chunks: Any = "auto") -> Any:
    """The whole as an array of dask, on every rank. Collective, local if replicated.

    Workers of dask see the memory of their own process only, so the data are gathered first.

    Parameters
    ----------
    x : DNDarray
        If distributed, of up to ``config.implicit_gather_bytes``.
    chunks : int, tuple or str
        As for ``dask.array.from_array``.

    Raises
    ------
    ImportError
        If dask is not installed.
    ValueError
        If the array is too large to be gathered.
    """
    try:
        from dask.array import from_array
    except ImportError as error:
        raise ImportError(f"to_dask needs dask: pip install 'dask[array]' ({error})") from error
    return from_array(to_array(x), chunks=chunks)
