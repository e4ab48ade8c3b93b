"""Run a model once, to see what it does, without leaving a trace in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["run_once"]

#: Gets the name, the module, its inputs, and its output.
Observer = Callable[[str, nn.Module, tuple[Any, ...], Tensor], None]


def run_once(
    model: nn.Module, sample: Any, watched: Mapping[str, nn.Module], see: Observer
) -> None:
    """Run a model on a sample and call `see` after each watched module.

    There is no dropout, no change of batch statistics, no gradient, and no use of the global random
    state; each module's mode is what it was before.

    Parameters
    ----------
    model : nn.Module
    sample : Tensor or tuple
        The arguments of the model.
    watched : mapping of str to nn.Module
    see : callable
    """
    modes = [(module, module.training) for module in model.modules()]
    hooks = [
        module.register_forward_hook(lambda m, i, o, name=name: see(name, m, i, o))
        for name, module in watched.items()
    ]
    try:
        with torch.no_grad(), torch.random.fork_rng():
            model.eval()
            model(*sample if isinstance(sample, tuple) else (sample,))
    finally:
        for module, training in modes:
            module.training = training
        for hook in hooks:
            hook.remove()
