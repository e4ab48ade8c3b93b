"""What a pipeline gains: ranks that share the blocks of a network, beside one process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch

from f3.compare.cost import chain
from f3.distributed import Pipeline, PipelineReport
from f3.sampling import TensorBatches
from mpi_utils import Communicator

__all__ = ["PipelineGain", "pipeline_gain"]


@dataclass(frozen=True)
class PipelineGain:
    """Seconds of an epoch, measured in turns, and whether the weights are those of one process.

    Attributes
    ----------
    seconds : dict of list of float
        By way: "bp" and "f3" in one process, "pipeline" on all ranks, and "apart": every rank
        with a whole network of its own, which is what the machine gives to processes that never
        wait for each other.
    difference : float
        Largest difference of a weight to one process.
    reports : list of PipelineReport
        One for each rank.
    """

    seconds: dict[str, list[float]]
    difference: float
    reports: list[PipelineReport]

    def speed(self, way: str) -> float:
        """How many times as fast as a way the pipeline is, the median of the rounds."""
        return self._ratio(way, "pipeline")

    @property
    def limit(self) -> float:
        """How many times as fast as one process as many networks side by side are."""
        return len(self.reports) * self._ratio("f3", "apart")

    def _ratio(self, way: str, other: str) -> float:
        pairs = zip(self.seconds[way], self.seconds[other], strict=True)
        return statistics.median(a / b for a, b in pairs)


def pipeline_gain(
    comm: Communicator, depth: int, width: int, batch: int, *, batches: int = 40, rounds: int = 5
) -> PipelineGain:
    """Train a chain of dense blocks alone and as a pipeline (collective).

    Parameters
    ----------
    comm : Communicator
    depth, width, batch : int
        Hidden blocks, their width, and samples in a batch.
    batches : int
        Of an epoch; the last one is shorter.
    rounds : int
        How often each way trains an epoch; they take turns.

    Returns
    -------
    PipelineGain
        The same on all ranks.
    """
    n = batches * batch - batch // 3
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(n, width, generator=generator)
    train = TensorBatches(x, torch.randint(10, (n,), generator=generator), batch)
    alone, back, apart = (chain(way, depth, width, n) for way in ("f3", "bp", "f3"))
    pipeline = Pipeline(chain("f3", depth, width, n), comm)
    seconds: dict[str, list[float]] = {"bp": [], "f3": [], "pipeline": [], "apart": []}
    for epochs in range(1, rounds + 1):
        for way, learner in (("bp", back), ("f3", alone)):
            fit = learner.fit if comm.rank == 0 else _nothing
            seconds[way].append(_timed(comm, partial(fit, train, epochs)))
        for way, everywhere in (("pipeline", pipeline), ("apart", apart)):
            seconds[way].append(_timed(comm, partial(everywhere.fit, train, epochs)))
    pairs = zip(alone.model.parameters(), pipeline.learner.model.parameters(), strict=True)
    difference = max(float((a - b).detach().abs().max()) for a, b in pairs)
    gain = PipelineGain(seconds, difference, pipeline.report())
    shared: PipelineGain = comm.handle.bcast(gain)
    return shared


def _nothing(*_: object) -> None:
    """What the other ranks do while one trains alone."""


def _timed(comm: Communicator, work: Callable[[], object]) -> float:
    """Seconds from a common start until all ranks are done; those that wait sleep."""
    comm.barrier()
    start = time.perf_counter()
    work()
    request = comm.ibarrier()
    while not request.test():  # an MPI library that waits burns a core
        time.sleep(0.001)
    return time.perf_counter() - start
