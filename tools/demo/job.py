"""What every rank of the demo does: run the stages, check them, report."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from mpi_utils import RemoteError, Topology, abort_on_exception, collective, world
from tools.demo.options import Options, parse

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo on this rank; the exit status is the same on all ranks."""
    options = parse(arguments)
    abort_on_exception()
    topology = Topology(world())
    topology.set_threads()  # before the libraries that start threads are imported
    topology.free()
    from tools.demo.stage import DemoError

    try:
        return 0 if _run(options) else 1
    except DemoError as error:
        if world().rank == 0:
            print(f"error: {error}", file=sys.stderr, flush=True)
        return 2
    except RemoteError:
        return 1  # the rank that failed says how, and ends the job


def _run(options: Options) -> bool:
    import heat_core as ht
    from tools.demo.report import write_report
    from tools.demo.series import bundled_data
    from tools.demo.stage import Context, Stage, Timed, user_errors
    from tools.demo.stages import STAGES
    from tools.demo.summary import print_summary

    comm = ht.get_comm()
    with user_errors():
        data = options.data or bundled_data()
        context = Context(comm, data, options.output)
        with collective(comm):
            if comm.rank == 0:
                context.output.mkdir(parents=True, exist_ok=True)

    def run(number: int, stage: Stage) -> Timed | None:
        if comm.rank == 0:
            print(f"[{number}/{len(STAGES)}] {stage.name}: {stage.shows}", flush=True)
        began = time.perf_counter()
        found = stage.run(context)
        seconds = max(comm.handle.allgather(time.perf_counter() - began))
        with collective(comm):
            return Timed(stage, stage.check(context, found), seconds) if comm.rank == 0 else None
        raise AssertionError("unreachable")

    if comm.rank == 0:
        print(f"hpc-ml demo on {comm.size} rank{'s' * (comm.size > 1)}", flush=True)
    timed = [run(number, stage) for number, stage in enumerate(STAGES, 1)]
    done = [stage for stage in timed if stage is not None]
    report = Path(context.output, "report.html")
    with user_errors(), collective(comm):
        if comm.rank == 0:
            write_report(report, done, comm.size)
    if comm.rank == 0:
        print_summary(done, report)
    return bool(comm.handle.bcast(all(stage.ok for stage in done)))


if __name__ == "__main__":
    sys.exit(main())
