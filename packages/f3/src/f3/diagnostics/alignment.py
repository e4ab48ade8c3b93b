"""How local gradients point, beside those of backpropagation, and how units saturate."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from f3.kinds import Visit
from f3.learner import Learner
from f3.signals import Signal
from f3.sources import CurrentError, DelayedError

__all__ = ["BlockAlignment", "alignment", "saturation"]


@dataclass(frozen=True)
class BlockAlignment:
    """The local gradient of one hidden block beside its true gradient.

    Attributes
    ----------
    block : int
    cosine, angle : float
        Of the two gradients as vectors of all parameters; degrees.
    norm_ratio : float
        Length of the local one over that of the true one.
    """

    block: int
    cosine: float
    angle: float
    norm_ratio: float


def alignment(
    learner: Learner, x: Tensor, target: Tensor, index: Any = None
) -> list[BlockAlignment]:
    """Compare local and true gradients of a batch; learner and stored errors stay as they are.

    Parameters
    ----------
    learner : Learner
        In any mode but "bp" and "shallow".
    x, target, index
        As for `Learner.step`.

    Returns
    -------
    list of BlockAlignment
        For each hidden block that is trained.
    """
    batch = learner.check(x, target, index)
    model = copy.deepcopy(learner.model).train()
    with torch.random.fork_rng(devices=[]):
        hs, h = [], batch.x
        for block in model:
            h = block(h)
            if h.requires_grad:
                h.retain_grad()
            hs.append(h)
        flat = h.reshape(-1, learner.n_outputs)
        total = learner.criterion.elements(flat, batch.targets).sum() / batch.denominator
        total.backward(retain_graph=True)
        signal = _signal(learner, batch, flat.detach())
    true = [[p.grad.clone() for p in block.parameters() if p.grad is not None] for block in model]
    found = []
    for trained in learner.hidden:
        if trained.projection is None or signal is None:
            continue
        number = trained.number
        parameters = [p for p in model[number].parameters() if p.grad is not None]
        end = trained.tapped(hs[number])
        pseudo = trained.pseudo_gradient(signal.scaled(learner.factor(batch)), len(batch))
        local = torch.autograd.grad(end, parameters, pseudo, retain_graph=True)
        a = torch.cat([g.flatten() for g in local])
        b = torch.cat([g.flatten() for g in true[number]])
        lengths = float(a.norm()), float(b.norm())
        cosine = float(a @ b) / max(lengths[0] * lengths[1], 1e-30)
        angle = math.degrees(math.acos(max(-1.0, min(1.0, cosine))))
        found.append(BlockAlignment(number, cosine, angle, lengths[0] / max(lengths[1], 1e-30)))
    return found


def _signal(learner: Learner, batch: Any, flat: Tensor) -> Signal | None:
    source = learner.source
    if isinstance(source, CurrentError):
        _, gradient = learner.criterion.gradient(flat, batch.targets)
        return source.renew(None, None, Visit(flat, gradient, batch.targets, learner.criterion))
    if isinstance(source, DelayedError) and not source.has_store:
        return None
    return source.read(batch.index, batch.targets)


def saturation(learner: Learner, x: Tensor, *, limit: float = 0.95) -> dict[int, float]:
    """The share of tanh and sigmoid outputs near their limits, for each block that has such.

    Parameters
    ----------
    learner : Learner
    x : Tensor
        Inputs.
    limit : float
        Share of the way from the middle to the limit from which on an output counts.
    """
    shares: dict[int, list[float]] = {}

    def note(number: int, centre: float, reach: float, out: Tensor) -> None:
        share = ((out - centre).abs() > limit * reach).float().mean()
        shares.setdefault(number, []).append(float(share))

    hooks = []
    for block in learner.blocks:
        for module in block.module.modules():
            if isinstance(module, nn.Tanh | nn.Sigmoid):
                centre, reach = (0.0, 1.0) if isinstance(module, nn.Tanh) else (0.5, 0.5)
                hooks.append(
                    module.register_forward_hook(
                        lambda _, __, out, n=block.number, c=centre, r=reach: note(n, c, r, out)
                    )
                )
    try:
        learner.predict(x)
    finally:
        for hook in hooks:
            hook.remove()
    return {number: sum(values) / len(values) for number, values in shares.items()}
