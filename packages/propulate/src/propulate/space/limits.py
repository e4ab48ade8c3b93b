"""From limits as users write them, such as ``{"lr": (1e-4, 0.1)}``, to parameters."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any

from propulate.space.parameters import (
    Bool,
    Categorical,
    Constant,
    Float,
    Int,
    Ordinal,
    Parameter,
)

__all__ = ["parameters_from_limits"]


def parameters_from_limits(limits: Mapping[Any, Any]) -> dict[str, Parameter]:
    """The parameters that limits describe.

    Parameters
    ----------
    limits : mapping
        Name to a `Parameter`, or to a tuple: two numbers, of which at least one is a float, are a
        continuous range; two integers an integer range; three or more integers ordered values;
        strings or booleans categories.

    Raises
    ------
    ValueError
        Naming the parameter.
    """
    if not limits:
        raise ValueError("limits is empty: there is nothing to search")
    parameters = {}
    for name, limit in limits.items():
        if not isinstance(name, str) or not name or name.startswith("_"):
            raise ValueError(f"parameter names are strings without a leading _, got {name!r}")
        try:
            parameters[name] = _parameter(name, limit)
        except (ValueError, TypeError) as error:
            raise ValueError(f"parameter {name!r}: {error}") from error
    return parameters


def _parameter(name: str, limit: Any) -> Parameter:
    if isinstance(limit, Parameter):
        return limit
    if isinstance(limit, set | frozenset):
        warnings.warn(f"parameter {name!r}: a set has no order; it is sorted", stacklevel=2)
        return _from_values(name, sorted(limit, key=repr))
    if not isinstance(limit, Iterable) or isinstance(limit, str | bytes | Mapping):
        raise TypeError(f"expected a Parameter or a tuple, got {limit!r}")
    values = [value.item() if hasattr(value, "item") else value for value in limit]
    if not values:
        raise ValueError("there are no choices")
    if len(values) == 1 and isinstance(values[0], Real):
        raise ValueError(f"one number is no range; use Constant({values[0]!r}) for a fixed value")
    if len(values) == 1:
        return Constant(values[0])
    return _from_values(name, values)


def _from_values(name: str, values: list[Any]) -> Parameter:
    if all(isinstance(value, bool) for value in values):
        return Bool() if sorted(values) == [False, True] else Categorical(values)
    if all(isinstance(value, str) for value in values):
        return Categorical(values)
    numbers = all(isinstance(value, Real) and not isinstance(value, bool) for value in values)
    whole = numbers and all(isinstance(value, Integral) for value in values)
    if numbers and len(values) == 2:
        lo, hi = values
        if lo > hi:
            warnings.warn(
                f"parameter {name!r}: ({lo}, {hi}) is taken as ({hi}, {lo})", stacklevel=2
            )
            lo, hi = hi, lo
        return Int(lo, hi) if whole else Float(lo, hi)
    if whole:
        return Ordinal(values)
    if not all(isinstance(value, type(values[0])) for value in values):
        warnings.warn(f"parameter {name!r}: {values} are taken as categories", stacklevel=2)
    return Categorical(values)
