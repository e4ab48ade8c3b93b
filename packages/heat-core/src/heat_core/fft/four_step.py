"""The transform of one distributed axis, by the four-step algorithm.

With N = N1 * N2 the vector is taken as a matrix; its columns are transformed, multiplied by
twiddle factors, and its rows transformed; what comes out is the transposed spectrum. Between the
steps the matrix is split along its other axis: three exchanges of all data.

D. H. Bailey: FFTs in external or hierarchical memory, J. Supercomputing 4 (1990).
"""

from __future__ import annotations

import math

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import balance, replicated, to_layout
from heat_core.fft.kernels import complex_transform, real_signal, real_spectrum
from heat_core.fft.plan import Kind
from heat_core.layout import Layout, canonical_layout
from heat_core.ops.complex_numbers import conj, real
from heat_core.ops.joining import concatenate
from heat_core.ops.rearrange import flip, roll
from heat_core.ops.reshape import reshape

__all__ = ["factors", "four_step"]


def factors(n: int, least: int) -> tuple[int, int] | None:
    """The factors of ``n`` that are closest to each other, if both are at least ``least``."""
    for first in range(math.isqrt(n), least - 1, -1):
        if n % first == 0:
            return first, n // first
    return None


def four_step(x: DNDarray, n: int, norm: str, kind: Kind, inverse: bool) -> DNDarray:
    """The transform of a distributed vector. Collective.

    A length without two factors of at least the number of ranks, such as a prime, is gathered on
    every rank.

    Parameters
    ----------
    x : DNDarray, (n,), or (n // 2 + 1,) for ``kind="c2r"``
    n : int
        Number of points.
    norm : {"backward", "ortho", "forward"}
    kind : {"c2c", "r2c", "c2r"}
    inverse : bool

    Returns
    -------
    DNDarray
        With canonical slabs.
    """
    half = kind != "c2c" and n % 2 == 0
    if factors(n // 2 if half else n, x.comm.size) is None:
        return _gathered(x, n, norm, kind, inverse)
    if kind == "c2c":
        return _scaled(_matrix_steps(_complex(x), inverse), n, norm, inverse)
    if kind == "r2c":
        spectrum = _real_spectrum(x, n) if half else _matrix_steps(_complex(x), False)[: n // 2 + 1]
        return _scaled(balance(spectrum), n, norm, False)
    return _scaled(_real_signal(x, n), n, norm, True)


def _complex(x: DNDarray) -> DNDarray:
    return wrap(x.larray.to(x.larray.dtype.to_complex()), x.layout, x.comm)


def _scaled(x: DNDarray, n: int, norm: str, inverse: bool) -> DNDarray:
    """Divided by the number of points or its root, if the norm says so. Local."""
    if norm == "ortho":
        return wrap(x.larray / math.sqrt(n), x.layout, x.comm)
    divides = norm == ("backward" if inverse else "forward")
    return wrap(x.larray / n, x.layout, x.comm) if divides else x


def _gathered(x: DNDarray, n: int, norm: str, kind: Kind, inverse: bool) -> DNDarray:
    whole = replicated(x)
    if kind == "r2c":
        found = real_spectrum(whole, (0,), norm)
    elif kind == "c2r":
        found = real_signal(whole, n, (0,), norm)
    else:
        found = complex_transform(whole, (0,), norm, inverse=inverse)
    layout = canonical_layout(tuple(found.shape), 0, x.comm.size)
    return wrap(found[layout.slices(x.comm.rank)].clone(), layout, x.comm)


def _roots(n: int, exponents: torch.Tensor, dtype: torch.dtype, *, inverse: bool) -> torch.Tensor:
    """``exp(-2j pi exponents / n)``, conjugate for the inverse; exact until it is rounded."""
    angles = (exponents % n).double() * ((2 if inverse else -2) * math.pi / n)
    return torch.polar(torch.ones_like(angles), angles).to(dtype)


def _matrix_steps(x: DNDarray, inverse: bool) -> DNDarray:
    """The sums without a factor. Collective, three exchanges."""
    comm, n = x.comm, x.shape[0]
    found = factors(n, comm.size)
    assert found is not None
    norm = "forward" if inverse else "backward"
    matrix = reshape(x, found, new_split=0)
    columns = to_layout(matrix, matrix.layout.with_split(1, comm.size))
    here = columns.layout.slices(comm.rank)[1]
    exponents = torch.outer(torch.arange(found[0]), torch.arange(here.start, here.stop))
    local = complex_transform(columns.larray, (0,), norm, inverse=inverse)
    local *= _roots(n, exponents, local.dtype, inverse=inverse).to(local.device)
    twisted = wrap(local, columns.layout, comm)
    rows = to_layout(twisted, twisted.layout.with_split(0, comm.size))
    spectrum = complex_transform(rows.larray, (1,), norm, inverse=inverse)
    turned = wrap(spectrum.T, rows.layout.transpose((1, 0)), comm)
    flat = reshape(to_layout(turned, turned.layout.with_split(0, comm.size)), (n,), new_split=0)
    return to_layout(flat, flat.layout.canonical())


def _pairs(n: int, size: int) -> Layout:
    """The layout of ``n`` real numbers, of which no pair is torn apart."""
    halves = canonical_layout((n // 2,), 0, size)
    assert halves.counts is not None
    return Layout((n,), 0, tuple(2 * count for count in halves.counts))


def _real_spectrum(x: DNDarray, n: int) -> DNDarray:
    """The ``n // 2 + 1`` sums of a real signal of even length, as half as many complex numbers.

    W. H. Press et al.: Numerical Recipes, section "FFT of single real function". Collective.
    """
    comm, half = x.comm, n // 2
    paired = to_layout(x, _pairs(n, comm.size))
    packed = torch.view_as_complex(paired.larray.reshape(-1, 2).contiguous())
    z = _matrix_steps(wrap(packed, canonical_layout((half,), 0, comm.size), comm), False)
    mirrored = conj(roll(flip(z), 1))
    even, odd = (z + mirrored) * 0.5, (z - mirrored) * -0.5j
    first = z.layout.offset(comm.rank)
    exponents = torch.arange(first, first + z.larray.shape[0])
    roots = _roots(n, exponents, z.larray.dtype, inverse=False).to(z.larray.device)
    last = even[:1] - odd[:1]
    return concatenate([even + odd * wrap(roots, z.layout, comm), last])


def _real_signal(x: DNDarray, n: int) -> DNDarray:
    """The real signal of a half spectrum, sums without a factor. Collective."""
    comm, half = x.comm, n // 2
    if n % 2:
        whole = concatenate([x, conj(flip(x[1:]))])
        return real(_matrix_steps(whole, True))
    x = _real_ends(x)
    head, mirrored = balance(x[:half]), balance(conj(flip(x))[:half])
    first = head.layout.offset(comm.rank)
    exponents = torch.arange(first, first + head.larray.shape[0])
    roots = _roots(n, exponents, head.larray.dtype, inverse=True).to(head.larray.device)
    z = head + mirrored + (head - mirrored) * wrap(roots * 1j, head.layout, comm)
    signal = torch.view_as_real(_matrix_steps(z, True).larray).reshape(-1)
    return balance(wrap(signal, _pairs(n, comm.size), comm))


def _real_ends(x: DNDarray) -> DNDarray:
    """Without the imaginary parts of the first and last numbers, which a real signal has not."""
    local = x.larray.clone(memory_format=torch.contiguous_format)
    first, n = x.layout.offset(x.comm.rank), x.shape[0]
    for end in (0, n - 1):
        if first <= end < first + local.shape[0]:
            local.imag[end - first] = 0
    return wrap(local, x.layout, x.comm)
