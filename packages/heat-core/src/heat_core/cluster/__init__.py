"""Groups of samples."""

from heat_core.cluster.batch_parallel import BatchParallelKMeans, BatchParallelKMedians
from heat_core.cluster.dbscan import DBSCAN
from heat_core.cluster.kmeans import KMeans
from heat_core.cluster.kmedians import KMedians, KMedoids
from heat_core.cluster.minibatch import MiniBatchKMeans
from heat_core.cluster.mixture import GaussianMixture
from heat_core.cluster.silhouette import silhouette_samples, silhouette_score
from heat_core.cluster.spectral import Spectral

__all__ = [
    "DBSCAN",
    "BatchParallelKMeans",
    "BatchParallelKMedians",
    "GaussianMixture",
    "KMeans",
    "KMedians",
    "KMedoids",
    "MiniBatchKMeans",
    "Spectral",
    "silhouette_samples",
    "silhouette_score",
]
