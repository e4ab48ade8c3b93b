"""One pass of k-means over the samples of a rank; pure.

Rows are taken in blocks that stay in the cache, and each block is read once: distances by a matrix
product, the nearest centre, and the sums of the rows of each centre by another product.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

__all__ = ["Assignment", "accumulate", "assign", "squared_distances"]

_BLOCK_ROWS = 1 << 14


@dataclass(frozen=True, slots=True)
class Assignment:
    """Sums over the samples of each centre.

    Parameters
    ----------
    sums : torch.Tensor, (k, d)
        Of the samples, weighted; float64.
    weights : torch.Tensor, (k,)
        Number or weight of the samples; float64.
    """

    sums: torch.Tensor
    weights: torch.Tensor


def _members(
    block: torch.Tensor, centres: torch.Tensor, norms: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """1 where a centre is the nearest of a sample, else 0, (k, rows), and the sums, (k,)."""
    # Squared distances less the square of the sample, which decides nothing.
    scores = torch.addmm(norms, centres, block.T, alpha=-2)
    # Comparing with the minimum is several times as fast as asking where it is.
    member = scores.eq_(scores.amin(0))
    numbers = member.sum(1)
    if int(numbers.sum()) != len(block):  # equally near centres: the first one counts
        member = ((member.cumsum(0) == 1) & (member == 1)).to(block.dtype)
        numbers = member.sum(1)
    return member, numbers


def accumulate(
    samples: torch.Tensor, centres: torch.Tensor, weights: torch.Tensor | None
) -> Assignment:
    """Sum the samples by their nearest centre.

    Parameters
    ----------
    samples : (n, d)
    centres : (k, d)
    weights : (n,) or None
    """
    k, d = centres.shape
    sums, total = (
        samples.new_zeros(k, d, dtype=torch.float64),
        samples.new_zeros(k, dtype=torch.float64),
    )
    norms = (centres * centres).sum(1, keepdim=True)
    for start in range(0, len(samples), _BLOCK_ROWS):
        block = samples[start : start + _BLOCK_ROWS]
        member, numbers = _members(block, centres, norms)
        if weights is not None:
            member *= weights[start : start + _BLOCK_ROWS]
            numbers = member.sum(1)
        sums += member @ block
        total += numbers
    return Assignment(sums, total)


def assign(samples: torch.Tensor, centres: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The nearest centre of each sample, (n,) int64, and the squared distance to it, (n,)."""
    labels = samples.new_empty(len(samples), dtype=torch.int64)
    distances = samples.new_empty(len(samples))
    norms = (centres * centres).sum(1, keepdim=True)
    numbered = torch.arange(len(centres), dtype=centres.dtype, device=centres.device)
    for start in range(0, len(samples), _BLOCK_ROWS):
        part = slice(start, start + _BLOCK_ROWS)
        block = samples[part]
        member, _ = _members(block, centres, norms)
        labels[part] = nearest = (numbered @ member).long()
        # Not from the scores, in which large squares cancel.
        distances[part] = (block - centres[nearest]).square_().sum(1)
    return labels, distances


def squared_distances(samples: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """Squared distances of all samples to few centres, (k, n)."""
    result = samples.new_empty(len(centres), len(samples))
    for start in range(0, len(samples), _BLOCK_ROWS):
        part = slice(start, start + _BLOCK_ROWS)
        for row, centre in zip(result, centres, strict=True):
            row[part] = (samples[part] - centre).square_().sum(1)
    return result
