"""Which layers of a model are trained in low rank, and why the others are not."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from lowrank.nn.attention import MultiheadAttention
from lowrank.nn.factored import Factored
from lowrank.nn.held import PREFIX, FactoredWeight, HeldWeight, hold
from lowrank.tracing import run_once
from lowrank.views import MatrixView, view_of

__all__ = ["LayerOptions", "Selection", "SelectionConfig", "Target", "select_layers"]


@dataclass(frozen=True)
class LayerOptions:
    """What differs for some layers.

    Attributes
    ----------
    keep : bool or None
        True keeps the layer dense; False factors it, even if it is the first or the last.
    cutoff : float, optional
        Instead of the rule's value.
    rank : float, optional
        A fixed rank, or share of the full one.
    """

    keep: bool | None = None
    cutoff: float | None = None
    rank: float | None = None


@dataclass(frozen=True, kw_only=True)
class SelectionConfig:
    """What the settings of all methods have in common: the keywords of `select_layers`."""

    target_modules: str | Sequence[str] = "all"
    target_parameters: Sequence[str] = ()
    exclude_modules: Sequence[str] = ()
    layers: Mapping[str, LayerOptions] = field(default_factory=dict)
    keep_first: bool = False
    keep_last: bool = True
    min_aspect: float = 0.1

    def keywords(self) -> dict[str, Any]:
        """The fields of this class by name."""
        return {name: getattr(self, name) for name in SelectionConfig.__dataclass_fields__}


@dataclass
class Target:
    """A weight that is trained in low rank.

    Attributes
    ----------
    name : str
        Of the first module that has it.
    modules : list of nn.Module
        All that share the weight; usually one.
    view : MatrixView
    options : LayerOptions
    """

    name: str
    modules: list[nn.Module]
    view: MatrixView
    options: LayerOptions = field(default_factory=LayerOptions)

    @property
    def module(self) -> nn.Module:
        """The first module."""
        return self.modules[0]

    @property
    def factored(self) -> Factored | None:
        """The first module if it is factored by now."""
        return self.module if isinstance(self.module, Factored) else None


@dataclass(frozen=True)
class Selection:
    """The outcome: targets in the order of execution, and the reason for each other layer."""

    targets: list[Target]
    kept: dict[str, str]


def select_layers(
    model: nn.Module,
    *,
    target_modules: str | Sequence[str] = "all",
    target_parameters: Sequence[str] = (),
    exclude_modules: Sequence[str] = (),
    layers: Mapping[str, LayerOptions] | None = None,
    keep_first: bool = False,
    keep_last: bool = True,
    min_aspect: float = 0.1,
    sample: Any = None,
) -> Selection:
    """Choose the layers of a model, and split its attention modules into layers.

    Parameters
    ----------
    model : nn.Module
        Attention modules with a chosen projection are replaced by `lowrank.nn.MultiheadAttention`,
        which keeps their parameters; nothing else is changed.
    target_modules : str or sequence of str
        ``"all"``; ``"all-linear"``, linear layers and attention only; or names, the ends of names,
        or patterns with ``*``.
    target_parameters : sequence of str
        Names of parameters of other modules, their ends, or patterns: ``"weight_hh_l0"`` of a
        recurrent layer. They are held in modules of their own, see `lowrank.nn.held`, and are
        called ``<module>.held_<name>``.
    exclude_modules : sequence of str
        Like `target_modules`.
    layers : mapping of str to LayerOptions, optional
        Options for names, the ends of names, or patterns.
    keep_first, keep_last : bool
        Leave the layer that is executed first, or last, dense, whether it could be factored or not.
    min_aspect : float
        Layers whose smaller dimension is at most this share of the larger one stay dense.
    sample : Tensor or tuple, optional
        An input; the model is run once on it to find the order of execution. Without it the order
        is that of registration.

    Raises
    ------
    ValueError
        If a pattern matches nothing, the model is itself a layer, or has lazy modules.
    """
    if view_of(model) is not None:
        raise ValueError(
            f"the model itself is a {type(model).__name__}, which can't be replaced in place: "
            "put it into a container, for example nn.Sequential(model)"
        )
    _refuse_lazy(model)
    options = dict(layers or {})
    _split_attention(model, target_modules, exclude_modules)
    _hold_parameters(model, target_parameters)
    names = _in_order(model, sample)
    wanted = () if target_modules in ("all", "all-linear") else target_modules
    wanted = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    _check_patterns([*wanted, *exclude_modules, *options], names)
    ends = _ends(model, names, keep_first, keep_last)
    targets: dict[int, Target] = {}
    kept: dict[str, str] = {}
    for name in names:
        module = model.get_submodule(name)
        own = next((options[p] for p in options if matches(name, p)), LayerOptions())
        view = view_of(module)
        known = targets.get(id(getattr(module, "weight", None)))
        if known is not None and known.view == view:
            known.modules.append(module)
            continue
        reason = _why_not(module, view, min_aspect)
        if not reason and own.keep is not False:
            if not isinstance(module, HeldWeight):
                reason = _not_wanted(name, module, target_modules, wanted, exclude_modules)
            if own.keep or ends.get(name, False):
                reason = "kept by the options" if own.keep else "the first or the last layer"
        if reason is None and known is not None:
            reason = f"shares its weight with {known.name} in another form"
        if view is None or reason is not None:
            kept[name] = reason or "not a layer"
        else:
            targets[id(module.weight)] = Target(name, [module], view, own)
    _drop_tied_elsewhere(model, targets, kept)
    return Selection(list(targets.values()), kept)


def matches(name: str, pattern: str) -> bool:
    """Whether a pattern is a module's name, the end of it, or one with ``*`` for it."""
    return name == pattern or name.endswith(f".{pattern}") or fnmatch.fnmatchcase(name, pattern)


