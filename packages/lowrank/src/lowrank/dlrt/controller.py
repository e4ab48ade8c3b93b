"""DLRT: low rank from the start, with bases that turn and ranks that adapt (arXiv 2205.13571)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lowrank.controller import Controller
from lowrank.decompose import Decompositions
from lowrank.dlrt.config import DLRTConfig, rank_of
from lowrank.dlrt.integrator import augmented, core_gradient, new_directions, probe, probed
from lowrank.linalg import USV, tail_norm
from lowrank.optimizer_state import StateMap
from lowrank.parallel.communicators import Comm
from lowrank.parallel.ledger import Ledger, Metered
from lowrank.scaling import update_scale
from lowrank.selection import Target

__all__ = ["DLRT"]


@dataclass(frozen=True)
class _Point:
    """What a layer is, and its core's state, while K and L get their gradients."""

    U: Tensor
    S: nn.Parameter
    V: Tensor
    scale: float
    state: dict[str, Any]

    def weight(self) -> USV:
        core = self.scale * self.S.detach()
        return USV(_wide(self.U), _wide(core), _wide(self.V))


class DLRT(Controller):
    """Trains a model in low rank from the start while the user's loop stays as it is.

    Dynamical low-rank training follows the gradient flow on the matrices of a rank that adapts. A
    cycle has one step in which a layer's weight stays, and its gradient tells which directions its
    bases lack (K and L share the one backward pass), and steps that train the core in the wider
    bases (S); small singular values are cut after each cycle. Unlike those of OIALR, bases go on
    turning until the end, and ranks may rise. The optimiser trains the core, and all else at each
    step.

    Parameters
    ----------
    model : nn.Module
        Not wrapped for data-parallel training.
    optimizer : torch.optim.Optimizer
        Any with state for each parameter. Not L-BFGS.
    config : DLRTConfig
    comm : mpi_utils.Communicator or TorchDistributed, optional
        Ranks that hold the same weights, and average gradients with a `GradientAverager`; they
        share the work of the cuts, which are collective then.
    sample : Tensor or tuple, optional
        An input, to find the order in which layers are executed.
    attach : bool
        False: the user calls `step` after each step of the optimiser.

    Raises
    ------
    ValueError
        If no layer can be trained in low rank, or one belongs to two optimisers.
    UnsupportedOptimizerError
    RuntimeError
        For a model within `torch.nn.parallel.DistributedDataParallel`.

    Examples
    --------
    >>> import torch, lowrank
    >>> model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.Linear(64, 4))
    >>> optimizer = torch.optim.AdamW(model.parameters())
    >>> controller = lowrank.DLRT(model, optimizer, lowrank.DLRTConfig(total_steps=100))
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        config: DLRTConfig,
        *,
        comm: Comm | None = None,
        sample: Any = None,
        attach: bool = True,
    ) -> None:
        super().__init__(
            model, optimizer, config, sample=sample, attach=attach, policy=config.state_policy
        )
        self.config = config
        self.comm = None if comm is None else Metered(comm, Ledger("updates"))
        self._points: dict[str, _Point] = {}

    def step(self) -> None:
        """Take notice of one step of the optimiser. Called by it, unless ``attach=False``."""
        self.t += 1
        if self._points:
            self._widen()
        if self.config.begins_cycle(self.t):
            self._cut()
            self._probe()
        elif self.t == self.config.total_steps:
            self._cut()

    # ------------------------------------------------------------------ parts of a cycle

    def _cut(self) -> None:
        """Drop what small singular values contribute; convert layers that are still dense."""
        svds = Decompositions(self.targets, self.comm)
        ranks = self._proposed(self.config.rule, self.config.limits, self.targets, svds.values)
        dense = any(target.factored is None for target in self.targets)
        with self._changes("convert" if dense else "update"):
            for target in self.targets:
                svd, full = svds.values[target.name], target.view.max_rank
                bound = rank_of(target.options.rank or self.config.max_rank, full)
                rank = min(ranks[target.name], bound)
                if target.factored is None:
                    rank = min(bound, rank_of(target.options.rank or self.config.init_rank, full))
                    kept = svds.truncated(target.name, rank)
                    self._surgeon.to_usv(target, kept, rank, self._scale(target, rank))
                else:
                    kept = svds.truncated(target.name, rank)
                    self._surgeon.rotate(target, kept, rank, self._scale(target, rank))
                self._record(target, tail_norm(svd, rank))

    def _probe(self) -> None:
        """Let the next backward pass give the gradients of K and L, and not that of the core."""
        with self._changes("update"):
            for target in self.targets:
                layer = target.factored
                assert layer is not None
                if layer.rank == target.view.max_rank:
                    continue  # the bases span everything
                state = dict(self.optimizer.state.get(layer.S, {}))
                point = _Point(layer.U, layer.S, layer.V, float(layer.scale), state)
                self._points[target.name] = point
                self._show_factors(target)

    def _show_factors(self, target: Target) -> None:
        """Let the optimiser hold the two factors of the probe for one step, instead of the core."""
        layer, point = target.factored, self._points[target.name]
        assert layer is not None
        A, B = (x.to(point.U.dtype) for x in probe(point.weight()))
        layer.set_ab(A, B)
        self._surgeon.share(target)
        self._surgeon.swap([point.S], [(layer.A, StateMap()), (layer.B, StateMap())], "reset")

    def _widen(self) -> None:
        """Let the bases span the directions that K and L would move in."""
        with self._changes("update"):
            for target in self.targets:
                point = self._points.pop(target.name, None)
                layer = target.factored
                if point is None or layer is None:
                    continue
                A, B = layer.A, layer.B
                gradients = [torch.zeros_like(x) if x.grad is None else x.grad for x in (A, B)]
                layer.set_usv(point.U, point.S, point.V, point.scale)
                self._surgeon.share(target)
                self._surgeon.swap([A, B], [(point.S, StateMap())], "reset")
                if point.state:
                    self.optimizer.state[point.S] = point.state
                self._grow(target, point.weight(), *(_wide(x) for x in probed(*gradients)))

    def _grow(self, target: Target, weight: USV, K: Tensor, L: Tensor) -> None:
        rank = weight.S.shape[-1]
        count = min(rank, target.view.max_rank - rank)
        left = new_directions(weight.U, K, count).contiguous()
        right = new_directions(weight.V.mT, L.mT, count).contiguous()
        if self.comm is not None:  # machines may round differently
            self.comm.bcast(left)
            self.comm.bcast(right)
        scale = self._scale(target, rank + count)
        gradient = core_gradient(left, right, K, L)
        self._surgeon.widen(target, augmented(weight, left, right), scale, gradient)

    def _scale(self, target: Target, rank: int) -> float:
        return update_scale(target.view, rank, self.optimizer, self.config.update_scale)

    # ------------------------------------------------------------------ checkpoints

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on as if nothing had happened, in plain data and tensors."""
        state = self._common_state()
        points = {
            name: {"U": p.U, "S": p.S.detach(), "V": p.V, "scale": p.scale, "state": dict(p.state)}
            for name, p in self._points.items()
        }
        state["layers"] |= {k: ["usv", p.S.shape[-1]] for k, p in self._points.items()}
        return {**state, "points": points}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state; gives all layers the forms and ranks that they had.

        Load it before the model's and the optimiser's own states: `lowrank.load` has the order.

        Raises
        ------
        ValueError
            If the layers are not those of this model.
        """
        self._load_common_state(state)
        self._points = {}
        for name, point in state["points"].items():
            target = self._find(name)
            layer = target.factored
            assert layer is not None
            layer.S.data.copy_(point["S"])
            bases = point["U"].to(layer.U), point["V"].to(layer.V)
            self._points[name] = _Point(
                bases[0], layer.S, bases[1], point["scale"], dict(point["state"])
            )
            self._show_factors(target)


def _wide(x: Tensor) -> Tensor:
    """In a data type that decompositions take."""
    return x if x.dtype == torch.float64 else x.float()
