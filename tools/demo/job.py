"""What every rank of the demo does: run the stages, check them, report."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mpi_utils import Communicator, RemoteError, Topology, abort_on_exception, collective, world
from tools.demo.data import bundled_data, check_readable
from tools.demo.errors import DemoError, user_errors
from tools.demo.options import Options, parse

if TYPE_CHECKING:  # imported once the threads are set
    from tools.demo.stage import Context, Timed

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo on this rank; the exit status is the same on all ranks."""
    options = parse(arguments)
    abort_on_exception()
    comm = world()
    topology = Topology(comm)
    topology.set_threads()  # before the libraries that start threads are imported
    topology.free()
    try:
        options = _at_the_door(options, comm)
        return 0 if _run(options) else 1
    except DemoError as error:
        if comm.rank == 0:
            print(f"error: {error}", file=sys.stderr, flush=True)
        return 2
    except RemoteError:
        return 1  # the rank that failed says how, and ends the job


def _at_the_door(options: Options, comm: Communicator) -> Options:
    """Find what is wrong with the options before anything large is imported. Collective."""
    with user_errors(), collective(comm):
        data = options.data or bundled_data()
        check_readable(data)
        if comm.rank == 0:
            options.output.mkdir(parents=True, exist_ok=True)
    return replace(options, data=data)


def _run(options: Options) -> bool:
    """Run all stages, again and again where minutes are given; whether all checks held."""
    import heat_core as ht
    from tools.demo.report import write_report
    from tools.demo.soak import Usage
    from tools.demo.stage import Context
    from tools.demo.summary import print_summary

    comm = ht.get_comm()
    assert options.data is not None
    is_first = comm.rank == 0
    if is_first:
        print(f"hpc-ml demo on {comm.size} rank{'s' * (comm.size > 1)}", flush=True)
    usage = Usage(comm)
    end = time.monotonic() + 60 * options.minutes
    ok = more = True
    while more:
        done = _stages(Context(comm, options.data, options.output))
        report = options.output / "report.html"
        with user_errors(), collective(comm):
            if is_first:
                write_report(report, done, comm.size)
                print_summary(done, report)
        if options.minutes:
            usage.add()
        ok = bool(comm.handle.bcast(ok and all(timed.ok for timed in done)))
        more = bool(comm.handle.bcast(ok and time.monotonic() < end))
    return ok


def _stages(context: Context) -> list[Timed]:
    """Run and check all stages once; what they found, on rank 0."""
    import energymeter as em
    from tools.demo.stage import Timed, with_energy
    from tools.demo.stages import STAGES

    comm = context.comm
    is_first = comm.rank == 0
    done: list[Timed] = []
    with em.Meter(label="demo", out=context.output / "energy") as meter:
        for number, stage in enumerate(STAGES, 1):
            if is_first:
                print(f"[{number}/{len(STAGES)}] {stage.name}: {stage.shows}", flush=True)
            began = time.perf_counter()
            with em.region(stage.name):
                found = stage.run(context)
            seconds = max(comm.handle.allgather(time.perf_counter() - began))
            with collective(comm):
                if is_first:
                    done.append(Timed(stage, stage.check(context, found), seconds))
    comm.handle.barrier()  # now all ranks have told what they did
    return with_energy(done, meter.result) if is_first else []


if __name__ == "__main__":
    sys.exit(main())
