"""The parameters of the nodes: sending, merging, and making them equal."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from daso.anchor import Anchor
from daso.config import DASOConfig
from daso.errors import SyncTimeoutError
from daso.exchange import (
    CONSENSUS,
    SYNC,
    Header,
    Received,
    check_headers,
    exchange_headers,
    synchronise,
)
from daso.flat import FlatParameters
from daso.group import complete
from daso.hierarchy import Hierarchy, check_equal
from daso.merge import merge_shift
from daso.metrics import SyncStats
from daso.outcome import share_outcome
from daso.schedule import Schedule
from daso.transport.base import Future, Transport

__all__ = ["InFlight", "Synchroniser"]


@dataclass
class InFlight:
    """A synchronisation that has been sent and not yet merged.

    Attributes
    ----------
    step, number, fragment : int
    sent : Tensor
        What this rank has of the model when it was sent: its stripe, or (rotating) the fragment.
    lost : bool
        Whether this node's numbers were not finite.
    blocking : bool
        Whether it belongs to a blocking phase.
    future : Future or None
        None if this rank takes no part, or if `change` is known.
    change : Tensor or None
        The mean difference, if it was received before (after loading a checkpoint).
    """

    step: int
    number: int
    fragment: int
    sent: Tensor
    lost: bool
    blocking: bool = False
    future: Future | None = None
    change: Tensor | None = None


class Synchroniser:
    """Keeps the models of the nodes together.

    All methods are collective over the ranks that share a node or a stripe.

    Parameters
    ----------
    flat : FlatParameters
    transport : Transport
    config : DASOConfig
    schedule : Schedule
    stats : SyncStats
    """

    def __init__(
        self,
        flat: FlatParameters,
        transport: Transport,
        config: DASOConfig,
        schedule: Schedule,
        stats: SyncStats,
    ) -> None:
        self.flat, self.transport, self.config = flat, transport, config
        self.schedule, self.stats = schedule, stats
        self.topology = transport.topology
        self.hierarchy = Hierarchy(transport, stats, config.timeout_s)
        self.striped = config.layout == "striped"
        self.number = 0
        self.weight = 1.0
        self.should_stop = False
        self.wants_stop = False
        # replicas of a node differ after local skips, and while their optimisers' states do
        self.diverged = False
        self.in_flight: InFlight | None = None
        self._work = flat.zeros()
        self.anchor = Anchor(self._own_parts() if self.is_global else flat.zeros(0)[None], config)

    @property
    def is_global(self) -> bool:
        """Whether there is another node to talk to."""
        return self.topology.n_nodes > 1

    @property
    def timeout(self) -> float:
        """Longest wait."""
        return self.config.timeout_s

    # ------------------------------------------------------------------ the consensus

    def _own(self, fragment: int) -> slice:
        """The part of the model for which this rank remembers the consensus."""
        if self.striped:
            return self.flat.stripe(fragment, min(self.topology.local_rank, self.flat.stripes - 1))
        return self.flat.fragment(fragment)

    def _own_parts(self) -> Tensor:
        """The part of this rank of the model as it is now, (fragments, m)."""
        work = self.flat.gather(self._work)
        return torch.stack([work[self._own(f)] for f in range(self.flat.fragments)])

    def remember(self) -> None:
        """Take the model, which is equal on all nodes, as the consensus."""
        if self.is_global:
            self.anchor.reset(self._own_parts())

    # ------------------------------------------------------------------ sending

    def send(self, *, blocking: bool = False) -> None:
        """Start a synchronisation of the next fragment."""
        if not self.is_global:
            return
        fragment = self.number % self.flat.fragments
        with self.stats.timed("pack"), torch.profiler.record_function("daso::send"):
            work = self._gathered()
            sent = work[self._own(fragment)].clone()
        lost = self.config.nonfinite != "ignore" and not math.isfinite(float(work.sum()))
        self.in_flight = InFlight(self.schedule.step, self.number, fragment, sent, lost, blocking)
        if self._sends(self.number):
            difference = torch.zeros_like(sent) if lost else sent - self.anchor.reference[fragment]
            assert self.transport.cross is not None
            exchange = synchronise(
                self.transport.cross,
                self._header(SYNC, 0.0 if lost else self.weight),
                self.anchor.means[blocking],
                difference,
                fragment,
                self.config.nonfinite,
            )
            self.in_flight.future = self.transport.courier.submit(exchange, self.timeout)
            self.stats.payload_bytes += difference.nbytes
        self.stats.started += 1
        self.stats.skipped += lost
        self.number += 1

    def _gathered(self) -> Tensor:
        """The model as a vector, averaged over the node where its replicas may differ."""
        flat, node = self.flat, self.transport.node
        work = flat.gather(self._work)
        if node.size > 1:
            differing = work if self.diverged else work[flat.n_parameters : flat.n]
            if differing.numel():
                self.hierarchy.node_mean(differing)
            if self.diverged:
                flat.apply(slice(0, flat.size), 0.0, work)
        return work

    def _sends(self, number: int) -> bool:
        """Whether this rank takes part in a synchronisation."""
        if self.transport.cross is None:
            return False
        return self.striped or self._owner(number) == self.topology.local_rank

    def _owner(self, number: int) -> int:
        return number % self.flat.stripes

    def _header(self, kind: int, weight: float = 1.0) -> Header:
        checked = self.config.verify != "none"
        return Header(
            kind,
            self.schedule.step,
            self.number,
            self.schedule.fingerprint() if checked else 0,
            self.flat.fingerprint() if checked else 0,
            weight,
            self.stats.step_s,
            self.stats.sync_s,
            self.wants_stop,
        )

    # ------------------------------------------------------------------ merging

    def merge(self) -> None:
        """Wait for the synchronisation that is under way, and merge it."""
        flight, self.in_flight = self.in_flight, None
        if flight is None:
            return
        if not self._receive(flight):
            return
        delay = self.schedule.step - flight.step
        with self.stats.timed("merge"), torch.profiler.record_function("daso::merge"):
            self._merge(flight, flight.change, delay)
        self.stats.merged += 1
        self.stats.delays[delay] += 1
        if self.stats.callback is not None:
            self.stats.callback(self.stats)

    def _receive(self, flight: InFlight) -> bool:
        """Wait for the result; False if another node has finished, and nothing was exchanged."""
        error: BaseException | None = None
        received: Received | None = None
        if flight.future is not None:
            began = time.monotonic()
            with self.stats.timed("wait_global"), torch.profiler.record_function("daso::wait"):
                try:
                    received = self.transport.courier.wait(flight.future)
                except BaseException as caught:
                    error = caught
            self._account(flight.future, began, received)
        if isinstance(error, SyncTimeoutError):
            error = self._explained(error, flight)
        outcome = share_outcome(
            self.transport.node,
            () if received is None else received.headers,
            error,
            wants_stop=self.wants_stop,
            may_be_uneven=self.config.uneven == "stop",
            timeout_s=self.timeout,
        )
        self.should_stop |= outcome.stop
        if received is not None:
            flight.change = received.change
        if self.number % self.config.tune_interval == 0 and outcome.step_s > 0:
            self.schedule.on_timing(outcome.step_s, outcome.sync_s)
        return not outcome.abandoned

    def _account(self, future: Future, began: float, received: Received | None) -> None:
        taken = future.ended - future.began
        self.stats.sync_times.append(taken)
        exposed = max(0.0, future.ended - began)
        self.stats.seconds["hidden"] += max(0.0, taken - exposed)
        if received is not None:
            self.stats.wire_bytes += received.wire_bytes

    def _explained(self, error: SyncTimeoutError, flight: InFlight) -> SyncTimeoutError:
        peers = ", ".join(map(str, self.topology.peers))
        explained = SyncTimeoutError(
            f"synchronisation {flight.number}, sent at step {flight.step}, is not complete at step "
            f"{self.schedule.step} ({self.schedule.phase}): ranks {peers} have not all answered "
            f"within {self.timeout:g} s ({flight.sent.nbytes} bytes each). One of them may have "
            "died, hang, or make fewer steps; timeout_s sets the limit"
        )
        explained.__cause__ = error
        return explained

    def _merge(self, flight: InFlight, change: Tensor | None, delay: int) -> None:
        flat, node, topology = self.flat, self.transport.node, self.topology
        part = flat.fragment(flight.fragment)
        mean = flight.sent
        if change is not None:
            mean = self.anchor.advance(flight.fragment, change)
            norm = float(mean.norm())
            self.stats.drift = float((mean - flight.sent).norm()) / norm if norm else 0.0
        if not self.striped and node.size > 1:
            # the next owner needs the consensus, too
            mean = mean if change is not None else torch.empty_like(mean)
            with self.stats.timed("wait_local"):
                node.bcast(mean, self._owner(flight.number)).wait(self.timeout)
            self.anchor.reference[flight.fragment] = mean
        own = self._own(flight.fragment) if self.striped else part
        keep, shift = self._shift(flight, mean, own, delay)
        if self.striped and node.size > 1:
            whole = shift.new_empty(node.size, flat.piece)
            with self.stats.timed("wait_local"):
                node.allgather(whole, shift.contiguous()).wait(self.timeout)
            self.stats.local_bytes += shift.nbytes
            shift = whole[: topology.stripes].reshape(-1)
        flat.apply(part, keep, shift)
        if self.config.verify == "checksum":
            self._compare(flight)

    def _compare(self, flight: InFlight) -> None:
        """Compare the consensus over the nodes, and the replicas inside the node."""
        reference = self.anchor.reference[flight.fragment]
        check_equal(self.transport.cross, reference, "consensus over the nodes", self.timeout)
        if not self.diverged:
            replica = self.flat.gather(self._work)[: self.flat.n_parameters]
            check_equal(self.transport.node, replica, "model inside the node", self.timeout)

    def _shift(
        self, flight: InFlight, mean: Tensor, own: slice, delay: int
    ) -> tuple[float, Tensor]:
        if flight.lost:
            return 0.0, mean
        config = self.config
        # without delay both rules mean the consensus, and equal on all nodes to the last bit
        replaces = flight.blocking or (delay == 0 and config.merge != "lerp")
        keep, shift = merge_shift(
            "replace" if replaces else config.merge,
            mean,
            flight.sent,
            delay=delay,
            nodes=self.topology.n_nodes,
            alpha=config.merge_alpha,
        )
        buffers = max(0, self.flat.n_parameters - own.start)
        if buffers < own.stop - own.start and self.flat.buffers:
            # statistics become those of the mean: a corrected variance might be negative
            shift = shift.clone()
            shift[buffers:] = mean[buffers:]
        return keep, shift

    # ------------------------------------------------------------------ making all equal

    def check(self, kind: int) -> None:
        """Compare where the nodes stand, blocking."""
        cross = self.transport.cross
        if cross is not None and cross.size > 1 and self.config.verify != "none":
            header = self._header(kind)
            headers = complete(exchange_headers(cross, header), self.timeout)
            check_headers(headers, header)

    def settle(self) -> None:
        """Wait for what is under way, without merging it: then nobody uses the groups."""
        flight = self.in_flight
        if flight is not None and flight.future is not None:
            received: Received = self.transport.courier.wait(flight.future)
            self.wants_stop |= any(header.stop for header in received.headers)
            flight.change, flight.future = received.change, None

    def start_anew(self) -> None:
        """Take the model as the consensus, with nothing under way."""
        self.in_flight, self.diverged = None, False
        if self.is_global:
            self.anchor = Anchor(self._own_parts(), self.config)

    def drain(self) -> None:
        """Merge what is under way."""
        if self.in_flight is not None:
            self.merge()
        self.schedule.drained()

    def gather_in_full(self) -> None:
        """Make parameters and floating buffers equal on all ranks: the mean of the nodes."""
        flat = self.flat
        work = self._gathered()
        if self.is_global:
            self.hierarchy.everywhere(work)
        flat.apply(slice(0, flat.size), 0.0, work)
        self.stats.blocking += 1

    def meet(self) -> None:
        """Wait until all nodes have come here; those that still train learn that others don't."""
        cross = self.transport.cross
        if cross is None or cross.size == 1:
            return
        header = self._header(CONSENSUS)
        while True:
            headers = complete(exchange_headers(cross, header), self.timeout)
            if all(other.kind == CONSENSUS for other in headers):
                if self.config.uneven == "raise" and self.config.verify != "none":
                    check_headers(headers, header)
                return
            if self.config.uneven == "raise":
                check_headers(headers, header)

    # ------------------------------------------------------------------ checkpoints

    def state_dict(self) -> dict[str, Any]:
        """Everything of this rank. Completes, but does not merge, what is under way. Collective."""
        self.settle()
        flight = self.in_flight
        state: dict[str, Any] = {"number": self.number, "anchor": self.anchor.state_dict()}
        state["in_flight"] = None
        if flight is not None:
            state["in_flight"] = {
                "step": flight.step,
                "number": flight.number,
                "fragment": flight.fragment,
                "sent": flight.sent.clone(),
                "lost": flight.lost,
                "blocking": flight.blocking,
                "change": None if flight.change is None else flight.change.clone(),
            }
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken, with the same topology."""
        self.number = state["number"]
        self.anchor.load_state_dict(state["anchor"])
        flight = state["in_flight"]
        self.in_flight = None if flight is None else InFlight(**flight)
