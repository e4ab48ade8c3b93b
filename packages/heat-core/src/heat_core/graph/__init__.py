"""Graphs of samples."""

from heat_core.graph.laplacian import Laplacian

__all__ = ["Laplacian"]
