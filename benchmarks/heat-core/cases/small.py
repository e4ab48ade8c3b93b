"""Arrays of ten elements, where only the cost of the call counts."""

from cases.case import Case, Data

X = Data((10,))
_CALLS = 500
_NO_DASK = {"dask": None}

CASES = (
    Case("add_10", (X, X), lambda xp, x, y: x + y, _NO_DASK, _CALLS),
    Case("times_scalar_10", (X,), lambda xp, x: x * 2.0, _NO_DASK, _CALLS),
    Case("sum_10", (X,), lambda xp, x: x.sum(), _NO_DASK, _CALLS),
    Case("mean_10", (X,), lambda xp, x: x.mean(), _NO_DASK, _CALLS),
    Case("slice_10", (X,), lambda xp, x: x[2:8], _NO_DASK, _CALLS),
)
