"""Huge pages for torch's CPU allocator."""

from __future__ import annotations

import os

import torch

__all__ = ["enable_huge_pages"]

_VARIABLE = "THP_MEM_ALLOC_ENABLE"


def enable_huge_pages() -> None:
    """Let torch ask the kernel for huge pages for large tensors, as NumPy does. Local.

    Fresh memory in 4 KiB pages costs several times as much as the arithmetic that fills it. torch
    reads the variable once, at the first allocation of the process, so this comes too late if
    tensors exist already. A value that the user has set is respected.
    """
    if _VARIABLE in os.environ:
        return
    os.environ[_VARIABLE] = "1"
    try:
        torch.empty(1)  # makes torch read the variable
    finally:
        del os.environ[_VARIABLE]


# At import, because it must come before the first tensor; the environment is left as it was.
enable_huge_pages()
