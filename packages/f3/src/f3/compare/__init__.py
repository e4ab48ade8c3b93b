"""Comparing algorithms: many small networks at once, tables, and how much of a gap is closed."""

from f3.compare.algorithms import ALGORITHMS, Algorithm, make_learner, mlp
from f3.compare.datasets import Samples, load
from f3.compare.plots import plot_history, plot_outcomes
from f3.compare.results import Outcome, read_outcomes, table
from f3.compare.runner import Plan, compare
from f3.compare.sweep import Run, Sweep, SweepResult, sweep

__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "Outcome",
    "Plan",
    "Run",
    "Samples",
    "Sweep",
    "SweepResult",
    "compare",
    "load",
    "make_learner",
    "mlp",
    "plot_history",
    "plot_outcomes",
    "read_outcomes",
    "sweep",
    "table",
]
