"""What one worker does: a state machine without communication, files or clocks.

A driver (MPI, or a simulated cluster) asks for a candidate, evaluates it, hands the result in,
carries the messages, and writes what the worker wants written.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from propulate.engine.outbox import Outbox, read_batch
from propulate.engine.records import Codec
from propulate.individual import NOT_BORN, Individual, Status, Uid
from propulate.optimizer import Breeder
from propulate.population import Population
from propulate.propagators.base import Propagator
from propulate.propagators.select import SelectMax, SelectMin
from propulate.pruners.base import Pruner

__all__ = [
    "DEACTIVATED",
    "IMMIGRANT",
    "KNOWN",
    "RESULT",
    "STARTED",
    "STATE",
    "Migration",
    "Worker",
]

# kinds of messages and of journal frames
RESULT, DEACTIVATED, IMMIGRANT, STOP, STARTED, STATE, KNOWN = range(1, 8)
_UID = struct.Struct("<III")
_MOVE = struct.Struct("<IIId")  # uid, version
GONE = float("inf")


@dataclass(frozen=True)
class Migration:
    """How islands exchange individuals.

    Attributes
    ----------
    topology : (n_islands, n_islands) sequence of sequences of int
        Entry [i][j]: how many individuals island i sends to island j at a migration.
    probability : float
        Of a migration, per island and generation.
    pollination : bool
        Send copies, each of which displaces an individual, instead of the individuals themselves.
    emigration, immigration : callable
        Given a number, the propagators that choose who leaves, and who is displaced.
    """

    topology: Sequence[Sequence[int]] = ()
    probability: float = 0.0
    pollination: bool = True
    emigration: Callable[[int], Propagator] = SelectMin
    immigration: Callable[[int], Propagator] = SelectMax


@dataclass
class Counters:
    """What happened on this worker."""

    started: int = 0
    sent_away: int = 0
    arrived: int = 0
    displaced: int = 0
    evaluating: float = 0.0


class Worker:
    """The state machine.

    Parameters
    ----------
    breeder : Breeder
    sizes : sequence of int
        Number of workers of each island.
    migration : Migration
    write : callable
        Takes (kind, bytes): what is to be journalled.
    pruner : Pruner, optional
    window : int
        Entries that may be under way to a peer without acknowledgement.
    codec : Codec, optional
        How individuals are written.
    """

    def __init__(
        self,
        breeder: Breeder,
        sizes: Sequence[int] = (1,),
        migration: Migration | None = None,
        write: Callable[[int, bytes], None] = lambda kind, data: None,
        pruner: Pruner | None = None,
        window: int = 256,
        codec: Codec | None = None,
    ) -> None:
        self.breeder, self.sizes = breeder, tuple(sizes)
        self.island, self.index = breeder.context.island, breeder.context.worker
        self.migration = migration or Migration()
        self.write, self.pruner = write, pruner
        self.codec = codec or Codec(breeder.space)
        islands = [island for island, size in enumerate(sizes) for _ in range(size)]
        self.outbox = Outbox(sum(self.sizes[: self.island]) + self.index, islands, window)
        self.restarts: deque[Individual] = deque()
        self.counters = Counters()
        self.stop_reason: str | None = None
        self._versions: dict[Uid, float] = {}
        self._sent_to: dict[int, set[Uid]] = {}
        self._owed = 0
        self.duplicates = "allow"
        self.track_duplicates = False
        self.seen: set[bytes] = set()  # keys of the points that are known or in evaluation here
        self.known_losses: dict[bytes, float] = {}
        self._rng = np.random.default_rng([self.island, self.index, 77])
        self.lag: int | None = None  # of rounds; None: others' results are taken in at once
        self._held: list[tuple[int, int, Individual]] = []  # round, worker, result
        self._heard = [0] * len(islands)  # results of each worker in this session
        self._replayable = False
        self._untold: list[Uid] = []  # what was learned since the last candidate
        self._others = [0, 0.0]  # their evaluations, and seconds of them

    @property
    def population(self) -> Population:
        """All individuals that this worker knows."""
        return self.breeder.population

    # ------------------------------------------------------------------ own candidates

    def next(self, avoid: Container[bytes] | None = None) -> Individual:
        """The next candidate, journalled as started; not one whose key is in `avoid`."""
        if self.restarts:
            candidate = self.restarts.popleft()
            if candidate.uid == NOT_BORN:
                candidate.operator = "initial"
                self.breeder.birth(candidate)
            candidate.status, candidate.sealed = Status.RUNNING, True
        else:
            candidate = self.breeder.breed(avoid)
        if self.track_duplicates:
            self.seen.add(self.breeder.space.key(candidate.genes))
        self.counters.started += 1
        if self._untold:
            self.write(KNOWN, b"".join(_UID.pack(*uid) for uid in self._untold))
            self._untold = []
        self.write(STARTED, self.codec.encode(candidate))
        return candidate

    def finish(self, individual: Individual) -> None:
        """Take in an own candidate that was evaluated, and queue it for the peers."""
        self.counters.evaluating += individual.evalperiod
        record = self.codec.encode(individual)
        self.write(RESULT, record)
        self._learn(individual)
        self.outbox.post(self.island, RESULT, record)
        while self._owed and self._displace(exclude=individual.uid):
            self._owed -= 1
        self._migrate()

    def stop(self, reason: str) -> None:
        """Stop here, and tell everybody to."""
        if self.stop_reason is None:
            self.stop_reason = reason
            for island in range(len(self.sizes)):
                self.outbox.post(island, STOP, reason.encode())

    def leaves_rest(self, left: Callable[[], int]) -> bool:
        """Whether the others will have made the evaluations that are left before this slow worker.

        At the end of a run one that needs several times as long had better start none. `left` is
        asked for the number of evaluations only if this worker is such a one.
        """
        n, seconds = self._others
        own = self.counters.evaluating / max(1, self.counters.started)
        if n < 3 or own <= 4 * seconds / n:
            return False
        rate = (sum(self.sizes) - 1) * n / seconds
        return left() < own * rate

    # ------------------------------------------------------------------ rounds and replays

    def journal_knowledge(self) -> None:
        """Journal what is known at each breeding, so that it can be replayed."""
        self._replayable = True
        self.write(KNOWN, b"")

    def is_ready(self, done: int, shares: Sequence[int]) -> bool:
        """Whether all have finished what this worker waits for after `done` evaluations.

        `shares` says how many evaluations each worker has in this session.
        """
        assert self.lag is not None
        due = done - self.lag
        me = self.outbox.me
        return all(
            heard >= min(due, share) or worker == me
            for worker, (heard, share) in enumerate(zip(self._heard, shares, strict=True))
        )

    def release(self, done: float) -> None:
        """Take in the results of finished rounds, in an order that doesn't depend on timing."""
        due = done - (self.lag or 0)
        now = sorted((held for held in self._held if held[0] <= due), key=lambda held: held[:2])
        self._held = [held for held in self._held if held[0] > due]
        for _, _, individual in now:
            self._enter(individual, 0.0)

    def learn(self, individual: Individual) -> None:
        """Take in a result of another worker."""
        self._enter(individual, 0.0)

    def _learn(self, individual: Individual) -> None:
        if individual.space is not self.breeder.space:  # it has grown
            self.breeder.move(individual.space)
        if not self.breeder.learn(individual):
            return
        if individual.uid.worker != self.index:
            self._others[0] += 1
            self._others[1] += individual.evalperiod
            if self._replayable:
                self._untold.append(individual.uid)
        if self.pruner is not None:
            self.pruner.learn(individual)
        if self.track_duplicates:
            key = self.breeder.space.key(individual.genes)
            self.seen.add(key)
            if individual.status == Status.COMPLETE:
                self.known_losses[key] = individual.loss

    # ------------------------------------------------------------------ messages

    def receive(self, data: bytes) -> None:
        """Take in a message."""
        batch = read_batch(data)
        self.outbox.received(batch)
        for kind, payload in batch.entries:
            if kind == RESULT:
                individual = self.codec.decode(payload)
                self._heard[batch.sender] += 1
                if self.lag is None:
                    self._enter(individual, 0.0)
                else:
                    self._held.append((self._heard[batch.sender], batch.sender, individual))
            elif kind == IMMIGRANT:
                self._immigrate(payload)
            elif kind == DEACTIVATED:
                island, worker, seq, version = _MOVE.unpack(payload)
                self._leave(Uid(island, worker, seq), version)
            elif self.stop_reason is None:
                self.stop_reason = bytes(payload).decode()

    def _enter(self, individual: Individual, version: float) -> bool:
        """An individual is here as of a version; False if that is old news."""
        uid = individual.uid
        known = self._versions.get(uid, -1.0)
        if self.population.row(uid) is not None:
            if version <= known or version == 0:
                return False
            self.population.activate(individual)
        else:
            individual.active = version >= known
            self._learn(individual)
        if version > max(known, 0.0):
            self._versions[uid] = version
        return individual.active

    def _leave(self, uid: Uid, version: float) -> None:
        """An individual is inactive here as of a version."""
        if version > self._versions.get(uid, -1.0):
            self._versions[uid] = version
            self.population.deactivate(uid)

    # ------------------------------------------------------------------ migration

    def _migrate(self) -> None:
        migration = self.migration
        chance = migration.probability / self.sizes[self.island]
        if len(self.sizes) == 1 or self._rng.random() >= chance:
            return
        for target, wanted in enumerate(migration.topology[self.island]):
            for emigrant in self._choose(target, int(wanted)):
                self._send_away(emigrant, target)

    def _choose(self, target: int, wanted: int) -> list[Individual]:
        """Up to `wanted` individuals for an island that has not got them from here."""
        rows = self.population.ranking.first(len(self.population))
        if self.migration.pollination:
            seen = self._sent_to.setdefault(target, set())
            candidates = [
                self.population.individual(int(row)) for row in rows[: wanted + len(seen)]
            ]
            eligible = [ind for ind in candidates if ind.uid not in seen]
        else:
            own = rows[self.population.column("current")[rows] == self.index]
            eligible = [self.population.individual(int(row)) for row in own]
        count = min(wanted, len(eligible))
        return list(self.migration.emigration(count)(eligible)) if count else []

    def _send_away(self, emigrant: Individual, target: int) -> None:
        if self.migration.pollination:
            self._sent_to[target].add(emigrant.uid)
        else:
            self._tell_deactivated(emigrant.uid, emigrant.migration_steps + 0.5)
        emigrant.migration_steps += 1
        emigrant.migration_history = (*emigrant.migration_history, self.island)
        # the same worker for all copies, whoever sends them, so that exactly one is displaced
        emigrant.current = (emigrant.uid.worker + emigrant.uid.seq) % self.sizes[target]
        self.counters.sent_away += 1
        self.outbox.post(target, IMMIGRANT, self.codec.encode(emigrant))

    def _tell_deactivated(self, uid: Uid, version: float) -> None:
        self._leave(uid, version)
        move = _MOVE.pack(*uid, version)
        self.write(DEACTIVATED, move)
        self.outbox.post(self.island, DEACTIVATED, move)

    def _immigrate(self, payload: memoryview) -> None:
        individual = self.codec.decode(payload)
        version, uid = float(individual.migration_steps), individual.uid
        returned = uid.island == self.island
        if self.migration.pollination and (returned or self.population.row(uid) is not None):
            return
        responsible = individual.current == self.index
        if responsible:
            self.write(IMMIGRANT, bytes(payload))
        entered = self._enter(individual, version)
        self.counters.arrived += entered
        if entered and responsible and self.migration.pollination:
            self._owed += not self._displace(exclude=uid)

    def _displace(self, exclude: Uid) -> bool:
        """Deactivate one of the individuals that this worker is responsible for."""
        population = self.population
        mine = population.column("active") & (population.column("current") == self.index)
        rows = np.flatnonzero(mine)
        chosen = population.ranking.last(len(population.ranking))
        rows = chosen[mine[chosen]][:64] if len(chosen) else rows
        candidates = [population.individual(int(row)) for row in rows]
        candidates = [ind for ind in candidates if ind.uid != exclude]
        if not candidates:
            return False
        (displaced,) = self.migration.immigration(1)(candidates)
        self.counters.displaced += 1
        self._tell_deactivated(displaced.uid, GONE)
        return True

    # ------------------------------------------------------------------ continuation

    def restore(self, kind: int, payload: bytes) -> None:
        """Take in a journal frame of this island."""
        if kind == DEACTIVATED:
            island, worker, seq, version = _MOVE.unpack(payload)
            self._leave(Uid(island, worker, seq), version)
            return
        individual = self.codec.decode(payload)
        version = float(individual.migration_steps) if kind == IMMIGRANT else 0.0
        individual.current = individual.current % self.sizes[self.island]
        self._enter(individual, version)

    def restore_many(self, frames: Sequence[tuple[int, bytes]]) -> bool:
        """Take in frames of plain results of this island; False if it must be one by one."""
        population = self.population
        columns = self.codec.columns([record for _, record in frames], population.n_objectives)
        table = columns.table
        uids = table[["island", "worker", "seq"]].tolist()
        if self._versions or self._replayable or self.track_duplicates or self.pruner:
            return False
        if any(population.row(Uid(*uid)) is not None for uid in uids):
            return False
        table["current"] %= self.sizes[self.island]
        table["active"] = True
        self.breeder.learn_many(columns)
        seconds = table["evalperiod"][table["worker"] != self.index]
        self._others = [self._others[0] + len(seconds), self._others[1] + float(seconds.sum())]
        return True

    def state(self) -> dict[str, Any]:
        """What a continuation needs beyond the individuals, JSON-ready."""
        return {
            "seq": self.breeder.seq,
            "rng": self.breeder.context.generator.bit_generator.state,
            "propagator": self.breeder.propagator.state_dict(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up a state."""
        self.breeder.seq = state["seq"]
        self.breeder.context.generator.bit_generator.state = state["rng"]
        self.breeder.propagator.load_state_dict(state["propagator"])
