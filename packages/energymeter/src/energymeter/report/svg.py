"""Plots as inline SVG: stacked power over time, and bars. No scripts, no fonts from outside."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt

__all__ = ["Band", "Layer", "bars", "stacked_power", "ticks"]

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 860, 280, 60, 40, 26
Scale = Callable[[float], float]
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#994455")


@dataclass(frozen=True)
class Layer:
    """A component's mean power in W in each time bin: (n_bins,)."""

    name: str
    watts: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Band:
    """A named stretch of time in s."""

    name: str
    start: float
    stop: float


def ticks(top: float, count: int = 5) -> list[float]:
    """Round numbers from 0 to about `top`."""
    if not top > 0:
        return [0.0]
    raw = top / count
    power = 10 ** math.floor(math.log10(raw))
    step = next(f * power for f in (1, 2, 2.5, 5, 10) if f * power >= raw * 0.999)
    return [k * step for k in range(int(top / step * 1.0001) + 1)]


def stacked_power(
    edges: npt.NDArray[np.float64], layers: Sequence[Layer], bands: Sequence[Band]
) -> str:
    """Power over time, stacked by component, with bands above.

    Parameters
    ----------
    edges : (n_bins + 1,) float64
        Bin edges in s.
    """
    total = np.sum([layer.watts for layer in layers], axis=0) if layers else np.zeros(1)
    top = float(max(total.max(), 1e-9)) * 1.05
    plot = WIDTH - LEFT - 10
    span = float(edges[-1] - edges[0]) or 1.0

    def x(time: float) -> float:
        return LEFT + (time - float(edges[0])) / span * plot

    def y(watts: float) -> float:
        return HEIGHT - BOTTOM - watts / top * (HEIGHT - BOTTOM - TOP)

    parts = [_axes(top, float(edges[0]), float(edges[-1]), x, y)]
    below = np.zeros(len(total))
    for number, layer in enumerate(layers):
        above = below + layer.watts
        corners = [(x(edges[i + d]), y(above[i])) for i in range(len(above)) for d in (0, 1)]
        corners += [
            (x(edges[i + d]), y(below[i])) for i in reversed(range(len(above))) for d in (1, 0)
        ]
        text = " ".join(f"{a:.1f},{b:.1f}" for a, b in corners)
        mean = float(layer.watts.mean())
        title = f"<title>{escape(layer.name)}: mean {mean:.4g} W</title>"
        parts.append(f'<polygon points="{text}" fill="{_colour(number)}">{title}</polygon>')
        below = above
    for number, band in enumerate(bands):
        a, b = x(max(band.start, edges[0])), x(min(band.stop, edges[-1]))
        title = f"<title>{escape(band.name)}: {band.stop - band.start:.4g} s</title>"
        colour = _colour(number + 4)
        parts.append(
            f'<rect x="{a:.1f}" y="4" width="{max(b - a, 1):.1f}" height="14" fill="{colour}">'
            f"{title}</rect>"
        )
    return _figure(parts, [layer.name for layer in layers])


def bars(names: Sequence[str], values: Sequence[float], unit: str) -> str:
    """Horizontal bars with their values."""
    height, label = 22, 240
    top = max([*values, 1e-12])
    parts = []
    for row, (name, value) in enumerate(zip(names, values, strict=True)):
        width = max(0.0, value / top) * (WIDTH - label - 120)
        y = row * height
        parts.append(
            f'<text x="{label - 8}" y="{y + 15}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{label}" y="{y + 3}" width="{width:.1f}" height="16" '
            f'fill="{_colour(row)}"><title>{value:.6g} {unit}</title></rect>'
            f'<text x="{label + width + 6:.1f}" y="{y + 15}">{value:.4g} {unit}</text>'
        )
    size = f"0 0 {WIDTH} {height * max(1, len(names))}"
    return f'<svg viewBox="{size}" role="img">{"".join(parts)}</svg>'


def _axes(top: float, first: float, last: float, x: Scale, y: Scale) -> str:
    parts = []
    for watts in ticks(top):
        height = y(watts)
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - 10}" y1="{height:.1f}" y2="{height:.1f}" class="g"/>'
            f'<text x="{LEFT - 6}" y="{height + 4:.1f}" text-anchor="end">{watts:g} W</text>'
        )
    low = HEIGHT - BOTTOM + 18
    for time in ticks(last - first, 8):
        at = x(first + time)
        parts.append(f'<text x="{at:.1f}" y="{low}" text-anchor="middle">{time:g} s</text>')
    return "".join(parts)


def _figure(parts: Sequence[str], names: Sequence[str]) -> str:
    entries, at = [], LEFT
    for number, name in enumerate(names):
        entries.append(
            f'<rect x="{at}" y="{HEIGHT - 14}" width="10" height="10" fill="{_colour(number)}"/>'
            f'<text x="{at + 14}" y="{HEIGHT - 5}">{escape(name)}</text>'
        )
        at += 30 + 7 * len(name)
    body = "".join([*parts, *entries])
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{body}</svg>'


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]
