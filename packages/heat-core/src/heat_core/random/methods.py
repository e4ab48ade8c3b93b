"""The methods of generators, and the functions of the module, which use one generator for all.

Importing this module attaches the methods. A function of the module is the method of the same
name on the default generator; it cannot diverge from it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from heat_core.dtypes import int32
from heat_core.random import permutation as order
from heat_core.random import vectors
from heat_core.random.distributions import DISTRIBUTIONS, method_of
from heat_core.random.generator import Generator, State, fresh_seed

__all__ = ["METHODS", "function_of", "get_state", "rand", "randint", "randn", "seed", "set_state"]

METHODS: dict[str, Callable[..., Any]] = {
    **{name: method_of(name) for name in DISTRIBUTIONS},
    **{
        function.__name__: function
        for function in (
            *(vectors.integers, vectors.multinomial, vectors.multivariate_normal),
            *(order.choice, order.permutation, order.randperm, order.shuffle),
        )
    },
}
for _name, _method in METHODS.items():
    setattr(Generator, _name, _method)

# The same in every run: all ranks agree on it without a message.
_default = Generator(0)


def seed(seed: int | None = None) -> None:
    """Start the functions of this module from a seed. Collective if it is None, else local.

    Parameters
    ----------
    seed : int, optional
        Non-negative, of any size. Default: rank 0 asks the operating system. Programs that never
        call this function draw as after ``seed(0)``.
    """
    Generator.__init__(_default, fresh_seed() if seed is None else seed)


def get_state() -> State:
    """``("Philox", seed, arrays drawn, 0, 0.0)``. Local."""
    return _default.get_state()


def set_state(state: Any) -> None:
    """Go on from a state that ``get_state`` returned; see ``Generator.set_state``. Local."""
    _default.set_state(state)


def function_of(name: str, **renamed: str) -> Callable[..., Any]:
    """The method ``name`` on the default generator.

    Parameters
    ----------
    name : str
    **renamed : str
        Parameters that have another name in the original HeAT; both names are accepted.
    """
    method = METHODS[name]
    _, *parameters = inspect.signature(method).parameters.values()
    back = {new: old for old, new in renamed.items()}

    def function(*args: Any, **kwargs: Any) -> Any:
        return method(_default, *args, **{back.get(key, key): kwargs[key] for key in kwargs})

    function.__name__ = function.__qualname__ = name
    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            parameter.replace(name=renamed.get(parameter.name, parameter.name))
            for parameter in parameters
        ]
    )
    text = inspect.getdoc(method) or ""
    for old, new in renamed.items():
        text = text.replace(f"\n{old} :", f"\n{new} :").replace(f"``{old}``", f"``{new}``")
    function.__doc__ = text
    return function


def rand(
    *d: int, dtype: object = None, split: int | None = None, device: object = None, comm: Any = None
) -> Any:
    """Uniform numbers of [0, 1) in an array of extents ``d``; a Python float without. Local."""
    return METHODS["random"](_default, d or None, dtype, split, device, comm)


def randn(
    *d: int, dtype: object = None, split: int | None = None, device: object = None, comm: Any = None
) -> Any:
    """Standard normal numbers in an array of extents ``d``; a Python float without. Local."""
    return METHODS["standard_normal"](_default, d or None, dtype, split, device, comm)


def randint(
    low: int,
    high: int | None = None,
    size: Any = None,
    dtype: object = int32,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
) -> Any:
    """Integers of [low, high), or of [0, low); parameters as of ``Generator.integers``. Local."""
    return vectors.integers(_default, low, high, size, dtype, split=split, device=device, comm=comm)
