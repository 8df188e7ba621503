"""Patterns: which entries of a matrix may be other than zero."""

import operator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from funcgrad.errors import FuncgradError, SparsityError

__all__ = ["Indices", "Pattern", "as_pattern"]

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Pattern:
    """The set of entries {(i, j)} of a matrix that may be other than zero.

    All entries outside of it are zero; an entry in it may be zero by chance. The arrays are sorted
    by row, then by column, hold each entry once, and cannot be written to. `Pattern.of` makes one
    of entries in any order.

    Attributes:
        shape: number of rows and of columns.
        rows: row of each entry, of shape `(nnz,)`.
        columns: column of each entry, of shape `(nnz,)`.

    Example:
        >>> pattern = Pattern.of([1, 0, 1], [1, 0, 0], (2, 2))
        >>> print(pattern)
        Pattern of 2 x 2, 3 entries
        *.
        **
    """

    shape: tuple[int, int]
    rows: Indices
    columns: Indices

    def __post_init__(self) -> None:
        for array in (self.rows, self.columns):
            array.flags.writeable = False

    @classmethod
    def of(cls, rows: Any, columns: Any, shape: tuple[int, int]) -> "Pattern":
        """Of entries in any order; what is given more than once counts once.

        Raises:
            SparsityError: if an entry lies outside of the shape.
        """
        height, width = map(operator.index, shape)
        rows = np.asarray(rows, np.intp).ravel()
        columns = np.asarray(columns, np.intp).ravel()
        if rows.shape != columns.shape:
            raise SparsityError(
                f"Pattern.of: {rows.size} rows and {columns.size} columns. Entry k is (rows[k], "
                "columns[k]). Pass as many of both, e.g. np.nonzero(matrix)."
            )
        for name, numbers, length in (("row", rows, height), ("column", columns, width)):
            if numbers.size and not 0 <= numbers.min() <= numbers.max() < length:
                wrong = numbers[(numbers < 0) | (numbers >= length)][0]
                raise SparsityError(
                    f"Pattern.of: {name} {wrong} of a matrix of {height} rows and {width} columns. "
                    "There is no such entry. Count from 0 on, or pass a larger shape."
                )
        keys = rows * width + columns
        if np.any(keys[1:] <= keys[:-1]):
            rows, columns = np.divmod(np.unique(keys), max(width, 1))
        else:  # sorted already
            rows, columns = rows.copy(), columns.copy()
        return cls((height, width), rows, columns)

    @classmethod
    def of_dense(cls, matrix: Any) -> "Pattern":
        """Of the entries of a matrix, of shape `(m, n)`, that are not zero."""
        matrix = np.asarray(matrix)
        if matrix.ndim != 2:  # a matrix has two axes
            raise SparsityError(
                f"Pattern.of_dense: an array of shape {matrix.shape}. A pattern is that of a "
                "matrix. Reshape it to one row for each result and one column for each argument."
            )
        height, width = matrix.shape
        rows, columns = np.nonzero(matrix)
        return cls.of(rows, columns, (height, width))

    @classmethod
    def diagonal(cls, size: int) -> "Pattern":
        """{(i, i)}."""
        numbers = np.arange(size)
        return cls.of(numbers, numbers, (size, size))

    @property
    def nnz(self) -> int:
        """Number of entries."""
        return self.rows.size

    @property
    def density(self) -> float:
        """Share of the matrix that the entries make up; 1 for a matrix without elements."""
        height, width = self.shape
        return self.nnz / (height * width) if height * width else 1.0

    @property
    def transposed(self) -> "Pattern":
        """{(j, i)}."""
        height, width = self.shape
        order = np.lexsort((self.rows, self.columns))
        return Pattern((width, height), self.columns[order], self.rows[order])

    @property
    def symmetric(self) -> "Pattern":
        """{(i, j)} ∪ {(j, i)}: itself if it is symmetric."""
        other = self.transposed
        if self == other:
            return self
        return self | other

    def indptr(self) -> Indices:
        """Where each row begins among the entries, and where the last one ends: `(m + 1,)`."""
        counts = np.bincount(self.rows, minlength=self.shape[0])
        return np.concatenate([np.zeros(1, np.intp), np.cumsum(counts, dtype=np.intp)])

    def todense(self) -> npt.NDArray[np.bool_]:
        """The pattern as a matrix of booleans."""
        dense = np.zeros(self.shape, bool)
        dense[self.rows, self.columns] = True
        return dense

    def __or__(self, other: "Pattern") -> "Pattern":
        if not isinstance(other, Pattern):
            return NotImplemented
        return Pattern.of(
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.columns, other.columns]),
            self.shape,
        )

    def __le__(self, other: "Pattern") -> bool:
        """Whether it lies within the other one."""
        if not isinstance(other, Pattern):
            return NotImplemented
        return self.shape == other.shape and bool(np.isin(self._keys(), other._keys()).all())

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return (
            isinstance(other, Pattern)
            and self.shape == other.shape
            and np.array_equal(self.rows, other.rows)
            and np.array_equal(self.columns, other.columns)
        )

    def __hash__(self) -> int:
        return hash((self.shape, self.nnz))

    def __repr__(self) -> str:
        height, width = self.shape
        return f"<Pattern of {height} x {width}, {self.nnz} entries>"

    def __str__(self) -> str:
        """Drawn with a character for each entry, or for each block of a larger matrix."""
        height, width = self.shape
        step = max(1, -(-max(self.shape) // _DRAWN))
        seen = np.zeros((-(-height // step), -(-width // step)), bool)
        seen[self.rows // step, self.columns // step] = True
        lines = ["".join("*" if entry else "." for entry in row) for row in seen]
        each = f", {step} x {step} for each character" if step > 1 else ""
        return "\n".join([f"{repr(self)[1:-1]}{each}", *lines])

    def _keys(self) -> Indices:
        return self.rows * self.shape[1] + self.columns


_DRAWN = 64
"""Characters in a line of a drawn pattern."""


def as_pattern(transform: str, given: Any, shape: tuple[int, int]) -> Pattern:
    """A pattern as users give it: a `Pattern` (or what has one), a dense or a SciPy matrix.

    Raises:
        SparsityError: if it is no matrix, or that of a matrix of another shape.
    """
    own = given if isinstance(given, Pattern) else getattr(given, "pattern", None)
    if isinstance(own, Pattern):
        pattern = own
    elif hasattr(given, "tocoo") and len(given.shape) == 2:  # a matrix has two axes
        found = given.tocoo()
        pattern = Pattern.of(found.row, found.col, found.shape)
    else:
        pattern = Pattern.of_dense(_as_matrix(transform, given, shape))
    if pattern.shape != shape:
        raise SparsityError(
            f"{transform}: structure is that of a matrix of shape {pattern.shape}, but the "
            f"derivative has shape {shape}. It has a row for each element of the results and a "
            "column for each element of the selected arguments. Pass a structure of that shape, "
            "or leave it away to have it found."
        )
    return pattern


def _as_matrix(transform: str, given: Any, shape: tuple[int, int]) -> npt.NDArray[Any]:
    """A dense matrix of numbers, or the error that says what else was given."""
    matrix = None
    try:
        matrix = np.asarray(given)
    except FuncgradError:  # traced values, which say so themselves
        raise
    except Exception:  # noqa: BLE001  # whatever objects do that are no arrays
        pass
    if matrix is not None and matrix.dtype.kind in "biufc" and matrix.ndim == 2:
        return matrix
    text = repr(given)
    if isinstance(given, np.ndarray):
        text = f"an array of shape {given.shape} and dtype {given.dtype}"
    raise SparsityError(
        f"{transform}: structure={text if len(text) <= _SHOWN else type(given).__name__}, which "
        f"is no matrix of numbers or booleans. It says which entries of the derivative, of shape "
        f"{shape}, may be other than zero. Pass structure= as a Pattern, a dense matrix or one of "
        "scipy.sparse, or leave it away to have it found."
    )


_SHOWN = 60
"""Characters of a structure that messages show."""
