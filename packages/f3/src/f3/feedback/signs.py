"""Columns of feedback with one sign, which can't train a unit with errors of one sign."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from torch import Tensor

from f3.errors import FeedbackError

__all__ = ["FEW_OUTPUTS", "check_signs", "single_signed_share", "with_both_signs"]

logger = logging.getLogger(__name__)


#: up to so many outputs, a random column has one sign too often
FEW_OUTPUTS = 4


def is_single_signed(matrix: Tensor) -> Tensor:
    """Which columns of a matrix (C, m) have no entries of both signs, bool (m,)."""
    return ~((matrix > 0).any(0) & (matrix < 0).any(0))


def single_signed_share(matrix: Tensor) -> float:
    """The share of columns without entries of both signs.

    Parameters
    ----------
    matrix : Tensor, (C, m)
    """
    return float(is_single_signed(matrix).to(torch.float32).mean())


def with_both_signs(matrix: Tensor, draw: Callable[[int], Tensor]) -> Tensor:
    """The matrix, with single-signed columns replaced by those of further draws.

    Parameters
    ----------
    matrix : Tensor, (C, m)
    draw : function
        Makes the matrix of the n-th further draw.
    """
    for attempt in range(100):
        wrong = is_single_signed(matrix)
        if not bool(wrong.any()):
            break
        matrix = torch.where(wrong, draw(attempt), matrix)
    return matrix


def check_signs(matrix: Tensor, block: int, *, strict: bool) -> None:
    """Refuse a matrix whose columns mostly have one sign, or warn.

    With one-hot errors, which all point the same way, such a column pushes its unit into
    saturation, whatever the sample.
    """
    share = single_signed_share(matrix)
    if share <= 0.5:
        return
    message = (
        f"{share:.0%} of the feedback columns of block {block} have entries of one sign only: "
        "one-hot and target errors would drive these units into saturation. Use feedback "
        "'trinomial', 'rademacher' or 'kaiming_uniform', or full errors (one_hot=False)"
    )
    if strict:
        raise FeedbackError(message + "; strict=False makes this a warning")
    logger.warning(message)
