"""Decompose many layers, shared among ranks so that all end up with the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from lowrank.errors import NonFiniteWeightError
from lowrank.linalg import SVD, thin_svd
from lowrank.parallel.communicators import together
from lowrank.parallel.ledger import Metered
from lowrank.selection import Target
from lowrank.surgery import as_matrix

__all__ = ["Decompositions", "owners"]


def owners(costs: Sequence[float], n_ranks: int) -> list[int]:
    """The rank that works on each item, so that no rank has much more to do than another."""
    load = [0.0] * n_ranks
    result = [0] * len(costs)
    for item in sorted(range(len(costs)), key=lambda i: (-costs[i], i)):
        rank = load.index(min(load))
        load[rank] += costs[item]
        result[item] = rank
    return result


class Decompositions:
    """The decompositions of some targets: of the core of a USV layer, of the weight of a dense one.

    With a communicator each is computed on one rank; all ranks get the singular values at once,
    and the vectors when they are asked for. Creating it and asking are collective then, and an
    error on one rank is raised on all.

    Parameters
    ----------
    targets : sequence of Target
    comm : Metered or None
    on_nonfinite : {"raise", "skip"}
        "skip" leaves out layers with NaN.

    Attributes
    ----------
    values : dict of str to Tensor
        Singular values by the target's name, falling.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        comm: Metered | None = None,
        on_nonfinite: Literal["raise", "skip"] = "raise",
    ) -> None:
        self._comm = comm if comm is not None and comm.size > 1 else None
        self._targets = {target.name: target for target in targets}
        sizes = [_inner_sizes(target) for target in targets]
        costs = [float(min(m, n) ** 2 * max(m, n)) for m, n in sizes]
        n_ranks = self._comm.size if self._comm else 1
        self._owner = dict(zip(self._targets, owners(costs, n_ranks), strict=True))
        self._mine: dict[str, SVD] = {}
        with together(self._comm and self._comm.comm):
            self._compute(on_nonfinite)
        self.values = {name: self._values(name) for name in self._targets}
        # a layer that was left out has NaN for singular values
        self.values = {name: s for name, s in self.values.items() if bool(torch.isfinite(s).all())}

    def truncated(self, name: str, rank: int) -> SVD:
        """The leading part of a target's decomposition. Collective with a communicator."""
        # contiguous on all ranks, and without any: products round alike
        parts = (
            [x.contiguous() for x in self._mine[name].truncated(rank)] if name in self._mine else []
        )
        if self._comm is None:
            return SVD(*parts)
        m, n = _inner_sizes(self._targets[name])
        like = self.values[name]
        left, s, right = parts or (
            like.new_empty(*like.shape[:-1], m, rank),
            like[..., :rank].contiguous(),
            like.new_empty(*like.shape[:-1], rank, n),
        )
        self._comm.bcast(left, self._owner[name])
        self._comm.bcast(right, self._owner[name])
        return SVD(left, s, right)

    def _compute(self, on_nonfinite: str) -> None:
        rank = self._comm.rank if self._comm else 0
        for name, target in self._targets.items():
            if self._owner[name] == rank:
                layer = target.factored
                try:
                    if layer is None:
                        self._mine[name] = thin_svd(as_matrix(target), f"the weight of {name}")
                    else:
                        self._mine[name] = layer.core_svd(f"the core of {name}")
                except NonFiniteWeightError:
                    if on_nonfinite == "raise":
                        raise

    def _values(self, name: str) -> Tensor:
        target = self._targets[name]
        weight = target.factored.S if target.factored is not None else as_matrix(target)
        dtype = torch.float64 if weight.dtype == torch.float64 else torch.float32
        batch = (target.view.groups,) if target.view.groups > 1 else ()
        shape = (*batch, min(_inner_sizes(target)))
        s = torch.full(shape, torch.nan, dtype=dtype, device=weight.device)
        if name in self._mine:
            s = self._mine[name].s.contiguous()
        if self._comm is not None:
            self._comm.bcast(s, self._owner[name])
        return s


def _inner_sizes(target: Target) -> tuple[int, int]:
    """The shape of what is decomposed."""
    layer = target.factored
    if layer is None:
        return target.view.rows, target.view.columns
    return layer.rank, layer.rank
