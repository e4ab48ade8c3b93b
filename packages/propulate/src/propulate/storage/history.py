"""Reading the journals of a run, for a continuation or for looking at it."""

from __future__ import annotations

import itertools
import json
import re
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from propulate.engine.records import Codec, TrialCodec
from propulate.engine.worker import DEACTIVATED, IMMIGRANT, RESULT, STARTED, STATE
from propulate.individual import Uid
from propulate.population import Population
from propulate.space import SearchSpace
from propulate.space.growing import GrowingSpace, express
from propulate.storage.journal import read_journal

__all__ = ["History", "codec_of", "in_runs", "population_of", "read_history"]

_NAME = re.compile(r"i(\d+)-w(\d+)\.pj")
_UID = struct.Struct("<III")
_Frames = list[tuple[int, bytes]]


@dataclass
class History:
    """What the journals of a run say.

    Attributes
    ----------
    header : dict
        Of the first journal; empty if there is none.
    frames : dict of int to list of (kind, bytes)
        Of each island: results, immigrants, deactivations.
    unfinished : dict of Uid to bytes
        Records of candidates that were started and not finished.
    starts : Counter of Uid
        How often candidates were started.
    next_seq : dict of (island, worker) to int
    states : dict of (island, worker) to dict
        The last state of each worker, if nothing was started after it.
    n_finished : int
    intact : dict of (island, worker) to int
        Bytes of each journal that are intact.
    """

    header: dict[str, Any] = field(default_factory=dict)
    frames: dict[int, _Frames] = field(default_factory=dict)
    unfinished: dict[Uid, bytes] = field(default_factory=dict)
    starts: Counter[Uid] = field(default_factory=Counter)
    next_seq: dict[tuple[int, int], int] = field(default_factory=dict)
    states: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)
    n_finished: int = 0
    intact: dict[tuple[int, int], int] = field(default_factory=dict)


def read_history(folder: Path) -> History:
    """Read all journals of a run's folder.

    Raises
    ------
    ValueError
        If a journal's first line is damaged: it says what the others mean.
    """
    reader = _Reader()
    for path in sorted((folder / "journal").glob("*.pj")):
        match = _NAME.fullmatch(path.name)
        header, frames, intact = read_journal(path)
        if match is None or not header:
            continue
        try:
            codec = codec_of(header)
        except ValueError as error:
            raise ValueError(f"{path} has a damaged first line: {error}") from error
        place = int(match[1]), int(match[2])
        reader.history.intact[place] = intact
        reader.history.header = reader.history.header or header
        reader.take(place, codec, frames)
    return reader.end()


def codec_of(header: dict[str, Any]) -> Codec:
    """How the individuals of a journal are written.

    Raises
    ------
    ValueError
        If it is not the header of one.
    """
    if not header.keys() >= {"space", "signs"}:
        raise ValueError("there is no header of a journal with a search space")
    if header["space"] is None:
        return TrialCodec(GrowingSpace())
    return Codec(SearchSpace.from_json(header["space"]))


def population_of(history: History) -> Population:
    """All individuals that were evaluated; active, whatever became of them on their island."""
    codec, n_objectives = codec_of(history.header), len(history.header["signs"])
    results = [f for frames in history.frames.values() for f in frames if f[0] == RESULT]
    runs = list(in_runs(results, codec, n_objectives))
    # all of them are read first, for they may make the space grow
    decoded = [[] if plain else [codec.decode(r) for _, r in run] for plain, run in runs]
    population = Population(codec.space, n_objectives)
    for (plain, run), individuals in zip(runs, decoded, strict=True):
        if plain:
            columns = codec.columns([record for _, record in run], n_objectives)
            columns.table["active"] = True
            population.extend(columns)
        for individual in individuals:
            if individual.space is not codec.space:  # it has grown since
                genes = express(individual.genes, individual.space, codec.space, individual.uid)
                individual.become(codec.space, genes)
            individual.active = True
            population.add(individual)
    return population


def in_runs(
    frames: _Frames, codec: Codec, n_objectives: int, few: int = 30
) -> Iterator[tuple[bool, _Frames]]:
    """Frames in their order, in runs of plain results, which are read at once, and of others.

    Less than `few` plain results in a row are as fast one by one.
    """

    def is_plain(frame: tuple[int, bytes]) -> bool:
        return frame[0] == RESULT and codec.is_plain(frame[1], n_objectives)

    for plain, group in itertools.groupby(frames, is_plain):
        run = list(group)
        yield plain and len(run) >= few, run


class _Reader:
    """Puts the frames of all journals together; uids stay bytes, which saves half of the time."""

    def __init__(self) -> None:
        self.history = History()
        self.started: dict[bytes, bytes] = {}
        self.times: Counter[bytes] = Counter()
        self.finished: set[bytes] = set()

    def take(self, place: tuple[int, int], codec: Codec, frames: _Frames) -> None:
        """The frames of one worker."""
        history, key_of = self.history, codec.key
        kept = history.frames.setdefault(place[0], [])
        for frame in frames:
            kind, payload = frame
            if kind == STARTED:
                key = key_of(payload)
                self.times[key] += 1
                self.started[key] = payload
                history.states.pop(place, None)
            elif kind == RESULT:
                key = key_of(payload)
                if key not in self.finished:
                    self.finished.add(key)
                    kept.append(frame)
            elif kind == STATE:
                history.states[place] = json.loads(payload)
            elif kind in {IMMIGRANT, DEACTIVATED}:
                kept.append(frame)

    def end(self) -> History:
        """What is known after the last journal."""
        history = self.history
        history.n_finished = len(self.finished)
        for key in self.started.keys() - self.finished:
            uid = Uid(*_UID.unpack(key))
            history.unfinished[uid], history.starts[uid] = self.started[key], self.times[key]
        uids = np.frombuffer(b"".join(self.started.keys() | self.finished), "<u4").reshape(-1, 3)
        for island, worker in np.unique(uids[:, :2], axis=0).tolist():
            mine = (uids[:, 0] == island) & (uids[:, 1] == worker)
            history.next_seq[island, worker] = int(uids[mine, 2].max()) + 1
        return history
