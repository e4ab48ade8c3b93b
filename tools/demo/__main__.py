"""``python -m tools.demo``: start the demo on a few ranks, or join in where ``mpirun`` did that."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence

from tools.demo.options import parse
from tools.testing.launch import child_environment, launcher
from tools.workspace import ROOT

RANK_VARIABLES = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")
STATUSES = (0, 1, 2)  # that the job chooses itself


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo and return its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parse(given)
    if any(name in os.environ for name in RANK_VARIABLES):
        from tools.demo import job

        return job.main(given)
    try:
        command = [*launcher(), "-n", str(options.ranks), sys.executable]
        status = _run([*command, "-m", "tools.demo.job", *given], options.ranks)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if status not in STATUSES:
        print(f"error: {_how_it_ended(status)} before the demo was done", file=sys.stderr)
    return status if status >= 0 else 128 - status


def _run(command: list[str], ranks: int) -> int:
    """Run the job, and leave none of its processes behind when this one is told to stop."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    process = subprocess.Popen(
        command, env=_environment(ranks), stdin=subprocess.DEVNULL, start_new_session=True
    )
    try:
        return process.wait()
    finally:
        if process.poll() is None:
            process.terminate()  # mpirun ends its ranks
            try:
                process.wait(timeout=3)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _environment(ranks: int) -> dict[str, str]:
    """The tools importable, the cores shared out, and the width of the terminal behind the pipe."""
    environment = child_environment(ranks)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    share = str(max(1, (cores or 1) // ranks))
    environment["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", share)
    inherited = os.environ.get("PYTHONPATH")
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *([inherited] if inherited else [])])
    environment["COLUMNS"] = str(shutil.get_terminal_size((120, 24)).columns)
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        environment["FORCE_COLOR"] = "1"
    return environment


def _how_it_ended(status: int) -> str:
    number = status - 128 if status > 128 else abs(status)
    if number == signal.SIGKILL:
        return "a rank was killed"
    return f"the job ended with status {status}"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
