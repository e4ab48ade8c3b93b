"""The normal equations of samples that lie on the ranks: few messages, however many samples."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from heat_core.array.dndarray import DNDarray
from heat_core.samples import Samples, check_array, products_with_themselves

__all__ = ["Gram", "check_one_target", "gram_of"]

_BLOCK_ROWS = 1 << 11


@dataclass(frozen=True, slots=True)
class Gram:
    """Means, and products of deviations from the means; float64.

    Parameters
    ----------
    weight : float
        Number or weight of the samples.
    x_mean : (d,)
    y_mean : (m,)
    xx : (d, d)
        Sum of weighted products of features.
    xy : (d, m)
        Sum of weighted products of features and targets.
    """

    weight: float
    x_mean: torch.Tensor
    y_mean: torch.Tensor
    xx: torch.Tensor
    xy: torch.Tensor


def gram_of(
    X: DNDarray, y: DNDarray, sample_weight: DNDarray | None = None, *, centred: bool = True
) -> tuple[Gram, Samples]:
    """The products of samples and targets. Collective: one allreduce of 1 + (d + 1)(d + m) numbers.

    Parameters
    ----------
    X : DNDarray, (n, d)
    y : DNDarray, (n,) or (n, m)
    sample_weight : DNDarray, (n,), optional
    centred : bool
        False: products of the values themselves, and the means are zero.

    Raises
    ------
    ValueError
        On all ranks, for NaN and infinite numbers, and for weights that are all zero.
    """
    samples = Samples.of(X)
    targets = _targets(samples, y)
    weights = samples.weights(sample_weight)
    # About a point near the mean, so that nothing cancels; the same on all ranks.
    shift = (
        samples.rows([0])[0].double() if centred else samples.local.new_zeros(samples.d).double()
    )
    sums = samples.sum(*_products(samples.local, targets, weights, shift))
    if not all(bool(part.isfinite().all()) for part in sums):
        raise ValueError("there are NaN or infinite numbers among samples or targets")
    weight, x, y_sum, xx, xy = float(sums[0]), *sums[1:]
    if weight <= 0:
        raise ValueError("the weights of the samples are all zero")
    if not centred:
        return Gram(weight, torch.zeros_like(x), torch.zeros_like(y_sum), xx, xy), samples
    x_mean, y_mean = x / weight, y_sum / weight
    xx = xx - torch.outer(x, x_mean)
    xy = xy - torch.outer(x, y_mean)
    return Gram(weight, x_mean + shift, y_mean, xx, xy), samples


def check_one_target(y: object) -> None:
    """ValueError for a table of several targets."""
    if isinstance(y, DNDarray) and y.ndim == 2 and y.shape[1] != 1:
        raise ValueError(f"there is one target, not {y.shape[1]}")


def _targets(samples: Samples, y: DNDarray) -> torch.Tensor:
    check_array(y, "targets")
    if y.ndim == 1:
        return samples.beside(y, "targets").unsqueeze(1)
    if y.ndim != 2 or y.shape[0] != samples.n:
        raise ValueError(f"targets of shape {y.shape} for {samples.n} samples")
    return samples.table_beside(y)


def _products(
    rows: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None, shift: torch.Tensor
) -> list[torch.Tensor]:
    """Weight, sums and products of a rank's rows, in double precision."""
    d, m = rows.shape[1], targets.shape[1]
    # Features, targets and a one side by side: their products are all that is wanted.
    table = rows.new_ones(min(_BLOCK_ROWS, len(rows)), d + m + 1, dtype=torch.float64)
    total = table.new_zeros(d + m + 1, d + m + 1)
    for start in range(0, len(rows), _BLOCK_ROWS):
        part = slice(start, start + _BLOCK_ROWS)
        block = table[: len(rows[part])]
        block[:, :d].copy_(rows[part]).sub_(shift)
        block[:, d:-1].copy_(targets[part])
        if weights is None:
            total += products_with_themselves(block)
        else:
            total += (block * weights[part].double().unsqueeze(1)).T @ block
    sums = total[-1]
    return [sums[-1], sums[:d], sums[d:-1], total[:d, :d], total[:d, d:-1]]
