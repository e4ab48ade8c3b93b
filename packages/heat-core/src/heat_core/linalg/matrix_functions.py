"""Powers and the exponential function of square matrices."""

from __future__ import annotations

import math
from operator import index
from typing import Any

import torch

from heat_core.array.dndarray import DNDarray
from heat_core.array.relayout import replicated
from heat_core.dispatch.operands import coerce, common_comm
from heat_core.linalg.inverse import inv, solve
from heat_core.linalg.matmul import matmul
from heat_core.linalg.stacks import as_square, fits, map_matrices
from heat_core.ops.arithmetic import absolute, add
from heat_core.ops.creation import zeros_like
from heat_core.ops.ranges import eye
from heat_core.ops.reductions import max as max_of
from heat_core.ops.reductions import sum as sum_of
from heat_core.ops.shape import broadcast_to

__all__ = ["matrix_exp", "matrix_power"]

# Numerator of the [13/13] Padé approximant; see matrix_exp.
_PADE = (
    64764752532480000,
    32382376266240000,
    7771770303897600,
    1187353796428800,
    129060195264000,
    10559470521600,
    670442572800,
    33522128640,
    1323241920,
    40840800,
    960960,
    16380,
    182,
    1,
)
_RADIUS = 5.371920351148152


def matrix_power(x: Any, n: int, /) -> DNDarray:
    """The product of ``n`` factors ``x``, by repeated squaring. Collective if distributed.

    Parameters
    ----------
    x : DNDarray, (..., k, k)
    n : int
        Negative: of the inverse.
    """
    exponent = index(n)
    base = coerce(x, common_comm((x,)))
    if not isinstance(base, DNDarray) or base.ndim < 2 or base.shape[-1] != base.shape[-2]:
        shape = getattr(base, "shape", ())
        raise ValueError(f"matrix_power needs square matrices, not shape {shape}")
    if exponent < 0:
        base, exponent = inv(base), -exponent
    if exponent == 0:
        identity = eye(base.shape[-1], dtype=base.dtype, comm=base.comm)
        # Laid out like the array; a product with 0 would keep its NaN.
        return add(zeros_like(base), broadcast_to(identity, base.shape))
    result: DNDarray | None = None
    while exponent:
        if exponent & 1:
            result = base if result is None else matmul(result, base)
        exponent >>= 1
        base = matmul(base, base) if exponent else base
    assert result is not None
    return result


def matrix_exp(x: Any, /) -> DNDarray:
    """The exponential of matrices, the sum of ``x**k / k!``. Collective if distributed.

    Parameters
    ----------
    x : DNDarray, (..., n, n)

    Returns
    -------
    DNDarray, (..., n, n)
        Split like ``x``.

    Notes
    -----
    A matrix beyond ``config.replicate_bytes`` by scaling and squaring with the [13/13] Padé
    approximant (N. J. Higham, SIAM J. Matrix Anal. Appl. 26 (2005), algorithm 2.3), by distributed
    products and one distributed LU.
    """
    matrices = as_square(x, "matrix_exp")
    if fits(matrices):
        return map_matrices(torch.linalg.matrix_exp, matrices)[0]
    norm = float(replicated(max_of(sum_of(absolute(matrices), axis=0))))
    halvings = max(0, math.ceil(math.log2(norm / _RADIUS))) if norm > 0 else 0
    result = _pade(matrices * 2.0**-halvings)
    for _ in range(halvings):
        result = matmul(result, result)
    return result


def _pade(a: DNDarray) -> DNDarray:
    """The approximant of the exponential of one matrix of norm up to 5.4."""
    b = [float(number) for number in _PADE]
    identity = eye(a.shape[0], dtype=a.dtype, split=a.split, comm=a.comm)
    a2 = matmul(a, a)
    a4 = matmul(a2, a2)
    a6 = matmul(a4, a2)
    odd = matmul(a6, a6 * b[13] + a4 * b[11] + a2 * b[9])
    odd = matmul(a, odd + a6 * b[7] + a4 * b[5] + a2 * b[3] + identity * b[1])
    even = matmul(a6, a6 * b[12] + a4 * b[10] + a2 * b[8])
    even = even + a6 * b[6] + a4 * b[4] + a2 * b[2] + identity * b[0]
    return solve(even - odd, even + odd)
