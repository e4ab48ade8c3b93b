"""Dense blocks without autograd: the derivative comes from the output, the memory is reused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["FusedDense", "fuse"]

_aten = torch.ops.aten


def _tanh(output: Tensor, gradient: Tensor) -> None:
    _aten.tanh_backward.grad_input(gradient, output, grad_input=gradient)


def _sigmoid(output: Tensor, gradient: Tensor) -> None:
    _aten.sigmoid_backward.grad_input(gradient, output, grad_input=gradient)


def _relu(output: Tensor, gradient: Tensor) -> None:
    _aten.threshold_backward.grad_input(gradient, output, 0, grad_input=gradient)


#: activation -> (in-place function, in-place multiplication of a gradient by its derivative)
_ACTIVATIONS: dict[type[nn.Module], tuple[Callable[[Tensor], Tensor], Callable[..., None]]] = {
    nn.Tanh: (torch.tanh_, _tanh),
    nn.Sigmoid: (torch.sigmoid_, _sigmoid),
    nn.ReLU: (torch.relu_, _relu),
}


@dataclass(frozen=True)
class FusedDense:
    """A linear layer and an activation, maybe after flattening.

    Attributes
    ----------
    flatten : bool
    linear : nn.Linear
    activation : type or None
        A key of the table of activations.
    """

    flatten: bool
    linear: nn.Linear
    activation: type[nn.Module] | None

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """The input as used and the output; no graph."""
        if self.flatten:
            h = h.flatten(1)
        out = functional.linear(h, self.linear.weight, self.linear.bias)
        if self.activation is not None:
            _ACTIVATIONS[self.activation][0](out)
        return h, out

    def backward(self, h: Tensor, out: Tensor, gradient: Tensor) -> None:
        """Add the gradients of weight and bias to theirs; `gradient` is used up."""
        gradient = gradient.contiguous()
        if self.activation is not None:
            _ACTIVATIONS[self.activation][1](out, gradient)
        h, gradient = h.flatten(0, -2), gradient.flatten(0, -2)
        weight = self.linear.weight
        bias: Tensor | None = self.linear.bias
        if weight.requires_grad:
            if weight.grad is None:
                weight.grad = gradient.T @ h
            else:
                weight.grad.addmm_(gradient.T, h)
        if bias is not None and bias.requires_grad:
            total = gradient.sum(0)
            bias.grad = total if bias.grad is None else bias.grad.add_(total)


def fuse(block: nn.Module) -> FusedDense | None:
    """The fused form of a block, or None if it is of another kind or has hooks."""
    parts = [block] if type(block) is not nn.Sequential else list(block)
    if not parts:
        return None
    if any(map(_has_hooks, [block, *parts])):
        return None
    flatten = type(parts[0]) is nn.Flatten
    if flatten:
        if parts[0].extra_repr() != "start_dim=1, end_dim=-1":
            return None
        parts = parts[1:]
    parts = [part for part in parts if type(part) is not nn.Identity]
    if not parts or type(parts[0]) is not nn.Linear or len(parts) > 2:
        return None
    activation = type(parts[1]) if len(parts) == 2 else None
    if activation is not None and activation not in _ACTIVATIONS:
        return None
    linear = parts[0]
    if any(p._backward_hooks or p._post_accumulate_grad_hooks for p in linear.parameters()):
        return None
    return FusedDense(flatten, linear, activation)


def _has_hooks(module: nn.Module) -> bool:
    names = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return any(getattr(module, name) for name in names)
