"""torch.nn, and training of one network on all ranks: ``heat_core.nn``."""

from typing import Any

from heat_core.nn.data_parallel import DataParallel

__all__ = ["DataParallel"]


def __getattr__(name: str) -> Any:
    """Everything else is torch's."""
    import torch

    return getattr(torch.nn, name)
