"""Sparse matrices whose rows or columns are distributed: ``heat_core.sparse``."""

from heat_core.sparse.arithmetic import add, mul
from heat_core.sparse.convert import (
    sparse_csc_matrix,
    sparse_csr_matrix,
    to_dense,
    to_sparse_csc,
    to_sparse_csr,
)
from heat_core.sparse.creation import eye, random
from heat_core.sparse.matrix import DCSC_matrix, DCSR_matrix
from heat_core.sparse.npz import load_npz, save_npz

__all__ = [
    "DCSC_matrix",
    "DCSR_matrix",
    "add",
    "eye",
    "load_npz",
    "mul",
    "random",
    "save_npz",
    "sparse_csc_matrix",
    "sparse_csr_matrix",
    "to_dense",
    "to_sparse_csc",
    "to_sparse_csr",
]
