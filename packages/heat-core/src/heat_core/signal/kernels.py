"""Convolutions of local tensors along their last axes; pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

import torch

__all__ = ["direct", "is_direct_cheaper", "transformed"]

_BLOCK_ELEMENTS = 1 << 15  # of the result, so that it stays in the cache for all taps
_DIRECT_TAPS = 48  # beyond, transforms are faster


def is_direct_cheaper(dtype: torch.dtype, taps: int) -> bool:
    """Whether taps are added one by one: exact for integers, and faster for small kernels."""
    return not (dtype.is_floating_point or dtype.is_complex) or taps <= _DIRECT_TAPS


def direct(
    x: torch.Tensor, kernel: torch.Tensor, extents: Sequence[int], strides: Sequence[int]
) -> torch.Tensor:
    """Sums of products, one tap of the kernel after the other.

    Parameters
    ----------
    x : torch.Tensor, (..., n_1, ..., n_d)
        With ``n_i >= (extents_i - 1) * strides_i + m_i``.
    kernel : torch.Tensor, (m_1, ..., m_d) or (..., m_1, ..., m_d)
        Leading axes are those of ``x``.
    extents : sequence of int
        Extents of the result.
    strides : sequence of int

    Returns
    -------
    torch.Tensor, (..., extents_1, ..., extents_d)
        Element ``j`` is the sum of ``kernel[k] * x[j * stride + m - 1 - k]``.
    """
    d = len(extents)
    batch = x.shape[: x.ndim - d]
    out = x.new_zeros((*batch, *extents))
    if out.numel() == 0:
        return out
    axis = x.ndim - d  # blocks along the first convolved axis
    rows = max(1, _BLOCK_ELEMENTS * extents[0] // out.numel())
    sizes = kernel.shape[kernel.ndim - d :]
    taps = list(product(*(range(m) for m in sizes)))
    own = kernel.ndim > d
    flat = kernel.reshape(*kernel.shape[: kernel.ndim - d], -1)
    weights = flat.unbind(-1) if own else flat.tolist()
    for start in range(0, extents[0], rows):
        count = min(rows, extents[0] - start)
        block = out.narrow(axis, start, count)
        for tap, weight in zip(taps, weights, strict=True):
            numbers = (count, *extents[1:])
            part = _last(x, _window(tap, sizes, numbers, strides, start))
            if own:
                block.addcmul_(part, weight.reshape(*batch, *(1,) * d))
            else:
                block.add_(part, alpha=weight)
    return out


def _window(
    tap: Sequence[int],
    sizes: Sequence[int],
    numbers: Sequence[int],
    strides: Sequence[int],
    start: int,
) -> list[slice]:
    """What a tap meets for ``numbers`` positions, from ``start`` on along the first axis."""
    found = []
    for axis, (k, m, number, stride) in enumerate(zip(tap, sizes, numbers, strides, strict=True)):
        first = (start * stride if axis == 0 else 0) + m - 1 - k
        found.append(slice(first, first + (number - 1) * stride + 1, stride))
    return found


def transformed(
    x: torch.Tensor, kernel: torch.Tensor, extents: Sequence[int], strides: Sequence[int]
) -> torch.Tensor:
    """The same by Fourier transforms; one axis in overlapping blocks ("overlap-save")."""
    d = len(extents)
    sizes = kernel.shape[kernel.ndim - d :]
    needed = [(n - 1) * s + m for n, s, m in zip(extents, strides, sizes, strict=True)]
    x = _last(x, [slice(n) for n in needed])
    steps = [slice(None, None, stride) for stride in strides]
    if prod(extents) == 0 or x.shape[: x.ndim - d].numel() == 0:
        return x.new_zeros((*x.shape[: x.ndim - d], *extents))
    if d == 1 and needed[0] > 16 * sizes[0]:
        return _last(_in_blocks(x, kernel, needed[0] - sizes[0] + 1), steps)
    points = [_good_length(n) for n in needed]
    whole = _multiplied(x, kernel, points)
    inside = [slice(m - 1, n) for m, n in zip(sizes, needed, strict=True)]
    return _last(_last(whole, inside), steps).contiguous()


def _last(x: torch.Tensor, slices: Sequence[slice]) -> torch.Tensor:
    """Slices of the last axes."""
    key: Any = (..., *slices)
    return x[key]


def _in_blocks(x: torch.Tensor, kernel: torch.Tensor, extent: int) -> torch.Tensor:
    m = kernel.shape[-1]
    points = _good_length(8 * m)
    step = points - m + 1
    n_blocks = -(-extent // step)
    padded = torch.nn.functional.pad(x, (0, (n_blocks - 1) * step + points - x.shape[-1]))
    blocks = padded.unfold(-1, points, step)
    kernel = kernel if kernel.ndim == 1 else kernel.unsqueeze(-2)
    valid = _multiplied(blocks, kernel, [points])[..., m - 1 :]
    return valid.reshape(*x.shape[:-1], n_blocks * step)[..., :extent]


def _multiplied(x: torch.Tensor, kernel: torch.Tensor, points: list[int]) -> torch.Tensor:
    axes = tuple(range(-len(points), 0))
    result: torch.Tensor
    if x.is_complex() or kernel.is_complex():
        spectrum = torch.fft.fftn(x, points, axes) * torch.fft.fftn(kernel, points, axes)
        result = torch.fft.ifftn(spectrum, points, axes)
    else:
        spectrum = torch.fft.rfftn(x, points, axes) * torch.fft.rfftn(kernel, points, axes)
        result = torch.fft.irfftn(spectrum, points, axes)
    return result


def _good_length(n: int) -> int:
    """The least number of the form 2**a, 3 * 2**a or 5 * 2**a that is not less than ``n``."""
    return min(factor << max(0, (-(-n // factor) - 1).bit_length()) for factor in (1, 3, 5))
