"""Matrix products; decompositions and transforms add their rows here."""

from cases.case import Case, Data, M

SQUARE = (2048, 2048)


def _matmul(left: int | None, right: int | None) -> Case:
    return Case(
        f"matmul_2048_{left}{right}".replace("None", "-"),
        (Data(SQUARE, split=left), Data(SQUARE, split=right)),
        lambda xp, a, b: a @ b,
    )


CASES = (
    *(_matmul(*splits) for splits in ((None, None), (0, 0), (0, 1), (1, 0), (1, 1), (0, None))),
    Case("gram_XtX_1Mx32", (Data((M, 32), "normal"),), lambda xp, x: x.T @ x),
)
