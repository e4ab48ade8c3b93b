"""What can go wrong before a measurement starts, with the remedy in the message."""

from __future__ import annotations

__all__ = ["ConfigurationError", "EnergymeterError", "NotMeasuredError", "RunError"]


class EnergymeterError(Exception):
    """Base of all errors of this package."""


class ConfigurationError(EnergymeterError, ValueError):
    """An option or a configuration file asks for something that does not exist."""


class NotMeasuredError(EnergymeterError):
    """A measured source is required (``--require measured``), and there is none."""


class RunError(EnergymeterError):
    """A run directory cannot be written or read."""
