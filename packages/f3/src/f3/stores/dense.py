"""Stores with a table of rows."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from f3.errors import StoreError
from f3.stores.base import ErrorStore

__all__ = ["DenseStore", "ScalarStore"]

MAX_BYTES = 2 * 1024**3
_DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int8)


class DenseStore(ErrorStore):
    """A table with `n_outputs` numbers for each of `num_samples` samples.

    Parameters
    ----------
    num_samples : int
    n_outputs : int
    positions : int
        Output positions of a sample (tokens), each with its errors.
    dtype : torch.dtype
        ``int8`` keeps a scale of four bytes for each row beside it; its rounding error is at most
        1/254 of the largest entry of the row.
    device : torch.device, optional
    memmap : path, optional
        Keep the table in this file, which is created if needed.
    max_bytes : int
        A table above this size is refused.

    Raises
    ------
    StoreError
        If the table would be larger than `max_bytes`, or has an unusable dtype.
    """

    def __init__(
        self,
        num_samples: int,
        n_outputs: int,
        *,
        positions: int = 1,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
        memmap: str | os.PathLike[str] | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        row = (n_outputs,) if positions == 1 else (positions, n_outputs)
        self._open(num_samples, row, dtype, device, memmap, max_bytes)

    def _open(
        self,
        num_samples: int,
        row: tuple[int, ...],
        dtype: torch.dtype,
        device: torch.device | str | None,
        memmap: str | os.PathLike[str] | None,
        max_bytes: int,
    ) -> None:
        if num_samples < 1:
            raise StoreError(f"num_samples must be positive, not {num_samples}")
        if dtype not in _DTYPES:
            raise StoreError(f"errors can't be kept as {dtype}; use one of {_DTYPES}")
        self.row, self.dtype, self._memmap = row, dtype, memmap
        wanted = num_samples * math.prod(row) * dtype.itemsize
        if wanted > max_bytes:
            raise StoreError(
                f"the error memory of {num_samples} samples with rows of {row} takes {wanted:,} "
                f"bytes, more than max_bytes={max_bytes:,}: use one-hot errors in a ScalarStore, "
                "dtype=torch.float16 or torch.int8, memmap=FILE, ShardedStore, or TargetError"
            )
        shape = (num_samples, *row)
        if memmap is None:
            self._table = torch.zeros(shape, dtype=dtype, device=device)
        else:
            self._table = _mapped(memmap, shape, dtype)
        self._seen = torch.zeros(num_samples, dtype=torch.bool, device=self._table.device)
        self._scale = torch.zeros(num_samples, device=self._table.device)
        if dtype != torch.int8:
            self._scale = self._scale[:0]

    def __len__(self) -> int:
        return len(self._table)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} rows of {self.row}, {self.dtype})"

    @property
    def nbytes(self) -> int:
        """Bytes held by this process, or in the file."""
        return self._table.nbytes + self._seen.nbytes + self._scale.nbytes

    def check(self, index: Any, n: int) -> Tensor:
        """Integers from 0 to the number of samples less one, (n,)."""
        ids = torch.as_tensor(index)
        if ids.dtype in {torch.bool, torch.float16, torch.float32, torch.float64, torch.bfloat16}:
            raise TypeError(f"sample ids must be integers, not {ids.dtype}")
        if ids.shape != (n,):
            raise ValueError(f"{n} samples need {n} ids, not ids of shape {tuple(ids.shape)}")
        ids = ids.to(self._table.device, torch.int64)
        if n and not 0 <= int(ids.min()) <= int(ids.max()) < len(self):
            raise IndexError(
                f"sample ids must be from 0 to {len(self) - 1}, the store has {len(self)} rows; "
                f"found {int(ids.min())} to {int(ids.max())} (store.resize makes it longer)"
            )
        return ids

    def read(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """The rows of checked ids, (n, *row), and where they have been written, bool (n,)."""
        rows = self._table[index]
        if self.dtype == torch.int8:
            scale = self._scale[index].reshape(-1, *[1] * len(self.row))
            rows = rows * scale
        return rows, self._seen[index]

    def write(self, index: Tensor, rows: Tensor) -> None:
        """Overwrite the rows of checked ids; of an id that comes twice, the last one counts."""
        index, rows = _last_of_each(index, rows.to(self._table.device))
        if self.dtype == torch.int8:
            scale = rows.flatten(1).abs().amax(1).float() / 127
            self._scale[index] = scale
            scale = scale.clamp_min(torch.finfo(torch.float32).tiny)
            rows = (rows / scale.reshape(-1, *[1] * len(self.row))).round_()
        self._table[index] = rows.to(self.dtype)
        self._seen[index] = True

    def resize(self, num_samples: int) -> None:
        """Make room for more samples.

        Raises
        ------
        StoreError
            If there would be fewer.
        """
        if num_samples < len(self):
            raise StoreError(f"a store of {len(self)} samples can't shrink to {num_samples}")
        if self._memmap is None:
            self._table = _longer(self._table, num_samples)
        else:
            self._table = _mapped(self._memmap, (num_samples, *self.row), self.dtype)
        self._seen = _longer(self._seen, num_samples)
        if self.dtype == torch.int8:
            self._scale = _longer(self._scale, num_samples)

    def state_dict(self) -> dict[str, Any]:
        """The table, its scales, and what was written."""
        return {"table": self._table.clone(), "seen": self._seen.clone(), "scale": self._scale}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what a store with rows of the same shape and type held."""
        table = state["table"]
        if table.shape[1:] != self._table.shape[1:] or table.dtype != self.dtype:
            raise StoreError(
                f"a state with rows of {tuple(table.shape[1:])} and type {table.dtype} does not "
                f"fit {self!r}"
            )
        if len(table) > len(self):
            self.resize(len(table))
        n = len(table)
        self._table[:n], self._seen[:n] = table, state["seen"]
        if self.dtype == torch.int8:
            self._scale[:n] = state["scale"]


