"""How processes are started on several ranks, with any MPI library."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

__all__ = ["child_environment", "cores", "launcher"]

# what a launcher tells its ranks: a nested mpirun must not take itself for one of them
INHERITED = ("PMI_", "PMIX_", "OMPI_COMM_", "OMPI_UNIVERSE_", "PRTE_LAUNCHED", "HYDI_", "HYDRA_")

OPEN_MPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_ALLOW_RUN_AS_ROOT": "1",
    "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    # more ranks than cores; version 4, version 5
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "PRTE_MCA_hwloc_default_binding_policy": "none",
    "OMPI_MCA_mpi_yield_when_idle": "1",
}


def launcher() -> list[str]:
    """The ``mpirun`` command: ``$HPC_ML_MPIRUN``, or beside this Python, or on the path."""
    if command := os.environ.get("HPC_ML_MPIRUN"):
        return shlex.split(command)
    beside = Path(sys.executable).with_name("mpirun")
    found = str(beside) if beside.exists() else shutil.which("mpirun")
    if found is None:
        raise FileNotFoundError("no mpirun: `pip install mpich`, or set HPC_ML_MPIRUN")
    return [found]


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def child_environment(ranks: int) -> dict[str, str]:
    """The environment of tests on this many ranks; ``mpirun`` and ``python`` are on its path."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(INHERITED)}
    folders = [str(Path(sys.executable).parent)]
    if os.environ.get("HPC_ML_MPIRUN"):
        folders.insert(0, str(Path(launcher()[0]).parent))
    path = os.pathsep.join([*folders, kept.get("PATH", os.defpath)])
    threads = {"OMP_NUM_THREADS": "1"} if ranks > 1 else {}
    return {**OPEN_MPI, **kept, **threads, "PATH": path, "PYTHONHASHSEED": "0"}
