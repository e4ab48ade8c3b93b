"""What a training step costs beside backpropagation: live memory, operations, CPU time.

Chains of dense blocks with tanh and ten classes, trained by Adam. Live memory is the peak of what
a step allocates and has not yet freed: activations, gradients and temporaries, without parameters,
optimiser state and stored errors.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from f3.diagnostics import LiveMemory
from f3.learner import Learner
from f3.partition import Sequential
from f3.sources import CurrentError, DelayedError

__all__ = ["WAYS", "chain", "cpu_time", "live_memory", "operations"]

#: ways of training, those of `ALGORITHMS` that differ in what a step costs
WAYS = ("bp", "dfa", "f3", "f3-onehot")


def chain(way: str, depth: int, width: int, num_samples: int) -> Learner:
    """A learner of `depth` blocks and a head, with the same weights for all ways."""
    generator_state = torch.get_rng_state()
    torch.manual_seed(0)
    blocks = [nn.Sequential(nn.Linear(width, width), nn.Tanh()) for _ in range(depth)]
    model = Sequential(*blocks, nn.Linear(width, 10))
    torch.set_rng_state(generator_state)
    sources = {
        "dfa": CurrentError(),
        "f3": DelayedError(num_samples),
        "f3-onehot": DelayedError(num_samples, one_hot=True),
    }
    return Learner(
        model,
        loss=nn.CrossEntropyLoss(),
        error=sources.get(way),
        mode="bp" if way == "bp" else "in_forward",
        optimizer=lambda parameters: torch.optim.Adam(parameters, lr=1e-4, fused=True),
    )


def _step(way: str, depth: int, width: int, batch: int) -> Callable[[], object]:
    """A training step that has run once."""
    learner = chain(way, depth, width, batch)
    x, t = torch.randn(batch, width), torch.randint(10, (batch,))
    ids = torch.arange(batch)

    def step() -> object:
        return learner.step(x, t, ids)

    step()
    return step


def live_memory(depth: int, width: int, batch: int, ways: Sequence[str] = WAYS) -> dict[str, float]:
    """Peak of live memory of a step in bytes, by way."""
    peaks = {}
    for way in ways:
        step = _step(way, depth, width, batch)
        with LiveMemory() as live:
            step()
        peaks[way] = float(live.peak)
    return peaks


def operations(depth: int, width: int, batch: int, ways: Sequence[str] = WAYS) -> dict[str, float]:
    """Floating point operations of a step, by way, as torch counts them."""
    counts = {}
    for way in ways:
        step = _step(way, depth, width, batch)
        with FlopCounterMode(display=False) as counter:
            step()
        counts[way] = float(counter.get_total_flops())
    return counts


def cpu_time(
    depth: int, width: int, batch: int, rounds: int = 5, ways: Sequence[str] = WAYS
) -> dict[str, float]:
    """CPU time of a step as a share of backpropagation's, by way.

    The ways take turns, and the median of the rounds counts. The time is the whole process's, so
    set torch's number of threads to what is to be compared.
    """
    steps = {way: _step(way, depth, width, batch) for way in dict.fromkeys(("bp", *ways))}
    shares: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        spent = {}
        for way, step in steps.items():
            start = time.process_time()
            step()
            spent[way] = time.process_time() - start
        for way in ways:
            shares[way].append(spent[way] / spent["bp"])
    return {way: statistics.median(values) for way, values in shares.items()}
