"""The same elements elsewhere."""

from typing import Any

from cases.case import Case, Data, M

X16M = Data((16 * M,))
WIDE = (8192, 4096)


def _resplit(axis: int | None) -> Any:
    return lambda xp, x: xp.resplit(x, axis)


_COPIES = {
    "numpy": lambda xp, x: x.copy(),
    "torch": lambda xp, x: x.clone(),
    "dask": None,
}

CASES = (
    Case(
        "concat_ax0_16M+16M",
        (X16M, X16M),
        lambda xp, x, y: xp.concatenate([x, y], 0),
        {"torch": lambda xp, x, y: xp.cat([x, y], 0)},
    ),
    Case("resplit_0to1_8192x4096", (Data(WIDE),), _resplit(1), _COPIES),
    Case("resplit_1to0_8192x4096", (Data(WIDE, split=1),), _resplit(0), _COPIES),
    Case("resplit_0toNone_8192x4096", (Data(WIDE),), _resplit(None), _COPIES),
    Case(
        "roll_100k_of_160kx64",
        (Data((160_000, 64)),),
        lambda xp, x: xp.roll(x, 100_000, 0),
    ),
)
