"""Feed-Forward with delayed Feedback: training of neural networks without backpropagation."""

from f3._version import __version__

__all__ = ["__version__"]
