"""Search spaces as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
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

__all__ = ["describe", "restore"]

_KINDS = {kind.__name__: kind for kind in (Float, Int, Ordinal, Categorical, Bool, Constant)}


def describe(parameters: Mapping[str, Parameter]) -> dict[str, dict[str, Any]]:
    """A JSON-ready description of each parameter."""
    return {name: _describe(parameter) for name, parameter in parameters.items()}


def _describe(parameter: Parameter) -> dict[str, Any]:
    description: dict[str, Any] = {"kind": type(parameter).__name__}
    for field in fields(parameter):
        value = getattr(parameter, field.name)
        if field.name == "when":
            value = None if value is None else _describe_condition(value)
        elif field.name == "choices":
            value = [_plain(choice) for choice in value]
        else:
            value = _plain(value)
        description[field.name] = value
    if isinstance(parameter, Bool):
        del description["choices"]
    return description


def _plain(value: Any) -> Any:
    """The value if JSON keeps it; else its name, which is stable between processes."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    return getattr(value, "__qualname__", None) or repr(value)


def _describe_condition(when: Any) -> list[list[Any]]:
    clauses = when.items() if isinstance(when, Mapping) else [when]
    described = []
    for name, wanted in clauses:
        if callable(wanted) and not isinstance(wanted, type):
            described.append([name, {"function": getattr(wanted, "__qualname__", "?")}])
        else:
            several = isinstance(wanted, tuple | list | set | frozenset)
            values = list(wanted) if several else [wanted]
            described.append([name, [_plain(value) for value in values]])
    return described


def restore(description: Mapping[str, Mapping[str, Any]]) -> dict[str, Parameter]:
    """The parameters of a description.

    Raises
    ------
    ValueError
        If it is none, or damaged.
    """
    try:
        return {name: _restore(described) for name, described in description.items()}
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"this describes no search space: {error!r}") from error


def _restore(described: Mapping[str, Any]) -> Parameter:
    arguments = dict(described)
    kind = _KINDS[arguments.pop("kind")]
    when = arguments.pop("when", None)
    if when is not None:
        clauses = {other: tuple(wanted) for other, wanted in when if isinstance(wanted, list)}
        arguments["when"] = clauses or None
    if "choices" in arguments:
        arguments["choices"] = [
            tuple(c) if isinstance(c, list) else c for c in arguments["choices"]
        ]
    return kind(**arguments)
