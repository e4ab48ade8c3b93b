"""Layers in a pipeline: each rank trains its blocks, and activations go forward only."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from f3.batches import Batch
from f3.distributed.channels import Activations, Errors
from f3.distributed.cuts import balanced_cuts, stages
from f3.distributed.data_parallel import GradientAllReduce, broadcast_model
from f3.distributed.measuring import block_costs
from f3.errors import ModeError
from f3.signals import Signal
from f3.sources import DelayedError
from f3.training import choose_metrics, score

if TYPE_CHECKING:
    from f3.blocks import TrainedBlock
    from f3.learner import Learner
    from f3.training import History
    from mpi_utils import Communicator

__all__ = ["Pipeline", "PipelineReport"]


@dataclass(frozen=True)
class PipelineReport:
    """What a rank did since the pipeline was made.

    Attributes
    ----------
    rank : int
    blocks : range
        Numbers of the blocks of this rank.
    busy : float
        Share of the time in training that was not spent waiting.
    wait_seconds : float
    activation_bytes, error_bytes : int
        Sent by this rank.
    stale_reads : int
        Errors that were read before the newer ones had come, with ``strict=False``.
    """

    rank: int
    blocks: range
    busy: float
    wait_seconds: float
    activation_bytes: int
    error_bytes: int
    stale_reads: int


class _BadBatchError(Exception):
    """A batch that no rank can train with."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def _with_next(batches: Iterator[Batch]) -> Iterator[tuple[Batch, int | None]]:
    """Each batch with the length of the one after it."""
    last = None
    for batch in batches:
        if last is not None:
            yield last, len(batch)
        last = batch
    if last is not None:
        yield last, None


