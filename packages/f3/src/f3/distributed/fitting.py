"""Several epochs of a pipeline: validation, checkpoints, early stopping."""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from f3.checkpoint import state_of, write
from f3.sampling import indexed
from f3.sources import DelayedError
from f3.training import EpochRecord, History, resumed

if TYPE_CHECKING:
    from f3.distributed.pipeline import Pipeline
    from f3.learner import Learner

__all__ = ["fit", "save_folder"]


def fit(
    pipeline: Pipeline,
    train: Any,
    epochs: int,
    *,
    validation: Any = None,
    metrics: Any = None,
    callbacks: Sequence[Callable[[Learner, EpochRecord], Any]] = (),
    checkpoint: str | os.PathLike[str] | None = None,
    every: int | None = None,
) -> History:
    """Train until so many epochs are done. Collective.

    Parameters
    ----------
    pipeline : Pipeline
    train : iterable of (index, x, target)
    epochs : int
    validation : iterable of (x, target) or (index, x, target), optional
    metrics : optional
        As in `f3.training.fit`.
    callbacks : sequence of function
        Called on all ranks with the same record; False ends the training.
    checkpoint : path, optional
        A folder on a file system that all ranks see, written after each epoch.
    every : int, optional
        Write the checkpoint after so many batches as well.
    """
    learner, comm = pipeline.learner, pipeline.comm
    train = indexed(train, seed=learner.seed)
    history = History()
    # ranks meet at the end of an epoch only if somebody wants to know something there
    meet = validation is not None or bool(callbacks) or checkpoint is not None
    losses: list[tuple[EpochRecord, torch.Tensor]] = []
    while learner.epoch < epochs:
        start = time.perf_counter()
        source = learner.source
        if isinstance(source, DelayedError) and learner.batch == 0:
            source.staleness.reset()
        batches = resumed(train, learner.epoch, learner.batch)
        done = _epoch(pipeline, batches, checkpoint, every)
        record = EpochRecord(learner.epoch + 1, math.nan, time.perf_counter() - start)
        if isinstance(source, DelayedError) and pipeline.is_last:
            record = replace(
                record, staleness=source.staleness.distance, cosine=source.staleness.cosine
            )
        learner.epoch, learner.batch = record.epoch, 0
        losses.append((record, done))
        if not meet:
            continue
        pipeline.drain()
        record = _shared(pipeline, [losses.pop()])[0]
        if validation is not None:
            record = replace(record, validation=pipeline.evaluate(validation, metrics))
        history.epochs.append(record)
        if checkpoint is not None:
            save_folder(checkpoint, pipeline)
        answers = [f(learner, record) for f in callbacks]
        if comm.handle.allreduce(any(answer is False for answer in answers)):
            history.stopped = "callback"
            break
    history.epochs += _shared(pipeline, losses)
    pipeline.gather()
    return history


def _shared(
    pipeline: Pipeline, epochs: list[tuple[EpochRecord, torch.Tensor]]
) -> list[EpochRecord]:
    """The records with the losses of the last rank, on all ranks."""
    comm = pipeline.comm
    mine = [replace(r, loss=float(x.double().mean()) if len(x) else math.nan) for r, x in epochs]
    return list(comm.handle.bcast(mine, comm.size - 1))


def _epoch(pipeline: Pipeline, batches: Any, checkpoint: Any, every: int | None) -> torch.Tensor:
    """The rest of an epoch, with checkpoints on the way."""
    if checkpoint is None or every is None:
        return pipeline.epoch(batches)
    parts: list[torch.Tensor] = []
    while True:
        part = pipeline.epoch(_take(batches, every))
        parts.append(part)
        if len(part) < every:
            return torch.cat(parts)
        save_folder(checkpoint, pipeline)


def _take(batches: Any, n: int) -> Any:
    for _ in range(n):
        batch = next(batches, None)
        if batch is None:
            return
        yield batch


def save_folder(folder: str | os.PathLike[str], pipeline: Pipeline) -> None:
    """Write a checkpoint: a file for each rank, and an index that names them. Collective.

    The index is written last, so that a crash leaves the checkpoint before as it was.
    """
    pipeline.drain()
    comm, learner = pipeline.comm, pipeline.learner
    root, part = Path(folder), f"step-{learner.steps}"
    if comm.rank == 0:
        (root / part).mkdir(parents=True, exist_ok=True)
    comm.barrier()
    state = state_of(learner)
    mine = {block.number for block in pipeline.blocks}
    state["blocks"] = {n: block for n, block in state["blocks"].items() if n in mine}
    if not pipeline.is_last:
        state["source"] = None
    write(root / part / f"rank-{comm.rank}.pt", state)
    comm.barrier()
    if comm.rank == 0:
        files = [f"{part}/rank-{rank}.pt" for rank in range(comm.size)]
        index = root / "index.json.part"
        index.write_text(json.dumps({"files": files, "steps": learner.steps}))
        index.replace(root / "index.json")
        for old in root.glob("step-*"):
            if old.name != part:
                shutil.rmtree(old)
    comm.barrier()
