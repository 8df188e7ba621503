"""`numpy.linalg` on plain and traced values."""

import numpy as np

import funcgrad.primitives  # noqa: F401  # importing it fills the table
from funcgrad.core.protocols import DISPATCH

__all__ = [
    "LinAlgError",
    "cholesky",
    "cross",
    "det",
    "diagonal",
    "inv",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "slogdet",
    "solve",
    "svdvals",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]

LinAlgError = np.linalg.LinAlgError
cholesky = DISPATCH[np.linalg.cholesky]
cross = DISPATCH[np.linalg.cross]
det = DISPATCH[np.linalg.det]
diagonal = DISPATCH[np.linalg.diagonal]
inv = DISPATCH[np.linalg.inv]
matmul = DISPATCH[np.linalg.matmul]
matrix_norm = DISPATCH[np.linalg.matrix_norm]
matrix_power = DISPATCH[np.linalg.matrix_power]
matrix_transpose = DISPATCH[np.linalg.matrix_transpose]
multi_dot = DISPATCH[np.linalg.multi_dot]
norm = DISPATCH[np.linalg.norm]
outer = DISPATCH[np.linalg.outer]
slogdet = DISPATCH[np.linalg.slogdet]
solve = DISPATCH[np.linalg.solve]
svdvals = DISPATCH[np.linalg.svdvals]
tensordot = DISPATCH[np.linalg.tensordot]
trace = DISPATCH[np.linalg.trace]
vecdot = DISPATCH[np.linalg.vecdot]
vector_norm = DISPATCH[np.linalg.vector_norm]
