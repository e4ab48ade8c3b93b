"""The optimiser that trains nodes together."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from daso import checkpoint
from daso.config import DASOConfig
from daso.consensus import average_model, average_optimizer_state, make_equal
from daso.flat import FlatParameters, floating_buffers
from daso.gradients import GradientAverager, Local
from daso.metrics import SyncStats
from daso.progress import Progress
from daso.schedule import Action, Schedule, make_schedule
from daso.start import check_setup, start_together
from daso.synchroniser import Synchroniser
from daso.topology import Topology
from daso.transport.base import Transport
from daso.transport.choice import make_transport
from daso.wrapped import WrappedOptimizer

__all__ = ["DASO"]

logger = logging.getLogger(__name__)


class DASO(Progress, WrappedOptimizer):
    """Wraps an optimiser, so that the ranks of a job train one model. Constructing is collective.

    Each step averages gradients inside the node. Between the nodes, parameters are averaged in the
    background every few steps, or gradients in each step, as the phase of the schedule says. Groups
    and state are those of the wrapped optimiser, so that learning rate schedulers take either.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        With any number of groups.
    model : nn.Module
        Its parameters and buffers are taken over from rank 0. It is never initialised anew, and no
        random state is touched.
    config : DASOConfig
    topology : Topology, optional
        Default: found out.
    local : {"auto", "flat", "ddp"}
        How gradients are averaged inside the node; see `GradientAverager`.
    transport : Transport or {"auto", "mpi", "torch", "single"}
        See `daso.transport.make_transport`.

    Attributes
    ----------
    module : nn.Module
        The model to call in training; `unwrapped` is the one that was given.
    stats : SyncStats
    should_stop : bool
        Another node has finished, or someone has called `stop`: leave the loop, call `finish`.

    Examples
    --------
    >>> import daso, torch
    >>> model = torch.nn.Linear(4, 2)
    >>> sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> opt = daso.DASO(sgd, model, config=daso.DASOConfig(total_epochs=2))
    >>> for epoch in range(2):
    ...     for batch in torch.randn(3, 8, 4):
    ...         opt.zero_grad()
    ...         opt.module(batch).square().mean().backward()
    ...         opt.step()
    ...     opt.epoch_end()
    >>> opt.finish()
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        model: nn.Module,
        *,
        config: DASOConfig | None = None,
        topology: Topology | None = None,
        local: Local = "auto",
        transport: Transport | Literal["auto", "mpi", "torch", "single"] = "auto",
    ) -> None:
        super().__init__(check_setup(optimizer, model))
        self.unwrapped = model
        self.config = config = DASOConfig() if config is None else config
        self.transport = make_transport(transport, topology, timeout_s=config.timeout_s)
        if config.on_fatal == "abort":
            self.transport.install_abort()
        self.topology = self.transport.topology
        self.stats = SyncStats()
        self.schedule: Schedule = make_schedule(config)
        self._lay_out(local)
        self._local = local
        self._samples = 0
        self._last_step = time.perf_counter()
        self._waits = 0.0
        self._is_finished = self._is_unscaled = False
        # without a thread, exchanges progress between layers
        layers = [] if self.transport.courier.threaded else list(model.modules())
        self._hooks = [
            layer.register_forward_hook(lambda *_: self.transport.courier.poll())
            for layer in layers
        ]

    def _lay_out(self, local: Local) -> None:
        """Prepare the exchange of what is trained now."""
        config = self.config
        buffers = floating_buffers(self.unwrapped) if config.sync_buffers == "average" else []
        parameters = [p for group in self.inner.param_groups for p in group["params"]]
        flat = FlatParameters(
            parameters, buffers, stripes=self.topology.stripes, fragments=config.fragments
        )
        start_together(self.unwrapped, flat, self.transport, config)
        self.flat = flat
        self._sync = Synchroniser(flat, self.transport, config, self.schedule, self.stats)
        self._gradients = GradientAverager(self.unwrapped, flat, self._sync, local)
        self.module = self._gradients.module
        self._gradients.prepare(self.schedule.action())

    def __repr__(self) -> str:
        where = f"{self.topology.n_nodes} nodes, {self.topology.size} ranks"
        return f"DASO({where}, {self.phase}, {self.schedule.skips}, {self.inner!r})"

    # ------------------------------------------------------------------ steps

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group to the wrapped optimiser. Collective: all nodes become equal."""
        self.inner.add_param_group(param_group)
        self.rebuild()

    def step(self, closure: Callable[[], Any] | None = None, *, scaler: Any = None) -> Any:
        """One step of the optimiser, and what the schedule has for it. Collective.

        Parameters
        ----------
        closure : callable, optional
            Computes loss and gradients.
        scaler : torch.amp.GradScaler, optional
            Its ``step`` and ``update`` are called here, with gradients of the whole node.
            The step counts even if the scaler skips it.

        Returns
        -------
        object
            What the closure returned, or the wrapped optimiser.
        """
        if "found_inf" in self.__dict__:
            raise TypeError("call opt.step(scaler=scaler) instead of scaler.step(opt)")
        action = self.schedule.action()
        result = None
        if closure is not None:
            with torch.enable_grad():
                result = closure()
        self._average_gradients(action, scaler)
        if scaler is None:
            taken = self.inner.step()
        else:
            taken = scaler.step(self.inner)
            scaler.update()
        self._after_step(action)
        return taken if closure is None else result

    def _average_gradients(self, action: Action, scaler: Any = None) -> None:
        """Average the gradients of this step, if that has not been done."""
        gradients = self._gradients
        if gradients.is_done:
            if scaler is not None and not self._is_unscaled:
                raise ValueError("pass the scaler to clip_grad_norm_ as well")
            return
        gradients.is_done = True
        gradients.average_in_node(action)
        everywhere = action.blocking and self._sync.is_global
        everywhere = everywhere and self.config.blocking == "gradients"
        if scaler is not None:
            scaler.unscale_(self.inner)  # scales may differ between nodes
            self._is_unscaled = True
        if everywhere:
            is_finite = gradients.average_everywhere(checked=scaler is None)
            if scaler is not None:
                for found in scaler._found_inf_per_device(self.inner).values():
                    found.fill_(0.0 if is_finite else 1.0)

    def _after_step(self, action: Action) -> None:
        sync = self._sync
        self._take_time()
        sync.diverged |= not action.local and self.topology.local_size > 1
        if action.blocking:
            if self.config.blocking == "parameters":
                self._exchange(blocking=True)
                sync.merge()
            if self.config.sync_optimizer_state == "always":
                average_optimizer_state(self.inner, self.flat, sync)
        elif sync.is_global:
            if action.merge:
                sync.merge()
            if action.send:
                self._exchange()
                if action.wait == 0:
                    sync.merge()
            if action.consensus:
                make_equal(self)
        self.schedule.advance()
        self._waits = self.stats.waits
        self._last_step = time.perf_counter()
        self._is_unscaled = False
        self._gradients.prepare(self.schedule.action())
        self.transport.courier.poll()

    def _exchange(self, *, blocking: bool = False) -> None:
        if self.config.weights == "samples":
            self._sync.weight = float(max(1, self._samples))
            self._samples = 0
        self._sync.send(blocking=blocking)
        every = self.config.log_every
        if every and self.topology.rank == 0 and self._sync.number % every == 0:
            logger.info("step %d, %s: %s", self.global_step, self.phase, self.stats.snapshot())

    def _take_time(self) -> None:
        taken = time.perf_counter() - self._last_step - (self.stats.waits - self._waits)
        self.stats.steps += 1
        if self.stats.steps > 1:
            self.stats.step_times.append(max(taken, 0.0))

    def no_sync(self) -> AbstractContextManager[Any]:
        """A context for the first passes of an accumulated gradient: nothing is averaged in it."""
        return self._gradients.no_sync()

    def clip_grad_norm_(
        self, max_norm: float, norm_type: float = 2.0, *, scaler: Any = None
    ) -> Tensor:
        """Average the gradients, then clip their norm; the norm before. Collective.

        Parameters
        ----------
        max_norm, norm_type : float
        scaler : torch.amp.GradScaler, optional
            The one that is then passed to `step`.
        """
        self._average_gradients(self.schedule.action(), scaler)
        return nn.utils.clip_grad_norm_(self.flat.parameters, max_norm, norm_type)

    # ------------------------------------------------------------------ the course of training

    def epoch_end(self, metric: float | Tensor | None = None, weight: float = 1.0) -> float | None:
        """An epoch is over. Collective.

        Parameters
        ----------
        metric : float, optional
            Such as the mean loss of this rank; the schedule sees the mean of all ranks.
        weight : float
            Of this rank in that mean.

        Returns
        -------
        float or None
            The mean.
        """
        mean = None if metric is None else self.report_metric(metric, weight)
        begins = self.schedule.phase == "cycling" and self.config.unit == "epochs"
        if begins and self.schedule.phase_at(self.schedule.epoch + 1) != "cycling":
            make_equal(self)
        self.schedule.on_epoch()
        self._gradients.prepare(self.schedule.action())
        self._last_step, self._waits = time.perf_counter(), self.stats.waits
        return mean

    def report_metric(self, metric: float | Tensor, weight: float = 1.0) -> float:
        """Let the schedule learn of a metric; its mean over all ranks. Collective."""
        pair = torch.tensor([float(metric) * weight, weight], dtype=torch.float64)
        self.transport.world.allreduce(pair).wait(self.config.timeout_s)
        mean = float(pair[0] / pair[1])
        self.schedule.on_metric(mean)
        return mean

    def finish(self) -> None:
        """The training is over: make all ranks equal, and end the background work. Collective."""
        if not self._is_finished:
            make_equal(self)
            self._is_finished = True
            self.close()

    def close(self) -> None:
        """End the background work, without waiting for other ranks."""
        for hook in self._hooks:
            hook.remove()
        self.transport.courier.close(1.0)

    def __enter__(self) -> DASO:
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is None:
            self.finish()
        else:
            self.close()

    def stop(self) -> None:
        """Ask all nodes to leave their loops: sets `should_stop` on them at their next merge."""
        self._sync.wants_stop = True

    def install_signal_handler(self, *signals: int) -> None:
        """Call `stop` on these signals, such as SIGTERM or SIGUSR1 before a time limit."""
        for number in signals:
            signal.signal(number, lambda *_: self.stop())

    def agree_steps(self, n: int) -> int:
        """The smallest number of batches of all ranks. Collective."""
        least = torch.tensor([-float(n)], dtype=torch.float64)
        self.transport.world.allreduce(least, "max").wait(self.config.timeout_s)
        return int(-least)

    def count_samples(self, n: int) -> None:
        """Count samples of this rank, for ``weights="samples"``; all its node's ranks alike."""
        self._samples += n

    def rebuild(self) -> None:
        """Take in parameters that were frozen, unfrozen or added. Collective."""
        make_equal(self)
        number = self._sync.number
        self._lay_out(self._local)
        self._sync.number = number

    @contextmanager
    def consensus(self) -> Iterator[nn.Module]:
        """Within the block the model is the mean of all nodes, as for evaluation. Collective."""
        sync = self._sync
        sync.settle()
        tensors = list(self.unwrapped.state_dict().values())
        own, diverged = [t.detach().clone() for t in tensors], sync.diverged
        try:
            if self.topology.size > 1:
                average_model(self)
            yield self.unwrapped
        finally:
            with torch.no_grad():
                for tensor, value in zip(tensors, own, strict=True):
                    tensor.copy_(value)
            sync.diverged = diverged

    # ------------------------------------------------------------------ checkpoints

    def state_dict(self, *, drain: bool = True) -> dict[str, Any]:
        """Everything of this rank, for an exact resumption on as many nodes and ranks. Collective.

        Parameters
        ----------
        drain : bool
            Store a synchronisation that is under way: wait for it, and don't merge it yet.
            Otherwise nothing may be under way.
        """
        return checkpoint.rank_state(self, drain=drain)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where `state_dict` or `consensus_state_dict` was taken. Collective."""
        checkpoint.load(self, state_dict)

    def consensus_state_dict(self) -> dict[str, Any]:
        """Mean model, mean optimiser state and schedule, for any number of nodes. Collective.

        All nodes become equal. The result is the same on all ranks: one of them may save it.
        """
        make_equal(self)
        return checkpoint.consensus_state(self)
