"""Making all ranks equal: parameters, statistics, counters, and the optimiser's state."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from daso.errors import DesyncError
from daso.flat import FlatParameters, floating_buffers
from daso.group import Group
from daso.pooling import pooled_variances
from daso.synchroniser import Synchroniser

if TYPE_CHECKING:
    from daso.optimizer import DASO

__all__ = ["average_model", "average_optimizer_state", "make_equal", "share_integer_buffers"]


def make_equal(opt: DASO) -> None:
    """Merge what is under way, and make model and optimiser equal on all ranks. Collective."""
    sync, config, world = opt._sync, opt.config, opt.transport.world
    sync.drain()
    sync.meet()
    if world.size == 1:
        return
    average_model(opt)
    sync.remember()
    if config.sync_buffers != "none":
        share_integer_buffers(opt.unwrapped, world, config.timeout_s)
    if config.sync_buffers == "broadcast":
        for buffer in floating_buffers(opt.unwrapped):
            world.bcast(buffer, 0).wait(config.timeout_s)
    if config.sync_optimizer_state != "never":
        average_optimizer_state(opt.inner, opt.flat, sync)
        sync.diverged = False


def average_model(opt: DASO) -> None:
    """Give all ranks the mean of parameters and statistics. Collective."""
    pooled = opt.config.sync_buffers == "average"
    with pooled_variances(opt.unwrapped) if pooled else nullcontext():
        opt._sync.gather_in_full()


def share_integer_buffers(model: nn.Module, world: Group, timeout_s: float) -> None:
    """Give all ranks the largest values of integer buffers. Collective."""
    buffers = [b for b in dict.fromkeys(model.buffers()) if not b.is_floating_point()]
    buffers = [b for b in buffers if b.dtype in (torch.int64, torch.int32, torch.int16, torch.int8)]
    if buffers and world.size > 1:
        flat = torch.cat([b.reshape(-1).long() for b in buffers])
        world.allreduce(flat, "max").wait(timeout_s)
        for buffer, part in zip(buffers, flat.split([b.numel() for b in buffers]), strict=True):
            buffer.copy_(part.view(buffer.shape))


def average_optimizer_state(
    optimizer: torch.optim.Optimizer, flat: FlatParameters, sync: Synchroniser
) -> None:
    """Average floating state of a parameter's shape over all ranks. Collective.

    Raises
    ------
    DesyncError
        If the ranks keep state for different parameters, or have made different steps.
    """
    states: list[dict[str, Any]] = [optimizer.state.get(p, {}) for p in flat.parameters]
    pairs = list(zip(states, flat.parameters, strict=True))
    _check_equal(pairs, sync)
    for key in sorted({k for s, p in pairs for k in s if _is_vector(s[k], p)}):
        vectors = [s[key] if key in s and _is_vector(s[key], p) else None for s, p in pairs]
        with torch.no_grad():
            whole = [
                torch.zeros_like(p) if v is None else v
                for v, p in zip(vectors, flat.parameters, strict=True)
            ]
            mean = flat.pack_like_parameters(whole, flat.zeros())
            sync.hierarchy.node_mean(mean)
            if sync.is_global:
                sync.hierarchy.everywhere(mean)
            for vector, part in zip(vectors, flat.split_like_parameters(mean), strict=True):
                if vector is not None:
                    target = torch.view_as_real(vector) if vector.is_complex() else vector
                    target.copy_(part.view(target.shape))


def _is_vector(value: Any, parameter: nn.Parameter) -> bool:
    return (
        isinstance(value, Tensor)
        and value.shape == parameter.shape
        and parameter.dim() > 0
        and (value.is_floating_point() or value.is_complex())
    )


def _check_equal(pairs: list[tuple[dict[str, Any], nn.Parameter]], sync: Synchroniser) -> None:
    """Raise on all ranks unless all have state of the same kind after as many steps."""
    numbers = []
    for state, parameter in pairs:
        vectors = sorted(k for k in state if _is_vector(state[k], parameter))
        numbers += [float(len(vectors)), float(state.get("step", 0))]
    own = torch.tensor(numbers, dtype=torch.float64)
    extremes = torch.stack((own, -own))
    sync.transport.world.allreduce(extremes, "max").wait(sync.timeout)
    if not torch.equal(extremes[0], -extremes[1]):
        raise DesyncError(
            "the optimiser has made different steps on different ranks, or keeps state for "
            "different parameters; set sync_optimizer_state='never' if that is meant"
        )
