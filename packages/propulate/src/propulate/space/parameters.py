"""The kinds of parameters.

A parameter's *gene* is one float: the value itself for a continuous parameter, and the index of the
value for a discrete one. Genes are stored, sent and written; both directions are exact.
"""

from __future__ import annotations

import abc
import math
import sys
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

__all__ = ["Bool", "Categorical", "Constant", "Float", "Int", "Ordinal", "Parameter"]

_EXACT = 2**53  # genes are floats, and these hold integers exactly up to here


def _finite(*bounds: float) -> None:
    if not all(abs(bound) <= sys.float_info.max for bound in bounds):  # of any int; not for NaN
        raise ValueError(f"bounds must be finite, got {bounds}")


def _range(lo: float, hi: float, *, log: bool) -> None:
    if lo == hi:
        raise ValueError(f"both bounds are {lo}; use Constant({lo}) for a fixed value")
    if lo > hi:
        raise ValueError(f"the lower bound {lo} is above the upper bound {hi}")
    if hi - lo > sys.float_info.max:
        raise ValueError(f"[{lo}, {hi}] is too wide")
    if log and lo <= 0:
        raise ValueError(f"log=True needs a positive lower bound, got {lo}")


def _countable(width: float, step: float) -> None:
    if width / step >= _EXACT:
        raise ValueError(f"more than 2**53 values, with step {step}: use a larger one")


@dataclass(frozen=True)
class Parameter(abc.ABC):
    """Base of the kinds of parameters.

    Attributes
    ----------
    when : condition, optional
        When the parameter is active: ``{"optimizer": "sgd"}``, ``{"layers": lambda n: n >= 3}``, or
        ``("optimizer", ("sgd", "adamw"))``. Inactive parameters are absent from what the loss
        function gets. Default: always.
    """

    ordered: ClassVar[bool] = True  # whether neighbouring genes are alike

    @property
    @abc.abstractmethod
    def n_values(self) -> int | None:
        """Number of values; None if the parameter is continuous."""

    @abc.abstractmethod
    def encode(self, value: Any) -> float:
        """The gene of a value; ValueError for a value outside the domain."""

    @abc.abstractmethod
    def decode(self, gene: float) -> Any:
        """The value of a gene."""


@dataclass(frozen=True)
class Float(Parameter):
    """A real number in [lo, hi]; with `step`, one of lo, lo + step, ..., up to hi."""

    lo: float
    hi: float
    _: KW_ONLY
    log: bool = False
    step: float | None = None
    when: Any = None

    def __post_init__(self) -> None:
        _finite(self.lo, self.hi)
        object.__setattr__(self, "lo", float(self.lo))
        object.__setattr__(self, "hi", float(self.hi))
        _range(self.lo, self.hi, log=self.log)
        if self.step is not None:
            if self.log:
                raise ValueError("step and log exclude each other")
            _finite(self.step)
            if not 0 < self.step <= self.hi - self.lo:
                raise ValueError(f"step must be in (0, {self.hi - self.lo}], got {self.step}")
            _countable(self.hi - self.lo, self.step)

    @property
    def n_values(self) -> int | None:
        """Number of values; None without a step."""
        if self.step is None:
            return None
        return math.floor((self.hi - self.lo) / self.step + 1e-9) + 1

    def encode(self, value: Any) -> float:
        """The value itself, or its index among the steps."""
        number = float(value)
        if not self.lo <= number <= self.hi:
            raise ValueError(f"{value!r} is outside [{self.lo}, {self.hi}]")
        if self.step is None:
            return number
        index = round((number - self.lo) / self.step)
        return float(min(index, (self.n_values or 1) - 1))

    def decode(self, gene: float) -> float:
        """The number."""
        if self.step is None:
            return float(gene)
        return float(self.lo + gene * self.step)


@dataclass(frozen=True)
class Int(Parameter):
    """An integer in [lo, hi], both included; with `step`, one of lo, lo + step, ..., up to hi."""

    lo: int
    hi: int
    _: KW_ONLY
    log: bool = False
    step: int = 1
    when: Any = None

    def __post_init__(self) -> None:
        for name in ("lo", "hi", "step"):
            value = getattr(self, name)
            _finite(value)
            if int(value) != value:
                raise ValueError(f"{name} must be an integer, got {value!r}")
            object.__setattr__(self, name, int(value))
        _range(self.lo, self.hi, log=self.log)
        if not 0 < self.step <= self.hi - self.lo:
            raise ValueError(f"step must be in 1..{self.hi - self.lo}, got {self.step}")
        if self.log and self.step != 1:
            raise ValueError("step and log exclude each other")
        _countable(self.hi - self.lo, self.step)

    @property
    def n_values(self) -> int:
        """Number of values."""
        return (self.hi - self.lo) // self.step + 1

    def encode(self, value: Any) -> float:
        """The index of the value."""
        if int(value) != value or not self.lo <= value <= self.hi:
            raise ValueError(f"{value!r} is not an integer in [{self.lo}, {self.hi}]")
        index, rest = divmod(int(value) - self.lo, self.step)
        if rest:
            raise ValueError(f"{value!r} is not {self.lo} plus a multiple of {self.step}")
        return float(index)

    def decode(self, gene: float) -> int:
        """The integer."""
        return self.lo + int(gene) * self.step


@dataclass(frozen=True)
class _Choice(Parameter):
    """One of a list of values."""

    choices: tuple[Any, ...]
    _: KW_ONLY
    when: Any = None

    def __init__(self, choices: Sequence[Any], *, when: Any = None) -> None:
        object.__setattr__(self, "choices", tuple(choices))
        object.__setattr__(self, "when", when)
        if not self.choices:
            raise ValueError("there are no choices")
        if len(self.choices) == 1:
            raise ValueError(
                f"the only choice is {self.choices[0]!r}; use Constant for a fixed value"
            )
        seen: list[Any] = []
        for choice in self.choices:
            if any(_same(choice, other) for other in seen):
                raise ValueError(f"the choice {choice!r} comes twice")
            seen.append(choice)

    @property
    def n_values(self) -> int:
        """Number of choices."""
        return len(self.choices)

    def encode(self, value: Any) -> float:
        """The index of the choice."""
        for index, choice in enumerate(self.choices):
            if _same(choice, value):
                return float(index)
        raise ValueError(f"{value!r} is none of {self.choices}")

    def decode(self, gene: float) -> Any:
        """The choice."""
        return self.choices[int(gene)]


def _same(a: Any, b: Any) -> bool:
    """Equality that keeps True and 1 apart, and 1 and 1.0 together."""
    return a is b or (isinstance(a, bool) == isinstance(b, bool) and bool(a == b))


class Ordinal(_Choice):
    """One of a list of values in a meaningful order, such as (16, 32, 64, 128)."""


class Categorical(_Choice):
    """One of a list of values without an order; any objects that can be compared."""

    ordered: ClassVar[bool] = False


class Bool(Categorical):
    """False or True."""

    def __init__(self, *, when: Any = None) -> None:
        super().__init__((False, True), when=when)


@dataclass(frozen=True)
class Constant(Parameter):
    """A fixed value, handed to the loss function and never searched."""

    value: Any
    _: KW_ONLY
    when: Any = None

    @property
    def n_values(self) -> int:
        """One."""
        return 1

    def encode(self, value: Any) -> float:
        """Zero."""
        if not _same(value, self.value):
            raise ValueError(f"{value!r} is not the constant {self.value!r}")
        return 0.0

    def decode(self, gene: float) -> Any:  # noqa: ARG002 - there is one value
        """The constant."""
        return self.value
