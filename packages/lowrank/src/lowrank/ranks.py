"""Which rank a layer should have, from its singular values. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from lowrank.views import MatrixView

__all__ = ["RankLimits", "RankRule", "Spectrum", "propose_ranks"]

RuleName = Literal["relative", "energy", "stable", "fixed", "budget"]
CustomRule = Callable[["Spectrum"], int]


@dataclass(frozen=True)
class Spectrum:
    """The singular values of a layer.

    Attributes
    ----------
    name : str
    s : Tensor, shape (k,) or (groups, k)
        Falling along the last axis.
    view : MatrixView
    rank : int
        The present rank.
    """

    name: str
    s: Tensor
    view: MatrixView
    rank: int


@dataclass(frozen=True)
class RankRule:
    """How ranks are chosen.

    Attributes
    ----------
    kind : str or callable
        ``"relative"``: keep singular values of at least ``value * s_max`` (OIALR);
        ``"energy"``: keep the share ``value`` of the sum of squares;
        ``"stable"``: ``value`` times the stable rank ``||W||² / s_max²``, rounded up;
        ``"fixed"``: ``value`` itself, a rank or a share of the full rank, or one per layer's name;
        ``"budget"``: ``value`` stored numbers (or that share of the dense ones) for all layers
        together, spent where they lower the error most;
        a callable ``spectrum -> rank``.
    value : float, int or mapping
    """

    kind: RuleName | CustomRule = "relative"
    value: float | Mapping[str, float] = 0.1

    def __post_init__(self) -> None:
        if callable(self.kind):
            return
        known = ("relative", "energy", "stable", "fixed", "budget")
        if self.kind not in known:
            raise ValueError(f"rank rule {self.kind!r} is none of {', '.join(known)}")
        if isinstance(self.value, Mapping):
            if self.kind != "fixed":
                raise ValueError(f"values for each layer go with the rule 'fixed', not {self.kind}")
            return
        if self.kind == "relative" and not 0 <= self.value < 1:
            raise ValueError(f"cutoff must lie in [0, 1), not {self.value}")
        if self.kind == "energy" and not 0 < self.value <= 1:
            raise ValueError(f"the share of energy must lie in (0, 1], not {self.value}")
        if self.value < 0 or (self.value == 0 and self.kind != "relative"):
            raise ValueError(f"rank rule {self.kind!r} needs a positive value, not {self.value}")


@dataclass(frozen=True)
class RankLimits:
    """What bounds a proposed rank.

    Attributes
    ----------
    min_rank : float
        A rank, or a share of the full rank if below 1.
    max_drop : float
        Largest share of the present rank that one update cuts.
    multiple : int
        Ranks are rounded up to multiples of this.
    """

    min_rank: float = 0.01
    max_drop: float = 0.5
    multiple: int = 1

    def bounded(self, rank: int, spectrum: Spectrum) -> int:
        """The rank within the limits, and never above the present one."""
        share = self.min_rank * spectrum.view.max_rank if self.min_rank < 1 else self.min_rank
        kept = math.ceil((1 - self.max_drop) * spectrum.rank)
        wanted = max(rank, math.ceil(share), kept, 1)
        wanted = -(-wanted // self.multiple) * self.multiple
        return min(wanted, spectrum.rank)


def propose_ranks(
    rule: RankRule, limits: RankLimits, spectra: Sequence[Spectrum]
) -> dict[str, int]:
    """The new rank of each layer.

    Parameters
    ----------
    rule : RankRule
    limits : RankLimits
    spectra : sequence of Spectrum
        All layers that share a budget.

    Returns
    -------
    dict of str to int
    """
    if rule.kind == "budget":
        wanted = _within_budget(float(rule.value), spectra)  # type: ignore[arg-type]
    else:
        wanted = {spectrum.name: _single(rule, spectrum) for spectrum in spectra}
    return {x.name: limits.bounded(wanted[x.name], x) for x in spectra}


def _single(rule: RankRule, spectrum: Spectrum) -> int:
    s = spectrum.s.double().reshape(-1, spectrum.s.shape[-1])  # (groups, k): one common rank
    if callable(rule.kind):
        return int(rule.kind(spectrum))
    if rule.kind == "fixed":
        value = rule.value
        if isinstance(value, Mapping):
            value = value.get(spectrum.name, spectrum.rank)
        return math.ceil(value * spectrum.view.max_rank) if value < 1 else int(value)
    value = float(rule.value)  # type: ignore[arg-type]
    largest = s[:, :1]
    if not float(largest.max()) > 0:
        return 0
    if rule.kind == "relative":
        return int(((s >= value * largest) & (largest > 0)).sum(dim=1).max())
    squares = s.square()
    total = squares.sum(dim=1, keepdim=True)
    if rule.kind == "energy":
        reached = squares.cumsum(dim=1) < value * total * (1 - 1e-12)
        return int(reached.sum(dim=1).max()) + 1
    return math.ceil(value * float((total / largest.square().clamp_min(1e-300)).max()) - 1e-9)


def _within_budget(value: float, spectra: Sequence[Spectrum]) -> dict[str, int]:
    """Spend stored numbers of factors ``r (m + n)`` where the squared error falls fastest.

    A layer at rank r + 1 stores ``groups (m + n)`` numbers more and loses ``s[r]²`` less, so that
    taking the singular values by ``s² / (groups (m + n))`` is optimal up to the last one.
    """
    budget = value
    if value <= 1:
        budget = value * sum(x.view.numel for x in spectra)
    gains: list[tuple[float, int, int]] = []
    for index, x in enumerate(spectra):
        price = x.view.groups * (x.view.rows + x.view.columns)
        squares = x.s.double().reshape(-1, x.s.shape[-1]).square().sum(dim=0)
        gains += [(float(gain) / price, index, price) for gain in squares]
    ranks = [0] * len(spectra)
    spent = 0.0
    for _, index, price in sorted(gains, key=lambda item: (-item[0], item[1])):
        if spent + price <= budget:
            ranks[index] += 1
            spent += price
    return {x.name: rank for x, rank in zip(spectra, ranks, strict=True)}
