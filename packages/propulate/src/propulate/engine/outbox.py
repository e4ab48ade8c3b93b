"""What a worker has to tell its peers, and how much of it each has got (pure).

Every worker keeps one log per island: records are encoded once, and each peer has a cursor. At most
`window` entries are under way to a peer that has not acknowledged them, so that a peer that
evaluates for hours costs no memory and no time.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

__all__ = ["Batch", "Outbox", "read_batch"]

_HEADER = struct.Struct("<4sIII")  # magic, sender, entries, acknowledged
_ENTRY = struct.Struct("<BI")  # kind, length
_MAGIC = b"PPL1"


@dataclass(frozen=True)
class Batch:
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

    def post(self, island: int, kind: int, payload: bytes) -> None:
        """Queue an entry for all other workers of an island."""
        self._logs[island].entries.append(_ENTRY.pack(kind, len(payload)) + payload)

    def batches(self, *, everything: bool = False) -> Iterator[tuple[int, bytes]]:
        """The messages that may be sent now: pairs of a peer and the bytes."""
        for index, peer in self._peers.items():
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
        for island, log in enumerate(self._logs):
            cursors = [peer.sent for peer in self._peers.values() if peer.island == island]
            done = min(cursors, default=log.end) - log.start
            if done > 1024:
                del log.entries[:done]
                log.start += done

    def received(self, batch: Batch) -> None:
        """Note acknowledgement and entries of a message."""
        peer = self._peers[batch.sender]
        peer.acknowledged = max(peer.acknowledged, batch.acknowledged)
        peer.received += len(batch.entries)

    def totals(self) -> dict[int, int]:
        """How many entries each peer will have got when everything is sent."""
        return {p: self._logs[peer.island].end for p, peer in self._peers.items()}

    def received_from(self, peer: int) -> int:
        """How many entries have come from a peer."""
        return self._peers[peer].received
