"""The container: one HDF5 file with all individuals of a run, to be read by anything.

Groups and datasets, one row an individual where nothing else is said:

``/`` attributes ``format``, ``space`` (JSON), ``signs`` (-1 for maximised objectives);
``/individuals/`` island, worker, seq, generation, rank, active, status (name), operator (name),
loss (rows, objectives) in the user's signs, evaltime and evalperiod and walltime in seconds,
violation;
``/genes`` (rows, genes): exact; ``/parameters/<name>``: values as numbers or text, missing ones as
NaN or empty; ``/metrics/<name>``: numbers, or JSON text;
``/interim/values`` one after the other, ``/interim/offsets`` (rows + 1);
``/errors/row``, ``/errors/text``; ``/extras`` JSON text of what few individuals have.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from propulate.individual import Individual, Status, Uid
from propulate.population import Population
from propulate.space import SearchSpace

if TYPE_CHECKING:
    from propulate.result import Result

__all__ = ["read_container", "write_container"]

_FORMAT = 1
_NUMBERS = ("generation", "current", "active", "evaltime", "evalperiod", "walltime", "violation")
_UNITS = {"evaltime": "s since 1970-01-01 UTC", "evalperiod": "s", "walltime": "s"}


def write_container(result: Result, path: str | Path) -> None:
    """Write a file; it appears under its name when it is complete.

    Parameters
    ----------
    result : Result
    path : path
    """
    import h5py

    path = Path(path)
    unfinished = path.with_name(path.name + ".unfinished")
    individuals = list(result)
    with h5py.File(unfinished, "w") as file:
        file.attrs["format"], file.attrs["space"] = _FORMAT, result.space.to_json()
        file.attrs["signs"] = result.signs
        _write_individuals(file.create_group("individuals"), individuals, len(result.signs))
        genes = [ind.genes for ind in individuals]
        _put(file, "genes", np.array(genes).reshape(len(individuals), result.space.n))
        for name in result.space.parameters:
            values = [ind.get(name) for ind in individuals]
            _put(file, f"parameters/{_key(name)}", _column(values))
        for name in sorted({name for ind in individuals for name in ind.metrics}):
            values = [ind.metrics.get(name) for ind in individuals]
            _put(file, f"metrics/{_key(name)}", _column(values))
        _write_ragged(file, individuals)
    with unfinished.open("rb") as written:
        os.fsync(written.fileno())
    unfinished.replace(path)


def _key(name: str) -> str:
    return name.replace("/", "|")  # a slash would make a group


def _put(group: Any, name: str, values: Any) -> None:
    import h5py

    array = np.asarray(values)
    text = array.dtype.kind in "OUS"
    if array.size == 0:
        group.create_dataset(name, data=array if not text else np.empty(0))
        return
    group.create_dataset(
        name,
        data=array.astype(object) if text else array,
        dtype=h5py.string_dtype() if text else None,
        compression="gzip",
        shuffle=not text,
    )


def _column(values: Sequence[Any]) -> Any:
    """Numbers, with NaN for None; or text, JSON where a value is none."""
    if all(value is None or isinstance(value, int | float) for value in values):
        return np.array([math.nan if value is None else float(value) for value in values])
    return [
        ""
        if value is None
        else value
        if isinstance(value, str)
        else json.dumps(value, default=repr)
        for value in values
    ]


def _write_individuals(group: Any, individuals: Sequence[Individual], n_objectives: int) -> None:
    uids = np.array([ind.uid for ind in individuals], np.uint32).reshape(-1, 3)
    for place, name in enumerate(("island", "worker", "seq")):
        _put(group, name, uids[:, place])
    for name in _NUMBERS:
        _put(group, name, np.array([getattr(ind, name) for ind in individuals]))
        if name in _UNITS:
            group[name].attrs["unit"] = _UNITS[name]
    _put(group, "status", [ind.status.name for ind in individuals])
    _put(group, "operator", [ind.operator for ind in individuals])
    losses = [[ind.loss] if ind.losses is None else ind.losses for ind in individuals]
    _put(group, "loss", np.array(losses, float).reshape(-1, n_objectives))


def _write_ragged(file: Any, individuals: Sequence[Individual]) -> None:
    lengths = [len(ind.interim) for ind in individuals]
    _put(file, "interim/offsets", np.cumsum([0, *lengths]))
    _put(file, "interim/values", np.array([v for ind in individuals for v in ind.interim], float))
    failed = [(row, ind.error) for row, ind in enumerate(individuals) if ind.error]
    _put(file, "errors/row", np.array([row for row, _ in failed], np.int64))
    _put(file, "errors/text", [text for _, text in failed])
    extras = [
        {
            "parents": ind.parents,
            "migration_history": ind.migration_history,
            "metrics": ind.metrics,
            "velocity": None if ind.velocity is None else ind.velocity.tolist(),
        }
        for ind in individuals
    ]
    _put(file, "extras", [json.dumps(extra, default=repr) for extra in extras])


def read_container(path: str | Path) -> tuple[Population, tuple[float, ...]]:
    """Population, in signs that are to be minimised, and the signs of the objectives.

    Raises
    ------
    ValueError
        If the file is none of ours, or a newer version's.
    """
    import h5py

    with h5py.File(path, "r") as file:
        if file.attrs.get("format") != _FORMAT:
            raise ValueError(f"{path} is no container of format {_FORMAT} of propulate")
        space = SearchSpace.from_json(file.attrs["space"])
        signs = tuple(float(sign) for sign in file.attrs["signs"])
        table = {name: column[:] for name, column in file["individuals"].items()}
        genes, extras = file["genes"][:], file["extras"][:]
        offsets, values = file["interim/offsets"][:], file["interim/values"][:]
        rows, texts = file["errors/row"][:], file["errors/text"][:]
    errors = {int(row): text.decode() for row, text in zip(rows, texts, strict=True)}
    population = Population(space, len(signs))
    for row in range(len(genes)):
        individual = _individual(space, genes[row], row, table, np.array(signs))
        individual.interim = (values[offsets[row] : offsets[row + 1]] * signs[0]).tolist()
        individual.error = errors.get(row)
        extra = json.loads(extras[row])
        individual.metrics = extra["metrics"]
        individual.parents = tuple(Uid(*uid) for uid in extra["parents"])
        individual.migration_history = tuple(extra["migration_history"])
        individual.migration_steps = len(individual.migration_history)
        if extra["velocity"] is not None:
            individual.velocity = np.array(extra["velocity"])
        population.add(individual)
    return population, signs


def _individual(
    space: SearchSpace, genes: Any, row: int, table: dict[str, Any], signs: Any
) -> Individual:
    individual = Individual.from_genes(space, genes)
    individual.uid = Uid(*(int(table[name][row]) for name in ("island", "worker", "seq")))
    for name in _NUMBERS:
        setattr(individual, name, table[name][row].item())
    individual.rank = individual.uid.worker
    individual.status = Status[table["status"][row].decode()]
    individual.operator = table["operator"][row].decode()
    losses = table["loss"][row] * signs
    individual.loss = float(losses.sum())
    individual.losses = losses if len(losses) > 1 else None
    return individual
