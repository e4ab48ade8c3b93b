"""One period in which ranks train factors: how it begins, and what is learnt in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from lowrank.ab.groups import Mode
from lowrank.linalg import SVD
from lowrank.parallel.averaging import average
from lowrank.parallel.ledger import Metered
from lowrank.selection import Target
from lowrank.views import MatrixView

__all__ = ["Changes", "FactorPhase", "Gauge", "frozen_sizes", "parted"]

#: See `ABConfig.gauge`.
Gauge = Literal["scaled", "orthonormal", "balanced"]


def frozen_sizes(svd: SVD, view: MatrixView, mode: Mode, gauge: Gauge) -> Tensor:
    """The norm of each direction of the frozen factor, shape (..., r)."""
    if gauge == "balanced":
        return svd.s.sqrt()
    if gauge == "orthonormal":
        return torch.ones_like(svd.s)
    # steps of size lr in m r entries, times this, are as long as those in m n entries
    wide = view.columns if mode == "a" else view.rows
    return torch.full_like(svd.s, math.sqrt(wide / svd.s.shape[-1]))


def parted(svd: SVD, mode: Mode, frozen: Tensor) -> tuple[Tensor, Tensor]:
    """``A`` and ``B`` of a weight, the frozen one of which has directions of the given norms."""
    left, right = (svd.s / frozen, frozen) if mode == "a" else (frozen, svd.s / frozen)
    return svd.U * left.unsqueeze(-2), right.unsqueeze(-1) * svd.V


@dataclass(frozen=True)
class Changes:
    """Means over the ranks of what has been learnt.

    Attributes
    ----------
    factors : dict of str to (Tensor, Tensor)
        By the target's name, the changes ``dA`` and ``dB`` of `lowrank.ab.combine.combined`.
    others : list of Tensor
        Values of the other parameters.
    """

    factors: dict[str, tuple[Tensor, Tensor]]
    others: list[Tensor]


@dataclass
class FactorPhase:
    """What is remembered of the beginning of a phase.

    Attributes
    ----------
    mode : {"a", "b"}
        The factor that this rank trains.
    starts : dict of str to SVD
        The weight of each target.
    before : list of Tensor
        Values of the other parameters.
    """

    mode: Mode
    starts: dict[str, SVD]
    before: list[Tensor]

    def mean_changes(
        self,
        targets: Sequence[Target],
        others: Sequence[nn.Parameter],
        gauge: Gauge,
        modes: Sequence[Mode],
        world: Metered,
        payload_dtype: torch.dtype | None,
        bucket_mb: float,
    ) -> Changes:
        """Average over all ranks what they have learnt. Collective.

        What travels are changes, which bear a coarse data type better than values.

        Parameters
        ----------
        targets : sequence of Target
        others : sequence of nn.Parameter
            Trained beside the factors.
        gauge : Gauge
        modes : sequence of {"a", "b"}
            Of all ranks.
        world : Metered
        payload_dtype, bucket_mb
            As in `average`.
        """
        trains = {mode: sum(m == mode for m in modes) for mode in ("a", "b")}
        if world.size == 1:
            trains = {mode: int(mode == self.mode) for mode in ("a", "b")}
        factors: dict[str, tuple[Tensor, Tensor]] = {}
        messages: list[Tensor] = []
        for target in targets:
            svd = self.starts[target.name]
            change = self._own_change(target, svd, gauge)
            nothing = torch.zeros_like(svd.V if self.mode == "a" else svd.U)
            pair = (change, nothing) if self.mode == "a" else (nothing, change)
            factors[target.name] = pair
            messages += [x for x, n in zip(pair, trains.values(), strict=True) if n]
        moved = [p.detach() - old for p, old in zip(others, self.before, strict=True)]
        average([*messages, *moved], world, bucket_mb=bucket_mb, payload_dtype=payload_dtype)
        for pair in factors.values():  # the ranks of the other mode have added zeros
            for change, n in zip(pair, trains.values(), strict=True):
                change.mul_(world.size / max(n, 1))
        return Changes(factors, [old + x for old, x in zip(self.before, moved, strict=True)])

    def _own_change(self, target: Target, svd: SVD, gauge: Gauge) -> Tensor:
        """The change of the trained factor, for an orthonormal frozen one."""
        layer = target.factored
        assert layer is not None
        frozen = frozen_sizes(svd, target.view, self.mode, gauge)
        if self.mode == "a":
            return layer.A.detach().to(svd.U.dtype) * frozen.unsqueeze(
                -2
            ) - svd.U * svd.s.unsqueeze(-2)
        return frozen.unsqueeze(-1) * layer.B.detach().to(svd.V.dtype) - svd.s.unsqueeze(-1) * svd.V
