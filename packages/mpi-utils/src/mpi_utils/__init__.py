"""What MPI packages for machine learning share on top of mpi4py: torch buffers, topology, errors on all ranks, logging and progress."""

from mpi_utils._version import __version__

__all__ = ["__version__"]
