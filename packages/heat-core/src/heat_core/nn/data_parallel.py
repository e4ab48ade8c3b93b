"""One network on all ranks: gradients are averaged while they are computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch

from heat_core.comm import Communicator, sanitize_comm
from mpi_utils import Request

__all__ = ["DataParallel"]

_BUCKET_ELEMENTS = 1 << 20


class _Bucket:
    """Parameters whose gradients travel in one message, the same ones on all ranks."""

    def __init__(self, parameters: list[torch.nn.Parameter]) -> None:
        self.parameters = parameters
        self.ready: set[torch.nn.Parameter] = set()
        self.sent = False

    def start(self, comm: Communicator) -> Request[Any]:
        """Start to add up the gradients, and on how many ranks each parameter has one."""
        self.sent = True
        grads = [p.grad for p in self.parameters]
        flags = self.parameters[0].new_tensor([float(grad is not None) for grad in grads])
        parts = [
            torch.zeros_like(p).reshape(-1) if grad is None else grad.reshape(-1)
            for p, grad in zip(self.parameters, grads, strict=True)
        ]
        # Divided before they are added, so that half precision does not overflow.
        self._packed = torch.cat([*parts, flags]) / comm.size
        return comm.iallreduce(self._packed, "sum", out=self._packed)

    def finish(self) -> None:
        """Take the means; what has no gradient on any rank is left alone."""
        numbers = [p.numel() for p in self.parameters]
        *pieces, flags = self._packed.split([*numbers, len(self.parameters)])
        for parameter, piece, flag in zip(self.parameters, pieces, flags.tolist(), strict=True):
            if flag == 0:
                continue
            mean = piece.reshape(parameter.shape)
            if parameter.grad is None:
                parameter.grad = mean.to(parameter.dtype, copy=True)
            else:
                parameter.grad.copy_(mean)
        del self._packed


def _buckets(parameters: Iterable[torch.nn.Parameter], elements: int) -> list[_Bucket]:
    """The parameters, last ones first as the backward pass meets them, in buckets."""
    found: list[list[torch.nn.Parameter]] = []
    size = 0
    for parameter in reversed(list(parameters)):
        if not found or size >= elements or found[-1][0].dtype != parameter.dtype:
            found.append([])
            size = 0
        found[-1].append(parameter)
        size += parameter.numel()
    return [_Bucket(group) for group in found]


class DataParallel(torch.nn.Module):
    """A module whose gradients are the means over all ranks.

    Parameters and buffers of rank 0 are sent to all once. During the backward pass the gradients
    travel in buckets, each as soon as it is complete; ``wait`` or a ``DataParallelOptimizer``
    completes them. The mean over ranks is the gradient of the mean loss of all rows if the ranks
    have as many rows.

    Parameters
    ----------
    module : torch.nn.Module
    comm : Communicator, optional
    optimizer : DataParallelOptimizer or sequence of them, optional
        Its ``step`` waits for the gradients.
    blocking_parameter_updates : bool
        True: every bucket is waited for at once.
    bucket_elements : int

    Notes
    -----
    Ranks may use different parameters, or none: what a rank did not use counts as a gradient of
    zero there, and what no rank used keeps what it has, such as None. Several backward passes
    before ``wait`` add up.

    A step sends each rank's gradients and one number for each parameter in allreduces, one for
    each bucket, and one allreduce of one number.
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
        optimizers = optimizer if isinstance(optimizer, Sequence) else [optimizer]
        if not isinstance(module, torch.nn.Module):
            raise TypeError(f"the module is one of torch's, not {type(module).__name__}")
        if not all(one is None or hasattr(one, "wait_for") for one in optimizers):
            raise TypeError(
                f"an optimizer is ht.optim.DataParallelOptimizer(...), not {optimizer!r}"
            )
        self.module = module
        self.comm: Communicator = sanitize_comm(comm)
        self.blocking_parameter_updates = blocking_parameter_updates
        with torch.no_grad():
            for tensor in (*module.parameters(), *module.buffers()):
                tensor.copy_(self.comm.bcast(tensor.detach().clone()))
        learning = [p for p in module.parameters() if p.requires_grad]
        self._buckets = _buckets(learning, bucket_elements) if self.comm.size > 1 else []
        self._bucket_of = {p: bucket for bucket in self._buckets for p in bucket.parameters}
        self._travelling: list[tuple[_Bucket, Request[Any]]] = []
        self._begin()
        for parameter in self._bucket_of:
            parameter.register_post_accumulate_grad_hook(self._ready)
        for one in optimizers:
            if one is not None:
                one.wait_for(self)

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """The module's own."""
        return self.module(*inputs, **kwargs)

    def _ready(self, parameter: torch.nn.Parameter) -> None:
        bucket = self._bucket_of[parameter]
        self._again |= bucket.sent
        bucket.ready.add(parameter)
        # In the order of the buckets, which is the same on all ranks whatever they have used.
        for waiting in self._buckets:
            if not waiting.sent:
                if len(waiting.ready) < len(waiting.parameters):
                    break
                self._send(waiting)

    def _send(self, bucket: _Bucket) -> None:
        self._travelling.append((bucket, bucket.start(self.comm)))
        if self.blocking_parameter_updates:
            self._finish()

    def wait(self) -> None:
        """Let all gradients arrive. Collective: also on ranks that had no backward pass."""
        if not self._buckets:
            return
        self._send_rest()
        again = int(self.comm.allreduce(torch.tensor(int(self._again)), "max"))
        for _, request in self._travelling:
            request.wait()
        if again:
            # A gradient grew after it had been sent: what came is too little, and all is sent anew.
            self._travelling = []
            self._begin()
            self._send_rest()
        self._finish()
        self._begin()

    def _begin(self) -> None:
        for bucket in self._buckets:
            bucket.ready.clear()
            bucket.sent = False
        self._again = False

    def _send_rest(self) -> None:
        for bucket in self._buckets:
            if not bucket.sent:
                self._send(bucket)

    def _finish(self) -> None:
        for bucket, request in self._travelling:
            request.wait()
            bucket.finish()
        self._travelling = []
