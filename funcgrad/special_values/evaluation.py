"""What the special functions share: arguments, branches, polynomials and rational functions.

A *kernel* is a function of a contiguous 1-D float64 array that returns a fresh array of the same
length and leaves its argument alone. Kernels run with floating-point warnings off.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = [
    "FloatArray",
    "Index",
    "Kernel",
    "Mask",
    "Piece",
    "PiecewiseRational",
    "RealValues",
    "branch",
    "evaluate",
    "evaluate_pairs",
    "horner",
    "polynomial",
]

FloatArray: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Index: TypeAlias = npt.NDArray[np.intp]
Kernel: TypeAlias = Callable[[FloatArray], FloatArray]
RealValues: TypeAlias = np.floating[Any] | npt.NDArray[np.floating[Any]]

# Elements of one kernel call: enough to make NumPy's overhead for a call small, few enough to keep
# the temporary arrays in a core's caches.
BLOCK = 32768

# Up to this length, coefficients are gathered for each element (one long evaluation); above it,
# elements are gathered for each piece (one short evaluation a piece). About equal where they meet.
FEW = 4096


def evaluate(name: str, kernel: Kernel, x: npt.ArrayLike, *, block_size: int = BLOCK) -> RealValues:
    """Apply a kernel to every element of `x`, in blocks that fit into the cache.

    Args:
        name: the function's name, for error messages.
        kernel: computes the values.
        x: real array-like of any shape.
        block_size: elements of one kernel call.

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
    order: Literal["F", "C"] = "F" if values.flags.fnc else "C"
    flat = values.ravel(order)
    with np.errstate(all="ignore"):
        if 0 < flat.size <= block_size:
            out = kernel(flat.astype(np.float64, copy=False)).astype(dtype, copy=False)
        else:
            out = np.empty(flat.size, dtype)
            for start in range(0, flat.size, block_size):
                block = slice(start, start + block_size)
                out[block] = kernel(flat[block].astype(np.float64, copy=False))
    if values.ndim == 0 and not isinstance(x, np.ndarray):
        scalar: np.floating[Any] = out[0]
        return scalar
    return out.reshape(values.shape, order=order)


def evaluate_pairs(
    name: str,
    kernel: Callable[[FloatArray, FloatArray], FloatArray],
    x: npt.ArrayLike,
    y: npt.ArrayLike,
) -> RealValues:
    """Apply a kernel of two operands, which broadcast, to every pair of elements.

    Args:
        name: the function's name, for error messages.
        kernel: computes the values.
        x: real array-like.
        y: real array-like.

    Returns:
        A fresh array of their common shape and floating dtype, or a NumPy scalar.

    Raises:
        TypeError: an operand is complex, wider than float64, or holds no numbers.
    """
    dtype = np.result_type(x, y)
    if dtype.kind in "iub":
        dtype = np.dtype(np.float64)
    elif dtype.kind != "f" or dtype.itemsize > 8:
        raise TypeError(_refusal(name, dtype))
    one, other = np.broadcast_arrays(x, y)
    with np.errstate(all="ignore"):
        out = kernel(one.astype(np.float64).ravel(), other.astype(np.float64).ravel()).astype(dtype)
    if one.ndim == 0 and not (isinstance(x, np.ndarray) or isinstance(y, np.ndarray)):
        scalar: np.floating[Any] = out[0]
        return scalar
    return out.reshape(one.shape)


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
        index = mask.nonzero()[0]
        out[index] = kernel(x[index])
    return out


def horner(coefficients: FloatArray, z: FloatArray) -> FloatArray:
    """Polynomials in z by Horner's rule, one per row.

    Args:
        coefficients: shape `(degree + 1, rows, 1)`, or `(degree + 1, rows, n)` to give each element
            its own; highest power first, degree at least 1.
        z: shape `(rows, n)`.

    Returns:
        The values, shape `(rows, n)`.
    """
    value: FloatArray = coefficients[0] * z
    value += coefficients[1]
    for coefficient in coefficients[2:]:
        value *= z
        value += coefficient
    return value


def polynomial(*ascending: float) -> Kernel:
    """The kernel z ↦ a₀ + a₁ z + a₂ z² + …, of degree at least 1."""
    coefficients = np.array(ascending[::-1])[:, np.newaxis, np.newaxis]
    return lambda z: horner(coefficients, z[np.newaxis])[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A rational function on an interval: z ↦ base + P(t)/Q(t), with t = z − origin.

    `base` is most of the value, so that rounding in P and Q counts little; t is not negative and
    the coefficients of Q are positive, so that nothing cancels.

    Attributes:
        begins: the lower end of the interval, which the next piece's lower end closes.
        base: the value at the origin, rounded to float64.
        numerator: coefficients of P, lowest power first.
        denominator: coefficients of Q, lowest power first.
        origin: `begins`, unless given.
    """

    begins: float
    base: float
    numerator: tuple[float, ...]
    denominator: tuple[float, ...]
    origin: float | None = None


class PiecewiseRational:
    """The kernel z ↦ base + P(t)/Q(t) with the coefficients of the piece that z falls into.

    Args:
        pieces: in ascending order. The first one also holds below, the last one for nan.
    """

    __slots__ = ("_base", "_begins", "_coefficients", "_origin")

    def __init__(self, *pieces: Piece) -> None:
        length = max(len(row) for piece in pieces for row in (piece.numerator, piece.denominator))
        self._coefficients = np.zeros((length, 2, len(pieces)))
        for number, piece in enumerate(pieces):
            for row, ascending in enumerate((piece.numerator, piece.denominator)):
                self._coefficients[length - len(ascending) :, row, number] = ascending[::-1]
        self._base = np.array([piece.base for piece in pieces])
        self._origin = np.array(
            [piece.begins if piece.origin is None else piece.origin for piece in pieces]
        )
        self._begins = np.array([piece.begins for piece in pieces[1:]])

    def __call__(self, z: FloatArray) -> FloatArray:
        """The values, shape `(n,)`."""
        if z.size <= FEW:
            return self._value(self._begins.searchsorted(z, side="right"), z)
        out = np.empty_like(z)
        rest = np.ones(z.shape, dtype=np.bool_)
        for number in range(self._base.size):
            chosen = rest
            if number < self._begins.size:
                chosen = z < self._begins[number]
                rest, chosen = rest & ~chosen, rest & chosen
            index = chosen.nonzero()[0]
            if index.size == z.size:
                return self._value(np.array([number]), z)
            if index.size:
                out[index] = self._value(np.array([number]), z[index])
        return out

    def _value(self, piece: Index, z: FloatArray) -> FloatArray:
        """The values by the pieces of these numbers: one for each element, or one for all."""
        t = np.subtract(z, self._origin.take(piece), out=np.empty((2, z.size)))
        numerator, denominator = horner(self._coefficients.take(piece, axis=2), t)
        value: FloatArray = np.divide(numerator, denominator, out=numerator)
        value += self._base.take(piece)
        return value
