"""All nodes and ranks of a training in one process, one after the other.

The same schedules, codecs and merge rules as in `daso.DASO`, but whole vectors instead of stripes
in flight, and no waiting: the truth that distributed runs are compared with, and a laboratory for
questions such as which rule suits 64 nodes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from daso.config import DASOConfig
from daso.exchange import CompressedMean
from daso.flat import FlatParameters, floating_buffers
from daso.hub import Hub, lockstep
from daso.merge import merge_shift
from daso.pooling import pooled_variances
from daso.schedule import Schedule, make_schedule

__all__ = ["Trajectory", "simulate"]

#: [node][rank] -> a batch, for the loss function
Batches = Sequence[Sequence[Any]]


@dataclass
class Trajectory:
    """What a simulation has computed.

    Attributes
    ----------
    losses : list of float
        Mean over all ranks, of each step.
    vectors : list of (nodes, n) tensors
        Parameters and floating buffers of each node's first rank after each step, if kept.
    model : nn.Module
        The consensus at the end.
    """

    losses: list[float] = field(default_factory=list)
    vectors: list[Tensor] = field(default_factory=list)
    model: nn.Module = field(default_factory=nn.Module)


@dataclass
class _Replica:
    """One rank: its model, its optimiser, and its model as a vector."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    flat: FlatParameters

    def vector(self) -> Tensor:
        return self.flat.gather(self.flat.zeros())

    def assign(self, vector: Tensor) -> None:
        self.flat.apply(slice(0, self.flat.size), 0.0, vector)

    def gradient(self) -> Tensor:
        return self.flat.gather_gradients(self.flat.zeros(self.flat.gradient_size))


@dataclass
class _Sent:
    """A synchronisation under way: its step, fragment, and what the nodes have sent."""

    step: int
    number: int
    fragment: int
    vectors: Tensor  # (nodes, fragment)


def simulate(
    model: nn.Module,
    make_optimizer: Callable[[list[nn.Parameter]], torch.optim.Optimizer],
    loss: Callable[[nn.Module, Any], Tensor],
    steps: Iterable[Batches],
    config: DASOConfig,
    *,
    steps_per_epoch: int | None = None,
    keep_vectors: bool = False,
) -> Trajectory:
    """Train as P nodes of G ranks would.

    Parameters
    ----------
    model : nn.Module
        Where all start; left as it is.
    make_optimizer : callable
        Takes the parameters of a replica.
    loss : callable
        Takes a replica and a batch.
    steps : iterable of [node][rank] -> batch
        One entry a step; the number of nodes and ranks follows from the first.
    config : DASOConfig
    steps_per_epoch : int, optional
        After so many steps the schedule is told that an epoch is over, with the mean loss.
    keep_vectors : bool
    """
    simulation: _Simulation | None = None
    for batches in steps:
        if simulation is None:
            shape = (len(batches), len(batches[0]))
            simulation = _Simulation(model, make_optimizer, loss, config, *shape)
        simulation.step(batches)
        if keep_vectors:
            simulation.trajectory.vectors.append(simulation.node_vectors())
        if steps_per_epoch and simulation.schedule.step % steps_per_epoch == 0:
            recent = simulation.trajectory.losses[-steps_per_epoch:]
            simulation.epoch_end(sum(recent) / len(recent))
    if simulation is None:
        raise ValueError("there must be at least one step")
    simulation.make_equal()
    simulation.trajectory.model = simulation.nodes[0][0].model
    return simulation.trajectory


