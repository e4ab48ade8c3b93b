"""Days and their kinds: working days, weekends, holidays of a country."""

from __future__ import annotations

import datetime as dt
import difflib
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from recycle.windows import Array

__all__ = ["FEATURES", "PAPER_FEATURES", "SCHEMES", "SPECIAL_DAYS", "Calendar", "DayTable"]

logger = logging.getLogger(__name__)

#: Groups of calendar numbers for the networks, in their order.
FEATURES = ("weekday", "category", "holiday", "neighbours", "season")
#: The nine numbers of the original network: weekday, holiday, holiday tomorrow.
PAPER_FEATURES = ("weekday", "holiday", "tomorrow")
#: Working days that differ: between days off (and between Christmas and New Year, where both are
#: holidays), before a holiday, and after one.
SPECIAL_DAYS = ("bridge", "before", "after")


def _workday_first_last(weekday: Array, holiday: Array, weekend: tuple[int, ...]) -> Array:
    category = np.zeros(len(weekday), dtype=np.int64)
    if weekend:
        category[np.isin(weekday, weekend[:-1])] = 1
        category[weekday == weekend[-1]] = 2
    category[holiday] = 2
    return category


#: Name of a scheme -> (number of categories, category of days).
SCHEMES: Mapping[str, tuple[int, Callable[[Array, Array, tuple[int, ...]], Array]]] = {
    "default": (3, _workday_first_last),
    "none": (1, lambda weekday, holiday, weekend: np.zeros(len(weekday), dtype=np.int64)),
    "weekday": (7, lambda weekday, holiday, weekend: weekday.astype(np.int64)),
    "weekday+holiday": (
        8,
        lambda weekday, holiday, weekend: np.where(holiday, 7, weekday).astype(np.int64),
    ),
    "workday-off": (
        2,
        lambda weekday, holiday, weekend: (holiday | np.isin(weekday, weekend)).astype(np.int64),
    ),
}


@dataclass(frozen=True)
class DayTable:
    """What is known of each day.

    Attributes
    ----------
    category : (D,) int
    holiday : (D,) bool
    features : (D, g) float32
    n_categories : int
    special : (D, 3) bool
        See `SPECIAL_DAYS`.
    """

    category: Array
    holiday: Array
    features: Array
    n_categories: int
    special: Array


