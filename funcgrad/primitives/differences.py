"""Finite differences and the trapezoidal rule along an axis."""

from typing import Any

import numpy as np

from funcgrad.families.shapes import as_operand, negative_axis, rank_of, shape_of
from funcgrad.primitives.cumulative import along
from funcgrad.primitives.plain import implements_traced, is_traced
from funcgrad.primitives.structural import astype, broadcast_to, concatenate, reshape

__all__ = ["diff"]


def _edge(value: Any, a: Any, axis: int) -> Any:
    """What `prepend` or `append` adds to one end; a scalar is one layer."""
    value = as_operand(value)
    if rank_of(value) == 0:
        shape = list(shape_of(a))
        shape[axis] = 1
        value = broadcast_to(value, tuple(shape))
    return value


@implements_traced(np.diff)
def diff(
    a: Any,
    n: int = 1,
    axis: int = -1,
    prepend: Any = np._NoValue,
    append: Any = np._NoValue,
) -> Any:
    """`numpy.diff`: aᵢ₊₁ - aᵢ, n times."""
    if n == 0:
        return a
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n!r}")
    a = as_operand(a)
    if rank_of(a) == 0:
        raise ValueError("diff requires input that is at least one dimensional")
    axis = negative_axis(axis, rank_of(a))
    parts = [] if prepend is np._NoValue else [_edge(prepend, a, axis)]
    parts.append(a)
    if append is not np._NoValue:
        parts.append(_edge(append, a, axis))
    if len(parts) > 1:
        a = concatenate(parts, axis=axis)
    step = np.not_equal if a.dtype == np.bool_ else np.subtract
    for _ in range(n):
        a = step(a[along(axis, 1, None)], a[along(axis, None, -1)])
    return a


@implements_traced(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """`numpy.ediff1d`: differences of the flattened array, with values set before and behind."""
    flat = reshape(as_operand(ary), (-1,))
    between = flat[1:] - flat[:-1]
    before = [] if to_begin is None else [_fitting("to_begin", to_begin, flat.dtype)]
    behind = [] if to_end is None else [_fitting("to_end", to_end, flat.dtype)]
    parts = [*before, between, *behind]
    return between if len(parts) == 1 else concatenate(parts, dtype=flat.dtype)


def _fitting(name: str, value: Any, dtype: Any) -> Any:
    """Values set at an end, flat; they become elements of this dtype."""
    value = as_operand(value)
    own = value.dtype if hasattr(value, "dtype") else np.result_type(type(value))
    if not np.can_cast(own, dtype, "same_kind"):
        raise TypeError(
            f"dtype of `{name}` must be compatible with input `ary` under the `same_kind` rule."
        )
    return reshape(value, (-1,))


@implements_traced(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """`numpy.trapezoid`: Σ Δxᵢ (yᵢ + yᵢ₊₁) / 2."""
    y = as_operand(y)
    rank = rank_of(y)
    axis = negative_axis(axis, rank)
    if x is None:
        steps = dx
    elif rank_of(x := as_operand(x)) == 1:
        steps = diff(x)
        steps = reshape(steps, (*shape_of(steps), *(1,) * (-axis - 1)))
    else:
        steps = diff(x, axis=axis)
    areas = steps * (y[along(axis, 1, None)] + y[along(axis, None, -1)]) / 2.0
    return np.sum(areas, axis=axis)


@implements_traced(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """`numpy.gradient`: second-order central differences, one-sided ones at the ends."""
    f = as_operand(f)
    rank = rank_of(f)
    axes = range(rank) if axis is None else axis if isinstance(axis, tuple | list) else (axis,)
    places = [negative_axis(one, rank) for one in axes]
    if edge_order not in (1, 2):
        raise ValueError("'edge_order' greater than 2 not supported")
    if len(varargs) == 1 and rank_of(as_operand(varargs[0])) == 0:
        varargs = varargs * len(places)
    if len(varargs) not in (0, len(places)):
        raise TypeError(f"gradient: {len(varargs)} spacings for {len(places)} axes")
    if f.dtype.kind == "b" and places and min(shape_of(f)[i] for i in places) > edge_order:
        raise TypeError(
            "gradient: an array of dtype bool. NumPy does not subtract booleans. Use f.astype(int)."
        )
    if f.dtype.kind not in "fc":
        f = astype(f, np.float64)
    parts = [
        astype(_derivative(f, spacing, place, edge_order), f.dtype)
        for spacing, place in zip(varargs or (1.0,) * len(places), places, strict=True)
    ]
    return parts[0] if len(parts) == 1 else tuple(parts)


def _derivative(f: Any, spacing: Any, axis: int, edge_order: int) -> Any:
    n = shape_of(f)[axis]
    if n < edge_order + 1:
        raise ValueError(
            "Shape of array too small to calculate a numerical gradient, "
            "at least (edge_order + 1) elements are required."
        )
    h = as_operand(spacing)
    if rank_of(h) > 1:
        raise ValueError("distances must be either scalars or 1d")
    if rank_of(h) == 1:
        if shape_of(h) != (n,):
            raise ValueError("when 1d, distances must match the length of the axis")
        h = diff(h if h.dtype.kind in "fc" else astype(h, np.float64))
        if not is_traced(h) and np.all(h == h[0]):
            h = h[0]
    ends = (
        [_end(f, h, axis, first=True), _end(f, h, axis, first=False)]
        if edge_order == 1
        else [_wide_end(f, h, axis, first=True), _wide_end(f, h, axis, first=False)]
    )
    if n == 2:
        return concatenate(ends, axis=axis)
    left, right = f[along(axis, None, -2)], f[along(axis, 2, None)]
    if rank_of(h) == 0:
        inner = (right - left) / (2.0 * h)
    else:
        h = reshape(h, (-1, *(1,) * (-axis - 1)))
        h1, h2 = h[along(axis, None, -1)], h[along(axis, 1, None)]
        a, b, c = -h2 / (h1 * (h1 + h2)), (h2 - h1) / (h1 * h2), h1 / (h2 * (h1 + h2))
        inner = a * left + b * f[along(axis, 1, -1)] + c * right
    return concatenate([ends[0], inner, ends[1]], axis=axis)


def _layer(f: Any, axis: int, i: int) -> Any:
    return f[along(axis, i, i + 1 if i != -1 else None)]


def _end(f: Any, h: Any, axis: int, *, first: bool) -> Any:
    """The one-sided difference of two points."""
    if rank_of(h):
        h = h[0] if first else h[-1]
    i, j = (0, 1) if first else (-2, -1)
    return (_layer(f, axis, j) - _layer(f, axis, i)) / h


def _wide_end(f: Any, h: Any, axis: int, *, first: bool) -> Any:
    """The one-sided difference of three points, exact for parabolas."""
    if rank_of(h) == 0:
        a, b, c = (-1.5 / h, 2.0 / h, -0.5 / h) if first else (0.5 / h, -2.0 / h, 1.5 / h)
    elif first:
        h1, h2 = h[0], h[1]
        a, b = -(2.0 * h1 + h2) / (h1 * (h1 + h2)), (h1 + h2) / (h1 * h2)
        c = -h1 / (h2 * (h1 + h2))
    else:
        h1, h2 = h[-2], h[-1]
        a, b = h2 / (h1 * (h1 + h2)), -(h2 + h1) / (h1 * h2)
        c = (2.0 * h2 + h1) / (h2 * (h1 + h2))
    i = 0 if first else -3
    return a * _layer(f, axis, i) + b * _layer(f, axis, i + 1) + c * _layer(f, axis, i + 2)
