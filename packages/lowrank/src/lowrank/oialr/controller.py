"""OIALR: dense training, then frozen bases and small cores whose ranks fall (arXiv 2401.08505)."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lowrank.controller import Controller
from lowrank.costs import break_even_rank
from lowrank.decay import apply_factor_decay
from lowrank.decompose import Decompositions
from lowrank.linalg import polar_factor, tail_norm
from lowrank.measures import polar_similarity
from lowrank.oialr.config import OIALRConfig
from lowrank.parallel.communicators import Comm
from lowrank.parallel.ledger import Ledger, Metered
from lowrank.scaling import update_scale
from lowrank.selection import Target
from lowrank.surgery import as_matrix

__all__ = ["OIALR"]

logger = logging.getLogger(__name__)


class OIALR(Controller):
    """Trains a model in low rank while the user's loop stays as it is.

    The controller acts after each step of the optimiser: it counts steps, converts layers when
    their time has come, and lowers their ranks. Layers are replaced inside the model; the model
    object, its other parts and the optimiser's groups stay what they are.

    Parameters
    ----------
    model : nn.Module
        Not wrapped for data-parallel training: such wrappers must be made anew whenever a
        parameter changes its shape.
    optimizer : torch.optim.Optimizer
        Any with state for each parameter. Not L-BFGS.
    config : OIALRConfig
    comm : mpi_utils.Communicator or TorchDistributed, optional
        Ranks that hold the same weights share the work of the updates, which are collective then.
    sample : Tensor or tuple, optional
        An input, to find the order in which layers are executed.
    attach : bool
        False: the user calls `step` after each step of the optimiser.

    Attributes
    ----------
    selection : Selection
        The layers, and why others were left out.
    history : list of dict
        A record for each layer at each update; JSON can hold it.
    t : int
        Steps so far.

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
    >>> controller = lowrank.OIALR(model, optimizer, lowrank.OIALRConfig(total_steps=100))
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        config: OIALRConfig,
        *,
        comm: Comm | None = None,
        sample: Any = None,
        attach: bool = True,
    ) -> None:
        super().__init__(
            model,
            optimizer,
            config,
            sample=sample,
            attach=attach,
            policy=config.state_policy,
            rebound=(config.rebound_steps, config.rebound_floor),
        )
        self.config = config
        self.comm = None if comm is None else Metered(comm, Ledger("updates"))
        self._updates = 0
        self._resting: dict[str, int] = {}
        self._capped: dict[str, int] = {}
        self._probes: dict[str, Tensor] = {}
        self._settled: dict[str, int] = {}
        self._stability: dict[str, float] = {}
        self._hooks.append(self.optimizer.register_step_pre_hook(self._before_step))

    # ------------------------------------------------------------------ the schedule

    def step(self) -> None:
        """Take notice of one step of the optimiser. Called by it, unless ``attach=False``."""
        config = self.config
        self.t += 1
        if config.delay == "auto" and self.t % config.probe_steps == 0:
            self._probe()
        if config.convert == "at_delay" and self.t == max(1, config.delay_steps):
            self._convert_all()
        if config.fold_step == self.t:
            self.fold()
        elif config.is_update(self.t):
            n_active = config.n_active(self._updates, len(self.targets))
            self._updates += 1
            self._update(self.targets[-n_active:])

    def _before_step(self, *_: Any) -> None:
        folded = [x for target in self.targets if (x := target.factored) and x.form == "ab"]
        apply_factor_decay(self.optimizer, folded, self.config.factor_decay)

    def update_now(self) -> None:
        """Choose the ranks of all layers now, whatever the schedule says."""
        self._update(self.targets)

    def fold(self) -> None:
        """Train both factors of all factored layers from now on."""
        chosen = [x for x in self.targets if x.factored is not None and x.factored.form == "usv"]
        cores = Decompositions(chosen, self.comm)
        with self._changes("convert"):
            for target in chosen:
                rank = target.factored.rank  # type: ignore[union-attr]
                self._surgeon.fold(target, cores.truncated(target.name, rank))
                self._record(target, 0.0)

    def set_rank(self, name: str, rank: int) -> None:
        """Bring one layer to a rank, which may not be above the present one."""
        target = self._find(name)
        present = self._rank(target)
        if not 1 <= rank <= present:
            raise ValueError(f"the rank of {name} can be lowered from {present}, not set to {rank}")
        with self._changes("update"):
            self._apply(target, Decompositions([target], self.comm), rank)

    def convert(self, name: str) -> None:
        """Factor one dense layer at its full rank."""
        target = self._find(name)
        if target.factored is None:
            self.set_rank(name, target.view.max_rank)

    # ------------------------------------------------------------------ updates

    def _convert_all(self) -> None:
        """Factor all dense layers, as in the paper (alg. 1, line 3)."""
        chosen = [target for target in self.targets if target.factored is None]
        svds = Decompositions(chosen, self.comm, self.config.on_nonfinite)
        with self._changes("convert"):
            for target in chosen:
                if target.name in svds.values:
                    rank = math.ceil(self.config.init_rank * target.view.max_rank)
                    self._apply(target, svds, rank)

    def _update(self, candidates: Sequence[Target]) -> None:
        chosen = [x for x in candidates if self._is_due(x)]
        svds = Decompositions(chosen, self.comm, self.config.on_nonfinite)
        chosen = [target for target in chosen if target.name in svds.values]
        ranks = self._wanted_ranks(chosen, svds)
        with self._changes("update"):
            for target in chosen:
                rank = ranks[target.name]
                lazy = target.factored is None and self.config.convert == "when_profitable"
                if lazy and rank > break_even_rank(target.view, self.config.profit):
                    self._record(target, 0.0)
                    continue
                if rank < self._rank(target) and self.config.cooldown:
                    self._resting[target.name] = self.config.cooldown
                self._apply(target, svds, rank)

    def _is_due(self, target: Target) -> bool:
        layer = target.factored
        if layer is None and self.config.delay == "auto":
            return self._settled.get(target.name, 0) >= self.config.patience
        if layer is not None and layer.form == "ab":
            return False
        resting = self._resting.get(target.name, 0)
        self._resting[target.name] = max(0, resting - 1)
        return not resting

    def _wanted_ranks(self, targets: Sequence[Target], svds: Decompositions) -> dict[str, int]:
        config = self.config
        ranks = self._proposed(config.rule, config.limits, targets, svds.values)
        present = {target.name: self._rank(target) for target in targets}
        for name, rank in ranks.items():
            at_limit = rank == math.ceil((1 - config.max_drop) * present[name])
            self._capped[name] = self._capped.get(name, 0) + 1 if at_limit and rank > 1 else 0
            if self._capped[name] == 2:
                logger.info(
                    "two updates in a row would cut more than max_drop of %s: one singular value "
                    "outgrows the others; a smaller core_lr_mult or a later delay may help",
                    name,
                )
        return ranks

    def _apply(self, target: Target, svds: Decompositions, rank: int) -> None:
        """Convert a dense layer, or turn and cut a factored one."""
        setting = self.config.update_scale
        scale = self.config.core_lr_mult * update_scale(target.view, rank, self.optimizer, setting)
        if target.factored is None:
            svd = svds.truncated(target.name, rank)
            self._surgeon.to_usv(target, svd, rank, scale)
        else:
            self._surgeon.rotate(target, svds.truncated(target.name, rank), rank, scale)
        self._record(target, tail_norm(svds.values[target.name], rank))

    def _probe(self) -> None:
        """See which dense layers have an orthogonal part that no longer turns (section 3)."""
        for target in self.targets:
            if target.factored is not None:
                self._probes.pop(target.name, None)
                continue
            factor = polar_factor(as_matrix(target))
            if target.name in self._probes:
                similar = polar_similarity(factor, self._probes[target.name])
                self._stability[target.name] = similar
                calm = similar >= self.config.stability_threshold
                self._settled[target.name] = self._settled.get(target.name, 0) + 1 if calm else 0
            self._probes[target.name] = factor

    # ------------------------------------------------------------------ records

    def _record(self, target: Target, error: float, **more: Any) -> None:
        super()._record(target, error, stability=self._stability.get(target.name), **more)

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on as if nothing had happened, in plain data and tensors."""
        return {
            **self._common_state(),
            "updates": self._updates,
            "resting": dict(self._resting),
            "capped": dict(self._capped),
            "probes": dict(self._probes),
            "settled": dict(self._settled),
            "stability": dict(self._stability),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state; gives all layers the forms and ranks that they had.

        Load it before the model's and the optimiser's own states: `lowrank.load` has the order.

        Raises
        ------
        ValueError
            If the layers are not those of this model.
        """
        self._load_common_state(state)
        self._updates = state["updates"]
        self._resting, self._capped = dict(state["resting"]), dict(state["capped"])
        self._probes, self._settled = dict(state["probes"]), dict(state["settled"])
        self._stability = dict(state["stability"])
