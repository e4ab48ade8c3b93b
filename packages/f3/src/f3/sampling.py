"""Samples with ids: datasets, loaders and samplers that say which sample is which."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sized
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, RandomSampler, Sampler
from torch.utils.data.dataloader import default_collate

from f3.seeds import ORDER, derive

__all__ = ["IndexedDataset", "ShardSampler", "TensorBatches", "indexed"]


class IndexedDataset(Dataset[Any]):
    """A dataset whose samples come with their position: ``(index, sample)``.

    Parameters
    ----------
    dataset : Dataset
        Map-style; a `Subset`, `ConcatDataset` or one with augmentations as well, as long as a
        position always means the same sample.
    """

    def __init__(self, dataset: Any) -> None:
        if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__getitem__"):
            raise TypeError(
                "samples of a stream have no positions: yield (key, x, target) yourself, and keep "
                "the errors in a HashStore"
            )
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[int, Any]:
        return index, self.dataset[index]


class ShardSampler(Sampler[int]):
    """One process's part of the samples, in an order that depends on seed and epoch only.

    All processes get equally many: a few samples come twice if their number is no multiple.

    Parameters
    ----------
    num_samples : int
        In all parts together.
    shuffle : bool
    seed : int
    rank, size : int
        This process, and how many there are.
    fixed : bool
        Keep each sample on the same process in all epochs, so that its error can stay there;
        otherwise a permutation of all samples is dealt out in each epoch.

    Attributes
    ----------
    epoch : int
        Counted up by whoever trains.
    start : int
        Samples of the epoch to leave out, in order to go on in its middle.
    """

    def __init__(
        self,
        num_samples: int,
        *,
        shuffle: bool = True,
        seed: int = 0,
        rank: int = 0,
        size: int = 1,
        fixed: bool = True,
    ) -> None:
        if not 0 <= rank < size:
            raise ValueError(f"there is no rank {rank} among {size}")
        self.num_samples, self.shuffle, self.seed = num_samples, shuffle, seed
        self.rank, self.size, self.fixed = rank, size, fixed
        self.epoch = self.start = 0

    def order(self) -> Tensor:
        """All ids of this process in this epoch, the left out ones included."""
        seed = derive(self.seed, ORDER, self.epoch)
        generator = torch.Generator().manual_seed(seed)
        ids = torch.arange(self.num_samples)
        if not self.fixed and self.shuffle:
            ids = ids[torch.randperm(self.num_samples, generator=generator)]
        missing = -self.num_samples % self.size
        mine = torch.cat([ids, ids[:missing]])[self.rank :: self.size]
        if self.fixed and self.shuffle:
            mine = mine[torch.randperm(len(mine), generator=generator)]
        return mine

    def __len__(self) -> int:
        return -(-self.num_samples // self.size) - self.start

    def __iter__(self) -> Iterator[int]:
        yield from self.order()[self.start :].tolist()


class TensorBatches:
    """Batches ``(index, x, target)`` of tensors in memory: the quick loader for small data.

    Parameters
    ----------
    x, target : Tensor
        With one row a sample.
    batch_size : int
    sampler : ShardSampler, optional
        Default: one process, shuffled with `seed`.
    seed : int
    drop_last : bool
        Leave a last, smaller batch out.
    """

    def __init__(
        self,
        x: Tensor,
        target: Tensor,
        batch_size: int,
        *,
        sampler: ShardSampler | None = None,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if len(x) != len(target):
            raise ValueError(f"{len(x)} samples have {len(target)} targets")
        self.x, self.target, self.batch_size, self.drop_last = x, target, batch_size, drop_last
        self.sampler = sampler or ShardSampler(len(x), seed=seed)

    def __len__(self) -> int:
        whole, rest = divmod(len(self.sampler), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        order = self.sampler.order()[self.sampler.start :]
        for ids in order.split(self.batch_size):
            if len(ids) == self.batch_size or not self.drop_last:
                where = ids.to(self.x.device)
                yield ids, self.x[where], self.target[where]


class _Collate:
    """Collates samples as before, and puts their ids in front."""

    def __init__(self, collate: Callable[[list[Any]], Any]) -> None:
        self.collate = collate

    def __call__(self, samples: list[tuple[int, Any]]) -> tuple[Any, ...]:
        ids = torch.tensor([index for index, _ in samples])
        batch = self.collate([sample for _, sample in samples])
        return (ids, *batch)


def indexed(loader: Any, *, seed: int | None = None) -> Any:
    """A loader that yields ``(index, x, target)``.

    Parameters
    ----------
    loader : DataLoader
        Over a map-style dataset; its batch size, workers, sampler and collate function stay. What
        already yields ids (`TensorBatches`, a loader over an `IndexedDataset`, anything that is no
        DataLoader) is returned as it is.
    seed : int, optional
        Shuffle with a `ShardSampler` of this seed instead of torch's generator, so that the order
        of an epoch is known beforehand.
    """
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IndexedDataset):
        return loader
    dataset = IndexedDataset(loader.dataset)
    settings: dict[str, Any] = {
        "num_workers": loader.num_workers,
        "pin_memory": loader.pin_memory,
        "timeout": loader.timeout,
        "worker_init_fn": loader.worker_init_fn,
        "multiprocessing_context": loader.multiprocessing_context,
        # its own generator: starting an epoch must not draw from the global one
        "generator": loader.generator or torch.Generator(),
        "prefetch_factor": loader.prefetch_factor,
        "persistent_workers": loader.persistent_workers,
    }
    collate = loader.collate_fn if loader.batch_size is not None or loader.batch_sampler else None
    settings["collate_fn"] = _Collate(collate or default_collate)
    sampler: Any = loader.sampler
    is_random = isinstance(sampler, RandomSampler) and not sampler.replacement
    if seed is not None and is_random and isinstance(dataset, Sized):
        sampler = ShardSampler(len(dataset), seed=seed)
        settings |= {"batch_size": loader.batch_size, "drop_last": loader.drop_last}
        return DataLoader(dataset, sampler=sampler, **settings)
    if loader.batch_sampler is None:
        raise TypeError("a loader without batches (batch_size=None) can't be indexed")
    return DataLoader(dataset, batch_sampler=loader.batch_sampler, **settings)
