"""Errors of this package; an id out of range is an ordinary `IndexError`."""

__all__ = ["FeedbackError", "ModeError", "PartitionError", "StoreError"]


class PartitionError(ValueError):
    """A model can't be cut into blocks as asked."""


class FeedbackError(ValueError):
    """A feedback matrix does not fit its block, or can't train it."""


class StoreError(ValueError):
    """An error memory has the wrong size, shape or data type, or would be too large."""


class ModeError(ValueError):
    """A setting contradicts the way of training, such as clipping over all blocks at once."""
