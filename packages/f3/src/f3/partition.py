"""Cutting a model into blocks: `Sequential`, each of whose children is a block, and `wrap`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from f3.errors import ModeError, PartitionError

if TYPE_CHECKING:
    from f3.learner import Learner

__all__ = ["Sequential", "wrap"]

Split = str | Sequence[int] | Callable[[nn.Module], bool]


class Sequential(nn.Sequential):
    """A chain of blocks, trained one by one. Otherwise an `nn.Sequential`, and made like one.

    A block is any module that takes one tensor and returns one. The last block with parameters is
    the head; it is trained by its true gradient, as is what comes after it.

    Notes
    -----
    ``model(x)`` is the plain, differentiable forward pass. With a `Learner` in mode "deferred",
    ``model(x, target=t, index=ids)`` trains the hidden blocks on the way; see there.
    """

    #: the learner in mode "deferred" that the model's forward pass belongs to
    learner: Learner | None = None

    def forward(self, input: Any, target: Tensor | None = None, index: Any = None) -> Any:  # noqa: A002
        """The output; hidden gradients on the way, if targets are given.

        Raises
        ------
        ModeError
            If targets are given without a deferred learner, or are missing with one.
        """
        if target is not None:
            if self.learner is None:
                raise ModeError(
                    "targets in the forward pass need a Learner(model, mode='deferred', ...)"
                )
            return self.learner.forward(input, target, index)
        if self.learner is not None and self.training and torch.is_grad_enabled():
            raise ModeError(
                "this model is trained by a deferred learner: call model(x, target=t, index=ids), "
                "or model.eval() and torch.no_grad() for predictions"
            )
        return super().forward(input)  # type: ignore[no-untyped-call]

    def extra_repr(self) -> str:
        """The number of hidden blocks."""
        return f"{len(self)} blocks, head: {head_position(self)}"

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state.pop("learner", None)  # copies are plain models
        return state


def has_parameters(module: nn.Module) -> bool:
    """Whether there is anything to train, frozen or not."""
    return next(module.parameters(), None) is not None


def head_position(model: nn.Sequential) -> int:
    """The index of the last block that has parameters."""
    positions = [i for i, block in enumerate(model) if has_parameters(block)]
    if not positions:
        raise PartitionError("the model has no parameters, so there is nothing to train")
    return positions[-1]


def device_of(model: nn.Sequential) -> torch.device:
    """Where the head is."""
    return next(model[head_position(model)].parameters()).device


def check_blocks(blocks: Sequence[nn.Module]) -> None:
    """Refuse parameters that belong to two blocks.

    Raises
    ------
    PartitionError
        Naming both.
    """
    owner: dict[Tensor, int] = {}
    for number, block in enumerate(blocks):
        for name, parameter in block.named_parameters():
            if owner.setdefault(parameter, number) != number:
                raise PartitionError(
                    f"parameter {name} of block {number} belongs to block {owner[parameter]} as "
                    "well; blocks are trained apart, so tied layers must be in one block"
                )


def wrap(model: nn.Module, split: Split = "auto", *, head_blocks: int = 1) -> Sequential:
    """Cut a sequential model into blocks; parameters are shared with it, not copied.

    Parameters
    ----------
    model : nn.Sequential
        Nested ones are opened, unless they are named children of a larger structure; every other
        module stays whole, so wrap a residual unit as one module.
    split : "auto", "each", list of int, or function
        "auto": a block begins at each module with trained layers, and takes what has no parameters
        or only normalises along; "each": every child is a block; a list: positions of the children
        at which blocks begin (0 need not be in it); a function: whether a block begins at a child.
    head_blocks : int
        How many of the last blocks form the head, trained by true gradients.

    Returns
    -------
    Sequential

    Raises
    ------
    PartitionError
        If the model isn't sequential, a cut is out of range, or parameters are tied across blocks.
    """
    if not isinstance(model, nn.Sequential) or type(model).forward not in {
        nn.Sequential.forward,
        Sequential.forward,
    }:
        raise PartitionError(
            f"{type(model).__name__} is not an nn.Sequential, so its blocks are unknown. Give "
            "f3.Sequential(block, ..., head); connections that skip a layer must lie inside a block"
        )
    children = list(model) if split == "each" else list(_opened(model))
    starts = _starts(children, split)
    parts = [children[a:b] for a, b in zip(starts, [*starts[1:], len(children)], strict=True)]
    if not 1 <= head_blocks <= len(parts):
        raise PartitionError(f"head_blocks must be from 1 to {len(parts)}, not {head_blocks}")
    hidden, last = parts[:-head_blocks], [*itertools.chain(*parts[-head_blocks:])]
    blocks = [part[0] if len(part) == 1 else nn.Sequential(*part) for part in [*hidden, last]]
    check_blocks(blocks)
    return Sequential(*blocks)


def _opened(model: nn.Sequential) -> list[nn.Module]:
    """The children, with plain nested sequences replaced by theirs."""
    children: list[nn.Module] = []
    for child in model:
        children += _opened(child) if type(child) is nn.Sequential else [child]
    return children


_NORMS = (
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
    nn.modules.batchnorm._NormBase,
)


def _starts(children: list[nn.Module], split: Split) -> list[int]:
    """Where blocks begin; the first is 0."""
    n = len(children)
    if not n:
        raise PartitionError("the model has no layers")
    if isinstance(split, str):
        if split not in {"auto", "each"}:
            raise PartitionError(
                f"split must be 'auto', 'each', positions or a function: {split!r}"
            )
        begins = [
            split == "each" or (has_parameters(child) and not isinstance(child, _NORMS))
            for child in children
        ]
    elif callable(split):
        begins = [bool(split(child)) for child in children]
    else:
        wrong = [cut for cut in split if not 0 <= cut < n]
        if wrong:
            raise PartitionError(f"cuts {wrong} are not among the positions 0 to {n - 1}")
        begins = [i in set(split) for i in range(n)]
    starts = [i for i, begin in enumerate(begins) if begin]
    if not starts or split == "each":
        return starts or [0]
    if callable(split) or not isinstance(split, str):
        return sorted({0, *starts})
    return [0, *starts[1:]]  # what comes before the first trained layer joins it
