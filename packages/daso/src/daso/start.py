"""What happens when a training begins: checks, and equal models on all ranks."""

from __future__ import annotations

import hashlib
import json
import logging

import torch
from torch import Tensor, nn

from daso.config import DASOConfig
from daso.errors import ConfigMismatchError
from daso.flat import FlatParameters
from daso.group import Group
from daso.transport.base import Transport

__all__ = ["check_setup", "start_together"]

logger = logging.getLogger(__name__)


def check_setup(optimizer: torch.optim.Optimizer, model: nn.Module) -> torch.optim.Optimizer:
    """The optimiser, if it can be wrapped.

    Raises
    ------
    TypeError
        If it is none, or evaluates its loss several times a step.
    ValueError
        If it trains what is not in the model.
    """
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise TypeError(
            f"optimizer must be a torch.optim.Optimizer, not {type(optimizer).__name__}"
        )
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, not {type(model).__name__}")
    if isinstance(optimizer, torch.optim.LBFGS):
        raise TypeError("LBFGS evaluates its loss as often as it likes, differently on each rank")
    known = set(model.parameters())
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    if not all(p in known for p in trained):
        raise ValueError(
            "the optimiser has parameters that are not the model's: make it after the model is "
            "complete and on its device (for a compiled model, from the original's parameters)"
        )
    return optimizer


def start_together(
    model: nn.Module, flat: FlatParameters, transport: Transport, config: DASOConfig
) -> None:
    """Compare the settings of all ranks, and give them rank 0's model. Collective.

    Raises
    ------
    ConfigMismatchError
        On all ranks, if configurations or models differ.
    """
    world, timeout = transport.world, config.timeout_s
    if config.total is None and transport.topology.rank == 0:
        logger.warning("the length of the training is unknown: there will be no cool-down")
    if flat.dtype == torch.float64 and not config.codec().is_exact(torch.float64):
        logger.warning(
            "the model is float64 and wire=%r rounds; 'fp64' doesn't", config.codec().name
        )
    if world.size == 1:
        return
    settings = {**config.described(), "layout of the model": str(flat.fingerprint())}
    _compare(settings, world, timeout)
    tensors = [t for t in model.state_dict().values() if isinstance(t, Tensor)]
    if config.init_sync == "check":
        _compare({"model": _digest(tensors)}, world, timeout)
    elif config.init_sync == "broadcast":
        with torch.no_grad():
            for tensor in tensors:
                whole = tensor.contiguous()
                world.bcast(whole, 0).wait(timeout)
                tensor.copy_(whole)


def _compare(settings: dict[str, str], world: Group, timeout: float) -> None:
    own = json.dumps(settings).encode()
    length = torch.tensor([float(len(own))], dtype=torch.float64)
    world.allreduce(length, "max").wait(timeout)
    padded = own.ljust(int(length))
    table = torch.empty(world.size, len(padded), dtype=torch.uint8)
    world.allgather(table, torch.frombuffer(bytearray(padded), dtype=torch.uint8)).wait(timeout)
    every = [json.loads(bytes(row.tolist())) for row in table]
    for name in settings:
        values = [other.get(name) for other in every]
        if len(set(values)) > 1:
            rows = ", ".join(f"rank {rank}: {value}" for rank, value in enumerate(values))
            raise ConfigMismatchError(f"the ranks differ in {name} ({rows}): give all the same")


def _digest(tensors: list[Tensor]) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(
            tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
        )
    return digest.hexdigest()
