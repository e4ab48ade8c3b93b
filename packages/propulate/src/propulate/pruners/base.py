"""What a pruner is."""

from __future__ import annotations

from typing import Any

from propulate.individual import Individual

__all__ = ["Pruner", "TrialPruned"]


class TrialPruned(Exception):  # noqa: N818 - the name that Optuna's users know
    """Raised to end an evaluation that isn't promising."""


class Pruner:
    """Decides after each interim loss whether an evaluation goes on.

    The base class never prunes. Losses are to be minimised.
    """

    def start_run(self, ind: Individual) -> None:
        """An evaluation begins."""

    def cancel(self, loss: float) -> bool:  # noqa: ARG002 - part of the protocol
        """Whether to end the running evaluation, whose newest interim loss is `loss`."""
        return False

    def learn(self, ind: Individual) -> None:
        """A complete or pruned evaluation, of this or another worker, has become known."""

    def update(self, loss: float) -> None:
        """The running evaluation is complete (the original's protocol)."""

    def merge(self, data: Any) -> None:
        """Take in another worker's `data` (the original's protocol)."""

    def data(self) -> Any:
        """What `merge` takes; None if interim losses, which travel anyway, say it all."""
