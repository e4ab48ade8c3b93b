"""What one row of the table is: its data, and the same work in every library."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["LIBRARIES", "Case", "Data", "File", "M"]

M = 1_000_000
LIBRARIES = ("heat_core", "numpy", "torch", "dask", "original")
_QUICK, _LONG = 8, 200_000  # long axes are divided


@dataclass(frozen=True)
class Data:
    """An array that a case works on.

    Parameters
    ----------
    shape : tuple of int
    kind : {"uniform", "normal", "integers", "mask", "positions"}
        Numbers of [0, 1); standard normal; integers below ``high``; True for one half; a sample of
        ``range(high)``.
    high : int
    split : int or None
        In the libraries that distribute.
    dtype : str
    """

    shape: tuple[int, ...]
    kind: str = "uniform"
    high: int = 0
    split: int | None = 0
    dtype: str = "float32"

    def make(self, *, quick: bool) -> np.ndarray[Any, Any]:
        """The same numbers in every process."""
        rng = np.random.default_rng(math.prod(self.shape))
        shape, high = _scaled(self.shape, quick), self.high
        if self.kind == "uniform":
            return rng.random(shape, np.float32).astype(self.dtype, copy=False)
        if self.kind == "normal":
            return rng.standard_normal(shape, np.float32).astype(self.dtype, copy=False)
        if self.kind == "mask":
            return rng.random(shape, np.float32) < 0.5
        if self.kind == "positions":
            high = _scaled((high,), quick)[0]
        return rng.integers(0, high, shape)


def _scaled(shape: tuple[int, ...], quick: bool) -> tuple[int, ...]:
    """The shape; for ``--quick``, long axes of large data are shortened."""
    longest = shape.index(max(shape))
    if not quick or shape[longest] < _LONG:
        return shape
    return (*shape[:longest], shape[longest] // _QUICK, *shape[longest + 1 :])


@dataclass(frozen=True)
class File:
    """A file that a case reads or writes, in the scratch folder of the table.

    Parameters
    ----------
    name : str
    content : Data or None
        What ``write`` puts there before anything is measured.
    write : callable or None
        ``write(path, array)``.
    """

    name: str
    content: Data | None = None
    write: Callable[[Path, np.ndarray[Any, Any]], None] | None = None

    def make(self, folder: Path, *, quick: bool) -> Path:
        """The path; the first process that asks writes the file."""
        path = folder / self.name
        if self.write is not None and self.content is not None and not path.exists():
            self.write(path, self.content.make(quick=quick))
        return path


@dataclass(frozen=True)
class Case:
    """One row.

    Parameters
    ----------
    name : str
    inputs : tuple of Data or File
    run : callable
        ``run(module, *inputs)``, where ``module`` is the library.
    variants : mapping
        What to run instead in some libraries; None: the library cannot do it.
    calls : int
        Calls that are timed together.
    share : callable, optional
        ``share(heat_core, *inputs)``: half of the work, without messages, given whole arrays.
    """

    name: str
    inputs: tuple[Data | File, ...]
    run: Callable[..., Any]
    variants: Mapping[str, Callable[..., Any] | None] = field(default_factory=dict)
    calls: int = 1
    share: Callable[..., Any] | None = None

    def of(self, library: str) -> Callable[..., Any] | None:
        """The work in a library."""
        if library == "apart":
            return self.share
        return self.variants.get(library, self.run)
