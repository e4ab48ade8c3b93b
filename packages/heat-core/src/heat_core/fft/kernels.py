"""Transforms of local tensors, empty ones included."""

from __future__ import annotations

from collections.abc import Sequence

import torch

__all__ = ["complex_transform", "real_signal", "real_spectrum"]


def complex_transform(
    local: torch.Tensor, axes: Sequence[int], norm: str, *, inverse: bool
) -> torch.Tensor:
    """Complex to complex along some axes."""
    if local.numel() == 0:
        # The library behind torch refuses them.
        return local.to(local.dtype.to_complex())
    transformed: torch.Tensor = (torch.fft.ifftn if inverse else torch.fft.fftn)(
        local, dim=tuple(axes), norm=norm
    )
    return transformed


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
