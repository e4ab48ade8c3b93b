"""Element by element."""

from cases.case import Case, Data, M

X16M, Y16M, Z16M = Data((16 * M,)), Data((16 * M,), "normal"), Data((16 * M,))

CASES = (
    Case("ew_chain_16M", (X16M, Y16M, Z16M), lambda xp, a, b, c: a * b + c),
    Case("ew_add_16M", (X16M, Y16M), lambda xp, a, b: a + b),
    Case("ew_exp_16M", (X16M,), lambda xp, a: xp.exp(a)),
    Case(
        "ew_broadcast_2Mx8",
        (Data((2 * M, 8)), Data((8,), split=None)),
        lambda xp, a, b: (a - b) * b,
    ),
    Case("ew_shifted_diff_16M", (X16M,), lambda xp, a: a[1:] - a[:-1]),
    Case("ew_compare_16M", (X16M, Y16M), lambda xp, a, b: a < b),
    Case(
        "where_8M",
        (Data((8 * M,), "mask"), Data((8 * M,)), Data((8 * M,), "normal")),
        lambda xp, c, a, b: xp.where(c, a, b),
    ),
)
