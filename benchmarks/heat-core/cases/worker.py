"""A process that measures cases in one library, on one of its ranks, when the table asks.

Ranks listen to the table, not to each other, so that a waiting library takes no processor time.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Client
from pathlib import Path
from typing import Any

import numpy as np

from cases import ANALYTICS, CASES, File

__all__ = ["Job", "Times"]

_ROUNDS = 25
_PATIENCE = 3.0  # seconds, after which a slow case has fewer rounds


@dataclass(frozen=True)
class Job:
    """What to measure.

    Parameters
    ----------
    case : str
    folder : str
        For files.
    quick : bool
        Small data.
    seconds : float
        After five rounds and this time no further round is started.
    """

    case: str
    folder: str
    quick: bool
    seconds: float


@dataclass(frozen=True)
class Times:
    """Milliseconds per call of each round on one rank, or what went wrong."""

    rounds: tuple[float, ...] = ()
    error: str = ""


def _goes_on(rounds: int, spent: float, seconds: float) -> bool:
    """Whether there is another round."""
    if rounds < 5:
        return rounds == 0 or spent < _PATIENCE
    return rounds < _ROUNDS and spent < seconds


class Library:
    """One library: its module, how arrays enter it, and what makes ranks start together."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rank = 0
        self._barrier: Callable[[], Any] = lambda: None
        self._agree: Callable[[bool], bool] = bool
        self.finish: Callable[[Any], Any] = lambda result: result
        getattr(self, f"_load_{name}")()

    def _load_numpy(self) -> None:
        self.module: Any = np
        self.enter: Callable[..., Any] = lambda array, split: array

    def _load_torch(self) -> None:
        import torch

        torch.set_num_threads(1)
        self.module, self.enter = torch, lambda array, split: torch.from_numpy(array)

    def _load_halves(self) -> None:
        """As many processes of torch as there are ranks, each with its part and no messages."""
        import torch
        from mpi4py import MPI

        self._distributed(torch)
        size, rank = MPI.COMM_WORLD.size, MPI.COMM_WORLD.rank

        def enter(array: np.ndarray[Any, Any], split: int | None) -> Any:
            whole = torch.from_numpy(array)
            if split is None:
                return whole
            return whole.tensor_split(size, split)[rank].contiguous().clone()

        self.enter = enter

    def _load_dask(self) -> None:
        import dask
        import dask.array

        dask.config.set(scheduler="threads", num_workers=2)
        self.module = dask.array

        def enter(array: np.ndarray[Any, Any], split: int | None) -> Any:
            pieces = 8 if array.size > 100_000 else 1
            axis = split or 0
            chunks = [-(-n // pieces) if a == axis else n for a, n in enumerate(array.shape)]
            return dask.array.from_array(array, chunks=tuple(chunks)).persist()

        self.enter = enter
        self.finish = dask.persist

    def _load_heat_core(self) -> None:
        import heat_core

        self._distributed(heat_core)

    def _load_apart(self) -> None:
        """As many processes as there are ranks, each of which does a share of the work alone."""
        from mpi4py import MPI

        import heat_core

        self._distributed(heat_core)
        heat_core.use_comm(MPI.COMM_SELF)
        self.enter = lambda array, split: heat_core.array(array)

    def _load_original(self) -> None:
        import heat

        self._distributed(heat)

    def _distributed(self, module: Any) -> None:
        import torch
        from mpi4py import MPI

        torch.set_num_threads(1)
        comm = MPI.COMM_WORLD
        self.module, self.rank = module, comm.rank
        self.enter = lambda array, split: module.array(array, split=split)
        self._barrier = comm.Barrier
        self._agree = lambda more: bool(comm.bcast(more))

    def measure(self, job: Job) -> Times:
        """Time one case."""
        case = next(c for c in (*ANALYTICS, *CASES) if c.name == job.case)
        run = case.of("torch" if self.name == "halves" else self.name)
        if self.name == "halves" and not case.inputs:
            run = None  # there is nothing to halve
        if run is None:
            return Times(error="not in this library")
        inputs = []
        for item in case.inputs:
            if isinstance(item, File):
                inputs.append(item.make(Path(job.folder), quick=job.quick))
            else:
                inputs.append(self.enter(item.make(quick=job.quick), item.split))
        start = time.perf_counter()
        for _ in range(2):  # loading, caches, memory that the system has to hand out
            if self._agree(time.perf_counter() - start < _PATIENCE / 2):
                self.finish(run(self.module, *inputs))
        rounds: list[float] = []
        begin = time.perf_counter()
        while self._agree(_goes_on(len(rounds), time.perf_counter() - begin, job.seconds)):
            self._barrier()
            start = time.perf_counter()
            for _ in range(case.calls):
                # The result of the round before is given back within the time of this one.
                result = self.finish(run(self.module, *inputs))
            rounds.append((time.perf_counter() - start) / case.calls * 1e3)
        del result
        return Times(tuple(rounds))


def serve(name: str, address: str, key: str) -> None:
    """Measure what comes through the connection until it closes."""
    library = Library(name)
    with Client(address, authkey=bytes.fromhex(key)) as connection:
        connection.send(library.rank)
        while (job := connection.recv()) is not None:
            try:
                times = library.measure(job)
            except Exception as error:  # the library's failure is a result
                traceback.print_exc()
                times = Times(error=f"{type(error).__name__}: {error}")
            connection.send(times)


if __name__ == "__main__":
    from cases.worker import serve as serve_as_module  # so that messages find their classes

    serve_as_module(*sys.argv[1:])
