"""The layout of a distributed array: which rank holds which part of it.

Everything here is arithmetic on Python integers. Each rank holds the complete description, so no
question about a layout ever needs a message.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

__all__ = [
    "Layout",
    "canonical_counts",
    "canonical_layout",
    "displacements",
    "progression_counts",
    "progression_in_slab",
    "replicated_layout",
]


@lru_cache(maxsize=4096)
def canonical_counts(extent: int, n_ranks: int) -> tuple[int, ...]:
    """Extents of the balanced slabs of an axis: the first ``extent % n_ranks`` get one more."""
    quotient, remainder = divmod(extent, n_ranks)
    return tuple(quotient + (rank < remainder) for rank in range(n_ranks))


@lru_cache(maxsize=4096)
def displacements(counts: tuple[int, ...]) -> tuple[int, ...]:
    """Global index at which the slab of each rank starts."""
    return (0, *accumulate(counts[:-1])) if counts else ()


def progression_in_slab(
    start: int, stop: int, step: int, offset: int, count: int
) -> tuple[int, int]:
    """Members of ``range(start, stop, step)``, step > 0, within ``[offset, offset + count)``.

    Returns
    -------
    (first, number)
        The slab-local index of the first member, and how many members the slab holds.
    """
    ceil_steps = -(-(max(offset, start) - start) // step)
    first = start + ceil_steps * step
    end = min(stop, offset + count)
    if first >= end:
        return 0, 0
    return first - offset, -(-(end - first) // step)


def progression_counts(
    start: int, stop: int, step: int, counts: tuple[int, ...]
) -> tuple[int, ...]:
    """How many members of ``range(start, stop, step)``, step > 0, each rank holds."""
    return tuple(
        progression_in_slab(start, stop, step, offset, count)[1]
        for offset, count in zip(displacements(counts), counts, strict=True)
    )


@dataclass(frozen=True, slots=True)
class Layout:
    """How an array of a global shape lies on the ranks of a communicator.

    Parameters
    ----------
    gshape : tuple of int
        Global shape.
    split : int or None
        The axis that is cut in contiguous slabs in rank order; None: every rank holds everything.
    counts : tuple of int or None
        Extent of the split axis on every rank (0 is legal); None exactly if ``split`` is None.
    """

    gshape: tuple[int, ...]
    split: int | None = None
    counts: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if (self.split is None) != (self.counts is None):
            raise ValueError("counts belong to a split layout, and only to one")
        if self.counts is not None and self.split is not None:
            if not 0 <= self.split < len(self.gshape):
                raise ValueError(f"split {self.split} is not an axis of shape {self.gshape}")
            if min(self.counts, default=0) < 0 or sum(self.counts) != self.gshape[self.split]:
                raise ValueError(
                    f"counts {self.counts} do not sum up to extent {self.gshape[self.split]} "
                    f"of axis {self.split}"
                )

    # -- questions ---------------------------------------------------------------------------
    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.gshape)

    @property
    def displs(self) -> tuple[int, ...]:
        """Global index at which the slab of each rank starts; empty for a replicated layout."""
        return displacements(self.counts) if self.counts is not None else ()

    @property
    def is_balanced(self) -> bool:
        """Whether the slabs are the canonical ones (always, if replicated)."""
        return self.split is None or self.counts == canonical_counts(
            self.gshape[self.split], len(self._counts)
        )

    @property
    def _counts(self) -> tuple[int, ...]:
        assert self.counts is not None
        return self.counts

    def offset(self, rank: int) -> int:
        """Global index of the first element of ``rank`` along the split axis."""
        return 0 if self.counts is None else displacements(self.counts)[rank]

    def lshape(self, rank: int) -> tuple[int, ...]:
        """Shape of the part that ``rank`` holds."""
        if self.split is None:
            return self.gshape
        return (*self.gshape[: self.split], self._counts[rank], *self.gshape[self.split + 1 :])

    def slices(self, rank: int) -> tuple[slice, ...]:
        """The part that ``rank`` holds, as a key into the global array."""
        return tuple(
            slice(self.offset(rank), self.offset(rank) + extent)
            if axis == self.split
            else slice(0, extent)
            for axis, extent in enumerate(self.lshape(rank))
        )

    def owner(self, index: int) -> int:
        """The rank that holds global ``index`` of the split axis; empty ranks never own."""
        # Among ranks with equal displacement all but the last are empty.
        return bisect_right(displacements(self._counts), index) - 1

    # -- layouts derived from this one -------------------------------------------------------
    def canonical(self) -> Layout:
        """The same split with balanced slabs."""
        if self.split is None:
            return self
        return canonical_layout(self.gshape, self.split, len(self._counts))

    def with_split(self, split: int | None, n_ranks: int) -> Layout:
        """The canonical layout of the same shape along another axis."""
        return self if split == self.split else canonical_layout(self.gshape, split, n_ranks)

    def transpose(self, permutation: tuple[int, ...]) -> Layout:
        """Axis ``i`` of the result is axis ``permutation[i]`` of this layout."""
        shape = tuple(self.gshape[axis] for axis in permutation)
        split = None if self.split is None else permutation.index(self.split)
        return Layout(shape, split, self.counts)

    def expand(self, axis: int) -> Layout:
        """With a new axis of extent 1 before ``axis``."""
        shape = (*self.gshape[:axis], 1, *self.gshape[axis:])
        split = self.split
        return Layout(shape, split if split is None or split < axis else split + 1, self.counts)

    def squeeze(self, axes: frozenset[int]) -> Layout:
        """Without ``axes`` (of extent 1); replicated if the split axis is one of them."""
        return self.reduce(axes, keepdims=False)

    def reduce(self, axes: frozenset[int], *, keepdims: bool) -> Layout:
        """The layout of a reduction over ``axes``."""
        return _reduced(self, axes, keepdims)

    def resize(self, axis: int, extent: int) -> Layout:
        """With another extent of ``axis``, which is not the split axis."""
        shape = (*self.gshape[:axis], extent, *self.gshape[axis + 1 :])
        return Layout(shape, self.split, self.counts)

    def broadcast(self, shape: tuple[int, ...]) -> Layout | None:
        """The layout that this one induces on a broadcast shape.

        None if there is none: the array is replicated, or its split axis (of extent 1) is
        stretched.
        """
        if self.split is None:
            return None
        split = self.split + len(shape) - self.ndim
        if shape[split] != self.gshape[self.split]:
            return None
        return self if shape == self.gshape else Layout(shape, split, self.counts)

    def slice(self, start: int, stop: int, step: int) -> Layout:
        """The layout of ``[start:stop:step]`` along the split axis where the data lie, step > 0."""
        return _sliced(self, start, stop, step)

    def mirrored(self) -> Layout:
        """With the slabs of the ranks in reverse order."""
        return Layout(self.gshape, self.split, self._counts[::-1])


@lru_cache(maxsize=4096)
def canonical_layout(gshape: tuple[int, ...], split: int | None, n_ranks: int) -> Layout:
    """The layout with balanced slabs along ``split``, or the replicated one."""
    if split is None:
        return replicated_layout(gshape)
    return Layout(gshape, split, canonical_counts(gshape[split], n_ranks))


@lru_cache(maxsize=4096)
def replicated_layout(gshape: tuple[int, ...]) -> Layout:
    """The layout in which every rank holds the whole array."""
    return Layout(gshape)


# Derived layouts of small operations cost more than their arithmetic; programs ask for few.
@lru_cache(maxsize=4096)
def _reduced(layout: Layout, axes: frozenset[int], keepdims: bool) -> Layout:
    if keepdims:
        shape = tuple(1 if a in axes else n for a, n in enumerate(layout.gshape))
    else:
        shape = tuple(n for a, n in enumerate(layout.gshape) if a not in axes)
    if layout.split is None or layout.split in axes:
        return Layout(shape)
    lost = 0 if keepdims else sum(axis < layout.split for axis in axes)
    return Layout(shape, layout.split - lost, layout.counts)


@lru_cache(maxsize=4096)
def _sliced(layout: Layout, start: int, stop: int, step: int) -> Layout:
    assert layout.split is not None
    assert layout.counts is not None
    counts = progression_counts(start, stop, step, layout.counts)
    shape = (*layout.gshape[: layout.split], sum(counts), *layout.gshape[layout.split + 1 :])
    return Layout(shape, layout.split, counts)
