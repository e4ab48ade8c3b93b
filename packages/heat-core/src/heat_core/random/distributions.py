"""Distributions of numbers: one row each, and one function that draws them all."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import replicated
from heat_core.comm import Communicator, sanitize_comm
from heat_core.dispatch.operands import (
    as_tensor,
    broadcast_shapes,
    coerce,
    common_comm,
    local_operand,
    target_layout,
)
from heat_core.dtypes import DType, bool_, canonical_heat_type, default_float, float64, int64
from heat_core.layout import Layout
from heat_core.ops.creation import placed, shape_of
from heat_core.random.generator import Generator
from heat_core.random.kernels import elementwise, normal, uniform
from heat_core.random.philox import Draw

__all__ = ["DISTRIBUTIONS", "Distribution", "method_of"]

REQUIRED = inspect.Parameter.empty
_CONDITIONS: dict[str, Callable[[Any], Any]] = {
    "positive": lambda value: value > 0,
    "not negative": lambda value: value >= 0,
    "of [0, 1]": lambda value: (value >= 0) & (value <= 1),
}


@dataclass(frozen=True, slots=True)
class Distribution:
    """One distribution.

    Parameters
    ----------
    summary : str
    parameters : dict
        Names and defaults.
    standard : Draw or None
        Fills a tile with the standard distribution, which ``combine`` makes the wanted one of.
    combine : callable or None
        Of local tensors: standard numbers, then the parameters. None: there are no parameters.
    method : str
        Without ``standard``: the method of NumPy's generator that takes the parameters.
    kind : DType or None
        Type of the result unless chosen; None: the default floating-point type, and only such.
    work : DType or None
        Type of the standard numbers; None: that of the result.
    conditions : dict
        What must hold for a parameter, where it does not lie on several ranks.
    """

    summary: str
    parameters: dict[str, Any] = field(default_factory=dict)
    standard: Draw | None = None
    combine: Callable[..., torch.Tensor] | None = None
    method: str = ""
    kind: DType | None = None
    work: DType | None = None
    conditions: dict[str, str] = field(default_factory=dict)


def _located(values: torch.Tensor, loc: Any, scale: Any) -> torch.Tensor:
    return values.mul_(scale).add_(loc)


def _between(values: torch.Tensor, low: Any, high: Any) -> torch.Tensor:
    return values.mul_(high - low).add_(low)


def _normal_between(values: torch.Tensor, mean: Any, std: Any, low: Any, high: Any) -> torch.Tensor:
    """The inverse of the distribution function, in the lower tail, where it is accurate."""
    lower, upper = (
        torch.as_tensor((bound - mean) / std, dtype=values.dtype) for bound in (low, high)
    )
    flipped = lower + upper > 0
    start = torch.special.ndtr(torch.where(flipped, -upper, lower))
    end = torch.special.ndtr(torch.where(flipped, -lower, upper))
    standard = torch.special.ndtri(torch.lerp(start.expand_as(values), end, values))
    standard = torch.where(flipped, -standard, standard)
    return torch.clamp(standard, lower, upper).mul_(std).add_(mean)


def _numpy(name: str) -> Draw:
    """The standard form of a distribution, by NumPy."""
    return elementwise(lambda rng, shape: getattr(rng, name)(size=shape), (), ())


DISTRIBUTIONS: dict[str, Distribution] = {
    "random": Distribution("Uniform on [0, 1).", standard=uniform),
    "standard_normal": Distribution("Normal with mean 0 and variance 1.", standard=normal),
    "standard_exponential": Distribution(
        "Exponential with mean 1.", standard=_numpy("standard_exponential")
    ),
    "uniform": Distribution(
        "Uniform on [low, high); rounding may give ``high`` itself.",
        {"low": 0.0, "high": 1.0},
        uniform,
        _between,
    ),
    "normal": Distribution(
        "Normal with mean ``loc`` and standard deviation ``scale``.",
        {"loc": 0.0, "scale": 1.0},
        normal,
        _located,
        conditions={"scale": "not negative"},
    ),
    "lognormal": Distribution(
        "The exponential function of normal numbers of ``mean`` and deviation ``sigma``.",
        {"mean": 0.0, "sigma": 1.0},
        normal,
        lambda values, mean, sigma: _located(values, mean, sigma).exp_(),
        conditions={"sigma": "not negative"},
    ),
    "exponential": Distribution(
        "Exponential with mean ``scale``.",
        {"scale": 1.0},
        _numpy("standard_exponential"),
        lambda values, scale: values.mul_(scale),
        conditions={"scale": "not negative"},
    ),
    "laplace": Distribution(
        "Laplace: exponential on both sides of ``loc``.",
        {"loc": 0.0, "scale": 1.0},
        _numpy("laplace"),
        _located,
        conditions={"scale": "not negative"},
    ),
    "truncated_normal": Distribution(
        "Normal with ``mean`` and deviation ``std``, given that it lies in [low, high].",
        {"mean": 0.0, "std": 1.0, "low": -2.0, "high": 2.0},
        uniform,
        _normal_between,
        work=float64,
        conditions={"std": "positive"},
    ),
    "bernoulli": Distribution(
        "True with probability ``p``.",
        {"p": 0.5},
        uniform,
        lambda values, p: values < p,
        kind=bool_,
        work=float64,
        conditions={"p": "of [0, 1]"},
    ),
    "gamma": Distribution(
        "Gamma with ``shape`` and ``scale``.",
        {"shape": REQUIRED, "scale": 1.0},
        method="gamma",
        conditions={"shape": "not negative", "scale": "not negative"},
    ),
    "standard_gamma": Distribution(
        "Gamma with ``shape`` and scale 1.",
        {"shape": REQUIRED},
        method="standard_gamma",
        conditions={"shape": "not negative"},
    ),
    "beta": Distribution(
        "Beta on (0, 1).",
        {"a": REQUIRED, "b": REQUIRED},
        method="beta",
        conditions={"a": "positive", "b": "positive"},
    ),
    "chisquare": Distribution(
        "Sum of squares of ``df`` standard normal numbers.",
        {"df": REQUIRED},
        method="chisquare",
        conditions={"df": "positive"},
    ),
    "standard_t": Distribution(
        "Student's t with ``df`` degrees of freedom.",
        {"df": REQUIRED},
        method="standard_t",
        conditions={"df": "positive"},
    ),
    "poisson": Distribution(
        "Number of events where ``lam`` are expected.",
        {"lam": 1.0},
        method="poisson",
        kind=int64,
        conditions={"lam": "not negative"},
    ),
    "binomial": Distribution(
        "Number of successes of ``n`` trials with probability ``p``.",
        {"n": REQUIRED, "p": REQUIRED},
        method="binomial",
        kind=int64,
        conditions={"n": "not negative", "p": "of [0, 1]"},
    ),
}

_DOC = """{summary}

    Collective if a parameter is a distributed array, else local.

    Parameters
    ----------
    {parameters}size : int or tuple of int, optional
        Default: the shape to which the parameters broadcast, and one Python number if that is ().
    dtype : data type, optional
        Default: {dtype}.
    split : int or None
        The distributed axis; default: that of the largest distributed parameter.
    device : {{"cpu", "gpu"}} or Device, optional
    comm : Communicator, optional

    Raises
    ------
    ValueError
        If a parameter has no meaning or does not broadcast to ``size``.
    """


def result_type(kind: DType | None, dtype: object) -> DType:
    """The type of the result; TypeError if it cannot hold one."""
    chosen = (kind or default_float()) if dtype is None else canonical_heat_type(dtype)
    if kind is None and chosen.kind != "real floating":
        raise TypeError(f"this distribution has real numbers, not {chosen.name}")
    return chosen


def _checked(name: str, row: Distribution, values: tuple[Any, ...]) -> None:
    for parameter, value in zip(row.parameters, values, strict=True):
        condition = row.conditions.get(parameter)
        if condition is None or (isinstance(value, DNDarray) and value.is_distributed()):
            continue
        array = value.larray.cpu().numpy() if isinstance(value, DNDarray) else np.asarray(value)
        if not np.all(_CONDITIONS[condition](array)):
            raise ValueError(f"{parameter} of {name} must be {condition}")


def _parameter(value: Any, comm: Communicator) -> Any:
    """A Python number or an array."""
    return coerce(as_tensor(value) if isinstance(value, (list, tuple)) else value, comm)


def _place(
    size: Any, arrays: list[DNDarray], split: int | None, device: object, comm: Any
) -> tuple[Layout, Communicator, torch.device]:
    """Where the result lies: as asked, else like the largest distributed parameter."""
    shape = broadcast_shapes(*(a.shape for a in arrays)) if size is None else shape_of(size)
    if broadcast_shapes(shape, *(a.shape for a in arrays)) != shape:
        raise ValueError(f"the parameters do not broadcast to size {shape}")
    layout, comm, _, where = placed(shape, split, device, comm)
    return (target_layout(arrays, shape) if split is None else layout), comm, where


def sample(
    rng: Generator,
    name: str,
    values: tuple[Any, ...],
    size: Any,
    dtype: object,
    split: int | None,
    device: object,
    comm: Any,
) -> Any:
    """Draw the distribution ``name`` with these parameters."""
    row = DISTRIBUTIONS[name]
    chosen = result_type(row.kind, dtype)
    if any(isinstance(value, DNDarray) for value in values):
        comm = common_comm(values)
    comm = sanitize_comm(comm)
    parameters = tuple(_parameter(value, comm) for value in values)
    arrays = [p for p in parameters if isinstance(p, DNDarray)]
    layout, comm, where = _place(size, arrays, split, device, comm)
    if row.standard is None:
        parameters = tuple(
            np.asarray(replicated(p).cpu() if isinstance(p, DNDarray) else p) for p in parameters
        )
        _checked(name, row, parameters)
        method = getattr(np.random.Generator, row.method)
        draw = elementwise(method, layout.gshape, parameters)
        local = rng.draw(draw, layout, comm, chosen.torch)
    else:
        _checked(name, row, parameters)
        local = rng.draw(row.standard, layout, comm, (row.work or chosen).torch)
        if row.combine is not None:
            operands = (
                local_operand(p, layout).to("cpu", local.dtype) if isinstance(p, DNDarray) else p
                for p in parameters
            )
            local = row.combine(local, *operands)
    if size is None and not layout.gshape:
        return local.to(chosen.torch).item()
    return wrap(local.to(where, chosen.torch), layout, comm)


def method_of(name: str) -> Callable[..., Any]:
    """The method of generators that draws the distribution ``name``."""
    row = DISTRIBUTIONS[name]
    keyword = inspect.Parameter.POSITIONAL_OR_KEYWORD
    placement = ("size", "dtype", "split", "device", "comm")
    signature = inspect.Signature(
        [
            inspect.Parameter("self", keyword),
            *(inspect.Parameter(p, keyword, default=d) for p, d in row.parameters.items()),
            *(inspect.Parameter(p, keyword, default=None) for p in placement),
        ]
    )
    n_parameters = len(row.parameters)

    def method(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        rng, *rest = bound.args
        return sample(rng, name, tuple(rest[:n_parameters]), *rest[n_parameters:])

    listed = ", ".join(row.parameters)
    kind = "number or array_like"
    if row.standard is None and listed:
        kind += "; a distributed array is replicated"
    method.__name__ = method.__qualname__ = name
    method.__signature__ = signature  # type: ignore[attr-defined]
    method.__doc__ = _DOC.format(
        summary=row.summary,
        parameters=f"{listed} : {kind}\n    " if listed else "",
        dtype="the default floating-point type" if row.kind is None else row.kind.name,
    )
    return method
