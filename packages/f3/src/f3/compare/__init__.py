"""Comparing algorithms: many small networks at once."""

from f3.compare.algorithms import ALGORITHMS, Algorithm, make_learner, mlp
from f3.compare.sweep import Run, Sweep, SweepResult, sweep

__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "Run",
    "Sweep",
    "SweepResult",
    "make_learner",
    "mlp",
    "sweep",
]
