"""Distances of the rows of tables."""

from heat_core.spatial.distances import cdist, manhattan, rbf
from heat_core.spatial.nearest import cdist_argmin, cdist_reduce, cdist_topk

__all__ = ["cdist", "cdist_argmin", "cdist_reduce", "cdist_topk", "manhattan", "rbf"]
