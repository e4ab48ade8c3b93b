"""Feedback matrices at work: from the errors of a batch to the pseudo-gradients of a block."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from f3.errors import FeedbackError
from f3.feedback.initialisers import INITIALISERS, Initialiser
from f3.seeds import FEEDBACK, derive
from f3.signals import Signal

__all__ = ["BY_COLUMN", "DrawnProjection", "MatrixProjection", "Projection", "draw", "draw_columns"]

#: columns that are drawn together, from their own seed
CHUNK = 65_536
#: initialisers that can draw some columns without the others
BY_COLUMN = {
    "kaiming_uniform",
    "trinomial",
    "binomial",
    "rademacher",
    "discrete_uniform",
    "normal",
}


class Projection(ABC):
    """The feedback of one block.

    Parameters
    ----------
    shape : tuple of int
        Of the block's output, without the batch.
    shared_axes : str
        ``""``: an entry for each feature; ``"after"``: one for each first index (channel), shared
        by the positions after it; ``"before"``: one for each last index, shared by the tokens
        before it.
    """

    def __init__(self, shape: tuple[int, ...], shared_axes: str = "") -> None:
        self.shape, self.shared_axes = shape, shared_axes

    @abstractmethod
    def product(self, signal: Signal) -> Tensor:
        """Errors times matrix, (m, columns)."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """What is needed to project in the same way."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over the feedback of a state."""

    def apply(self, signal: Signal, n: int) -> Tensor:
        """The pseudo-gradient of a batch of `n` samples, (n, *shape)."""
        product = self.product(signal)
        shape = self.shape
        if len(product) != n:  # an error for each token, which goes to this token
            tokens = len(product) // n
            if self.shared_axes != "before" or shape[:-1] != (tokens,):
                raise FeedbackError(
                    f"the model has {tokens} outputs a sample, each with its error: blocks with "
                    f"outputs of shape {shape} need PerToken feedback and {tokens} tokens"
                )
            return product.reshape(n, *shape)
        if not self.shared_axes:
            return product.reshape(n, *shape)
        if self.shared_axes == "after":
            return product.reshape(n, -1, *[1] * (len(shape) - 1)).expand(n, *shape)
        return product.reshape(n, *[1] * (len(shape) - 1), -1).expand(n, *shape)


class MatrixProjection(Projection):
    """Feedback that is kept as a matrix (C, columns).

    Integers are kept as int8 and converted when used, if `compact`.
    """

    def __init__(
        self,
        matrix: Tensor,
        shape: tuple[int, ...],
        shared_axes: str = "",
        *,
        compact: bool = False,
    ) -> None:
        super().__init__(shape, shared_axes)
        if compact:
            small = matrix.to(torch.int8)
            if not torch.equal(small.to(matrix.dtype), matrix):
                raise FeedbackError("only whole numbers from -128 to 127 can be kept as int8")
            matrix = small
        self.matrix = matrix

    def product(self, signal: Signal) -> Tensor:
        """Errors times matrix, (m, columns)."""
        return signal.project(self.matrix)

    def state_dict(self) -> dict[str, Any]:
        """The matrix."""
        return {"matrix": self.matrix}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a matrix."""
        self.matrix = state["matrix"].to(self.matrix.device)


class DrawnProjection(Projection):
    """Feedback that is drawn from its seed whenever it is used, and never kept."""

    def __init__(
        self, init: str, n_outputs: int, shape: tuple[int, ...], seed: int, settings: dict[str, Any]
    ) -> None:
        super().__init__(shape)
        self.init, self.n_outputs, self.seed, self.settings = init, n_outputs, seed, settings

    def product(self, signal: Signal) -> Tensor:
        """Errors times matrix, a chunk of columns after the other, (m, columns)."""
        width = math.prod(self.shape)
        result = signal.values.new_empty(len(signal), width)
        start = 0
        for part in draw_columns(self.init, self.n_outputs, width, self.seed, self.settings):
            stop = start + part.shape[1]
            result[:, start:stop] = signal.project(part.to(result.device))
            start = stop
        return result

    def state_dict(self) -> dict[str, Any]:
        """The seed."""
        return {"seed": self.seed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a seed."""
        self.seed = state["seed"]


def draw_columns(
    init: str, n_outputs: int, width: int, seed: int, settings: dict[str, Any]
) -> Iterator[Tensor]:
    """The columns of a matrix, in chunks that are drawn from seeds of their own."""
    if init not in BY_COLUMN:
        raise FeedbackError(f"Seeded feedback draws single columns, and {init} can't; use Dense")
    for chunk, start in enumerate(range(0, width, CHUNK)):
        generator = torch.Generator().manual_seed(derive(seed, FEEDBACK, chunk))
        columns = min(CHUNK, width - start)
        yield INITIALISERS[init](n_outputs, columns, generator, fan_in=width, **settings)


def draw(
    init: str | Initialiser, n_outputs: int, width: int, seed: int, settings: dict[str, Any]
) -> Tensor:
    """A whole matrix, (C, width); the same as that of `draw_columns` for the same seed."""
    if isinstance(init, str) and init in BY_COLUMN:
        return torch.cat([*draw_columns(init, n_outputs, width, seed, settings)], 1)
    function = INITIALISERS[init] if isinstance(init, str) else init
    generator = torch.Generator().manual_seed(derive(seed, FEEDBACK))
    return function(n_outputs, width, generator, **settings)
