"""Change the form or the rank of a target, and let the optimiser follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from lowrank.costs import Form
from lowrank.linalg import SVD, USV, balanced
from lowrank.nn.factored import Factored
from lowrank.nn.factory import blank
from lowrank.optimizer_state import Grown, StateMap, StatePolicy, holder_of, replace_parameters
from lowrank.selection import Target, replace_module

__all__ = ["Surgeon", "as_matrix"]


@dataclass
class Surgeon:
    """Replaces layers of a model and parameters of its optimisers.

    Attributes
    ----------
    model : nn.Module
    optimizers : sequence of torch.optim.Optimizer
    policy : StatePolicy
    replaced : dict of parameter to list of parameters
        What has taken the place of which parameter, since it was last emptied.
    """

    model: nn.Module
    optimizers: Sequence[torch.optim.Optimizer]
    policy: StatePolicy = "project"
    replaced: dict[nn.Parameter, list[nn.Parameter]] = field(default_factory=dict)

    def to_usv(self, target: Target, svd: SVD, rank: int, scale: float) -> None:
        """Convert a dense target."""
        weight = target.module.weight
        assert isinstance(weight, nn.Parameter)
        kept = svd.truncated(rank).to(weight.dtype)
        core = torch.diag_embed(kept.s) / scale
        new = self._replace(target)
        new.set_usv(kept.U, core, kept.V, scale)
        turn = StateMap(kept.U.mT, kept.V.mT, scale, before=target.view.matrix)
        self._finish(target, [weight], [(new.S, turn)])

    def to_ab(self, target: Target, svd: SVD, rank: int) -> None:
        """Convert a dense target to two trained factors of equal weight."""
        self.to_factors(target, *balanced(svd.truncated(rank)))

    def to_factors(self, target: Target, A: Tensor, B: Tensor) -> None:
        """Convert a dense target to two factors, whose product is about its weight."""
        weight = target.module.weight
        assert isinstance(weight, nn.Parameter)
        new = self._replace(target)
        new.set_ab(A.to(weight.dtype), B.to(weight.dtype))
        view = target.view.matrix
        turns = [
            (new.A, StateMap(right=new.B.detach().mT, before=view)),
            (new.B, StateMap(left=new.A.detach().mT, before=view)),
        ]
        self._finish(target, [weight], turns)

    def rotate(self, target: Target, core: SVD, rank: int, scale: float) -> None:
        """Turn the bases of a USV target into those of its core, and cut its rank (alg. 1)."""
        layer = target.factored
        assert layer is not None
        old, old_scale = layer.S, float(layer.scale)
        U, S, V = layer.rotated(core, rank)
        layer.set_usv(U, S / scale, V, scale)
        P, _, Q = core.truncated(rank)
        self._finish(target, [old], [(layer.S, StateMap(P.mT, Q.mT, scale / old_scale))])

    def widen(self, target: Target, wide: USV, scale: float, gradient: Tensor) -> None:
        """Give a USV target wider bases, which begin with the old ones, and the core in them.

        Parameters
        ----------
        target : Target
        wide : USV
        scale : float
        gradient : Tensor, shape (..., r, r)
            Of the wide core, where it is new.
        """
        layer = target.factored
        assert layer is not None
        old, old_scale, dtype = layer.S, float(layer.scale), layer.U.dtype
        layer.set_usv(wide.U.to(dtype), (wide.S / scale).to(dtype), wide.V.to(dtype), scale)
        embed = torch.eye(wide.S.shape[-1], old.shape[-1], dtype=dtype, device=wide.S.device)
        grown = Grown(wide.S.shape[-1] - old.shape[-1], scale * gradient)
        turn = StateMap(embed, embed.mT, scale / old_scale, grown=grown)
        self._finish(target, [old], [(layer.S, turn)])

    def fold(self, target: Target, core: SVD) -> None:
        """Train both factors of a USV target from here on, ``A = U P sqrt(s)``."""
        layer = target.factored
        assert layer is not None
        old, scale = layer.S, float(layer.scale)
        U, V = layer.U, layer.V
        P, s, Q = core.to(U.dtype)
        full = SVD(U @ P, s, Q @ V)
        layer.set_svd(full, "ab")
        # all that is known of the dense gradient G is UᵀGVᵀ: take G for U(UᵀGVᵀ)V
        turns = [
            (layer.A, StateMap(U, V @ layer.B.detach().mT, 1 / scale)),
            (layer.B, StateMap(layer.A.detach().mT @ U, V, 1 / scale)),
        ]
        self._finish(target, [old], turns)

    def reshape(self, target: Target, form: Form, rank: int) -> None:
        """Give a target a form and a rank, with factors to be filled from a checkpoint."""
        now = target.factored
        if now is not None and (form == "dense" or form != now.form or rank != now.rank):
            self.to_dense(target)
            now = None
        if form == "dense" or now is not None:
            return
        view, weight = target.view, as_matrix(target)
        batch = (view.groups,) if view.groups > 1 else ()
        zeros = SVD(
            weight.new_zeros(*batch, view.rows, rank),
            weight.new_zeros(*batch, rank),
            weight.new_zeros(*batch, rank, view.columns),
        )
        if form == "usv":
            self.to_usv(target, zeros, rank, 1.0)
        else:
            self.to_ab(target, zeros, rank)

    def to_dense(self, target: Target, weight: Tensor | None = None) -> None:
        """Go back to the dense form.

        Parameters
        ----------
        target : Target
        weight : Tensor, optional
            The matrix that takes the place of the factors' product; the optimiser's state starts
            afresh then. By default it is the product, and state is lifted by pseudo-inverses.
        """
        layer = target.factored
        assert layer is not None
        if layer.form == "usv":
            old = [layer.S]
            turn = StateMap(layer.U, layer.V, 1 / float(layer.scale), after=target.view.tensor)
        else:
            old = [layer.A, layer.B]
            # G Bᵀ is known for A: the smallest such G is (G Bᵀ) pinv(Bᵀ)
            right = torch.linalg.pinv(layer.B.detach().float().mT)
            turn = StateMap(right=right, after=target.view.tensor)
        modules = [module.dense() for module in target.modules]  # type: ignore[operator]
        for module, new in zip(target.modules, modules, strict=True):
            new.weight = modules[0].weight
            replace_module(self.model, module, new)
        target.modules[:] = modules
        dense = modules[0].weight
        assert isinstance(dense, nn.Parameter)
        if weight is not None:
            dense.data = target.view.tensor(weight).to(dense.dtype).contiguous()
        self.swap(old, [(dense, turn)], "reset" if weight is not None else self.policy)

    def share(self, target: Target) -> None:
        """Let all modules with a tied weight use the factors of the first."""
        first = target.factored
        for other in target.modules[1:]:
            assert first is not None and isinstance(other, Factored)
            other.share(first)

    def _replace(self, target: Target) -> Factored:
        """Put layers without factors in the place of a target's dense ones; gives the first."""
        new = [blank(module) for module in target.modules]
        for old, layer in zip(target.modules, new, strict=True):
            replace_module(self.model, old, layer)
        target.modules[:] = new
        return new[0]

    def _finish(
        self,
        target: Target,
        old: Sequence[nn.Parameter],
        new: Sequence[tuple[nn.Parameter, StateMap]],
    ) -> None:
        """Modules with a tied weight share the factors, and the optimiser follows."""
        self.share(target)
        self.swap(old, new, self.policy)

    def swap(
        self,
        old: Sequence[nn.Parameter],
        new: Sequence[tuple[nn.Parameter, StateMap]],
        policy: StatePolicy,
    ) -> None:
        """Let new parameters take the place of old ones in the optimiser that holds them."""
        optimizer = holder_of(self.optimizers, old[0])
        for parameter, _ in new:
            parameter.requires_grad_(any(p.requires_grad for p in old))
        if optimizer is not None:
            replace_parameters(optimizer, old, new, policy)
        self.replaced.update({p: [parameter for parameter, _ in new] for p in old})


def as_matrix(target: Target) -> Tensor:
    """The weight of a dense target in its 2-D view."""
    weight = target.module.weight
    assert isinstance(weight, Tensor)
    return target.view.matrix(weight.detach())
