"""The statistics of normalisation layers, averaged as those of all data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["pooled_variances"]


@contextmanager
def pooled_variances(model: nn.Module) -> Iterator[None]:
    """Within the block, running variances are second moments, whose mean is exact.

    So averaging gives the variance of all data, ``mean(var) + var(mean)``.
    """
    norms: list[Any] = [m for m in model.modules() if _has_statistics(m)]
    with torch.no_grad():
        for norm in norms:
            norm.running_var.add_(norm.running_mean.square())
        yield
        for norm in norms:
            norm.running_var.sub_(norm.running_mean.square()).clamp_(min=0)


def _has_statistics(module: Any) -> bool:
    mean, var = getattr(module, "running_mean", None), getattr(module, "running_var", None)
    return isinstance(mean, Tensor) and isinstance(var, Tensor) and mean.shape == var.shape
