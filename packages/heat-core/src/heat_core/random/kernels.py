"""What fills one tile: the distributions that everything else is made of."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from heat_core.layout.plans import Block
from heat_core.random.philox import Draw

__all__ = ["elementwise", "integers", "normal", "uniform"]

_NUMPY: dict[torch.dtype, Any] = {torch.float32: np.float32, torch.float64: np.float64}
# Bits of a float32 that the short types do not have.
_SHORT = {torch.float16: 0x1FFF, torch.bfloat16: 0xFFFF}


def uniform(rng: np.random.Generator, out: torch.Tensor, block: Block) -> None:  # noqa: ARG001
    """[0, 1): multiples of 2**-53 (float64) or 2**-24; short floats are rounded down from these."""
    if out.dtype in _NUMPY:
        rng.random(out=out.numpy(), dtype=_NUMPY[out.dtype])
        return
    values = torch.empty(out.shape)
    rng.random(out=values.numpy(), dtype=np.float32)
    values.view(torch.int32).bitwise_and_(~_SHORT[out.dtype])
    out.copy_(values)


def normal(rng: np.random.Generator, out: torch.Tensor, block: Block) -> None:  # noqa: ARG001
    """Standard normal, by the exact transform of Box and Muller (1958).

    Twice as fast as NumPy's ziggurat, because torch computes it with vector instructions.
    """
    work = torch.float64 if out.dtype is torch.float64 else torch.float32
    n_pairs = (out.numel() + 1) // 2
    values = torch.empty(2 * n_pairs, dtype=work)
    rng.random(out=values.numpy(), dtype=_NUMPY[work])
    radius, angle = values[:n_pairs], values[n_pairs:]
    # 1 - u is exact and never 0.
    radius.neg_().add_(1).log_().mul_(-2).sqrt_()
    angle.mul_(2 * math.pi)
    flat = out.view(-1)
    n_sines = out.numel() - n_pairs
    if out.dtype is work:
        torch.cos(angle, out=flat[:n_pairs]).mul_(radius)
        torch.sin(angle[:n_sines], out=flat[n_pairs:]).mul_(radius[:n_sines])
    else:
        flat[:n_pairs] = torch.cos(angle).mul_(radius)
        flat[n_pairs:] = torch.sin(angle[:n_sines]).mul_(radius[:n_sines])


def integers(low: int, high: int) -> Draw:
    """Integers of [low, high), each with the same probability, by NumPy's rejection (Lemire)."""

    def draw(rng: np.random.Generator, out: torch.Tensor, block: Block) -> None:  # noqa: ARG001
        kind = out.numpy().dtype
        out.copy_(torch.from_numpy(np.asarray(rng.integers(low, high, tuple(out.shape), kind))))

    return draw


def elementwise(
    method: Callable[..., Any], gshape: tuple[int, ...], parameters: tuple[Any, ...]
) -> Draw:
    """Draws by a method of NumPy's generator.

    Parameters
    ----------
    method : callable
        Called with the generator, the parameters and a shape.
    gshape : tuple of int
    parameters : tuple of NumPy array
        Broadcast to ``gshape``; every tile gets its part.
    """
    stretched = [p if p.ndim == 0 else np.broadcast_to(p, gshape) for p in parameters]

    def draw(rng: np.random.Generator, out: torch.Tensor, block: Block) -> None:
        parts = (p if p.ndim == 0 else p[block] for p in stretched)
        out.copy_(torch.from_numpy(np.asarray(method(rng, *parts, tuple(out.shape)))))

    return draw
