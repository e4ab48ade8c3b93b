"""Distributions of integers and of vectors."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np
import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import replicated
from heat_core.dtypes import canonical_heat_type, int64
from heat_core.layout.plans import Block
from heat_core.ops.creation import placed, shape_of
from heat_core.random import kernels
from heat_core.random.distributions import result_type
from heat_core.random.generator import Generator

__all__ = ["integers", "multinomial", "multivariate_normal"]


def integers(
    self: Generator,
    low: int,
    high: int | None = None,
    size: Any = None,
    dtype: object = int64,
    endpoint: bool = False,
    *,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
) -> Any:
    """Integers of [low, high), all equally probable. Local.

    Parameters
    ----------
    low, high : int
        One number is ``high``, with ``low`` 0.
    size : int or tuple of int, optional
        Default: one Python integer.
    dtype : data type
        An integer type.
    endpoint : bool
        Whether ``high`` is included.
    split : int or None
        The distributed axis.
    device : {"cpu", "gpu"} or Device, optional
    comm : Communicator, optional

    Raises
    ------
    ValueError
        If there is no such integer, or the type does not hold them all.
    """
    chosen = canonical_heat_type(dtype)
    if "integer" not in chosen.kind or chosen.numpy is None:
        raise TypeError(f"integers do not have type {chosen.name}")
    start, stop = (0, index(low)) if high is None else (index(low), index(high))
    stop += endpoint
    if start >= stop:
        raise ValueError(f"there is no integer in [{start}, {stop})")
    limits = np.iinfo(chosen.numpy)
    if start < limits.min or stop - 1 > limits.max:
        raise ValueError(f"{chosen.name} does not hold all integers of [{start}, {stop})")
    layout, comm, _, where = placed(() if size is None else size, split, device, comm)
    local = self.draw(kernels.integers(start, stop), layout, comm, chosen.torch)
    return local.item() if size is None else wrap(local.to(where), layout, comm)


def _replicated(parameter: Any, dtype: Any = np.float64) -> np.ndarray[Any, Any]:
    if isinstance(parameter, DNDarray):
        parameter = replicated(parameter).cpu().numpy()
    return np.asarray(parameter, dtype)


def multinomial(
    self: Generator,
    n: int,
    pvals: Any,
    size: Any = None,
    dtype: object = int64,
    *,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
) -> DNDarray:
    """How often each of some outcomes comes in ``n`` trials.

    Collective if ``pvals`` is a distributed array, which is replicated, else local.

    Parameters
    ----------
    n : int
    pvals : array_like, (k,)
        Probabilities.
    size : int or tuple of int, optional
        Number of draws; default: one, ().
    dtype : data type
    split : int or None
        The distributed axis of the result.
    device : {"cpu", "gpu"} or Device, optional
    comm : Communicator, optional

    Returns
    -------
    DNDarray, (*size, k)
        The last axis sums up to ``n``.
    """
    chosen = canonical_heat_type(dtype)
    probabilities = _replicated(pvals)
    if probabilities.ndim != 1 or not (probabilities >= 0).all():
        raise ValueError("pvals is a vector of probabilities")
    if index(n) < 0 or probabilities[:-1].sum() > 1 + 1e-12:
        raise ValueError("n must not be negative, and the probabilities sum up to 1")
    batch = () if size is None else shape_of(size)
    layout, comm, _, where = placed((*batch, len(probabilities)), split, device, comm)

    def draw(rng: np.random.Generator, out: torch.Tensor, block: Block) -> None:  # noqa: ARG001
        counts = rng.multinomial(index(n), probabilities, tuple(out.shape[:-1]))
        out.copy_(torch.from_numpy(counts))

    local = self.draw(draw, layout, comm, chosen.torch, n_event_axes=1)
    return wrap(local.to(where), layout, comm)


def multivariate_normal(
    self: Generator,
    mean: Any,
    cov: Any,
    size: Any = None,
    dtype: object = None,
    *,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
) -> DNDarray:
    """Normal vectors with a mean and a covariance.

    Collective if a parameter is a distributed array, which is replicated, else local.

    Parameters
    ----------
    mean : array_like, (d,)
    cov : array_like, (d, d)
        Symmetric and positive semi-definite.
    size : int or tuple of int, optional
        Number of draws; default: one, ().
    dtype : data type, optional
        Default: the default floating-point type.
    split : int or None
        The distributed axis of the result.
    device : {"cpu", "gpu"} or Device, optional
    comm : Communicator, optional

    Returns
    -------
    DNDarray, (*size, d)
    """
    chosen = result_type(None, dtype)
    centre, covariance = _replicated(mean), _replicated(cov)
    d = len(centre) if centre.ndim == 1 else -1
    if covariance.shape != (d, d):
        raise ValueError(f"shapes {centre.shape} of mean, {covariance.shape} of cov do not fit")
    variances, axes = np.linalg.eigh(covariance)
    tolerance = 1e-8 * max(1.0, float(np.abs(covariance).max(initial=0.0)))
    if (variances < -tolerance).any() or not np.allclose(covariance, covariance.T, atol=tolerance):
        raise ValueError("cov must be symmetric and positive semi-definite")
    factor = torch.from_numpy((axes * np.sqrt(variances.clip(0))).T.copy()).to(chosen.torch)
    shift = torch.from_numpy(centre).to(chosen.torch)
    batch = () if size is None else shape_of(size)
    layout, comm, _, where = placed((*batch, d), split, device, comm)

    def draw(rng: np.random.Generator, out: torch.Tensor, block: Block) -> None:
        standard = torch.empty(out.shape, dtype=out.dtype)
        kernels.normal(rng, standard, block)
        out.copy_(standard @ factor).add_(shift)

    local = self.draw(draw, layout, comm, chosen.torch, n_event_axes=1)
    return wrap(local.to(where), layout, comm)
