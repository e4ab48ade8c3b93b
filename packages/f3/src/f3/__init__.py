"""Feed-Forward with delayed Feedback: training of neural networks without backpropagation."""

from f3 import diagnostics, feedback
from f3._version import __version__
from f3.batches import StepResult
from f3.checkpoint import load, save
from f3.distributed import DataParallel, Pipeline, PipelineReport, ShardedStore
from f3.errors import FeedbackError, ModeError, PartitionError, StoreError
from f3.learner import Learner
from f3.metrics import gap_closed
from f3.partition import Sequential, wrap
from f3.sampling import IndexedDataset, ShardSampler, TensorBatches, indexed
from f3.sources import CurrentError, DelayedError, ErrorSource, TargetError, ZeroError
from f3.stores import DenseStore, ErrorStore, HashStore, ScalarStore
from f3.training import EpochRecord, History

__all__ = [
    "CurrentError",
    "DataParallel",
    "DelayedError",
    "DenseStore",
    "EpochRecord",
    "ErrorSource",
    "ErrorStore",
    "FeedbackError",
    "HashStore",
    "History",
    "IndexedDataset",
    "Learner",
    "ModeError",
    "PartitionError",
    "Pipeline",
    "PipelineReport",
    "ScalarStore",
    "Sequential",
    "ShardSampler",
    "ShardedStore",
    "StepResult",
    "StoreError",
    "TargetError",
    "TensorBatches",
    "ZeroError",
    "__version__",
    "diagnostics",
    "feedback",
    "gap_closed",
    "indexed",
    "load",
    "save",
    "wrap",
]
