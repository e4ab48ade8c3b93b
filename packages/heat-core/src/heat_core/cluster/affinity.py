"""Products with the similarities of all pairs of samples, which never exist as a table."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from heat_core.samples import Samples
from heat_core.spatial.distances import quadratic
from heat_core.spatial.ring import travelling

__all__ = ["Affinity"]

_BLOCK_ELEMENTS = 1 << 18


@dataclass(frozen=True, slots=True)
class Affinity:
    """The weights of the edges between samples.

    Parameters
    ----------
    gamma : float
        Of ``exp(-gamma |x - y|**2)``.
    metric : {"rbf", "euclidean"}
        ``"euclidean"``: the weight is the distance.
    threshold : float or None
        None: all edges. Else those whose weight is below (``upper``) or above the threshold.
    upper : bool
    """

    gamma: float
    metric: str
    threshold: float | None
    upper: bool

    def weights(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The weights of all pairs of rows, (n, m)."""
        table = quadratic(x, y)
        table = table.sqrt_() if self.metric == "euclidean" else table.mul_(-self.gamma).exp_()
        if self.threshold is not None:
            absent = table >= self.threshold if self.upper else table <= self.threshold
            table[absent] = 0
        return table

    def times(
        self, rows: torch.Tensor, samples: Samples, columns: torch.Tensor, first: int | None
    ) -> torch.Tensor:
        """The product of the weights of some rows and all samples with columns. Collective.

        Parameters
        ----------
        rows : torch.Tensor, (r, d)
            Of this rank.
        samples : Samples
        columns : torch.Tensor, (rows of this rank, k)
            Beside the samples.
        first : int or None
            Number of the first row among the samples, if the rows are samples: a sample has no edge
            to itself.
        """
        d = samples.d
        both = torch.cat((samples.local, columns.to(samples.local.dtype)), 1).contiguous()
        joined = Samples(both, samples.array(both).layout, samples.comm)
        result = rows.new_zeros(len(rows), columns.shape[1], dtype=torch.float64)
        for start, slab in travelling(joined):
            height = max(1, _BLOCK_ELEMENTS // max(1, len(slab)))
            for top in range(0, len(rows), height):
                block = rows[top : top + height]
                table = self.weights(block, slab[:, :d])
                if first is not None:
                    _without_own(table, first + top - start)
                result[top : top + height] += table @ slab[:, d:]
        return result


def _without_own(table: torch.Tensor, shift: int) -> None:
    """Zero where row ``i`` meets column ``i + shift``."""
    low, high = max(0, -shift), min(table.shape[0], table.shape[1] - shift)
    if low < high:
        own = torch.arange(low, high, device=table.device)
        table[own, own + shift] = 0