def _why_not(module: nn.Module, view: MatrixView | None, min_aspect: float) -> str | None:
    if view is None:
        return f"a {type(module).__name__} is not factored"
    weight: Any = module.weight
    if parametrize.is_parametrized(module, "weight") or hasattr(module, "weight_g"):
        return "its weight is parametrized"
    if any("weight" in vars(h).get("name", "") for h in module._forward_pre_hooks.values()):
        return "its weight is computed by a hook"
    if not weight.is_floating_point() or weight.layout != torch.strided:
        return f"its weight is {weight.dtype}, {weight.layout}"
    if hasattr(weight, "device_mesh"):
        raise ValueError("weights that are sharded (DTensor, FSDP) are not supported")
    if not weight.requires_grad:
        return "its weight is frozen"
    if view.max_rank == 1:
        return "it has rank 1"
    if view.max_rank <= min_aspect * max(view.rows, view.columns):
        return f"a {view.rows} x {view.columns} matrix has nothing to gain"
    return None


def _not_wanted(
    name: str,
    module: nn.Module,
    target_modules: str | Sequence[str],
    wanted: Sequence[str],
    excluded: Sequence[str],
) -> str | None:
    if any(matches(name, pattern) for pattern in excluded):
        return "excluded"
    if target_modules == "all-linear":
        return None if isinstance(module, nn.Linear) else "not a linear layer"
    if wanted and not any(matches(name, pattern) for pattern in wanted):
        return "not among the target modules"
    return None


def _check_patterns(patterns: Sequence[str], names: Sequence[str]) -> None:
    for pattern in patterns:
        if not any(matches(name, pattern) for name in names):
            raise ValueError(f"no layer matches {pattern!r}; layers are {', '.join(names)}")


def _split_attention(
    model: nn.Module, target_modules: str | Sequence[str], excluded: Sequence[str]
) -> None:
    """Replace torch's attention modules, wherever they stand, unless they are left out."""
    found = [(n, m) for n, m in model.named_modules() if type(m) is nn.MultiheadAttention]
    for name, attention in found:
        parts = [f"{name}.{part}" for part in ("in_proj", "q_proj", "k_proj", "v_proj", "out_proj")]
        patterns = [target_modules] if isinstance(target_modules, str) else list(target_modules)
        named = any(matches(part, p) for part in [name, *parts] for p in patterns)
        left_out = any(matches(name, p) for p in excluded)
        if not left_out and (named or target_modules in ("all", "all-linear")):
            replace_module(model, attention, MultiheadAttention(attention))


def _refuse_lazy(model: nn.Module) -> None:
    lazy = [n for n, m in model.named_modules() if getattr(m, "has_uninitialized_params", bool)()]
    if lazy:
        raise ValueError(f"lazy modules must be run once before: {', '.join(lazy)}")


def _ends(
    model: nn.Module, names: Sequence[str], keep_first: bool, keep_last: bool
) -> dict[str, bool]:
    """Whether the first and the last layer are kept; held parameters are no layers."""
    layers = [n for n in names if not isinstance(model.get_submodule(n), HeldWeight)]
    return {layers[0]: keep_first, layers[-1]: keep_last} if layers else {}


def _hold_parameters(model: nn.Module, patterns: Sequence[str]) -> None:
    """Move the parameters that patterns name into modules of their own."""
    held = [n for n, m in model.named_modules() if isinstance(m, HeldWeight | FactoredWeight)]
    known = [name.replace(PREFIX, "") for name in held]
    named = [n for n, p in model.named_parameters() if p.dim() > 1 and not n.endswith(".weight")]
    plain = [n for n, p in model.named_parameters() if p.dim() > 1 and n.endswith(".weight")]
    for pattern in patterns:
        found = [name for name in [*named, *plain] if matches(name, pattern)]
        if not found and not any(matches(name, pattern) for name in known):
            raise ValueError(f"no parameter of two dimensions or more matches {pattern!r}")
        for name in found:
            path, _, own = name.rpartition(".")
            module = model.get_submodule(path)
            if own in module._parameters and view_of(module) is None:
                hold(module, own)


def replace_module(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put a module in the place of another, wherever the model uses it."""
    for parent in list(model.modules()):
        for name, child in list(parent._modules.items()):
            if child is old:
                parent._modules[name] = new


def _in_order(model: nn.Module, sample: Any) -> list[str]:
    """Names of all layers with a weight of two or more dimensions, in the order of execution."""
    names = [
        name
        for name, module in model.named_modules()
        if name and isinstance(getattr(module, "weight", None), torch.Tensor)
        and getattr(module, "weight").dim() >= 2  # noqa: B009 - a property for some
        and not isinstance(module, Factored)
    ]  # fmt: skip
    if sample is None:
        return names
    executed: dict[str, None] = {}
    watched = {name: model.get_submodule(name) for name in names}
    run_once(model, sample, watched, lambda name, *_: executed.update({name: None}))
    return [*executed, *(name for name in names if name not in executed)]


def _drop_tied_elsewhere(
    model: nn.Module, targets: dict[int, Target], kept: dict[str, str]
) -> None:
    """A weight that is also used by a module of another kind (an embedding) stays dense."""
    for name, module in model.named_modules():
        for parameter in module._parameters.values():
            target = targets.get(id(parameter))
            if target is not None and not any(module is m for m in target.modules):
                kept[target.name] = f"shares its weight with {name}"
                del targets[id(parameter)]
