"""A classifier of handwritten digits, trained without backpropagation, its layers on all ranks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

import f3
from tools.demo.figures import COLOURS, figure, to_svg
from tools.demo.stage import Checked, Context, Plot, Row, Stage

__all__ = ["ForwardTraining"]

TRAINED, WIDTH, EPOCHS, BATCH = 1300, 200, 15, 50


@dataclass(frozen=True)
class _Found:
    """The pipeline's model and history, and what each rank did."""

    model: nn.Sequential
    history: f3.History
    reports: list[f3.PipelineReport]


class ForwardTraining(Stage):
    """F3 in a pipeline of layers, against one process and scikit-learn."""

    name = "forward"
    shows = "a network that trains in the forward pass, with its layers spread over the ranks"
    package = "f3"

    def run(self, context: Context) -> _Found:
        """Each rank trains its layers; only activations and errors travel."""
        x, y = _digits()
        learner = _learner()
        # a rank needs a layer at least; those beyond stand by
        comm = context.comm.split(0 if context.comm.rank < len(learner.blocks) else None)
        if comm is None:
            return _Found(learner.model, f3.History(), [])
        pipeline = f3.Pipeline(learner, comm)
        train = f3.TensorBatches(x[:TRAINED], y[:TRAINED], BATCH)
        history = pipeline.fit(train, EPOCHS, validation=[(x[TRAINED:], y[TRAINED:])])
        return _Found(learner.model, history, pipeline.report())

    def check(self, context: Context, found: _Found) -> Checked:  # noqa: ARG002
        """The same in one process, and a linear model in scikit-learn."""
        from sklearn.linear_model import LogisticRegression

        x, y = _digits()
        alone = _learner()
        alone.fit(f3.TensorBatches(x[:TRAINED], y[:TRAINED], BATCH), EPOCHS)
        pairs = zip(found.model.parameters(), alone.model.parameters(), strict=True)
        difference = max(float((a - b).detach().abs().max()) for a, b in pairs)
        ours = found.history["val_accuracy"][-1]
        linear = LogisticRegression(max_iter=500).fit(x[:TRAINED].numpy(), y[:TRAINED].numpy())
        theirs = float(linear.score(x[TRAINED:].numpy(), y[TRAINED:].numpy()))
        places = ", ".join(f"{len(report.blocks)}" for report in found.reports)
        rows = (
            Row(
                f"weights, layers on the ranks: {places}",
                "equal",
                "one process",
                "equal",
                difference,
            ),
            Row(
                "accuracy on new digits",
                f"{100 * ours:.1f} %",
                "scikit-learn, linear",
                f"{100 * theirs:.1f} %",
                max(0.0, theirs - ours),
                0.015,
            ),
        )
        return Checked(rows, (_curves(found.history),), "No gradient went through a layer.")


def _digits() -> tuple[torch.Tensor, torch.Tensor]:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(3))
    return torch.tensor(x / 16, dtype=torch.float32)[order], torch.tensor(y)[order]


def _learner() -> f3.Learner:
    torch.manual_seed(1)
    return f3.Learner(
        f3.Sequential(nn.Sequential(nn.Linear(64, WIDTH), nn.Tanh()), nn.Linear(WIDTH, 10)),
        loss=nn.CrossEntropyLoss(),
        error=f3.DelayedError(TRAINED, damping=0.8),
        optimizer=lambda parameters: torch.optim.Adam(parameters, lr=3e-3),
    )


def _curves(history: f3.History) -> Plot:
    drawn, axes = figure(2)
    epochs = range(1, len(history) + 1)
    axes[0].plot(epochs, history["loss"], color=COLOURS[0], label="training")
    axes[0].plot(epochs, history["val_loss"], color=COLOURS[1], label="new digits")
    axes[0].set(title="loss", xlabel="epoch")
    axes[0].legend()
    axes[1].plot(epochs, [100 * a for a in history["val_accuracy"]], color=COLOURS[1])
    axes[1].set(title="accuracy on new digits, %", xlabel="epoch")
    return Plot(to_svg(drawn, "f3"), "Training by the errors of the epoch before.")
