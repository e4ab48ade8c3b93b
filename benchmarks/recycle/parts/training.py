"""Training of the peers within a budget of CPU time, by the same windows and choices as ours."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from parts.ett import TEST, TRAIN, VALIDATION
from parts.peers import ITransformer
from recycle.cyclic import CyclicData

__all__ = ["Trained", "WindowTensors", "test_scores", "train"]

LOOKBACK = 336


@dataclass(frozen=True)
class WindowTensors:
    """Views of all windows of a data set; nothing is copied before a batch is taken.

    Attributes
    ----------
    windows : (S, T - L - H + 1, L + H)
    horizon : int
    """

    windows: Tensor
    horizon: int

    @classmethod
    def of(cls, data: CyclicData, horizon: int) -> WindowTensors:
        """Windows of the filled series."""
        values = torch.from_numpy(data.filled)
        return cls(values.unfold(1, LOOKBACK + horizon, 1), horizon)

    def origins(self, span: tuple[int, int]) -> Tensor:
        """Rows whose targets lie within a span."""
        return torch.arange(max(span[0] - LOOKBACK, 0), span[1] - self.horizon - LOOKBACK + 1)

    def take(self, rows: Tensor, series: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Histories and targets: of one series a row, or of all."""
        both = self.windows[:, rows] if series is None else self.windows[series, rows]
        if series is None:  # the series of one window are neighbours
            both = both.transpose(0, 1).flatten(0, 1)
        return both[:, :LOOKBACK], both[:, LOOKBACK:]


@dataclass(frozen=True)
class Trained:
    """A peer with its best weights.

    Attributes
    ----------
    model : Module
    val_mse : float
        On every 24th window of the validation months and their neighbours, see `train`.
    best_s, spent_s : float
        CPU seconds of training until the best weights, and in all, without validation.
    epochs : float
        Passes over the training windows.
    """

    model: nn.Module
    val_mse: float
    best_s: float
    spent_s: float
    epochs: float


def train(
    make: Callable[[int, int], nn.Module],
    windows: WindowTensors,
    *,
    budget: float,
    rates: Sequence[float] = (1e-3, 3e-4),
    batch: int = 128,
    checks: int = 8,
    seed: int = 0,
) -> Trained:
    """Train with each rate for its share of the budget, and keep what validates best.

    Adam, squared error, the rate falls to zero as a cosine of the time spent; validation takes
    every fifth window, at `checks` times.

    Parameters
    ----------
    make : callable
        From lookback and horizon.
    windows : WindowTensors
    budget : float
        CPU seconds over all rates.
    """
    share = budget / len(rates)
    found = [_train(make, windows, share, rate, batch, checks, seed) for rate in rates]
    return min(found, key=lambda one: one.val_mse)


def _train(
    make: Callable[[int, int], nn.Module],
    windows: WindowTensors,
    budget: float,
    rate: float,
    batch: int,
    checks: int,
    seed: int,
) -> Trained:
    torch.manual_seed(seed)
    model = make(LOOKBACK, windows.horizon)
    together = isinstance(model, ITransformer)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    origins, held_out = windows.origins(TRAIN), windows.origins(VALIDATION)[::5]
    n_series = len(windows.windows)
    best, best_loss, best_s, spent, seen, check = model.state_dict(), np.inf, 0.0, 0.0, 0, 1
    while spent < budget:
        start = time.process_time()
        for group in optimizer.param_groups:
            group["lr"] = rate * 0.5 * (1 + np.cos(np.pi * spent / budget))
        count = batch // n_series if together else batch
        rows = origins[torch.randint(len(origins), (count,))]
        x, y = windows.take(rows, None if together else torch.randint(n_series, (count,)))
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
        seen += len(x)
        spent += time.process_time() - start
        if spent < check * budget / checks:
            continue
        check += 1
        loss = _errors(model, windows, held_out)[0]
        if loss < best_loss:
            best, best_loss, best_s = copy.deepcopy(model.state_dict()), loss, spent
    model.load_state_dict(best)
    return Trained(model, best_loss, best_s, spent, seen / len(origins) / n_series)


def test_scores(model: nn.Module, windows: WindowTensors) -> list[float]:
    """Mean squared and mean absolute error over all test windows."""
    return _errors(model, windows, windows.origins(TEST))


@torch.no_grad()
def _errors(model: nn.Module, windows: WindowTensors, rows: Tensor) -> list[float]:
    model.eval()
    sums, count = np.zeros(2), 0
    for part in rows.split(64):
        x, y = windows.take(part)
        error = model(x) - y
        sums += [float((error**2).sum()), float(error.abs().sum())]
        count += error.numel()
    model.train()
    return [float(total) / count for total in sums]
