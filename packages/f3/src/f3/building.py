"""Putting a learner together: checks of its settings, its blocks, and their feedback."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from f3.blocks import BlockSettings, TrainedBlock
from f3.errors import FeedbackError, ModeError
from f3.feedback import Dense, Feedback, as_feedback
from f3.feedback.projections import (
    DrawnProjection,
    MatrixProjection,
    Projection,
    draw,
    draw_columns,
)
from f3.feedback.signs import FEW_OUTPUTS, check_signs, with_both_signs
from f3.inspection import inspect
from f3.optimizers import OptimizerFactory, make_optimizers
from f3.partition import Sequential, check_blocks, head_position
from f3.seeds import FEEDBACK, derive
from f3.sources import ErrorSource

if TYPE_CHECKING:
    from f3.learner import Learner

__all__ = ["build_blocks", "build_feedback", "check_settings", "check_source"]

_CHOICES = {
    "mode": ("in_forward", "deferred", "bp", "shallow"),
    "scale": ("loss", "sum"),
    "normalize": (None, "fan_out"),
    "tap_axes": ("all", "last"),
    "clip_scope": ("block", "global"),
    "amp": (None, torch.bfloat16, torch.float16),
}


def check_settings(
    mode: str,
    scale: str,
    normalize: str | None,
    tap_axes: str,
    clip_scope: str,
    accumulate: int,
    amp: Any,
) -> None:
    """Refuse settings that do not exist, or contradict each other."""
    given = (mode, scale, normalize, tap_axes, clip_scope, amp)
    for (name, choices), value in zip(_CHOICES.items(), given, strict=True):
        if value not in choices:
            raise ValueError(f"{name} must be one of {choices}, not {value!r}")
    if clip_scope == "global" and mode != "bp":
        raise ModeError(
            "a norm over all blocks is not known before the last block has its gradient, so that "
            "no block could be updated on the way: use clip_scope='block'"
        )
    if accumulate < 1:
        raise ValueError(f"accumulate must be positive, not {accumulate}")


def check_source(mode: str, error: ErrorSource | None) -> None:
    """Refuse local training without error information."""
    if error is None and mode in {"in_forward", "deferred"}:
        raise ModeError(
            "say what the hidden blocks learn from: error=f3.DelayedError(len(train_set)) is F3, "
            "f3.CurrentError() is DFA, f3.TargetError() is DRTP"
        )


def build_blocks(
    model: Sequential,
    settings: BlockSettings,
    optimizer: OptimizerFactory | Mapping[str, OptimizerFactory] | None,
    lr_scale: Sequence[float] | None,
) -> list[TrainedBlock]:
    """The blocks in training, each with its optimiser; the last one is the head."""
    children = list(model)
    check_blocks(children)
    head = head_position(model)
    rest = children[head:]
    modules = [*children[:head], rest[0] if len(rest) == 1 else nn.Sequential(*rest)]
    trained = [[p for p in module.parameters() if p.requires_grad] for module in modules]
    made: list[Any] = [None] * len(modules)
    if optimizer is not None:
        made = list(make_optimizers(optimizer, trained, head, lr_scale))
    return [
        TrainedBlock(module, number, settings, made[number])
        for number, module in enumerate(modules)
    ]


def build_feedback(learner: Learner, x: Tensor) -> tuple[int, ...]:
    """Give the hidden blocks their feedback and taps; the shape of the output of a sample."""
    views = inspect([block.module for block in learner.blocks], x)
    output_shape = views[-1].shape
    positions, n_outputs = learner.criterion.layout(output_shape)
    learner.source.bind(n_outputs, positions)
    learned = [b for b in learner.hidden if b.is_trained]
    if learner.mode in {"bp", "shallow"}:
        return output_shape
    recipes = _one_each(learner.feedback, len(learned), "feedback")
    gammas = _one_each(learner.gamma, len(learned), "gamma")
    taps = _one_each(learner.tap, len(learned), "tap")
    widest = max((math.prod(views[block.number].shape) for block in learned), default=0)
    is_classification = n_outputs > 1 and not learner.criterion.is_regression
    for block, recipe, gamma, tap in zip(learned, recipes, gammas, taps, strict=True):
        view = views[block.number]
        if tap not in {"auto", "output", "layer_norm"}:
            raise ValueError(f"tap must be auto, output or layer_norm, not {tap!r}")
        block.tap_axes = learner.tap_axes
        block.tap = ("layer_norm" if view.is_residual else "output") if tap == "auto" else tap
        block.gain = float(gamma)
        if learner.normalize == "fan_out":
            block.gain /= math.sqrt(math.prod(view.shape))
        seeds = derive(learner.seed, FEEDBACK, block.number), derive(learner.seed, FEEDBACK)
        feedback = as_feedback(recipe)
        projection = feedback.build(n_outputs, view.shape, widest, seeds)
        if is_classification:
            _give_both_signs(projection, feedback, seeds[0])
        if is_classification and learner.source.one_hot:
            _check_signs(projection, block.number, strict=learner.strict)
        _move(projection, next(block.module.parameters()))
        block.attach(projection)
    return output_shape


def _give_both_signs(projection: Projection, feedback: Feedback, seed: int) -> None:
    """Draw columns of one sign again where there are few outputs.

    Needed for errors of one sign, and done for all kinds, so that these share their feedback.
    """
    if not isinstance(projection, MatrixProjection) or not isinstance(feedback, Dense):
        return
    n_outputs, width = projection.matrix.shape
    if 2 <= n_outputs <= FEW_OUTPUTS and isinstance(feedback.init, str):
        init, settings = feedback.init, feedback.settings

        def again(attempt: int) -> Tensor:
            drawn = draw(init, n_outputs, width, derive(seed, attempt), settings)
            return drawn.to(projection.matrix.dtype)

        projection.matrix = with_both_signs(projection.matrix, again)


def _check_signs(projection: Projection, block: int, *, strict: bool) -> None:
    if isinstance(projection, MatrixProjection):
        check_signs(projection.matrix, block, strict=strict)
    elif isinstance(projection, DrawnProjection):
        width = min(4096, math.prod(projection.shape))
        init, n_outputs, settings = projection.init, projection.n_outputs, projection.settings
        drawn = next(draw_columns(init, n_outputs, width, projection.seed, settings))
        check_signs(drawn, block, strict=strict)


def _move(projection: Projection, beside: Tensor) -> None:
    """Keep a matrix on the device, and in the type, of the block's parameters."""
    if isinstance(projection, MatrixProjection):
        keep = projection.matrix.dtype == torch.int8
        dtype = torch.int8 if keep else beside.dtype
        projection.matrix = projection.matrix.to(beside.device, dtype)


def _one_each(value: Any, n: int, what: str) -> list[Any]:
    """`n` values, from one for all or a list."""
    if not isinstance(value, list | tuple):
        return [value] * n
    if len(value) != n:
        raise FeedbackError(f"{what} needs {n} entries, one for each hidden block that is trained")
    return list(value)
