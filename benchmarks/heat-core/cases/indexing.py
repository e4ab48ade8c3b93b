"""Parts of arrays, by slices, integers, masks and positions."""

from collections.abc import Callable
from typing import Any

from cases.case import Case, Data, M

X16M, X8M = Data((16 * M,)), Data((8 * M,))
MASK = Data((8 * M,), "mask")
_OWN = {"dask": None}


def _rows(*args: Any) -> None:
    _, x = args
    for position in range(0, len(x), len(x) // 1000):
        x[position]


def _set(*args: Any) -> None:
    _, x, mask = args
    x[mask] = 0.5


def _computed(get: Callable[..., Any]) -> Callable[..., Any]:
    """In dask, lengths that depend on values have to be asked for."""
    return lambda xp, x, mask: get(xp, x, mask).compute_chunk_sizes()


CASES = (
    Case("slice_step2_16M", (X16M,), lambda xp, x: x[::2] + 1),
    Case(
        "flip_16M",
        (X16M,),
        lambda xp, x: xp.flip(x, 0),
        {"numpy": lambda xp, x: xp.flip(x, 0).copy(), "torch": lambda xp, x: xp.flip(x, (0,))},
    ),
    Case(
        "mask_get_8M",
        (X8M, MASK),
        lambda xp, x, mask: x[mask],
        {"dask": _computed(lambda xp, x, mask: x[mask])},
    ),
    Case("mask_set_8M", (X8M, MASK), _set, _OWN),
    Case("row_get_1000x", (Data((100_000, 8)),), _rows, _OWN),
    Case(
        "adv_index_rows_100k_of_1Mx16",
        (Data((M, 16)), Data((100_000,), "positions", high=M, split=None)),
        lambda xp, x, rows: x[rows],
    ),
    Case(
        "take_1M_of_16M",
        (X16M, Data((M,), "positions", high=16 * M)),
        lambda xp, x, places: x[places],
        {"dask": None, "original": None},  # which returns other elements on two ranks
    ),
)
