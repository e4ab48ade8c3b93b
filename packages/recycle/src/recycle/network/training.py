"""Training with early stopping, on one process or data-parallel over ranks."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from recycle.network.batches import Batch, TokenSource
from recycle.network.config import NetworkConfig
from recycle.network.flat import FlatWeights
from recycle.network.layers import ReCycleNet
from recycle.teams import Team
from recycle.windows import Array

__all__ = ["TrainedNetwork", "train_network"]

logger = logging.getLogger(__name__)
Pairs = tuple[Array, Array]
Callback = Callable[[dict[str, float]], None]


@dataclass(frozen=True)
class TrainedNetwork:
    """A network with its best weights.

    Attributes
    ----------
    module : ReCycleNet
    history : tuple of dict
        Epoch, losses, rate and seconds of each epoch.
    interrupted : bool
        Whether the user stopped it, or the loss was no longer finite.
    """

    module: ReCycleNet
    history: tuple[dict[str, float], ...] = ()
    interrupted: bool = False

    @torch.inference_mode()
    def predict(self, source: TokenSource, series: int, origins: Array) -> Array:
        """Forecasts of windows, and their quantiles: ``(1 + Q, n, H)``, scaled as the data are."""
        self.module.eval()
        config, found = self.module.config, []
        together = source.n_series if config.channels == "attention" else 1
        for part in np.array_split(origins, -(-len(origins) * together // 1024)):
            one = np.full(len(part), series)
            batch = source.batch(one, part) if together == 1 else source.panel(part)
            out = self.module(batch.e, batch.d, batch.calendar_e, batch.calendar_d, together)
            out = out.unflatten(2, (self.module.outputs, -1)) + batch.level[..., None]
            own = out[series::together] if together > 1 else out
            found.append(own.transpose(1, 2).flatten(2).to(torch.float32).numpy())
        return np.concatenate(found).swapaxes(0, 1)

    @property
    def n_parameters(self) -> int:
        """Weights in all."""
        return sum(weights.numel() for weights in self.module.parameters())


def train_network(
    source: TokenSource,
    config: NetworkConfig,
    train: Pairs,
    validation: Pairs,
    team: Team,
    callbacks: Sequence[Callback] = (),
) -> TrainedNetwork:
    """Train on windows until the validation loss no longer falls. Collective over the team.

    Every rank draws the same batches and takes every size-th window of each; gradients are summed
    over the ranks before each step. Weights start the same, and stay the same. Where channels are
    mixed, all series of an origin count as one window.

    Parameters
    ----------
    source : TokenSource
        With dtype float64 if several ranks shall agree to rounding.
    train, validation : pairs of arrays
        Series and origins of the windows.
    team : Team
    callbacks : callables
        Called after each epoch with its row of the history.
    """
    if team.size > 1 and config.dropout:
        raise ValueError("Training on several ranks needs dropout=0: its draws differ with them")
    if team.size > 1:
        config = replace(config, time_budget=float("inf"))  # clocks of ranks differ
    torch.manual_seed(config.seed)
    data = source.windows.data.calendar
    module = ReCycleNet(config, data.period, source.n_history, source.n_future, data.n_features).to(
        source.dtype
    )
    run = _Training(source, config, module, train, validation, team)
    rows: list[dict[str, float]] = []
    interrupted = False
    try:
        for epoch in range(config.epochs):
            row = run.epoch(epoch)
            rows.append(row)
            logger.info(
                "epoch %d: train %.5f, validation %.5f", epoch, row["train_loss"], row["val_loss"]
            )
            for callback in callbacks:
                callback(row)
            interrupted = not np.isfinite(row["val_loss"])
            if interrupted:
                logger.warning("The loss is no longer finite; the best weights are kept")
            if interrupted or run.finished(len(rows)):
                break
    except KeyboardInterrupt:
        if team.size > 1:
            raise
        interrupted = True
        logger.warning("Interrupted; the best weights are kept")
    module.load_state_dict(run.best)
    module.eval()
    return TrainedNetwork(module, tuple(rows), interrupted)


def _huber(x: Tensor) -> Tensor:
    return nn.functional.huber_loss(x, torch.zeros_like(x), reduction="none")


LOSSES: dict[str, Callable[[Tensor], Tensor]] = {
    "mae": torch.abs,
    "mse": torch.square,
    "huber": _huber,
}


class _Training:
    def __init__(
        self,
        source: TokenSource,
        config: NetworkConfig,
        module: ReCycleNet,
        train: Pairs,
        validation: Pairs,
        team: Team,
    ) -> None:
        self.source, self.config, self.module, self.team = source, config, module, team
        self.together = source.n_series if config.channels == "attention" else 1
        self.train = self._grouped(train)
        held_out = self._grouped(validation)
        self.held_out = [
            self._windows(held_out, rows)
            for rows in np.array_split(np.arange(len(held_out[0])), 4)
            if len(rows)
        ]
        self.random = np.random.default_rng(config.seed)
        self.weights = FlatWeights(module)
        self.optimizer = self.weights.adam(config.rate, config.weight_decay)
        self.per_step = max(1, config.batch // self.together)
        self.per_epoch = min(max(1, config.windows_per_epoch // self.together), len(self.train[0]))
        steps = config.epochs * -(-self.per_epoch // self.per_step)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, _rates(config, steps))
        self.best = copy.deepcopy(module.state_dict())
        self.best_loss, self.best_epoch = self._validate(), -1
        self.started = time.perf_counter()

    def epoch(self, number: int) -> dict[str, float]:
        start = time.perf_counter()
        order = self.random.permutation(len(self.train[0]))[: self.per_epoch]
        mine = [
            order[first : first + self.per_step][self.team.rank :: self.team.size]
            for first in range(0, len(order), self.per_step)
        ]
        batch = self._windows(self.train, np.concatenate(mine))
        self.module.train()
        total = np.zeros(2)
        position = 0
        for part in mine:
            end = position + len(part) * self.together
            total += self._step(batch.rows(slice(position, end)))
            position = end
        total = self.team.allreduce(total)
        loss = self._validate()
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, number
            self.best = copy.deepcopy(self.module.state_dict())  # a copy: training goes on
        return {
            "epoch": float(number),
            "train_loss": float(total[0] / max(total[1], 1.0)),
            "val_loss": loss,
            "rate": float(self.optimizer.param_groups[0]["lr"]),
            "seconds": time.perf_counter() - start,
        }

    def _grouped(self, pairs: Pairs) -> Pairs:
        """Windows; or origins that some series can use, if all series are taken together."""
        if self.together == 1:
            return pairs
        origins = np.unique(pairs[1])
        return np.zeros_like(origins), origins

    def _windows(self, pairs: Pairs, rows: Array) -> Batch:
        series, origins = pairs[0][rows], pairs[1][rows]
        if self.together > 1:
            return self.source.panel(origins)
        return self.source.batch(series, origins)

    def finished(self, epochs: int) -> bool:
        elapsed = time.perf_counter() - self.started
        out_of_time = elapsed * (epochs + 1) / epochs > self.config.time_budget
        return out_of_time or epochs - 1 - self.best_epoch >= self.config.patience

    def _step(self, batch: Batch) -> Array:
        gradient = self.weights.gradient.zero_()
        loss, count = 0.0, 0.0
        if len(batch):
            summed, count = self._loss(batch)
            summed.backward()
            loss = float(summed.detach())
        whole = count
        if self.team.size > 1:
            packed = np.append(gradient.numpy().astype(np.float64), count)
            packed = self.team.allreduce(packed)
            gradient.copy_(torch.from_numpy(packed[:-1]))
            whole = float(packed[-1])
        gradient /= max(whole, 1.0)
        if np.isfinite(self.config.clip):
            self.weights.clip(self.config.clip)
        self.optimizer.step()
        self.schedule.step()
        return np.array([loss, count])

    def _loss(self, batch: Batch) -> tuple[Tensor, float]:
        """Sum of losses and number of known values."""
        out = self.module(batch.e, batch.d, batch.calendar_e, batch.calendar_d, self.together)
        known = torch.isfinite(batch.target)
        truth = batch.target.nan_to_num()
        point, *quantiles = out.chunk(self.module.outputs, dim=2)
        loss = LOSSES[self.config.loss](torch.where(known, point - truth, 0.0)).sum()
        for level, found in zip(self.config.quantiles, quantiles, strict=True):
            above = torch.where(known, truth - found, 0.0)
            loss = loss + torch.maximum(level * above, (level - 1) * above).sum()
        return loss, float(known.sum())

    @torch.inference_mode()
    def _validate(self) -> float:
        self.module.eval()
        total = np.zeros(2)
        for number, batch in enumerate(self.held_out):
            if number % self.team.size == self.team.rank:
                summed, count = self._loss(batch)
                total += [float(summed), count]
        total = self.team.allreduce(total)
        return float(total[0] / max(total[1], 1.0))


def _rates(config: NetworkConfig, steps: int) -> Callable[[int], float]:
    """Cosine to a tenth after a twentieth of warm-up; constant for the paper's network."""
    if config.kind == "paper":
        return lambda step: 1.0
    warm = max(1, steps // 20)

    def rate(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        return 0.55 + 0.45 * float(np.cos(np.pi * min(1.0, (step - warm) / max(1, steps - warm))))

    return rate
