"""HDF5 files that are larger than memory: windows of rows, read while the last ones are used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from heat_core.comm import sanitize_comm
from heat_core.io.backends import require
from heat_core.layout import canonical_layout
from heat_core.random import Generator, default_rng
from heat_core.utils.data.windows import hdf5_shape

if TYPE_CHECKING:
    from heat_core.utils.data.batches import DataLoader

__all__ = ["PartialH5DataLoaderIter", "PartialH5Dataset"]


class PartialH5Dataset:
    """The rows of a rank in an HDF5 file, of which a window is in memory at a time.

    Parameters
    ----------
    file : str or path
    comm : Communicator, optional
    dataset_names : str or sequence of str
        Datasets with as many rows; a row is a tuple of theirs, if there are several.
    transforms : callable or sequence of callable, optional
        Applied to a batch of each dataset.
    initial_load : int
        Rows of a rank in a window.
    random_state : int, Generator or None
        Of the order of windows and rows, if they are shuffled.
    """

    def __init__(
        self,
        file: str | PathLike[str],
        comm: Any = None,
        dataset_names: str | Sequence[str] = "data",
        transforms: Any = None,
        initial_load: int = 7000,
        *,
        random_state: int | Generator | None = None,
    ) -> None:
        self.file, self.comm = file, sanitize_comm(comm)
        names = [dataset_names] if isinstance(dataset_names, str) else list(dataset_names)
        self.dataset_names = names
        shapes = [hdf5_shape(file, name, self.comm) for name in names]
        if len({shape[0] for shape in shapes}) != 1:
            raise ValueError(f"datasets of shapes {shapes} have not as many rows")
        if initial_load < 1:
            raise ValueError(f"initial_load is at least 1, not {initial_load}")
        given = transforms if isinstance(transforms, (list, tuple)) else [transforms] * len(names)
        self.transforms = list(given)
        self.initial_load = initial_load
        self.total_size = shapes[0][0]
        self.layout = canonical_layout((self.total_size,), 0, self.comm.size)
        self._rng = default_rng(random_state)
        self._order: np.random.Generator | None = None

    def __len__(self) -> int:
        assert self.layout.counts is not None
        return self.layout.counts[self.comm.rank]

    def Shuffle(self) -> None:  # noqa: N802 - the name that users of the original know
        """Read the windows, and the rows within them, in another order from now on. Collective."""
        self._order = self._rng.bits()

    Ishuffle = Shuffle

    def windows(self) -> Iterator[list[torch.Tensor]]:
        """The windows of this rank, each read by a thread while the one before is used. Local."""
        start = self.layout.offset(self.comm.rank)
        stop = start + len(self)
        parts = [
            (first, min(first + self.initial_load, stop))
            for first in range(start, stop, self.initial_load)
        ]
        if self._order is not None:
            self._order.shuffle(parts)
        with ThreadPoolExecutor(1) as reader:
            waiting = reader.submit(self._read, *parts[0]) if parts else None
            for following in [*parts[1:], None]:
                if waiting is None:
                    return
                window = waiting.result()
                waiting = None if following is None else reader.submit(self._read, *following)
                yield self._mixed(window)

    def _read(self, first: int, last: int) -> list[torch.Tensor]:
        with require("h5py").File(self.file, "r") as file:
            return [torch.from_numpy(file[name][first:last]) for name in self.dataset_names]

    def _mixed(self, window: list[torch.Tensor]) -> list[torch.Tensor]:
        if self._order is None:
            return window
        order = torch.from_numpy(self._order.permutation(len(window[0])))
        return [part[order] for part in window]


class PartialH5DataLoaderIter:
    """Batches of a ``PartialH5Dataset``, as a ``DataLoader`` wants them.

    Parameters
    ----------
    loader : DataLoader
    """

    def __init__(self, loader: DataLoader) -> None:
        self._batches = self._made(loader)

    def __iter__(self) -> PartialH5DataLoaderIter:
        return self

    def __next__(self) -> Any:
        return next(self._batches)

    @staticmethod
    def _made(loader: DataLoader) -> Iterator[Any]:
        dataset: PartialH5Dataset = loader.dataset
        if loader.shuffle:
            dataset.Shuffle()
        sizes = iter(loader.batch_sizes())
        size = next(sizes, None)
        left: list[torch.Tensor] = []
        for window in dataset.windows():
            rows = [torch.cat(pair) for pair in zip(left, window, strict=True)] if left else window
            start = 0
            while size is not None and start + size <= len(rows[0]):
                yield _transformed([part[start : start + size] for part in rows], dataset)
                start += size
                size = next(sizes, None)
            left = [part[start:] for part in rows]


def _transformed(batch: list[torch.Tensor], dataset: PartialH5Dataset) -> Any:
    parts = [
        part if transform is None else transform(part)
        for part, transform in zip(batch, dataset.transforms, strict=True)
    ]
    return parts[0] if len(parts) == 1 else tuple(parts)
