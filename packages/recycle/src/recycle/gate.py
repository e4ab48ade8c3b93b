"""How much each candidate is trusted: weights from held-out errors."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recycle.windows import Array

__all__ = ["Gate", "blend", "fit_gate", "horizon_blocks", "simplex_weights"]

#: Held-out cycles at which a series' own weights count as much as those of all series.
SHRINKAGE = 50.0
#: Candidates that are learnt.
HEADS = ("ridge", "net")
#: How far the heads' weights are moved to equal ones.
EQUAL = 0.5


@dataclass(frozen=True)
class Gate:
    """Weights of the candidates.

    Attributes
    ----------
    names : tuple of str
        Candidates, from the simplest to the most complex.
    blocks : tuple of int
        Where blocks of the horizon end.
    weights : (S, n_blocks, n_candidates)
        Non-negative, of sum one.
    losses : (n_blocks, n_candidates)
        Held-out mean squared errors over all series.
    """

    names: tuple[str, ...]
    blocks: tuple[int, ...]
    weights: Array
    losses: Array

    def among(self, names: Sequence[str]) -> Gate:
        """The same weights among more candidates, which get none."""
        columns = [list(names).index(name) for name in self.names]
        weights = np.zeros((*self.weights.shape[:2], len(names)))
        losses = np.full((len(self.losses), len(names)), np.nan)
        weights[:, :, columns], losses[:, columns] = self.weights, self.losses
        return Gate(tuple(names), self.blocks, weights, losses)

    def steps(self, series: int, horizon: int) -> Array:
        """The weights at each step of the horizon: ``(n_candidates, horizon)``."""
        lengths = np.diff([0, *self.blocks])
        found: Array = np.repeat(self.weights[series], lengths, axis=0)[:horizon].T
        return found


def horizon_blocks(horizon: int, period: int) -> tuple[int, ...]:
    """Ends of the blocks: first cycle, second and third, the rest."""
    ends = [min(period, horizon), min(3 * period, horizon), horizon]
    return tuple(sorted(set(ends)))


def blend(weights: Array, candidates: Array) -> Array:
    """Weighted sum: ``(K, H), (K, n, H) -> (n, H)``. Candidates without weight may be NaN."""
    used = np.flatnonzero(weights.any(axis=1))
    return np.asarray(np.einsum("kh,knh->nh", weights[used], candidates[used]))


def simplex_weights(products: Array) -> Array:
    """Minimise wᵀ Q w over non-negative weights of sum one.

    Exact: the optimum is the equality-constrained solution on one of the 2^K - 1 supports.

    Parameters
    ----------
    products : (K, K)
        Q, mean products of errors of the candidates.
    """
    count = len(products)
    scale = float(np.trace(products)) / count
    if not scale > 0:
        return np.asarray(np.eye(count)[0])  # nobody errs: the simplest
    regular = products / scale + 1e-9 * np.eye(count)
    best: Array = np.eye(count)[0]
    best_loss = np.inf
    for size in range(1, count + 1):
        for support in itertools.combinations(range(count), size):
            solution = np.linalg.solve(regular[np.ix_(support, support)], np.ones(size))
            if solution.min() < 0:
                continue
            weights = np.zeros(count)
            weights[list(support)] = solution / solution.sum()
            loss = float(weights @ regular @ weights)
            if loss < best_loss * (1 - 1e-9):
                best, best_loss = weights, loss
    return best


def fit_gate(
    errors: Array,
    series: Array,
    n_series: int,
    names: Sequence[str],
    blocks: Sequence[int],
    rule: str = "blend",
    cycles: float = SHRINKAGE,
    independent: float = 1.0,
    loss: str = "mse",
) -> Gate:
    """Weigh candidates by their held-out errors.

    Parameters
    ----------
    errors : (K, n, H)
        Forecast minus truth of each candidate, NaN where the truth is missing.
    series : (n,) int
    n_series : int
    names, blocks : sequences
        As in `Gate`.
    rule : str
        "blend": least-squares weights, for each block, own weights of a series shrunk to those of
        all, the shares of the heads shrunk to equal ones, and all of them towards the profile where
        absolute errors would be larger than its. "select": the simplest candidate
        within one standard error of the best. "none": the last candidate.
    cycles : float
        Held-out cycles of each series, for the shrinkage.
    independent : float
        How many of the windows do not overlap, for the standard error.
    loss : str
        "mse", or "mae": what weights of "blend" make small.
    """
    if rule not in {"blend", "select", "none"}:
        raise ValueError(f"gate must be 'blend', 'select' or 'none', not {rule!r}")
    count = len(names)
    edges = [0, *blocks]
    weights = np.zeros((n_series, len(blocks), count))
    losses = np.full((len(blocks), count), np.nan)
    for block, (start, stop) in enumerate(itertools.pairwise(edges)):
        part = errors[:, :, start:stop]
        known: Array = np.asarray(np.isfinite(part).all(axis=0))
        clean = np.where(known, part, 0.0)
        size = np.maximum(known.sum(axis=1), 1)
        if not known.any():
            weights[:, block, 0] = 1.0
            continue
        window_losses = (clean**2).sum(axis=2) / size
        losses[block] = (clean**2).sum(axis=(1, 2)) / known.sum()
        if rule == "none":
            weights[:, block, -1] = 1.0
        elif rule == "select":
            weights[:, block, _simplest(window_losses, independent)] = 1.0
        else:
            found = _blend_weights(clean, known, series, n_series, cycles, loss)
            found = _shared(found, [name in HEADS for name in names])
            weights[:, block] = _guarded(found, clean, series, list(names))
    return Gate(tuple(names), tuple(blocks), weights, losses)


def _shared(weights: Array, heads: Sequence[bool]) -> Array:
    """Move the heads' weights half-way to equal ones; their sum, and all others, stay.

    Weights that were fitted to a short time do worse later than equal ones as a rule (Diebold and
    Pauly: The use of prior information in forecast combination, 1990).

    Parameters
    ----------
    weights : (S, K)
    heads : (K,) bool
    """
    mask = np.asarray(heads)
    mean = np.where(mask, weights, 0.0).sum(axis=1, keepdims=True) / max(int(mask.sum()), 1)
    return np.asarray(np.where(mask, (1 - EQUAL) * weights + EQUAL * mean, weights))


def _guarded(weights: Array, errors: Array, series: Array, names: Sequence[str]) -> Array:
    """Move weights to the profile's, as far as absolute errors would otherwise be larger than its.

    Least squares follow large errors; where a few of them rule, forecasts of least squares may have
    larger absolute errors than the profile, which must not surprise.

    Parameters
    ----------
    weights : (S, K)
    errors : (K, n, h)
        Zero where unknown.
    series : (n,) int
    names : sequence of str
    """
    safe = names.index("profile") if "profile" in names else 0
    alone = np.eye(len(names))[safe]
    found = weights.copy()
    for one in np.unique(series).tolist():
        part = errors[:, series == one]
        mixed, base = np.einsum("k,knh->nh", weights[one], part), part[safe]
        limit = np.abs(base).sum() * (1 + 1e-9)
        share = next(
            share
            for share in np.linspace(1.0, 0.0, 11)
            if share == 0 or np.abs(share * mixed + (1 - share) * base).sum() <= limit
        )
        found[one] = share * weights[one] + (1 - share) * alone
    return found


def _simplest(window_losses: Array, independent: float) -> int:
    means = window_losses.mean(axis=1)
    best = int(np.argmin(means))
    spread = (window_losses - window_losses[best]).std(axis=1) / np.sqrt(max(independent, 1.0))
    return int(np.flatnonzero(means <= means[best] + spread)[0])


def _blend_weights(
    errors: Array, known: Array, series: Array, n_series: int, cycles: float, loss: str
) -> Array:
    common = _best_weights(errors, known, loss)
    weights = np.tile(common, (n_series, 1))
    if n_series == 1:
        return weights
    share = cycles / (cycles + SHRINKAGE)
    for one in range(n_series):
        rows = series == one
        if known[rows].any():
            own = _best_weights(errors[:, rows], known[rows], loss)
            weights[one] = share * own + (1 - share) * common
    return weights


def _best_weights(errors: Array, known: Array, loss: str) -> Array:
    """Simplex weights of least squared or absolute errors: ``(K, n, h), (n, h) -> (K,)``."""
    weights = simplex_weights(np.einsum("knh,jnh->kj", errors, errors) / known.sum())
    for _ in range(5 if loss == "mae" else 0):  # reweighted least squares
        error = np.abs(np.einsum("k,knh->nh", weights, errors))
        scaled = errors / np.sqrt(np.maximum(error, 1e-3))
        weights = simplex_weights(np.einsum("knh,jnh->kj", scaled, scaled) / known.sum())
    return weights
