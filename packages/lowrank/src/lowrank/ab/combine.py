"""How the factors that two halves of the ranks have trained become one weight. Pure.

A phase begins with ``W0 = U diag(s) V``. Ranks that train `A` have ``W0 + dA V`` in the end, and
those that train `B` have ``W0 + U dB``; means over these ranks are meant. The names are those of
the options of `ABConfig.combine`.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from lowrank.linalg import SVD

__all__ = ["Rule", "combined"]

Rule = Literal["learned", "stale", "product", "tangent", "only_b"]


def combined(rule: Rule, start: SVD, dA: Tensor, dB: Tensor, share_a: float) -> Tensor:
    """The weight after a phase.

    Parameters
    ----------
    rule : Rule
        ``"learned"``: ``(A0 + dA) (B0 + dB)``, each half's factor is taken over whole;
        ``"stale"``: ``(A0 + p dA) (B0 + (1 - p) dB)``, the mean of each factor over all ranks;
        ``"product"``: ``W0 + p dA B0 + (1 - p) A0 dB``, the mean of the products (AB-training,
        "full"); ``"tangent"``: the sum of what only one half can learn, and the mean of what both
        can, ``W0 + (1 - P) dA B0 + A0 dB (1 - Q) + (P dA B0 + A0 dB Q) / 2`` with the projections
        `P` on the columns of `A0` and `Q` on the rows of `B0`; ``"only_b"``: ``A0 (B0 + dB)``.
    start : SVD
        Of ``W0``; `A0` and `B0` are in balance, with `s` between them.
    dA : Tensor, shape (..., m, r)
        The change, for a frozen factor `V`.
    dB : Tensor, shape (..., r, n)
        The change, for a frozen factor `U`.
    share_a : float
        The share of ranks that train `A`.

    Returns
    -------
    Tensor, shape (..., m, n)
    """
    U, s, V = start
    if rule in ("learned", "stale", "only_b"):
        p, q = (share_a, 1 - share_a) if rule == "stale" else (1.0, 1.0)
        A = U * s.unsqueeze(-2) + p * dA
        return A @ (V + q * dB / s.unsqueeze(-1))
    W = start.product()
    if rule == "product":
        return W + share_a * dA @ V + (1 - share_a) * U @ dB
    within_a, within_b = U @ (U.mT @ dA), (dB @ V.mT) @ V
    only_a, only_b = dA - within_a, dB - within_b
    both = 0.5 if 0 < share_a < 1 else 1.0  # with one half only there is nothing to average
    return W + (only_a + both * within_a) @ V + U @ (only_b + both * within_b)
