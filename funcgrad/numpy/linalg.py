"""`numpy.linalg` on plain and traced values."""

import numpy as np

from funcgrad import primitives
from funcgrad.core.protocols import DISPATCH

__all__ = [
    "LinAlgError",
    "matmul",
    "matrix_transpose",
]

_FILLED_BY = primitives  # importing it fills the table

LinAlgError = np.linalg.LinAlgError
matmul = DISPATCH[np.linalg.matmul]
matrix_transpose = DISPATCH[np.linalg.matrix_transpose]
