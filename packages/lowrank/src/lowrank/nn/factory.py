"""From a dense layer to a factored one."""

from __future__ import annotations

from torch import nn

from lowrank.costs import Form
from lowrank.linalg import SVD, thin_svd
from lowrank.nn.conv import (
    FactoredConv1d,
    FactoredConv2d,
    FactoredConv3d,
    FactoredConvTranspose1d,
    FactoredConvTranspose2d,
    FactoredConvTranspose3d,
)
from lowrank.nn.factored import Factored
from lowrank.nn.held import FactoredWeight, HeldWeight
from lowrank.nn.linear import FactoredLinear
from lowrank.views import view_of

__all__ = ["blank", "factored"]

CLASSES: dict[type[nn.Module], type[Factored]] = {
    nn.Linear: FactoredLinear,
    nn.Conv1d: FactoredConv1d,
    nn.Conv2d: FactoredConv2d,
    nn.Conv3d: FactoredConv3d,
    nn.ConvTranspose1d: FactoredConvTranspose1d,
    nn.ConvTranspose2d: FactoredConvTranspose2d,
    nn.ConvTranspose3d: FactoredConvTranspose3d,
    HeldWeight: FactoredWeight,
}


def blank(layer: nn.Module) -> Factored:
    """A factored layer with the settings and the bias of a dense one, still without factors.

    Raises
    ------
    TypeError
        For a layer of another kind than those in `CLASSES`.
    """
    view = view_of(layer)
    kind = next((new for old, new in CLASSES.items() if isinstance(layer, old)), None)
    if view is None or kind is None:
        names = ", ".join(old.__name__ for old in CLASSES)
        raise TypeError(f"{type(layer).__name__} can't be factored; what can: {names}")
    return kind.like(layer, view).train(layer.training)


def factored(
    layer: nn.Module, rank: int | None = None, form: Form = "usv", *, svd: SVD | None = None
) -> Factored:
    """A factored layer of the same function, or, below the full rank, of the closest one.

    Parameters
    ----------
    layer : nn.Linear, nn.Conv1d, ... or nn.ConvTranspose3d
        Its bias is used, not copied; its weight is left alone.
    rank : int, optional
        Default: the full rank.
    form : {"usv", "ab"}
    svd : SVD, optional
        Of the weight's 2-D view, if it is at hand.

    Raises
    ------
    TypeError
        For a layer of another kind.
    ValueError
        If there is no such rank.
    NonFiniteWeightError
    """
    new = blank(layer)
    view = new.view
    rank = view.max_rank if rank is None else rank
    if not 1 <= rank <= view.max_rank:
        raise ValueError(f"rank {rank} of a {view.rows} x {view.columns} matrix")
    weight = layer._parameters["weight"]
    assert weight is not None
    svd = thin_svd(view.matrix(weight)) if svd is None else svd
    return new.set_svd(svd.truncated(rank), form, dtype=weight.dtype)
