"""What the parameters of estimators may be: rules that ``fit`` checks before it begins."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from types import MappingProxyType
from typing import TypeAlias

__all__ = ["Rule", "Rules", "ascending", "check_parameters", "one_of", "real", "rules", "whole"]


@dataclass(frozen=True, slots=True)
class Rule:
    """What a parameter may be: in words, and as a test."""

    words: str
    holds: Callable[[object], bool]

    def __or__(self, other: Rule) -> Rule:
        """Either of two."""
        return Rule(f"{self.words} or {other.words}", lambda x: self.holds(x) or other.holds(x))


Rules: TypeAlias = Mapping[str, Rule]


def rules(**given: Rule) -> Rules:
    """The rules of an estimator by the names of its parameters; read-only."""
    return MappingProxyType(given)


def one_of(*choices: object) -> Rule:
    """One of these values."""
    listed = ", ".join(repr(choice) for choice in choices)
    words = listed if len(choices) == 1 else f"one of {listed}"
    return Rule(words, lambda x: any(x is c or (type(x) is type(c) and x == c) for c in choices))


def whole(least: int) -> Rule:
    """A whole number, no truth value."""
    return Rule(
        f"a whole number of at least {least}",
        lambda x: not isinstance(x, bool) and isinstance(x, Integral) and int(x) >= least,
    )


def real(least: float = -math.inf, most: float = math.inf, *, positive: bool = False) -> Rule:
    """A number in a closed range, or above zero; not NaN."""
    if positive:
        words = "a positive number"
    elif math.isinf(least):
        words = "a number"
    else:
        words = f"a number of at least {least:g}" + (f", at most {most:g}" * math.isfinite(most))

    def holds(x: object) -> bool:
        if isinstance(x, bool) or not isinstance(x, Real):
            return False
        return least <= float(x) <= most and (float(x) > 0 or not positive)

    return Rule(words, holds)


def ascending(least: float = -math.inf, most: float = math.inf) -> Rule:
    """Two ascending numbers within a range."""

    def holds(x: object) -> bool:
        if not isinstance(x, Sequence) or len(x) != 2 or not all(real().holds(end) for end in x):
            return False
        return bool(least <= x[0] < x[1] <= most)

    within = "" if math.isinf(least) else f" within [{least:g}, {most:g}]"
    return Rule(f"two ascending numbers{within}", holds)


def check_parameters(values: Mapping[str, object], rules: Rules) -> None:
    """ValueError for the first parameter that breaks its rule."""
    for name, rule in rules.items():
        if not rule.holds(values[name]):
            raise ValueError(f"{name} is {rule.words}, not {values[name]!r}")
