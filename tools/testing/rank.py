"""Start pytest on one rank, and note how it ended.

``mpirun`` runs this in place of pytest: a rank that is killed cannot say so itself, and launchers
differ in what they report. ``python -m tools.testing.rank FOLDER COMMAND...``
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tools.testing.records import Recorder, has_ended

__all__ = ["main", "rank_of_environment"]

# set by MPICH and Intel MPI, by Open MPI, by PMIx launchers, by srun
RANK_VARIABLES = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID")


def rank_of_environment() -> int:
    """The rank that the launcher gave this process; 0 without a launcher."""
    return int(next((os.environ[name] for name in RANK_VARIABLES if name in os.environ), "0"))


def main() -> int:
    """Run the command with its output in a file, and record its process id and exit status."""
    folder, *command = sys.argv[1:]
    rank = rank_of_environment()
    recorder = Recorder(Path(folder), rank)
    with (Path(folder) / f"rank{rank}.out").open("wb") as output:
        process = subprocess.Popen(
            # each rank its own tmp_path: ranks that share pytest's numbered folder race for it
            [*command, f"--basetemp={Path(folder) / f'tmp{rank}'}"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            close_fds=False,  # the launcher talks to the MPI library through inherited descriptors
        )
        recorder.write("spawned", pid=process.pid, wrapper=os.getpid())
        status = process.wait()
    recorder.write("exited", status=status)
    if has_ended(recorder.path):
        return 0  # failures are in the records; Open MPI kills the other ranks on a status
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
