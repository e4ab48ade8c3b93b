"""Memory of large tensors: huge pages, and results in memory that is no longer used.

Fresh memory costs several times as much as the arithmetic that fills it: the kernel hands it out
page by page, and zeroes it.
"""

from __future__ import annotations

import math
import os
import sys
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from heat_core.config import config

__all__ = ["LARGE", "copied", "empty", "enable_huge_pages"]

_VARIABLE = "THP_MEM_ALLOC_ENABLE"
LARGE = 4 << 20
"""Bytes from which on memory is kept here; the C library keeps smaller pieces by itself."""


def enable_huge_pages() -> None:
    """Let torch ask the kernel for huge pages for large tensors, as NumPy does. Local.

    torch reads the variable once, at the first allocation of the process, so this comes too late
    if tensors exist already. A value that the user has set is respected.
    """
    if _VARIABLE in os.environ:
        return
    os.environ[_VARIABLE] = "1"
    try:
        torch.empty(1)  # makes torch read the variable
    finally:
        del os.environ[_VARIABLE]


def empty(
    shape: Sequence[int], dtype: torch.dtype, device: torch.device | None = None
) -> torch.Tensor:
    """``torch.empty``; a large tensor on the CPU lies where one of its size lay before. Local.

    The last results, up to ``config.spare_bytes`` of them, are remembered, and their memory is
    used again once no tensor, view or NumPy array refers to it.
    """
    n_bytes = math.prod(shape) * dtype.itemsize
    on_cpu = device is None or device.type == "cpu"
    if not on_cpu or not LARGE <= n_bytes <= config.spare_bytes:
        return torch.empty(shape, dtype=dtype, device=device)
    return torch.from_numpy(_memory(n_bytes)).view(dtype).view(shape)


def copied(tensor: torch.Tensor) -> torch.Tensor:
    """A contiguous copy, in memory from ``empty``. Local."""
    return empty(tensor.shape, tensor.dtype, tensor.device).copy_(tensor)


_Bytes = np.ndarray[Any, np.dtype[np.uint8]]
_remembered: deque[_Bytes] = deque()


def _memory(n_bytes: int) -> _Bytes:
    """Bytes that nothing refers to.

    A tensor made of a NumPy array keeps a reference to it as long as its storage lives. An array
    is looked at after it has been taken off the queue, so that two threads never take the same.
    """
    for _ in range(len(_remembered)):
        try:
            piece = _remembered.popleft()
        except IndexError:  # by another thread
            break
        is_unused = sys.getrefcount(piece) == _REFERENCES
        if is_unused and piece.nbytes == n_bytes:
            _remembered.append(piece)
            return piece
        _remembered.append(piece)
    # From torch, whose allocator aligns it.
    piece = torch.empty(n_bytes, dtype=torch.uint8).numpy()
    _remembered.append(piece)
    while sum(old.nbytes for old in tuple(_remembered)) > config.spare_bytes:
        _remembered.popleft()
    return piece


def _references() -> int:
    """What ``getrefcount`` says of an array to which only one local variable refers."""
    piece = np.empty(1)
    return sys.getrefcount(piece)


_REFERENCES = _references()

# At import, because it must come before the first tensor; the environment is left as it was.
enable_huge_pages()
