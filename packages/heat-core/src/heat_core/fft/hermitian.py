"""The spectrum of a distributed real array along several axes, the split one among them.

Half of it is the mirror image of the other half, so only one half is computed: half of the data
move to the other split, and half of the work is done there. On the way back a rank gets the rows of
its slab and their mirror images.
"""

from __future__ import annotations

from collections.abc import Sequence

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.fft.kernels import complex_transform, mirror_half, real_spectrum
from heat_core.layout import Layout
from heat_core.layout.execute import relayout
from heat_core.memory import empty

__all__ = ["halved_axis", "spectrum_of_real"]


def halved_axis(x: DNDarray, axes: Sequence[int]) -> int | None:
    """The axis of which half the frequencies are enough; None if nothing is saved by that."""
    if x.larray.is_complex() or x.larray.device.type != "cpu" or x.split not in axes:
        return None
    local = [axis for axis in axes if axis != x.split]
    longest = max(local, key=lambda axis: x.shape[axis], default=None)
    # Else there would be ranks without work.
    return longest if longest is not None and x.shape[longest] >= 2 * x.comm.size else None


def spectrum_of_real(x: DNDarray, axes: Sequence[int], last: int, norm: str) -> DNDarray:
    """The forward transform, split as ``x``. Collective, two exchanges.

    Parameters
    ----------
    x : DNDarray
        Real, distributed along one of the axes.
    axes : sequence of int
    last : int
        One of the axes, not the split one; see ``halved_axis``.
    norm : {"backward", "ortho", "forward"}
    """
    comm, split = x.comm, x.split
    assert split is not None and x.layout.counts is not None
    others = [axis for axis in axes if axis not in (split, last)]
    rows = x.layout.resize(last, x.shape[last] // 2 + 1)
    columns = rows.with_split(last, comm.size)
    half = real_spectrum(x.larray, (*others, last), norm)
    half = relayout(comm, half, rows, columns, inner=split)
    half = complex_transform(half, (split,), norm, inverse=False)
    whole = empty(x.lshape, half.dtype)
    images = _images(x.layout, comm.rank)
    zeros = x.lshape[split] - len(images)  # frequency 0 is its own mirror image
    rest = whole.narrow(split, zeros, len(images))
    found = [_slab(columns, rank) for rank in range(comm.size)]
    arriving = []
    for own in found:
        shape = list(x.lshape)
        shape[split], shape[last] = len(images), len(own)
        arriving.append(empty(shape, half.dtype))
    comm.exchange(
        [
            (peer, half.narrow(split, wanted.start, len(wanted)))
            for peer in range(comm.size)
            for wanted in (_slab(x.layout, peer), _images(x.layout, peer))
        ],
        [
            message
            for peer, (own, piece) in enumerate(zip(found, arriving, strict=True))
            for message in ((peer, whole.narrow(last, own.start, len(own))), (peer, piece))
        ],
    )
    for own, piece in zip(found, arriving, strict=True):
        mirror_half(rest, piece, others, last, start=own.start, turned=split)
    if zeros:
        zero = whole.narrow(split, 0, 1)
        mirror_half(zero, zero.narrow(last, 0, rows.gshape[last]), others, last)
    return wrap(whole, x.layout, comm)


def _slab(layout: Layout, rank: int) -> range:
    """Positions along the split axis that a rank has."""
    assert layout.split is not None
    start = layout.offset(rank)
    return range(start, start + layout.lshape(rank)[layout.split])


def _images(layout: Layout, rank: int) -> range:
    """The frequencies whose negatives, but 0, a rank has."""
    assert layout.split is not None
    slab, n = _slab(layout, rank), layout.gshape[layout.split]
    first = max(slab.start, 1)
    return range(n - slab.stop + 1, n - first + 1) if slab.stop > first else range(0)
