"""The interface of Heat's ``heat.optim.DASO``, with `daso.DASO` behind it.

For scripts that are to be moved over step by step; new ones use `daso.DASO` itself.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any

import torch
from torch import nn

from daso.config import DASOConfig
from daso.optimizer import DASO as Optimizer  # noqa: N811 - the class here has Heat's name

__all__ = ["DASO"]

_CODECS = {torch.bfloat16: "bf16", torch.float16: "fp16", torch.float32: "fp32"}


class DASO:
    """Heat's DASO: the paper's method, attached to a model with `set_model`.

    Parameters
    ----------
    local_optimizer : torch.optim.Optimizer
    total_epochs : int
    comm : mpi_utils.Communicator, optional
        Of all ranks; anything else is refused.
    warmup_epochs, cooldown_epochs : int
    scheduler : None
        Step learning rate schedulers yourself.
    stability_level : float
    max_global_skips : int
    sending_chunk_size : int
        Numbers in a message.
    downcast_type : {torch.bfloat16, torch.float16, torch.float32}
    use_mpi_groups : bool
        Without effect: groups rotate.
    skip_reduction_factor, local_skip_factor : int
    verbose : bool
        Log every synchronisation.

    Attributes
    ----------
    opt : daso.DASO
        Once `set_model` was called.
    last_batch : int or None
        Without effect: an epoch may end at any batch.
    """

    def __init__(
        self,
        local_optimizer: torch.optim.Optimizer,
        total_epochs: int,
        comm: Any = None,
        warmup_epochs: int = 4,
        cooldown_epochs: int = 4,
        scheduler: Any = None,
        stability_level: float = 0.05,
        max_global_skips: int = 8,
        sending_chunk_size: int = 10_000_000,
        downcast_type: torch.dtype = torch.bfloat16,
        use_mpi_groups: bool = True,
        skip_reduction_factor: int = 2,
        local_skip_factor: int = 4,
        verbose: bool = False,
    ) -> None:
        if not isinstance(local_optimizer, torch.optim.Optimizer):
            raise TypeError(f"local_optimizer must be a torch optimiser, not {local_optimizer!r}")
        _check(comm, scheduler, sending_chunk_size, downcast_type, use_mpi_groups)
        self.local_optimizer, self.comm = local_optimizer, comm
        self.config = DASOConfig.paper(
            total_epochs=total_epochs,
            warmup_epochs=warmup_epochs,
            cooldown_epochs=cooldown_epochs,
            stability_level=stability_level,
            max_global_skips=max_global_skips,
            bucket_mb=sending_chunk_size * 4 / 2**20,
            blocking_wire=_CODECS[downcast_type],
            skip_reduction_factor=skip_reduction_factor,
            local_skip_factor=local_skip_factor,
            log_every=int(verbose),
        )
        self.last_batch: int | None = None
        self.opt: Optimizer | None = None
        self._scaler: Any = None

    def set_model(self, model: nn.Module) -> None:
        """Attach the model. Collective; its parameters are those of rank 0."""
        if self.comm is None:
            self.opt = Optimizer(self.local_optimizer, model, config=self.config)
            return
        from daso.transport.mpi import mpi_transport

        transport = mpi_transport(comm=self.comm)
        self.opt = Optimizer(self.local_optimizer, model, config=self.config, transport=transport)

    def add_scaler(self, scaler: torch.amp.GradScaler) -> None:
        """Step with this scaler."""
        self._scaler = scaler

    def _attached(self) -> Optimizer:
        if self.opt is None:
            raise RuntimeError("call set_model(model) before training")
        return self.opt

    def step(self) -> None:
        """One step. Collective."""
        self._attached().step(scaler=self._scaler)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        self._attached().zero_grad()

    def epoch_loss_logic(self, loss: Any, loss_globally_averaged: bool = False) -> None:  # noqa: ARG002
        """An epoch is over, with this loss; the mean of equal numbers is the same. Collective."""
        self._attached().epoch_end(loss)

    def reset(self) -> None:
        """Begin with the schedule anew, all ranks equal. Collective."""
        opt = self._attached()
        self.set_model(opt.unwrapped)

    def print0(self, *args: Any, **kwargs: Any) -> None:
        """Print on rank 0."""
        if self.opt is None or self.opt.topology.rank == 0:
            kwargs.setdefault("file", sys.stdout)
            kwargs["file"].write(" ".join(map(str, args)) + kwargs.get("end", "\n"))


def _check(comm: Any, scheduler: Any, chunk: Any, downcast_type: Any, use_mpi_groups: Any) -> None:
    if comm is not None and not hasattr(comm, "handle"):
        raise TypeError(f"comm must be a mpi_utils.Communicator, not {type(comm).__name__}")
    if scheduler is not None:
        raise ValueError(
            "scheduler must be None: make the scheduler from the local optimiser or from .opt, and "
            "call its step() yourself after each epoch"
        )
    if not isinstance(chunk, int) or isinstance(chunk, bool):
        raise TypeError(f"sending_chunk_size must be an int, not {type(chunk).__name__}")
    if chunk < 1:
        raise ValueError(f"sending_chunk_size must be positive, not {chunk}")
    if not isinstance(downcast_type, torch.dtype):
        raise TypeError(f"downcast_type must be a torch.dtype, not {type(downcast_type).__name__}")
    if downcast_type not in _CODECS:
        names = ", ".join(map(str, _CODECS))
        raise ValueError(f"downcast_type must be one of {names}, not {downcast_type}")
    if not isinstance(use_mpi_groups, bool):
        raise TypeError(f"use_mpi_groups must be a bool, not {type(use_mpi_groups).__name__}")
    if not use_mpi_groups:
        warnings.warn(
            "use_mpi_groups has no effect: groups always rotate", DeprecationWarning, stacklevel=3
        )
