"""Comparing algorithms: many small networks at once, tables, and how much of a gap is closed."""

from f3.compare.algorithms import ALGORITHMS, Algorithm, make_learner, mlp
from f3.compare.cost import cpu_time, live_memory, operations
from f3.compare.datasets import Samples, load, standardised
from f3.compare.files import Arrays, find
from f3.compare.pipelining import PipelineGain, pipeline_gain
from f3.compare.plots import plot_history, plot_outcomes
from f3.compare.results import Outcome, read_outcomes, table
from f3.compare.runner import Plan, compare
from f3.compare.sweep import Run, Sweep, SweepResult, sweep

__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "Arrays",
    "Outcome",
    "PipelineGain",
    "Plan",
    "Run",
    "Samples",
    "Sweep",
    "SweepResult",
    "compare",
    "cpu_time",
    "find",
    "live_memory",
    "load",
    "make_learner",
    "mlp",
    "operations",
    "pipeline_gain",
    "plot_history",
    "plot_outcomes",
    "read_outcomes",
    "standardised",
    "sweep",
    "table",
]
