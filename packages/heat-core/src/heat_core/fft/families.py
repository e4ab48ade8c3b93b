"""The public transforms: rows over ``transform``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from heat_core.array.dndarray import DNDarray
from heat_core.fft.plan import Kind
from heat_core.fft.transforms import transform
from heat_core.ops.complex_numbers import conj

__all__ = [
    "fft",
    "fft2",
    "fftn",
    "hfft",
    "hfft2",
    "hfftn",
    "ifft",
    "ifft2",
    "ifftn",
    "ihfft",
    "ihfft2",
    "ihfftn",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftn",
]

_Transform = Callable[..., DNDarray]
_SWAPPED = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}

_PARAMETERS = """
    Collective if a transformed axis is split: each rank sends all of its numbers but its own part,
    once and back again; three times for a vector. Of real numbers, about one half is sent.

    Parameters
    ----------
    x : array_like
    {length}
    norm : {{"backward", "ortho", "forward"}}
        The transform that is divided by the number of points: the inverse one, each by the root, or
        the forward one.
    keep_layout : bool
        False: the result stays split along the axis where the last step left it, which saves an
        exchange. Vectors, and axes that are not split, are not affected.

    Returns
    -------
    DNDarray
        {result}
    """
_ONE = """n : int, optional
        Number of points: the axis is cut off or filled up with zeros{real}.
    axis : int"""
_MANY = """s : sequence of int, optional
        Numbers of points: the axes are cut off or filled up with zeros{real}.
    axes : sequence of int{default}"""
_RESULTS: dict[Kind, str] = {
    "c2c": "Complex.",
    "r2c": "Complex; the last axis has the ``n // 2 + 1`` numbers that determine the others.",
    "c2r": "Real.",
}


def _described(
    function: _Transform, name: str, summary: str, length: str, kind: Kind
) -> _Transform:
    function.__name__ = function.__qualname__ = name
    real = "; of the result" if kind == "c2r" else ""
    parameters = _PARAMETERS.format(length=length.replace("{real}", real), result=_RESULTS[kind])
    function.__doc__ = summary + "\n" + parameters
    return function


def _computed(
    x: Any,
    s: Sequence[int] | None,
    axes: Sequence[int] | None,
    norm: str | None,
    keep: bool,
    *,
    kind: Kind,
    inverse: bool,
    hermitian: bool,
) -> DNDarray:
    if not hermitian:
        return transform(x, s, axes, norm, kind=kind, inverse=inverse, keep_layout=keep)
    other = _SWAPPED.get(norm, "unknown")
    if kind == "c2r":
        x = conj(x)
    found = transform(x, s, axes, other, kind=kind, inverse=inverse, keep_layout=keep)
    return conj(found) if kind == "r2c" else found


def _family(
    base: str, kind: Kind, inverse: bool, summary: str, hermitian: bool = False
) -> tuple[_Transform, _Transform, _Transform]:
    """The transforms of one axis, of two, and of any number.

    ``hermitian``: signal and spectrum change places, so that the array or the result is conjugate,
    and the norm belongs to the other direction.
    """
    compute = partial(_computed, kind=kind, inverse=inverse, hermitian=hermitian)

    def one(
        x: Any,
        /,
        n: int | None = None,
        axis: int = -1,
        norm: str | None = "backward",
        *,
        keep_layout: bool = True,
    ) -> DNDarray:
        return compute(x, None if n is None else (n,), (axis,), norm, keep_layout)

    def two(
        x: Any,
        /,
        s: Sequence[int] | None = None,
        axes: Sequence[int] = (-2, -1),
        norm: str | None = "backward",
        *,
        keep_layout: bool = True,
    ) -> DNDarray:
        return compute(x, s, axes, norm, keep_layout)

    def many(
        x: Any,
        /,
        s: Sequence[int] | None = None,
        axes: Sequence[int] | None = None,
        norm: str | None = "backward",
        *,
        keep_layout: bool = True,
    ) -> DNDarray:
        return compute(x, s, axes, norm, keep_layout)

    pair = _MANY.replace("{default}", "")
    several = _MANY.replace(
        "{default}", ", optional\n        Default: the last ``len(s)``, or all."
    )
    return (
        _described(one, base, f"{summary} along one axis.", _ONE, kind),
        _described(two, f"{base}2", f"{summary} along two axes.", pair, kind),
        _described(many, f"{base}n", f"{summary} along any axes.", several, kind),
    )


fft, fft2, fftn = _family("fft", "c2c", False, "The discrete Fourier transform")
ifft, ifft2, ifftn = _family("ifft", "c2c", True, "The inverse discrete Fourier transform")
rfft, rfft2, rfftn = _family("rfft", "r2c", False, "The transform of real numbers")
irfft, irfft2, irfftn = _family("irfft", "c2r", True, "The inverse transform to real numbers")
hfft, hfft2, hfftn = _family(
    "hfft", "c2r", True, "The transform of a signal with Hermitian symmetry", hermitian=True
)
ihfft, ihfft2, ihfftn = _family(
    "ihfft", "r2c", False, "The inverse of ``hfft``, of a real spectrum", hermitian=True
)
