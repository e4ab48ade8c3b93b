"""Groups of samples."""

from heat_core.cluster.kmeans import KMeans

__all__ = ["KMeans"]
