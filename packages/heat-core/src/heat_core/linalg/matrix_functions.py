"""Powers and the exponential function of square matrices."""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import index
from typing import Any, TypeVar

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import replicated
from heat_core.dispatch.operands import coerce, common_comm
from heat_core.layout import replicated_layout
from heat_core.linalg.inverse import inv, solve
from heat_core.linalg.matmul import matmul
from heat_core.linalg.stacks import as_square, fits, map_matrices
from heat_core.ops.arithmetic import add
from heat_core.ops.creation import zeros_like
from heat_core.ops.ranges import eye
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
_LARGE = 128  # rows, from which on torch's way takes longer

Matrix = TypeVar("Matrix", torch.Tensor, DNDarray)


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
    Large matrices by scaling and squaring with the [13/13] Padé approximant, small ones and stacks
    by torch. A matrix beyond ``config.replicate_bytes`` is not gathered, but takes distributed
    products and one distributed LU.
    """
    matrices = as_square(x, "matrix_exp")
    if fits(matrices):
        return map_matrices(_local_exponential, matrices)[0]
    n, comm = matrices.shape[0], matrices.comm
    identity = eye(n, dtype=matrices.dtype, split=matrices.split, comm=comm)

    def product(row: torch.Tensor, magnitudes: DNDarray) -> torch.Tensor:
        return replicated(matmul(wrap(row, replicated_layout((n,)), comm), magnitudes))

    return _exponential(matrices, identity, solve, product, matrices.larray)


def _local_exponential(local: torch.Tensor) -> torch.Tensor:
    if local.ndim > 2 or len(local) < _LARGE:
        result: torch.Tensor = torch.linalg.matrix_exp(local)
        return result
    identity = torch.eye(len(local), dtype=local.dtype, device=local.device)
    return _exponential(local, identity, torch.linalg.solve, torch.matmul, local)


def _exponential(
    a: Matrix,
    identity: Matrix,
    solve: Callable[[Matrix, Matrix], Matrix],
    product: Callable[[torch.Tensor, Matrix], torch.Tensor],
    like: torch.Tensor,
) -> Matrix:
    """Of one matrix: A. H. Al-Mohy, N. J. Higham, SIAM J. Matrix Anal. Appl. 31 (2009).

    Halvings are counted from the norms of the fourth and sixth powers, which for most matrices are
    much smaller than those powers of the norm.
    """
    ones = torch.ones(len(identity), dtype=like.dtype.to_real(), device=like.device)

    def norm(matrix: Matrix) -> float:
        return float(product(ones, abs(matrix)).max())

    # So that no power overflows.
    halvings = _halvings(norm(a), 1024.0)
    a = a * 2.0**-halvings
    a2 = a @ a
    a4 = a2 @ a2
    a6 = a4 @ a2
    more = _halvings(max(norm(a4) ** (1 / 4), norm(a6) ** (1 / 6)), _RADIUS)
    more += _for_rounding(abs(a), more, ones, product)
    b = [number * 2.0 ** (-more * k) for k, number in enumerate(_PADE)]
    odd = a6 @ (a6 * b[13] + a4 * b[11] + a2 * b[9])
    odd = a @ (odd + a6 * b[7] + a4 * b[5] + a2 * b[3] + identity * b[1])
    even = a6 @ (a6 * b[12] + a4 * b[10] + a2 * b[8])
    even = even + a6 * b[6] + a4 * b[4] + a2 * b[2] + identity * b[0]
    result = solve(even - odd, even + odd)
    for _ in range(halvings + more):
        result = result @ result
    return result


def _halvings(size: float, limit: float) -> int:
    """How often a size has to be halved; 0 if it is not finite."""
    return math.ceil(math.log2(size / limit)) if limit < size < math.inf else 0


def _for_rounding(
    magnitudes: Matrix,
    halvings: int,
    ones: torch.Tensor,
    product: Callable[[torch.Tensor, Matrix], torch.Tensor],
) -> int:
    """Further halvings, if terms of powers cancel so much that the norms of powers mislead.

    The function ``ell`` of algorithm 6.1, by the norm of the 27th power of the magnitudes.
    """
    row, logarithms = ones, list[float]()
    for _ in range(27):
        row = product(row, magnitudes)
        peak = float(row.max())
        if not 0 < peak < math.inf:
            return 0
        logarithms.append(math.log2(peak))
        row = row / peak
    power = sum(logarithms[1:]) - 26 * halvings  # over the norm of the matrix
    coefficient = math.log2(math.comb(26, 13)) + math.log2(math.factorial(27))
    return max(0, math.ceil((power - coefficient + 53) / 26))
