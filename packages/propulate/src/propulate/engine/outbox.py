"""What a worker has to tell its peers, and how much of it each has got (pure).

Every worker keeps one log per island: records are encoded once, and each peer has a cursor. At most
`window` entries are under way to a peer that has not acknowledged them, so that a peer that
evaluates for hours costs no memory and no time.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["Batch", "Outbox", "read_batch"]

_HEADER = struct.Struct("<4sIII")  # magic, sender, entries, acknowledged
_ENTRY = struct.Struct("<BI")  # kind, length
_MAGIC = b"PPL1"


class Batch(NamedTuple):
    """A message: who sent it, how many of my entries that peer has taken in, and the entries."""

    sender: int
    acknowledged: int
    entries: list[tuple[int, memoryview]]


def read_batch(data: bytes) -> Batch:
    """Read a message."""
    magic, sender, count, acknowledged = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        raise ValueError(f"expected a message of this version, got {data[:4]!r}")
    view, position, entries = memoryview(data), _HEADER.size, []
    for _ in range(count):
        kind, length = _ENTRY.unpack_from(data, position)
        position += _ENTRY.size
        entries.append((kind, view[position : position + length]))
        position += length
    return Batch(sender, acknowledged, entries)


@dataclass
class _Peer:
    island: int
    sent: int = 0
    acknowledged: int = 0
    received: int = 0
    told: int = 0  # how many of the received ones the peer knows of


@dataclass
class _Log:
    entries: list[bytes] = field(default_factory=list)
    start: int = 0  # number of entries dropped because all peers have them

    @property
    def end(self) -> int:
        return self.start + len(self.entries)


class Outbox:
    """Logs, cursors and acknowledgements of one worker.

    Parameters
    ----------
    me : int
        Global index of this worker.
    islands : sequence of int
        Island of each worker.
    window : int
    """

    def __init__(self, me: int, islands: Sequence[int], window: int = 256) -> None:
        self.me, self.window = me, window
        self._logs = [_Log() for _ in range(max(islands) + 1)]
        self._peers = {p: _Peer(island) for p, island in enumerate(islands) if p != me}
        self._members: list[list[int]] = [[] for _ in self._logs]
        for p, peer in self._peers.items():
            self._members[peer.island].append(p)
        self._due: set[int] = set()  # peers for whom there may be something

    def post(self, island: int, kind: int, payload: bytes) -> None:
        """Queue an entry for all other workers of an island."""
        self._logs[island].entries.append(_ENTRY.pack(kind, len(payload)) + payload)
        self._due.update(self._members[island])

    def batches(self, *, everything: bool = False) -> Iterator[tuple[int, bytes]]:
        """The messages that may be sent now: pairs of a peer and the bytes."""
        due, self._due = sorted(self._peers if everything else self._due), set()
        for index in due:
            peer = self._peers[index]
            log = self._logs[peer.island]
            end = log.end
            if not everything:
                end = min(end, peer.acknowledged + self.window)
            owed = peer.received - peer.told
            if end <= peer.sent and owed <= self.window // 2:
                continue
            entries = log.entries[peer.sent - log.start : max(end, peer.sent) - log.start]
            header = _HEADER.pack(_MAGIC, self.me, len(entries), peer.received)
            peer.sent, peer.told = max(end, peer.sent), peer.received
            yield index, b"".join([header, *entries])
        self._drop_finished()

    def _drop_finished(self) -> None:
        for log, members in zip(self._logs, self._members, strict=True):
            if len(log.entries) > 1024:
                done = min((self._peers[p].sent for p in members), default=log.end) - log.start
                del log.entries[:done]
                log.start += done

    def received(self, batch: Batch) -> None:
        """Note acknowledgement and entries of a message."""
        peer = self._peers[batch.sender]
        peer.acknowledged = max(peer.acknowledged, batch.acknowledged)
        peer.received += len(batch.entries)
        self._due.add(batch.sender)

    def totals(self) -> dict[int, int]:
        """How many entries each peer will have got when everything is sent."""
        return {p: self._logs[peer.island].end for p, peer in self._peers.items()}

    def received_from(self, peer: int) -> int:
        """How many entries have come from a peer."""
        return self._peers[peer].received
