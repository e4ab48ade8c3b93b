"""Few directions that say most about samples."""

from heat_core.decomposition.dmd import DMD, DMDc
from heat_core.decomposition.incremental import IncrementalPCA
from heat_core.decomposition.pca import PCA

__all__ = ["DMD", "PCA", "DMDc", "IncrementalPCA"]
