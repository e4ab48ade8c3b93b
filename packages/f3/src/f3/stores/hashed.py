"""A store for samples with any keys, of unknown number."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import torch
from torch import Tensor

from f3.stores.base import ErrorStore
from f3.stores.dense import MAX_BYTES, DenseStore, ScalarStore

__all__ = ["HashStore"]


class HashStore(ErrorStore):
    """Rows found by key: strings or integers, for streams and for data that come and go.

    Parameters
    ----------
    n_outputs : int or None
        Numbers of a row; None for one number, the error of the true class.
    dtype, device, max_bytes
        As in `DenseStore`; the table doubles when it is full.

    Examples
    --------
    >>> from f3 import HashStore
    >>> store = HashStore(10)
    >>> keys = store.check(["left.png", "right.png"], 2)
    >>> store.read(keys)[1].tolist()  # never written
    [False, False]
    """

    def __init__(
        self,
        n_outputs: int | None,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        settings: dict[str, Any] = {"dtype": dtype, "device": device, "max_bytes": max_bytes}
        self._rows: DenseStore = (
            ScalarStore(256, **settings)
            if n_outputs is None
            else DenseStore(256, n_outputs, **settings)
        )
        self.row = self._rows.row
        self._slots: dict[Hashable, int] = {}

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def nbytes(self) -> int:
        """Bytes of the table; the keys come on top."""
        return self._rows.nbytes

    def check(self, index: Any, n: int) -> list[Hashable]:
        """A list of `n` keys; tensors and arrays of integers count as integers."""
        keys = index.tolist() if hasattr(index, "tolist") else list(index)
        if len(keys) != n:
            raise ValueError(f"{n} samples need {n} keys, not {len(keys)}")
        return keys

    def read(self, index: list[Hashable]) -> tuple[Tensor, Tensor]:
        """The rows of keys, (n, *row), and where they have been written, bool (n,)."""
        slots = [self._slots.get(key, -1) for key in index]
        known = torch.tensor([slot >= 0 for slot in slots])
        rows, seen = self._rows.read(torch.tensor(slots).clamp_min(0))
        return rows, seen & known.to(seen.device)

    def write(self, index: list[Hashable], rows: Tensor) -> None:
        """Overwrite the rows of keys; of a key that comes twice, the last one counts."""
        slots = [self._slots.setdefault(key, len(self._slots)) for key in index]
        if len(self._slots) > len(self._rows):
            self._rows.resize(max(len(self._slots), 2 * len(self._rows)))
        self._rows.write(torch.tensor(slots), rows)

    def state_dict(self) -> dict[str, Any]:
        """Keys and rows."""
        return {"keys": list(self._slots), **self._rows.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what a store with rows of the same shape and type held."""
        self._rows.load_state_dict(state)
        self._slots = {key: slot for slot, key in enumerate(state["keys"])}
