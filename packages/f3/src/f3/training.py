"""Training for several epochs: validation, early stopping, checkpoints, and a warning in time."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from f3.checkpoint import save
from f3.metrics import METRICS, Metric
from f3.sampling import ShardSampler, indexed
from f3.sources import CurrentError, DelayedError

if TYPE_CHECKING:
    from f3.learner import Learner

__all__ = ["EpochRecord", "History", "evaluate", "fit"]

logger = logging.getLogger(__name__)

#: below this cosine between stored and fresh errors, delayed feedback tends to oscillate
COSINE_LIMIT = 0.9
#: epochs before the warning
SETTLED = 5
#: share of the first loss below which errors are so small that their direction is noise
LEARNT = 0.25


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch brought.

    Attributes
    ----------
    epoch : int
        From 1.
    loss : float
        Mean of the batches' losses in training.
    seconds : float
        Without validation.
    staleness, cosine : float
        Distance and cosine of the errors used to those found; NaN without delayed errors.
    validation : dict
        Loss and metrics.
    """

    epoch: int
    loss: float
    seconds: float
    staleness: float = math.nan
    cosine: float = math.nan
    validation: dict[str, float] = field(default_factory=dict)

    def row(self) -> dict[str, float]:
        """All numbers in one level, those of the validation with ``val_`` before their names."""
        plain = asdict(self)
        validation = plain.pop("validation")
        return plain | {f"val_{name}": value for name, value in validation.items()}


@dataclass
class History:
    """The epochs of a call of `fit`.

    Attributes
    ----------
    epochs : list of EpochRecord
    stopped : str
        Why training ended.
    """

    epochs: list[EpochRecord] = field(default_factory=list)
    stopped: str = "epochs"

    def __len__(self) -> int:
        return len(self.epochs)

    def __getitem__(self, name: str) -> list[float]:
        return [record.row()[name] for record in self.epochs]


Callback = Callable[["Learner", EpochRecord], Any]


