"""Reductions, scans, moments, quantiles and histograms."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import signal


def _moments(x: Any) -> tuple[Any, ...]:
    d = x - x.mean()
    return x.size, x.mean(), *((d**k).sum() for k in (2, 3, 4))


def _powers(m: Any) -> Any:
    return m if isinstance(m, tuple) else (m.n, m.mean, m.m2, m.m3, m.m4)


def _skew(x: Any, axis: Any = None, unbiased: bool = False) -> Any:
    d = x - x.mean(axis, keepdims=True)
    return (d**3).mean(axis) / (d**2).mean(axis) ** 1.5


def _kurtosis(x: Any, axis: Any = None, unbiased: bool = False) -> Any:
    d = x - x.mean(axis, keepdims=True)
    return (d**4).mean(axis) / (d**2).mean(axis) ** 2 - 3


def _histc(x: Any, bins: int, low: float, high: float) -> Any:
    return np.histogram(x, bins, (low, high))[0].astype(float)


EACH_AXIS = (
    lambda f, x: f(x),
    lambda f, x: f(x, axis=0),
    lambda f, x: f(x, axis=-1, keepdims=True),
)
ALL_AXES = (*EACH_AXIS, lambda f, t: f(t, axis=(0, 2)), lambda f, t: f(t, axis=1))
NAN_AXES = (lambda f, q: f(q), lambda f, q: f(q, axis=0), lambda f, q: f(q, axis=1))
SCANS = (lambda f, i: f(i), lambda f, i: f(i, axis=0), lambda f, x: f(x, axis=1))

CASES: list[tuple[Any, ...]] = [
    # sums of products of neighbours
    ("convolve correlate", lambda f, w, k: f(w, k, "full")),
    ("convolve correlate", lambda f, x, row: f(x[0], row[:2], "same")),
    *((name, lambda f, x, r: f(x, r[:3, :2], "same"), getattr(signal, name))
      for name in ("convolve2d", "correlate2d", "fftconvolve", "oaconvolve")),
    *(("sum prod min max mean var std ptp", call) for call in ALL_AXES),
    *(("sum prod min max", call) for call in (lambda f, i: f(i), lambda f, i: f(i, axis=1))),
    ("sum mean min max", lambda f, y: f(y, axis=0)),
    ("sum prod", lambda f, z: f(z, axis=0)),
    ("sum", lambda f, x, m: f(x, axis=0, where=m)),
    ("max min", lambda f, x: f(x, axis=0, initial=0.5)),
    ("sum mean", lambda f, i: f(i, dtype=np.float64)),
    ("var std", lambda f, x: f(x, axis=0, ddof=1)),
    *(("all any", c) for c in (lambda f, m: f(m), lambda f, m: f(m, axis=0), lambda f, i: f(i))),
    *(("argmax argmin", c) for c in (*EACH_AXIS, lambda f, i: f(i), lambda f, i: f(i, axis=0))),
    ("argmax argmin", lambda f, y: f(y)),
    ("count_nonzero", lambda f, i: f(i)),
    ("count_nonzero", lambda f, i: f(i, axis=0)),
    ("count_nonzero", lambda f, i: f(i, axis=1, keepdims=True)),
    *(("nansum nanprod nanmin nanmax nanmean nanvar nanstd", call) for call in NAN_AXES),
    *(("nanmedian nanargmax nanargmin", call) for call in NAN_AXES),
    *(("nanquantile", c) for c in (lambda f, q: f(q, 0.3), lambda f, q: f(q, [0.1, 1], axis=0))),
    *(("nanpercentile", c) for c in (lambda f, q: f(q, 30), lambda f, q: f(q, [1, 99], axis=1))),
    *(("median", call) for call in (*EACH_AXIS, lambda f, y: f(y))),
    ("quantile", lambda f, x: f(x, 0.3)),
    ("quantile", lambda f, x: f(x, [0.0, 0.25, 1.0], axis=0)),
    ("percentile", lambda f, x: f(x, [5, 50], axis=1, keepdims=True)),
    ("percentile", lambda f, i: f(i, 33)),
    *(("cumsum cumprod nancumsum nancumprod", call) for call in SCANS),
    ("cumsum", lambda f, t: f(t, axis=1)),
    ("nancumsum nancumprod", lambda f, q: f(q, axis=0)),
    ("cumulative_sum", lambda f, x: f(x, axis=0, include_initial=True)),
    ("cumulative_prod", lambda f, i: f(i, axis=1)),
    ("cummax", lambda f, i: f(i, axis=0), np.maximum.accumulate),
    ("cummin", lambda f, i: f(i, axis=1), np.minimum.accumulate),
    ("diff", lambda f, i: f(i)),
    ("diff", lambda f, i: f(i, n=2, axis=0)),
    ("diff", lambda f, w: f(w, n=3, prepend=0, append=1)),
    ("ediff1d", lambda f, i: f(i)),
    ("gradient", lambda f, x: f(x)),
    ("gradient", lambda f, x: f(x, 2.0, axis=0, edge_order=2)),
    ("trapezoid", lambda f, x: f(x, axis=0)),
    ("average", lambda f, x, r: f(x, weights=r)),
    ("average", lambda f, x, row: f(x, axis=1, weights=abs(row))),
    ("moments", lambda f, x: _powers(f(x)), _moments),
    ("skew", lambda f, x: f(x, unbiased=False), _skew),
    ("kurtosis", lambda f, x: f(x, axis=0, unbiased=False), _kurtosis),
    ("cov corrcoef", lambda f, x: f(x)),
    ("cov corrcoef", lambda f, x: f(x, rowvar=False)),
    ("bincount", lambda f, k: f(k)),
    ("bincount", lambda f, k: f(k, minlength=20)),
    ("bincount", lambda f, k, s: f(k, weights=s)),
    ("histogram histogram_bin_edges", lambda f, x: f(x, 7)),
    ("histogram", lambda f, x, r: f(x, [-1.0, 0.0, 0.5, 2.0], weights=r, density=True)),
    ("histc", lambda f, x: f(x, 5, -1, 1), _histc),
    ("histogram2d", lambda f, k, s: f(k, s, 4)),
    ("histogramdd", lambda f, x: f(x, 3)[0]),
    ("apply_over_axes", lambda f, t: f(lambda a, axis: a.sum(axis, keepdims=True), t, [0, 2])),
    ("apply_along_axis", lambda f, x: f(lambda row: row.sum(), 0, x)),
]  # fmt: skip
