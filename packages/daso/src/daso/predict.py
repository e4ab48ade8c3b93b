"""How long steps will take, on up to thousands of nodes, with and without DASO.

``python -m daso.predict`` prints a table and, with ``--plot FILE``, draws it; see ``--help``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Link", "Prediction", "Training", "allreduce_seconds", "predict", "recommend"]


@dataclass(frozen=True)
class Link:
    """A network, by what an all-reduce costs on it.

    Attributes
    ----------
    latency_s : float
        Of one message (alpha).
    seconds_per_byte : float
        Of one link (beta).
    """

    latency_s: float
    seconds_per_byte: float

    @classmethod
    def of(cls, gbit_s: float, latency_s: float = 0.0) -> Link:
        """A link of so many Gbit/s."""
        return cls(latency_s, 8e-9 / gbit_s)


@dataclass(frozen=True)
class Training:
    """What is trained, and where.

    Attributes
    ----------
    compute_s : float
        Mean computing time of a step.
    variation : float
        Its coefficient of variation from step to step and rank to rank.
    parameters : int
    local, cross : Link
        Inside a node, and between nodes (of one adapter).
    ranks : int
        On each node.
    adapters : int
        Of each node; stripes use all of them.
    wire_bytes : float
        Of a number between the nodes, in a synchronisation of parameters.
    overlap : float
        Share of the computing time behind which gradients can travel.
    per_sync_s : float
        Computing time that a synchronisation costs by itself, for copies and codes.
    """

    compute_s: float
    parameters: int
    local: Link
    cross: Link
    variation: float = 0.05
    ranks: int = 4
    adapters: int = 1
    wire_bytes: float = 4.0
    overlap: float = 0.6
    per_sync_s: float = 0.0


@dataclass(frozen=True)
class Prediction:
    """Times of a step, mean over the run.

    Attributes
    ----------
    step_s : float
    exposed_s : float
        Waiting for the network between the nodes.
    sync_s : float
        From sending to the result.
    floor_s : float
        A step without any network between the nodes.
    """

    step_s: float
    exposed_s: float
    sync_s: float
    floor_s: float


def allreduce_seconds(
    size: int, nbytes: float, link: Link, algorithm: Literal["ring", "halving"] = "halving"
) -> float:
    """Seconds of an all-reduce.

    Ring: ``2 (p-1)/p n beta + 2 (p-1) alpha``. Recursive halving and doubling (Rabenseifner):
    ``2 (p-1)/p n beta + 2 ceil(log2 p) alpha``. Thakur et al., IJHPCA 19 (2005).

    Parameters
    ----------
    size : int
        Ranks p.
    nbytes : float
        Of the whole vector, n.
    link : Link
    algorithm : {"ring", "halving"}
    """
    if size < 2:
        return 0.0
    messages = 2 * (size - 1) if algorithm == "ring" else 2 * int(np.ceil(np.log2(size)))
    return 2 * (size - 1) / size * nbytes * link.seconds_per_byte + messages * link.latency_s


def predict(
    training: Training,
    nodes: int,
    method: Literal["ddp", "daso", "local_sgd"] = "daso",
    *,
    every: int = 4,
    wait: int = 1,
    steps: int = 400,
    seed: int = 0,
) -> Prediction:
    """Simulate the clocks of all nodes.

    Parameters
    ----------
    training : Training
    nodes : int
    method : {"ddp", "daso", "local_sgd"}
        ``"ddp"``: gradients over all ranks in each step. ``"local_sgd"``: parameters every
        `every` steps, blocking.
    every, wait : int
        B and W.
    steps : int
    seed : int
    """
    rng = np.random.default_rng(seed)
    compute = _node_times(training, nodes, steps, rng)
    local = allreduce_seconds(training.ranks, 4.0 * training.parameters, training.local)
    exposed_local = max(0.0, local - training.overlap * training.compute_s)
    if method == "ddp":
        flat = 4.0 * training.parameters / training.adapters
        crossing = allreduce_seconds(nodes * training.ranks, flat, training.cross, "ring")
        if nodes == 1:
            crossing = 0.0
        hidden = training.overlap * training.compute_s
        exposed = max(0.0, local + crossing - hidden) if nodes > 1 else exposed_local
        slowest = float(compute.max(1).mean())
        return Prediction(slowest + exposed, exposed, crossing, slowest + exposed_local)
    wire = training.wire_bytes * training.parameters / training.adapters
    sync = allreduce_seconds(nodes, wire, training.cross)
    spread = allreduce_seconds(training.ranks, 4.0 * training.parameters, training.local) / 2
    wait = 0 if method == "local_sgd" else wait
    clock, waits = _run(compute + exposed_local, every, wait, sync, spread + training.per_sync_s)
    floor = float((compute + exposed_local).mean())
    return Prediction(float(clock.max()) / steps, float(waits.mean()) / steps, sync, floor)


def _node_times(
    training: Training, nodes: int, steps: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Computing time of each node in each step, (steps, nodes): the slowest of its ranks."""
    if training.variation == 0:
        return np.full((steps, nodes), training.compute_s)
    sigma = np.sqrt(np.log1p(training.variation**2))
    slowest = np.zeros((steps, nodes))
    for _ in range(training.ranks):
        slowest = np.maximum(slowest, rng.lognormal(-(sigma**2) / 2, sigma, (steps, nodes)))
    return np.asarray(training.compute_s * slowest)


def _run(
    times: NDArray[np.float64], every: int, wait: int, sync: float, merge: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Clocks and exposed waits of the nodes, with merges before sends as in `Schedule`."""
    clock, waits = np.zeros(times.shape[1]), np.zeros(times.shape[1])
    last, due, done = -1, -1, 0.0
    for step, computed in enumerate(times):
        clock = clock + computed
        if due == step:
            arrival = np.maximum(clock, done)
            waits += arrival - clock
            clock, due = arrival + merge, -1
        if due < 0 and step - last >= every:
            last, done = step, float(clock.max()) + sync
            due = step + wait
            if wait == 0:
                waits += done - clock
                clock, due = np.full_like(clock, done + merge), -1
    return clock, waits


def recommend(training: Training, nodes: int, *, most: int = 64) -> tuple[int, int]:
    """B and W that hide the network, as the automatic schedule would choose them."""
    sync = predict(training, nodes, steps=1).sync_s
    step = float(_node_times(training, nodes, 50, np.random.default_rng(0)).mean())
    wait = int(np.clip(np.ceil(1.2 * sync / step), 1, most))
    return wait, wait


def table(training: Training, sizes: list[int], every: int, wait: int) -> list[dict[str, float]]:
    """One row a number of nodes: seconds of a step, and what is saved."""
    rows = []
    striped = replace(training, adapters=max(training.adapters, 1))
    for nodes in sizes:
        ddp = predict(training, nodes, "ddp")
        own = predict(striped, nodes, every=every, wait=wait)
        blocking = predict(striped, nodes, "local_sgd", every=every)
        best = recommend(striped, nodes)
        rows.append(
            {
                "nodes": nodes,
                "DDP ms": 1e3 * ddp.step_s,
                "local SGD ms": 1e3 * blocking.step_s,
                "DASO ms": 1e3 * own.step_s,
                "exposed ms": 1e3 * own.exposed_s,
                "floor ms": 1e3 * own.floor_s,
                "less than DDP %": 100 * (1 - own.step_s / ddp.step_s),
                "recommended B=W": best[0],
            }
        )
    return rows


if __name__ == "__main__":
    import sys

    from daso.predict_command import main

    sys.exit(main())
