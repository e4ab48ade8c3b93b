"""An exact account of what a training method communicates, and a communicator that keeps it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from lowrank.parallel.communicators import Comm

__all__ = ["Entry", "Ledger", "Metered"]


@dataclass
class Entry:
    """What one kind of operation has moved in one phase.

    Attributes
    ----------
    calls : int
    payload : int
        Bytes of the tensors that were averaged or broadcast, as they travelled.
    sent : int
        Bytes that this rank handed to the communicator for others: what `mpi_utils.traffic` counts.
    ring : float
        Bytes that a rank puts on the wire with algorithms that are optimal for bandwidth:
        ``2 (p - 1) / p`` of the payload for an average over `p` ranks, ``(p - 1) / p`` for a
        broadcast.
    """

    calls: int = 0
    payload: int = 0
    sent: int = 0
    ring: float = 0.0


@dataclass
class Ledger:
    """The account of one rank, by phase, communicator and operation.

    Attributes
    ----------
    phase : str
        Where the next operations are entered.
    entries : dict of (phase, communicator, operation) to Entry
    """

    phase: str = "setup"
    entries: dict[tuple[str, str, str], Entry] = field(default_factory=dict)

    def add(self, name: str, operation: str, payload: int, sent: int, ring: float) -> None:
        """Enter one operation."""
        entry = self.entries.setdefault((self.phase, name, operation), Entry())
        entry.calls += 1
        entry.payload += payload
        entry.sent += sent
        entry.ring += ring

    def total(self, quantity: str = "payload", phase: str | None = None) -> float:
        """The sum of ``"payload"``, ``"sent"``, ``"ring"`` or ``"calls"``, of one phase or all."""
        chosen = (e for key, e in self.entries.items() if phase in (None, key[0]))
        return float(sum(getattr(entry, quantity) for entry in chosen))

    def state_dict(self) -> dict[str, Any]:
        """Plain data."""
        entries = [[*key, asdict(entry)] for key, entry in self.entries.items()]
        return {"phase": self.phase, "entries": entries}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.phase = state["phase"]
        self.entries = {
            (phase, name, operation): Entry(**entry)
            for phase, name, operation, entry in state["entries"]
        }

    def table(self) -> str:
        """A table for people."""
        lines = ["phase     ranks  operation  calls     payload MB     ring MB"]
        lines += [
            f"{phase:9} {name:6} {operation:10} {e.calls:5} {e.payload / 1e6:14.3f} "
            f"{e.ring / 1e6:11.3f}"
            for (phase, name, operation), e in self.entries.items()
        ]
        return "\n".join(lines)


#: To be called to go on, which gives what is to be called for the result: averages are taken in
#: two steps, of which several can be under way together.
Started = Callable[[], Callable[[], Tensor]]


@dataclass(frozen=True)
class Metered:
    """A communicator whose operations are entered in a ledger.

    Attributes
    ----------
    comm : Comm
    ledger : Ledger
    name : str
        Stands in the ledger: "world", "group".
    """

    comm: Comm
    ledger: Ledger
    name: str = "world"

    @property
    def rank(self) -> int:
        """That of the communicator."""
        return self.comm.rank

    @property
    def size(self) -> int:
        """That of the communicator."""
        return self.comm.size

    def bcast(self, x: Tensor, root: int = 0) -> Tensor:
        """Fill `x` with the values that it has on `root`. Collective."""
        if self.size > 1:
            sent = x.nbytes if self.rank == root else 0
            ring = x.nbytes * (self.size - 1) / self.size
            self.ledger.add(self.name, "broadcast", x.nbytes, sent, ring)
            self.comm.bcast(x, root)
        return x

    def start_mean(self, x: Tensor, dtype: torch.dtype | None = None) -> Started:
        """Start to average a flat tensor over all ranks. Collective.

        Every rank gets the same numbers.

        Parameters
        ----------
        x : Tensor, shape (n,)
        dtype : torch.dtype, optional
            A 16-bit type to travel in; the sum is computed in float32, and rounded once more. It
            takes two steps: each rank adds up one part, and hands the sum to all.
        """
        size = self.size
        if size == 1:
            return lambda: lambda: x
        travels = dtype if dtype is not None and x.element_size() > 2 else x.dtype
        payload = x.numel() * travels.itemsize
        if travels.itemsize > 2 or not x.is_floating_point():
            self.ledger.add(self.name, "mean", payload, x.nbytes, 2 * payload * (size - 1) / size)
            pending = self.comm.iallreduce(x)
            return lambda: lambda: pending.wait() / size
        part = -(-x.numel() // size)
        padded = functional.pad(x, (0, part * size - x.numel())).to(travels)
        sent = 2 * (size - 1) * part * travels.itemsize
        self.ledger.add(self.name, "mean", payload, sent, sent)
        scattered = self.comm.ialltoall(padded.view(size, part))

        def proceed() -> Callable[[], Tensor]:
            mean = scattered.wait().float().mean(dim=0).to(travels)
            gathered = self.comm.iallgather(mean)
            return lambda: gathered.wait().reshape(-1)[: x.numel()].to(x.dtype)

        return proceed
