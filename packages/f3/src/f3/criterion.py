"""The loss, taken apart: elements, what their sum is divided by, and the gradient at the output."""

from __future__ import annotations

import copy
import functools
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from f3.errors import ModeError

__all__ = ["Criterion", "Targets"]

Loss = Callable[[Tensor, Tensor], Tensor]

#: what turns the output of the model into probabilities, for each loss
_ACTIVATIONS: dict[Any, str] = {
    nn.CrossEntropyLoss: "softmax",
    functional.cross_entropy: "softmax",
    nn.NLLLoss: "exp",
    functional.nll_loss: "exp",
    nn.BCEWithLogitsLoss: "sigmoid",
    functional.binary_cross_entropy_with_logits: "sigmoid",
    nn.BCELoss: "probability",
    functional.binary_cross_entropy: "probability",
}
_REGRESSION = {
    nn.MSELoss,
    nn.L1Loss,
    nn.SmoothL1Loss,
    nn.HuberLoss,
    functional.mse_loss,
    functional.l1_loss,
    functional.smooth_l1_loss,
    functional.huber_loss,
}
_EPSILON = 1e-7


@dataclass(frozen=True)
class Targets:
    """Targets of a batch at its m output positions.

    Attributes
    ----------
    rows : Tensor, (m, C)
        One-hot, soft, or of a regression. Ignored positions are zero.
    classes : Tensor or None, (m,)
        Class ids, if the targets came as such; 0 at ignored positions.
    ignored : Tensor or None, (m,)
        True at positions that have no loss.
    """

    rows: Tensor
    classes: Tensor | None = None
    ignored: Tensor | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def ids(self) -> Tensor:
        """The class ids, also of one-hot rows, (m,).

        Raises
        ------
        ModeError
            If the rows are not one-hot.
        """
        if self.classes is not None:
            return self.classes
        ids = self.rows.argmax(1)
        if not torch.equal(functional.one_hot(ids, self.rows.shape[1]).to(self.rows), self.rows):
            raise ModeError("one-hot errors need class ids as targets; use one_hot=False")
        return ids


