"""What the ranks of a node tell each other when a synchronisation has ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from daso.errors import DASOError, DesyncError, NonFiniteError, SyncTimeoutError, UnevenStepsError
from daso.exchange import Header
from daso.group import Group

__all__ = ["Outcome", "share_outcome"]

#: The order is the wire format.
_ERRORS: tuple[type[DASOError], ...] = (
    DASOError,
    SyncTimeoutError,
    NonFiniteError,
    DesyncError,
    UnevenStepsError,
)


@dataclass(frozen=True)
class Outcome:
    """What all ranks of a node know of a synchronisation.

    Attributes
    ----------
    abandoned : bool
        Another node has finished, and nothing was exchanged.
    stop : bool
        Someone wants all to stop.
    step_s, sync_s : float
        Of the slowest rank; 0 if unknown.
    """

    abandoned: bool
    stop: bool
    step_s: float
    sync_s: float


def share_outcome(
    node: Group,
    headers: Sequence[Header],
    error: BaseException | None,
    *,
    wants_stop: bool,
    may_be_uneven: bool,
    timeout_s: float,
) -> Outcome:
    """Share errors, wishes and timings among the ranks of a node. Collective.

    Raises
    ------
    BaseException
        `error`, if there is one; an error of the same kind if another rank of the node has one.
    """
    abandoned = may_be_uneven and isinstance(error, UnevenStepsError)
    code = 0
    if error is not None and not abandoned:
        code = 1 + max((i for i, kind in enumerate(_ERRORS) if isinstance(error, kind)), default=0)
    news = torch.tensor(
        [
            code,
            abandoned,
            wants_stop or any(header.stop for header in headers),
            max((header.step_s for header in headers), default=0.0),
            max((header.sync_s for header in headers), default=0.0),
        ],
        dtype=torch.float64,
    )
    if node.size > 1:
        try:
            node.allreduce(news, "max").wait(timeout_s)
        except SyncTimeoutError as late:
            raise error or late from late
    if error is not None and not abandoned:
        raise error
    worst, left, stop, step_s, sync_s = news.tolist()
    if worst:
        kind = _ERRORS[int(worst) - 1]
        raise kind("a synchronisation failed on another rank of this node, which says why")
    return Outcome(bool(left), bool(stop or left), step_s, sync_s)
