"""A callback for the trainer of Hugging Face's transformers."""

from __future__ import annotations

from typing import Any

from lowrank.integrations.attached import Attached

try:
    from transformers import TrainerCallback
except ImportError:  # the callback is made of plain methods; a trainer wants its own base class
    TrainerCallback = object

__all__ = ["LowRankTrainerCallback"]


class LowRankTrainerCallback(Attached, TrainerCallback):  # type: ignore[misc]
    """Trains a `transformers` model in low rank; parameters as in `Attached`.

    Examples
    --------
    >>> import lowrank
    >>> from lowrank.integrations.hf import LowRankTrainerCallback
    >>> callback = LowRankTrainerCallback(lambda steps: lowrank.OIALRConfig(total_steps=steps))
    """

    def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:  # noqa: ARG002
        """Attach to the trainer's optimiser."""
        self.begin(given["model"], given["optimizer"], int(state.max_steps))

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Leave the optimiser alone."""
        self.end()
