"""Linear algebra, transforms and convolutions, for ``analytics.py``; NumPy's column has SciPy, too.

The original is left out: it solves small systems element by element, which takes seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cases.case import Case, Data

__all__ = ["CASES", "SMALL"]

TALL = Data((200_000, 50), "normal", dtype="float64")
SMALL = 500
_ELSEWHERE: dict[str, Callable[..., Any] | None] = {"torch": None, "dask": None, "original": None}


def _square(
    name: str, ours: Callable[[Any, Any], Any], theirs: Callable[[Any], Any] | None = None
) -> Case:
    """Work with one square matrix, split along its rows."""
    return Case(
        f"{name}_{SMALL}",
        (Data((SMALL, SMALL), "normal", dtype="float64"),),
        ours,
        {**_ELSEWHERE, **({"numpy": lambda xp, a: theirs(a)} if theirs else {})},
    )


def _scipy(name: str, *args: Any, **options: Any) -> Any:
    import scipy.linalg

    return getattr(scipy.linalg, name)(*args, **options)


def _fftconvolve(*args: Any) -> Any:
    from scipy.signal import fftconvolve

    return fftconvolve(*args[1:])


def _lobpcg(*args: Any) -> Any:
    from scipy.sparse.linalg import lobpcg

    _, a, start = args
    return lobpcg(a + a.T, start, tol=1e-4, maxiter=30)


def _randomized(*args: Any) -> Any:
    from sklearn.utils.extmath import randomized_svd

    return randomized_svd(args[1], 10, n_iter=0, random_state=0, flip_sign=False)


def _transform(name: str, shape: tuple[int, ...], function: str, **options: Any) -> Case:
    def theirs(_: Any, x: Any) -> Any:
        import scipy.fft

        return getattr(scipy.fft, function)(x, **options)

    return Case(
        name,
        (Data(shape, "normal", dtype="float64"),),
        lambda xp, x: getattr(xp.fft, function)(x, **options),
        {**_ELSEWHERE, "numpy": theirs},
        share=lambda xp, x: getattr(xp.fft, function)(x[: len(x) // 2], **options),
    )


CASES = (
    Case(
        "matmul_1500",
        (Data((1500, 1500), "normal"), Data((1500, 1500), "normal")),
        lambda xp, a, b: a @ b,
        _ELSEWHERE,
        share=lambda xp, a, b: a[: len(a) // 2] @ b,
    ),
    Case(
        "qr_200kx50",
        (TALL,),
        lambda xp, a: xp.linalg.qr(a),
        _ELSEWHERE,
        share=lambda xp, a: xp.linalg.qr(a[: len(a) // 2]),
    ),
    Case(
        "svd_200kx50",
        (TALL,),
        lambda xp, a: xp.linalg.svd(a, full_matrices=False),
        _ELSEWHERE,
    ),
    Case(
        "lstsq_200kx50",
        (TALL, Data((200_000,), "normal", dtype="float64")),
        lambda xp, a, b: xp.linalg.lstsq(a, b, rcond=None),
        _ELSEWHERE,
    ),
    Case(
        "rsvd_r10_4000x2000",
        (Data((4000, 2000), "normal"),),
        lambda xp, a: xp.linalg.rsvd(a, 10),
        {**_ELSEWHERE, "numpy": _randomized},
    ),
    _square("svd", lambda xp, a: xp.linalg.svd(a)),
    _square("eigh", lambda xp, a: xp.linalg.eigh(a + a.T)),
    _square("eig", lambda xp, a: xp.linalg.eig(a)),
    _square("inv", lambda xp, a: xp.linalg.inv(a)),
    _square("det", lambda xp, a: xp.linalg.det(a)),
    _square("solve", lambda xp, a: xp.linalg.solve(a, a[:, 0])),
    _square("pinv", lambda xp, a: xp.linalg.pinv(a)),
    _square("cholesky", lambda xp, a: xp.linalg.cholesky(a @ a.T)),
    _square("lu", lambda xp, a: xp.linalg.lu(a), lambda a: _scipy("lu", a)),
    _square(
        "matrix_exp", lambda xp, a: xp.linalg.matrix_exp(a / 10), lambda a: _scipy("expm", a / 10)
    ),
    Case(
        "lobpcg_5_of_1000",
        (Data((1000, 1000), "normal", dtype="float64"), Data((1000, 5), "normal", dtype="float64")),
        lambda xp, a, start: xp.linalg.lobpcg(a + a.T, start, tol=1e-4, maxiter=30),
        {**_ELSEWHERE, "numpy": _lobpcg},
    ),
    _transform("fft2_2048", (2048, 2048), "fft2"),
    _transform("fft_ax0_4096x1024", (4096, 1024), "fft", axis=0),
    _transform("fft_2M", (2_097_152,), "fft"),
    _transform("rfft_2M", (2_097_152,), "rfft"),
    Case(
        "convolve_1M_k33",
        (Data((1_000_000,), "normal"), Data((33,), "normal", split=None)),
        lambda xp, x, kernel: xp.convolve(x, kernel),
        _ELSEWHERE,
    ),
    Case(
        "convolve_1M_k1025",
        (Data((1_000_000,), "normal"), Data((1025,), "normal", split=None)),
        lambda xp, x, kernel: xp.convolve(x, kernel),
        {**_ELSEWHERE, "numpy": _fftconvolve},
    ),
)
