"""Recipes of feedback: what the user chooses, before shapes are known."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from f3.errors import FeedbackError
from f3.feedback.initialisers import INITIALISERS, Initialiser
from f3.feedback.projections import DrawnProjection, MatrixProjection, Projection, draw

__all__ = ["Dense", "Feedback", "PerChannel", "PerToken", "Seeded", "Shared", "as_feedback"]

Shape = tuple[int, ...]


class Feedback(ABC):
    """Makes the feedback of a block."""

    @abstractmethod
    def build(
        self, n_outputs: int, shape: Shape, widest: int, seeds: tuple[int, int]
    ) -> Projection:
        """The feedback of one block.

        Parameters
        ----------
        n_outputs : int
            C.
        shape : tuple of int
            Of the block's output, without the batch.
        widest : int
            Features of the largest block.
        seeds : (int, int)
            One for this block, and one that all blocks have in common.
        """


@dataclass(frozen=True)
class Dense(Feedback):
    """A matrix with an entry for each output and each feature.

    Parameters
    ----------
    init : str, function or Tensor
        A name of `f3.feedback.INITIALISERS`; a function (C, shape, generator) -> Tensor of shape
        (C, features), drawn for ``shape``; or the matrix itself.
    compact : bool
        Keep whole numbers as int8, a quarter of the memory.
    settings : dict
        Further arguments of the initialiser, such as ``{"scalar": 0.1}``.
    """

    init: str | Initialiser | Tensor = "trinomial"
    compact: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    shared_axes = ""

    def build(
        self,
        n_outputs: int,
        shape: Shape,
        widest: int,  # noqa: ARG002 - all recipes take it
        seeds: tuple[int, int],
    ) -> Projection:
        """The feedback of one block; parameters as in `Feedback.build`."""
        columns = self.columns(shape)
        if isinstance(self.init, Tensor):
            matrix = self.init.detach()
        else:
            matrix = draw(_known(self.init), n_outputs, columns, seeds[0], self.settings)
        if matrix.shape != (n_outputs, columns):
            raise FeedbackError(
                f"feedback of shape {tuple(matrix.shape)} does not fit a block that needs "
                f"({n_outputs}, {columns}): outputs of the model, features of the block"
            )
        return MatrixProjection(matrix, shape, self.shared_axes, compact=self.compact)

    def columns(self, shape: Shape) -> int:
        """Columns of the matrix of a block with outputs of this shape."""
        return math.prod(shape)


class PerChannel(Dense):
    """One column for each channel, for outputs (channels, height, width); all pixels share it."""

    shared_axes = "after"

    def columns(self, shape: Shape) -> int:
        """The number of channels."""
        return shape[0]


class PerToken(Dense):
    """One column for each feature of a token, for outputs (tokens, features); all tokens share it.

    The number of tokens may vary. If the model has an output for each token, a token gets the
    feedback of its own error.
    """

    shared_axes = "before"

    def columns(self, shape: Shape) -> int:
        """The number of features of a token."""
        return shape[-1]


@dataclass(frozen=True)
class Seeded(Feedback):
    """Nothing is kept: the matrix is drawn again for each batch, C times m random numbers.

    Equal to `Dense` with the same initialiser and seed. Parameters as in `Dense`; the initialiser
    must be one that draws its columns independently.
    """

    init: str = "trinomial"
    settings: dict[str, Any] = field(default_factory=dict)

    def build(
        self,
        n_outputs: int,
        shape: Shape,
        widest: int,  # noqa: ARG002 - all recipes take it
        seeds: tuple[int, int],
    ) -> Projection:
        """The feedback of one block; parameters as in `Feedback.build`."""
        _known(self.init)
        return DrawnProjection(self.init, n_outputs, shape, seeds[0], self.settings)


@dataclass(frozen=True)
class Shared(Feedback):
    """One matrix, as wide as the largest block; each block takes its first columns.

    Parameters as in `Dense`; the initialiser is one by name.
    """

    init: str = "trinomial"
    settings: dict[str, Any] = field(default_factory=dict)
    _drawn: dict[tuple[int, int, int], Tensor] = field(default_factory=dict, repr=False)

    def build(
        self, n_outputs: int, shape: Shape, widest: int, seeds: tuple[int, int]
    ) -> Projection:
        """The feedback of one block; parameters as in `Feedback.build`."""
        key = (n_outputs, widest, seeds[1])
        if key not in self._drawn:
            self._drawn[key] = draw(_known(self.init), n_outputs, widest, seeds[1], self.settings)
        return MatrixProjection(self._drawn[key][:, : math.prod(shape)], shape)


def _known(init: str | Initialiser) -> str | Initialiser:
    if isinstance(init, str) and init not in INITIALISERS:
        raise FeedbackError(
            f"there is no initialiser {init!r}; choose from {', '.join(sorted(INITIALISERS))}"
        )
    return init


def as_feedback(feedback: Feedback | str | Initialiser | Tensor) -> Feedback:
    """A recipe; names, functions and matrices mean `Dense`."""
    if isinstance(feedback, Feedback):
        return feedback
    if isinstance(feedback, str | torch.Tensor) or callable(feedback):
        return Dense(feedback)
    raise FeedbackError(f"{feedback!r} is no feedback: give a name, a matrix or a Feedback")
