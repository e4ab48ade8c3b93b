"""The original propulate: what its checkpoints hold, as a warm start."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["from_checkpoint"]


class _Kept:
    """Stands in for the original's individuals; gets their attributes."""

    limits: dict[str, tuple[Any, ...]]
    position: np.ndarray[tuple[int], np.dtype[np.float64]]
    loss: float


_ARRAY, _SCALAR = np.zeros(0).__reduce__()[0], np.float64(0).__reduce__()[0]
_ALLOWED = {
    "propulate.population.Individual": _Kept,
    "builtins.float": float,
    "builtins.int": int,
    "builtins.str": str,
    "numpy.ndarray": np.ndarray,
    "numpy.dtype": np.dtype,
    "numpy.core.multiarray._reconstruct": _ARRAY,
    "numpy._core.multiarray._reconstruct": _ARRAY,
    "numpy.core.multiarray.scalar": _SCALAR,
    "numpy._core.multiarray.scalar": _SCALAR,
}


class _Unpickler(pickle.Unpickler):
    """Makes individuals and arrays only: a pickle can't run code of its choice."""

    def find_class(self, module: str, name: str) -> Any:
        """What a name in the pickle stands for."""
        try:
            return _ALLOWED[f"{module}.{name}"]
        except KeyError:
            raise ValueError(f"it holds a {module}.{name}") from None


def from_checkpoint(path: str | Path) -> list[tuple[dict[str, Any], float]]:
    """Points and losses of a checkpoint of the original package, for ``initial=``.

    Those that were not evaluated, or lie outside of their limits, are left out. The original need
    not be installed.

    Parameters
    ----------
    path : path
        Such as ``island_0_ckpt.pickle``.

    Raises
    ------
    ValueError
        If the file is something else.
    """
    try:
        with Path(path).open("rb") as file:
            individuals = _Unpickler(file).load()
        found = [(dict(_values(ind)), float(ind.loss)) for ind in individuals]
    except OSError:
        raise
    except Exception as error:  # a damaged pickle fails in any way
        raise ValueError(f"{path} is no checkpoint of the original: {error}") from error
    return [
        (values, loss)
        for values, loss in found
        if None not in values.values() and math.isfinite(loss)
    ]


def _values(individual: _Kept) -> Iterator[tuple[str, Any]]:
    """What the loss function saw: decoded from the numbers, None for what is outside."""
    start = 0
    for name, limits in individual.limits.items():
        if isinstance(limits[0], str):
            block = individual.position[start : start + len(limits)]
            yield name, limits[int(np.argmax(block))]
            start += len(limits)
            continue
        number = float(individual.position[start])
        value = round(number) if isinstance(limits[0], int) else number
        inside = value in limits if len(limits) > 2 else limits[0] <= value <= limits[1]
        yield name, value if inside else None
        start += 1