class Criterion:
    """A loss that can be evaluated without its reduction.

    Parameters
    ----------
    loss : nn.Module or function
        Has a setting or an argument ``reduction``, as those of torch.

    Raises
    ------
    TypeError
        If the loss has no ``reduction``.
    """

    def __init__(self, loss: Any) -> None:
        self.loss = loss
        base = loss.func if isinstance(loss, functools.partial) else loss
        self._kind: Any = type(loss) if isinstance(loss, nn.Module) else base
        settings: dict[str, Any] = getattr(loss, "keywords", {})
        if isinstance(loss, nn.Module) and hasattr(loss, "reduction"):
            self.reduction = str(loss.reduction)
            each: Any = copy.copy(loss)
            each.reduction = "none"
            self._elements: Loss = each
        elif callable(loss) and "reduction" in inspect.signature(loss).parameters:
            self.reduction = str(settings.get("reduction", "mean"))
            self._elements = functools.partial(loss, reduction="none")
        else:
            raise TypeError(
                f"the loss {loss!r} has no setting reduction='none', which gives the error of each "
                "sample: use a loss of torch, or a function with an argument named reduction"
            )
        if self.reduction not in {"mean", "sum"}:
            raise ValueError(f"the reduction of the loss must be mean or sum, not {self.reduction}")
        weight = getattr(loss, "weight", settings.get("weight"))
        self._weight: Tensor | None = weight
        self._ignore = int(getattr(loss, "ignore_index", settings.get("ignore_index", -100)))
        self.activation = _ACTIVATIONS.get(self._kind, "identity")
        self.is_regression = self._kind in _REGRESSION
        self.takes_ids = not (self.is_regression or self.activation in {"sigmoid", "probability"})

    def layout(self, output_shape: tuple[int, ...]) -> tuple[int, int]:
        """Positions of a sample that have an error each, and the number of outputs C of each.

        Parameters
        ----------
        output_shape : tuple of int
            Of one sample: () or (C,); or (T, C), which a classification takes as T positions.
        """
        size = math.prod(output_shape)
        n_outputs = size if self.is_regression or not output_shape else output_shape[-1]
        return size // n_outputs, n_outputs

    def targets(self, target: Tensor, output_shape: tuple[int, ...], dtype: torch.dtype) -> Targets:
        """Check targets against the output of the model, and bring them into one form.

        Parameters
        ----------
        target : Tensor
            Class ids, (n,) or (n, T); or rows shaped like the output, where (n,) means (n, 1).
        output_shape : tuple of int
            (n,), (n, C) or (n, T, C), the batch included.
        dtype : torch.dtype
            Of the rows.

        Raises
        ------
        ValueError
            If the shapes contradict each other. Nothing is broadcast.
        """
        _, n_outputs = self.layout(output_shape[1:])
        if self.is_regression or target.is_floating_point():
            if _columns(target.shape) != _columns(output_shape):
                raise ValueError(_mismatch(target, output_shape))
            return Targets(target.to(dtype).reshape(-1, n_outputs))
        if tuple(target.shape) != output_shape[:-1] or target.dtype == torch.bool:
            raise ValueError(_mismatch(target, output_shape))
        classes = target.reshape(-1).long()
        ignored = classes == self._ignore if self.takes_ids else None
        if ignored is not None and bool(ignored.any()):
            classes = classes.masked_fill(ignored, 0)
        else:
            ignored = None
        if len(classes) and not 0 <= int(classes.min()) <= int(classes.max()) < n_outputs:
            raise ValueError(
                f"class ids must be from 0 to {n_outputs - 1}, as the model has {n_outputs} "
                f"outputs; found {int(classes.min())} to {int(classes.max())}"
            )
        rows = functional.one_hot(classes, n_outputs).to(dtype)
        if ignored is not None:
            rows[ignored] = 0
        return Targets(rows, classes, ignored)

    def elements(self, output: Tensor, targets: Targets) -> Tensor:
        """The loss without reduction: (m,), or (m, C) for element-wise losses."""
        if targets.classes is not None and self.takes_ids:
            ids = targets.classes
            if targets.ignored is not None:
                ids = ids.masked_fill(targets.ignored, self._ignore)
            return self._elements(output, ids)
        return self._elements(output, targets.rows)

    def denominator(self, targets: Targets) -> float:
        """What the sum of all elements is divided by."""
        if self.reduction == "sum":
            return 1.0
        if targets.classes is None or not self.takes_ids:
            return float(len(targets) if self.takes_ids else targets.rows.numel())
        if self._weight is not None:
            weights = self._weight.to(targets.rows.device)[targets.classes]
            if targets.ignored is not None:
                weights = weights.masked_fill(targets.ignored, 0)
            return float(weights.sum())
        ignored = 0 if targets.ignored is None else int(targets.ignored.sum())
        return float(max(1, len(targets) - ignored))

    def gradient(self, output: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
        """The sum of all elements, and its gradient at the output.

        Parameters
        ----------
        output : Tensor, (m, C)

        Returns
        -------
        total : Tensor, ()
        gradient : Tensor, (m, C)
        """
        with torch.enable_grad():
            leaf = output.detach().requires_grad_()
            total = self.elements(leaf, targets).sum()
            total.backward()
        assert leaf.grad is not None
        return total.detach(), leaf.grad

    def activated(self, output: Tensor) -> Tensor:
        """What an output predicts: probabilities, or the output itself for a regression."""
        match self.activation:
            case "softmax":
                return output.softmax(-1)
            case "sigmoid":
                return output.sigmoid()
            case "exp":
                return output.exp()
            case _:
                return output

    def gradient_at_prediction(self, output: Tensor, targets: Targets) -> Tensor:
        """The gradient at the activated output; finite for saturated probabilities, (m, C)."""
        with torch.enable_grad():
            leaf = self.activated(output.detach()).clone().requires_grad_()
            self._at_prediction(leaf, targets).backward()
        assert leaf.grad is not None
        return leaf.grad

    def _at_prediction(self, prediction: Tensor, targets: Targets) -> Tensor:
        if self.activation == "identity":
            return self.elements(prediction, targets).sum()
        # the clamp must not cut the gradient: (u.clamp() - u).detach() + u has u's gradient
        inside = prediction.clamp(_EPSILON, 1 - _EPSILON)
        inside = prediction + (inside - prediction).detach()
        match self.activation:
            case "softmax" | "exp":
                inside = inside.log()
            case "sigmoid":
                inside = torch.logit(inside)
        return self.elements(inside, targets).sum()

    def gradient_at_logits(self, output: Tensor, gradient: Tensor, targets: Targets) -> Tensor:
        """The gradient at the raw output, (m, C), given the one at the model's output."""
        if self.activation != "probability":
            return gradient
        difference = output - targets.rows  # binary cross entropy of a sigmoid, in closed form
        return difference if self._weight is None else difference * self._weight


def _columns(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape, with (n,) as (n, 1)."""
    return (*shape, 1) if len(shape) == 1 else tuple(shape)


def _mismatch(target: Tensor, output_shape: tuple[int, ...]) -> str:
    return (
        f"targets of shape {tuple(target.shape)} and type {target.dtype} do not fit outputs of "
        f"shape {output_shape}: give class ids of shape {output_shape[:-1]} as integers, or floats "
        f"of shape {output_shape}"
    )