def fit(
    learner: Learner,
    train: Any,
    epochs: int,
    *,
    validation: Any = None,
    metrics: Mapping[str, Metric] | Sequence[str] | None = None,
    callbacks: Sequence[Callback] = (),
    patience: int | None = None,
    scheduler: Any = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> History:
    """Train until the learner has done so many epochs.

    Parameters
    ----------
    learner : Learner
    train : DataLoader, TensorBatches, or iterable of (index, x, target)
    epochs : int
        In all; a learner that was loaded from a checkpoint does those that are left, beginning in
        the middle of an epoch if it was saved there.
    validation : iterable of (x, target) or (index, x, target), optional
        Evaluated after each epoch; stored errors stay as they are.
    metrics : dict, or list of "accuracy", "mse", "mae", optional
        Default: accuracy for classification, mse for regression.
    callbacks : sequence of function
        Called with the learner and the record after each epoch; False ends the training.
    patience : int, optional
        End when the validation loss has not improved for so many epochs.
    scheduler : object, optional
        Of torch, made with `Learner.optimizer`; its ``step`` is called after each epoch.
    checkpoint : path, optional
        Written after each epoch.

    Returns
    -------
    History
    """
    if patience is not None and validation is None:
        raise ValueError("patience needs validation data")
    train = indexed(train, seed=learner.seed)
    learner.scheduler = scheduler or learner.scheduler
    history, best, best_epoch, warned = History(), math.inf, learner.epoch, False
    if learner.steps == 0:
        _forward_errors(learner, train)
    while learner.epoch < epochs:
        record = _run_epoch(learner, train)
        if validation is not None:
            record = EpochRecord(
                **{**vars(record), "validation": evaluate(learner, validation, metrics)}
            )
        history.epochs.append(record)
        warned = warned or _warn(learner, record, history.epochs[0].loss)
        _advance(learner, record)
        if checkpoint is not None:
            save(checkpoint, learner)
        if [f for f in callbacks if f(learner, record) is False]:
            history.stopped = "callback"
            break
        if validation is not None and record.validation["loss"] < best:
            best, best_epoch = record.validation["loss"], record.epoch
        if patience is not None and record.epoch - best_epoch >= patience:
            history.stopped = "patience"
            break
    return history


def _run_epoch(learner: Learner, train: Any) -> EpochRecord:
    start, total, batches = time.perf_counter(), torch.zeros((), dtype=torch.float64), 0
    source = learner.source
    if isinstance(source, DelayedError) and learner.batch == 0:
        source.staleness.reset()
    for index, x, target in resumed(train, learner.epoch, learner.batch):
        total += learner.step(x, target, index).loss.cpu()
        batches += 1
    if not batches:
        raise ValueError("the training data have no batches")
    distance = cosine = math.nan
    if isinstance(source, DelayedError):
        distance, cosine = source.staleness.distance, source.staleness.cosine
    seconds = time.perf_counter() - start
    return EpochRecord(learner.epoch + 1, float(total) / batches, seconds, distance, cosine)


def resumed(train: Any, epoch: int, batch: int) -> Iterator[Any]:
    """The batches of an epoch that are still to come."""
    sampler = getattr(train, "sampler", None)
    if isinstance(sampler, ShardSampler):
        sampler.epoch = epoch
        sampler.start = batch * train.batch_size
        try:
            yield from train
        finally:
            sampler.start = 0
        return
    if sampler is not None and hasattr(sampler, "set_epoch"):
        sampler.set_epoch(epoch)
    yield from islice(iter(train), batch, None)


def _advance(learner: Learner, record: EpochRecord) -> None:
    learner.epoch, learner.batch = record.epoch, 0
    scheduler = learner.scheduler
    if isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
        scheduler.step(record.validation.get("loss", record.loss))
    elif scheduler is not None:
        scheduler.step()


def _forward_errors(learner: Learner, train: Any) -> None:
    """Fill the store with the errors of the untrained network, if that was asked for."""
    source = learner.source
    if not isinstance(source, DelayedError) or source.init != "forward":
        return
    probe = CurrentError(source.kind, one_hot=source.one_hot)
    for index, x, target in resumed(train, 0, 0):
        batch = learner.check(x, target, index)
        visit, _ = learner.visit(learner.predict(x), batch)
        source.write(batch.index, probe.renew(None, None, visit).values)


def _warn(learner: Learner, record: EpochRecord, first_loss: float) -> bool:
    """Say what helps when stored errors have little to do with fresh ones; whether it was said."""
    source = learner.source
    if not isinstance(source, DelayedError) or record.epoch < SETTLED:
        return False
    if not record.cosine < COSINE_LIMIT or record.loss < LEARNT * first_loss:
        return False
    remedies = []
    if not source.one_hot and learner.n_outputs > 1 and not learner.criterion.is_regression:
        remedies.append("one_hot=True")
    if not source.damping:
        remedies.append("damping=0.8 (three or more hidden blocks)")
    if any(block.tap == "output" for block in learner.hidden if block.projection is not None):
        remedies.append("tap='layer_norm' (residual blocks)")
    logger.warning(
        "epoch %d: stored errors have a cosine of %.2f with the errors found, and a distance of "
        "%.2f of their norm: delayed feedback may oscillate. Try %s, or a smaller learning rate",
        record.epoch,
        record.cosine,
        record.staleness,
        ", ".join(remedies) or "CurrentError (DFA)",
    )
    return True


def evaluate(
    learner: Learner, loader: Any, metrics: Mapping[str, Metric] | Sequence[str] | None = None
) -> dict[str, float]:
    """Mean loss and metrics, in evaluation and without a trace in the stored errors.

    Parameters
    ----------
    learner : Learner
    loader : iterable of (x, target) or (index, x, target)
    metrics : dict, or list of names, optional

    Returns
    -------
    dict
        "loss", and each metric by name.
    """
    chosen = choose_metrics(learner, metrics)
    sums = dict.fromkeys(["loss", *chosen], 0.0)
    n = 0
    for *_, x, target in loader:
        learner.build(x)
        rows = score(learner, learner.predict(x), target, chosen)
        for name, value in rows.items():
            sums[name] += value * len(x)
        n += len(x)
    if not n:
        raise ValueError("there are no batches to evaluate")
    return {name: total / n for name, total in sums.items()}


def choose_metrics(
    learner: Learner, metrics: Mapping[str, Metric] | Sequence[str] | None
) -> dict[str, Metric]:
    """Metrics by name."""
    if metrics is None:
        metrics = ["mse" if learner.criterion.is_regression else "accuracy"]
    return dict(metrics) if isinstance(metrics, Mapping) else {m: METRICS[m] for m in metrics}


def score(
    learner: Learner, output: Tensor, target: Tensor, metrics: Mapping[str, Metric]
) -> dict[str, float]:
    """Loss and metrics of a batch."""
    criterion = learner.criterion
    targets = criterion.targets(target, tuple(output.shape), torch.float32)
    flat = output.reshape(-1, learner.n_outputs).float()
    total = criterion.elements(flat, targets).sum() / criterion.denominator(targets)
    return {"loss": float(total)} | {
        name: float(metric(criterion.activated(flat), targets)) for name, metric in metrics.items()
    }
