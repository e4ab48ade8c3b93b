"""First centres of k-means: k-means++ and k-means||.

All ranks draw the same random numbers, and places are found in global cumulative sums: the same
seed gives the same centres on any number of ranks.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from heat_core.cluster.lloyd import accumulate, assign, squared_distances
from heat_core.layout import replicated_layout
from heat_core.random import Generator
from heat_core.samples import Samples

__all__ = ["greedy_plus_plus", "random_rows", "scalable_plus_plus"]

_MAX_ROUNDS = 8


def random_rows(samples: Samples, k: int, rng: Generator) -> torch.Tensor:
    """Different samples, each as probable as any other, (k, d). Collective."""
    numbers = rng.choice(samples.n, k, replace=False, comm=samples.comm)
    return samples.rows(numbers.larray.tolist())


def _ones(samples: Samples, weights: torch.Tensor | None) -> torch.Tensor:
    return samples.local.new_ones(len(samples.local)) if weights is None else weights


def _picked(samples: Samples, masses: torch.Tensor, uniform: list[float]) -> torch.Tensor:
    """Samples with a probability proportional to their mass, (len(uniform), d). Two messages."""
    cumulative = masses.double().cumsum(0)
    own = cumulative[-1:] if len(cumulative) else cumulative.new_zeros(1)
    totals = samples.comm.allgather(own)[:, 0] if samples.is_distributed else own
    ends = totals.cumsum(0)
    rank = samples.comm.rank if samples.is_distributed else 0
    wanted = ends.new_tensor(uniform) * ends[-1]
    # The first rank whose samples reach a wanted mass holds the sample.
    owners = torch.searchsorted(ends, wanted, right=True).clamp_(max=_last_with_mass(totals))
    picked = samples.local.new_zeros(len(uniform), samples.d)
    for place, (owner, mass) in enumerate(zip(owners.tolist(), wanted, strict=True)):
        if owner == rank:
            before = ends[rank] - totals[rank]
            row = int(torch.searchsorted(cumulative, mass - before, right=True))
            picked[place] = samples.local[min(row, len(samples.local) - 1)]
    if samples.is_distributed:
        samples.comm.allreduce(picked, "sum", out=picked)
    return picked


def _last_with_mass(totals: torch.Tensor) -> int:
    """The last rank that has any mass, or else any rank."""
    holders = totals.nonzero()
    return int(holders[-1]) if len(holders) else 0


def greedy_plus_plus(
    samples: Samples, k: int, rng: np.random.Generator, weights: torch.Tensor | None
) -> torch.Tensor:
    """k-means++, (k, d): far samples are probable, and of a few the best is taken. Collective.

    Arthur and Vassilvitskii, "k-means++: the advantages of careful seeding" (2007), with the
    2 + ln k candidates for each centre that they propose in the conclusion.
    """
    n_trials = 2 + int(math.log(k))
    mass = _ones(samples, weights)
    centres = samples.local.new_empty(k, samples.d)
    centres[:1] = _picked(samples, mass, [rng.random()])
    closest = squared_distances(samples.local, centres[:1])[0]
    for number in range(1, k):
        trials = _picked(samples, closest * mass, rng.random(n_trials).tolist())
        candidates = torch.minimum(squared_distances(samples.local, trials), closest)
        (costs,) = samples.sum(candidates.double() @ mass.double())
        best = int(costs.argmin())
        centres[number], closest = trials[best], candidates[best]
    return centres


def scalable_plus_plus(
    samples: Samples,
    k: int,
    rng: Generator,
    weights: torch.Tensor | None,
    *,
    oversampling: float,
    iter_multiplier: float,
) -> torch.Tensor:
    """k-means||, (k, d): many candidates in few rounds, clustered in turn. Collective.

    Bahmani et al., "Scalable k-means++" (2012), algorithm 2. Memory of O(candidates * d).
    """
    mass = _ones(samples, weights)
    candidates = _picked(samples, mass, [rng.bits().random()])
    closest = squared_distances(samples.local, candidates)[0]
    (cost,) = samples.sum((closest * mass).sum())
    rounds = max(1, round(iter_multiplier * math.log(max(math.e, float(cost)))))
    for _ in range(min(rounds, _MAX_ROUNDS)):
        if float(cost) == 0:
            break
        uniform = rng.random((samples.n,), "float64", comm=samples.comm, split=samples.layout.split)
        draws = samples.beside(uniform, "draws")
        probable = (closest * mass).double() * (oversampling * k / float(cost))
        chosen = samples.local[draws < probable]
        if samples.is_distributed:
            chosen = samples.comm.allgatherv(chosen)
        candidates = torch.cat((candidates, chosen))
        if len(chosen):
            _, distances = assign(samples.local, chosen)
            closest = torch.minimum(closest, distances)
        (cost,) = samples.sum((closest * mass).sum())
    found = accumulate(samples.local, candidates, weights)
    (sizes,) = samples.sum(found.weights)
    return _reclustered(samples, candidates, sizes.to(mass.dtype), k, rng.bits())


def _reclustered(
    samples: Samples,
    candidates: torch.Tensor,
    sizes: torch.Tensor,
    k: int,
    rng: np.random.Generator,
) -> torch.Tensor:
    """Centres of weighted candidates, which every rank has."""
    if len(candidates) < k:  # fewer different samples than centres
        repeats = torch.arange(k, device=candidates.device) % len(candidates)
        return candidates[repeats]
    table = Samples(candidates, replicated_layout(tuple(candidates.shape)), samples.comm)
    centres = greedy_plus_plus(table, k, rng, sizes)
    for _ in range(20):
        found = accumulate(candidates, centres, sizes)
        moved = found.sums / found.weights.unsqueeze(1)
        centres = torch.where(found.weights.unsqueeze(1) > 0, moved, centres.double()).to(
            centres.dtype
        )
    return centres
