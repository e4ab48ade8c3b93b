"""Initial weights for low-rank training."""

from __future__ import annotations

import torch
from torch import nn

from lowrank.linalg import polar_factor, thin_svd
from lowrank.views import view_of

__all__ = ["orthogonal_"]


@torch.no_grad()
def orthogonal_(model: nn.Module, *, keep_gain: bool = True) -> nn.Module:
    """Make all singular values of each layer's weight equal, in place.

    Each weight becomes its own orthogonal polar factor ("ortho-sigma" of AB-training). No random
    number is drawn, so that ranks with equal weights stay equal.

    Parameters
    ----------
    model : nn.Module
        Linear layers and convolutions are changed.
    keep_gain : bool
        Scale the result to the weight's Frobenius norm; else all singular values are 1.

    Returns
    -------
    nn.Module
        The model.
    """
    for module in model.modules():
        view = view_of(module)
        weight = module._parameters.get("weight")
        if view is None or weight is None:
            continue
        matrix = view.matrix(weight)
        factor = polar_factor(matrix)
        if keep_gain:
            s = thin_svd(matrix).s
            factor = factor * s.square().mean(dim=-1).sqrt()[..., None, None]
        weight.copy_(view.tensor(factor))
    return model
