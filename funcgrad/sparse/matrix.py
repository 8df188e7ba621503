"""Sparse matrices as transforms return them: values, and where they stand."""

import importlib
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from funcgrad import tree
from funcgrad.core.protocols import DISPATCH
from funcgrad.core.tracer import Tracer
from funcgrad.errors import SparsityError, user_line
from funcgrad.families.shapes import shape_of
from funcgrad.primitives.indexing import scatter_add
from funcgrad.sparse.pattern import Indices, Pattern

__all__ = ["SparseMatrix"]


def _refuse(operation: str) -> Callable[..., NoReturn]:
    """A method that refuses an operation."""

    def refuse(self: "SparseMatrix", *others: Any) -> NoReturn:
        raise self._refusal(operation, *others)

    return refuse


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
    __array_priority__ = 1001.0  # `array @ matrix` is left to `__rmatmul__`
    # No `__array__` or `__array_ufunc__`: traced values would take the matrix for an array then
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

    @property
    def T(self) -> "SparseMatrix":  # ndarray's name
        """The transpose: {(j, i, v)}."""
        order = np.lexsort((self.rows, self.columns))
        height, width = self.shape
        pattern = Pattern((width, height), self.columns[order], self.rows[order])
        return SparseMatrix(DISPATCH[np.take](self.values, order, axis=-1), pattern)

    def todense(self) -> Any:
        """As an array of shape `(m, n)`."""
        height, width = self.shape
        flat = self._scattered(self.values, self.rows * width + self.columns, height * width)
        return DISPATCH[np.reshape](flat, (*shape_of(flat)[:-1], height, width))

    def diagonal(self) -> Any:
        """The entries (i, i), of shape `(min(m, n),)`."""
        numbers = np.flatnonzero(self.rows == self.columns)
        values = DISPATCH[np.take](self.values, numbers, axis=-1)
        return self._scattered(values, self.rows[numbers], min(self.shape))

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
        other = self._factor(other, f"a vector or a matrix of {self.shape[1]} rows", 0, 1)
        return self._product(other, self.columns, self.rows, self.shape[0])

    def __rmatmul__(self, other: Any) -> Any:
        """The product of a vector (m,) or a matrix (k, m) with this one."""
        other = self._factor(other, f"a vector or a matrix of {self.shape[0]} columns", -1, 0)
        if len(shape_of(other)) == 1:
            return self._product(other, self.rows, self.columns, self.shape[1])
        turned = DISPATCH[np.transpose](other)
        product = self._product(turned, self.rows, self.columns, self.shape[1])
        return DISPATCH[np.transpose](product)

    def __mul__(self, other: Any) -> "SparseMatrix":
        """Each entry times a number."""
        if not _is_number(other):
            raise self._refusal("*", other)
        return SparseMatrix(self.values * other, self.pattern)

    def __rmul__(self, other: Any) -> "SparseMatrix":
        """Each entry times a number."""
        if not _is_number(other):
            raise self._refusal("*", other)
        return SparseMatrix(other * self.values, self.pattern)

    def __truediv__(self, other: Any) -> "SparseMatrix":
        """Each entry divided by a number."""
        if not _is_number(other):
            raise self._refusal("/", other)
        return SparseMatrix(self.values / other, self.pattern)

    def __neg__(self) -> "SparseMatrix":
        """Each entry with the other sign."""
        return SparseMatrix(-self.values, self.pattern)

    def __add__(self, other: Any) -> "SparseMatrix":
        """The sum with a matrix of the same pattern."""
        return SparseMatrix(self.values + self._alike("+", other), self.pattern)

    def __sub__(self, other: Any) -> "SparseMatrix":
        """The difference to a matrix of the same pattern."""
        return SparseMatrix(self.values - self._alike("-", other), self.pattern)

    __radd__ = _refuse("+")
    __rsub__ = _refuse("-")
    __rtruediv__ = _refuse("/")
    __floordiv__ = __rfloordiv__ = _refuse("//")
    __mod__ = __rmod__ = _refuse("%")
    __divmod__ = __rdivmod__ = _refuse("divmod()")
    __pow__ = __rpow__ = _refuse("**")
    __lshift__ = __rlshift__ = _refuse("<<")
    __rshift__ = __rrshift__ = _refuse(">>")
    __and__ = __rand__ = _refuse("&")
    __or__ = __ror__ = _refuse("|")
    __xor__ = __rxor__ = _refuse("^")
    __pos__ = _refuse("+")
    __invert__ = _refuse("~")
    __abs__ = _refuse("abs()")
    __bool__ = _refuse("bool()")
    __lt__ = _refuse("<")
    __le__ = _refuse("<=")
    __gt__ = _refuse(">")
    __ge__ = _refuse(">=")
    __eq__ = _refuse("==")
    __ne__ = _refuse("!=")
    __hash__ = object.__hash__
    __getitem__ = _refuse("[]")
    __setitem__ = _refuse("[] =")

    def __array_function__(
        self, function: Any, _types: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]
    ) -> NoReturn:
        """Refused: a large matrix would become dense without notice."""
        raise self._refusal(f"{function.__module__}.{function.__name__}")

    @property
    def __array_interface__(self) -> NoReturn:
        """Refused: NumPy asks for it where it wants an array, as its ufuncs do."""
        raise SparsityError(
            f"numpy.asarray, or a function that calls it, at {user_line()}: a sparse matrix of "
            f"shape {self.shape} with {self.nnz} entries. As an array it takes "
            f"{self.shape[0] * self.shape[1]} elements. Write .todense() where that is wanted, "
            ".to_scipy() for a sparse matrix of SciPy, or .values."
        )

    def __repr__(self) -> str:
        height, width = self.shape
        return f"<SparseMatrix of {height} x {width}, {self.nnz} entries of {self.dtype}>"

    @property
    def _places(self) -> tuple[Indices, Indices]:
        return self.rows, self.columns

    def _scattered(self, values: Any, places: Indices, size: int) -> Any:
        """Zeros of shape `(size,)` with values at places; batches stand in front."""
        if not isinstance(values, Tracer):
            flat = np.zeros((*values.shape[:-1], size), values.dtype)
            flat[..., places] = values
            return flat
        if len(shape_of(values)) == 1:
            return scatter_add(values, (places,), (size,), 0)
        moved = DISPATCH[np.moveaxis](values, -1, 0)
        whole = scatter_add(moved, (places,), (size, *shape_of(moved)[1:]), 0)
        return DISPATCH[np.moveaxis](whole, 0, -1)

    def _product(self, other: Any, taken: Indices, added: Indices, length: int) -> Any:
        """Sums of values times rows of the other: row `taken[k]` goes to row `added[k]`."""
        shape = shape_of(other)
        picked = DISPATCH[np.take](other, taken, axis=0)
        weights = self.values if len(shape) == 1 else self.values[:, None]
        return scatter_add(weights * picked, (added,), (length, *shape[1:]), 0)

    def _factor(self, other: Any, needed: str, axis: int, own: int) -> Any:
        """The other factor of `@`, checked: its axis is as long as an axis of this matrix."""
        if isinstance(other, list | tuple):
            other = np.asarray(other)
        if len(shape_of(self.values)) != 1:
            raise SparsityError(
                f"@: a batch of sparse matrices, with values of shape {shape_of(self.values)}. A "
                "product takes one matrix. Multiply inside of vmap, or use todense()."
            )
        kind = getattr(getattr(other, "dtype", None), "kind", "")
        is_sparse = isinstance(other, SparseMatrix) or hasattr(other, "tocoo")
        if is_sparse or kind in tuple("OSUMmVT") or not hasattr(other, "dtype"):
            raise self._refusal("@", other)
        shape = shape_of(other)
        if len(shape) not in (1, 2) or shape[axis] != self.shape[own]:
            raise SparsityError(
                f"@: a sparse matrix of shape {self.shape} and an array of shape {shape}. Their "
                f"product takes {needed}. Reshape it, or use todense()."
            )
        return other

    def _alike(self, symbol: str, other: Any) -> Any:
        """The values of a matrix of the same pattern."""
        if not isinstance(other, SparseMatrix):
            raise self._refusal(symbol, other)
        if other.pattern != self.pattern:
            raise SparsityError(
                f"{symbol}: {self!r} and {other!r}, whose entries stand at other places. Values "
                "are added one by one. Use to_scipy() or todense() of both, or compute both with "
                "one structure=."
            )
        shapes = {shape_of(self.values), shape_of(other.values)}
        if len(shapes) == 2 and min(map(len, shapes)) > 1:  # a batch of each
            raise SparsityError(
                f"{symbol}: batches of sparse matrices, with values of shapes "
                f"{shape_of(self.values)} and {shape_of(other.values)}. They have no common axes. "
                "Take batches of one size, or use todense()."
            )
        return other.values

    def _refusal(self, operation: str, *others: Any) -> SparsityError:
        """The error for what a sparse matrix cannot do by itself."""
        beside = "".join(f" and {_described(other)}" for other in others)
        return SparsityError(
            f"{operation}: {self!r}{beside}. A sparse matrix only has products with vectors, dense "
            "matrices and numbers, sums with matrices of the same pattern, .T and .diagonal(). Use "
            "to_scipy() for the operations of SciPy, or todense() for those of arrays."
        )


def _is_number(x: Any) -> bool:
    """Whether it is one number, plain or traced."""
    if isinstance(x, int | float | complex | np.number | np.bool_):
        return True
    return isinstance(x, np.ndarray | Tracer) and x.shape == () and x.dtype.kind in "biufc"


def _described(x: Any) -> str:
    """What stands beside a matrix, for messages."""
    if isinstance(x, SparseMatrix):
        return repr(x)
    shape = f" of shape {x.shape}" if hasattr(x, "shape") else ""
    return f"a value of type {type(x).__name__}{shape}"


tree.register_node(
    SparseMatrix,
    lambda matrix: ((matrix.values,), matrix.pattern),
    lambda pattern, children: SparseMatrix(children[0], pattern),
    lambda matrix: (((tree.GetAttrKey("values"), matrix.values),), matrix.pattern),
)
