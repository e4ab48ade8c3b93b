"""All individuals that a worker knows, as columns."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from propulate.individual import Individual, Status, Uid
from propulate.ranking import Ranking
from propulate.space import SearchSpace

__all__ = ["Columns", "Population", "order_key"]

INFEASIBLE = 1e250  # above every loss, below infinity
_PLAIN = {
    "status": np.uint8,
    "generation": np.int32,
    "current": np.int32,
    "active": np.bool_,
    "evaltime": np.float64,
    "evalperiod": np.float64,
    "walltime": np.float64,
}
_UNSIGNED = {"island": np.uint32, "worker": np.uint32, "seq": np.uint32, "operator": np.uint8}
_ROW = np.dtype(list((_UNSIGNED | _PLAIN).items()))
_plain_of = attrgetter(*_PLAIN)
_RARE = (
    "parents",
    "interim",
    "metrics",
    "error",
    "violation",
    "migration_steps",
    "migration_history",
)
_rare_of = attrgetter(*_RARE)
_STATUSES = tuple(Status)
_COMPLETE = Status.COMPLETE  # looking it up in the class takes a while


def order_key(loss: float, violation: float = 0.0) -> float:
    """What individuals are ordered by: feasible ones by loss, before infeasible ones by violation.

    K. Deb, Comput. Methods Appl. Mech. Engrg. 186 (2000) 311.
    """
    if violation <= 0:
        return loss
    return INFEASIBLE * (1 + violation / (1 + violation))


class Columns(NamedTuple):
    """Individuals without any of the attributes that few have, as arrays.

    Attributes
    ----------
    table : (m,) structured array
        The columns of a population's table.
    genes : (m, n) array
    losses : (m, n_objectives) array
    operators : sequence of str
        Names that the column ``operator`` indexes.
    """

    table: NDArray[Any]
    genes: NDArray[np.float64]
    losses: NDArray[np.float64]
    operators: Sequence[str]


class Population(Sequence[Individual]):
    """Individuals in the order in which they became known, with fast answers to what breeding asks.

    Stored by column; an `Individual` is made when asked for. What an insertion costs does not
    depend on the number of individuals.

    Parameters
    ----------
    limits : SearchSpace or mapping
    n_objectives : int

    Attributes
    ----------
    space : SearchSpace
    ranking : Ranking
        Rows of the active individuals that may breed, best first.
    """

    def __init__(self, limits: SearchSpace | dict[str, Any], n_objectives: int = 1) -> None:
        self.space = SearchSpace.of(limits)
        self.n_objectives = n_objectives
        self._n = 0
        self._genes = np.empty((16, self.space.n))
        self._losses = np.empty((16, n_objectives))
        self._table = np.zeros(16, _ROW)
        self._rare: dict[int, dict[str, Any]] = {}
        self._row_of: dict[tuple[int, int], array[int]] = {}
        self._operators: dict[str, int] = {"": 0}
        self.ranking = Ranking()
        self._doubtful = Ranking()  # pruned ones, which breed only while there are few others
        self._newest: dict[tuple[int, int], int] = {}
        self._best_of: dict[tuple[int, int], tuple[float, int]] = {}  # loss and row
        self.n_active = 0
        self.counts = dict.fromkeys(Status, 0)

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self.individual(row) for row in range(*index.indices(self._n))]
        row = int(index)
        if not -self._n <= row < self._n:
            raise IndexError(f"there are {self._n} individuals, not {index}")
        return self.individual(row % self._n)

    def __iter__(self) -> Iterator[Individual]:
        return (self.individual(row) for row in range(self._n))

    def __contains__(self, item: object) -> bool:
        return isinstance(item, Individual) and self.row(item.uid) is not None

    # ------------------------------------------------------------------ writing

    def add(self, individual: Individual) -> int:
        """Insert an individual and return its row; known ones are left as they are."""
        known = self.row(individual.uid)
        if known is not None:
            return known
        row = self._n
        if row == len(self._genes):
            self._grow()
        self._genes[row] = individual.genes
        self._losses[row] = individual.loss if individual.losses is None else individual.losses
        island, worker, seq = individual.uid
        operator = self._operators.setdefault(individual.operator, len(self._operators))
        self._table[row] = (island, worker, seq, operator, *_plain_of(individual))
        self._keep_rare(row, individual)
        self._n += 1
        self._index(individual.uid, row)
        self.counts[individual.status] += 1
        if individual.active:
            self.n_active += 1
            self._rank(row, individual.status, individual.loss, individual.violation)
        place = island, worker
        self._newest[place] = row
        if individual.status == _COMPLETE:
            best = self._best_of.get(place)
            if best is None or individual.loss < best[0]:
                self._best_of[place] = individual.loss, row
        return row

    def extend(self, columns: Columns) -> None:
        """Insert many individuals that are not yet known, as if one after the other."""
        table, genes, losses, names = columns
        start, rows = self._n, np.arange(self._n, self._n + len(table), dtype=np.int32)
        while len(self._genes) < start + len(table):
            self._grow()
        self._n += len(table)
        self._genes[start : self._n], self._losses[start : self._n] = genes, losses
        own = self._table[start : self._n]
        for name in _ROW.names or ():
            own[name] = table[name]
        used = np.unique(table["operator"])
        code = np.zeros(256, np.uint8)
        code[used] = [self._operators.setdefault(names[k], len(self._operators)) for k in used]
        own["operator"] = code[table["operator"]]
        self.n_active += int(own["active"].sum())
        for status, number in zip(*np.unique(own["status"], return_counts=True), strict=True):
            self.counts[_STATUSES[status]] += int(number)
        total, breeds = losses.sum(axis=1), own["active"] & (losses.sum(axis=1) < math.inf)
        for status, ranking in (Status.COMPLETE, self.ranking), (Status.PRUNED, self._doubtful):
            chosen = breeds & (own["status"] == status)
            ranking.extend(total[chosen], rows[chosen])
        self._index_many(own, rows, np.where(own["status"] == Status.COMPLETE, total, np.nan))

    def _index_many(self, table: Any, rows: NDArray[np.int32], losses: Any) -> None:
        """By worker: where its individuals are, the newest one, and the best complete one."""
        workers = np.unique(table[["island", "worker"]])
        for island, worker in workers.tolist():
            mine = (table["island"] == island) & (table["worker"] == worker)
            seqs, own, found = table["seq"][mine], rows[mine], losses[mine]
            index = self._row_of.setdefault((island, worker), array("i"))
            index.extend([-1] * (int(seqs.max()) + 1 - len(index)))
            np.frombuffer(index, np.int32)[seqs] = own
            self._newest[island, worker] = int(own[-1])
            if not np.isnan(found).all():
                i, known = int(np.nanargmin(found)), self._best_of.get((island, worker))
                if known is None or found[i] < known[0]:
                    self._best_of[island, worker] = float(found[i]), int(own[i])

    def _grow(self) -> None:
        size = 2 * len(self._genes)
        self._genes = np.resize(self._genes, (size, self.space.n))
        self._losses = np.resize(self._losses, (size, self.n_objectives))
        self._table = np.resize(self._table, size)

    def _keep_rare(self, row: int, individual: Individual) -> None:
        values = _rare_of(individual)
        if individual.velocity is None and not any(values):
            return  # nearly always
        rare = {name: value for name, value in zip(_RARE, values, strict=True) if value}
        if individual.velocity is not None:
            rare["velocity"] = individual.velocity
        self._rare[row] = rare

    def _index(self, uid: Uid, row: int) -> None:
        island, worker, seq = uid
        rows = self._row_of.get((island, worker))
        if rows is None:
            rows = self._row_of[island, worker] = array("i")
        if len(rows) == seq:
            rows.append(row)
            return
        if len(rows) < seq:
            rows.extend([-1] * (seq + 1 - len(rows)))
        rows[seq] = row

    def _rank(self, row: int, status: Status, loss: float, violation: float) -> None:
        if not loss < math.inf:
            return
        if status == _COMPLETE:
            self.ranking.add(loss if violation <= 0 else order_key(loss, violation), row)
        elif status == Status.PRUNED:
            self._doubtful.add(loss, row)

    def deactivate(self, uid: Uid) -> bool:
        """Take an individual out of breeding; False if it is unknown or was inactive before."""
        row = self.row(uid)
        if row is None or not self._table["active"][row]:
            return False
        self._table["active"][row] = False
        self.n_active -= 1
        loss = float(self._losses[row].sum())
        violation = self._rare.get(row, {}).get("violation", 0.0)
        status = self._table["status"][row]
        if status == Status.COMPLETE and loss < math.inf:
            self.ranking.remove(order_key(loss, violation), row)
        elif status == Status.PRUNED and loss < math.inf:
            self._doubtful.remove(loss, row)
        return True

    def activate(self, returned: Individual) -> None:
        """Let a known individual, which has come back from elsewhere, take part again."""
        row = self.row(returned.uid)
        assert row is not None
        self._table["current"][row] = returned.current
        self._keep_rare(row, returned)
        if not self._table["active"][row]:
            self._table["active"][row] = True
            self.n_active += 1
            individual = self.individual(row)
            self._rank(row, individual.status, individual.loss, individual.violation)

    # ------------------------------------------------------------------ reading

    def row(self, uid: Uid) -> int | None:
        """The row of an individual, None if it is unknown."""
        island, worker, seq = uid
        rows = self._row_of.get((island, worker))
        if rows is None or seq >= len(rows) or rows[seq] < 0:
            return None
        return rows[seq]

    def individual(self, row: int) -> Individual:
        """The individual in a row; changing it does not change the population."""
        individual = Individual.from_genes(self.space, self._genes[row].copy())
        individual.sealed = True
        island, worker, seq, operator, *plain = self._table[row].item()
        individual.uid, individual.rank = Uid(island, worker, seq), worker
        for name, value in zip(_PLAIN, plain, strict=True):
            setattr(individual, name, value)
        individual.status = _STATUSES[individual.status]
        individual.operator = list(self._operators)[operator]
        losses = self._losses[row]
        individual.loss = float(losses[0]) if self.n_objectives == 1 else float(losses.sum())
        if self.n_objectives > 1:
            individual.losses = losses.copy()
        for name, value in self._rare.get(row, {}).items():
            setattr(individual, name, value)
        return individual

    def best_rows(self, k: int, at_least: int = 0) -> NDArray[np.int32]:
        """Rows of the best `k` that may breed; pruned ones fill up to `at_least`."""
        rows = self.ranking.first(k)
        if len(rows) < at_least and len(self._doubtful):
            rows = np.concatenate([rows, self._doubtful.first(at_least - len(rows))])
        return rows

    @property
    def n_doubtful(self) -> int:
        """How many active ones were pruned with a finite loss."""
        return len(self._doubtful)

    @property
    def best(self) -> Individual | None:
        """The best complete individual; among equals the one with the smallest uid."""
        if not len(self.ranking):
            return None
        key = self.ranking.key_at(0)
        ties = self.ranking.first(64)
        rows = [int(row) for row in ties if self._key(int(row)) == key]
        return min((self.individual(row) for row in rows), key=lambda i: i.uid)

    def _key(self, row: int) -> float:
        violation = self._rare.get(row, {}).get("violation", 0.0)
        return order_key(float(self._losses[row].sum()), violation)

    def column(self, name: str) -> NDArray[Any]:
        """A column, shape (len,): island, worker, seq, generation, status, active, evaltime, ..."""
        return self._table[name][: self._n]

    @property
    def genes(self) -> NDArray[np.float64]:
        """Genes of all individuals, shape (len, n); not a copy."""
        return self._genes[: self._n]

    @property
    def losses(self) -> NDArray[np.float64]:
        """Losses of all individuals, shape (len, n_objectives); not a copy."""
        return self._losses[: self._n]

    @property
    def rare(self) -> dict[int, dict[str, Any]]:
        """Row to the attributes that few individuals have, such as errors and metrics."""
        return self._rare

    @property
    def operators(self) -> list[str]:
        """Names that the column ``operator`` indexes."""
        return list(self._operators)

    @property
    def nbytes(self) -> int:
        """Bytes in use for columns and indices, unused capacity left out."""
        per_row = _ROW.itemsize + 8 * (self.space.n + self.n_objectives)
        index = sum(4 * len(rows) for rows in self._row_of.values())
        return self._n * per_row + index + 12 * (len(self.ranking) + len(self._doubtful))

    def newest(self, island: int, worker: int) -> Individual | None:
        """The latest individual of a worker."""
        row = self._newest.get((island, worker))
        return None if row is None else self.individual(row)

    def personal_best(self, island: int, worker: int) -> Individual | None:
        """The best individual of a worker."""
        best = self._best_of.get((island, worker))
        return None if best is None else self.individual(best[1])

    def equals(self, other: Population) -> bool:
        """Whether both hold the same individuals, in any order."""
        if len(self) != len(other):
            return False
        rows = [other.row(individual.uid) for individual in self]
        if None in rows:
            return False
        order = np.array(rows, int)
        same = np.array_equal(self.losses, other.losses[order], equal_nan=True)
        return same and np.array_equal(self.genes, other.genes[order])
