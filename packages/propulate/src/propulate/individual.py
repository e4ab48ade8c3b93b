"""One candidate: its parameters, and what became of it."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from propulate.space import SearchSpace

__all__ = ["NOT_BORN", "Individual", "Status", "Uid"]


class Status(enum.IntEnum):
    """What became of an individual."""

    BRED = 0
    RUNNING = 1
    COMPLETE = 2
    PRUNED = 3
    FAILED = 4
    INTERRUPTED = 5


class Uid(NamedTuple):
    """Identity of an individual: where it was born, and as which one there."""

    island: int
    worker: int
    seq: int


NOT_BORN = Uid(0, 0, 0xFFFFFFFF)


class Individual(Mapping[str, Any]):
    """A read-only mapping of the active parameters, with what is known about the candidate.

    Two individuals are equal if they have the same `uid`; `equals` compares what they are. Before
    it is evaluated, parameters may be assigned: ``individual["x"] = 0.5``. Keys that start with
    ``_`` hold private extras, which don't count as parameters.

    Parameters
    ----------
    position : mapping of str to value, or sequence of float
        The parameters; or raw numbers in the order of the limits, each category a one-hot block.
    limits : SearchSpace or mapping
    velocity : array, optional
        Of a particle, in unit coordinates.
    generation, rank : int
        How many its worker had bred before it; that worker's index in its island.

    Attributes
    ----------
    uid : Uid
    loss : float
        To be minimised; infinite until evaluated. With several objectives, their sum.
    losses : (n_objectives,) array
    status : Status
    island, current, active : int, int, bool
        Where it was born, which worker may send it away, whether it takes part in breeding.
    evaltime, evalperiod : float
        Start of the evaluation (seconds since the epoch), and its duration in seconds.
    walltime : float
        Seconds of optimisation, without downtime, until it was finished.
    operator : str
        Which operator made it; by default the name of the propagator's class.
    metrics : dict
    interim : list of float
        What a generator function yielded.
    error : str or None
        Traceback of a failed evaluation.
    violation : float
        Sum of violated constraints; 0 if feasible.
    migration_steps : int
    migration_history : tuple of int
    seed : int
        For the user's own random numbers; depends on the uid.
    folder : Path or None
        Of the run, if it has one.
    """

    # what most individuals have, or have at first
    uid = NOT_BORN
    loss = float("inf")
    losses: NDArray[np.float64] | None = None
    status = Status.BRED
    active = True
    evaltime = evalperiod = walltime = 0.0
    operator = ""
    violation = 0.0
    parents: tuple[Uid, ...] = ()
    error: str | None = None
    migration_steps = 0
    migration_history: tuple[int, ...] = ()
    sealed = False
    folder: Path | None = None
    _values: dict[str, Any] | None = None
    _private: dict[str, Any] | None = None

    def __init__(
        self,
        position: Any,
        limits: SearchSpace | Mapping[str, Any],
        velocity: NDArray[np.float64] | None = None,
        generation: int = -1,
        rank: int = -1,
    ) -> None:
        space = SearchSpace.of(limits)
        if isinstance(position, Mapping):
            genes = space.encode(position)
        else:
            genes = space.from_position(position)
        self._start(space, genes, velocity, generation, rank)
        if isinstance(position, Mapping):
            extras = {name: value for name, value in position.items() if name[:1] == "_"}
            self._private = extras or None

    @classmethod
    def from_genes(
        cls,
        space: SearchSpace,
        genes: NDArray[np.float64],
        velocity: NDArray[np.float64] | None = None,
        operator: str = "",
    ) -> Individual:
        """An individual with these genes, shape (n,), which are not copied."""
        individual = cls.__new__(cls)
        individual._start(space, genes, velocity, -1, -1)
        individual.operator = operator
        return individual

    def _start(
        self,
        space: SearchSpace,
        genes: NDArray[np.float64],
        velocity: NDArray[np.float64] | None,
        generation: int,
        rank: int,
    ) -> None:
        self.space = space
        self.genes = genes
        self.velocity = velocity
        self.generation = generation
        self.rank = rank
        self.current = rank
        self.interim: list[float] = []
        self.metrics: dict[str, Any] = {}

    # ------------------------------------------------------------------ the mapping

    def _decoded(self) -> dict[str, Any]:
        if self._values is None:
            self._values = self.space.decode(self.genes)
        return self._values

    def __getitem__(self, name: str) -> Any:
        if name[:1] == "_":
            return (self._private or {})[name]
        return self._decoded()[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._decoded()
        yield from self._private or ()

    def __len__(self) -> int:
        return len(self._decoded())

    def __contains__(self, name: object) -> bool:
        return name in self._decoded() or name in (self._private or ())

    def __setitem__(self, name: str, value: Any) -> None:
        if name[:1] == "_":
            self._private = {**(self._private or {}), name: value}
            return
        if self.sealed:
            raise TypeError(f"{self!r} is evaluated or in evaluation and can't be changed")
        if name not in self.space.column:
            raise KeyError(f"{name!r} is no parameter of {list(self.space.names)}")
        self.genes[self.space.column[name]] = self.space.parameters[name].encode(value)
        self._values = None

    def __delitem__(self, name: str) -> None:
        if name[:1] != "_" or self._private is None:
            raise KeyError(f"{name!r} can't be deleted; only private extras can")
        del self._private[name]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Individual):
            return NotImplemented
        return self is other or (self.uid == other.uid and self.uid != NOT_BORN)

    def __hash__(self) -> int:
        return id(self) if self.uid == NOT_BORN else hash(self.uid)

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in self._decoded().items())
        return f"Individual({values}; loss={self.loss:.6g}, {tuple(self.uid)})"

    # ------------------------------------------------------------------ forms

    @property
    def island(self) -> int:
        """Island of birth."""
        return self.uid.island

    @property
    def seed(self) -> int:
        """For the user's own random numbers."""
        return hash(self.uid) & 0xFFFFFFFF

    @property
    def workdir(self) -> Path:
        """A folder of its own for the user's files, such as weights; made when asked for.

        The same one if the evaluation is repeated after a crash, and for the individuals of a
        result. RuntimeError in a run without ``checkpoint_path``.
        """
        if self.folder is None:
            raise RuntimeError("only individuals of a run with a checkpoint_path have a folder")
        path = self.folder / "work" / "-".join(map(str, self.uid))
        path.mkdir(parents=True, exist_ok=True)
        return path

    @property
    def unit(self) -> NDArray[np.float64]:
        """Unit coordinates, shape (n,)."""
        return self.space.to_unit(self.genes)

    @property
    def position(self) -> NDArray[np.float64]:
        """Raw numbers in the order of the limits, each category as a one-hot block."""
        return self.space.to_position(self.genes)

    @property
    def mapping(self) -> dict[str, Any]:
        """Parameters and private extras as a dict of its own (the original's name)."""
        return dict(self)

    def equals(self, other: Individual) -> bool:
        """Whether parameters and loss are the same."""
        return self.loss == other.loss and self.space.key(self.genes) == other.space.key(
            other.genes
        )

    def copy(self) -> Individual:
        """A new individual with the same genes, not yet evaluated."""
        child = Individual.from_genes(self.space, self.genes.copy())
        child.velocity = None if self.velocity is None else self.velocity.copy()
        child.generation, child.rank = self.generation, self.rank
        child.parents = self.parents or ((self.uid,) if self.uid != NOT_BORN else ())
        return child

    def become(self, space: SearchSpace, genes: NDArray[np.float64]) -> None:
        """Take on genes of another space; for searches whose space grows."""
        self.space, self.genes, self._values = space, genes, None

    def replace(self, **changes: Any) -> Individual:
        """A copy with some parameters changed."""
        child = self.copy()
        for name, value in changes.items():
            child[name] = value
        return child
