"""Arithmetic of uint16, uint32 and uint64, for which torch has storage but few kernels.

16 and 32 bits are computed in the next wider signed type, and wrap around on the way back. 64 bits
are reinterpreted as int64: sums, products and bit patterns agree modulo 2**64 ("wrap"), and with
the sign bit flipped the order agrees, too ("order"). What is neither, such as division, NumPy does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch

__all__ = [
    "CARRIERS",
    "Carry",
    "carry",
    "numpy_on_uint64",
    "signed_view",
    "take_positions",
    "uncarry",
]

Carry = Literal["wrap", "order"]

CARRIERS: dict[torch.dtype, torch.dtype] = {
    torch.uint16: torch.int32,
    torch.uint32: torch.int64,
    torch.uint64: torch.int64,
}
_SIGN_BIT = -(1 << 63)


def carry(tensor: torch.Tensor, mode: Carry) -> torch.Tensor:
    """The tensor in its carrier type; tensors of other types are returned as they are."""
    carrier = CARRIERS.get(tensor.dtype)
    if carrier is None:
        return tensor
    if tensor.dtype is not torch.uint64:
        return tensor.to(carrier)
    bits = tensor.view(torch.int64)
    return bits ^ _SIGN_BIT if mode == "order" else bits


def uncarry(tensor: torch.Tensor, dtype: torch.dtype, mode: Carry) -> torch.Tensor:
    """Back from the carrier type to ``dtype``, if that is an unsigned type."""
    if dtype not in CARRIERS or tensor.dtype is not CARRIERS[dtype]:
        return tensor
    if dtype is not torch.uint64:
        return tensor.to(dtype)
    return (tensor ^ _SIGN_BIT if mode == "order" else tensor).view(torch.uint64)


_SIGNED = {
    torch.uint16: torch.int16,
    torch.uint32: torch.int32,
    torch.uint64: torch.int64,
}


def signed_view(tensor: torch.Tensor) -> torch.Tensor:
    """The same memory as signed integers, for kernels that only move elements."""
    signed = _SIGNED.get(tensor.dtype)
    return tensor if signed is None else tensor.view(signed)


def take_positions(tensor: torch.Tensor, axis: int, positions: torch.Tensor) -> torch.Tensor:
    """``index_select`` of all types."""
    return signed_view(tensor).index_select(axis, positions).view(tensor.dtype)


def numpy_on_uint64(ufunc: Callable[..., Any]) -> Callable[..., torch.Tensor]:
    """NumPy's function on the bits of uint64, which tensors of int64 and integers hold."""

    def compute(*bits: torch.Tensor | int) -> torch.Tensor:
        device = next(x.device for x in bits if isinstance(x, torch.Tensor))
        arrays = [
            x.cpu().numpy().view(np.uint64)
            if isinstance(x, torch.Tensor)
            else np.uint64(x % (1 << 64))
            for x in bits
        ]
        with np.errstate(divide="ignore"):
            result = np.asarray(ufunc(*arrays))
        return torch.from_numpy(result.view(np.int64)).to(device)

    return compute