class Pipeline:
    """Trains a learner with its blocks spread over ranks; the numbers are those of one process.

    A rank hands its activations on, and trains its own blocks while the next rank goes on with
    them. Nothing flows backward but the errors of the output, which are wanted in the next epoch.

    Parameters
    ----------
    learner : Learner
        Built alike on all ranks, in a mode and with errors that are known before the forward pass:
        `DelayedError`, `TargetError`, or mode "shallow". Parameters become those of rank 0.
    comm : Communicator, optional
        Default: the world. At most as many ranks as blocks.
    cuts : "auto" or list of int
        Numbers of the blocks at which the ranks after the first begin. "auto" measures the blocks
        on the first batch, and balances.
    queue : int
        Batches that a rank may be ahead of the next.
    strict : bool
        Wait for errors that are still on their way. Otherwise read the older ones, and count them.
    replicas : Communicator, optional
        Ranks that train the same blocks with other samples; gradients are combined among them.

    Raises
    ------
    ModeError
        If the errors are not known beforehand (DFA, backpropagation).
    ValueError
        If there are more ranks than blocks, or the cuts are not that many.
    """

    def __init__(
        self,
        learner: Learner,
        comm: Communicator | None = None,
        *,
        cuts: str | Sequence[int] = "auto",
        queue: int = 2,
        strict: bool = True,
        replicas: Communicator | None = None,
    ) -> None:
        from mpi_utils import agree, world

        self.learner, self.comm = learner, comm or world()
        self.cuts: str | list[int] = cuts if isinstance(cuts, str) else list(cuts)
        if not learner.source.is_early or learner.mode == "bp":
            raise ModeError(
                "a pipeline needs errors that are known before the forward pass: DelayedError or "
                "TargetError; train with CurrentError or backpropagation in DataParallel"
            )
        if queue < 1:
            raise ValueError(f"queue must be positive, not {queue}")
        plan = (learner.seed, learner.mode, len(learner.blocks), self.cuts, queue, strict)
        agree(self.comm, plan, "the pipeline")
        wanted = range(1, self.comm.size) if self.cuts == "auto" else self.cuts
        stages([int(cut) for cut in wanted], len(learner.blocks), self.comm.size)
        broadcast_model(learner, self.comm)
        if replicas is not None:
            broadcast_model(learner, replicas)
        self.reducer = None if replicas is None else GradientAllReduce(replicas)
        self._activations = Activations(self.comm, queue)
        self._errors = Errors(self.comm, queue + self.comm.size, strict=strict)
        self._seconds = 0.0
        self.stage: range | None = None

    @property
    def blocks(self) -> list[TrainedBlock]:
        """The blocks of this rank."""
        assert self.stage is not None
        return [self.learner.blocks[number] for number in self.stage]

    @property
    def is_last(self) -> bool:
        """Whether this rank has the head."""
        return self.comm.rank == self.comm.size - 1

    def place(self, batch: Batch) -> None:
        """Decide which rank gets which blocks. Collective; the first batch does it by itself."""
        if self.stage is not None:
            return
        if isinstance(self.cuts, str):
            costs = block_costs(self.learner, batch) if self.comm.rank == 0 else None
            costs = self.comm.handle.bcast(costs)
            self.cuts = balanced_cuts(costs, self.comm.size)
        self.stage = stages(self.cuts, len(self.learner.blocks), self.comm.size)[self.comm.rank]

    # ------------------------------------------------------------------ training

    def epoch(self, batches: Iterator[Any]) -> Tensor:
        """Train with the batches (index, x, target) of an epoch, the same on all ranks. Collective.

        Returns
        -------
        Tensor, (number of batches,)
            Losses on the last rank, zeros elsewhere.

        Raises
        ------
        ValueError, IndexError, TypeError
            On all ranks, for a batch that can't be trained with, when those before it are done. Any
            other error prints its traceback and ends the job.
        """
        self.learner.model.train()
        start = time.perf_counter()
        losses = []
        try:
            for batch, following in _with_next(self._checked(batches)):
                losses.append(self._train(batch, following))
        except _BadBatchError as bad:
            self.drain()
            raise bad.error from None
        except Exception:
            self._abort()
            raise
        self._seconds += time.perf_counter() - start
        return torch.stack(losses) if losses else torch.zeros(0)

    def _checked(self, batches: Iterator[Any]) -> Iterator[Batch]:
        for index, x, target in batches:
            try:
                batch = self.learner.check(x, target, index)
            except Exception as error:
                raise _BadBatchError(error) from error
            self.place(batch)
            yield batch

    def _abort(self) -> None:
        """End the job: the other ranks wait for this one, and would do so for ever."""
        if self.comm.size > 1:
            sys.stderr.write(f"rank {self.comm.rank} of the pipeline failed:\n")
            traceback.print_exc()
            sys.stderr.flush()
            time.sleep(0.2)  # the launcher drops what it has not yet read of a dead job's output
            self.comm.handle.Abort(1)

    def _train(self, batch: Batch, following: int | None) -> Tensor:
        learner, source = self.learner, self.learner.source
        self._errors.settle(batch.index)
        signal = source.read(batch.index, batch.targets)
        scaled = None if signal is None else signal.scaled(learner.factor(batch))
        h = batch.x if self.comm.rank == 0 else self._activations.receive(len(batch), following)
        tapes = []
        for block in self.blocks:
            block.prepare()
            is_head = block is learner.head
            h, tape = block.forward(h, learner.steps, learn=is_head or scaled is not None)
            tapes.append((block, tape))
        loss = torch.zeros(())
        if not self.is_last:
            self._activations.send(h)
            self._expect_errors(batch, signal)
        else:
            visit, loss = learner.visit(h, batch)
            renewed = source.renew(batch.index, signal, visit)
            if renewed is not None:
                self._errors.send(renewed.values)
            head, tape = tapes.pop()
            if tape is not None:
                tape((visit.gradient / batch.denominator).reshape(h.shape))
                self._finish(head, batch)
        while tapes:
            block, tape = tapes.pop(0)
            if tape is not None and scaled is not None:
                tape(block.pseudo_gradient(scaled, len(batch)))
                self._finish(block, batch)
            del tape
            self._activations.poll()
        if self.reducer is not None:
            for block in self.blocks:
                if block.is_trained and any(p.grad is not None for p in block.parameters):
                    self.reducer.finish(block)
                    block.update()
        learner.steps += 1
        learner.batch += 1
        return loss

    def _finish(self, block: TrainedBlock, batch: Batch) -> None:
        """Update a block that has its gradients, if the accumulated batches are complete."""
        if (self.learner.steps + 1) % self.learner.accumulate:
            return
        if self.reducer is not None:
            self.reducer.start(block, batch.denominator)
        else:
            block.update()

    def _expect_errors(self, batch: Batch, signal: Signal | None) -> None:
        source = self.learner.source
        if isinstance(source, DelayedError) and signal is not None:
            self._errors.expect(batch.index, signal.values, source.write)

    def drain(self) -> None:
        """Wait for everything that is on its way. Collective."""
        self._activations.drain()
        self._errors.drain()

    def gather(self) -> None:
        """Give all ranks the parameters, buffers and errors of all blocks. Collective."""
        self.drain()
        if self.stage is None:
            return
        assert not isinstance(self.cuts, str)
        parts = stages(self.cuts, len(self.learner.blocks), self.comm.size)
        for rank, part in enumerate(parts):
            for number in part:
                module = self.learner.blocks[number].module
                for tensor in module.state_dict(keep_vars=True).values():
                    self.comm.bcast(tensor.detach(), rank)

    # ------------------------------------------------------------------ use

    def fit(self, train: Any, epochs: int, **settings: Any) -> History:
        """Train for some epochs. Collective; all ranks are given the same data.

        Parameters
        ----------
        train : DataLoader, TensorBatches, or iterable of (index, x, target)
            In the same order on all ranks, as `TensorBatches` and shuffled DataLoaders are.
        epochs : int
            In all, those already done included.
        **settings
            As `f3.distributed.fitting.fit` takes them.

        Returns
        -------
        History
            The same on all ranks, which also all have the trained model.
        """
        from f3.distributed.fitting import fit

        return fit(self, train, epochs, **settings)

    def evaluate(self, loader: Any, metrics: Any = None) -> dict[str, float]:
        """Loss and metrics on batches, streamed forward through the ranks. Collective."""
        chosen = choose_metrics(self.learner, metrics)
        sums, n = dict.fromkeys(["loss", *chosen], 0.0), 0
        self.learner.model.eval()
        for *_, x, target in loader:
            h = x if self.comm.rank == 0 else self._activations.receive(len(x))
            with torch.no_grad():
                for block in self.blocks:
                    h = block.module(h)
            if not self.is_last:
                self._activations.send(h)
            else:
                for name, value in score(self.learner, h, target, chosen).items():
                    sums[name] += value * len(x)
            n += len(x)
        self.learner.model.train()
        self._activations.drain()
        result: dict[str, float] = self.comm.handle.bcast(
            {name: total / max(1, n) for name, total in sums.items()}, self.comm.size - 1
        )
        return result

    def _waited(self) -> float:
        return self._activations.seconds + self._errors.seconds

    def report(self) -> list[PipelineReport]:
        """What each rank did. Collective."""
        waited = self._waited()
        mine = PipelineReport(
            self.comm.rank,
            self.stage or range(0),
            1 - waited / self._seconds if self._seconds else 0.0,
            waited,
            self._activations.bytes_sent,
            self._errors.bytes_sent,
            self._errors.stale_reads,
        )
        return list(self.comm.handle.allgather(mine))
