"""A callback for Lightning's trainer."""

from __future__ import annotations

from typing import Any

from lowrank.integrations.attached import Attached

try:
    from lightning.pytorch.callbacks import Callback
except ImportError:  # the callback is made of plain methods; a trainer wants its own base class
    Callback = object

__all__ = ["LowRankCallback"]


class LowRankCallback(Attached, Callback):  # type: ignore[misc]
    """Trains a `LightningModule` with one optimiser in low rank; parameters as in `Attached`.

    Strategies that wrap the module for data-parallel training can't be used; give a `comm`.

    Examples
    --------
    >>> import lowrank
    >>> from lowrank.integrations.lightning import LowRankCallback
    >>> callback = LowRankCallback(lambda steps: lowrank.OIALRConfig(total_steps=steps))
    """

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Attach to the trainer's optimiser."""
        if len(trainer.optimizers) != 1:
            raise ValueError(f"one optimiser is needed, there are {len(trainer.optimizers)}")
        self.begin(pl_module, trainer.optimizers[0], int(trainer.estimated_stepping_batches))

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Leave the optimiser alone."""
        self.end()
