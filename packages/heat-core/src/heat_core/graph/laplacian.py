"""The Laplacian of the graph whose edges are similarities of samples."""

from __future__ import annotations

from collections.abc import Callable

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import replicated, to_layout
from heat_core.estimators import BaseEstimator
from heat_core.ops.arithmetic import maximum
from heat_core.ops.shape import matrix_transpose
from heat_core.parameters import one_of, real, rules, whole

__all__ = ["Laplacian"]


class Laplacian(BaseEstimator):
    """Degrees less weights of edges, or a normalised form of it.

    U. von Luxburg: A tutorial on spectral clustering, Stat. Comput. 17 (2007).

    Parameters
    ----------
    similarity : callable
        Of samples (n, d): weights or distances of all pairs, a symmetric DNDarray (n, n).
    weighted : bool
        False: all edges have weight 1.
    definition : {"norm_sym", "norm_rw", "simple"}
        ``I - D^-1/2 A D^-1/2``, ``I - D^-1 A`` or ``D - A``, with the diagonal matrix D of the
        degrees; a degree of 0 counts as 1.
    mode : {"fully_connected", "eNeighbour", "kNN"}
        All edges; those below or above a threshold; those to the largest similarities of either
        end.
    threshold_key : {"upper", "lower"}
        Of ``"eNeighbour"``: edges are the similarities below, or above ``threshold_value``.
    threshold_value : float
    neighbours : int
        Of ``"kNN"``.
    """

    _rules = rules(
        definition=one_of("norm_sym", "norm_rw", "simple"),
        mode=one_of("fully_connected", "eNeighbour", "kNN"),
        threshold_key=one_of("upper", "lower"),
        threshold_value=real(),
        neighbours=whole(1),
    )

    def __init__(
        self,
        similarity: Callable[[DNDarray], DNDarray],
        weighted: bool = True,
        definition: str = "norm_sym",
        mode: str = "fully_connected",
        threshold_key: str = "upper",
        threshold_value: float = 1.0,
        neighbours: int = 10,
    ) -> None:
        self.similarity = similarity
        self.weighted = weighted
        self.definition = definition
        self.mode = mode
        self.threshold_key = threshold_key
        self.threshold_value = threshold_value
        self.neighbours = neighbours

    def construct(self, X: DNDarray) -> DNDarray:
        """The Laplacian of samples, (n, n), split along rows if they are. Collective.

        Raises
        ------
        ValueError
            For unknown choices, and unless the similarities are a square table.
        """
        self._check_parameters()
        if not callable(self.similarity):
            raise TypeError(f"similarity is a function such as ht.spatial.rbf: {self.similarity!r}")
        table = self.similarity(X)
        if table.ndim != 2 or table.shape[0] != table.shape[1]:
            raise ValueError(f"similarities are a square table, not {table.shape}")
        if table.split == 1:
            table = to_layout(table, table.layout.with_split(0, table.comm.size))
        edges = self._edges(table)
        local = edges.larray
        rows = torch.arange(len(local), device=local.device)
        diagonal = rows + edges.layout.offset(edges.comm.rank)
        local[rows, diagonal] = 0
        own = local.double().sum(1)
        degrees = wrap(own, edges.layout.reduce(frozenset((1,)), keepdims=False), edges.comm)
        if self.definition == "simple":
            result = local.neg_()
            result[rows, diagonal] = own.to(local.dtype)
            return wrap(result, edges.layout, edges.comm)
        whole = replicated(degrees)
        scale = torch.where(whole == 0, 1.0, whole)
        if self.definition == "norm_rw":
            left, right = 1 / scale, torch.ones_like(scale)
        else:
            left = right = scale.rsqrt()
        local.mul_(-left[diagonal].unsqueeze(1).to(local.dtype)).mul_(right.to(local.dtype))
        local[rows, diagonal] = 1
        return wrap(local, edges.layout, edges.comm)

    def _edges(self, table: DNDarray) -> DNDarray:
        """The weights of the edges; a tensor of its own."""
        local = table.larray.clone()
        if self.mode == "eNeighbour":
            below = local < self.threshold_value
            absent = ~below if self.threshold_key == "upper" else local <= self.threshold_value
            local[absent] = 0
        elif self.mode == "kNN":
            rows = torch.arange(len(local), device=local.device)
            local[rows, rows + table.layout.offset(table.comm.rank)] = -torch.inf
            k = min(self.neighbours, table.shape[1] - 1)
            nearest = local.topk(k, dim=1)
            local = torch.zeros_like(local).scatter_(1, nearest.indices, nearest.values)
            one_way = wrap(local, table.layout, table.comm)
            other_way = matrix_transpose(one_way)
            other_way = to_layout(other_way, table.layout)
            local = maximum(one_way, other_way).larray.clone()
        if not self.weighted:
            local = (local != 0).to(local.dtype)
        return wrap(local, table.layout, table.comm)
