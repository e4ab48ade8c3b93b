"""What a run has found."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from propulate.hypervolume import hypervolume
from propulate.importance import importances
from propulate.individual import Individual, Status
from propulate.population import Population
from propulate.storage.container import read_container, write_container

__all__ = ["Result", "load_result", "signed"]


class Result:
    """The individuals of one island or of a whole run, in the user's own signs.

    Parameters
    ----------
    populations : sequence of Population
        Of the islands; an individual that several know counts once.
    signs : sequence of float
        +1 for objectives that were minimised, -1 for those that were maximised.
    stop_reason : str
    walltime, busy : float
        Seconds of the session; share of the workers' time that was spent in the loss function.
    overhead : float
        Seconds per evaluation that this worker spent outside the loss function, waiting included.
    """

    def __init__(
        self,
        populations: Sequence[Population],
        signs: Sequence[float] = (1.0,),
        stop_reason: str = "",
        walltime: float = 0.0,
        busy: float = 0.0,
        overhead: float = 0.0,
    ) -> None:
        self.signs, self.stop_reason = tuple(signs), stop_reason
        self.walltime, self.efficiency, self.overhead = walltime, busy, overhead
        self.population = populations[0] if len(populations) == 1 else _union(populations)
        self.space = self.population.space

    folder: Path | None = None  # of the run

    def _signed(self, individual: Individual) -> Individual:
        individual.folder = self.folder
        return signed(individual, self.signs)

    def __iter__(self) -> Iterator[Individual]:
        return (self._signed(individual) for individual in self.population)

    def __len__(self) -> int:
        return len(self.population)

    def __repr__(self) -> str:
        return (
            f"Result({len(self)} evaluations, {self.n_failed} failed, {self.n_pruned} pruned, "
            f"best {self.best_loss:.6g}, stopped: {self.stop_reason or 'no'})"
        )

    @property
    def individuals(self) -> list[Individual]:
        """All individuals."""
        return list(self)

    @property
    def best(self) -> Individual | None:
        """The best complete individual; None if there is none."""
        best = self.population.best
        return None if best is None else self._signed(best)

    @property
    def best_loss(self) -> float:
        """Loss of the best; NaN if there is none."""
        best = self.best
        return float("nan") if best is None else best.loss

    @property
    def best_params(self) -> dict[str, Any]:
        """Parameters of the best; empty if there is none."""
        return dict(self.best or {})

    @property
    def n_evaluations(self) -> int:
        """Number of evaluations, failed and pruned ones included."""
        return len(self.population)

    @property
    def n_failed(self) -> int:
        """Number of failed evaluations."""
        return self.population.counts[Status.FAILED]

    @property
    def n_pruned(self) -> int:
        """Number of evaluations that were ended early."""
        return self.population.counts[Status.PRUNED]

    def top(self, n: int = 10) -> list[Individual]:
        """The `n` best individuals with different parameters, or fewer."""
        complete = self.population.column("status") == Status.COMPLETE
        rows = np.flatnonzero(complete)
        losses = self.population.losses[rows].sum(axis=1)
        found: dict[bytes, Individual] = {}
        for row in rows[np.argsort(losses, kind="stable")]:
            key = self.space.key(self.population.genes[row])
            if key not in found:
                found[key] = self._signed(self.population.individual(int(row)))
                if len(found) == n:
                    break
        return list(found.values())

    @property
    def pareto_front(self) -> list[Individual]:
        """The complete individuals that no other one beats in all objectives."""
        rows = np.flatnonzero(self.population.column("status") == Status.COMPLETE)
        losses = self.population.losses[rows]
        front: list[int] = []
        for i in np.lexsort(losses.T[::-1]):
            if not any((losses[j] <= losses[i]).all() for j in front):
                front.append(int(i))
        return [self._signed(self.population.individual(int(rows[i]))) for i in front]

    def hypervolume(self, reference: Sequence[float]) -> float:
        """Volume between the Pareto front and a reference point, in the user's own signs."""
        front = np.array([np.asarray(ind.losses) * self.signs for ind in self.pareto_front])
        if front.size == 0:
            return 0.0
        return hypervolume(front, np.asarray(reference, float) * self.signs)

    def history(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Best loss after each evaluation, in the order in which they ended, shape (n,)."""
        population = self.population
        ended = population.column("evaltime") + population.column("evalperiod")
        order = np.argsort(ended, kind="stable")
        complete = population.column("status") == Status.COMPLETE
        losses = np.where(complete, population.losses.sum(axis=1), np.inf)[order]
        return np.minimum.accumulate(losses) * self.signs[0]

    def importances(self) -> dict[str, float]:
        """The share of each parameter in what single parameters explain, greatest first.

        See `propulate.importance.importances`.
        """
        population, space = self.population, self.space
        rows = np.flatnonzero(population.column("status") == Status.COMPLETE)
        losses = population.losses[rows].sum(axis=1)
        genes = population.genes[rows]
        active = np.ones(genes.shape, bool)
        if space.is_conditional:
            active = np.array(
                [[name in values for name in space.names] for values in map(space.decode, genes)]
            ).reshape(genes.shape)
        return importances(space.names, space.to_unit(genes), active, losses)

    def _rows(self) -> Iterator[dict[str, Any]]:
        for ind in self:
            yield {
                "island": ind.uid.island,
                "worker": ind.uid.worker,
                "seq": ind.uid.seq,
                "status": ind.status.name,
                "loss": ind.loss,
                "evaltime": ind.evaltime,
                "evalperiod": ind.evalperiod,
                "operator": ind.operator,
                **ind.metrics,
                **{name: ind.get(name) for name in self.space.parameters},
            }

    def to_dataframe(self) -> Any:
        """All individuals as a pandas DataFrame (extra ``propulate[pandas]``)."""
        import pandas as pd

        return pd.DataFrame(list(self._rows()))

    def to_json(self, path: str | Path) -> None:
        """Write all individuals as a JSON list."""
        Path(path).write_text(json.dumps(list(self._rows()), indent=1, default=repr))

    def to_hdf5(self, path: str | Path) -> None:
        """Write a container; see `propulate.storage.container` for its layout."""
        write_container(self, path)

    def to_parquet(self, path: str | Path) -> None:
        """Write all individuals as Parquet (extra ``propulate[pandas]``, and pyarrow)."""
        self.to_dataframe().to_parquet(path)

    def to_csv(self, path: str | Path) -> None:
        """Write all individuals as CSV."""
        rows = list(self._rows())
        names = list(dict.fromkeys(name for row in rows for name in row))
        with Path(path).open("w", newline="") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(rows)


def signed(individual: Individual, signs: tuple[float, ...]) -> Individual:
    """The individual itself, with its losses in the user's signs."""
    if signs != (1.0,):
        losses = individual.losses
        if losses is None:
            individual.loss *= signs[0]
            individual.interim = [value * signs[0] for value in individual.interim]
        else:
            individual.losses = losses * signs
            individual.loss = float(individual.losses.sum())
    return individual


def _union(populations: Sequence[Population]) -> Population:
    union = Population(populations[0].space, populations[0].n_objectives)
    for population in populations:
        for individual in population:
            individual.active = True
            union.add(individual)
    return union


def load_result(folder: str | Path) -> Result:
    """The result of a run, finished or not, from its folder or a container; needs no MPI.

    Raises
    ------
    FileNotFoundError
        If there is no journal.
    """
    if Path(folder).is_file():
        population, signs = read_container(folder)
        return Result([population], signs)
    from propulate.storage.history import population_of, read_history

    history = read_history(Path(folder))
    if not history.header:
        raise FileNotFoundError(f"{folder} holds no journal of a run")
    result = Result([population_of(history)], tuple(history.header["signs"]))
    result.folder = Path(folder)
    return result
