"""Principal components of the days of a year."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import heat_core as ht
from tools.demo.data import STATIONS
from tools.demo.figures import COLOURS, figure, months, to_svg
from tools.demo.series import HOURS
from tools.demo.stage import Checked, Context, Plot, Row, Stage

__all__ = ["PCA"]

N_COMPONENTS = 3


@dataclass(frozen=True)
class _Found:
    """As in scikit-learn; the scores and the days on rank 0."""

    ratio: np.ndarray[Any, Any]
    components: np.ndarray[Any, Any]
    scores: np.ndarray[Any, Any]
    days: np.ndarray[Any, Any]


class PCA(Stage):
    """Principal components by the covariance matrix, against scikit-learn."""

    name = "pca"
    shows = "principal components of the daily profiles: covariance, small eigenproblem, product"

    def run(self, context: Context) -> _Found:
        """The covariance is summed over the ranks, the small eigenproblem solved on one."""
        days, comm = context.days, context.comm
        covariance = ht.cov(days, rowvar=False).larray
        values, vectors = torch.linalg.eigh(covariance)
        components = vectors.flip(1)[:, :N_COMPONENTS].contiguous()
        # eigenvectors of another machine may differ in their last bits
        components = ht.array(comm.bcast(_with_sign(components), 0), comm=comm)
        scores = (days - ht.mean(days, axis=0)) @ components
        ratio = values.flip(0)[:N_COMPONENTS] / values.sum()
        return _Found(ratio.numpy(), components.numpy().T, scores.numpy(root=0), days.numpy(root=0))

    def check(self, context: Context, found: _Found) -> Checked:  # noqa: ARG002
        """The same by a singular value decomposition in scikit-learn."""
        from sklearn import decomposition

        oracle = decomposition.PCA(N_COMPONENTS, svd_solver="full").fit(found.days)
        sign = np.sign((oracle.components_ * found.components).sum(1))
        scores = oracle.transform(found.days) * sign
        expected = oracle.explained_variance_ratio_
        size = float(np.abs(scores).max())
        rows = (
            Row(
                f"variance of {N_COMPONENTS} components",
                _percent(found.ratio),
                "scikit-learn",
                f"{_percent(expected)}",
                float(np.abs(found.ratio - expected).max()),
                1e-10,
            ),
            Row(
                "scores of all days",
                f"up to {np.abs(found.scores).max():.4f}",
                "scikit-learn",
                f"up to {size:.4f}",
                float(np.abs(found.scores - scores).max()),
                1e-8,
            ),
        )
        return Checked(rows, (_components(found),))


def _with_sign(vectors: torch.Tensor) -> torch.Tensor:
    """Columns whose largest entry is positive."""
    largest = vectors.abs().argmax(0, keepdim=True)
    return vectors * vectors.gather(0, largest).sign()


def _percent(ratio: np.ndarray[Any, Any]) -> str:
    return " + ".join(f"{100 * part:.3f}" for part in ratio) + " %"


def _components(found: _Found) -> Plot:
    drawn, (left, right) = figure(2)
    for index in range(N_COMPONENTS):
        colour = COLOURS[2 + index]
        for station in range(len(STATIONS)):
            part = found.components[index, station * HOURS : (station + 1) * HOURS]
            name = f"component {index + 1}" if station == 0 else None
            left.plot(part, color=colour, ls="-" if station == 0 else "--", label=name)
        right.plot(found.scores[:, index], color=colour)
    left.set(xlabel="hour of the day", xticks=range(0, HOURS, 6))
    left.legend(fontsize=8)
    months(right, 2)
    right.set_ylabel("score")
    right.margins(x=0)
    caption = "Components (Seattle solid, San Francisco dashed), and their scores over the year."
    return Plot(to_svg(drawn, "pca"), caption)
