"""Plots of results (extra ``propulate[plot]``). Each function returns a matplotlib figure."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from propulate.individual import Individual, Status, Uid
from propulate.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "KINDS",
    "history",
    "importances",
    "lineage",
    "migration",
    "parallel_coordinates",
    "pareto_front",
    "slices",
    "timeline",
]

_COLOURS = {
    Status.COMPLETE: "#3b82f6",
    Status.PRUNED: "#eab308",
    Status.FAILED: "#ec4899",
}


def _axes(height: float = 3.6, columns: int = 1) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(6.4, 2.6 * columns), height), layout="constrained")
    return figure, list(figure.subplots(1, columns, squeeze=False)[0])


def _complete(result: Result) -> list[Individual]:
    found = [ind for ind in result if ind.status == Status.COMPLETE and math.isfinite(ind.loss)]
    if not found:
        raise ValueError("there is nothing to draw: no evaluation is complete")
    return found


def history(result: Result, *, by: str = "evaluation") -> Figure:
    """Losses and the best one so far, by number of evaluations or by time.

    Parameters
    ----------
    result : Result
    by : {"evaluation", "time"}
    """
    if by not in {"evaluation", "time"}:
        raise ValueError(f"by must be evaluation or time, got {by!r}")
    found = sorted(_complete(result), key=lambda ind: ind.evaltime + ind.evalperiod)
    losses = np.array([ind.loss for ind in found])
    better = np.minimum if result.signs[0] > 0 else np.maximum
    x: Any = np.arange(1, len(found) + 1)
    if by == "time":
        start = min(ind.evaltime for ind in result)
        x = np.array([ind.evaltime + ind.evalperiod - start for ind in found])
    figure, (axes,) = _axes()
    axes.plot(x, losses, ".", ms=3, alpha=0.4, color=_COLOURS[Status.COMPLETE])
    axes.step(x, better.accumulate(losses), where="post", color="#f97316", label="best so far")
    axes.set(xlabel="evaluations" if by == "evaluation" else "time / s", ylabel="loss")
    if (losses > 0).all() and losses.max() > 100 * losses.min():
        axes.set_yscale("log")
    axes.legend()
    return figure


def slices(result: Result) -> Figure:
    """The loss over each parameter on its own."""
    found, names = _complete(result), result.space.names
    figure, all_axes = _axes(columns=len(names))
    for name, axes in zip(names, all_axes, strict=True):
        points = [(ind[name], ind.loss) for ind in found if name in ind]
        values = [value for value, _ in points]
        _plot_values(axes, result, name, values, [loss for _, loss in points])
        axes.set_xlabel(name)
    all_axes[0].set_ylabel("loss")
    return figure


def _plot_values(axes: Axes, result: Result, name: str, values: list[Any], losses: Any) -> None:
    parameter = result.space.parameters[name]
    if not parameter.ordered or not all(isinstance(value, int | float) for value in values):
        values = [str(value) for value in values]
    elif getattr(parameter, "log", False):
        axes.set_xscale("log")
    axes.plot(values, losses, ".", ms=3, alpha=0.5, color=_COLOURS[Status.COMPLETE])


def parallel_coordinates(result: Result, n: int = 200) -> Figure:
    """The best `n` individuals as lines across all parameters, coloured by rank."""
    import matplotlib as mpl

    ranked = sorted(_complete(result), key=lambda ind: ind.loss * result.signs[0])[:n]
    space = result.space
    figure, (axes,) = _axes()
    colours = mpl.colormaps["viridis"](np.linspace(1, 0, len(ranked)))
    for ind, colour in zip(reversed(ranked), colours[::-1], strict=True):
        unit = [u if name in ind else np.nan for name, u in zip(space.names, ind.unit, strict=True)]
        axes.plot(unit, color=colour, lw=0.8, alpha=0.7)
    axes.set_xticks(range(space.n), space.names, rotation=30)
    axes.set(ylim=(-0.02, 1.02), ylabel="position in its range")
    axes.set_title(f"the best {len(ranked)}, brightest last", fontsize=9)
    return figure


def importances(result: Result) -> Figure:
    """Shares of the parameters in what explains the loss."""
    _complete(result)
    shares = result.importances()
    figure, (axes,) = _axes(1 + 0.3 * len(shares))
    axes.barh(list(shares)[::-1], list(shares.values())[::-1], color=_COLOURS[Status.COMPLETE])
    axes.set_xlabel("share of what single parameters explain")
    return figure


def timeline(result: Result) -> Figure:
    """What each worker did when: evaluations as bars, coloured by what became of them."""
    individuals = [ind for ind in result if ind.evaltime]
    if not individuals:
        raise ValueError("there is nothing to draw: no evaluation has begun")
    start = min(ind.evaltime for ind in individuals)
    places = sorted({ind.uid[:2] for ind in individuals})
    figure, (axes,) = _axes(1.2 + 0.25 * len(places))
    for status, colour in _COLOURS.items():
        for row, place in enumerate(places):
            bars = [
                (ind.evaltime - start, ind.evalperiod)
                for ind in individuals
                if ind.status == status and ind.uid[:2] == place
            ]
            label = status.name.lower() if row == 0 else None
            axes.broken_barh(bars, (row - 0.4, 0.8), color=colour, lw=0, label=label)
    axes.set_yticks(range(len(places)), [f"{island}-{worker}" for island, worker in places])
    axes.set(xlabel="time / s", ylabel="island-worker")
    axes.legend(fontsize=8)
    return figure


def lineage(result: Result) -> Figure:
    """The ancestors of the best individual, as far as their propagators recorded parents."""
    best = result.best
    if best is None:
        raise ValueError("there is nothing to draw: no evaluation is complete")
    known = {ind.uid: ind for ind in result}
    queue, seen, edges = [best.uid], {best.uid}, []
    while queue:
        uid = queue.pop()
        for parent in known[uid].parents:
            if parent in known:
                edges.append((parent, uid))
                if parent not in seen:
                    seen.add(parent)
                    queue.append(parent)
    figure, (axes,) = _axes()

    def place(uid: Uid) -> tuple[float, float]:
        return known[uid].evaltime - min(ind.evaltime for ind in known.values()), known[uid].loss

    for parent, child in edges:
        (x0, y0), (x1, y1) = place(parent), place(child)
        axes.plot([x0, x1], [y0, y1], "-", lw=0.6, color="grey", alpha=0.6)
    for uid in seen:
        axes.plot(*place(uid), "o", ms=3, color=_COLOURS[Status.COMPLETE])
    axes.plot(*place(best.uid), "*", ms=12, color="#f97316", label="best")
    axes.set(xlabel="start of the evaluation / s", ylabel="loss")
    axes.legend()
    return figure


def migration(result: Result) -> Figure:
    """How many individuals of each island's origin have visited which other islands."""
    islands = 1 + max((ind.uid.island for ind in result), default=0)
    counts = np.zeros((islands, islands), int)
    for ind in result:
        route = [*ind.migration_history]
        for origin, through in pairwise(route):
            counts[origin, through] += 1
        if route:
            counts[ind.uid.island, ind.uid.island] += 1
    figure, (axes,) = _axes()
    image = axes.imshow(counts, cmap="Blues")
    axes.set(xlabel="to island", ylabel="from island", title="on the diagonal: sent away at all")
    figure.colorbar(image, label="individuals")
    return figure


def pareto_front(result: Result) -> Figure:
    """All complete individuals in the plane of the first two objectives, and the front."""
    if len(result.signs) < 2:
        raise ValueError("there is one objective; history() shows it")
    points = np.array([ind.losses for ind in _complete(result)])
    front = np.array([ind.losses for ind in result.pareto_front])
    front = front[np.argsort(front[:, 0])]
    figure, (axes,) = _axes()
    axes.plot(points[:, 0], points[:, 1], ".", ms=3, alpha=0.3, color=_COLOURS[Status.COMPLETE])
    axes.plot(front[:, 0], front[:, 1], "o-", ms=4, color="#f97316", label="front")
    axes.set(xlabel="first objective", ylabel="second objective")
    axes.legend()
    return figure


KINDS = {
    "history": history,
    "importances": importances,
    "lineage": lineage,
    "migration": migration,
    "parallel": parallel_coordinates,
    "pareto": pareto_front,
    "slices": slices,
    "timeline": timeline,
}
