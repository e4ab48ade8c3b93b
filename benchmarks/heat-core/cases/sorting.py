"""Order, ranks in it, and counts."""

from typing import Any

from cases.case import Case, Data, M

X50K, X8M = Data((50_000,), "normal"), Data((8 * M,), "normal")
SPLIT1 = Data((1000, 5000), "normal", split=1)
VALUES = Data((8 * M,), "integers", high=100_000)
_NONE = {"dask": None}


def _quantile(*q: float, axis: int | None = None) -> Any:
    """Percentiles in the libraries, which spell them differently."""
    return {
        "torch": lambda xp, x: xp.quantile(x, xp.tensor(q) / 100, dim=axis),
        "dask": None,
    }


CASES = (
    Case(
        "sort_50k",
        (X50K,),
        lambda xp, x: xp.sort(x, axis=0),
        {**_NONE, "torch": lambda xp, x: xp.sort(x).values},
    ),
    Case(
        "argsort_50k",
        (X50K,),
        lambda xp, x: xp.argsort(x, axis=0),
        {**_NONE, "torch": lambda xp, x: xp.argsort(x)},
    ),
    Case(
        "sort_8M",
        (X8M,),
        lambda xp, x: xp.sort(x, axis=0),
        {**_NONE, "torch": lambda xp, x: xp.sort(x).values},
    ),
    Case(
        "argsort_8M",
        (X8M,),
        lambda xp, x: xp.argsort(x, axis=0),
        {**_NONE, "torch": lambda xp, x: xp.argsort(x)},
    ),
    Case(
        "sort_axis0_split1_1000x5000",
        (SPLIT1,),
        lambda xp, x: xp.sort(x, axis=0),
        {**_NONE, "torch": lambda xp, x: xp.sort(x, dim=0).values},
    ),
    Case(
        "median_50k",
        (X50K,),
        lambda xp, x: xp.median(x),
        _quantile(50),
    ),
    Case(
        "percentile3_50k",
        (X50K,),
        lambda xp, x: xp.percentile(x, [10.0, 50.0, 90.0]),
        _quantile(10, 50, 90),
    ),
    Case(
        "median_axis0_20kx8",
        (Data((20_000, 8), "normal"),),
        lambda xp, x: xp.median(x, axis=0),
        _quantile(50, axis=0),
    ),
    Case(
        "median_8M",
        (X8M,),
        lambda xp, x: xp.median(x),
        {"torch": lambda xp, x: xp.median(x), "dask": None},
    ),
    Case(
        "unique_8M_of_100k",
        (VALUES,),
        lambda xp, x: xp.unique(x),
        {"original": lambda xp, x: xp.unique(x, sorted=True)},
    ),
    Case(
        "unique_inverse_50k",
        (Data((50_000,), "integers", high=1000),),
        lambda xp, x: xp.unique(x, return_inverse=True),
    ),
    Case(
        "topk_100_of_8M",
        (X8M,),
        lambda xp, x: xp.topk(x, 100),
        {
            "numpy": lambda xp, x: xp.sort(xp.partition(x, len(x) - 100)[-100:]),
            "dask": lambda xp, x: xp.topk(x, 100),
        },
    ),
    Case(
        "histogram_16M",
        (Data((16 * M,)),),
        lambda xp, x: xp.histogram(x, bins=100, range=(0.0, 1.0)),
        {
            "torch": lambda xp, x: xp.histc(x, 100, 0.0, 1.0),
            "original": lambda xp, x: xp.histc(x, 100, 0.0, 1.0),
            "dask": lambda xp, x: xp.histogram(x, bins=100, range=(0.0, 1.0))[0],
        },
    ),
    Case(
        "bincount_8M",
        (Data((8 * M,), "integers", high=1000),),
        lambda xp, x: xp.bincount(x),
        {"dask": lambda xp, x: xp.bincount(x, minlength=1000)},
    ),
)
