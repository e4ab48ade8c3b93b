"""A rank's groups, and somebody who drives exchanges in the background."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from daso.errors import SyncTimeoutError
from daso.group import Exchange, Group, Pending, complete
from daso.topology import Topology

__all__ = ["Courier", "Future", "Transport"]


class Future:
    """The result of an exchange in the background.

    Attributes
    ----------
    began, ended : float
        On the monotonic clock.
    """

    def __init__(self, exchange: Exchange[Any], timeout_s: float) -> None:
        self.exchange, self.timeout_s = exchange, timeout_s
        self.began, self.ended = time.monotonic(), 0.0
        self._over = threading.Event()
        self._result: Any = None
        self._error: BaseException | None = None
        self._pending: Pending | None = None

    @property
    def is_over(self) -> bool:
        """Whether a result or an error is there."""
        return self._over.is_set()

    def settle(self, result: Any = None, error: BaseException | None = None) -> None:
        """Set the result, or what went wrong."""
        self._result, self._error, self.ended = result, error, time.monotonic()
        self._over.set()

    def run(self) -> None:
        """Run the exchange to its end."""
        try:
            self.settle(complete(self.exchange, self.timeout_s))
        except BaseException as error:
            self.settle(error=error)

    def poll(self) -> bool:
        """Go on as far as possible without waiting; whether it is over."""
        try:
            while not self.is_over and (self._pending is None or self._pending.test()):
                self._pending = next(self.exchange)
        except StopIteration as stop:
            self.settle(stop.value)
        except BaseException as error:
            self.settle(error=error)
        return self.is_over

    def wait_over(self, timeout_s: float) -> bool:
        """Wait for a thread to be done with it; whether it is."""
        return self._over.wait(timeout_s)

    def result(self) -> Any:
        """What the exchange returned; raises what it raised."""
        if self._error is not None:
            raise self._error
        return self._result


class Courier:
    """Drives exchanges in the background, one after the other.

    Parameters
    ----------
    threaded : bool
        With a thread, which starts with the first exchange, so that processes that are forked
        before have none. Without, only `poll` makes progress.
    """

    def __init__(self, *, threaded: bool = True) -> None:
        self.threaded = threaded
        self._queue: queue.SimpleQueue[Future | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._active: Future | None = None

    def submit(self, exchange: Exchange[Any], timeout_s: float) -> Future:
        """Start an exchange."""
        future = Future(exchange, timeout_s)
        if not self.threaded:
            self._active = future
            future.poll()
            return future
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="daso-courier", daemon=True)
            self._thread.start()
        self._queue.put(future)
        return future

    def _serve(self) -> None:
        while (future := self._queue.get()) is not None:
            future.run()

    def poll(self) -> None:
        """Make progress where no thread does."""
        if self._active is not None and self._active.poll():
            self._active = None

    def wait(self, future: Future) -> Any:
        """The result of an exchange."""
        if self.threaded:
            # each operation of the exchange has this time; the thread says which one failed
            if not future.wait_over(4 * future.timeout_s):
                raise SyncTimeoutError(f"no answer from other nodes within {future.timeout_s:g} s")
            return future.result()
        deadline = time.monotonic() + future.timeout_s
        while not future.poll():
            if time.monotonic() > deadline:
                raise SyncTimeoutError(f"no answer from other nodes within {future.timeout_s:g} s")
            time.sleep(1e-4)
        self._active = None
        return future.result()

    def close(self, timeout_s: float) -> None:
        """End the thread; what is under way has this time."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join(timeout_s)


@dataclass
class Transport:
    """The groups of one rank.

    Attributes
    ----------
    topology : Topology
    world : Group
        All ranks; for settings, metrics and the end of the training.
    node : Group
        The ranks of this node; for what happens in each step.
    cross : Group or None
        The ranks of equal place on all nodes; None for a rank without a stripe.
    courier : Courier
        Drives `cross`.
    free : callable
        Gives everything back. Collective.
    abort : callable
        Ends the whole job, if the launcher doesn't do so by itself.
    process_group : object
        The node's group of torch.distributed, if there is one.
    """

    topology: Topology
    world: Group
    node: Group
    cross: Group | None
    courier: Courier
    free: Callable[[], None] = lambda: None
    install_abort: Callable[[], None] = lambda: None
    process_group: Any = None

    def close(self, timeout_s: float = 5.0) -> None:
        """End the courier and free the groups. Collective."""
        self.courier.close(timeout_s)
        self.free()
