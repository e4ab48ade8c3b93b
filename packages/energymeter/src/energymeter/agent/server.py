"""The agent's loop: samples at their deadlines, clients on a socket, processes that end."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import time
from dataclasses import dataclass, field
from typing import Any

from energymeter.agent.metrics import write_openmetrics
from energymeter.agent.sampler import Sampler
from energymeter.agent.thinning import Thinning
from energymeter.environment import Environment
from energymeter.journal import JournalWriter
from energymeter.processes import Watch, allowed_cpus, peak_memory

__all__ = ["Server"]

FLUSH_EVERY = 1_000_000_000
ANCHOR_EVERY = 60_000_000_000
METRICS_EVERY = 10_000_000_000
ENDING = (signal.SIGTERM, signal.SIGHUP)


@dataclass
class Client:
    """A connection, and what of its next line has come."""

    connection: socket.socket
    received: bytes = b""


@dataclass
class Server:
    """Serves the processes of one run on one node until none is left.

    Parameters
    ----------
    sampler : Sampler
    thinning : Thinning
        Between the sampler and the journal.
    journal : JournalWriter
    listener : socket.socket
        On which wrappers and applications connect.
    env : Environment
    linger : float
        Seconds to wait for the other ranks of the node when the first ones have ended.
    greeting : dict
        What a client is told when it registers.
    """

    sampler: Sampler
    thinning: Thinning
    journal: JournalWriter
    listener: socket.socket
    env: Environment
    linger: float
    greeting: dict[str, Any]
    openmetrics: str = ""
    labels: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.watched: dict[int, Watch] = {}
        self.expected, self.registered = 1, 0
        self.reason = ""
        now = self.env.monotonic_ns()
        self.flush_at, self.anchor_at, self.metrics_at = now, now, now
        self.empty_since: int | None = now
        self.warned = False

    def run(self) -> None:
        """Serve until the run has ended, then take the last sample."""
        self._listen_to_signals()
        self.listener.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)
        self.sampler.start()
        self.greeting["first_sample"] = self.env.monotonic_ns()
        while True:
            self._wait()
            if not self.reason:
                self.sampler.read_due()
                self._housekeeping()
            if self.reason:
                break
        self._end()

    def _listen_to_signals(self) -> None:
        reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's is for the application
        for number in ENDING:
            signal.signal(number, lambda *_: None)
        self.selector.register(reading, selectors.EVENT_READ, self._signalled)

    def _signalled(self, fd: int) -> None:
        for number in os.read(fd, 64):
            if number in ENDING:
                self.reason = f"signal {signal.Signals(number).name}"

    def _wait(self) -> None:
        due = min(self.sampler.next_deadline(), self.flush_at)
        seconds = (due - self.env.monotonic_ns()) / 1e9
        for key, _ in self.selector.select(max(0.0, seconds)):
            key.data(key.fileobj)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            connection.setblocking(False)
            client = Client(connection)
            self.selector.register(
                connection, selectors.EVENT_READ, lambda _fd, c=client: self._receive(c)
            )

    def _receive(self, client: Client) -> None:
        try:
            data = client.connection.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(client)
            return
        client.received += data
        while b"\n" in client.received:
            line, client.received = client.received.split(b"\n", 1)
            reply = self._answer(line)
            try:
                client.connection.sendall(json.dumps(reply).encode() + b"\n")
            except OSError:  # a client that does not read its answers gets no more
                self._drop(client)
                return

    def _drop(self, client: Client) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self.selector.unregister(client.connection)
        client.connection.close()

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            command = request.pop("cmd")
            return getattr(self, f"_on_{command}")(**request)  # type: ignore[no-any-return]
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            return {"error": f"{type(error).__name__}: {error}"}

    def _on_register(self, pid: int, expected: int = 1, **values: Any) -> dict[str, Any]:
        """Follow a process; the run lasts as long as one that was registered.

        The CPUs that it may use are noted as a hexadecimal mask.
        """
        watch = Watch(pid)
        if watch.fd >= 0:
            self.selector.register(watch.fd, selectors.EVENT_READ, lambda _fd: self._gone(pid))
        self.watched[pid] = watch
        self.registered += values.get("role") == "rank"
        self.expected = max(self.expected, expected)
        self.empty_since = None
        self._note("register", pid=pid, cpus=allowed_cpus(pid), **values)
        return self.greeting

    def _on_note(self, name: str, **values: Any) -> dict[str, Any]:
        """Write an event of a client's into the journal."""
        self._note(name, **values)
        return {}

    def _on_sample(self) -> dict[str, Any]:
        """Read now, and write everything: what came before is on disk after this."""
        self._read_all()
        return {"t": self.env.monotonic_ns()}

    def _on_snapshot(self) -> dict[str, Any]:
        """Energy of each sensor since the start of the run, in J."""
        totals = zip(self.sampler.sensors, self.sampler.totals, strict=True)
        return {s.id: t.joules for s, t in totals if s.is_energy}

    def _on_finish(
        self, pid: int, wait: bool = False, refused: bool = False, **values: Any
    ) -> dict[str, Any]:
        """Take a last sample for a process, and forget it.

        With `wait`, the answer to the last of all processes comes when the run is closed.
        """
        if values:
            self._note("end", pid=pid, **values)
        self._read_all()
        self._gone(pid)
        if wait and not self.watched and (refused or 0 < self.expected <= self.registered):
            self.reason = "refused" if refused else "finished"
            self._end()
        return {"t": self.env.monotonic_ns(), "left": len(self.watched)}

    def _gone(self, pid: int) -> None:
        watch = self.watched.pop(pid, None)
        if watch is None:
            return
        if watch.fd >= 0:
            self.selector.unregister(watch.fd)
        watch.close()
        self._note("gone", pid=pid, cpu_s=watch.cpu_seconds())
        if not self.watched:
            self.empty_since = self.env.monotonic_ns()

    def _note(self, name: str, **values: Any) -> None:
        time = values.pop("t", None) or self.env.monotonic_ns()
        with self.sampler.lock:
            self.journal.event(name, time, **values)

    def _housekeeping(self) -> None:
        now = self.env.monotonic_ns()
        if now >= self.anchor_at:
            self._note("anchor", real=self.env.realtime_ns())
            self._flush(share=True)
            self.anchor_at = now + ANCHOR_EVERY
        if now >= self.flush_at:
            for pid, watch in list(self.watched.items()):
                watch.cpu_seconds()  # it may be too late for it when the process has ended
                if watch.fd < 0 and watch.has_ended():
                    self._gone(pid)
            self._flush()
            self.flush_at = now + FLUSH_EVERY
        if self.openmetrics and now >= self.metrics_at:
            self._write_metrics()
            self.metrics_at = now + METRICS_EVERY
        if self.empty_since is not None:
            complete = 0 < self.expected <= self.registered
            patience = 0 if complete else int(self.linger * 1e9)
            if now - self.empty_since >= patience:
                self.reason = "finished" if self.registered else "nobody registered"

    def _read_all(self) -> None:
        """Read now, and have everything on disk."""
        self.sampler.read_fast()
        with self.sampler.lock:
            self.thinning.flush()
        self._flush(share=True)

    def _flush(self, share: bool = False) -> None:
        with self.sampler.lock:
            if share:
                self.journal.share()
            else:
                self.journal.flush()
            if self.journal.disk_is_full and not self.warned:
                self.warned = True
                self.journal.event("disk full", self.env.monotonic_ns())

    def _write_metrics(self) -> None:
        with self.sampler.lock, contextlib.suppress(OSError):
            write_openmetrics(self.openmetrics, self.sampler, self.labels)

    def _end(self) -> None:
        if self.journal.fd < 0:
            return
        self.sampler.read_fast()
        if self.openmetrics:
            self._write_metrics()
        self.sampler.stop()
        with self.sampler.lock:
            self.thinning.flush()
        self._note("anchor", real=self.env.realtime_ns())
        failures = [[*key, n] for key, n in sorted(self.sampler.failures.items())]
        cost = {"cpu_s": time.process_time(), "rss_kib": peak_memory()}
        missed = self.sampler.missed
        self._note("stop", reason=self.reason, missed=missed, failures=failures, **cost)
        self.journal.close()
        self.journal.fd = -1
        self.listener.close()
