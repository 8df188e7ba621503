"""`numpy.linalg` on plain and traced values."""

import numpy as np

import funcgrad.primitives  # noqa: F401  # importing it fills the table
from funcgrad.core.protocols import DISPATCH

__all__ = [
    "LinAlgError",
    "cholesky",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "inv",
    "lstsq",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "tensorinv",
    "tensorsolve",
    "trace",
    "vecdot",
    "vector_norm",
]

LinAlgError = np.linalg.LinAlgError
cholesky = DISPATCH[np.linalg.cholesky]
cond = DISPATCH[np.linalg.cond]
cross = DISPATCH[np.linalg.cross]
det = DISPATCH[np.linalg.det]
diagonal = DISPATCH[np.linalg.diagonal]
eig = DISPATCH[np.linalg.eig]
eigh = DISPATCH[np.linalg.eigh]
eigvals = DISPATCH[np.linalg.eigvals]
eigvalsh = DISPATCH[np.linalg.eigvalsh]
inv = DISPATCH[np.linalg.inv]
lstsq = DISPATCH[np.linalg.lstsq]
matmul = DISPATCH[np.linalg.matmul]
matrix_norm = DISPATCH[np.linalg.matrix_norm]
matrix_power = DISPATCH[np.linalg.matrix_power]
matrix_rank = DISPATCH[np.linalg.matrix_rank]
matrix_transpose = DISPATCH[np.linalg.matrix_transpose]
multi_dot = DISPATCH[np.linalg.multi_dot]
norm = DISPATCH[np.linalg.norm]
outer = DISPATCH[np.linalg.outer]
pinv = DISPATCH[np.linalg.pinv]
qr = DISPATCH[np.linalg.qr]
slogdet = DISPATCH[np.linalg.slogdet]
solve = DISPATCH[np.linalg.solve]
svd = DISPATCH[np.linalg.svd]
svdvals = DISPATCH[np.linalg.svdvals]
tensordot = DISPATCH[np.linalg.tensordot]
tensorinv = DISPATCH[np.linalg.tensorinv]
tensorsolve = DISPATCH[np.linalg.tensorsolve]
trace = DISPATCH[np.linalg.trace]
vecdot = DISPATCH[np.linalg.vecdot]
vector_norm = DISPATCH[np.linalg.vector_norm]
