"""Data-parallel training that bears parameters changing their shape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lowrank.parallel.communicators import Comm
from lowrank.parallel.ledger import Ledger, Metered

__all__ = ["GradientAverager", "average", "average_gradients", "check_payload", "share_model"]


def average(
    tensors: Sequence[Tensor],
    comm: Metered,
    *,
    bucket_mb: float = 25.0,
    payload_dtype: torch.dtype | None = None,
) -> None:
    """Replace tensors by their means over all ranks, in place. Collective.

    They travel together in messages of one data type and limited size, all under way at once.
    """
    if comm.size == 1:
        return
    started = []
    for bucket in _buckets(tensors, bucket_mb * 1e6):
        flat = torch.cat([x.reshape(-1) for x in bucket])
        started.append((bucket, comm.start_mean(flat, payload_dtype)))
    for bucket, finish in [(bucket, proceed()) for bucket, proceed in started]:
        for x, part in zip(bucket, finish().split([x.numel() for x in bucket]), strict=True):
            x.copy_(part.view_as(x))


def _buckets(tensors: Sequence[Tensor], size: float) -> Iterator[list[Tensor]]:
    bucket: list[Tensor] = []
    filled = 0
    for x in tensors:
        if bucket and (x.dtype != bucket[0].dtype or filled + x.nbytes > size):
            yield bucket
            bucket, filled = [], 0
        bucket.append(x)
        filled += x.nbytes
    if bucket:
        yield bucket


def average_gradients(parameters: Sequence[nn.Parameter], comm: Metered, **options: Any) -> None:
    """Average the gradients of parameters over all ranks; options as in `average`. Collective."""
    if comm.size == 1:
        return
    for p in parameters:
        if p.grad is None:  # a rank whose batch does not reach a parameter has a gradient of zero
            p.grad = torch.zeros_like(p)
    average([p.grad for p in parameters if p.grad is not None], comm, **options)


def trained_parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    """What an optimiser trains, the last first, as backward passes produce gradients."""
    everything = [p for group in optimizer.param_groups for p in group["params"]]
    return [p for p in reversed(everything) if p.requires_grad]


def share_model(model: nn.Module, comm: Metered) -> None:
    """Give all ranks the parameters and buffers of rank 0. Collective."""
    for tensor in model.state_dict(keep_vars=True).values():
        if isinstance(tensor, Tensor):
            comm.bcast(tensor.detach())


def float_buffers(model: nn.Module) -> list[Tensor]:
    """Running statistics of normalisation layers and alike; not the frozen bases of layers."""
    from lowrank.nn.factored import Factored

    return [
        buffer
        for module in model.modules()
        if not isinstance(module, Factored)
        for buffer in module._buffers.values()
        if buffer is not None and buffer.is_floating_point()
    ]


def check_payload(dtype: torch.dtype | None) -> None:
    """ValueError unless it is None or a 16-bit floating-point type."""
    if dtype not in (None, torch.float16, torch.bfloat16):
        raise ValueError(f"payload_dtype is torch.bfloat16, torch.float16 or None, not {dtype}")


class GradientAverager:
    """Averages the gradients of all ranks before each step of the optimiser.

    Each rank computes on its part of a batch; with parts of equal size the step is that of the
    whole batch. Parameters may be replaced at any time, as long as it is done on all ranks alike.
    Gradients that are accumulated over several backward passes travel once. Constructing it, and
    each step of the optimiser, are collective.

    Parameters
    ----------
    model : nn.Module
        Takes over the parameters and buffers of rank 0.
    optimizer : torch.optim.Optimizer
    comm : mpi_utils.Communicator or TorchDistributed
    bucket_mb : float
        Gradients travel together in messages of about so many MB.
    payload_dtype : torch.dtype, optional
        Send in this 16-bit type, with half the traffic; the sum is computed in float32.
    manual : bool
        True: the user calls `average` after the backward pass. This is the way where gradients are
        clipped, or scaled (`torch.amp.GradScaler`), before the step.

    Attributes
    ----------
    ledger : Ledger
        What has been communicated.

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
        comm: Comm,
        *,
        bucket_mb: float = 25.0,
        payload_dtype: torch.dtype | None = None,
        manual: bool = False,
    ) -> None:
        if bucket_mb <= 0:
            raise ValueError(f"bucket_mb must be positive, not {bucket_mb}")
        check_payload(payload_dtype)
        self.ledger = Ledger()
        self._model, self._optimizer = model, optimizer
        self._comm = Metered(comm, self.ledger)
        self._options: dict[str, Any] = {"bucket_mb": bucket_mb, "payload_dtype": payload_dtype}
        share_model(model, self._comm)
        self.ledger.phase = "dense"
        self._hook = None if manual else optimizer.register_step_pre_hook(self._before_step)

    @property
    def payload_bytes(self) -> int:
        """Bytes of gradients that were averaged so far, as they travelled."""
        return int(self.ledger.total("payload", "dense"))

    def average(self) -> None:
        """Average the gradients now. Collective."""
        average_gradients(trained_parameters(self._optimizer), self._comm, **self._options)

    def average_buffers(self) -> None:
        """Average the running statistics of normalisation layers: before a test. Collective."""
        average(float_buffers(self._model), self._comm)

    def remove(self) -> None:
        """Leave the optimiser alone from now on."""
        if self._hook is not None:
            self._hook.remove()
            self._hook = None

    def _before_step(self, *_: Any) -> None:
        self.average()
