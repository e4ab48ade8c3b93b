"""AB-training: halves of the ranks train different factors, and combine them (arXiv 2405.01067)."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from lowrank.ab.combine import combined
from lowrank.ab.config import ABConfig
from lowrank.ab.groups import Mode, group_of_ranks, mode_of_groups
from lowrank.ab.outer import Outer
from lowrank.ab.phase import FactorPhase, frozen_sizes, parted
from lowrank.controller import Controller
from lowrank.decay import apply_factor_decay
from lowrank.decompose import Decompositions
from lowrank.linalg import SVD, tail_norm
from lowrank.parallel.averaging import (
    average,
    average_gradients,
    float_buffers,
    share_model,
    trained_parameters,
)
from lowrank.parallel.communicators import Comm, node_of_ranks
from lowrank.parallel.ledger import Ledger, Metered
from lowrank.parallel.virtual import VirtualComm
from lowrank.selection import Target
from lowrank.surgery import Surgeon

__all__ = ["ABTraining"]


class ABTraining(Controller):
    """Data-parallel training in low rank, in which ranks seldom have to agree.

    After a dense warm-up each layer is parted into factors ``A B``. Half of the groups of ranks
    train `A`, half `B`, and average gradients among themselves only, or not at all; once a period
    all ranks combine what they have learnt, train densely for a few steps, and part the layers
    anew. The controller averages all gradients: there must be no other data-parallel wrapper.
    Gradients that are accumulated over several backward passes travel once.

    Constructing it and the steps of the optimiser are collective. After ``config.total_steps``, or
    after `synchronize`, all ranks hold the same dense weights; in between, only `consensus` is what
    should be tested.

    Parameters
    ----------
    model : nn.Module
        Takes over the parameters and buffers of rank 0.
    optimizer : torch.optim.Optimizer
        Any with state for each parameter. Not L-BFGS.
    config : ABConfig
    comm : mpi_utils.Communicator or TorchDistributed, optional
        Default: this process is the only rank; it trains `A` and `B` in turns.
    sample : Tensor or tuple, optional
        An input, to find the order in which layers are executed.
    attach : bool
        False: the user calls `step` after each step of the optimiser.
    manual : bool
        True: the user calls `average` after the backward pass. This is the way where gradients are
        clipped, or scaled (`torch.amp.GradScaler`), before the step.

    Attributes
    ----------
    ledger : Ledger
        What has been communicated.
    mode : {"a", "b"} or None
        The factor that this rank trains; None while weights are dense.

    Raises
    ------
    ValueError
        If no layer can be trained in low rank.
    UnsupportedOptimizerError

    Examples
    --------
    >>> import torch, lowrank
    >>> model = torch.nn.Sequential(*[torch.nn.Linear(64, 64) for _ in range(3)])
    >>> optimizer = torch.optim.AdamW(model.parameters())
    >>> controller = lowrank.ABTraining(model, optimizer, lowrank.ABConfig(total_steps=100))
    """

    events = ("factor", "sync")

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        config: ABConfig,
        *,
        comm: Comm | None = None,
        sample: Any = None,
        attach: bool = True,
        manual: bool = False,
    ) -> None:
        super().__init__(
            model,
            optimizer,
            config,
            sample=sample,
            attach=attach,
            rebound=(config.rebound, config.rebound_floor),
        )
        self.config, self.ledger = config, Ledger()
        comm = VirtualComm() if comm is None else comm
        self._world = Metered(comm, self.ledger, "world")
        groups = [0] * comm.size
        if comm.size > 1 and config.combine != "only_b":
            groups = group_of_ranks(node_of_ranks(comm), config.group_size)
        self._modes = mode_of_groups(groups)
        group = comm.split(groups[comm.rank])
        assert group is not None
        self._group = Metered(group, self.ledger, "group")
        self._phase: FactorPhase | None = None
        rate, momentum = 1.0, 0.0
        if config.outer == "nesterov":
            rate, momentum = config.outer_lr, config.outer_momentum
        self._outer = Outer(rate, momentum)
        share_model(model, self._world)
        self._dense_bytes = sum(p.nbytes for p in trained_parameters(self.optimizer))
        self._setup_bytes = self.ledger.total("payload")
        self.ledger.phase = "dense"
        if not manual:
            self._hooks.append(self.optimizer.register_step_pre_hook(self._before_step))

    @property
    def mode(self) -> Mode | None:
        """The factor that this rank trains; None while weights are dense."""
        return None if self._phase is None else self._phase.mode

    # ------------------------------------------------------------------ the schedule

    def step(self) -> None:
        """Take notice of one step of the optimiser. Called by it, unless ``attach=False``.

        Collective.
        """
        self.t += 1
        if self.config.synchronises(self.t):
            self.synchronize()
        ends = self.t >= self.config.total_steps
        if self.mode is None and not ends and self.config.trains_factors(self.t):
            self._start()

    def average(self) -> None:
        """Average the gradients of the ranks that train the same. Collective.

        Called before each step of the optimiser, unless ``manual=True``.
        """
        options = self._travel
        trained = trained_parameters(self.optimizer)
        if self._phase is None:
            average_gradients(trained, self._world, **options)
            return
        if self.config.sync_kept:
            average_gradients([p for p in trained if self._is_kept(p)], self._world, **options)
            trained = [p for p in trained if not self._is_kept(p)]
        if self.config.intra_group == "sync":
            average_gradients(trained, self._group, **options)
        layers = [x.factored for x in self.targets if x.factored is not None]
        apply_factor_decay(self.optimizer, layers, "weight")

    def traffic(self) -> dict[str, float]:
        """What has been communicated, and its share of that of plain data-parallel training.

        Returns
        -------
        dict
            ``payload`` and ``ring`` in bytes, see `Entry`; ``payload_fraction`` and
            ``ring_fraction`` of what averaging all dense gradients at each step would have taken.
        """
        plain = self._setup_bytes + self.t * self._dense_bytes
        size = self._world.size
        ring = self.ledger.total("ring", "setup") + self.t * self._dense_bytes * (
            2 * (size - 1) / size
        )
        payload, on_wire = self.ledger.total("payload"), self.ledger.total("ring")
        return {
            "payload": payload,
            "ring": on_wire,
            "payload_fraction": payload / plain if plain and size > 1 else 0.0,
            "ring_fraction": on_wire / ring if ring else 0.0,
        }

    # ------------------------------------------------------------------ phases

    def _before_step(self, *_: Any) -> None:
        self.average()

    def _start(self) -> None:
        """Part the layers into factors, one of which is trained here."""
        config, world = self.config, self._world
        self.ledger.phase = "factor"
        svds = Decompositions(self.targets, world)
        ranks = self._proposed(config.rule, config.limits, self.targets, svds.values)
        mode = self._modes[world.rank]
        if world.size == 1 and config.combine != "only_b":
            mode = "a" if config.phase(self.t) % 2 == 0 else "b"
        starts: dict[str, SVD] = {}
        with self._changes("factor", rebound=False):
            for target in self.targets:
                values = svds.values[target.name]
                # a singular value of zero has no direction to train
                positive = int((values > 0).reshape(-1, values.shape[-1]).all(dim=0).sum())
                rank = max(1, min(ranks[target.name], positive))
                svd = starts[target.name] = svds.truncated(target.name, rank)
                frozen = frozen_sizes(svd, target.view, mode, config.gauge)
                self._surgeon.to_factors(target, *parted(svd, mode, frozen))
                self._freeze(target, mode)
                self._record(target, tail_norm(values, rank), mode=mode)
        self._phase = FactorPhase(mode, starts, [x.detach().clone() for x in self._others()])
        self.ledger.phase = "factors"

    def synchronize(self) -> None:
        """Bring all ranks to the same dense weights; training goes on from them. Collective."""
        self.ledger.phase = "sync"
        if self._phase is not None:
            others = self._others()
            with self._changes("sync"):
                matrices, values = self._agreed(self._phase, others, keep=True)
                self._phase = None
                for target in self.targets:
                    self._surgeon.to_dense(target, matrices[target.name])
                    self._record(target, 0.0, mode=None)
            for parameter, value in zip(others, values, strict=True):
                parameter.data.copy_(value)
            self._agree_on_state(others)
        average(float_buffers(self.model), self._world, bucket_mb=self.config.bucket_mb)
        self.ledger.phase = "dense"

    def consensus(self) -> nn.Module:
        """A dense copy of the model with the weights that all ranks agree on. Collective.

        Training goes on undisturbed; the copy is for tests.
        """
        memo: dict[int, Any] = {}
        model = copy.deepcopy(self.model, memo)
        phase, self.ledger.phase = self.ledger.phase, "consensus"
        average(float_buffers(model), self._world, bucket_mb=self.config.bucket_mb)
        if self._phase is not None:
            others = self._others()
            matrices, values = self._agreed(self._phase, others, keep=False)
            for parameter, value in zip(others, values, strict=True):
                memo[id(parameter)].data.copy_(value)
            targets = [replace(x, modules=[memo[id(m)] for m in x.modules]) for x in self.targets]
            surgeon = Surgeon(model, [])
            for target in targets:
                surgeon.to_dense(target, matrices[target.name])
        self.ledger.phase = phase
        return model

    def _agreed(
        self, phase: FactorPhase, others: list[nn.Parameter], *, keep: bool
    ) -> tuple[dict[str, Tensor], list[Tensor]]:
        """The weights, by the target's name, and the values of other parameters. Collective."""
        config, outer = self.config, self._outer
        changes = phase.mean_changes(
            self.targets, others, config.gauge, self._modes, self._world, **self._travel
        )
        share_a = sum(mode == "a" for mode in self._modes) / len(self._modes)
        if self._world.size == 1:
            share_a = float(phase.mode == "a")
        matrices = {}
        for name, (dA, dB) in changes.factors.items():
            svd = phase.starts[name]
            new = combined(config.combine, svd, dA, dB, share_a)
            matrices[name] = outer.moved(name, svd.product(), new, keep=keep)
        values = [
            outer.moved(f"other {i}", old, new, keep=keep)
            for i, (old, new) in enumerate(zip(phase.before, changes.others, strict=True))
        ]
        return matrices, values

    def _agree_on_state(self, parameters: list[nn.Parameter]) -> None:
        """Average the optimiser's state of parameters, or drop it. Collective."""
        states = self.optimizer.state
        if self.config.optimizer_state == "reset":
            for parameter in parameters:
                states.pop(parameter, None)
            return
        moments = [
            x
            for parameter in parameters
            for x in states.get(parameter, {}).values()
            if isinstance(x, Tensor) and x.shape == parameter.shape and x.is_floating_point()
        ]
        average(moments, self._world, bucket_mb=self.config.bucket_mb)

    # ------------------------------------------------------------------ what is what

    @property
    def _travel(self) -> dict[str, Any]:
        return {"bucket_mb": self.config.bucket_mb, "payload_dtype": self.config.payload_dtype}

    def _freeze(self, target: Target, mode: Mode) -> None:
        layer = target.factored
        assert layer is not None
        frozen = layer.B if mode == "a" else layer.A
        frozen.requires_grad_(False)
        self.optimizer.state.pop(frozen, None)

    def _is_kept(self, parameter: nn.Parameter) -> bool:
        """Whether it is the weight of a layer that stays dense."""
        return parameter.dim() > 1 and id(parameter) not in self._factors()

    def _factors(self) -> set[int]:
        layers = [x.factored for x in self.targets if x.factored is not None]
        return {id(p) for layer in layers for p in (layer.A, layer.B)}

    def _others(self) -> list[nn.Parameter]:
        """Trained beside the factors, and not in step on all ranks anyway; the same on all."""
        factors = self._factors()
        others = [p for p in trained_parameters(self.optimizer) if id(p) not in factors]
        return [p for p in others if not (self.config.sync_kept and self._is_kept(p))]

    # ------------------------------------------------------------------ checkpoints

    def state_dict(self) -> dict[str, Any]:
        """All that this rank needs to go on as if nothing had happened.

        While factors are trained every rank has a state, and weights, of its own. After
        `synchronize` that of one rank is enough, and any number of ranks can go on from it.
        """
        phase = self._phase
        return {
            **self._common_state(),
            "ranks": self._world.size,
            "rank": self._world.rank,
            "mode": self.mode,
            "starts": {} if phase is None else {k: list(x) for k, x in phase.starts.items()},
            "before": [] if phase is None else list(phase.before),
            "momentum": dict(self._outer.buffers),
            "ledger": self.ledger.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state; gives all layers the forms and ranks that they had.

        Load it before the model's and the optimiser's own states: `lowrank.load` has the order.

        Raises
        ------
        ValueError
            If the layers are not those of this model, or the state is that of another rank.
        """
        mode, here = state["mode"], (self._world.rank, self._world.size)
        if mode is not None and (state["rank"], state["ranks"]) != here:
            raise ValueError(
                f"the checkpoint is the state of rank {state['rank']} of {state['ranks']} while "
                "factors were trained: call synchronize before saving, for other ranks to go on"
            )
        self._load_common_state(state)
        self._phase = None
        if mode is not None:
            for target in self.targets:
                self._freeze(target, mode)
            starts = {name: SVD(*parts) for name, parts in state["starts"].items()}
            self._phase = FactorPhase(mode, starts, list(state["before"]))
        self._outer.buffers = dict(state["momentum"])
        self.ledger.load_state_dict(state["ledger"])