@dataclass(frozen=True)
class Calendar:
    """Kinds of days, by a country's holidays and weekends.

    Parameters
    ----------
    country : str, optional
        Code such as "DE" or "DE-BW", as the library holidays knows it. None: no holidays.
    holidays : tuple of date
        Further days off.
    scheme : str or callable
        "default" (0 working day, 1 first day of the weekend, 2 last day of the weekend or holiday),
        "weekday" (7), "weekday+holiday" (8), "workday-off" (2), "none" (1), or a function from
        `datetime.date` to a number from 0 on.
    weekend : tuple of int, optional
        Days off in their order, Monday is 0; default: the country's, else Saturday and Sunday.
    features : tuple of str
        Groups of numbers for the networks, from `FEATURES` or `PAPER_FEATURES`.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.date_range("2024-12-23", "2024-12-29")
    >>> Calendar("DE").table(days).category.tolist()
    [0, 0, 2, 2, 0, 1, 2]
    """

    country: str | None = None
    holidays: tuple[dt.date, ...] = ()
    scheme: str | Callable[[dt.date], int] = "default"
    weekend: tuple[int, ...] | None = None
    features: tuple[str, ...] = FEATURES

    def __post_init__(self) -> None:
        if isinstance(self.scheme, str) and self.scheme not in SCHEMES:
            raise ValueError(f"scheme must be one of {sorted(SCHEMES)}, not {self.scheme!r}")
        unknown = set(self.features) - {*FEATURES, *PAPER_FEATURES}
        if unknown:
            raise ValueError(f"Calendar features {sorted(unknown)} are not among {FEATURES}")
        if self.country is not None:
            country_holidays(self.country, ())  # unknown countries are refused here

    def table(self, days: Iterable[Any]) -> DayTable:
        """Look up each day; the library is asked once for each, however many steps it has.

        Parameters
        ----------
        days : DatetimeIndex or dates, (D,)
        """
        index = pd.DatetimeIndex(days).normalize()
        around = index.union(index + pd.Timedelta(days=1)).union(index - pd.Timedelta(days=1))
        years = around.year.unique().tolist()
        official = country_holidays(self.country, years) if self.country else {}
        free = {*official, *self.holidays}
        day_off = np.array([day in free for day in around.date], dtype=bool)
        weekend = self._weekend(official)
        here = around.get_indexer(index)
        weekday = index.day_of_week.to_numpy()
        holiday = day_off[here]
        if callable(self.scheme):
            category = np.array([int(self.scheme(day)) for day in index.date], dtype=np.int64)
            n_categories = int(category.max(initial=0)) + 1
            if category.min(initial=0) < 0:
                raise ValueError("A scheme must give numbers from 0 on")
        else:
            n_categories, rule = SCHEMES[self.scheme]
            category = rule(weekday, holiday, weekend)
        off = day_off | np.isin(around.day_of_week, weekend)
        # the days before and after are in the union, at the places next to it
        before, after = here - 1, here + 1
        bridge = ~off[here] & off[before] & off[after]
        groups = {
            "weekday": np.eye(7)[weekday],
            "category": np.eye(n_categories)[category],
            "holiday": holiday[:, None],
            "tomorrow": day_off[after][:, None],
            "neighbours": np.stack([day_off[after], day_off[before], bridge], axis=1),
            "season": _season(index),
        }
        if day_off.any():
            bridge |= ~off[here] & _between_the_years(index, free)
        else:  # a working week of one day is no bridge
            bridge[:] = False
        plain = ~off[here] & ~bridge
        special = np.stack([bridge, plain & day_off[after], plain & day_off[before]], axis=1)
        features = [np.asarray(groups[name], dtype=np.float32) for name in self.features]
        empty = np.zeros((len(index), 0), dtype=np.float32)
        table = np.concatenate([empty, *features], 1)
        return DayTable(category, holiday, table, n_categories, special)

    def _weekend(self, official: Any) -> tuple[int, ...]:
        if self.weekend is not None:
            return self.weekend
        known = tuple(sorted(getattr(official, "weekend", ()) or (5, 6)))
        return known if known != (0, 6) else (6, 0)


def country_holidays(code: str, years: Iterable[int]) -> Any:
    """The holidays of a country, or of a part of it such as "DE-BW".

    Raises
    ------
    ValueError
        For an unknown code, with those that look like it.
    """
    import holidays

    country, _, part = code.partition("-")
    try:
        return holidays.country_holidays(country, subdiv=part or None, years=list(years))
    except NotImplementedError:
        supported = holidays.list_supported_countries()
        names = supported.get(country.upper(), list(supported))
        wanted, prefix = (
            (part, f"{country.upper()}-")
            if country.upper() in supported
            else (
                country,
                "",
            )
        )
        close = difflib.get_close_matches(wanted.upper(), [n.upper() for n in names], 3, 0.0)
        hint = ", ".join(prefix + name for name in close)
        raise ValueError(f"No holidays are known for {code!r}; similar codes: {hint}") from None


def _between_the_years(index: pd.DatetimeIndex, free: set[dt.date]) -> Array:
    """Days from Christmas to New Year, in years in which both are holidays."""
    years = {y for y in index.year if {dt.date(y, 12, 25), dt.date(y + 1, 1, 1)} <= free}
    return np.asarray((index.month == 12) & (index.day > 23) & index.year.isin(years))


def _season(index: pd.DatetimeIndex) -> Array:
    angle = 2 * np.pi * (index.day_of_year.to_numpy() - 1) / 365.25
    waves = [function(order * angle) for order in (1, 2) for function in (np.sin, np.cos)]
    return np.stack(waves, axis=1)
