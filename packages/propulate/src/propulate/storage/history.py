"""Reading the journals of a run, for a continuation or for looking at it."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from propulate.engine.records import Codec, TrialCodec
from propulate.engine.worker import DEACTIVATED, IMMIGRANT, RESULT, STARTED, STATE
from propulate.individual import Uid
from propulate.population import Population
from propulate.space import SearchSpace
from propulate.space.growing import GrowingSpace, express
from propulate.storage.journal import read_journal

__all__ = ["History", "codec_of", "population_of", "read_history"]

_NAME = re.compile(r"i(\d+)-w(\d+)\.pj")
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
    """Read all journals of a run's folder."""
    history = History()
    finished: set[Uid] = set()
    for path in sorted((folder / "journal").glob("*.pj")):
        match = _NAME.fullmatch(path.name)
        header, frames, intact = read_journal(path)
        if match is None or not header:
            continue
        place = int(match[1]), int(match[2])
        history.intact[place] = intact
        history.header = history.header or header
        codec = codec_of(header)
        _read_worker(history, codec, place, frames, finished)
    for uid in finished:
        history.unfinished.pop(uid, None)
    history.n_finished = len(finished)
    return history


def codec_of(header: dict[str, Any]) -> Codec:
    """How the individuals of a journal are written."""
    if header["space"] is None:
        return TrialCodec(GrowingSpace())
    return Codec(SearchSpace.from_json(header["space"]))


def population_of(history: History) -> Population:
    """All individuals that were evaluated; active, whatever became of them on their island."""
    codec, n_objectives = codec_of(history.header), len(history.header["signs"])
    records = [
        payload for frames in history.frames.values() for kind, payload in frames if kind == RESULT
    ]
    individuals = [individual for record in records for individual in codec.decode(record)]
    population = Population(codec.space, n_objectives)
    for individual in individuals:
        if individual.space is not codec.space:  # it has grown since
            genes = express(individual.genes, individual.space, codec.space, individual.uid)
            individual.become(codec.space, genes)
        individual.active = True
        population.add(individual)
    return population


def _read_worker(
    history: History, codec: Codec, place: tuple[int, int], frames: _Frames, finished: set[Uid]
) -> None:
    for kind, payload in frames:
        if kind == STATE:
            history.states[place] = json.loads(payload)
            continue
        if kind in {STARTED, RESULT}:
            uid = codec.uid(payload)
            born = uid.island, uid.worker
            history.next_seq[born] = max(history.next_seq.get(born, 0), uid.seq + 1)
            if kind == STARTED:
                history.starts[uid] += 1
                history.unfinished[uid] = payload
                history.states.pop(place, None)
                continue
            if uid in finished:
                continue
            finished.add(uid)
        if kind in {RESULT, IMMIGRANT, DEACTIVATED}:
            history.frames.setdefault(place[0], []).append((kind, payload))
