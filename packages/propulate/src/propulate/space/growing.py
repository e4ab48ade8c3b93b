"""Spaces that are discovered while they are searched (define-by-run)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from propulate.space.parameters import Constant, Float, Int, Parameter
from propulate.space.space import SearchSpace

__all__ = ["GrowingSpace", "complete", "express"]

_NOTHING = SearchSpace({"nothing yet": (False, True)})


class GrowingSpace:
    """The union of all parameters that were met, in alphabetical order.

    Attributes
    ----------
    space : SearchSpace
        Replaced by another one when a parameter is new or a range gets wider.
    """

    def __init__(self) -> None:
        self.space = _NOTHING
        self.parameters: dict[str, Parameter] = {}

    def merge(self, found: Mapping[str, Parameter]) -> None:
        """Take in parameters.

        Raises
        ------
        ValueError
            If a name stood for another kind of parameter, or for other choices, before.
        """
        merged = dict(self.parameters)
        for name, parameter in found.items():
            known = merged.get(name, parameter)
            merged[name] = known if known == parameter else _wider(name, known, parameter)
        if merged != self.parameters:
            self.parameters = dict(sorted(merged.items()))
            if any(not isinstance(p, Constant) for p in merged.values()):
                self.space = SearchSpace(self.parameters)


def _wider(name: str, a: Parameter, b: Parameter) -> Parameter:
    if isinstance(a, Constant):
        return b
    if isinstance(b, Constant):
        return a
    if isinstance(a, Float) and isinstance(b, Float) and (a.log, a.step) == (b.log, b.step):
        return replace(a, lo=min(a.lo, b.lo), hi=max(a.hi, b.hi))
    if isinstance(a, Int) and isinstance(b, Int) and (a.log, a.step) == (b.log, b.step):
        return replace(a, lo=min(a.lo, b.lo), hi=max(a.hi, b.hi))
    raise ValueError(f"parameter {name!r} was {a} before, and can't become {b}")


def express(
    genes: NDArray[np.float64], old: SearchSpace, new: SearchSpace, seed: tuple[int, ...]
) -> NDArray[np.float64]:
    """Genes in a space that contains the old one; new parameters are drawn, the same everywhere."""
    return complete(new, old.decode(genes), seed)


def complete(
    space: SearchSpace, values: Mapping[str, Any], seed: tuple[int, ...]
) -> NDArray[np.float64]:
    """The genes of values; those of missing ones are drawn, the same for the same seed."""
    genes = space.sample(np.random.default_rng(seed))
    for name, i in space.column.items():
        if name in values:
            genes[i] = space.parameters[name].encode(values[name])
    return genes
