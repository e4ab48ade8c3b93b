"""Workers of several ranks, which evaluate each candidate together."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np

from mpi_utils import Communicator, Topology
from propulate.engine.evaluation import Evaluator
from propulate.engine.records import Codec
from propulate.individual import Individual
from propulate.population import Population
from propulate.pruners.base import TrialPruned
from propulate.result import Result

__all__ = ["GroupError", "GroupEvaluator", "group_number", "serve", "share_result", "split_workers"]


def split_workers(
    whole: Communicator | None, ranks_per_worker: Any, worker_sub_comm: Any
) -> tuple[Communicator | None, Communicator | None]:
    """The ranks of this worker, if there can be several, and the first ranks of all workers.

    On the other ranks of a worker, the second one is that of all of them. Collective.
    """
    if whole is None or (ranks_per_worker == 1 and worker_sub_comm is None):
        return None, whole
    number = group_number(whole, ranks_per_worker, worker_sub_comm)
    group = whole.split(number, whole.rank)
    assert group is not None
    return group, whole.split(min(group.rank, 1), whole.rank)


class GroupError(RuntimeError):
    """An evaluation failed on a rank of the group that is not the first one."""


def group_number(comm: Communicator, ranks_per_worker: Any, worker_sub_comm: Any) -> int:
    """The worker that this rank belongs to. Collective.

    Parameters
    ----------
    comm : Communicator
    ranks_per_worker : int, sequence of int, or "node"
        Ranks of each worker, in consecutive blocks.
    worker_sub_comm : mpi4py communicator or None
        The ranks of this rank's worker, if they are chosen already.

    Raises
    ------
    ValueError
        On all ranks, if the numbers don't add up.
    """
    if worker_sub_comm is not None:
        return int(worker_sub_comm.bcast(comm.rank))
    if ranks_per_worker == "node":
        topology = Topology(comm)
        number = topology.node_index
        topology.free()
        return number
    if isinstance(ranks_per_worker, Sequence) and not isinstance(ranks_per_worker, str):
        sizes = [int(size) for size in ranks_per_worker]
        if min(sizes, default=0) < 1 or sum(sizes) != comm.size:
            raise ValueError(f"ranks_per_worker {sizes} must add up to {comm.size} ranks")
        return int(np.repeat(np.arange(len(sizes)), sizes)[comm.rank])
    k = int(ranks_per_worker)
    if k < 1 or comm.size % k:
        raise ValueError(f"{comm.size} ranks can't be shared out to workers of {k} ranks each")
    return comm.rank // k


class GroupEvaluator(Evaluator):
    """Evaluates a candidate on all ranks of a group; the first rank's result counts.

    If a rank raises, the evaluation has failed on all. Generators are advanced in step, and the
    first rank decides after each interim loss whether they go on.

    Parameters
    ----------
    group : Communicator
    codec : Codec
    loss_fn : callable
    **options
        Of `Evaluator`.
    """

    def __init__(
        self, group: Communicator, codec: Codec, loss_fn: Callable[..., Any], **options: Any
    ) -> None:
        super().__init__(loss_fn, comm=group.handle, **options)
        self.group, self.codec = group, codec

    def __call__(self, candidate: Individual) -> Individual:
        """Evaluate. Collective: the first rank calls this, and the others `serve`."""
        if self.group.rank == 0:
            self.group.handle.bcast(self.codec.encode(candidate))
        return super().__call__(candidate)

    def _run(self, candidate: Individual, start: float) -> Any:
        result, error = None, None
        try:
            result = self.loss_fn(*self.arguments(candidate))
        except Exception as raised:
            error = raised
        steps = result if isinstance(result, Generator) and error is None else None
        self._agree(error, steps is not None)
        return result if steps is None else self._drive(steps, candidate, start)

    def _agree(self, error: Exception | None, state: Any) -> list[Any]:
        """The states of all ranks; raises on all if one of them has an error."""
        text = None if error is None else "".join(traceback.format_exception(error))
        pruned = isinstance(error, TrialPruned)
        reports = self.group.handle.allgather((text, pruned, state))
        if error is not None:
            raise error
        for rank, (other, was_pruned, _) in enumerate(reports):
            if was_pruned:
                raise TrialPruned
            if other is not None:
                raise GroupError(f"rank {rank} of the group raised:\n{other}")
        return [state for _, _, state in reports]

    def advance(self, steps: Generator[Any, None, Any]) -> tuple[bool, Any]:
        """The next value of the first rank's generator, or the end of it and what it returned."""
        error, state = None, (False, None)
        try:
            state = (False, next(steps))
        except StopIteration as end:
            state = (True, end.value)
        except Exception as raised:
            error = raised
        ended, value = self._agree(error, state)[0]
        return ended, value

    def decide(self, verdict: Exception | None) -> Exception | None:
        """The first rank's verdict."""
        decided: Exception | None = self.group.handle.bcast(verdict)
        return decided


def serve(evaluate: GroupEvaluator) -> None:
    """Take part in evaluations until the first rank of the group ends it."""
    while (record := evaluate.group.handle.bcast(None)) is not None:
        candidate = evaluate.codec.decode(record)
        try:
            evaluate(candidate)
        except Exception:  # noqa: S112 - the first rank raises it, too, and reports it
            continue


def share_result(
    group: Communicator, codec: Codec, result: Result | None, signs: tuple[float, ...]
) -> Result:
    """The first rank's result on all ranks of its worker. Collective."""
    told = None
    if group.rank == 0:
        assert result is not None
        numbers = result.stop_reason, result.walltime, result.efficiency, result.overhead
        told = [codec.encode(ind) for ind in result.population], numbers, result.folder
    records, numbers, folder = group.handle.bcast(told)
    if group.rank == 0:
        assert result is not None
        return result
    population = Population(codec.space, len(signs))
    for record in records:
        population.add(codec.decode(record))
    result = Result([population], signs, *numbers)
    result.folder = folder
    return result
