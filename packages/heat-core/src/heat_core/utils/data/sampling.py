"""Which rows a rank sees, in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from heat_core.array.dndarray import DNDarray
from heat_core.array.relayout import balance, to_layout
from heat_core.random import Generator, default_rng

__all__ = ["DistributedDataset", "DistributedSampler", "create_train_val_split"]


class DistributedDataset(torch.utils.data.Dataset[Any]):
    """The rows of an array that lie on this rank; a ``DistributedSampler`` changes which these are.

    Parameters
    ----------
    dndarray : DNDarray
        Split along axis 0, or brought there; balanced.
    transforms : callable, optional
        Applied to a row.
    """

    def __init__(
        self, dndarray: DNDarray, transforms: Callable[[torch.Tensor], torch.Tensor] | None = None
    ) -> None:
        rows = to_layout(dndarray, dndarray.layout.with_split(0, dndarray.comm.size))
        self.dndarray = balance(rows)
        self.transforms = transforms

    def __len__(self) -> int:
        return int(self.dndarray.lshape[0])

    def __getitem__(self, index: int) -> torch.Tensor:
        row = self.dndarray.larray[index]
        return row if self.transforms is None else self.transforms(row)


class DistributedSampler(torch.utils.data.Sampler[int]):
    """The numbers of the rows of a rank, shuffled over all ranks or within each. Collective.

    Parameters
    ----------
    dataset : DistributedDataset
    shuffle : bool
    seed : int, optional
        The same on any number of ranks. Default: from the operating system.
    shuffle_type : {"global", "local"}
        ``"global"``: rows change rank before each epoch, in one exchange. ``"local"``: only their
        order on each rank changes.
    correction : bool
        Whether datasets that are linked follow; False: only this one is shuffled.
    """

    def __init__(
        self,
        dataset: DistributedDataset,
        shuffle: bool = False,
        seed: int | None = None,
        shuffle_type: str = "global",
        correction: bool = True,
    ) -> None:
        self.dataset, self.shuffle, self.correction = dataset, shuffle, correction
        self._linked: list[DistributedDataset] = []
        self.set_seed(seed)
        self.set_shuffle_type(shuffle_type)

    def set_seed(self, seed: int | Generator | None) -> None:
        """Draw from another seed from now on. Collective for None."""
        self._rng = default_rng(seed)

    def set_shuffle_type(self, shuffle_type: str) -> None:
        """Choose ``"global"`` or ``"local"``."""
        if shuffle_type not in ("global", "local"):
            raise ValueError(f"shuffle_type is 'global' or 'local', not {shuffle_type!r}")
        self.shuffle_type = shuffle_type

    def link(self, dataset: DistributedDataset) -> None:
        """Let another dataset with as many rows, such as that of the targets, follow each shuffle.

        Raises
        ------
        ValueError
            If it has another number of rows.
        """
        if dataset.dndarray.shape[0] != self.dataset.dndarray.shape[0]:
            raise ValueError(f"{dataset.dndarray.shape[0]} rows do not fit the dataset")
        self._linked.append(dataset)

    def unlink(self) -> None:
        """Let no dataset follow any more."""
        self._linked.clear()

    def __len__(self) -> int:
        return len(self.dataset)

    def __iter__(self) -> Iterator[int]:
        if not self.shuffle:
            return iter(range(len(self)))
        array = self.dataset.dndarray
        if self.shuffle_type == "local":
            drawn = self._rng.randperm(array.shape[0], split=None, comm=array.comm).larray
            first = array.layout.offset(array.comm.rank)
            own = drawn[(drawn >= first) & (drawn < first + len(self))] - first
            return iter(own.tolist())
        order = self._rng.randperm(array.shape[0], split=0, comm=array.comm)
        followers = self._linked if self.correction else []
        for dataset in (self.dataset, *followers):
            dataset.dndarray = balance(dataset.dndarray[order])
        return iter(range(len(self)))


def create_train_val_split(
    X: DNDarray, y: DNDarray, p: float = 0.95, seed: int | None = None
) -> tuple[DNDarray, DNDarray, DNDarray, DNDarray]:
    """A random share of samples for training, and the others. Collective.

    Parameters
    ----------
    X, y : DNDarray, (n, ...)
    p : float
        The share for training, within (0, 1).
    seed : int, optional
        The same parts on any number of ranks.

    Returns
    -------
    (X_train, y_train, X_val, y_val)
        Balanced, split like the inputs.
    """
    if X.shape[0] != y.shape[0]:
        raise ValueError(f"{X.shape[0]} samples and {y.shape[0]} targets")
    if not 0 < p < 1:
        raise ValueError(f"p is within (0, 1), not {p}")
    n = X.shape[0]
    order = default_rng(seed).randperm(n, comm=X.comm)
    cut = min(max(round(p * n), 1), n - 1)
    parts = []
    for numbers in (order[:cut], order[cut:]):
        parts += [balance(x[numbers]) for x in (X, y)]
    return parts[0], parts[1], parts[2], parts[3]
