"""What started this process: its rank, how many ranks this node has, and the name of the run.

Everything is found in environment variables; MPI is never initialised.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from energymeter.processes import start_time

__all__ = ["JobInfo", "detect", "run_identity", "scheduler_metadata", "visible_gpus"]

# launcher: variables of rank, size, ranks on this node
LAUNCHERS = {
    "torchrun": ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"),
    "openmpi": ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE"),
    "hydra": ("PMI_RANK", "PMI_SIZE", "MPI_LOCALNRANKS"),
    "pals": ("PALS_RANKID", "PALS_NRANKS", "PALS_LOCAL_SIZE"),
    "slurm": ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_TASKS_PER_NODE"),
    "pmix": ("PMIX_RANK", "PMIX_SIZE", ""),
}
# names that must be there, so that a shell inside an allocation is not taken for a rank
REQUIRED = {"torchrun": "TORCHELASTIC_RUN_ID", "slurm": "SLURM_STEP_ID"}
WHITELIST = (
    "SLURM_JOB_ID",
    "SLURM_STEP_ID",
    "SLURM_JOB_NAME",
    "SLURM_JOB_PARTITION",
    "SLURM_JOB_NODELIST",
    "SLURM_NTASKS",
    "SLURM_CPUS_PER_TASK",
    "SLURM_GPUS",
    "CUDA_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
)


@dataclass(frozen=True)
class JobInfo:
    """A process's place in its job; `launcher` is empty if it was started by hand."""

    launcher: str = ""
    rank: int = 0
    size: int = 1
    local_size: int = 1


def detect(environ: Mapping[str, str]) -> JobInfo:
    """Find out the launcher and the rank."""
    for name, (rank, size, local) in LAUNCHERS.items():
        if rank not in environ or (name in REQUIRED and REQUIRED[name] not in environ):
            continue
        if name == "slurm" and environ.get(REQUIRED[name], "").startswith("4294967"):
            continue  # the batch script itself: its "step" has a number beyond all steps
        total = _number(environ.get(size), 1)
        return JobInfo(name, _number(environ.get(rank), 0), total, _number(environ.get(local), 1))
    return JobInfo()


def run_identity(environ: Mapping[str, str], job: JobInfo) -> str:
    """The name of the run, on which all its ranks agree without a message."""
    if given := environ.get("ENERGYMETER_RUN_ID"):
        return _clean(given)
    if not job.launcher:
        return os.urandom(4).hex()
    for names in (("SLURM_JOB_ID", "SLURM_STEP_ID"), ("PBS_JOBID",), ("LSB_JOBID",)):
        if names[0] in environ:
            started = f"-{_launcher_start()}" if job.launcher == "hydra" and _single(job) else ""
            return _clean(".".join(environ[n] for n in names if n in environ) + started)
    for name in ("PMIX_NAMESPACE", "TORCHELASTIC_RUN_ID"):
        if environ.get(name, "none") != "none":
            return _clean(f"{environ[name]}-{_launcher_start()}" if _single(job) else environ[name])
    return f"local-{_launcher_start()}"


def scheduler_metadata(environ: Mapping[str, str]) -> dict[str, str]:
    """What is stored of the environment: a short list, because variables may hold secrets."""
    return {name: environ[name] for name in WHITELIST if name in environ}


def visible_gpus(environ: Mapping[str, str]) -> str | None:
    """The accelerators that a process may use, as its launcher says; None if it does not."""
    names = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")
    return next((environ[name] for name in names if name in environ), None)


def _single(job: JobInfo) -> bool:
    return job.local_size == job.size


def _launcher_start() -> str:
    """The launcher's process on this node, which all its ranks have as a parent."""
    parent = os.getppid()
    return f"{parent}-{start_time(parent)}"


def _number(text: str | None, default: int) -> int:
    """The first number; Slurm writes ``4(x2)`` for four tasks on each of two nodes."""
    match = re.match(r"\d+", text or "")
    return int(match[0]) if match else default


def _clean(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", text)[:80]