class _Simulation:
    def __init__(
        self,
        model: nn.Module,
        make_optimizer: Callable[[list[nn.Parameter]], torch.optim.Optimizer],
        loss: Callable[[nn.Module, Any], Tensor],
        config: DASOConfig,
        n_nodes: int,
        n_local: int,
    ) -> None:
        self.loss, self.config, self.stripes = loss, config, n_local
        self.schedule: Schedule = make_schedule(config)

        def replica() -> _Replica:
            own = copy.deepcopy(model)
            parameters = list(own.parameters())
            buffers = floating_buffers(own) if config.sync_buffers == "average" else []
            flat = FlatParameters(parameters, buffers, stripes=n_local, fragments=config.fragments)
            return _Replica(own, make_optimizer(parameters), flat)

        self.nodes = [[replica() for _ in range(n_local)] for _ in range(n_nodes)]
        self.flat = self.nodes[0][0].flat
        self.reference = self.nodes[0][0].vector()
        self.means = {
            blocking: [[self._mean(blocking) for _ in range(n_nodes)] for _ in range(n_local)]
            for blocking in (False, True)
        }
        self.outer: torch.optim.Optimizer | None = None
        if config.outer_optimizer is not None:
            rows = self.reference.view(config.fragments, -1)
            self._outer_parameters = [nn.Parameter(row.clone()) for row in rows]
            self.outer = config.outer_optimizer(self._outer_parameters)
        self.number = 0
        self.sent: _Sent | None = None
        self.trajectory = Trajectory()

    def _mean(self, blocking: bool) -> CompressedMean:
        bucket = max(256, int(self.config.bucket_mb * 2**20) // self.flat.dtype.itemsize)
        codec = self.config.codec(blocking=blocking)
        return CompressedMean(codec, bucket, error_feedback=self.config.error_feedback)

    def node_vectors(self) -> Tensor:
        return torch.stack([node[0].vector() for node in self.nodes])

    # ------------------------------------------------------------------ one step

    def step(self, batches: Batches) -> None:
        action = self.schedule.action()
        losses = []
        for node, node_batches in zip(self.nodes, batches, strict=True):
            for replica, batch in zip(node, node_batches, strict=True):
                replica.optimizer.zero_grad()
                value = self.loss(replica.model, batch)
                value.backward()
                losses.append(float(value.detach()))
        self.trajectory.losses.append(sum(losses) / len(losses))
        if action.local:
            self._average_gradients(
                everywhere=action.blocking and self.config.blocking == "gradients"
            )
        for node in self.nodes:
            for replica in node:
                replica.optimizer.step()
        if action.blocking and self.config.blocking == "parameters":
            self._send()
            self._merge(blocking=True)
        if action.merge:
            self._merge()
        if action.send:
            self._send()
            if action.wait == 0:
                self._merge()
        if action.consensus:
            self.make_equal()
        self.schedule.advance()

    def _average_gradients(self, *, everywhere: bool) -> None:
        means = [sum(r.gradient() for r in node) / len(node) for node in self.nodes]
        if everywhere:
            means = [sum(means) / len(means)] * len(means)
        for node, mean in zip(self.nodes, means, strict=True):
            for replica in node:
                replica.flat.scatter_gradients(torch.as_tensor(mean))

    def _node_means(self) -> list[Tensor]:
        """Each node as one vector; its replicas take it over where they differ by local skips."""
        vectors = []
        for node in self.nodes:
            mean = torch.as_tensor(sum(r.vector() for r in node) / len(node))
            n = self.flat.n_parameters
            if all(torch.equal(r.vector()[:n], node[0].vector()[:n]) for r in node):
                mean[:n] = node[0].vector()[:n]
            else:
                for replica in node:
                    replica.assign(mean)
            vectors.append(mean)
        return vectors

    # ------------------------------------------------------------------ synchronisation

    def _send(self) -> None:
        fragment = self.number % self.config.fragments
        part = self.flat.fragment(fragment)
        vectors = torch.stack([v[part] for v in self._node_means()])
        self.sent = _Sent(self.schedule.step, self.number, fragment, vectors)
        self.number += 1

    def _merge(self, *, blocking: bool = False) -> None:
        sent, self.sent = self.sent, None
        if sent is None:
            return
        part = self.flat.fragment(sent.fragment)
        change = self._mean_change(sent, self.reference[part], blocking=blocking)
        self._advance_reference(sent.fragment, change)
        mean = self.reference[part]
        delay = self.schedule.step - sent.step
        rule = self.config.merge
        if blocking or (delay == 0 and rule != "lerp"):
            rule = "replace"
        for node, vector in zip(self.nodes, sent.vectors, strict=True):
            keep, shift = merge_shift(
                rule,
                mean,
                vector,
                delay=delay,
                nodes=len(self.nodes),
                alpha=self.config.merge_alpha,
            )
            buffers = max(0, self.flat.n_parameters - part.start)
            shift = torch.cat((shift[:buffers], mean[buffers:]))
            for replica in node:
                replica.flat.apply(part, keep, shift)

    def _mean_change(self, sent: _Sent, reference: Tensor, *, blocking: bool) -> Tensor:
        """The mean difference, through the codec; (fragment,)."""
        n_nodes = len(self.nodes)
        differences = sent.vectors - reference
        striped = self.config.layout == "striped"
        owners = range(self.stripes) if striped else [sent.number % self.stripes]
        shares = differences.view(n_nodes, len(owners), -1)
        change = torch.empty_like(shares[0])
        for place, owner in enumerate(owners):
            hub = Hub(n_nodes)
            exchanges = [
                self.means[blocking][owner][node].run(
                    hub.member(node), shares[node, place].clone(), [1.0] * n_nodes, sent.fragment
                )
                for node in range(n_nodes)
            ]
            change[place] = lockstep(exchanges)[0][0]
        return change.view(-1)

    def _advance_reference(self, fragment: int, change: Tensor) -> None:
        part = self.flat.fragment(fragment)
        if self.outer is None:
            self.reference[part] += change
            return
        parameter = self._outer_parameters[fragment]
        parameter.data.copy_(self.reference[part])
        parameter.grad = -change
        self.outer.step()
        parameter.grad = None
        self.reference[part] = parameter.detach()

    def epoch_end(self, metric: float) -> None:
        self.schedule.on_metric(metric)
        ends = self.schedule.phase == "cycling" and self.config.unit == "epochs"
        if ends and self.schedule.phase_at(self.schedule.epoch + 1) != "cycling":
            self.make_equal()
        self.schedule.on_epoch()

    def make_equal(self) -> None:
        """Merge what is under way; then all have the mean model and the mean optimiser state."""
        self._merge()
        self.schedule.drained()
        replicas = [replica for node in self.nodes for replica in node]
        with ExitStack() as stack:
            if self.config.sync_buffers == "average" and len(replicas) > 1:
                for replica in replicas:
                    stack.enter_context(pooled_variances(replica.model))
            mean = torch.stack(self._node_means()).mean(0)
            for replica in replicas:
                replica.assign(mean)
        if self.config.sync_optimizer_state != "never":
            states = [[r.optimizer.state[p] for p in r.flat.parameters] for r in replicas]
            for equal in zip(*states, strict=True):
                for key, value in equal[0].items():
                    if isinstance(value, Tensor) and value.dim():
                        average = torch.stack([state[key] for state in equal]).mean(0)
                        for state in equal:
                            state[key].copy_(average)
        self.reference = self.nodes[0][0].vector()
        for places in self.means.values():
            for means in places:
                for each in means:
                    each.reset()
