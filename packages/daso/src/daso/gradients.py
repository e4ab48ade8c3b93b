"""Averages of gradients: inside the node in each step, and over the nodes in blocking phases."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor, nn

from daso.errors import NonFiniteError, UnevenStepsError
from daso.exchange import BLOCKING
from daso.flat import FlatParameters
from daso.schedule import Action
from daso.synchroniser import Synchroniser

__all__ = ["GradientAverager", "Local"]

Local = Literal["auto", "flat", "ddp"]


class GradientAverager:
    """Averages gradients as the schedule says.

    Parameters
    ----------
    model : nn.Module
    flat : FlatParameters
    sync : Synchroniser
    local : {"auto", "flat", "ddp"}
        Inside the node: one message after the backward pass, or torch's DistributedDataParallel,
        which overlaps with it. ``"auto"``: DDP on GPUs under torch.distributed, else flat.

    Attributes
    ----------
    module : nn.Module
        The model to call in training.
    """

    def __init__(
        self, model: nn.Module, flat: FlatParameters, sync: Synchroniser, local: Local
    ) -> None:
        self.flat, self.sync, self.config = flat, sync, sync.config
        group = sync.transport.process_group
        if local == "ddp" and group is None:
            raise ValueError("local='ddp' needs torch.distributed: start the program with torchrun")
        if local not in ("auto", "flat", "ddp"):
            raise ValueError(f"local must be auto, flat or ddp, not {local!r}")
        on_gpu = flat.device.type == "cuda"
        is_ddp = local == "ddp" or (local == "auto" and on_gpu and group is not None)
        self.is_done = False
        self.module = model
        if is_ddp and sync.transport.node.size > 1:
            from torch.nn.parallel import DistributedDataParallel

            self.module = DistributedDataParallel(
                model, process_group=group, broadcast_buffers=False
            )
        self._vector = flat.zeros(0)

    @property
    def is_ddp(self) -> bool:
        """Whether DDP averages inside the node."""
        return hasattr(self.module, "require_backward_grad_sync")

    def prepare(self, action: Action) -> None:
        """Tell DDP whether the next backward pass is to average."""
        self.is_done = False
        if self.is_ddp:
            module: Any = self.module
            module.require_backward_grad_sync = action.local

    def no_sync(self) -> AbstractContextManager[Any]:
        """A context in which backward passes only add up."""
        module: Any = self.module
        return module.no_sync() if self.is_ddp else nullcontext()

    def average_in_node(self, action: Action) -> None:
        """Average over the node, unless DDP has done so, or the schedule skips it."""
        node = self.sync.transport.node
        if node.size == 1 or self.is_ddp or not action.local:
            return
        vector = self._gathered()
        self.sync.hierarchy.node_mean(vector)
        self.sync.wants_stop |= bool(vector[-2] > 0)
        self.flat.scatter_gradients(vector)

    def average_everywhere(self, *, checked: bool) -> bool:
        """Average over the nodes, weighted by their ranks; whether the result is finite.

        Parameters
        ----------
        checked : bool
            Raise `NonFiniteError` if it isn't, on all ranks alike.
        """
        sync = self.sync
        try:
            sync.check(BLOCKING)
        except UnevenStepsError:
            if self.config.uneven == "raise":
                raise
            sync.should_stop = True
            return True
        vector = self._gathered()
        weight = sync.topology.local_size
        is_bad = not math.isfinite(float(vector.sum()))
        if is_bad and self.config.nonfinite == "skip_node":
            vector.zero_()
            weight = 0
        vector.mul_(weight)
        vector[-1] = weight
        vector[-2] = float(sync.wants_stop)
        sync.hierarchy.everywhere(vector)
        total = float(vector[-1])
        vector.div_(total or math.nan)
        sync.stats.blocking += 1
        sync.should_stop |= bool(vector[-2] > 0)
        is_finite = math.isfinite(float(vector.sum()))
        if checked and not is_finite and self.config.nonfinite != "ignore":
            raise NonFiniteError(
                f"gradients are not finite at step {sync.schedule.step}: lower the learning rate "
                "or clip them; with a GradScaler use opt.step(scaler=scaler)"
            )
        self.flat.scatter_gradients(vector)
        return is_finite

    def _gathered(self) -> Tensor:
        flat = self.flat
        if not self._vector.numel():
            # the last numbers: the wish to stop, and the node's weight
            length = flat.n_parameters + len(flat.parameters) + 2
            self._vector = flat.zeros(-(-length // flat.stripes) * flat.stripes)
        with self.sync.stats.timed("pack"), torch.no_grad():
            vector = flat.gather_gradients(self._vector)
            vector[-2] = float(self.sync.wants_stop)
            return vector
