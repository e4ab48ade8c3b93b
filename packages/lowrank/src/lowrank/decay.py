"""Weight decay of layers in two factors: of the weight that they make, not of each factor."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import torch

from lowrank.nn.factored import Factored

__all__ = ["FactorDecay", "apply_factor_decay"]

#: ``"weight"``: that of the weight ``A B``; ``"factors"``: as if they were weights; ``"none"``.
FactorDecay = Literal["weight", "factors", "none"]

#: Optimisers that shrink weights by ``1 - lr λ``, and don't add the decay to the gradient.
DECOUPLED = ("AdamW", "Adafactor", "Muon")


@torch.no_grad()
def apply_factor_decay(
    optimizer: torch.optim.Optimizer, layers: Iterable[Factored], kind: FactorDecay
) -> None:
    """Prepare trained factors so that the decay of the next step is that of the weight.

    The optimiser knows one decay for all parameters of a group. What it is about to do to the
    factors is undone in advance, so that groups stay what they are.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        About to step; factors have their gradients.
    layers : iterable of Factored
        In the form ``A B``.
    kind : FactorDecay
    """
    if kind == "factors":
        return
    group_of = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    for layer in layers:
        A, B = layer.A, layer.B
        trained = [(x, x.grad) for x in (A, B) if x.requires_grad and x.grad is not None]
        for factor, gradient in trained:
            group = group_of.get(id(factor), {})
            strength = group.get("weight_decay", 0)
            if not strength:
                continue
            if _is_decoupled(optimizer, group):
                kept = 1 - group["lr"] * strength
                # (1 - lr λ) A B: each trained factor takes its part
                wanted = kept ** (1 / len(trained)) if kind == "weight" else 1.0
                factor.mul_(wanted / kept)
                continue
            # gradients of λ ||A B||² / 2
            pull = A @ (B @ B.mT) if factor is A else (A.mT @ A) @ B
            wanted = pull if kind == "weight" else torch.zeros_like(pull)
            gradient.add_(wanted - factor, alpha=float(strength))


def _is_decoupled(optimizer: torch.optim.Optimizer, group: dict[str, Any]) -> bool:
    named = type(optimizer).__name__
    return bool(group.get("decoupled_weight_decay")) or named.endswith(DECOUPLED)
