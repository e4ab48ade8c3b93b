"""`torch.compile` for models whose ranks change."""

from __future__ import annotations

from typing import Any

from torch import nn

from lowrank.nn.factored import Factored

__all__ = ["compile"]


def compile(model: nn.Module, **options: Any) -> nn.Module:  # noqa: A001 - as in torch
    """Compile a model in place, so that a change of a rank needs no new graph.

    `torch.compile` alone makes a graph for each rank, and after eight gives up without a word.
    Here ranks are dynamic sizes of the graphs. A layer that leaves the dense form is a new layer:
    that does compile anew. Ranks that are multiples of 8 (``rank_multiple``) suit most devices.

    Parameters
    ----------
    model : nn.Module
        Keeps its identity and its class.
    **options
        Of `torch.nn.Module.compile`: ``backend``, ``mode``, ...

    Returns
    -------
    nn.Module
        The model.
    """
    from torch._dynamo import config

    model.compile(**options)
    compiled: Any = model._compiled_call_impl
    Factored.has_dynamic_rank = True
    for module in model.modules():
        if isinstance(module, Factored):
            module.mark_rank()

    def call(*arguments: Any, **keywords: Any) -> Any:
        # graphs are made during a call; parameters have fixed shapes in them by default
        with config.patch(force_parameter_static_shapes=False):
            return compiled(*arguments, **keywords)

    model._compiled_call_impl = call
    return model
