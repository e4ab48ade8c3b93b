"""Data parallelism: each rank has a part of the batch; gradients are combined block by block."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from f3.distributed.sharded import ReplicatedStore, ShardedStore
from f3.errors import ModeError
from f3.sampling import IndexedDataset, ShardSampler, TensorBatches, indexed
from f3.sources import DelayedError
from f3.stores import DenseStore

if TYPE_CHECKING:
    from f3.batches import StepResult
    from f3.blocks import TrainedBlock
    from f3.learner import Learner
    from f3.training import History
    from mpi_utils import Communicator, Request

__all__ = ["DataParallel", "GradientAllReduce", "broadcast_model"]


class GradientAllReduce:
    """The mean gradient of all ranks, weighted by what their losses divide by.

    A block's exchange starts when it has its gradients, and goes on while the next blocks compute.

    Parameters
    ----------
    comm : Communicator

    Attributes
    ----------
    bytes_sent : int
        Handed to MPI by this rank.
    """

    def __init__(self, comm: Communicator) -> None:
        self.comm = comm
        self.bytes_sent = 0
        self._underway: dict[int, Request[Tensor]] = {}

    def start(self, block: TrainedBlock, weight: float) -> None:
        """Begin with the gradients of a block. Collective."""
        gradients = [
            torch.zeros_like(p) if p.grad is None else p.grad for p in block.trained_parameters()
        ]
        flat = torch.cat([g.reshape(-1) for g in gradients] + [gradients[0].new_ones(1)])
        flat *= weight
        self.bytes_sent += flat.nbytes
        self._underway[block.number] = self.comm.iallreduce(flat, out=flat)

    def finish(self, block: TrainedBlock) -> None:
        """Wait until the gradients of a block are those of all ranks."""
        flat = self._underway.pop(block.number).wait()
        mean = flat[:-1] / flat[-1]
        parameters = block.trained_parameters()
        for p, part in zip(parameters, mean.split([p.numel() for p in parameters]), strict=True):
            p.grad = part.view_as(p)


def broadcast_model(learner: Learner, comm: Communicator) -> None:
    """Give all ranks the parameters and buffers of rank 0. Collective."""
    for tensor in learner.model.state_dict(keep_vars=True).values():
        comm.bcast(tensor.detach())


class DataParallel:
    """Trains a learner on several ranks, each with its part of every batch.

    Equal to one process with the joined batch, but for the order in which floating point numbers
    are added. Batch normalisation uses the statistics of each rank's part.

    Parameters
    ----------
    learner : Learner
        Built alike on all ranks; parameters become those of rank 0.
    comm : Communicator, optional
        Default: the world.
    shuffle : {"shard", "global"}
        "shard": a sample stays on its rank, and so does its error; "global": any rank may get any
        sample, and what one rank stores goes to all (or to its owner, with a `ShardedStore`).

    Examples
    --------
    >>> import f3, torch
    >>> model = f3.Sequential(torch.nn.Linear(4, 8), torch.nn.Linear(8, 2))
    >>> learner = f3.Learner(
    ...     model,
    ...     loss=torch.nn.CrossEntropyLoss(),
    ...     error=f3.DelayedError(100),
    ...     optimizer=lambda p: torch.optim.Adam(p),
    ... )
    >>> parallel = f3.DataParallel(learner)
    """

    def __init__(
        self, learner: Learner, comm: Communicator | None = None, *, shuffle: str = "shard"
    ) -> None:
        from mpi_utils import agree, collective, world

        if shuffle not in {"shard", "global"}:
            raise ValueError(f"shuffle must be shard or global, not {shuffle!r}")
        self.learner, self.comm, self.shuffle = learner, comm or world(), shuffle
        agree(self.comm, (learner.seed, learner.mode, len(learner.blocks)), "the learner")
        broadcast_model(learner, self.comm)
        self.reducer = GradientAllReduce(self.comm)
        learner.reducer = self.reducer
        learner.together = partial(collective, self.comm)

    def step(self, x: Tensor, target: Tensor, index: Any = None) -> StepResult:
        """Train with this rank's part of a batch. Collective; as `Learner.step`.

        Raises
        ------
        ValueError, IndexError, TypeError
            On all ranks, if the part of any rank is wrong.
        """
        if not self.learner.is_built:
            with self.learner.together():
                self.learner.build(x)
            self._share_errors()
        return self.learner.step(x, target, index)

    def _share_errors(self) -> None:
        source = self.learner.source
        if self.shuffle == "shard" or not isinstance(source, DelayedError):
            return
        if isinstance(source.store, DenseStore):
            source.store = ReplicatedStore(source.store, self.comm)
        elif not isinstance(source.store, ReplicatedStore | ShardedStore):
            raise ModeError(
                "global shuffling needs a DenseStore, a ScalarStore or a ShardedStore; with a "
                "HashStore use shuffle='shard'"
            )

    def loader(self, train: DataLoader[Any] | TensorBatches) -> Any:
        """The part of this rank of a loader, whose batch size is that of all ranks together."""
        n = len(train.x) if isinstance(train, TensorBatches) else len(train.dataset)  # type: ignore[arg-type]
        size = self.comm.size
        if train.batch_size is None or train.batch_size % size:
            raise ValueError(
                f"a batch size of {train.batch_size} can't be divided among {size} ranks"
            )
        sampler = ShardSampler(
            n,
            seed=self.learner.seed,
            rank=self.comm.rank,
            size=size,
            fixed=self.shuffle == "shard",
        )
        batch_size = train.batch_size // size
        if isinstance(train, TensorBatches):
            return TensorBatches(
                train.x, train.target, batch_size, sampler=sampler, drop_last=train.drop_last
            )
        whole = indexed(train)
        return DataLoader(
            IndexedDataset(train.dataset),
            batch_size,
            sampler=sampler,
            num_workers=train.num_workers,
            collate_fn=whole.collate_fn,
            drop_last=train.drop_last,
            generator=torch.Generator(),
        )

    def fit(self, train: DataLoader[Any] | TensorBatches, epochs: int, **settings: Any) -> History:
        """Train for some epochs. Collective; as `Learner.fit`, with `train` the data of all ranks.

        The batch size of `train` is that of all ranks together. Losses in the history are those of
        this rank's parts; validation is done by every rank on the data that it is given.
        """
        part = self.loader(train)
        if not self.learner.is_built:
            _, x, _ = next(iter(part))
            self.learner.build(x)
            self._share_errors()
        return self.learner.fit(part, epochs, **settings)
