"""What can go wrong, by kind."""

from __future__ import annotations

__all__ = ["DataError", "ModelFileError", "NotEnoughDataError", "NotFittedError"]


class DataError(ValueError):
    """The data cannot be read as regular time series; the message says where and what to do."""


class NotEnoughDataError(DataError):
    """There are fewer steps than the model needs."""


class NotFittedError(ValueError, AttributeError):
    """The forecaster has to be fitted first."""


class ModelFileError(ValueError):
    """A model file is damaged, or was written by a newer version."""
