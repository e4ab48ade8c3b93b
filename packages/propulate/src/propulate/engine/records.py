"""Individuals as bytes: for messages and journals (pure)."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from propulate.individual import Individual, Status, Uid
from propulate.population import Columns
from propulate.space import SearchSpace
from propulate.space.description import describe, restore
from propulate.space.growing import GrowingSpace, express

__all__ = ["Codec", "TrialCodec"]

# identity, then generation and current worker, small numbers, times, and the length of the tail
_HEAD = struct.Struct("<IIIiiBBBBdddI")
_UID = struct.Struct("<III")
_LOSSES_AT = 23  # byte of the head with the number of losses
_COLUMNS = [
    *((name, "<u4") for name in ("island", "worker", "seq")),
    *(("generation", "<i4"), ("current", "<i4"), ("status", "u1"), ("operator", "u1")),
    *(("active", "?"), ("n_losses", "u1")),
    *((name, "<f8") for name in ("evaltime", "evalperiod", "walltime")),
    ("tail", "<u4"),
]
_STATUSES = tuple(Status)
_OPERATORS = ("", "init", "ga", "cma", "local", "de", "tpe", "initial", "quadratic", "gp")
_OTHER = 255  # the operator's name is in the tail
_TAIL = (
    "interim",
    "metrics",
    "error",
    "violation",
    "parents",
    "migration_steps",
    "migration_history",
)
_tail_of = attrgetter(*_TAIL)
_TRIAL = (
    *("generation", "current", "status", "operator", "active", "loss"),
    *("evaltime", "evalperiod", "walltime", *_TAIL),
)


class Codec:
    """Writes and reads individuals of one search space.

    A record is a fixed head, the losses, the genes and a tail of JSON, which is empty for most
    individuals. Little-endian; 52 + 8 (objectives + genes) bytes without tail.

    Parameters
    ----------
    space : SearchSpace
    """

    def __init__(self, space: SearchSpace) -> None:
        self.space = space

    def key(self, record: bytes) -> bytes:
        """Whose record it is: the uid as bytes, which are made faster than the uid."""
        return bytes(record[:12])

    def uid(self, record: bytes) -> Uid:
        """Whose record it is."""
        return Uid(*_UID.unpack_from(record))

    def is_plain(self, record: bytes, n_objectives: int) -> bool:
        """Whether a record has no tail, and all losses, as `columns` takes them."""
        size = _HEAD.size + 8 * (n_objectives + self.space.n)
        return len(record) == size and record[_LOSSES_AT] == n_objectives

    def columns(self, records: Sequence[bytes], n_objectives: int) -> Columns:
        """The individuals of plain records, all at once."""
        losses, genes = (n_objectives,), (self.space.n,)
        row = np.dtype([*_COLUMNS, ("losses", "<f8", losses), ("genes", "<f8", genes)])
        table = np.frombuffer(bytearray().join(records), row)
        return Columns(table, table["genes"], table["losses"], _OPERATORS)

    def encode(self, individual: Individual) -> bytes:
        """The record of an individual."""
        losses = individual.losses
        numbers = struct.pack("<d", individual.loss) if losses is None else losses.tobytes()
        operator = individual.operator
        place = _OPERATORS.index(operator) if operator in _OPERATORS else _OTHER
        tail = self._tail(individual, named=place == _OTHER)
        head = _HEAD.pack(
            *individual.uid,
            individual.generation,
            individual.current,
            individual.status,
            place,
            individual.active,
            len(numbers) // 8,
            individual.evaltime,
            individual.evalperiod,
            individual.walltime,
            len(tail),
        )
        return b"".join((head, numbers, individual.genes.tobytes(), tail))

    def _tail(self, individual: Individual, *, named: bool) -> bytes:
        values = _tail_of(individual)
        rare: dict[str, Any] = {}
        if any(values):
            rare = {name: value for name, value in zip(_TAIL, values, strict=True) if value}
        if named:
            rare["operator"] = individual.operator
        if individual.velocity is not None:
            rare["velocity"] = individual.velocity.tolist()
        return json.dumps(rare).encode() if rare else b""

    def decode(self, buffer: bytes | memoryview) -> Iterator[Individual]:
        """The individuals of consecutive records."""
        n, position = self.space.n, 0
        while position < len(buffer):
            head = _HEAD.unpack_from(buffer, position)
            position += _HEAD.size
            count, length = head[8], head[12]
            losses = np.frombuffer(buffer, "<f8", count, position)
            position += 8 * count
            genes = np.frombuffer(buffer, "<f8", n, position).copy()
            position += 8 * n
            yield self._individual(head, losses, genes, bytes(buffer[position : position + length]))
            position += length

    def _individual(
        self, head: tuple[Any, ...], losses: Any, genes: Any, tail: bytes
    ) -> Individual:
        individual = Individual.from_genes(self.space, genes)
        individual.uid = Uid(*head[:3])
        individual.rank = head[1]
        individual.generation, individual.current = head[3], head[4]
        individual.status = _STATUSES[head[5]]
        individual.operator = _OPERATORS[head[6]] if head[6] != _OTHER else ""
        individual.active = bool(head[7])
        individual.loss = float(losses[0]) if len(losses) == 1 else float(losses.sum())
        individual.losses = None if len(losses) == 1 else losses.copy()
        individual.evaltime, individual.evalperiod, individual.walltime = head[9:12]
        individual.sealed = True
        if tail:
            for name, value in json.loads(tail).items():
                setattr(individual, name, _restored(name, value))
        return individual


def _restored(name: str, value: Any) -> Any:
    if name == "velocity":
        return np.array(value)
    if name == "parents":
        return tuple(Uid(*uid) for uid in value)
    return tuple(value) if name == "migration_history" else value


class TrialCodec(Codec):
    """Writes and reads individuals of a space that grows: by the names of their parameters.

    A record is JSON, and says which parameters there were, and which of them the loss function
    asked for; reading it makes the space grow.

    Parameters
    ----------
    growing : GrowingSpace

    Attributes
    ----------
    asked : dict of Uid to list of str
        The parameters that each evaluation asked for.
    """

    def __init__(self, growing: GrowingSpace) -> None:
        self.growing = growing
        self.asked: dict[Uid, list[str]] = {}

    @property
    def space(self) -> SearchSpace:  # type: ignore[override]
        """The space as it is known now."""
        return self.growing.space

    def key(self, record: bytes) -> bytes:
        """Whose record it is: the uid as bytes."""
        return _UID.pack(*self.uid(record))

    def is_plain(self, record: bytes, n_objectives: int) -> bool:  # noqa: ARG002
        """Never: a record can make the space grow."""
        return False

    def uid(self, record: bytes) -> Uid:
        """Whose record it is."""
        return Uid(*json.loads(bytes(record))["uid"])

    def encode(self, individual: Individual) -> bytes:
        """The record of an individual."""
        known = individual.space.parameters if self.growing.parameters else {}
        record: dict[str, Any] = {name: getattr(individual, name) for name in _TRIAL}
        record |= {
            "uid": individual.uid,
            "losses": None if individual.losses is None else individual.losses.tolist(),
            "parameters": describe(known),
            "genes": dict(zip(individual.space.names, individual.genes.tolist(), strict=True)),
            "asked": self.asked.get(individual.uid, []),
        }
        return json.dumps(record, default=repr).encode()

    def decode(self, buffer: bytes | memoryview) -> Iterator[Individual]:
        """The individual of a record."""
        record = json.loads(bytes(buffer))
        found = restore(record["parameters"])
        self.growing.merge(found)
        uid = Uid(*record["uid"])
        own = SearchSpace(found) if found else self.space
        genes = np.array([record["genes"][name] for name in own.names])
        if own != self.space:
            genes = express(genes, own, self.space, uid)
        individual = Individual.from_genes(self.space, genes)
        individual.uid, individual.rank, individual.sealed = uid, uid.worker, True
        for name in _TRIAL:
            setattr(individual, name, _restored(name, record[name]))
        individual.status = Status(record["status"])
        losses = record["losses"]
        individual.losses = None if losses is None else np.array(losses)
        self.asked[uid] = record["asked"]
        yield individual
