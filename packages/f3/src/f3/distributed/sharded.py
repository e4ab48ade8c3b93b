"""A store whose rows are dealt out to the ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from f3.errors import StoreError
from f3.stores import DenseStore, ErrorStore, ScalarStore

if TYPE_CHECKING:
    from mpi_utils import Communicator

__all__ = ["ReplicatedStore", "ShardedStore"]


class ShardedStore(ErrorStore):
    """Each rank keeps an equal part of the rows; reading and writing are collective.

    Parameters
    ----------
    comm : Communicator
    num_samples : int
        In all.
    n_outputs : int or None
        Numbers of a row; None for one number, the error of the true class.
    **settings : Any
        ``dtype`` and ``max_bytes`` of each rank's part, as in `DenseStore`.
    """

    def __init__(
        self, comm: Communicator, num_samples: int, n_outputs: int | None = None, **settings: Any
    ) -> None:
        self.comm, self.num_samples = comm, num_samples
        rows = -(-num_samples // comm.size)
        self.part: DenseStore = (
            ScalarStore(rows, **settings)
            if n_outputs is None
            else DenseStore(rows, n_outputs, **settings)
        )
        self.row = self.part.row
        self._checker = _Ids(num_samples)

    @property
    def nbytes(self) -> int:
        """Bytes held by this rank."""
        return self.part.nbytes

    def check(self, index: Any, n: int) -> Tensor:
        """Integers from 0 to the number of samples less one, (n,)."""
        return self._checker.check(index, n)

    def read(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Rows from their owners. Collective."""
        order, counts = self._by_owner(index)
        asked = self.comm.handle.alltoall(counts)
        wanted = self.comm.alltoallv(index[order], counts, asked)
        rows, seen = self.part.read(wanted // self.comm.size)
        rows = self.comm.alltoallv(rows.float(), asked, counts)
        seen = self.comm.alltoallv(seen.contiguous(), asked, counts)
        back = torch.empty_like(order)
        back[order] = torch.arange(len(order))
        return rows[back], seen[back]

    def write(self, index: Tensor, rows: Tensor) -> None:
        """Rows to their owners; of an id that comes twice, the last of the highest rank counts."""
        order, counts = self._by_owner(index)
        asked = self.comm.handle.alltoall(counts)
        ids = self.comm.alltoallv(index[order], counts, asked)
        values = self.comm.alltoallv(rows.cpu()[order], counts, asked)
        self.part.write(ids // self.comm.size, values)

    def _by_owner(self, index: Tensor) -> tuple[Tensor, list[int]]:
        owner = index % self.comm.size
        counts = torch.bincount(owner, minlength=self.comm.size)
        return torch.argsort(owner, stable=True), counts.tolist()

    def state_dict(self) -> dict[str, Any]:
        """The rows of all ranks in the order of their ids. Collective."""
        parts = self.comm.handle.allgather(self.part.state_dict())
        n = self.num_samples
        return {
            name: torch.stack([part[name] for part in parts], 1).flatten(0, 1)[:n]
            for name in ("table", "seen", "scale")
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take this rank's rows out of those of all."""
        if len(state["table"]) > self.num_samples:
            raise StoreError(f"a store of {self.num_samples} samples can't take a longer state")
        self.part.load_state_dict(
            {name: rows[self.comm.rank :: self.comm.size] for name, rows in state.items()}
        )


class ReplicatedStore(ErrorStore):
    """A whole store on each rank, kept alike: what one rank writes, all write.

    The exchange starts when a rank writes, and ends when it next reads.

    Parameters
    ----------
    store : DenseStore
    comm : Communicator
    """

    def __init__(self, store: DenseStore, comm: Communicator) -> None:
        self.store, self.comm, self.row = store, comm, store.row
        self._underway: tuple[Any, Any] | None = None

    @property
    def nbytes(self) -> int:
        """Bytes held by this rank."""
        return self.store.nbytes

    def check(self, index: Any, n: int) -> Tensor:
        """As the store within."""
        return self.store.check(index, n)

    def read(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """As the store within, after what all ranks have written."""
        self._complete()
        return self.store.read(index)

    def write(self, index: Tensor, rows: Tensor) -> None:
        """Send the rows to all ranks. Collective."""
        self._complete()
        counts = self.comm.handle.allgather(len(index))
        ids = self.comm.iallgatherv(index.contiguous(), counts)
        self._underway = ids, self.comm.iallgatherv(rows.contiguous(), counts)

    def _complete(self) -> None:
        if self._underway is not None:
            ids, rows = self._underway
            self.store.write(ids.wait(), rows.wait())
            self._underway = None

    def state_dict(self) -> dict[str, Any]:
        """As the store within."""
        self._complete()
        return self.store.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """As the store within."""
        self._complete()
        self.store.load_state_dict(state)


class _Ids(DenseStore):
    """Checks ids against a number of samples, and holds nothing."""

    def __init__(self, num_samples: int) -> None:
        self._table = torch.empty(num_samples, 0)
        self.row, self.dtype = (), torch.float32
