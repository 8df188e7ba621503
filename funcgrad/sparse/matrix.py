"""Sparse matrices as transforms return them: values, and where they stand."""

import importlib
from typing import Any, NoReturn

import numpy as np

from funcgrad import tree
from funcgrad.core.protocols import DISPATCH
from funcgrad.core.tracer import Tracer
from funcgrad.errors import SparsityError
from funcgrad.families.shapes import shape_of
from funcgrad.primitives.indexing import scatter_add
from funcgrad.sparse.pattern import Indices, Pattern

__all__ = ["SparseMatrix"]


class SparseMatrix:
    """A matrix (m, n) by its entries: values v_k at (rows_k, columns_k), zero elsewhere.

    Entries are sorted by row, then by column, each once. It is a pytree with the values as its one
    leaf, so transforms and `funcgrad.tree.map` go through it; the pattern is part of the structure.

    Attributes:
        values: of shape `(nnz,)`; with one more axis in front for each `vmap` around.
        pattern: where they stand.

    Example:
        >>> import numpy as np
        >>> matrix = SparseMatrix(np.array([2.0, 3.0]), Pattern.of([0, 1], [1, 0], (2, 2)))
        >>> matrix.todense()
        array([[0., 2.],
               [3., 0.]])
    """

    __slots__ = ("pattern", "values")
    __array_ufunc__ = None  # `array @ matrix` is a TypeError, not an array of objects
    values: Any
    pattern: Pattern

    def __init__(self, values: Any, pattern: Pattern) -> None:
        self.values = values
        self.pattern = pattern

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and columns."""
        return self.pattern.shape

    @property
    def rows(self) -> Indices:
        """Row of each value."""
        return self.pattern.rows

    @property
    def columns(self) -> Indices:
        """Column of each value."""
        return self.pattern.columns

    @property
    def nnz(self) -> int:
        """Number of values."""
        return self.pattern.nnz

    @property
    def dtype(self) -> Any:
        """Dtype of the values."""
        return self.values.dtype

    def todense(self) -> Any:
        """As an array of shape `(m, n)`."""
        values, shape = self.values, self.shape
        if isinstance(values, Tracer):
            flat = self.rows * shape[1] + self.columns
            places, size = (flat,), shape[0] * shape[1]
            if len(shape_of(values)) == 1:
                return DISPATCH[np.reshape](scatter_add(values, places, (size,), 0), shape)
            moved = DISPATCH[np.moveaxis](values, -1, 0)  # batches stand in front
            whole = scatter_add(moved, places, (size, *shape_of(moved)[1:]), 0)
            back = DISPATCH[np.moveaxis](whole, 0, -1)
            return DISPATCH[np.reshape](back, (*shape_of(back)[:-1], *shape))
        dense = np.zeros((*values.shape[:-1], *shape), values.dtype)
        dense[..., self.rows, self.columns] = values
        return dense

    def to_scipy(self, format: str = "csr") -> Any:  # noqa: A002  # SciPy's name
        """As an array of `scipy.sparse`, which has to be installed.

        Args:
            format: a format of SciPy's, such as "csr", "csc" or "coo".

        Raises:
            SparsityError: if the values are traced, or those of a batch.
        """
        if type(self.values) is not np.ndarray or self.values.ndim != 1:
            raise SparsityError(
                f"to_scipy: the values are a {type(self.values).__name__} of shape "
                f"{shape_of(self.values)}. SciPy keeps one number for each entry, and no "
                "derivatives. Call it outside of transforms, on one matrix, or use todense()."
            )
        # SciPy is no dependency: whoever calls this has it
        sparse = importlib.import_module("scipy.sparse")
        return sparse.coo_array((self.values, self._places), shape=self.shape).asformat(format)

    def __matmul__(self, other: Any) -> Any:
        """The product with a vector (n,) or a matrix (n, k)."""
        shape = shape_of(other)
        if len(shape) not in (1, 2) or shape[0] != self.shape[1]:
            raise SparsityError(
                f"@: a sparse matrix of shape {self.shape} and an array of shape {shape}. Their "
                f"product takes a vector or a matrix of {self.shape[1]} rows. Reshape it, or use "
                "todense()."
            )
        picked = DISPATCH[np.take](other, self.columns, axis=0)
        weights = self.values if len(shape) == 1 else self.values[:, None]
        return scatter_add(weights * picked, (self.rows,), (self.shape[0], *shape[1:]), 0)

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        """Refused: a large matrix would become dense without notice."""
        raise SparsityError(
            f"numpy.asarray: a sparse matrix of shape {self.shape} with {self.nnz} entries. As an "
            f"array it takes {self.shape[0] * self.shape[1]} elements. Write .todense() where that "
            "is wanted, .to_scipy() for a sparse matrix of SciPy, or .values."
        )

    def __repr__(self) -> str:
        height, width = self.shape
        return f"<SparseMatrix of {height} x {width}, {self.nnz} entries of {self.dtype}>"

    @property
    def _places(self) -> tuple[Indices, Indices]:
        return self.rows, self.columns


tree.register_node(
    SparseMatrix,
    lambda matrix: ((matrix.values,), matrix.pattern),
    lambda pattern, children: SparseMatrix(children[0], pattern),
    lambda matrix: (((tree.GetAttrKey("values"), matrix.values),), matrix.pattern),
)
