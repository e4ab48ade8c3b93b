"""Random numbers: the call on one rank alone is the oracle of all ranks and splits, bit by bit."""

from __future__ import annotations

from typing import Any

SHAPE = (37, 11)
CASES: list[tuple[Any, ...]] = [
    ("rand randn", lambda f, o: f(*SHAPE, **o)),
    ("random standard_normal standard_exponential", lambda f, o: f(SHAPE, **o)),
    ("normal", lambda f, o: f(1.0, 2.0, SHAPE, **o)),
    ("uniform laplace lognormal", lambda f, o: f(1.0, 2.0, SHAPE, **o)),
    ("exponential poisson", lambda f, o: f(3.0, SHAPE, **o)),
    ("gamma beta", lambda f, o: f(0.7, 2.0, SHAPE, **o)),
    ("standard_gamma standard_t chisquare", lambda f, o: f(2.5, SHAPE, **o)),
    ("binomial", lambda f, o: f(9, 0.3, SHAPE, **o)),
    ("bernoulli", lambda f, o: f(0.3, SHAPE, **o)),
    ("truncated_normal", lambda f, o: f(0.0, 1.0, -1.0, 2.0, SHAPE, **o)),
    ("multinomial", lambda f, o: f(5, [0.2, 0.3, 0.5], 9, **o)),
    ("multivariate_normal", lambda f, o: f([1.0, 2.0], [[2.0, 0.5], [0.5, 1.0]], 9, **o)),
    ("randint", lambda f, o: f(-3, 1000, SHAPE, **o)),
    ("randperm permutation", lambda f, a: f(41, **a)),
    ("choice", lambda f, a: f(50, 20, **a)),
    ("choice", lambda f, a: f(50, 20, replace=False, **a)),
]
