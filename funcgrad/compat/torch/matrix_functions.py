"""Powers and exponentials of matrices, traces, cross products, tensor equations."""

import math
import warnings
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.arguments import outside
from funcgrad.compat.torch.compilation_breaks import known
from funcgrad.compat.torch.creation import made
from funcgrad.compat.torch.dims import check_dim
from funcgrad.compat.torch.entering import enter
from funcgrad.compat.torch.linalg import check_matrices, inv, solve
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.products import matmul
from funcgrad.compat.torch.registry import MODULES
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["matrix_exp", "matrix_power"]

# --- powers -----------------------------------------------------------------------------------

_clone_op = Op("CloneBackward0", lambda a: fnp.copy(a), linear=True)
_identity_op = Op(
    "CopyBackwards",
    lambda a, eye: a * 0 + eye,
)


def matrix_power(input: Any, n: int) -> Any:
    """A A ⋯ A, n times, by repeated squaring; negative powers of the inverse."""
    check_matrices("linalg.matrix_power", input, inexact=False)
    if n == 0:
        size = input._value.shape[-1]
        return _identity_op(_clone_op(input), made(np.eye(size), input.dtype))
    if n < 0:
        input, n = inv(input), -n
    if n == 1:
        return input.clone()
    if n == 3:
        return matmul(matmul(input, input), input)
    square = result = None
    while n:
        square = input if square is None else matmul(square, square)
        n, bit = divmod(n, 2)
        if bit:
            result = square if result is None else matmul(result, square)
    return result


enter("matrix_power", matrix_power)
enter("matrix_power", matrix_power, module="linalg")

DEGREE = {"f": 16, "F": 16, "d": 24, "D": 24}
"""Of the Taylor polynomial, by dtype: enough for matrices of norm 2."""


def _exponential(a: Any) -> Any:
    """Σ aᵏ / k! of a / 2ˢ, squared s times, where 2ˢ brings the norm below 2.

    Each squaring doubles the rounding errors, so fewer of them are worth more products.
    """
    n = a.shape[-1]
    if not a.size:
        return a
    sizes = np.abs(known(a)).sum(-2).max()
    squarings = max(0, math.ceil(math.log2(max(float(sizes), 1e-300))) - 1)
    if not np.isfinite(sizes):
        return a * a.dtype.type(np.nan)
    scaled = a * a.dtype.type(0.5**squarings)
    eye = np.eye(n, dtype=a.dtype)
    total = eye
    for k in range(DEGREE.get(a.dtype.char, 24), 0, -1):
        total = eye + fnp.matmul(scaled, total) * a.dtype.type(1 / k)
    for _ in range(squarings):
        total = fnp.matmul(total, total)
    return total


_exp_op = Op("LinalgMatrixExpBackward0", _exponential)


def matrix_exp(A: Any) -> Any:
    """Σ Aᵏ / k! of square matrices."""
    check_matrices("linalg.matrix_exp", A)
    return _exp_op(A)


enter("matrix_exp", matrix_exp)
enter("matrix_exp", matrix_exp, module="linalg")

# --- traces and diagonals ---------------------------------------------------------------------


def _trace(a: Any) -> Any:
    out = fnp.trace(a)
    return out.astype(np.int64) if a.dtype.kind in "biu" else out


_trace_op = Op("TraceBackward0", _trace, linear=True)


@enter("trace")
def trace(input: Tensor) -> Any:
    """The sum of the diagonal of a matrix."""
    if input.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.ndim}")
    return _trace_op(input)


def diagonal(A: Any, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """The diagonals of matrices."""
    return A.diagonal(offset, dim1, dim2)


enter("diagonal", diagonal, module="linalg")

# --- cross products ---------------------------------------------------------------------------

_cross_op = Op(
    "LinalgCrossBackward0", lambda a, b, *, axis: fnp.cross(*_broadcast(a, b), axis=axis),
    promote="same",
)  # fmt: skip


def _broadcast(a: Any, b: Any) -> tuple[Any, Any]:
    shape = np.broadcast_shapes(a.shape, b.shape)
    return (
        a if a.shape == shape else fnp.broadcast_to(a, shape),
        b if b.shape == shape else fnp.broadcast_to(b, shape),
    )


def linalg_cross(input: Any, other: Any, *, dim: int = -1) -> Any:
    """The vector at right angles to two others, of 3 components along an axis."""
    if input.ndim != other.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    where = check_dim(dim, input.ndim)
    a, b = input._value.shape[where], other._value.shape[where]
    if a != 3 or b != 3:
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {a} and {b}"
        )
    return _cross_op(input, other, axis=where)


@enter("cross")
def cross(input: Any, other: Any, dim: int | None = None) -> Any:
    """The same, by default along the first axis of length 3."""
    if dim is None:
        found = [i for i, n in enumerate(input._value.shape) if n == 3]
        if not found:
            raise RuntimeError("no dimension of size 3 in input")
        warnings.warn(
            "Using torch.cross without specifying the dim arg is deprecated.\nPlease either pass "
            "the dim explicitly or simply use torch.linalg.cross.\nThe default value of dim will "
            "change to agree with that of linalg.cross in a future release.",
            UserWarning,
            stacklevel=outside(),
        )
        dim = found[0]
    return linalg_cross(input, other, dim=dim)


enter("cross", linalg_cross, module="linalg")
enter("matmul", matmul, module="linalg")

# --- tensor equations -------------------------------------------------------------------------


def vander(x: Any, N: int | None = None) -> Any:
    """Powers of each element: 1, x, x², …, N of them."""
    if not x.ndim:
        x = x.unsqueeze(-1)
    n = x._value.shape[-1] if N is None else N
    if n < 1:
        raise RuntimeError("N must be greater than 1.")
    shape = tuple(x._value.shape)
    ones = made(np.ones((*shape, 1)), x.dtype)
    if n == 1:
        return ones
    powers = x.unsqueeze(-1).expand(*shape, n - 1).cumprod(-1)
    return MODULES["torch"]["cat"]((ones, powers), -1)


def tensorsolve(A: Any, B: Any, dims: Any = None) -> Any:
    """The X for which A X = B, the product over all axes of X."""
    if dims is not None:
        kept = [i for i in range(A.ndim) if i not in {check_dim(d, A.ndim) for d in dims}]
        A = A.permute([*kept, *(check_dim(d, A.ndim) for d in dims)])
    shape = tuple(A._value.shape)[B.ndim :]
    size = math.prod(shape)
    if size != B.numel():
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            f"prod(self.shape[:other.ndim]), but got {size} != {B.numel()}"
        )
    return solve(A.reshape(size, size), B.reshape(size)).reshape(shape)


def tensorinv(A: Any, ind: int = 2) -> Any:
    """The inverse for the product over the first `ind` axes."""
    if ind < 1:
        raise RuntimeError("Expected a strictly positive integer for 'ind'")
    shape = tuple(A._value.shape)
    rows, columns = math.prod(shape[:ind]), math.prod(shape[ind:])
    if rows != columns:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == "
            f"prod(self.shape[:ind]), but got {columns} != {rows}"
        )
    return inv(A.reshape(rows, columns)).reshape(shape[ind:] + shape[:ind])


enter("vander", vander, module="linalg")
enter("tensorsolve", tensorsolve, module="linalg")
enter("tensorinv", tensorinv, module="linalg")
