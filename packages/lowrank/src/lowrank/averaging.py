"""Data-parallel training over MPI that bears parameters changing their shape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from mpi_utils import Communicator

__all__ = ["GradientAverager"]


class GradientAverager:
    """Averages the gradients of all ranks before each step of the optimiser.

    Each rank computes on its part of a batch; with parts of equal size the step is that of the
    whole batch. Parameters may be replaced at any time, as long as it is done on all ranks alike.
    Constructing it, and each step of the optimiser, are collective.

    Parameters
    ----------
    model : nn.Module
        Takes over the parameters and buffers of rank 0.
    optimizer : torch.optim.Optimizer
    comm : mpi_utils.Communicator
    bucket_mb : float
        Gradients travel together in messages of about so many MB.
    payload_dtype : torch.dtype, optional
        Send in this type, for example `torch.bfloat16`, with half the traffic; the sum is
        computed in float32.

    Attributes
    ----------
    payload_bytes : int
        Bytes of gradients handed to MPI by this rank so far.

    Examples
    --------
    >>> import lowrank, torch
    >>> from mpi_utils import world
    >>> model = torch.nn.Linear(4, 2)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> averager = lowrank.GradientAverager(model, optimizer, world())
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        comm: Communicator,
        *,
        bucket_mb: float = 25.0,
        payload_dtype: torch.dtype | None = None,
    ) -> None:
        if bucket_mb <= 0:
            raise ValueError(f"bucket_mb must be positive, not {bucket_mb}")
        self._optimizer, self._comm = optimizer, comm
        self._bucket_bytes, self._payload_dtype = bucket_mb * 1e6, payload_dtype
        self.payload_bytes = 0
        for tensor in model.state_dict(keep_vars=True).values():
            if isinstance(tensor, Tensor):
                comm.bcast(tensor.detach())
        self._hook = optimizer.register_step_pre_hook(self._before_step)

    def remove(self) -> None:
        """Leave the optimiser alone from now on."""
        self._hook.remove()

    def _before_step(self, *_: Any) -> None:
        if self._comm.size == 1:
            return
        started = []
        for bucket in self._buckets():
            # a rank whose batch does not reach a parameter has a gradient of zero
            gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
            flat = torch.cat([g.reshape(-1) for g in gradients])
            if self._payload_dtype is not None and flat.is_floating_point():
                flat = flat.to(self._payload_dtype)
            self.payload_bytes += flat.nbytes
            started.append((bucket, self._comm.iallreduce(flat)))
        for bucket, request in started:
            mean = request.wait() / self._comm.size
            sizes = [p.numel() for p in bucket]
            for parameter, part in zip(bucket, mean.split(sizes), strict=True):
                parameter.grad = part.view_as(parameter).to(parameter.dtype)

    def _buckets(self) -> Iterator[list[nn.Parameter]]:
        """Trained parameters, the last first, in groups of one data type and limited size."""
        bucket: list[nn.Parameter] = []
        size = 0.0
        parameters = [p for group in self._optimizer.param_groups for p in group["params"]]
        for parameter in reversed(parameters):
            if not parameter.requires_grad:
                continue
            is_other = bool(bucket) and parameter.dtype != bucket[0].dtype
            if bucket and (is_other or size + parameter.nbytes > self._bucket_bytes):
                yield bucket
                bucket, size = [], 0.0
            bucket.append(parameter)
            size += parameter.nbytes
        if bucket:
            yield bucket
