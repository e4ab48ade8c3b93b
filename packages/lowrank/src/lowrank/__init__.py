"""OIALR and AB-training: low-rank training of neural networks with torch."""

from lowrank._version import __version__

__all__ = ["__version__"]
