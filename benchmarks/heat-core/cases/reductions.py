"""Sums and their like, and scans."""

from cases.case import Case, Data, M

X = (Data((16 * M,), "normal"),)
TABLE = (Data((2 * M, 18), "normal"),)

CASES = (
    Case("sum_16M", X, lambda xp, x: x.sum()),
    Case("mean_16M", X, lambda xp, x: x.mean()),
    Case("sum_2Mx18", TABLE, lambda xp, x: x.sum()),
    Case("mean_2Mx18", TABLE, lambda xp, x: x.mean()),
    Case("max_2Mx18", TABLE, lambda xp, x: x.max()),
    Case("mean_axis0_2Mx18", TABLE, lambda xp, x: x.mean(0)),
    Case("std_axis0_2Mx18", TABLE, lambda xp, x: x.std(0)),
    Case("var_axis0_2Mx18", TABLE, lambda xp, x: x.var(0)),
    Case("std_2Mx18", TABLE, lambda xp, x: x.std()),
    Case("var_2Mx18", TABLE, lambda xp, x: x.var()),
    Case("argmax_axis0_2Mx18", TABLE, lambda xp, x: x.argmax(0)),
    Case("cumsum_16M", X, lambda xp, x: xp.cumsum(x, 0)),
)
