"""Sums of absolute differences: the nearest centres, and medians of clusters; pure."""

from __future__ import annotations

import torch

__all__ = ["assign_by_sums", "weighted_medians"]

_BLOCK_ROWS = 1 << 13


def assign_by_sums(rows: torch.Tensor, centres: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The nearest centre of each row in the 1-norm, (n,) int64, and the distance to it, (n,)."""
    labels = rows.new_empty(len(rows), dtype=torch.int64)
    distances = rows.new_empty(len(rows))
    for start in range(0, len(rows), _BLOCK_ROWS):
        part = slice(start, start + _BLOCK_ROWS)
        found = torch.cdist(rows[part], centres, p=1.0).min(1)
        labels[part], distances[part] = found.indices, found.values
    return labels, distances


def weighted_medians(
    rows: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, previous: torch.Tensor
) -> torch.Tensor:
    """The medians of the rows of each cluster, coordinate by coordinate, (k, d).

    The median of weighted numbers is the mean of the least one up to which the weights make at
    least half of the total, and of the least one up to which they make more.

    Parameters
    ----------
    rows : torch.Tensor, (n, d)
    labels : torch.Tensor, (n,)
    weights : torch.Tensor, (n,)
    previous : torch.Tensor, (k, d)
        What an empty cluster keeps.
    """
    result = previous.clone()
    for number in range(len(previous)):
        mine = labels == number
        mass = weights[mine].double()
        if float(mass.sum()) <= 0:
            continue
        values, order = rows[mine].sort(dim=0)
        cumulative = mass[order].cumsum(0)
        half = cumulative[-1:] / 2
        last = len(values) - 1
        low = (cumulative < half).sum(0, keepdim=True).clamp_(max=last)
        high = (cumulative <= half).sum(0, keepdim=True).clamp_(max=last)
        result[number] = (values.gather(0, low) + values.gather(0, high))[0] / 2
    return result
