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

# Bits of a float32 that the short types do not have.
_SHORT = {torch.float16: 0x1FFF, torch.bfloat16: 0xFFFF}


def _twenty_four_bits(rng: np.random.Generator, out: torch.Tensor) -> torch.Tensor:
    """Fill with the random integers below 2**24 of which NumPy makes its float32 numbers.

    Shifted and converted with vector instructions, which NumPy's own loop does not use.
    """
    n = out.numel()
    bits = np.asarray(rng.bit_generator.random_raw((n + 1) // 2)).view(np.uint32)
    bits >>= 8
    return out.copy_(torch.from_numpy(bits.view(np.int32)[:n]).view(out.shape))


def uniform(rng: np.random.Generator, out: torch.Tensor, block: Block) -> None:  # noqa: ARG001
    """[0, 1): multiples of 2**-53 (float64) or 2**-24; short floats are rounded down from these."""
    if out.dtype is torch.float64:
        rng.random(out=out.numpy())
        return
    if out.dtype is torch.float32:
        _twenty_four_bits(rng, out).mul_(2**-24)
        return
    values = _twenty_four_bits(rng, torch.empty(out.shape)).mul_(2**-24)
    values.view(torch.int32).bitwise_and_(~_SHORT[out.dtype])
    out.copy_(values)


def normal(rng: np.random.Generator, out: torch.Tensor, block: Block) -> None:  # noqa: ARG001
    """Standard normal, by the exact transform of Box and Muller (1958).

    Twice as fast as NumPy's ziggurat, because NumPy's functions use vector instructions, and more
    of them than torch's.
    """
    n_pairs = (out.numel() + 1) // 2
    if out.dtype is torch.float64:
        values, unit = rng.random(2 * n_pairs), 1.0
    else:
        values, unit = _twenty_four_bits(rng, torch.empty(2 * n_pairs)).numpy(), 2**-24
    radius, angle = values[:n_pairs], values[n_pairs:]
    # 1 - u is exact and never 0.
    radius *= -unit
    radius += 1
    np.log(radius, out=radius)
    radius *= -2
    np.sqrt(radius, out=radius)
    angle *= 2 * math.pi * unit
    sines = np.sin(angle)
    np.cos(angle, out=angle)
    angle *= radius
    sines *= radius
    flat = out.view(-1)
    flat[:n_pairs] = torch.from_numpy(angle)
    flat[n_pairs:] = torch.from_numpy(sines[: out.numel() - n_pairs])


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
