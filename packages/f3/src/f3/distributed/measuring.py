"""How long blocks take."""

from __future__ import annotations

import copy
import time
from typing import TYPE_CHECKING

from f3.batches import Batch
from f3.blocks import TrainedBlock

if TYPE_CHECKING:
    from f3.learner import Learner

__all__ = ["block_costs"]

ROUNDS = 3


def block_costs(learner: Learner, batch: Batch) -> list[float]:
    """Seconds of forward pass and local gradients for each block, on copies of them.

    The least of some rounds counts, as the one with the least disturbance.
    """
    source = learner.source
    signal = source.read(batch.index, batch.targets)
    h, costs = batch.x, []
    for block in learner.blocks:
        twin = TrainedBlock(copy.deepcopy(block.module), block.number, block.settings)
        twin.projection, twin.tap, twin.tap_axes = block.projection, block.tap, block.tap_axes
        twin.prepare()
        least = float("inf")
        for _ in range(ROUNDS):
            start = time.perf_counter()
            out, tape = twin.forward(h, 0)
            if tape is not None:
                if twin.projection is not None and signal is not None:
                    tape(twin.pseudo_gradient(signal, len(batch)))
                elif twin.projection is None:
                    tape(out.clone())
            least = min(least, time.perf_counter() - start)
        costs.append(least)
        h = out
    return costs
