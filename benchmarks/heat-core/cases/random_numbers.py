"""Random numbers."""

from typing import Any

from cases.case import Case, M

N, PERMUTED = 16 * M, M


def _generator(xp: Any) -> Any:
    return xp.random.default_rng(1)


CASES = (
    Case(
        "rand_16M",
        (),
        lambda xp: xp.random.rand(N, split=0),
        {
            "numpy": lambda xp: _generator(xp).random(N, "float32"),
            "torch": lambda xp: xp.rand(N),
            "dask": lambda xp: _generator(xp).random(N, "float32", chunks=N // 8),
        },
    ),
    Case(
        "randn_16M",
        (),
        lambda xp: xp.random.randn(N, split=0),
        {
            "numpy": lambda xp: _generator(xp).standard_normal(N, "float32"),
            "torch": lambda xp: xp.randn(N),
            "dask": lambda xp: _generator(xp).standard_normal(N, chunks=N // 8),
        },
    ),
    Case(
        "randperm_1M",
        (),
        lambda xp: xp.random.randperm(PERMUTED, split=0),
        {
            "numpy": lambda xp: _generator(xp).permutation(PERMUTED),
            "torch": lambda xp: xp.randperm(PERMUTED),
            "dask": None,
        },
    ),
)
