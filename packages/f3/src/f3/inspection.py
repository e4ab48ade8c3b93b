"""A look at a model before training: output shapes of its blocks, and where errors should enter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

__all__ = ["BlockView", "inspect"]

_BOUNDED = {
    torch.tanh,
    Tensor.tanh,
    functional.tanh,
    torch.sigmoid,
    Tensor.sigmoid,
    functional.sigmoid,
    functional.softmax,
    torch.softmax,
    functional.hardtanh,
    functional.layer_norm,
    functional.batch_norm,
    functional.group_norm,
    functional.instance_norm,
    functional.rms_norm,
}
_ADD = {torch.add, Tensor.add, Tensor.add_, Tensor.__add__, Tensor.__iadd__, Tensor.__radd__}


@dataclass(frozen=True)
class BlockView:
    """What the output of a block looks like.

    Attributes
    ----------
    shape : tuple of int
        Without the batch.
    is_residual : bool
        Two activations are added in the block, and nothing bounds the sum.
    """

    shape: tuple[int, ...]
    is_residual: bool


class _Record(TorchFunctionMode):
    """Notes which function made the last tensors, and whether activations were added."""

    def __init__(self) -> None:
        super().__init__()
        self.adds = False
        self.made_by: tuple[Tensor, Any] | None = None

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in _ADD and len(args) > 1:
            left, right = args[0], args[1]
            self.adds |= (
                isinstance(left, Tensor)
                and isinstance(right, Tensor)
                and left.shape == right.shape
                and not isinstance(left, nn.Parameter)
                and not isinstance(right, nn.Parameter)
            )
        if isinstance(result, Tensor):
            self.made_by = result, func
        return result


def inspect(blocks: Sequence[nn.Module], x: Tensor) -> list[BlockView]:
    """Run the blocks on the first samples of a batch, leaving no trace in them.

    Parameters
    ----------
    blocks : sequence of nn.Module
    x : Tensor, (n, *)
    """
    views = []
    h = x[:2].detach()
    with _evaluating(blocks), torch.random.fork_rng(devices=[]):
        for block in blocks:
            record = _Record()
            # with gradients on, layers of torch take no fused path that hides what they do
            with record, torch.enable_grad():
                out = block(h)
            if not isinstance(out, Tensor) or out.shape[:1] != h.shape[:1]:
                raise TypeError(
                    f"{type(block).__name__} must return one tensor with a row for each sample"
                )
            maker = record.made_by
            bounded = maker is not None and maker[0] is out and maker[1] in _BOUNDED
            residual = (record.adds or _is_residual(block)) and not bounded
            views.append(BlockView(tuple(out.shape[1:]), residual))
            h = out.detach()
    return views


def _is_residual(block: nn.Module) -> bool:
    layers = (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)
    last = block[-1] if isinstance(block, nn.Sequential) and len(block) else block
    return isinstance(last, layers) and last.norm_first


@contextmanager
def _evaluating(blocks: Sequence[nn.Module]) -> Iterator[None]:
    """All modules in evaluation, and back in their modes afterwards."""
    modes = [(module, module.training) for block in blocks for module in block.modules()]
    for module, _ in modes:
        module.training = False
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
