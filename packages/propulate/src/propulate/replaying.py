"""Breeding all candidates of a run again from its journals, to see that they come out the same."""

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import starmap
from pathlib import Path
from typing import Any

import numpy as np

from propulate.engine.records import Codec
from propulate.engine.worker import KNOWN, RESULT, STARTED, Worker
from propulate.individual import Individual, Uid
from propulate.optimizer import Breeder
from propulate.propagators.base import Context, Propagator
from propulate.space import SearchSpace
from propulate.storage.journal import read_journal

__all__ = ["replay"]


def replay(
    folder: str | Path, propagator: Callable[[SearchSpace], Propagator] | None = None
) -> tuple[int, list[Uid]]:
    """Breed the candidates of a run again, from what their workers knew at the time.

    The run must have had ``replayable=True``, one island, one session, and a space without
    functions in its conditions.

    Parameters
    ----------
    folder : path
        Of the run.
    propagator : callable, optional
        Makes the propagator for the space, if it was not the default one.

    Returns
    -------
    int, list of Uid
        Number of candidates, and those that came out different.
    """
    journals = {}
    header: dict[str, Any] = {}
    for path in sorted((Path(folder) / "journal").glob("*.pj")):
        header, frames, _ = read_journal(path)
        journals[int(path.stem.split("-w")[1])] = frames
    if not journals:
        raise FileNotFoundError(f"{folder} holds no journal of a run")
    if not header.get("replayable"):
        raise ValueError(f"the run in {folder} was made without replayable=True")
    if header["sizes"] != [len(journals)]:
        raise ValueError("only runs of one island and one session can be replayed")
    codec = Codec(SearchSpace.from_json(header["space"]))
    results = {
        codec.uid(payload): payload
        for frames in journals.values()
        for kind, payload in frames
        if kind == RESULT
    }
    n, different = 0, []
    for index, frames in journals.items():
        if sum(kind == KNOWN and not payload for kind, payload in frames) > 1:
            raise ValueError("only runs of one session can be replayed")
        worker = _worker(codec, header, index, propagator)
        compared, wrong = _breed_again(worker, frames, results)
        n += compared
        different += wrong
    return n, different


def _breed_again(
    worker: Worker, frames: list[tuple[int, bytes]], results: dict[Uid, bytes]
) -> tuple[int, list[Uid]]:
    """Number of candidates of one worker, and those that come out different."""
    n, different, codec = 0, [], worker.codec
    for kind, payload in frames:
        if kind == KNOWN:
            for uid in starmap(Uid, struct.iter_unpack("<III", payload)):
                worker.learn(codec.decode(results[uid]))
        elif kind == STARTED:
            n += 1
            there = codec.decode(payload)
            if not np.array_equal(_bred(worker, there).genes, there.genes):
                different.append(there.uid)
        elif kind == RESULT:
            own = codec.decode(payload)
            worker.breeder.seq = max(worker.breeder.seq, own.uid.seq + 1)
            worker.finish(own)
    return n, different


def _worker(codec: Codec, header: dict[str, Any], index: int, make: Any) -> Worker:
    space, seed = codec.space, header["seed"]
    context = Context(
        space,
        np.random.default_rng(np.random.SeedSequence([seed, 0, index])),
        0,
        index,
        header["sizes"][0],
        header["budget"],
        space.design("sobol", seed),
    )
    worker = Worker(Breeder(context, make, len(header["signs"])), header["sizes"])
    worker.duplicates = header["duplicates"]
    worker.track_duplicates = worker.duplicates != "allow"
    return worker


def _bred(worker: Worker, there: Individual) -> Individual:
    if there.operator == "initial":  # the user's
        worker.restarts.append(Individual.from_genes(there.space, there.genes.copy()))
    return worker.next(avoid=worker.seen if worker.duplicates == "mutate" else None)
