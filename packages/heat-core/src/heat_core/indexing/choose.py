"""Elements of one tensor where a mask holds, and of another elsewhere; pure."""

from __future__ import annotations

import torch

from heat_core.memory import empty

__all__ = ["choose"]

_INTEGERS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_BLOCK = 1 << 16  # elements, so that what is between two steps stays in the cache
_SHORT = 1 << 14


def choose(mask: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """``torch.where`` of tensors of one type, which broadcast.

    A processor guesses wrong at every other element of an irregular mask, which costs more than
    computing ``((a ^ b) & mask) ^ b`` of the bits.
    """
    integer = _INTEGERS.get(a.dtype.itemsize)
    if (
        integer is None
        or not mask.is_cpu
        or mask.numel() < _SHORT
        or not all(x.is_contiguous() and x.shape in (mask.shape, ()) for x in (mask, a, b))
    ):
        return torch.where(mask, a, b)
    out = empty(mask.shape, a.dtype)
    blocks = [
        x.view(kind).reshape(-1).split(_BLOCK)
        if x.dim()
        else [x.view(kind)] * -(-mask.numel() // _BLOCK)
        for x, kind in ((mask, torch.int8), (a, integer), (b, integer), (out, integer))
    ]
    bits = torch.empty(_BLOCK, dtype=integer)
    for chosen, from_a, from_b, target in zip(*blocks, strict=True):
        ones = bits[: target.numel()]
        ones.copy_(chosen).neg_()
        torch.bitwise_xor(from_a, from_b, out=target)
        target.bitwise_and_(ones).bitwise_xor_(from_b)
    return out
