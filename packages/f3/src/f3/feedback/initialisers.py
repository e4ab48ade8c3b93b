"""Initial values of feedback matrices: functions of (C, shape, generator, dtype, device).

Random ones are drawn column by column, so that a part of the columns can be drawn alone.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = [
    "INITIALISERS",
    "Initialiser",
    "alternate_negative",
    "binomial",
    "cartesian_product",
    "chunked_negative",
    "constant",
    "discrete_uniform",
    "identity_fill_zero",
    "identity_repeat",
    "identity_repeat_pm",
    "kaiming_uniform",
    "kaiming_uniform_repeat_line",
    "normal",
    "orthogonal",
    "rademacher",
    "trinomial",
]

Shape = int | Sequence[int]
#: (C, shape, generator, dtype=, device=) -> Tensor of shape (C, number of features)
Initialiser = Callable[..., Tensor]


def _width(shape: Shape) -> int:
    return shape if isinstance(shape, int) else math.prod(shape)


def _finish(matrix: Tensor, dtype: torch.dtype, device: Any) -> Tensor:
    return matrix.to(device=device, dtype=dtype).contiguous()


def kaiming_uniform(
    n_outputs: int,
    shape: Shape,
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float32,
    device: Any = None,
    *,
    fan_in: int | None = None,
) -> Tensor:
    """Uniform between -1/sqrt(m) and 1/sqrt(m), m the number of features.

    Parameters
    ----------
    n_outputs : int
        Rows C of the matrix.
    shape : int or sequence of int
        Of a block's output without the batch; m is their product.
    generator : torch.Generator, optional
        On the CPU.
    dtype : torch.dtype
    device : optional
    fan_in : int, optional
        Instead of m, where a part of the columns is drawn.

    Returns
    -------
    Tensor, (C, m)
    """
    width = _width(shape)
    bound = 1 / math.sqrt(fan_in or width)
    entries = torch.rand(width, n_outputs, generator=generator).mul_(2).sub_(1).mul_(bound)
    return _finish(entries.T, dtype, device)


def discrete_uniform(
    n_outputs: int,
    shape: Shape,
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float32,
    device: Any = None,
    *,
    values: Sequence[float] = (-1.0, 0.0, 1.0),
    scalar: float = 1.0,
    fan_in: int | None = None,  # noqa: ARG001 - its scale does not depend on it
) -> Tensor:
    """Each entry one of `values`, times `scalar`; further parameters as in `kaiming_uniform`."""
    choice = torch.randint(len(values), (_width(shape), n_outputs), generator=generator)
    entries = torch.tensor(values, dtype=torch.float32)[choice] * scalar
    return _finish(entries.T, dtype, device)


trinomial = functools.partial(discrete_uniform, values=(-1.0, 0.0, 1.0))
binomial = functools.partial(discrete_uniform, values=(0.0, 1.0))
rademacher = functools.partial(discrete_uniform, values=(-1.0, 1.0))


def normal(
    n_outputs: int,
    shape: Shape,
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float32,
    device: Any = None,
    *,
    std: float | None = None,
    fan_in: int | None = None,
) -> Tensor:
    """Normal with mean 0 and deviation `std`, by default 1/sqrt(m)."""
    width = _width(shape)
    std = 1 / math.sqrt(fan_in or width) if std is None else std
    entries = torch.randn(width, n_outputs, generator=generator) * std
    return _finish(entries.T, dtype, device)


def orthogonal(
    n_outputs: int,
    shape: Shape,
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float32,
    device: Any = None,
) -> Tensor:
    """Orthonormal rows, or columns if there are fewer features than outputs."""
    width = _width(shape)
    draw = torch.randn(max(width, n_outputs), min(width, n_outputs), generator=generator)
    basis, upper = torch.linalg.qr(draw)
    basis = basis * upper.diagonal().sign()  # uniform over all such matrices
    return _finish(basis.T if width >= n_outputs else basis, dtype, device)


def kaiming_uniform_repeat_line(
    n_outputs: int,
    shape: Shape,
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float32,
    device: Any = None,
) -> Tensor:
    """One column of `kaiming_uniform`, for all features."""
    width = _width(shape)
    column = kaiming_uniform(n_outputs, 1, generator, dtype, device, fan_in=width)
    return column.expand(-1, width).contiguous()


def identity_repeat(
    n_outputs: int,
    shape: Shape,
    generator: torch.Generator | None = None,  # noqa: ARG001 - all initialisers take it
    dtype: torch.dtype = torch.float32,
    device: Any = None,
) -> Tensor:
    """Unit columns, one after the other, over and over."""
    column = torch.arange(_width(shape)) % n_outputs
    return _finish(torch.eye(n_outputs)[:, column], dtype, device)


def identity_repeat_pm(
    n_outputs: int,
    shape: Shape,
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float32,
    device: Any = None,
) -> Tensor:
    """Unit columns, then their negatives, over and over."""
    plain = identity_repeat(n_outputs, shape, generator, dtype, device)
    period = torch.arange(_width(shape), device=plain.device) // n_outputs % 2
    return plain * (1 - 2 * period).to(plain.dtype)


def identity_fill_zero(
    n_outputs: int,
    shape: Shape,
    generator: torch.Generator | None = None,  # noqa: ARG001
    dtype: torch.dtype = torch.float32,
    device: Any = None,
) -> Tensor:
    """Unit columns, then zeros."""
    return _finish(torch.eye(n_outputs, _width(shape)), dtype, device)


def constant(
    n_outputs: int,
    shape: Shape,
    generator: torch.Generator | None = None,  # noqa: ARG001
    dtype: torch.dtype = torch.float32,
    device: Any = None,
    *,
    value: float = 1.0,
) -> Tensor:
    """The same value everywhere."""
    return torch.full((n_outputs, _width(shape)), value, dtype=dtype, device=device)


def alternate_negative(
    n_outputs: int,
    shape: Shape,
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float32,
    device: Any = None,
    *,
    value: float = 1.0,
) -> Tensor:
    """A constant, with every other column negative, beginning with the first."""
    matrix = constant(n_outputs, shape, generator, dtype, device, value=value)
    matrix[:, ::2] *= -1
    return matrix


def chunked_negative(
    n_outputs: int,
    shape: Shape,
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float32,
    device: Any = None,
    *,
    value: float = 1.0,
) -> Tensor:
    """A constant, with the second half of the columns negative."""
    matrix = constant(n_outputs, shape, generator, dtype, device, value=value)
    matrix[:, matrix.shape[1] // 2 :] *= -1
    return matrix


def cartesian_product(
    n_outputs: int,
    shape: Shape,
    generator: torch.Generator | None = None,  # noqa: ARG001
    dtype: torch.dtype = torch.float32,
    device: Any = None,
    *,
    values: Sequence[float] = (-1.0, 1.0),
) -> Tensor:
    """Every combination of `values` as a column; needs ``len(values) ** C`` features."""
    width = _width(shape)
    if len(values) ** n_outputs != width:
        raise ValueError(
            f"all combinations of {len(values)} values at {n_outputs} outputs are "
            f"{len(values) ** n_outputs} columns, but the block has {width} features"
        )
    columns = torch.tensor(list(itertools.product(values, repeat=n_outputs)))
    return _finish(columns.T, dtype, device)


INITIALISERS: dict[str, Initialiser] = {
    "kaiming_uniform": kaiming_uniform,
    "trinomial": trinomial,
    "binomial": binomial,
    "rademacher": rademacher,
    "discrete_uniform": discrete_uniform,
    "normal": normal,
    "orthogonal": orthogonal,
    "kaiming_uniform_repeat_line": kaiming_uniform_repeat_line,
    "identity_repeat": identity_repeat,
    "identity_repeat_pm": identity_repeat_pm,
    "identity_fill_zero": identity_fill_zero,
    "constant": constant,
    "alternate_negative": alternate_negative,
    "chunked_negative": chunked_negative,
    "cartesian_product": cartesian_product,
}
