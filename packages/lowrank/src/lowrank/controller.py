"""What all training methods are: they act between the steps of an optimiser, on chosen layers."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from lowrank.costs import multiply_adds, stored, trainable
from lowrank.optimizer_state import StatePolicy, check_optimizer, holder_of
from lowrank.ranks import RankLimits, RankRule, Spectrum, propose_ranks
from lowrank.rebound import Rebound
from lowrank.selection import SelectionConfig, Target, select_layers
from lowrank.surgery import Surgeon

__all__ = ["Controller"]

logger = logging.getLogger(__name__)


class Controller(ABC):
    """Changes layers of a model while it is trained; base of the methods.

    Parameters
    ----------
    model : nn.Module
        Not wrapped for data-parallel training.
    optimizer : torch.optim.Optimizer
    selection : SelectionConfig
    sample : Tensor or tuple, optional
        An input, to find the order in which layers are executed.
    attach : bool
        False: the user calls `step` after each step of the optimiser.
    policy : StatePolicy
        What becomes of the optimiser's state.
    rebound : tuple of (int, float)
        See `Rebound`.

    Attributes
    ----------
    selection : Selection
        The layers, and why others were left out.
    history : list of dict
        A record for each layer at each change; JSON can hold it.
    t : int
        Steps so far.
    """

    #: What `on` takes.
    events: tuple[str, ...] = ("convert", "update")

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        selection: SelectionConfig,
        *,
        sample: Any = None,
        attach: bool = True,
        policy: StatePolicy = "project",
        rebound: tuple[int, float] = (0, 0.0),
    ) -> None:
        if isinstance(model, nn.parallel.DistributedDataParallel):
            raise RuntimeError(  # noqa: TRY004 - the type is right, the use is not
                "DistributedDataParallel can't follow parameters that change their shape: pass the "
                "model itself, and average gradients with lowrank.GradientAverager"
            )
        self.model = model
        self.optimizer = check_optimizer(optimizer)
        self.selection = select_layers(model, sample=sample, **selection.keywords())
        if not self.targets:
            reasons = "; ".join(f"{k}: {why}" for k, why in self.selection.kept.items())
            raise ValueError(f"no layer can be trained in low rank ({reasons})")
        for target in self.targets:
            weight: Any = target.module.weight
            if holder_of([self.optimizer], weight) is None:
                logger.warning("the optimiser does not hold the weight of %s", target.name)
        self._surgeon = Surgeon(model, [self.optimizer], policy)
        self._rebound = Rebound(self.optimizer, *rebound)
        self.history: list[dict[str, Any]] = []
        self.t = 0
        self._listeners: dict[str, list[Callable[..., None]]] = defaultdict(list)
        self._hooks: list[Any] = []
        if attach:
            self._hooks.append(self.optimizer.register_step_post_hook(self._after_step))

    @property
    def targets(self) -> list[Target]:
        """The layers that are, or will be, trained in low rank, in the order of execution."""
        return self.selection.targets

    @abstractmethod
    def step(self) -> None:
        """Take notice of one step of the optimiser. Called by it, unless ``attach=False``.

        Collective with a communicator.
        """

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on as if nothing had happened, in plain data and tensors."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state; gives all layers the forms and ranks that they had.

        Load it before the model's and the optimiser's own states: `lowrank.load` has the order.

        Raises
        ------
        ValueError
            If the layers are not those of this model.
        """

    def detach(self) -> None:
        """Leave the optimiser alone from now on; the layers stay as they are."""
        self._rebound.remove()
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    def on(self, event: str, listener: Callable[..., None]) -> None:
        """Call a function after changes.

        Parameters
        ----------
        event : str
            One of `events`.
        listener : callable
            Gets a dict of parameters that are gone to lists of those in their place.
        """
        if event not in self.events:
            raise ValueError(f"there is no event {event!r}; there are {', '.join(self.events)}")
        self._listeners[event].append(listener)

    def _after_step(self, *_: Any) -> None:
        self.step()

    # ------------------------------------------------------------------ changes

    @contextmanager
    def _changes(self, event: str, *, rebound: bool = True) -> Iterator[None]:
        """Tell the listeners what the block has replaced, and let the learning rate rise again."""
        self._surgeon.replaced.clear()
        yield
        replaced = dict(self._surgeon.replaced)
        if replaced:
            if rebound:
                self._rebound.start()
            for listener in self._listeners[event]:
                listener(replaced)

    def _proposed(
        self,
        rule: RankRule,
        limits: RankLimits,
        targets: Sequence[Target],
        values: Mapping[str, Tensor],
    ) -> dict[str, int]:
        """The rank that each target should have; layers with options of their own go first."""
        ranks: dict[str, int] = {}
        common: list[Spectrum] = []
        for target in targets:
            spectrum = Spectrum(target.name, values[target.name], target.view, self._rank(target))
            options = target.options
            if options.rank is not None:
                ranks |= propose_ranks(RankRule("fixed", options.rank), limits, [spectrum])
            elif options.cutoff is not None:
                ranks |= propose_ranks(RankRule("relative", options.cutoff), limits, [spectrum])
            else:
                common.append(spectrum)
        return ranks | propose_ranks(rule, limits, common)

    # ------------------------------------------------------------------ records

    def _find(self, name: str) -> Target:
        for target in self.targets:
            if target.name == name:
                return target
        raise ValueError(f"no layer {name!r}; there are {', '.join(x.name for x in self.targets)}")

    def _rank(self, target: Target) -> int:
        return target.view.max_rank if target.factored is None else target.factored.rank

    def _record(self, target: Target, error: float, **more: Any) -> None:
        layer = target.factored
        form = "dense" if layer is None else layer.form
        rank, view = self._rank(target), target.view
        self.history.append(
            {
                "step": self.t,
                "layer": target.name,
                "form": form,
                "rank": rank,
                "max_rank": view.max_rank,
                "trainable": trainable(view, form, rank),
                "stored": stored(view, form, rank),
                "flops": 2 * multiply_adds(view, form, rank),
                "truncation_error": error,
                **more,
            }
        )

    def _common_state(self) -> dict[str, Any]:
        """What every method saves."""
        layers = {
            x.name: ["dense" if x.factored is None else x.factored.form, self._rank(x)]
            for x in self.targets
        }
        return {
            "version": 1,
            "method": type(self).__name__,
            "t": self.t,
            "layers": layers,
            "rebound": self._rebound.left,
            "history": [dict(record) for record in self.history],
        }

    def _load_common_state(self, state: dict[str, Any]) -> None:
        """Undo `_common_state`."""
        if state["method"] != type(self).__name__:
            raise ValueError(f"the checkpoint is one of {state['method']}")
        names, known = set(state["layers"]), {target.name for target in self.targets}
        if names != known:
            odd = ", ".join(sorted(names ^ known))
            raise ValueError(f"the checkpoint is of another model or selection of layers: {odd}")
        for target in self.targets:
            form, rank = state["layers"][target.name]
            self._surgeon.reshape(target, form, rank)
        self.t = state["t"]
        self._rebound.left = state["rebound"]
        self.history = [dict(record) for record in state["history"]]
