"""Powers over time whose energy is known in closed form."""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Protocol

from energymeter.errors import ConfigurationError

__all__ = ["Wave", "parse_wave"]


class Wave(Protocol):
    """A power in W over time in s, and its integral in J since time 0."""

    def power(self, t: float) -> float:
        """Power at a time."""
        ...

    def energy(self, t: float) -> float:
        """Energy from 0 to a time, not decreasing."""
        ...


@dataclass(frozen=True)
class Constant:
    """``const:W``."""

    watts: float

    def power(self, t: float) -> float:
        """W."""
        return self.watts + 0 * t

    def energy(self, t: float) -> float:
        """J."""
        return self.watts * t


@dataclass(frozen=True)
class Ramp:
    """``ramp:W:W_PER_S:PERIOD``: rises from W, and starts again after each period."""

    watts: float
    slope: float
    period: float

    def power(self, t: float) -> float:
        """W."""
        return self.watts + self.slope * (t % self.period)

    def energy(self, t: float) -> float:
        """J."""
        whole, rest = divmod(t, self.period)
        one = self.watts * self.period + 0.5 * self.slope * self.period**2
        return whole * one + self.watts * rest + 0.5 * self.slope * rest**2


@dataclass(frozen=True)
class Sine:
    """``sine:MEAN:AMPLITUDE:PERIOD``."""

    mean: float
    amplitude: float
    period: float

    def power(self, t: float) -> float:
        """W."""
        return self.mean + self.amplitude * math.sin(2 * math.pi * t / self.period)

    def energy(self, t: float) -> float:
        """J."""
        omega = 2 * math.pi / self.period
        return self.mean * t + self.amplitude / omega * (1 - math.cos(omega * t))


@dataclass(frozen=True)
class Square:
    """``square:PERIOD:LOW:HIGH[:SHARE[:SHIFT]]``: high for a share (0.5) of each period."""

    period: float
    low: float
    high: float
    share: float = 0.5
    shift: float = 0.0

    def power(self, t: float) -> float:
        """W."""
        return self.high if (t + self.shift) % self.period < self.share * self.period else self.low

    def energy(self, t: float) -> float:
        """J."""
        return self._integral(t + self.shift) - self._integral(self.shift)

    def _integral(self, t: float) -> float:
        whole, rest = divmod(t, self.period)
        width = self.share * self.period
        return self.low * t + (self.high - self.low) * (whole * width + min(rest, width))


@dataclass(frozen=True)
class Telegraph:
    """``random:SEED:LOW:HIGH:MEAN``: steps of random height and length, repeated after 1000."""

    seed: int
    low: float
    high: float
    mean: float
    edges: list[float] = field(init=False, repr=False, compare=False)
    levels: list[float] = field(init=False, repr=False, compare=False)
    sums: list[float] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        source = random.Random(self.seed)  # noqa: S311 - a load, not a secret
        lengths = [source.uniform(0.2, 1.8) * self.mean for _ in range(1000)]
        levels = [source.uniform(self.low, self.high) for _ in lengths]
        object.__setattr__(self, "levels", levels)
        object.__setattr__(self, "edges", [0.0, *accumulate(lengths)])
        parts = (level * length for level, length in zip(levels, lengths, strict=True))
        object.__setattr__(self, "sums", [0.0, *accumulate(parts)])

    def power(self, t: float) -> float:
        """W."""
        return self.levels[bisect_right(self.edges, t % self.edges[-1]) - 1]

    def energy(self, t: float) -> float:
        """J."""
        whole, rest = divmod(t, self.edges[-1])
        index = bisect_right(self.edges, rest) - 1
        inside = self.levels[index] * (rest - self.edges[index])
        return whole * self.sums[-1] + self.sums[index] + inside


def parse_wave(text: str) -> Wave:
    """A wave from its text, such as ``square:0.7:50:250``.

    ``burst:LOW:HIGH:WIDTH:PERIOD`` is a square that is high for WIDTH seconds.

    Raises
    ------
    ConfigurationError
        If there is no such wave.
    """
    name, *rest = text.split(":")
    try:
        values = [float(value) for value in rest]
        match name:
            case "const":
                return Constant(*values)
            case "ramp":
                return Ramp(*values)
            case "sine":
                return Sine(*values)
            case "square":
                return Square(*values)
            case "burst":
                low, high, width, period = values
                return Square(period, low, high, width / period)
            case "random":
                seed, low, high, mean = values
                return Telegraph(int(seed), low, high, mean)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"wave {text!r}: {error}") from error
    raise ConfigurationError(f"wave {text!r}: use const, ramp, sine, square, burst or random")
