"""Transforms of local tensors, empty ones included."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import torch

__all__ = ["complex_transform", "mirror_half", "real_signal", "real_spectrum"]

# The norm with which the forward transform scales as the inverse one does with this norm.
_REVERSED = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


def complex_transform(
    local: torch.Tensor, axes: Sequence[int], norm: str, *, inverse: bool
) -> torch.Tensor:
    """Complex to complex along some axes."""
    if local.numel() == 0:
        # The library behind torch refuses them.
        return local.to(local.dtype.to_complex())
    if not local.is_complex() and len(axes) > 1 and local.device.type == "cpu":
        # Along one axis torch is as fast with complex numbers.
        spectrum = _whole_spectrum(local, axes, _REVERSED[norm] if inverse else norm)
        return spectrum.conj().resolve_conj() if inverse else spectrum
    transformed: torch.Tensor
    if len(axes) == 1:  # needs no copy of real numbers, as several axes do
        one = torch.fft.ifft if inverse else torch.fft.fft
        transformed = one(local, dim=axes[0], norm=norm)
    else:
        several = torch.fft.ifftn if inverse else torch.fft.fftn
        transformed = several(local, dim=tuple(axes), norm=norm)
    return transformed


def _whole_spectrum(local: torch.Tensor, axes: Sequence[int], norm: str) -> torch.Tensor:
    """The spectrum of real numbers, of which one half is the mirror image of the other."""
    *others, last = axes
    half = real_spectrum(local, axes, norm)
    result = half.new_empty(local.shape)
    result.narrow(last, 0, half.shape[last]).copy_(half)
    mirror_half(result, half, others, last)
    return result


def mirror_half(
    whole: torch.Tensor,
    part: torch.Tensor,
    others: Sequence[int],
    last: int,
    *,
    start: int = 0,
    turned: int = -1,
) -> None:
    """Write mirror images into the spectrum of real numbers: ``whole[k] = conj(part[-k])``.

    Parameters
    ----------
    whole : torch.Tensor, with n numbers along the axis ``last``
        On the CPU. Of it, numbers from ``n // 2 + 1`` on are written.
    part : torch.Tensor
        With the numbers from ``start`` on along ``last``, at most ``n // 2 + 1``.
    others : sequence of int
        The other axes that were transformed.
    last : int
    start : int
    turned : int
        An axis along which ``part`` has the frequencies that belong to those of ``whole``, but
        in reverse order.
    """
    # NumPy walks backwards without a copy. -k is n - k, but 0 is 0.
    source, target = part.numpy(), whole.numpy()
    zero, rest = (slice(0, 1), slice(0, 1)), (slice(1, None), slice(None, 0, -1))
    n = whole.shape[last]
    low, high = max(start, 1), min(start + part.shape[last], (n + 1) // 2)
    for chosen in product((zero, rest), repeat=len(others)):
        into, out_of = ([slice(None)] * whole.ndim for _ in range(2))
        for axis, (to, of) in zip(others, chosen, strict=True):
            into[axis], out_of[axis] = to, of
        into[last], out_of[last] = (
            slice(n - high + 1, n - low + 1),
            slice(low - start, high - start),
        )
        if turned >= 0:
            out_of[turned] = slice(None, None, -1)
        images = np.flip(source[tuple(out_of)], last)
        np.conjugate(images, out=target[tuple(into)])


def real_spectrum(local: torch.Tensor, axes: Sequence[int], norm: str) -> torch.Tensor:
    """Real to complex: ``n // 2 + 1`` numbers of ``n`` along the last of the axes."""
    axis = axes[-1]
    if local.numel() == 0:
        return local.new_empty(
            _resized(local, axis, local.shape[axis] // 2 + 1), dtype=local.dtype.to_complex()
        )
    spectrum: torch.Tensor = torch.fft.rfftn(local, dim=tuple(axes), norm=norm)
    return spectrum


def real_signal(local: torch.Tensor, n: int, axes: Sequence[int], norm: str) -> torch.Tensor:
    """Complex to real: ``n`` numbers of ``n // 2 + 1`` along the last of the axes."""
    if local.numel() == 0:
        return local.new_empty(_resized(local, axes[-1], n), dtype=local.dtype.to_real())
    extents = [*(local.shape[axis] for axis in axes[:-1]), n]
    signal: torch.Tensor = torch.fft.irfftn(local, s=extents, dim=tuple(axes), norm=norm)
    return signal


def _resized(local: torch.Tensor, axis: int, extent: int) -> tuple[int, ...]:
    return (*local.shape[:axis], extent, *local.shape[axis + 1 :])
