"""Norms of vectors and matrices; singular values.

Every norm has derivative 0 at zero, the element of least size in its subdifferential.
"""

from typing import Any

import numpy as np

from funcgrad.core.tracer import bind
from funcgrad.families.batching import same_call
from funcgrad.families.shapes import (
    as_operand,
    is_complex,
    negative_axes,
    negative_axis,
    rank_of,
    shape_of,
)
from funcgrad.families.smooth import smooth
from funcgrad.primitives.linalg import adjoint
from funcgrad.primitives.plain import as_scalar, implements_traced
from funcgrad.primitives.reduction import kept_shape, sloped
from funcgrad.primitives.structural import astype, moveaxis, reshape, where

__all__ = ["matrix_norm", "norm", "svdvals", "vector_norm"]


def _norm_value(x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    """√Σ |x|² as NumPy computes it: by `dot` where all axes are reduced."""
    if len(axis) == np.ndim(x):
        total = np.linalg.norm(x)
        return total.reshape((1,) * np.ndim(x)) if keepdims else total
    squares = (np.conjugate(x) * x).real if is_complex(x) else x * x
    return np.sqrt(np.sum(squares, axis=axis, keepdims=keepdims))


def _norm_slope(out: Any, x: Any, *, axis: tuple[int, ...]) -> Any:
    """conj(x) / ‖x‖, and 0 where ‖x‖ is."""
    del axis
    unit = x / where(out == 0, 1, out)
    return np.conjugate(unit) if is_complex(x) else unit


norm_p = sloped("norm", _norm_value, _norm_slope)


# --- singular values --------------------------------------------------------------------------
#
# NOTE. With A = U S Vᴴ (thin), and Uᴴ Ȧ V = H + K, H Hermitian and K anti-Hermitian: Ṡ = diag H,
#
#     U̇ = U (E ∘ H + G ∘ K) + (1 - U Uᴴ) Ȧ V S⁻¹,       Eᵢⱼ = 1 / (sⱼ - sᵢ),
#     V̇ = V (E ∘ H - G ∘ K) + (1 - V Vᴴ) Ȧᴴ U S⁻¹,      Gᵢⱼ = 1 / (sⱼ + sᵢ).
#
# Here only the singular values are given out; U̇ and V̇ serve their second derivatives. For equal
# singular values E is taken as 0, which is right for functions that treat these alike.


def _inverse(x: Any, tolerance: Any) -> Any:
    """1 / x, and 0 where x is zero but for rounding."""
    zero = np.abs(x) <= tolerance
    return where(zero, 0, 1 / where(zero, 1, x))


def _rounding(s: Any, shape: tuple[int, ...]) -> Any:
    """How far singular values may be from the truth, in shape (..., 1)."""
    largest = np.max(s, axis=-1, keepdims=True, initial=0)
    return largest * (max(shape[-2:]) * float(np.finfo(s.dtype).eps))


def _svd_jvp(out: tuple[Any, Any, Any], a: Any, t: Any) -> tuple[Any, Any, Any]:
    u, s, vh = out
    v, uh = adjoint(vh), adjoint(u)
    m, n = shape_of(a)[-2:]
    k = min(m, n)
    tolerance = _rounding(s, (m, n))
    rows, columns = np.expand_dims(s, -1), np.expand_dims(s, -2)
    pair_tolerance = np.expand_dims(tolerance, -1)
    w = np.matmul(np.matmul(uh, t), v)
    even = _inverse(columns - rows, pair_tolerance) * ((w + adjoint(w)) / 2)
    odd = _inverse(columns + rows, pair_tolerance) * ((w - adjoint(w)) / 2)
    u_dot, v_dot = np.matmul(u, even + odd), np.matmul(v, even - odd)
    inverse = np.expand_dims(_inverse(s, tolerance), -2)
    if m > k:
        tv = np.matmul(t, v)
        u_dot = u_dot + (tv - np.matmul(u, np.matmul(uh, tv))) * inverse
    if n > k:
        tu = np.matmul(adjoint(t), u)
        v_dot = v_dot + (tu - np.matmul(v, np.matmul(vh, tu))) * inverse
    return u_dot, np.real(np.einsum("...ii->...i", w)), adjoint(v_dot)


thin_svd_p = smooth(
    "thin_svd",
    lambda a: tuple(np.linalg.svd(a, full_matrices=False)),
    _svd_jvp,
    batch=same_call,
    analytic=False,
)


def _svdvals_jvp(s: Any, a: Any, t: Any) -> Any:
    """ṡ = Re diag(Uᴴ Ȧ V), and 0 for singular values that are zero but for rounding."""
    u, _, vh = bind(thin_svd_p, a)
    parts = np.sum(np.conjugate(u) * np.matmul(t, adjoint(vh)), axis=-2)
    return where(s <= _rounding(s, shape_of(a)), 0, np.real(parts))


svdvals_p = smooth(
    "svdvals",
    lambda a: np.linalg.svd(a, compute_uv=False),
    _svdvals_jvp,
    batch=same_call,
    analytic=False,
)


@implements_traced(np.linalg.svdvals)
def svdvals(x: Any, /) -> Any:
    """`numpy.linalg.svdvals`."""
    return bind(svdvals_p, _inexact(x))


def _inexact(x: Any) -> Any:
    x = as_operand(x)
    return x if x.dtype.kind in "fc" else astype(x, np.float64)


# --- norms ------------------------------------------------------------------------------------


def _vector_norm(x: Any, order: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """The norm of order `order` over (negative) axes."""
    if order is None or order == 2:
        return bind(norm_p, x, axis=axis, keepdims=keepdims)
    size = np.abs(x)
    if order == np.inf:
        return np.max(size, axis=axis, keepdims=keepdims, initial=0)
    if order == -np.inf:
        return np.min(size, axis=axis, keepdims=keepdims)
    if order == 0:
        return np.sum(astype(x != 0, size.dtype), axis=axis, keepdims=keepdims)
    if order == 1:
        return np.sum(size, axis=axis, keepdims=keepdims)
    if order > 0:
        size = where(x == 0, 0, np.power(where(x == 0, 1, size), order))
    else:
        size = np.power(size, order)
    total = np.sum(size, axis=axis, keepdims=keepdims)
    root = size.dtype.type(1) / size.dtype.type(order)
    if order < 0:
        return np.power(total, root)
    return as_scalar(where(total == 0, 0, np.power(where(total == 0, 1, total), root)))


def _matrix_norm(x: Any, order: Any, axis: tuple[int, int], keepdims: bool) -> Any:
    """The norm of matrices with rows along `axis[0]` and columns along `axis[1]` (negative)."""
    row, column = axis
    if row == column:
        raise ValueError("Duplicate axes given.")
    if order in (None, "fro", "f"):
        return bind(norm_p, x, axis=tuple(sorted(axis)), keepdims=keepdims)
    if order in (2, -2, "nuc"):
        values = bind(svdvals_p, moveaxis(x, (row, column), (-2, -1)))
        reduce: Any = {2: np.max, -2: np.min, "nuc": np.sum}[order]
        result = reduce(values, axis=-1)
    elif order in (1, -1):
        sums = np.sum(np.abs(x), axis=row, keepdims=True)
        result = _squeezed(
            (np.max if order == 1 else np.min)(sums, axis=column, keepdims=True), axis
        )
    elif order in (np.inf, -np.inf):
        sums = np.sum(np.abs(x), axis=column, keepdims=True)
        result = _squeezed((np.max if order > 0 else np.min)(sums, axis=row, keepdims=True), axis)
    else:
        raise ValueError("Invalid norm order for matrices.")
    return reshape(result, kept_shape(shape_of(x), axis)) if keepdims else result


def _squeezed(x: Any, axis: tuple[int, int]) -> Any:
    """Without two axes of length 1."""
    return x[tuple(0 if i in axis else slice(None) for i in range(-rank_of(x), 0))]


@implements_traced(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """`numpy.linalg.norm`, of all orders."""
    x = _inexact(x)
    rank = rank_of(x)
    if axis is None and (
        ord is None or (ord in ("f", "fro") and rank == 2) or (ord == 2 and rank == 1)
    ):
        return _vector_norm(x, None, tuple(range(-rank, 0)), bool(keepdims))
    if axis is None:
        axes = tuple(range(-rank, 0))
    else:
        axes = tuple(
            negative_axis(a, rank) for a in (axis if isinstance(axis, tuple | list) else (axis,))
        )
    if len(axes) == 1:
        if isinstance(ord, str):
            raise ValueError(f"Invalid norm order '{ord}' for vectors")
        return _vector_norm(x, ord, axes, bool(keepdims))
    if len(axes) == 2:
        return _matrix_norm(x, ord, (axes[0], axes[1]), bool(keepdims))
    raise ValueError("Improper number of dimensions to norm.")


@implements_traced(np.linalg.vector_norm)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """`numpy.linalg.vector_norm`: over any axes together."""
    x = _inexact(x)
    return _vector_norm(x, ord, negative_axes(axis, rank_of(x)), bool(keepdims))


@implements_traced(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """`numpy.linalg.matrix_norm`: of the last two axes."""
    return _matrix_norm(_inexact(x), ord, (-2, -1), bool(keepdims))
