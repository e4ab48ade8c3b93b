"""Where a training stands."""

from __future__ import annotations

from daso.schedule import Schedule
from daso.synchroniser import Synchroniser

__all__ = ["Progress"]


class Progress:
    """What the schedule and the synchroniser of a `daso.DASO` say."""

    schedule: Schedule
    _sync: Synchroniser

    @property
    def should_stop(self) -> bool:
        """Whether to leave the loop and call `finish`."""
        sync = self._sync
        return sync.should_stop or (sync.wants_stop and not sync.is_global)

    @property
    def phase(self) -> str:
        """``"warmup"``, ``"cycling"`` or ``"cooldown"``."""
        return self.schedule.phase

    @property
    def global_skip(self) -> int:
        """Steps from one global synchronisation to the next (B); 0 in blocking phases."""
        return self.schedule.skips.every if self.phase == "cycling" else 0

    @property
    def batches_to_wait(self) -> int:
        """Steps from sending to merging (W); 0 in blocking phases."""
        return self.schedule.skips.wait if self.phase == "cycling" else 0

    @property
    def local_skip(self) -> int:
        """Steps from one average inside the node to the next (L)."""
        return self.schedule.skips.local if self.phase == "cycling" else 1

    @property
    def global_step(self) -> int:
        """Steps made so far."""
        return self.schedule.step

    @property
    def in_flight(self) -> bool:
        """Whether a synchronisation is under way."""
        return self._sync.in_flight is not None
