"""Figures as SVG that takes its text colour from the page."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "figure", "months", "to_svg"]

#: legible on light and on dark ground
COLOURS = ("#3b82f6", "#f97316", "#10b981", "#a855f7", "#eab308", "#ec4899")

_INK = "#010203"  # stands for the colour of the page's text until the figure is in the page
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.titlesize": 10,
    "grid.color": _INK,
    "grid.alpha": 0.15,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
}
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_MONTH_STARTS = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)


def figure(columns: int = 1, *, height: float = 2.8) -> tuple[Figure, list[Axes]]:
    """A figure of the page's width with axes side by side."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams.update(_STYLE)
    drawn = Figure(figsize=(8.4, height), layout="constrained")
    axes = drawn.subplots(1, columns, squeeze=False)
    return drawn, list(axes[0])


def months(axes: Axes, step: int = 1) -> None:
    """Label an axis that counts the days of a year, every so many months."""
    axes.set_xticks(_MONTH_STARTS[::step], _MONTHS[::step])


def to_svg(drawn: Figure, name: str) -> str:
    """The figure as an ``<svg>`` element; ``name`` keeps its ids apart from other figures'."""
    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        drawn.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r'<svg ([^>]*?)width="[^"]*" height="[^"]*"', r"<svg \1", svg, count=1)
    return svg.replace(_INK, "currentColor")
