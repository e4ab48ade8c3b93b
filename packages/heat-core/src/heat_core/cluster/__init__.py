"""Groups of samples."""

from heat_core.cluster.kmeans import KMeans
from heat_core.cluster.minibatch import MiniBatchKMeans

__all__ = ["KMeans", "MiniBatchKMeans"]
