"""torch.optim, and what training on all ranks needs: ``heat_core.optim``."""

from typing import Any

from heat_core.optim import plateau as utils
from heat_core.optim.data_parallel import DataParallelOptimizer

__all__ = ["DataParallelOptimizer", "utils"]


def __getattr__(name: str) -> Any:
    """Everything else, such as ``SGD`` and ``lr_scheduler``, is torch's."""
    import torch

    return getattr(torch.optim, name)
