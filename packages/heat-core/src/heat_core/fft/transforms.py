"""Discrete Fourier transforms: every function is a row over one driver."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any, Literal

from heat_core.array.axes import normalize_axis
from heat_core.array.conversion import astype
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.dispatch.operands import coerce, common_comm
from heat_core.dtypes import float32, float_type, promote_types
from heat_core.dtypes.dtype import from_torch
from heat_core.fft.four_step import four_step
from heat_core.fft.hermitian import halved_axis, spectrum_of_real
from heat_core.fft.kernels import complex_transform, real_signal, real_spectrum
from heat_core.fft.plan import Kind, Transform, steps
from heat_core.layout import Layout, canonical_layout
from heat_core.layout.execute import relayout
from heat_core.ops.padding import pad

__all__ = ["transform"]

Norm = Literal["backward", "ortho", "forward"]
_SWAPPED: dict[str, Norm] = {"backward": "forward", "ortho": "ortho", "forward": "backward"}


def _operand(x: Any, kind: Kind) -> DNDarray:
    """The array in a type that is transformed: single or double precision, real or complex."""
    array = coerce(x, common_comm((x,)))
    if not isinstance(array, DNDarray) or array.ndim == 0:
        raise ValueError("a Fourier transform needs an array with axes")
    dtype = float_type(array.dtype)
    if dtype.itemsize == 2:
        dtype = promote_types(dtype, float32)
    if kind == "r2c" and dtype.torch.is_complex:
        raise TypeError(f"a transform of real numbers does not take {dtype.name}")
    if kind == "c2r":
        dtype = from_torch[dtype.torch.to_complex()]
    return astype(array, dtype, copy=False)


def _extents(
    x: DNDarray, axes: Sequence[int], s: Sequence[int | None] | None, kind: Kind
) -> list[int]:
    """The lengths of the transforms."""
    given = [None] * len(axes) if s is None else list(s)
    if len(given) != len(axes):
        raise ValueError(f"{len(given)} lengths for {len(axes)} axes")
    extents = [
        x.shape[a] if n in (None, -1) else index(n) for a, n in zip(axes, given, strict=True)
    ]
    if kind == "c2r" and given[-1] in (None, -1):
        extents[-1] = 2 * (x.shape[axes[-1]] - 1)
    if any(n < 1 for n in extents):
        raise ValueError(f"a transform needs at least one point, not {extents}")
    return extents


def _resized(x: DNDarray, axes: Sequence[int], extents: Sequence[int]) -> DNDarray:
    """Cut off, or filled up with zeros, at the end of some axes."""
    wanted = dict(zip(axes, extents, strict=True))
    if any(n < x.shape[axis] for axis, n in wanted.items()):
        x = x[tuple(slice(wanted.get(axis)) for axis in range(x.ndim))]
    missing = [(0, wanted.get(axis, n) - n) for axis, n in enumerate(x.shape)]
    return pad(x, missing) if any(n for _, n in missing) else x


def transform(
    x: Any,
    s: Sequence[int | None] | None,
    axes: Sequence[int] | None,
    norm: str | None,
    *,
    kind: Kind,
    inverse: bool,
    keep_layout: bool = True,
) -> DNDarray:
    """The transform along some axes. Collective if the split axis is one of them.

    Parameters
    ----------
    x : array_like
    s : sequence of int, optional
        Lengths: the array is cut off or filled up with zeros; of the result, for ``kind="c2r"``.
    axes : sequence of int, optional
        Default: the last ``len(s)``, or all. The real transform is along the last one.
    norm : {"backward", "ortho", "forward"}
        What is divided by the number of points: the inverse, both by its root, or the other.
    kind : {"c2c", "r2c", "c2r"}
        Whether the array or the result is real.
    inverse : bool
    keep_layout : bool
        False: the result stays split where it is in the end, and one exchange is saved.
    """
    if norm not in (None, *_SWAPPED):
        raise ValueError(f"norm is backward, ortho or forward, not {norm!r}")
    array = _operand(x, kind)
    if axes is None:
        axes = range(array.ndim) if s is None else range(array.ndim - len(s), array.ndim)
    numbers = tuple(normalize_axis(axis, array.ndim) for axis in axes)
    if len(set(numbers)) != len(numbers):
        raise ValueError(f"an axis comes twice in {tuple(axes)}")
    extents = _extents(array, numbers, s, kind)
    if not numbers:
        return array
    points = [*extents[:-1], extents[-1] // 2 + 1] if kind == "c2r" else extents
    array = _resized(array, numbers, points)
    scale: Norm = "backward" if norm is None else norm  # type: ignore[assignment]
    if array.ndim == 1 and array.is_distributed():
        return four_step(array, extents[0], scale, kind, inverse)
    return _driven(array, numbers, extents[-1], scale, kind, inverse, keep_layout)


def _driven(
    x: DNDarray,
    axes: tuple[int, ...],
    last: int,
    norm: Norm,
    kind: Kind,
    inverse: bool,
    keep: bool,
) -> DNDarray:
    split = x.split if x.is_distributed() else None
    halved = halved_axis(x, axes) if split is not None and kind == "c2c" and keep else None
    if halved is not None:
        spectrum = spectrum_of_real(x, axes, halved, _SWAPPED[norm] if inverse else norm)
        if inverse:
            spectrum.larray.conj_physical_()
        return spectrum
    for step in steps(x.shape, axes, split, kind, keep):
        if isinstance(step, Transform):
            x = _local(x, step, last, norm, kind, inverse)
            continue
        layout = x.layout.with_split(step.split, x.comm.size)
        # On the way there, the axis that is next is innermost.
        inner = split if x.split == split and split in axes else None
        x = wrap(relayout(x.comm, x.larray, x.layout, layout, inner), layout, x.comm)
    return x


def _local(
    x: DNDarray, step: Transform, last: int, norm: Norm, kind: Kind, inverse: bool
) -> DNDarray:
    """Transform axes that each rank has whole. Local."""
    if step.real is None:
        local = complex_transform(x.larray, step.axes, norm, inverse=inverse)
        return wrap(local, x.layout, x.comm)
    axes = (*(axis for axis in step.axes if axis != step.real), step.real)
    if kind == "r2c":
        local = real_spectrum(x.larray, axes, norm)
        layout = _with_extent(x.layout, step.real, last // 2 + 1)
    else:
        local = real_signal(x.larray, last, axes, norm)
        layout = _with_extent(x.layout, step.real, last)
    return wrap(local, layout, x.comm)


def _with_extent(layout: Layout, axis: int, extent: int) -> Layout:
    """The layout after a real transform; the split axis of a single rank is like any other."""
    if layout.split != axis:
        return layout.resize(axis, extent)
    shape = (*layout.gshape[:axis], extent, *layout.gshape[axis + 1 :])
    return canonical_layout(shape, axis, 1)