class ScalarStore(DenseStore):
    """One number for each sample (and position): the error of the true class, for one-hot kinds.

    Parameters
    ----------
    num_samples : int
    positions : int
        Output positions of a sample (tokens).
    dtype, device, memmap, max_bytes
        As in `DenseStore`.
    """

    def __init__(
        self,
        num_samples: int,
        *,
        positions: int = 1,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
        memmap: str | os.PathLike[str] | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        row = () if positions == 1 else (positions,)
        self._open(num_samples, row, dtype, device, memmap, max_bytes)

    def write(self, index: Tensor, rows: Tensor) -> None:
        """Overwrite the rows of checked ids; of an id that comes twice, the last one counts."""
        if self.dtype == torch.int8 and not self.row:  # no row to share a scale: one step for all
            index, rows = _last_of_each(index, rows.to(self._table.device))
            self._scale[index] = 1 / 127
            self._table[index] = (rows * 127).round_().clamp_(-127, 127).to(torch.int8)
            self._seen[index] = True
        else:
            super().write(index, rows)


def _mapped(path: str | os.PathLike[str], shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """A tensor in a file, which grows if it is too short."""
    size = math.prod(shape)
    file = Path(path)
    if not file.exists():
        file.touch()
    if file.stat().st_size < size * dtype.itemsize:
        os.truncate(file, size * dtype.itemsize)
    return torch.from_file(str(file), shared=True, size=size, dtype=dtype).reshape(shape)


def _longer(tensor: Tensor, length: int) -> Tensor:
    longer = tensor.new_zeros(length, *tensor.shape[1:])
    longer[: len(tensor)] = tensor
    return longer


def _last_of_each(index: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Without the earlier ones of ids that come twice: index_put keeps any, on a GPU."""
    ordered, order = torch.sort(index, stable=True)
    is_last = torch.ones_like(ordered, dtype=torch.bool)
    is_last[:-1] = ordered[1:] != ordered[:-1]
    if bool(is_last.all()):
        return index, rows
    kept = order[is_last]
    return index[kept], rows[kept]
