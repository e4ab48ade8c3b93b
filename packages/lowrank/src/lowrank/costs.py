"""What a form of a layer costs, and from which rank on a factored one is the cheaper. Pure.

Multiply-adds per row of input, forward and backward, without the bias: dense ``3 m n``; USV with
frozen bases ``2 r (m + n) + 3 r²``; AB with both factors trained ``3 r (m + n)``.
"""

from __future__ import annotations

import math
from typing import Literal

from lowrank.views import MatrixView

__all__ = [
    "Form",
    "Profit",
    "break_even_rank",
    "multiply_adds",
    "stored",
    "trainable",
]

Form = Literal["dense", "usv", "ab"]
Profit = Literal["time", "memory", "either", "both"]


def multiply_adds(view: MatrixView, form: Form, rank: int) -> int:
    """Multiply-adds for one row of input (one position of a convolution), forward and backward."""
    m, n, r = view.rows, view.columns, rank
    per_group = {"dense": 3 * m * n, "usv": 2 * r * (m + n) + 3 * r * r, "ab": 3 * r * (m + n)}
    return view.groups * per_group[form]


def stored(view: MatrixView, form: Form, rank: int) -> int:
    """Numbers that a layer keeps for its weight; each is one multiply-add of a forward row."""
    m, n, r = view.rows, view.columns, rank
    per_group = {"dense": m * n, "usv": r * (m + n) + r * r, "ab": r * (m + n)}
    return view.groups * per_group[form]


def trainable(view: MatrixView, form: Form, rank: int) -> int:
    """Numbers that an optimiser changes."""
    return view.groups * rank * rank if form == "usv" else stored(view, form, rank)


def break_even_rank(view: MatrixView, profit: Profit = "time") -> int:
    """The largest rank at which USV training costs no more than dense training.

    Parameters
    ----------
    view : MatrixView
    profit : {"time", "memory", "either", "both"}
        What must not rise: multiply-adds; the weight with gradient and two moments of an
        optimiser (``r (m + n) + 4 r²`` against ``4 m n``); one of the two; or both.
    """
    m, n = view.rows, view.columns
    time = _positive_root(3, 2 * (m + n), 3 * m * n)
    memory = _positive_root(4, m + n, 4 * m * n)
    chosen = {
        "time": time,
        "memory": memory,
        "either": max(time, memory),
        "both": min(time, memory),
    }
    return min(view.max_rank, math.floor(chosen[profit]))


def _positive_root(a: float, b: float, c: float) -> float:
    """The positive r with ``a r² + b r = c``."""
    return (math.sqrt(b * b + 4 * a * c) - b) / (2 * a)
