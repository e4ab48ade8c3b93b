"""What can go wrong between nodes."""

from __future__ import annotations

__all__ = [
    "ConfigMismatchError",
    "DASOError",
    "DesyncError",
    "NonFiniteError",
    "SyncTimeoutError",
    "UnevenStepsError",
]


class DASOError(RuntimeError):
    """Base of the errors of this package."""


class ConfigMismatchError(DASOError):
    """The ranks were given different configurations or models."""


class SyncTimeoutError(DASOError):
    """Other ranks did not answer in time: one has died, hangs, or took another number of steps."""


class DesyncError(DASOError):
    """The nodes are at different steps, or send different things."""


class UnevenStepsError(DesyncError):
    """A node has finished while others still train."""


class NonFiniteError(DASOError):
    """Parameters or gradients are infinite or no numbers."""
