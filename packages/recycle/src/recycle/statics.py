"""What never changes in a series, such as its size or its kind, as numbers for the networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from recycle.errors import DataError
from recycle.windows import Array

__all__ = ["StaticFeatures", "as_table", "fit_static"]


@dataclass(frozen=True)
class StaticFeatures:
    """How rows of a table become numbers.

    Attributes
    ----------
    columns : tuple of str
        Of numbers.
    centre, scale : (n_columns,)
        Mean and deviation over the series of the fit.
    categories : tuple of (str, tuple of str)
        Each column of words, with the words of the fit; others count as none of them.
    """

    columns: tuple[str, ...]
    centre: Array
    scale: Array
    categories: tuple[tuple[str, tuple[str, ...]], ...]

    def of(self, table: Any, names: Sequence[Any]) -> Array:
        """Numbers of series: ``(S, f)`` float32; zeros, the average, where nothing is known."""
        rows = as_table(table).reindex(list(names))
        numbers = (rows[list(self.columns)].to_numpy(dtype=float) - self.centre) / self.scale
        words = [
            (rows[column].astype("string") == word).fillna(False).to_numpy(dtype=float)
            for column, known in self.categories
            for word in known
        ]
        parts = [np.nan_to_num(numbers), *(part[:, None] for part in words)]
        return np.concatenate(parts, axis=1).astype(np.float32)


def as_table(static: Any) -> pd.DataFrame:
    """A table of one row a series, from one, or from a mapping of mappings."""
    if isinstance(static, pd.DataFrame):
        return static
    if isinstance(static, Mapping):
        return pd.DataFrame.from_dict(dict(static), orient="index")
    raise DataError(
        "static must be a table with a row for each series, or a mapping such as "
        f"{{'series': {{'size': 3.0}}}}, not {type(static).__name__}"
    )


def fit_static(static: Any, names: Sequence[Any]) -> StaticFeatures:
    """Learn means, deviations and words from the rows of some series.

    Raises
    ------
    DataError
        If a series has no row, or a number is missing.
    """
    table = as_table(static)
    absent = [name for name in names if name not in table.index]
    if absent:
        raise DataError(f"static has no row for {absent[:5]}; its rows are {list(table.index)[:5]}")
    rows = table.loc[list(names)]
    numeric = [column for column in rows if pd.api.types.is_numeric_dtype(rows[column])]
    numbers = rows[numeric].to_numpy(dtype=float)
    if not np.isfinite(numbers).all():
        raise DataError("static has missing or infinite numbers")
    deviation = numbers.std(axis=0)
    words = [column for column in rows if column not in numeric]
    known = tuple(
        (str(column), tuple(sorted(rows[column].dropna().astype(str).unique()))) for column in words
    )
    return StaticFeatures(
        tuple(map(str, numeric)),
        numbers.mean(axis=0),
        np.where(deviation > 0, deviation, 1.0),
        known,
    )
