"""Lengths of time as users write them: steps, cycles, weeks."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

__all__ = ["to_steps"]

CYCLES = re.compile(r"(\d+)c")
WEEKS = re.compile(r"(\d+)w")


def to_steps(length: Any, period: int, step: pd.Timedelta, what: str) -> int:
    """A positive number of steps.

    Parameters
    ----------
    length : int, str or Timedelta
        Steps; "7c" for cycles; "2w" for weeks; or what `pandas.Timedelta` reads, such as "36h".
    period : int
        Steps of a cycle.
    step : Timedelta
    what : str
        For the message.

    Raises
    ------
    ValueError
    """
    if isinstance(length, str) and (match := CYCLES.fullmatch(length)):
        steps: float = int(match[1]) * period
    elif isinstance(length, str) and (match := WEEKS.fullmatch(length)):
        steps = pd.Timedelta(weeks=int(match[1])) / step
    elif isinstance(length, str | pd.Timedelta):
        steps = pd.Timedelta(length) / step
    else:
        steps = length
    if isinstance(steps, bool) or steps < 1 or steps != int(steps):
        raise ValueError(
            f"{what} = {length!r} is no positive number of steps; write steps, '7c' for cycles, "
            "or a time such as '36h'"
        )
    return int(steps)
