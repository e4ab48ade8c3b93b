"""Feed-Forward with delayed Feedback: training of neural networks without backpropagation."""

from f3 import feedback
from f3._version import __version__
from f3.batches import StepResult
from f3.errors import FeedbackError, ModeError, PartitionError, StoreError
from f3.learner import Learner
from f3.partition import Sequential, wrap
from f3.sources import CurrentError, DelayedError, ErrorSource, TargetError, ZeroError
from f3.stores import DenseStore, ErrorStore, HashStore, ScalarStore

__all__ = [
    "CurrentError",
    "DelayedError",
    "DenseStore",
    "ErrorSource",
    "ErrorStore",
    "FeedbackError",
    "HashStore",
    "Learner",
    "ModeError",
    "PartitionError",
    "ScalarStore",
    "Sequential",
    "StepResult",
    "StoreError",
    "TargetError",
    "ZeroError",
    "__version__",
    "feedback",
    "wrap",
]
