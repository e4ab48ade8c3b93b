"""Hyper-parameters of a network on handwritten digits, searched by all ranks."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

import propulate
from tools.demo.figures import COLOURS, figure, to_svg
from tools.demo.stage import Checked, Context, Plot, Row, Stage

__all__ = ["Propulate"]

N_TRIALS = 48
EPOCHS = 6
LIMITS = {
    "rate": propulate.Float(1e-4, 0.3, log=True),
    "decay": propulate.Float(1e-6, 1e-1, log=True),
    "width": propulate.Int(4, 64, log=True),
    "activation": propulate.Categorical(["relu", "tanh", "logistic"]),
    "solver": propulate.Categorical(["adam", "sgd"]),
    "momentum": propulate.Float(0.0, 0.99, when={"solver": "sgd"}),
}
DEFAULTS = {"rate": 1e-3, "decay": 1e-4, "width": 64, "activation": "relu", "solver": "adam"}


@dataclass(frozen=True)
class _Found:
    """The result, and how many individuals each rank knows in the end."""

    result: propulate.Result
    known: tuple[int, ...]


def training(params: Mapping[str, Any]) -> Iterator[float]:
    """The share of wrong answers on validation data after each epoch."""
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    train, test = order[:700], order[700:1400]
    model = MLPClassifier(
        (params["width"],),
        activation=params["activation"],
        solver=params["solver"],
        alpha=params["decay"],
        learning_rate_init=params["rate"],
        momentum=params.get("momentum", 0.9),
        batch_size=64,
        random_state=0,
    )
    for _ in range(EPOCHS):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            model.partial_fit(images[train] / 16, labels[train], classes=range(10))
        yield 1 - float(model.score(images[test] / 16, labels[test]))


class Propulate(Stage):
    """An asynchronous search with pruning, against training anew in scikit-learn."""

    name = "hyperparameters"
    shows = "asynchronous search with conditional parameters and pruning, by all ranks"
    package: ClassVar[str] = "propulate"

    def run(self, context: Context) -> _Found:
        """Search; each rank trains its own candidates and never waits for another one."""
        result = propulate.Propulator(
            training,
            limits=LIMITS,
            max_evaluations=N_TRIALS,
            surrogate_factory=propulate.pruners.MedianPruner,
            checkpoint_path=None,
            comm=context.comm,
            seed=1,
        ).propulate()
        return _Found(result, tuple(context.comm.handle.allgather(len(result))))

    def check(self, context: Context, found: _Found) -> Checked:  # noqa: ARG002
        """Train the best anew, and compare with scikit-learn's default values."""
        result = found.result
        *_, again = training(result.best_params)
        *_, usual = training(DEFAULTS)
        rows = (
            Row(
                "evaluations known on each rank",
                ", ".join(map(str, found.known)),
                "the budget",
                f"{N_TRIALS}",
                float(max(abs(n - N_TRIALS) for n in found.known)),
            ),
            Row(
                "validation error of the best",
                f"{result.best_loss:.4f}",
                "scikit-learn, trained anew",
                f"{again:.4f}",
                abs(result.best_loss - again),
            ),
            Row(
                "not worse than the default values",
                f"{result.best_loss:.4f}",
                "scikit-learn's defaults",
                f"≤ {usual:.4f}",
                max(0.0, result.best_loss - usual),
            ),
        )
        remark = f"{result.n_pruned} of {len(result)} were ended early; the best: " + ", ".join(
            f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in result.best_params.items()
        )
        return Checked(rows, (_curves(result),), f"{remark}.")


def _curves(result: propulate.Result) -> Plot:
    drawn, axes = figure(2)
    for ind in result:
        best = ind == result.best
        pruned = ind.status == propulate.Status.PRUNED
        colour = COLOURS[1] if best else COLOURS[4] if pruned else COLOURS[0]
        epochs = range(1, len(ind.interim) + 1)
        axes[0].plot(epochs, ind.interim, color=colour, lw=2 if best else 0.7, zorder=2 + best)
    axes[0].set(xlabel="epoch", ylabel="validation error", yscale="log")
    axes[0].set_title("best, complete and pruned")
    shares = result.importances()
    axes[1].barh(list(shares)[::-1], list(shares.values())[::-1], color=COLOURS[2])
    axes[1].set_title("which parameters matter")
    caption = "Training curves of all candidates, and the parameters' shares in the final error."
    return Plot(to_svg(drawn, "propulate"), caption)
