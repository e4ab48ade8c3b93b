"""Averaged copies of a model (EMA, SWA) whose layers change."""

from __future__ import annotations

import copy

import torch
from torch import nn

from lowrank.nn.factored import Factored
from lowrank.selection import replace_module

__all__ = ["remap_ema"]


@torch.no_grad()
def remap_ema(averaged: nn.Module, model: nn.Module) -> None:
    """Give an averaged copy of a model the forms and ranks that the model has now, in place.

    Call it after each change, ``controller.on("update", lambda _: remap_ema(averaged, model))``.
    Averages of weights go on: where the model has frozen bases, the average is that weight's part
    within them, and with two factors the `A` that is closest to it for the model's `B`.

    Parameters
    ----------
    averaged : nn.Module
        Such as `torch.optim.swa_utils.AveragedModel`, or a deep copy of the model.
    model : nn.Module
    """
    inner = getattr(averaged, "module", averaged)
    for name, layer in model.named_modules():
        own = inner.get_submodule(name)
        if not isinstance(layer, Factored):
            if isinstance(own, Factored):  # the model has gone back to the dense form
                replace_module(inner, own, own.dense())
            continue
        weight = own.weight
        assert isinstance(weight, torch.Tensor)
        mean = layer.view.matrix(weight)
        new = copy.deepcopy(layer)
        new.register_parameter("bias", own._parameters.get("bias"))
        if layer.form == "usv":
            new.S.data = (layer.U.mT @ mean @ layer.V.mT) / layer.scale
        else:
            new.A.data = mean @ torch.linalg.pinv(layer.B.float()).to(layer.B.dtype)
            new.B.data = layer.B.detach().clone()
        new.requires_grad_(weight.requires_grad)
        replace_module(inner, own, new)
