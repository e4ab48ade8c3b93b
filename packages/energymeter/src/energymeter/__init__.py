"""Energy measurement of MPI and Python AI workloads on all kinds of nodes."""

from energymeter._version import __version__

__all__ = ["__version__"]
