"""Factored state dicts without the training that made them: into models, and into other forms."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lowrank.costs import Form, stored
from lowrank.linalg import balanced, thin_svd
from lowrank.nn.attention import MultiheadAttention
from lowrank.nn.factored import Factored
from lowrank.nn.factory import blank
from lowrank.nn.held import PREFIX, hold
from lowrank.ranks import RankLimits, RankRule, Spectrum, propose_ranks
from lowrank.selection import replace_module
from lowrank.views import MatrixView

__all__ = ["factor_state_dict", "layers_of", "load_factored"]


def load_factored(model: nn.Module, state: Mapping[str, Tensor]) -> nn.Module:
    """Load a state dict of a factored model into a dense one of the same class, in place.

    Layers become factored as the state dict has them; ranks need not be known.

    Parameters
    ----------
    model : nn.Module
    state : mapping of str to Tensor
        ``model.state_dict()`` of a model after OIALR, `factorize`, ...

    Returns
    -------
    nn.Module
        The model.
    """
    for key in [k for k in state if k.endswith("is_split")]:
        attention = model.get_submodule(key.rpartition(".")[0])
        if isinstance(attention, nn.MultiheadAttention):
            replace_module(model, attention, MultiheadAttention(attention))
    for name, (_, form, rank) in layers_of(state).items():
        path, _, own = name.rpartition(".")
        parent = model.get_submodule(path)
        if own.startswith(PREFIX) and own not in parent._modules:
            hold(parent, own.removeprefix(PREFIX))
        module = model.get_submodule(name)
        if not isinstance(module, Factored):
            replace_module(model, module, _empty(module, form, rank))
    model.load_state_dict(dict(state))
    return model


def _empty(module: nn.Module, form: Form, rank: int) -> Factored:
    """A factored layer of a rank in the place of a dense one."""
    new = blank(module)
    weight = module._parameters["weight"]
    assert weight is not None
    batch = (new.view.groups,) if new.view.groups > 1 else ()
    left = weight.new_zeros(*batch, new.view.rows, rank)
    right = weight.new_zeros(*batch, rank, new.view.columns)
    if form == "ab":
        return new.set_ab(left, right)
    return new.set_usv(left, weight.new_zeros(*batch, rank, rank), right)


def layers_of(state: Mapping[str, Tensor]) -> dict[str, tuple[MatrixView, Form, int]]:
    """The factored layers in a state dict: view, form and rank by name."""
    found: dict[str, tuple[MatrixView, Form, int]] = {}
    for key in [k for k in state if k.endswith(".layout") or k == "layout"]:
        prefix = key.removesuffix("layout")
        groups, transposed, *shape = (int(x) for x in state[key])
        form: Form = "usv" if prefix + "S" in state else "ab"
        rank = state[prefix + ("V" if form == "usv" else "B")].shape[-2]
        view = MatrixView(tuple(shape), groups, bool(transposed))
        found[prefix.removesuffix(".")] = (view, form, rank)
    return found


def factor_state_dict(
    state: Mapping[str, Tensor], rule: RankRule, *, min_aspect: float = 0.1
) -> dict[str, Tensor]:
    """Factor the dense weights of a state dict, those of two dimensions or more, where it pays.

    Nothing is known of the layers: convolutions with groups are taken as one matrix, so that
    `load_factored` refuses them, and transposed ones as if they were not.

    Parameters
    ----------
    state : mapping of str to Tensor
    rule : RankRule
    min_aspect : float
        As in `lowrank.select_layers`.

    Returns
    -------
    dict of str to Tensor
        With two factors for each weight; see `load_factored`.
    """
    result = dict(state)
    for key, weight in state.items():
        if not key.endswith(".weight") or weight.dim() < 2 or not weight.is_floating_point():
            continue
        view = MatrixView(tuple(weight.shape))
        if view.max_rank <= max(1, min_aspect * max(view.rows, view.columns)):
            continue
        svd = thin_svd(view.matrix(weight), key)
        spectrum = Spectrum(key, svd.s, view, view.max_rank)
        rank = propose_ranks(rule, RankLimits(1, 1 - 1e-9), [spectrum])[key]
        if stored(view, "ab", rank) >= view.numel:
            continue
        prefix = key.removesuffix("weight")
        del result[key]
        A, B = balanced(svd.truncated(rank).to(weight.dtype))
        result |= {prefix + "A": A.contiguous(), prefix + "B": B.contiguous()}
        result[prefix + "layout"] = torch.tensor([1, 0, *view.shape])
    return result
