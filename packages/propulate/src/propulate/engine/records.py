"""Individuals as bytes: for messages and journals (pure)."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
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
_LOSS = struct.Struct("<d")
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
        numbers = _LOSS.pack(individual.loss) if losses is None else losses.tobytes()
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

    def decode(self, record: bytes | memoryview) -> Individual:
        """The individual of a record."""
        (*uid, generation, current, status, place, active, count, started, period, wall, length) = (
            _HEAD.unpack_from(record)
        )
        n, end = self.space.n, _HEAD.size + 8 * count
        genes = np.frombuffer(record, "<f8", n, end).copy()
        individual = Individual.from_genes(
            self.space, genes, operator=_OPERATORS[place] if place != _OTHER else ""
        )
        individual.uid = Uid(*uid)
        individual.rank = individual.uid.worker
        individual.generation, individual.current = generation, current
        individual.status = _STATUSES[status]
        individual.active, individual.sealed = bool(active), True
        if count == 1:
            (individual.loss,) = _LOSS.unpack_from(record, _HEAD.size)
        else:
            individual.losses = np.frombuffer(record, "<f8", count, _HEAD.size).copy()
            individual.loss = float(individual.losses.sum())
        individual.evaltime, individual.evalperiod, individual.walltime = started, period, wall
        if length:
            for name, value in json.loads(bytes(record[end + 8 * n :][:length])).items():
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

    def decode(self, record: bytes | memoryview) -> Individual:
        """The individual of a record."""
        entry = json.loads(bytes(record))
        found = restore(entry["parameters"])
        self.growing.merge(found)
        uid = Uid(*entry["uid"])
        own = SearchSpace(found) if found else self.space
        genes = np.array([entry["genes"][name] for name in own.names])
        if own != self.space:
            genes = express(genes, own, self.space, uid)
        individual = Individual.from_genes(self.space, genes)
        individual.uid, individual.rank, individual.sealed = uid, uid.worker, True
        for name in _TRIAL:
            setattr(individual, name, _restored(name, entry[name]))
        individual.status = Status(entry["status"])
        losses = entry["losses"]
        individual.losses = None if losses is None else np.array(losses)
        self.asked[uid] = entry["asked"]
        return individual
