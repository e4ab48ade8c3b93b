"""Conditional parameters: which are active, given the values of others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from propulate.space.parameters import Parameter

__all__ = ["Condition", "conditions", "evaluation_order"]

Test = Callable[[Any], bool]
Condition = tuple[tuple[str, Test], ...]


def conditions(parameters: Mapping[str, Parameter]) -> dict[str, Condition]:
    """The conditions of those parameters that have one, as pairs of a name and a test.

    Raises
    ------
    ValueError
        For an unknown name and for conditions in a circle.
    """
    found: dict[str, Condition] = {}
    for name, parameter in parameters.items():
        when = getattr(parameter, "when", None)
        if when is None:
            continue
        clauses = when.items() if isinstance(when, Mapping) else [when]
        found[name] = tuple((other, _test(wanted)) for other, wanted in clauses)
        for other, _ in found[name]:
            if other not in parameters:
                raise ValueError(f"parameter {name!r}: its condition names {other!r}, not in here")
    evaluation_order(found)
    return found


def evaluation_order(found: Mapping[str, Condition]) -> list[str]:
    """The conditional parameters, each after those that it depends on."""
    order: list[str] = []
    visiting: list[str] = []

    def visit(name: str) -> None:
        if name in order or name not in found:
            return
        if name in visiting:
            raise ValueError(f"conditions in a circle: {' -> '.join([*visiting, name])}")
        visiting.append(name)
        for other, _ in found[name]:
            visit(other)
        visiting.pop()
        order.append(name)

    for name in found:
        visit(name)
    return order


def _test(wanted: Any) -> Test:
    if callable(wanted) and not isinstance(wanted, type):
        return wanted  # type: ignore[no-any-return]
    allowed = wanted if isinstance(wanted, tuple | list | set | frozenset) else (wanted,)
    return lambda value: value in allowed
