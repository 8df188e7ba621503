"""What the special functions share: arguments, branches, polynomials and rational functions.

A *kernel* is a function of a contiguous 1-D float64 array that returns a fresh array of the same
length and leaves its argument alone. Kernels run with floating-point warnings off.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = [
    "BERNOULLI",
    "FloatArray",
    "Kernel",
    "Mask",
    "PiecewiseRational",
    "RealValues",
    "branch",
    "evaluate",
    "horner",
    "polynomial",
]

FloatArray: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Kernel: TypeAlias = Callable[[FloatArray], FloatArray]
RealValues: TypeAlias = np.floating[Any] | npt.NDArray[np.floating[Any]]

# Elements of one kernel call: some ten arrays of this length fit into a core's second-level cache.
BLOCK = 8192

# Up to this length, coefficients are gathered for each element (one long evaluation); above it,
# elements are gathered for each piece (one short evaluation a piece).
FEW = 256

# B₂, B₄, …, B₂₄ (DLMF 24.2.6 and table 24.2.3), the coefficients of every Stirling-like series.
BERNOULLI = (
    1 / 6,
    -1 / 30,
    1 / 42,
    -1 / 30,
    5 / 66,
    -691 / 2730,
    7 / 6,
    -3617 / 510,
    43867 / 798,
    -174611 / 330,
    854513 / 138,
    -236364091 / 2730,
)


def evaluate(name: str, kernel: Kernel, x: npt.ArrayLike) -> RealValues:
    """Apply a kernel to every element of `x`, in blocks that fit into the cache.

    Args:
        name: the function's name, for error messages.
        kernel: computes the values.
        x: real array-like of any shape.

    Returns:
        A fresh array of the shape, memory order and floating dtype of `x`, a NumPy scalar if `x` is
        a scalar. Integers and booleans give float64.

    Raises:
        TypeError: `x` is complex, wider than float64, or holds no numbers.
    """
    values = np.asarray(x)
    dtype = values.dtype
    if dtype.kind in "iub":
        dtype = np.dtype(np.float64)
    elif dtype.kind != "f" or dtype.itemsize > 8:
        raise TypeError(_refusal(name, dtype))
    elif not dtype.isnative:
        dtype = dtype.newbyteorder("=")
    order = "F" if values.flags.fnc else "C"
    flat = values.ravel(order)
    with np.errstate(all="ignore"):
        if 0 < flat.size <= BLOCK:
            out = kernel(flat.astype(np.float64, copy=False)).astype(dtype, copy=False)
        else:
            out = np.empty(flat.size, dtype)
            for start in range(0, flat.size, BLOCK):
                block = slice(start, start + BLOCK)
                out[block] = kernel(flat[block].astype(np.float64, copy=False))
    if values.ndim == 0 and not isinstance(x, np.ndarray):
        return out[0]  # type: ignore[no-any-return]  # an item of a float array is np.floating
    return out.reshape(values.shape, order=order)


def _refusal(name: str, dtype: np.dtype[Any]) -> str:
    given = f"{name}: the argument has dtype {dtype}."
    if dtype.kind == "c":
        return (
            f"{given} The function is computed for real numbers only. "
            "Pass x.real if the imaginary part is zero, or compute the complex function elsewhere."
        )
    if dtype.kind == "f":
        return (
            f"{given} The coefficients are accurate to float64 only. "
            "Pass x.astype(np.float64), or compute the function in extended precision elsewhere."
        )
    return (
        f"{given} The function is defined for real numbers only. "
        "Pass an array of floats, or convert with np.asarray(x, dtype=float)."
    )


def branch(x: FloatArray, chosen: Mask, inside: Kernel, outside: Kernel) -> FloatArray:
    """`inside(x)` where `chosen`, `outside(x)` elsewhere, each on its own elements only."""
    count = np.count_nonzero(chosen)
    if count == x.size:
        return inside(x)
    if count == 0:
        return outside(x)
    out = np.empty_like(x)
    for mask, kernel in ((chosen, inside), (~chosen, outside)):
        index = np.flatnonzero(mask)
        out[index] = kernel(x[index])
    return out


def horner(coefficients: FloatArray, z: FloatArray) -> FloatArray:
    """Polynomials in z by Horner's rule, one per row.

    Args:
        coefficients: shape `(degree + 1, rows, 1)`, or `(degree + 1, rows, n)` to give each element
            its own; highest power first, degree at least 1.
        z: shape `(n,)`.

    Returns:
        The values, shape `(rows, n)`.
    """
    value = coefficients[0] * z
    value += coefficients[1]
    for coefficient in coefficients[2:]:
        value *= z
        value += coefficient
    return value


def polynomial(*ascending: float) -> Kernel:
    """The kernel z ↦ a₀ + a₁ z + a₂ z² + …, of degree at least 1."""
    coefficients = np.array(ascending[::-1])[:, np.newaxis]
    return lambda z: horner(coefficients, z)


class PiecewiseRational:
    """The kernel z ↦ P(z)/Q(z), with other coefficients between other breaks.

    Args:
        breaks: where one piece ends and the next begins, ascending; the next piece has the break.
        pieces: `(numerator, denominator)` of each piece, lowest power first; all of one degree
            (a shorter one is filled with zeros).
    """

    __slots__ = ("_breaks", "_coefficients")

    def __init__(
        self, breaks: Sequence[float], *pieces: tuple[Sequence[float], Sequence[float]]
    ) -> None:
        length = max(len(polynomial) for piece in pieces for polynomial in piece)
        table = np.zeros((length, 2, len(pieces)))
        for number, piece in enumerate(pieces):
            for row, ascending in enumerate(piece):
                table[length - len(ascending) :, row, number] = ascending[::-1]
        self._breaks = np.array(breaks, dtype=np.float64)
        self._coefficients = table

    def __call__(self, z: FloatArray) -> FloatArray:
        """P(z)/Q(z), shape `(n,)`."""
        table = self._coefficients
        if not self._breaks.size:
            return _quotient(table, z)
        piece = self._breaks.searchsorted(z, side="right")
        first = piece[0]
        if (piece == first).all():
            return _quotient(table[:, :, first : first + 1], z)
        if z.size <= FEW:
            return _quotient(table.take(piece, axis=2), z)
        out = np.empty_like(z)
        for number in range(table.shape[2]):
            index = np.flatnonzero(piece == number)
            if index.size:
                out[index] = _quotient(table[:, :, number : number + 1], z[index])
        return out


def _quotient(coefficients: FloatArray, z: FloatArray) -> FloatArray:
    numerator, denominator = horner(coefficients, z)
    return np.divide(numerator, denominator)
