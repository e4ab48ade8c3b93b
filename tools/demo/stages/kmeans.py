"""Four kinds of days, by Lloyd's algorithm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import heat_core as ht
from tools.demo.data import STATIONS
from tools.demo.figures import COLOURS, figure, months, to_svg
from tools.demo.series import HOURS
from tools.demo.stage import Checked, Context, Plot, Row, Stage

__all__ = ["KMeans"]

N_CLUSTERS = 4
MAX_ITERATIONS = 100


@dataclass(frozen=True)
class _Found:
    """The labels and the days on rank 0."""

    start: np.ndarray[Any, Any]
    centres: np.ndarray[Any, Any]
    labels: np.ndarray[Any, Any]
    inertia: float
    iterations: int
    days: np.ndarray[Any, Any]


class KMeans(Stage):
    """k-means by array operations, against scikit-learn."""

    name = "kmeans"
    shows = "k-means of the daily profiles by matrix products and argmin on distributed arrays"

    def run(self, context: Context) -> _Found:
        """Lloyd's iterations from one day of every season, until no day changes its cluster."""
        days, comm = context.days, context.comm
        seasons = [(2 * i + 1) * days.shape[0] // (2 * N_CLUSTERS) for i in range(N_CLUSTERS)]
        start = np.stack([days[day].numpy() for day in seasons])
        centres = ht.array(start, comm=comm)
        labels = ht.argmin(_distances(days, centres), axis=1)
        iterations, changed = 0, True
        while changed and iterations < MAX_ITERATIONS:
            centres = _means(days, labels)
            previous, labels = labels, ht.argmin(_distances(days, centres), axis=1)
            changed = not ht.array_equal(labels, previous)
            iterations += 1
        inertia = ht.sum(ht.min(_distances(days, centres), axis=1)) + ht.sum(ht.square(days))
        return _Found(
            start,
            centres.numpy(),
            labels.numpy(root=0),
            float(inertia.item()),
            iterations,
            days.numpy(root=0),
        )

    def check(self, context: Context, found: _Found) -> Checked:  # noqa: ARG002
        """The same start in scikit-learn."""
        from sklearn import cluster

        oracle = cluster.KMeans(N_CLUSTERS, init=found.start, n_init=1, tol=0, algorithm="lloyd")
        oracle.fit(found.days)
        rows = (
            Row(
                "days in each cluster",
                _sizes(found.labels),
                "scikit-learn",
                f"{_sizes(oracle.labels_)}",
                float((found.labels != oracle.labels_).sum()),
            ),
            Row(
                "within-cluster sum of squares",
                f"{found.inertia:.6g} K²",
                "scikit-learn",
                f"{oracle.inertia_:.6g} K²",
                abs(found.inertia / oracle.inertia_ - 1),
                1e-9,
            ),
        )
        return Checked(rows, (_clusters(found),), f"{found.iterations} iterations.")


def _distances(days: ht.DNDarray, centres: ht.DNDarray) -> ht.DNDarray:
    """Squared distances, less the squared length of the day: (days, clusters)."""
    return ht.subtract(ht.sum(ht.square(centres), axis=1), 2.0 * (days @ centres.T))


def _means(days: ht.DNDarray, labels: ht.DNDarray) -> ht.DNDarray:
    """The mean day of every cluster: (clusters, 24 * stations), replicated."""
    clusters = ht.arange(N_CLUSTERS, comm=days.comm)
    member = ht.astype(ht.eq(ht.expand_dims(labels, 1), clusters), ht.float64)
    number = ht.expand_dims(ht.sum(member, axis=0), 1)
    return ht.matmul(member.T, days, out_split=None) / number


def _sizes(labels: np.ndarray[Any, Any]) -> str:
    return ", ".join(str(n) for n in np.bincount(labels, minlength=N_CLUSTERS))


def _clusters(found: _Found) -> Plot:
    drawn, axes = figure(3)
    for cluster, centre in enumerate(found.centres):
        for station, part in enumerate(axes[:2]):
            part.plot(centre[station * HOURS : (station + 1) * HOURS], color=COLOURS[2 + cluster])
    low, high = found.centres.min() - 1, found.centres.max() + 1
    for station, part in enumerate(axes[:2]):
        part.set(title=STATIONS[station].name, xlabel="hour of the day", ylim=(low, high))
        part.set_xticks(range(0, HOURS, 6))
    axes[0].set_ylabel("°C")
    colours = [COLOURS[2 + label] for label in found.labels]
    axes[2].bar(np.arange(len(found.labels)), found.days.mean(1), color=colours, width=1.0)
    months(axes[2], 3)
    axes[2].set_title("mean of both, by day")
    axes[2].margins(x=0)
    return Plot(to_svg(drawn, "kmeans"), "The mean day of each cluster, and the days in it.")
