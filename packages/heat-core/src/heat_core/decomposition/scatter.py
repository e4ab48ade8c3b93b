"""Mean and scatter matrix of samples, in one pass over them."""

from __future__ import annotations

import torch

from heat_core.ops.moments import moments
from heat_core.samples import Samples, products_with_themselves

__all__ = ["mean_and_energy", "scatter_of"]

_BLOCK_ROWS = 1 << 12


def scatter_of(samples: Samples) -> tuple[torch.Tensor, torch.Tensor]:
    """The mean, (d,), and the sum of the products of deviations from it, (d, d); float64.

    Collective: two allreduces, of d and of d (d + 1) numbers.

    Raises
    ------
    ValueError
        On all ranks, for NaN and infinite numbers.
    """
    shift = samples.rows([0])[0]  # near the mean, so that little cancels below
    sums, products = samples.sum(*_products(samples.local, shift))
    if not bool(products.isfinite().all()):
        raise ValueError("there are NaN or infinite numbers among the samples")
    mean = sums / samples.n
    return mean + shift, products - torch.outer(sums, mean)


def _products(rows: torch.Tensor, shift: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Sums and products of a rank's rows less ``shift``, in double precision."""
    d = rows.shape[1]
    # A last column of ones makes the products hold the sums, too.
    total = torch.zeros(d + 1, d + 1, dtype=torch.float64, device=rows.device)
    block = total.new_ones(min(len(rows), _BLOCK_ROWS), d + 1)
    for part in rows.split(_BLOCK_ROWS):
        block = block[: len(part)]
        torch.sub(part, shift, out=block[:, :d])
        total += products_with_themselves(block)
    return total[d, :d], total[:d, :d]


def mean_and_energy(samples: Samples) -> tuple[torch.Tensor, float]:
    """The mean, (d,), and the sum of the squared deviations of all features. Collective.

    Raises
    ------
    ValueError
        On all ranks, for NaN and infinite numbers.
    """
    found = moments(samples.array(samples.local), axis=0, order=2)
    assert found.m2 is not None
    mean, squares = found.mean.larray.double(), found.m2.larray.double()
    if not bool(squares.isfinite().all()):
        raise ValueError("there are NaN or infinite numbers among the samples")
    return mean, float(squares.sum())
