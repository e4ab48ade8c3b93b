"""Training on several ranks: layers in a pipeline, samples in parallel, or both."""

from f3.distributed.cuts import balanced_cuts
from f3.distributed.data_parallel import DataParallel, GradientAllReduce
from f3.distributed.pipeline import Pipeline, PipelineReport
from f3.distributed.sharded import ShardedStore

__all__ = [
    "DataParallel",
    "GradientAllReduce",
    "Pipeline",
    "PipelineReport",
    "ShardedStore",
    "balanced_cuts",
]
