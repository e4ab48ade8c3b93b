"""Linear algebra: the extension of the array API standard, and what NumPy has beyond it."""

from heat_core.errors import LinAlgError
from heat_core.linalg.cholesky import cholesky
from heat_core.linalg.condition import condest
from heat_core.linalg.cross_product import cross
from heat_core.linalg.eigen import eig, eigh, eigvals, eigvalsh
from heat_core.linalg.einsum import einsum
from heat_core.linalg.hierarchical import hsvd, hsvd_rank, hsvd_rtol
from heat_core.linalg.incremental_svd import isvd
from heat_core.linalg.inverse import det, inv, lu_solve, slogdet, solve
from heat_core.linalg.krylov import bicgstab, cg, gmres
from heat_core.linalg.lanczos import lanczos
from heat_core.linalg.least_squares import lstsq, pinv
from heat_core.linalg.lobpcg import lobpcg
from heat_core.linalg.lu import lu, lu_factor
from heat_core.linalg.matmul import matmul
from heat_core.linalg.matrix_functions import matrix_exp, matrix_power
from heat_core.linalg.norms import cond, matrix_norm, matrix_rank, norm, vector_norm
from heat_core.linalg.polar import polar
from heat_core.linalg.products import (
    diagonal,
    dot,
    inner,
    kron,
    multi_dot,
    outer,
    projection,
    tensordot,
    trace,
    vdot,
    vecdot,
)
from heat_core.linalg.qr import qr
from heat_core.linalg.randomized import reigh, rsvd
from heat_core.linalg.svd import svd, svdvals
from heat_core.linalg.triangular import solve_triangular
from heat_core.ops.diagonals import tril, triu
from heat_core.ops.shape import matrix_transpose, transpose

expm = matrix_exp

__all__ = [
    "LinAlgError",
    "bicgstab",
    "cg",
    "cholesky",
    "cond",
    "condest",
    "cross",
    "det",
    "diagonal",
    "dot",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "einsum",
    "expm",
    "gmres",
    "hsvd",
    "hsvd_rank",
    "hsvd_rtol",
    "inner",
    "inv",
    "isvd",
    "kron",
    "lanczos",
    "lobpcg",
    "lstsq",
    "lu",
    "lu_factor",
    "lu_solve",
    "matmul",
    "matrix_exp",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "pinv",
    "polar",
    "projection",
    "qr",
    "reigh",
    "rsvd",
    "slogdet",
    "solve",
    "solve_triangular",
    "svd",
    "svdvals",
    "tensordot",
    "trace",
    "transpose",
    "tril",
    "triu",
    "vdot",
    "vecdot",
    "vector_norm",
]
