"""Convolutions and correlations of distributed signals."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any

import torch

from heat_core.array.conversion import convert
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import balance, replicated, to_layout
from heat_core.config import config
from heat_core.dispatch.operands import coerce, common_comm, common_device
from heat_core.dtypes import float64, float_type, result_type
from heat_core.layout import Layout, canonical_layout
from heat_core.layout.execute import fetch
from heat_core.ops.complex_numbers import conj
from heat_core.ops.rearrange import flip
from heat_core.signal.kernels import direct, is_direct_cheaper, transformed

__all__ = ["convolve", "convolve2d", "correlate", "correlate2d", "fftconvolve", "oaconvolve"]

_MODES = ("full", "same", "valid")
_METHODS = ("auto", "direct", "fft")


def convolve(a: Any, v: Any, mode: str = "full", stride: int = 1, method: str = "auto") -> DNDarray:
    """The discrete convolution along the last axis, as ``numpy.convolve``. Collective.

    Parameters
    ----------
    a : array_like, (..., n)
        Leading axes number signals.
    v : array_like, (m,), or (..., m) with a kernel for each signal
    mode : {"full", "same", "valid"}
        All ``n + m - 1`` positions where the operands meet; the ``max(n, m)`` in their middle;
        those where the shorter one lies within the longer one.
    stride : int
        Every so many of these positions.
    method : {"auto", "direct", "fft"}
        ``"direct"`` is exact for integers and faster for short kernels.

    Returns
    -------
    DNDarray, (..., k)
        Split like ``a``, or along the last axis if only ``v`` is distributed and is as long.

    Notes
    -----
    Each rank fetches the ``m - 1`` elements before its slab, and nothing else; the kernel is copied
    to every rank. A kernel beyond ``config.replicate_bytes`` takes a distributed transform, unless
    the numbers are integers.
    """
    x, kernel = _operands(a, v, 1)
    if x.ndim == kernel.ndim == 1 and x.shape[0] < kernel.shape[0]:
        x, kernel = kernel, x
    return _convolved(x, kernel, mode, (stride,), method)


def correlate(
    a: Any, v: Any, mode: str = "valid", stride: int = 1, method: str = "auto"
) -> DNDarray:
    """Sums of ``a[n + k] * conj(v[n])`` for all shifts k, as ``numpy.correlate``. Collective.

    Parameters are those of ``convolve``.
    """
    x, kernel = _operands(a, v, 1)
    if x.ndim == kernel.ndim == 1 and x.shape[0] < kernel.shape[0]:
        whole = _convolved(kernel, _mirrored(x, 1), mode, (1,), method)
        return _mirrored(whole, 1)[::stride]
    return _convolved(x, _mirrored(kernel, 1), mode, (stride,), method)


def convolve2d(
    a: Any,
    v: Any,
    mode: str = "full",
    stride: Sequence[int] = (1, 1),
    method: str = "auto",
) -> DNDarray:
    """The convolution along the last two axes, as ``scipy.signal.convolve2d``. Collective.

    Parameters
    ----------
    a : array_like, (..., n_1, n_2)
        Leading axes number images.
    v : array_like, (m_1, m_2), or (..., m_1, m_2) with a kernel for each image
    mode : {"full", "same", "valid"}
        All positions; as many as ``a`` has, from the middle; where one lies within the other.
    stride : (int, int)
    method : {"auto", "direct", "fft"}
    """
    x, kernel = _operands(a, v, 2)
    if mode == "valid" and _is_inside(x, kernel):
        x, kernel = kernel, x
    return _convolved(x, kernel, mode, tuple(stride), method)


def correlate2d(
    a: Any,
    v: Any,
    mode: str = "full",
    stride: Sequence[int] = (1, 1),
    method: str = "auto",
) -> DNDarray:
    """The correlation along the last two axes, as ``scipy.signal.correlate2d``. Collective.

    Parameters are those of ``convolve2d``.
    """
    x, kernel = _operands(a, v, 2)
    if mode == "valid" and _is_inside(x, kernel):
        whole = _convolved(kernel, _mirrored(x, 2), mode, (1, 1), method)
        return _mirrored(whole, 2)[:: stride[0], :: stride[1]]
    return _convolved(x, _mirrored(kernel, 2), mode, tuple(stride), method, late=True)


def fftconvolve(a: Any, v: Any, mode: str = "full") -> DNDarray:
    """The convolution of vectors or matrices by Fourier transforms, as SciPy's. Collective.

    ``"same"`` has the extents of ``a``. Long vectors are transformed in overlapping blocks.
    """
    n_axes = getattr(a, "ndim", 1)
    if n_axes not in (1, 2) or getattr(v, "ndim", 1) != n_axes:
        raise ValueError("fftconvolve takes two vectors or two matrices, no stacks: see convolve")
    x, kernel = _operands(a, v, n_axes)
    if mode == "valid" and _is_inside(x, kernel):
        x, kernel = kernel, x
    return _convolved(x, kernel, mode, (1,) * x.ndim, "fft")


oaconvolve = fftconvolve


def _operands(a: Any, v: Any, n_axes: int) -> tuple[DNDarray, DNDarray]:
    comm = common_comm((a, v))
    found = []
    for operand in (a, v):
        array = coerce(operand, comm, common_device((a, v)))
        if not isinstance(array, DNDarray) or array.ndim < n_axes:
            raise ValueError(f"a convolution needs arrays of at least {n_axes} axes")
        if array.size == 0:
            raise ValueError("a convolution needs arrays that are not empty")
        found.append(array)
    dtype = result_type(*found).torch
    x, kernel = (wrap(convert(part.larray, dtype), part.layout, comm) for part in found)
    if kernel.ndim != n_axes and kernel.shape[:-n_axes] != x.shape[:-n_axes]:
        raise ValueError(f"kernels of shape {kernel.shape} for signals of shape {x.shape}")
    return x, kernel


def _is_inside(x: DNDarray, kernel: DNDarray) -> bool:
    """Whether the first operand lies within the second one; ValueError if neither does."""
    if x.ndim != kernel.ndim:
        return False
    pairs = list(zip(x.shape, kernel.shape, strict=True))
    if all(n >= m for n, m in pairs):
        return False
    if all(n <= m for n, m in pairs):
        return True
    raise ValueError(f"neither of {x.shape} and {kernel.shape} lies within the other")


def _mirrored(x: DNDarray, n_axes: int) -> DNDarray:
    turned = flip(x, tuple(range(x.ndim - n_axes, x.ndim)))
    return conj(turned) if x.larray.is_complex() else turned


def _positions(n: int, m: int, stride: int, mode: str, late: bool) -> tuple[int, int]:
    """First position of the full convolution that is wanted, and how many."""
    if mode == "full":
        start, extent = 0, n + m - 1
    elif mode == "same":
        start, extent = (m if late else m - 1) // 2, n
    else:
        start, extent = m - 1, max(n - m + 1, 0)
    return start, -(-extent // stride)


def _convolved(
    x: DNDarray,
    kernel: DNDarray,
    mode: str,
    strides: tuple[int, ...],
    method: str,
    *,
    late: bool = False,
) -> DNDarray:
    """The chosen positions of the full convolution; ``late``: the other middle of even kernels."""
    if mode not in _MODES or method not in _METHODS:
        raise ValueError(f"mode is one of {', '.join(_MODES)}, method of {', '.join(_METHODS)}")
    d = len(strides)
    if any(index(stride) < 1 for stride in strides):
        raise ValueError(f"strides are at least 1, not {strides}")
    sizes, inner = kernel.shape[-d:], x.shape[-d:]
    wanted = [
        _positions(n, m, stride, mode, late)
        for n, m, stride in zip(inner, sizes, strides, strict=True)
    ]
    starts, extents = [w[0] for w in wanted], [w[1] for w in wanted]
    dtype = x.larray.dtype
    if method == "fft" and not (dtype.is_floating_point or dtype.is_complex):
        x, kernel = x.astype(float64), kernel.astype(float64)
    is_exact = not (x.larray.is_floating_point() or x.larray.is_complex())
    is_large = kernel.is_distributed() and kernel.nbytes > config.replicate_bytes
    if is_large and kernel.ndim == d and not is_exact:
        return _by_distributed_transform(x, kernel, starts, extents, strides)
    taps = 1
    for m in sizes:
        taps *= m
    is_direct = method == "direct" or (method == "auto" and is_direct_cheaper(dtype, taps))
    run = direct if is_direct else transformed
    split = x.split if x.is_distributed() else None
    if kernel.ndim > d and split is not None and split < x.ndim - d:
        weights = to_layout(kernel, Layout(kernel.shape, split, x.layout.counts)).larray
    else:
        weights = replicated(kernel)
    shape = (*x.shape[:-d], *extents)
    if split is None or split < x.ndim - d:
        local = _padded(x.larray, [(0, n) for n in inner], starts, extents, strides, sizes)
        found = run(local, weights, extents, strides)
        counts = x.layout.counts
        if x.split is not None and x.split >= x.ndim - d:  # one rank alone
            counts = (shape[x.split],)
        return wrap(found, Layout(shape, x.split, counts), x.comm)
    return _along_split(x, weights, split, (starts, extents, strides, sizes), run)


def _along_split(x: DNDarray, weights: torch.Tensor, split: int, what: Any, run: Any) -> DNDarray:
    """Each rank computes its slab of the result from the elements that it needs."""
    starts, extents, strides, sizes = what
    d, comm = len(extents), x.comm
    axis = split - (x.ndim - d)
    shape = (*x.shape[: x.ndim - d], *extents)
    layout = canonical_layout(shape, split, comm.size)
    assert layout.counts is not None
    n = x.shape[split]
    wanted = []
    for offset, count in zip(layout.displs, layout.counts, strict=True):
        first = starts[axis] + offset * strides[axis] - sizes[axis] + 1
        last = starts[axis] + (offset + count - 1) * strides[axis] + 1
        low, high = max(0, min(first, n)), max(0, min(last, n))
        wanted.append((low, high) if count and low < high else (0, 0))
    local = fetch(comm, x.larray, x.layout, wanted)
    offset, count = layout.offset(comm.rank), layout.counts[comm.rank]
    known = [(0, extent) for extent in x.shape[x.ndim - d :]]
    known[axis] = wanted[comm.rank]
    own_starts, own_extents = list(starts), list(extents)
    own_starts[axis] += offset * strides[axis]
    own_extents[axis] = count
    local = _padded(local, known, own_starts, own_extents, strides, sizes)
    return wrap(run(local, weights, own_extents, strides), layout, comm)


def _padded(
    local: torch.Tensor,
    known: Sequence[tuple[int, int]],
    starts: Sequence[int],
    extents: Sequence[int],
    strides: Sequence[int],
    sizes: Sequence[int],
) -> torch.Tensor:
    """Cut off, or filled up with zeros, to just what the positions need along each axis."""
    key: list[Any] = [...]
    zeros: list[int] = []
    items = list(zip(known, starts, extents, strides, sizes, strict=True))
    for (low, high), start, extent, stride, m in items:
        first = start - m + 1
        stop = start + (extent - 1) * stride + 1 if extent else first
        here, there = max(first, low), min(stop, high)
        if here >= there:  # nothing but zeros
            key.append(slice(0, 0))
            zeros = [stop - first, 0, *zeros]
        else:
            key.append(slice(here - low, there - low))
            zeros = [here - first, stop - there, *zeros]
    part = local[tuple(key)]
    return torch.nn.functional.pad(part, zeros) if any(zeros) else part


def _by_distributed_transform(
    x: DNDarray,
    kernel: DNDarray,
    starts: Sequence[int],
    extents: Sequence[int],
    strides: Sequence[int],
) -> DNDarray:
    """Spectra multiplied: no rank ever holds the kernel. Collective."""
    from heat_core.fft import fftn, ifftn, irfftn, rfftn

    d = len(extents)
    if x.ndim != d:
        raise ValueError("a kernel beyond config.replicate_bytes convolves one signal, no stack")
    dtype = result_type(float_type(x.dtype), x.dtype)
    is_complex = dtype.torch.is_complex
    points = [1 << (n + m - 2).bit_length() for n, m in zip(x.shape, kernel.shape, strict=True)]
    forward, back = (fftn, ifftn) if is_complex else (rfftn, irfftn)
    whole = back(forward(x, points) * forward(kernel, points), points)
    key = tuple(
        slice(start, start + (n - 1) * stride + 1 if n else start, stride)
        for start, n, stride in zip(starts, extents, strides, strict=True)
    )
    result: DNDarray = whole[key]
    return balance(to_layout(result, result.layout.with_split(x.split, x.comm.size)))
