"""Plots of histories and comparisons, with matplotlib."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from f3.compare.results import Outcome

if TYPE_CHECKING:
    from f3.training import History

__all__ = ["plot_history", "plot_outcomes"]


def plot_history(history: History, axes: Any = None) -> Any:
    """Losses by epoch, and the cosine of stored and fresh errors on a second axis.

    Parameters
    ----------
    history : History
    axes : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    axes = _axes(axes)
    epochs = [record.epoch for record in history.epochs]
    axes.plot(epochs, history["loss"], label="training loss")
    if all("loss" in record.validation for record in history.epochs):
        axes.plot(epochs, history["val_loss"], label="validation loss")
    beside = axes.twinx()
    beside.plot(epochs, history["cosine"], "k:", label="cosine of errors")
    beside.set(ylabel="cosine of stored and fresh errors", ylim=(-1.05, 1.05))
    axes.set(xlabel="epoch", ylabel="loss")
    axes.legend()
    return axes


def plot_outcomes(outcomes: Sequence[Outcome], axes: Any = None) -> Any:
    """Test scores of each algorithm, mean and deviation over seeds, by depth."""
    axes = _axes(axes)
    tests = [outcome for outcome in outcomes if outcome.part == "test"]
    names = list(dict.fromkeys(outcome.algorithm for outcome in tests))
    depths = sorted({outcome.depth for outcome in tests})
    for place, depth in enumerate(depths):
        cells = [
            [o.score for o in tests if (o.algorithm, o.depth) == (name, depth)] for name in names
        ]
        means = [statistics.mean(cell) for cell in cells]
        spreads = [statistics.pstdev(cell) for cell in cells]
        where = [i + place * 0.8 / len(depths) for i in range(len(names))]
        axes.errorbar(where, means, spreads, fmt="o", capsize=3, label=f"{depth} hidden")
    axes.set_xticks(range(len(names)), names, rotation=30)
    axes.set_ylabel("test score")
    axes.legend()
    return axes


def _axes(axes: Any) -> Any:
    if axes is not None:
        return axes
    from matplotlib import pyplot as plt

    return plt.subplots()[1]
