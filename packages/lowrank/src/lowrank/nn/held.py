"""Parameters of modules whose computation is not ours: recurrent layers, and whatever is named.

The parameter moves into a small module of its own, where it can be factored like a layer; the
module that it came from finds the product of the factors under the old name. This saves trained
numbers, optimiser state and traffic, but no time: the dense weight is built at each use.
"""

from __future__ import annotations

import functools
from typing import Any

from torch import Tensor, nn

from lowrank.nn.factored import Factored
from lowrank.views import MatrixView

__all__ = ["PREFIX", "FactoredWeight", "HeldWeight", "hold", "release", "released_entries"]

#: Stands before the name of a parameter for the name of the module that holds it.
PREFIX = "held_"


class HeldWeight(nn.Module):
    """A dense parameter of another module."""

    is_held = True

    def __init__(self, weight: nn.Parameter) -> None:
        super().__init__()
        self.weight = weight

    def forward(self) -> Tensor:
        """The weight."""
        return self.weight


class FactoredWeight(Factored):
    """A parameter of another module as a product of factors."""

    @classmethod
    def like(cls, layer: nn.Module, view: MatrixView) -> FactoredWeight:  # noqa: ARG003
        """A parameter of the shape of a dense one, still without factors."""
        return cls(view, None)

    def forward(self) -> Tensor:
        """The dense weight."""
        return self.weight

    def dense(self) -> HeldWeight:
        """The ordinary parameter."""
        return HeldWeight(nn.Parameter(self.weight.detach())).train(self.training)


def hold(module: nn.Module, name: str) -> None:
    """Move a parameter into a module of its own, in place.

    Parameters
    ----------
    module : nn.Module
        Its class becomes one derived from its own.
    name : str
        Of the parameter, which has two dimensions or more.
    """
    weight = module._parameters.pop(name)
    assert weight is not None
    held = sorted([*getattr(type(module), "held_names", ()), name])
    kind: Any = type(module)
    module.__class__ = _holding(getattr(kind, "held_base", kind), tuple(held))
    module.add_module(PREFIX + name, HeldWeight(weight))


def release(module: nn.Module) -> None:
    """Undo `hold` for all parameters of a module; they must be dense."""
    kind: Any = type(module)
    names = getattr(kind, "held_names", ())
    if names:
        module.__class__ = kind.held_base
        for name in names:
            holder = module._modules.pop(PREFIX + name)
            assert isinstance(holder, HeldWeight)
            module.register_parameter(name, holder.weight)


@functools.cache
def _holding(base: Any, names: tuple[str, ...]) -> type[Any]:
    """The class of a module some parameters of which are held."""

    def load(self: Any, state: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        """Take a checkpoint of the ordinary module as well."""
        for name in names:
            if prefix + name in state:
                state[f"{prefix}{PREFIX}{name}.weight"] = state.pop(prefix + name)
        base._load_from_state_dict(self, state, prefix, *args, **kwargs)

    def reduce(self: Any, protocol: Any) -> Any:  # noqa: ARG001
        state = self.__getstate__()
        if "_flat_weights" in state:  # recurrent layers keep what they found last, with its graph
            state["_flat_weights"] = [w if w is None else w.detach() for w in self._flat_weights]
        return _rebuilt, (base, names), state

    body: dict[str, Any] = {name: property(functools.partial(_weight, name)) for name in names}
    body |= {"held_base": base, "held_names": names}
    body |= {"_load_from_state_dict": load, "__reduce_ex__": reduce}
    return type(base.__name__, (base,), body)


def _weight(name: str, module: nn.Module) -> Any:
    return module._modules[PREFIX + name].weight  # type: ignore[union-attr]


def _rebuilt(base: Any, names: tuple[str, ...]) -> nn.Module:
    kind = _holding(base, names)
    module: nn.Module = object.__new__(kind)
    return module


def released_entries(state: dict[str, Any]) -> None:
    """Give dense held parameters in a state dict their ordinary names, in place."""
    for key in [k for k in state if k.endswith(".weight")]:
        path, _, holder = key.removesuffix(".weight").rpartition(".")
        if holder.startswith(PREFIX):
            name = holder.removeprefix(PREFIX)
            state[f"{path}.{name}" if path else name] = state.pop(key)
