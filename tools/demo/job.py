"""What every rank of the demo does: run the stages, check them, report."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace

from mpi_utils import Communicator, RemoteError, Topology, abort_on_exception, collective, world
from tools.demo.data import bundled_data, check_readable
from tools.demo.errors import DemoError, user_errors
from tools.demo.options import Options, parse

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
    """Run all stages; whether all checks held."""
    import energymeter as em
    import heat_core as ht
    from tools.demo.report import write_report
    from tools.demo.stage import Context, Timed, with_energy
    from tools.demo.stages import STAGES
    from tools.demo.summary import print_summary

    comm = ht.get_comm()
    assert options.data is not None
    context = Context(comm, options.data, options.output)
    is_first = comm.rank == 0
    if is_first:
        print(f"hpc-ml demo on {comm.size} rank{'s' * (comm.size > 1)}", flush=True)
    done: list[Timed] = []  # on rank 0
    with em.Meter(label="demo", out=options.output / "energy") as meter:
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
    if is_first:
        done = with_energy(done, meter.result)
    report = options.output / "report.html"
    with user_errors(), collective(comm):
        if is_first:
            write_report(report, done, comm.size)
    if is_first:
        print_summary(done, report)
    return bool(comm.handle.bcast(all(timed.ok for timed in done)))


if __name__ == "__main__":
    sys.exit(main())
