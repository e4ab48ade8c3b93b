"""What becomes of the parameters when the mean of the nodes arrives.

All rules have the form ``x <- keep * x + shift``, where the shift depends on what a node has sent
and on the mean of all, but not on the parameters of the moment. So one rank of a node can compute
a shift for all replicas, whatever these have done since.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

__all__ = ["MERGE_RULES", "merge_shift"]

_Rule = Callable[[Tensor, Tensor, int, int, float], tuple[float, Tensor]]

#: name -> (mean, sent, delay, nodes, alpha) -> (keep, shift)
MERGE_RULES: dict[str, _Rule] = {
    "delay_corrected": lambda mean, sent, s, p, alpha: (1.0, mean - sent),
    "stale_average": lambda mean, sent, s, p, alpha: (
        2 * s / (2 * s + p),
        mean * (p / (2 * s + p)),
    ),
    "replace": lambda mean, sent, s, p, alpha: (0.0, mean),
    "lerp": lambda mean, sent, s, p, alpha: (alpha, mean * (1 - alpha)),
}


def merge_shift(
    rule: str, mean: Tensor, sent: Tensor, *, delay: int, nodes: int, alpha: float = 0.5
) -> tuple[float, Tensor]:
    """Factor and shift of a merge, ``x <- keep * x + shift``.

    Parameters
    ----------
    rule : {"delay_corrected", "stale_average", "replace", "lerp"}
        ``delay_corrected``: ``x + mean - sent`` replaces what was sent by the consensus and keeps
        the steps made since (delayed averaging, arXiv 2006.00441). ``stale_average``:
        ``(2 S x + P mean) / (2 S + P)``, the rule of the DASO paper (J. Big Data 9:14, 2022).
        ``replace``: ``mean``. ``lerp``: ``alpha x + (1 - alpha) mean``.
    mean, sent : (m,) tensors
        The consensus, and what this node sent.
    delay : int
        Steps S from sending to merging.
    nodes : int
        The number P of nodes.
    alpha : float
        Share of the local parameters in ``lerp``.

    Returns
    -------
    float, (m,) tensor
    """
    return MERGE_RULES[rule](mean, sent, delay, nodes, alpha)
