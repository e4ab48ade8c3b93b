"""Sums of powers of the numbers of one rank; pure."""

from __future__ import annotations

import math

import torch

__all__ = ["centred_sums", "double", "near_mean", "shifted", "sum_over"]

_BLOCK_ELEMENTS = 1 << 17  # differences of a block stay in the cache
_WIDTH = 1024  # elements of a row that keep vector units busy
_SAMPLE = 1024  # rows, of which the mean is near that of all


def double(tensor: torch.Tensor) -> torch.Tensor:
    """The numbers in double precision, real or complex."""
    return tensor.to(torch.complex128 if tensor.is_complex() else torch.float64)


def _blocks(local: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The tensor in pieces along its first axis, each small enough for the cache."""
    if local.numel() <= _BLOCK_ELEMENTS:
        return (local,)
    rows = max(1, _BLOCK_ELEMENTS * local.shape[0] // local.numel())
    return tuple(local.split(rows))


def _widening(local: torch.Tensor, axes: tuple[int, ...]) -> int:
    """How many rows of a table are better seen as one, where rows are summed; else 1."""
    if axes != (0,) or local.dim() != 2 or not local.is_contiguous():
        return 1
    number = _WIDTH // max(1, local.shape[1])
    return max(1, number) if number * _WIDTH <= local.numel() else 1


def centred_sums(
    local: torch.Tensor, centre: torch.Tensor, axes: tuple[int, ...], order: int
) -> list[torch.Tensor]:
    """Sums over ``axes`` of ``(local - centre)**k`` for k from 1 to ``order``, in one pass.

    Parameters
    ----------
    local : torch.Tensor
    centre : torch.Tensor
        With the reduced axes kept.
    axes : tuple of int
    order : int

    Returns
    -------
    list of torch.Tensor
        In double precision, with the reduced axes kept. Second power of complex numbers:
        ``|local - centre|**2``.
    """
    shape = centre.shape
    if len(axes) == local.dim() and local.is_contiguous():
        local, centre, axes = local.reshape(-1), centre.reshape(1), (0,)
    number = _widening(local, axes)
    if number > 1:
        rows = local.shape[0] // number * number
        wide = local[:rows].view(-1, number * local.shape[1])
        parts = [
            centred_sums(wide, centre.repeat(1, number), axes, order),
            _power_sums(local[rows:], centre, axes, order),
        ]
        return [a.view(number, *shape).sum(0) + b for a, b in zip(*parts, strict=True)]
    blocks = _blocks(local)
    if 0 in axes:
        parts = [_power_sums(block, centre, axes, order) for block in blocks]
        # Rounding within a block is that of its type; blocks are added in double precision.
        return [sum(sums).reshape(shape) for sums in zip(*parts, strict=True)]
    centres = centre.split([block.shape[0] for block in blocks])
    parts = [
        _power_sums(block, part, axes, order) for block, part in zip(blocks, centres, strict=True)
    ]
    return [torch.cat(sums) for sums in zip(*parts, strict=True)]


def _power_sums(
    block: torch.Tensor, centre: torch.Tensor, axes: tuple[int, ...], order: int
) -> list[torch.Tensor]:
    power = deviation = block - centre
    sums = [double(deviation.sum(axes, keepdim=True))]
    if order == 2 and deviation.dim() == 1 and not deviation.is_complex():
        return [*sums, double(torch.dot(deviation, deviation).reshape(1))]
    for exponent in range(2, order + 1):
        if deviation.is_complex():
            power = deviation.real**2 + deviation.imag**2
        else:
            power = power.mul_(deviation) if exponent > 2 else power * deviation
        sums.append(double(power.sum(axes, keepdim=True)))
    return sums


def sum_over(local: torch.Tensor, dims: tuple[int, ...], keepdims: bool) -> torch.Tensor:
    """The sums over some axes, of narrow tables in double precision."""
    number = _widening(local, dims)
    if number == 1:
        return torch.sum(local, dims, keepdim=keepdims)
    columns = local.shape[1]
    rows = local.shape[0] // number * number
    wide = local[:rows].view(-1, number * columns).sum(0).view(number, columns)
    return double(torch.cat((wide, local[rows:]))).sum(0, keepdim=keepdims)


def near_mean(local: torch.Tensor, dims: tuple[int, ...]) -> torch.Tensor:
    """The mean, or that of some rows; reduced axes are kept."""
    if 0 in dims:
        local = local[:: max(1, local.shape[0] // _SAMPLE)]
    n = math.prod(local.shape[axis] for axis in dims)
    return torch.sum(local, dims, keepdim=True) / max(1, n)


def shifted(n: int, sums: list[torch.Tensor], d: torch.Tensor) -> list[torch.Tensor]:
    """Power sums of ``n`` elements about a point ``d`` below the point of ``sums``.

    The binomial expansion of ``((x - c) + d)**k``, k from 2.
    """
    if d.is_complex():
        first, second = sums
        cross = d.real * first.real + d.imag * first.imag
        return [second + 2 * cross + n * (d.real**2 + d.imag**2)]
    powers = [torch.full_like(d, n), *sums]
    return [
        sum(math.comb(k, j) * d ** (k - j) * powers[j] for j in range(k)) + powers[k]
        for k in range(2, len(powers))
    ]
