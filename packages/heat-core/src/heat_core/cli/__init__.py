"""The command ``heat-core``."""

from heat_core.cli.app import main

__all__ = ["main"]
