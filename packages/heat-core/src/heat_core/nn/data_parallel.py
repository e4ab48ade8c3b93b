"""One network on all ranks: gradients are averaged while they are computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from heat_core.comm import Communicator, sanitize_comm
from mpi_utils import Request

__all__ = ["DataParallel"]

_BUCKET_ELEMENTS = 1 << 20


class DataParallel(torch.nn.Module):
    """A module whose gradients are the means over all ranks.

    Parameters and buffers of rank 0 are sent to all once. During the backward pass gradients are
    collected in buckets, and each bucket is sent as soon as it is full; ``wait`` or a
    ``DataParallelOptimizer`` completes them. Parameters that got no gradient are left alone.

    Parameters
    ----------
    module : torch.nn.Module
    comm : Communicator, optional
    optimizer : DataParallelOptimizer or sequence of them, optional
        Its ``step`` waits for the gradients.
    blocking_parameter_updates : bool
        True: every bucket is waited for at once.
    bucket_elements : int
    """

    def __init__(
        self,
        module: torch.nn.Module,
        comm: Any = None,
        optimizer: Any = None,
        blocking_parameter_updates: bool = False,
        *,
        bucket_elements: int = _BUCKET_ELEMENTS,
    ) -> None:
        super().__init__()
        self.module = module
        self.comm: Communicator = sanitize_comm(comm)
        self.blocking_parameter_updates = blocking_parameter_updates
        self._bucket_elements = bucket_elements
        self._waiting: list[tuple[list[torch.nn.Parameter], torch.Tensor, Request[Any]]] = []
        self._bucket: list[torch.nn.Parameter] = []
        with torch.no_grad():
            for tensor in (*module.parameters(), *module.buffers()):
                tensor.copy_(self.comm.bcast(tensor.detach().clone()))
        for parameter in module.parameters():
            if parameter.requires_grad:
                parameter.register_post_accumulate_grad_hook(self._ready)
        optimizers = optimizer if isinstance(optimizer, Sequence) else [optimizer]
        for one in optimizers:
            if one is not None:
                one.wait_for(self)

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """The module's own."""
        return self.module(*inputs, **kwargs)

    def _ready(self, parameter: torch.nn.Parameter) -> None:
        self._bucket.append(parameter)
        if sum(p.numel() for p in self._bucket) >= self._bucket_elements:
            self._send()

    def _send(self) -> None:
        """Start to add up the gradients of the bucket; all ranks fill buckets in the same order."""
        if not self._bucket or self.comm.size == 1:
            self._bucket = []
            return
        parts = [p.grad.reshape(-1) for p in self._bucket if p.grad is not None]
        packed = torch.cat(parts) / self.comm.size
        request = self.comm.iallreduce(packed, "sum", out=packed)
        self._waiting.append((self._bucket, packed, request))
        self._bucket = []
        if self.blocking_parameter_updates:
            self._finish()

    def wait(self) -> None:
        """Let all gradients arrive. Collective."""
        self._send()
        self._finish()

    def _finish(self) -> None:
        for parameters, packed, request in self._waiting:
            request.wait()
            pieces = packed.split([p.numel() for p in parameters])
            for parameter, piece in zip(parameters, pieces, strict=True):
                assert parameter.grad is not None
                parameter.grad.copy_(piece.reshape(parameter.shape))
        self._waiting = []
