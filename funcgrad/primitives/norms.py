"""Norms of vectors and matrices.

Every norm has derivative 0 at zero, the element of least size in its subdifferential.
"""

from typing import Any

import numpy as np

from funcgrad.core.tracer import bind
from funcgrad.families.shapes import (
    as_operand,
    is_complex,
    negative_axes,
    negative_axis,
    rank_of,
    shape_of,
)
from funcgrad.primitives.plain import as_scalar, implements_traced
from funcgrad.primitives.reduction import kept_shape, sloped
from funcgrad.primitives.singular_values import svdvals
from funcgrad.primitives.structural import astype, moveaxis, reshape, where

__all__ = ["matrix_norm", "norm", "vector_norm"]


def _norm_value(x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    """√Σ |x|² as NumPy computes it: by `dot` where all axes are reduced."""
    if len(axis) == np.ndim(x):
        total = np.linalg.norm(x)
        return np.reshape(total, (1,) * np.ndim(x)) if keepdims else total
    squares = np.real(np.conjugate(x) * x) if is_complex(x) else x * x
    return np.sqrt(np.sum(squares, axis=axis, keepdims=keepdims))


def _norm_slope(out: Any, x: Any, *, axis: tuple[int, ...]) -> Any:
    """conj(x) / ‖x‖, and 0 where ‖x‖ is."""
    del axis
    unit = x / where(out == 0, 1, out)
    return np.conjugate(unit) if is_complex(x) else unit


norm_p = sloped("norm", _norm_value, _norm_slope)


def _largest(sizes: Any, *, axis: int, keepdims: bool = False) -> Any:
    """The largest of numbers that are at least 0; of none, 0."""
    if not shape_of(sizes)[axis]:
        return np.sum(sizes, axis=axis, keepdims=keepdims)
    return np.max(sizes, axis=axis, keepdims=keepdims)


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
        values = svdvals(moveaxis(x, (row, column), (-2, -1)))
        reduce: Any = {2: _largest, -2: np.min, "nuc": np.sum}[order]
        result = reduce(values, axis=-1)
    elif order in (1, -1):
        sums = np.sum(np.abs(x), axis=row, keepdims=True)
        result = _squeezed(
            (_largest if order == 1 else np.min)(sums, axis=column, keepdims=True), axis
        )
    elif order in (np.inf, -np.inf):
        sums = np.sum(np.abs(x), axis=column, keepdims=True)
        result = _squeezed((_largest if order > 0 else np.min)(sums, axis=row, keepdims=True), axis)
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
