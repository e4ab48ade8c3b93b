"""The rows of arrays on each rank as a dataset of torch, in batches that all ranks have alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any

import torch

from heat_core.array.dndarray import DNDarray
from heat_core.array.relayout import balance, to_layout
from heat_core.parameters import check_parameters, whole
from heat_core.random import Generator, default_rng
from heat_core.samples import check_array
from heat_core.utils.data.partial import PartialH5DataLoaderIter, PartialH5Dataset

__all__ = ["DataLoader", "Dataset", "dataset_ishuffle", "dataset_shuffle"]

Transform = Callable[[torch.Tensor], torch.Tensor]


class Dataset(torch.utils.data.Dataset[Any]):
    """The rows of one or several arrays that lie on this rank.

    Parameters
    ----------
    array : DNDarray or sequence of DNDarray
        With as many rows; split along axis 0, or brought there. Slabs are balanced.
    transforms : callable or sequence of callable, optional
        Applied to a row of each array; None for one that is left alone.
    ishuffle : bool
        Known from the original: shuffling is one exchange either way.
    test_set : bool
        True: ``Shuffle`` leaves the order alone.
    random_state : int, Generator or None
    """

    def __init__(
        self,
        array: DNDarray | Sequence[DNDarray],
        transforms: Transform | Sequence[Transform | None] | None = None,
        ishuffle: bool = False,
        test_set: bool = False,
        *,
        random_state: int | Generator | None = None,
    ) -> None:
        arrays = [array] if isinstance(array, DNDarray) else list(array)
        for one in arrays:
            check_array(one, "rows")
        if len({x.shape[0] for x in arrays}) != 1:
            raise ValueError(f"arrays of {[x.shape[0] for x in arrays]} rows are no dataset")
        self.arrays = [balance(to_layout(x, x.layout.with_split(0, x.comm.size))) for x in arrays]
        given = [transforms] if callable(transforms) or transforms is None else list(transforms)
        self.transforms = (given * len(arrays))[: len(arrays)] if len(given) == 1 else given
        if len(self.transforms) != len(arrays):
            raise ValueError(f"{len(self.transforms)} transforms for {len(arrays)} arrays")
        self.comm, self.ishuffle, self.test_set = self.arrays[0].comm, ishuffle, test_set
        self._rng = default_rng(random_state)

    def __len__(self) -> int:
        return int(self.arrays[0].lshape[0])

    def __getitem__(self, index: int) -> Any:
        rows = [
            x.larray[index] if transform is None else transform(x.larray[index])
            for x, transform in zip(self.arrays, self.transforms, strict=True)
        ]
        return rows[0] if len(rows) == 1 else tuple(rows)

    def Shuffle(self) -> None:  # noqa: N802 - the name that users of the original know
        """Bring the rows in a random order over all ranks. Collective, one exchange an array."""
        if self.test_set:
            return
        order = self._rng.randperm(self.arrays[0].shape[0], split=0, comm=self.comm)
        self.arrays = [balance(x[order]) for x in self.arrays]

    Ishuffle = Shuffle


def dataset_shuffle(dataset: Dataset, attrs: object = None) -> None:
    """``dataset.Shuffle()``; ``attrs`` has no effect. Collective."""
    del attrs
    dataset.Shuffle()


def dataset_ishuffle(dataset: Dataset, attrs: object = None) -> None:
    """As ``dataset_shuffle``. Collective."""
    dataset_shuffle(dataset, attrs)


class DataLoader:
    """Batches of the rows on this rank; every rank gets as many batches.

    Collective: an epoch ends on all ranks at the same time, which training in step needs. The ranks
    that have fewer rows get smaller batches, not fewer; only one that has fewer rows than there are
    batches gets as many as it has rows.

    Parameters
    ----------
    dataset : Dataset, PartialH5Dataset or torch's
    batch_size : int
        Rows of a rank in a batch.
    shuffle : bool
        Whether the rows are brought in another order, over all ranks, before each epoch.
    drop_last : bool
        Leave out what is left over.
    **kwargs
        Of ``torch.utils.data.DataLoader``, such as ``collate_fn``.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        *,
        shuffle: bool = False,
        drop_last: bool = False,
        **kwargs: Any,
    ) -> None:
        check_parameters({"batch_size": batch_size}, {"batch_size": whole(1)})
        self.dataset, self.batch_size, self.drop_last = dataset, batch_size, drop_last
        self.shuffle, self._options = shuffle, kwargs

    def __len__(self) -> int:
        total = self._most_rows()
        return total // self.batch_size if self.drop_last else -(-total // self.batch_size)

    def _most_rows(self) -> int:
        """Rows of the rank that has most; least, if what is left over is left out."""
        counts = None
        if isinstance(self.dataset, Dataset):
            counts = self.dataset.arrays[0].layout.counts
        elif isinstance(self.dataset, PartialH5Dataset):
            counts = self.dataset.layout.counts
        if counts is not None:
            return min(counts) if self.drop_last else max(counts)
        return len(self.dataset)

    def __iter__(self) -> Iterator[Any]:
        if isinstance(self.dataset, PartialH5Dataset):
            yield from PartialH5DataLoaderIter(self)
            return
        if self.shuffle and hasattr(self.dataset, "Shuffle"):
            self.dataset.Shuffle()
        yield from torch.utils.data.DataLoader(
            self.dataset, batch_sampler=self._batches(), **self._options
        )

    def batch_sizes(self) -> list[int]:
        """Rows of this rank in each batch, spread evenly over as many batches as all have."""
        n_batches, n = len(self), len(self.dataset)
        if self.drop_last:
            return [self.batch_size] * n_batches
        bounds = [n * k // n_batches for k in range(n_batches + 1)] if n_batches else []
        return [b - a for a, b in pairwise(bounds) if b > a]

    def _batches(self) -> list[list[int]]:
        """The numbers of the rows of each batch."""
        ends = list(accumulate(self.batch_sizes(), initial=0))
        return [list(range(a, b)) for a, b in pairwise(ends)]
