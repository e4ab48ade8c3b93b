"""From and to ordinary models: one-shot factoring, merging, plain sequential layers."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lowrank.costs import Form, stored
from lowrank.linalg import thin_svd
from lowrank.nn.attention import MultiheadAttention, torch_entries
from lowrank.nn.conv import FactoredConvNd, FactoredConvTransposeNd
from lowrank.nn.factored import Factored
from lowrank.nn.held import FactoredWeight, release, released_entries
from lowrank.nn.linear import FactoredLinear
from lowrank.ranks import RankLimits, RankRule, Spectrum, propose_ranks
from lowrank.selection import replace_module, select_layers
from lowrank.surgery import Surgeon, as_matrix
from lowrank.views import MatrixView

__all__ = ["factorize", "merge", "to_dense_state_dict", "to_sequential"]


def factorize(
    model: nn.Module,
    *,
    rank: float | Mapping[str, float] | None = None,
    cutoff: float | None = None,
    energy: float | None = None,
    budget: float | None = None,
    form: Form = "ab",
    only_smaller: bool = True,
    optimizer: torch.optim.Optimizer | None = None,
    sample: Any = None,
    **selection: Any,
) -> nn.Module:
    """Factor a trained model's layers at once, in place, and return it.

    Parameters
    ----------
    model : nn.Module
    rank, cutoff, energy, budget
        One of them: a rank (or share of the full one, or one per layer); singular values of at
        least ``cutoff`` of the largest; a share of the squares; or how many numbers (or which
        share of the dense ones) all factored layers together may store. See
        `lowrank.ranks.RankRule`.
    form : {"ab", "usv"}
        Both factors trainable, or frozen bases with a trainable core.
    only_smaller : bool
        Leave a layer dense if its factors would be larger than its weight.
    optimizer : torch.optim.Optimizer, optional
        Follows, with its state, if training goes on.
    sample : Tensor or tuple, optional
        An input, to find the first and the last layer.
    **selection
        Keywords of `lowrank.select_layers`.

    Raises
    ------
    ValueError
        If not exactly one of the four rules is given.
    """
    given = {"fixed": rank, "relative": cutoff, "energy": energy, "budget": budget}
    rules = [(kind, value) for kind, value in given.items() if value is not None]
    if len(rules) != 1:
        raise ValueError("give one of rank, cutoff, energy and budget")
    kind, value = rules[0]
    rule = RankRule(kind, value)  # type: ignore[arg-type]
    targets = select_layers(model, sample=sample, **selection).targets
    targets = [target for target in targets if target.factored is None]
    svds = {x.name: thin_svd(as_matrix(x), f"the weight of {x.name}") for x in targets}
    spectra = [Spectrum(x.name, svds[x.name].s, x.view, x.view.max_rank) for x in targets]
    limits = RankLimits(min_rank=1, max_drop=0.999999)
    ranks = propose_ranks(rule, limits, spectra)
    surgeon = Surgeon(model, [optimizer] if optimizer is not None else [])
    for target in targets:
        r = ranks[target.name]
        if only_smaller and stored(target.view, form, r) >= target.view.numel:
            continue
        if form == "ab":
            surgeon.to_ab(target, svds[target.name], r)
        else:
            surgeon.to_usv(target, svds[target.name], r, 1.0)
    return model


def merge(model: nn.Module, *, inplace: bool = False) -> nn.Module:
    """A plain dense model of the same function, with the names of the original.

    Parameters
    ----------
    model : nn.Module
    inplace : bool
        Change the model itself instead of a copy.
    """
    model = model if inplace else copy.deepcopy(model)
    for module in list(model.modules()):
        if isinstance(module, Factored):
            replace_module(model, module, module.dense())
    for module in list(model.modules()):
        if isinstance(module, MultiheadAttention):
            replace_module(model, module, module.dense())
    for module in model.modules():
        release(module)
    return model


def to_sequential(model: nn.Module, *, inplace: bool = False) -> nn.Module:
    """A model without any class of this package: each factored layer becomes two ordinary ones.

    Attention modules become torch's own, with dense projections, since torch's can't hold two;
    held parameters become dense ones.

    Parameters
    ----------
    model : nn.Module
    inplace : bool
        Change the model itself instead of a copy.
    """
    model = model if inplace else copy.deepcopy(model)
    for attention in [m for m in model.modules() if isinstance(m, MultiheadAttention)]:
        for part in [m for m in attention.modules() if isinstance(m, Factored)]:
            replace_module(model, part, part.dense())
        replace_module(model, attention, attention.dense())
    for module in list(model.modules()):
        if isinstance(module, FactoredWeight):
            replace_module(model, module, module.dense())
        elif isinstance(module, Factored):
            replace_module(model, module, _pair(module))
    for module in model.modules():
        release(module)
    return model


def _pair(layer: Factored) -> nn.Sequential:
    """Two plain layers: to `r` features or channels, and on to the outputs."""
    with torch.no_grad():
        outer = layer._outer().detach().clone()
    if isinstance(layer, FactoredLinear):
        first: nn.Module = nn.Linear(layer.in_features, layer.rank, bias=False, device="meta")
        first.weight = nn.Parameter(layer._inner().detach().clone())
        last: nn.Module = nn.Linear(layer.rank, layer.out_features, bias=False, device="meta")
        last.weight = nn.Parameter(outer)
    else:
        assert isinstance(layer, FactoredConvNd | FactoredConvTransposeNd)
        first = layer.spatial()
        plain = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[layer.dimensions]
        inner = layer.groups * layer.rank
        last = plain(inner, layer.out_channels, 1, groups=layer.groups, bias=False, device="meta")
        shape = (layer.out_channels, layer.rank, *(1,) * layer.dimensions)
        last.weight = nn.Parameter(outer.reshape(shape))
    last.register_parameter("bias", layer.bias)
    return nn.Sequential(first, last).train(layer.training)


def to_dense_state_dict(state: Mapping[str, Any]) -> dict[str, Any]:
    """The state dict that the original dense model would have, from that of a factored one.

    Parameters
    ----------
    state : mapping of str to Tensor
        ``model.state_dict()`` of a model with factored layers.
    """
    dense = dict(state)
    for key in [k for k in state if k.endswith("layout")]:
        prefix = key.removesuffix("layout")
        names = ("U", "S", "V", "scale", "A", "B")
        parts = {name: dense.pop(prefix + name) for name in names if prefix + name in dense}
        groups, transposed, *shape = (int(x) for x in dense.pop(key))
        view = MatrixView(tuple(shape), groups, bool(transposed))
        dense[prefix + "weight"] = view.tensor(_product(parts))
    torch_entries(dense)
    released_entries(dense)
    return dense


def _product(parts: Mapping[str, Tensor]) -> Tensor:
    if "S" in parts:
        return parts["U"] @ (parts["scale"] * parts["S"]) @ parts["V"]
    return parts["A"] @ parts["B"]
