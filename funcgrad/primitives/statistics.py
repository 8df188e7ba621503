"""Variance, standard deviation, weighted averages, and the statistics that skip NaN."""

from typing import Any

import numpy as np

from funcgrad.core.tracer import bind, plain_value
from funcgrad.families.shapes import (
    as_operand,
    cast_like,
    is_complex,
    negative_axes,
    negative_axis,
    rank_of,
    shape_of,
)
from funcgrad.primitives.plain import (
    as_scalar,
    implements_traced,
    refuse_out,
    static_axis,
)
from funcgrad.primitives.reduction import (
    count,
    max_,
    mean,
    min_,
    number_of,
    prod,
    sloped,
    sum_,
)
from funcgrad.primitives.structural import astype, broadcast_to, reshape, transpose, where

__all__ = ["average", "nanmean", "nanvar", "std", "var"]


def _half_slope(x: Any, axis: tuple[int, ...], ddof: float) -> Any:
    """Half the slope of the variance: conj(x - x̄) / (n - ddof)."""
    apart = x - np.mean(x, axis=axis, keepdims=True)
    freedom = max(count(shape_of(x), axis) - ddof, 0)
    scaled = apart * (1 / freedom if freedom else np.nan)
    return np.conjugate(scaled) if is_complex(x) else scaled


def _std_slope(out: Any, x: Any, *, axis: tuple[int, ...], ddof: float) -> Any:
    """Half the slope of the variance / s, and 0 where all values are equal.

    There s is 0 but for rounding, which would be blown up by the division.
    """
    flat = out == 0
    if rank := rank_of(x):
        first = x[tuple(slice(0, 1) if i in axis else slice(None) for i in range(-rank, 0))]
        flat = flat | (np.sum(x != first, axis=axis, keepdims=True) == 0)
    return where(flat, 0, _half_slope(x, axis, ddof) / where(flat, 1, out))


var_p = sloped(
    "var",
    lambda x, *, axis, ddof, keepdims: np.var(x, axis=axis, ddof=ddof, keepdims=keepdims),
    lambda _out, x, *, axis, ddof: 2 * _half_slope(x, axis, ddof),
)
std_p = sloped(
    "std",
    lambda x, *, axis, ddof, keepdims: np.std(x, axis=axis, ddof=ddof, keepdims=keepdims),
    _std_slope,
)


def _square(x: Any) -> Any:
    """|x|², in NumPy's steps."""
    if not is_complex(x):
        return np.multiply(x, x)
    re, im = np.real(x), np.imag(x)
    return re * re + im * im


def _root(x: Any) -> Any:
    """√x, whose derivative at 0 is 0."""
    return as_scalar(where(x == 0, 0, np.sqrt(where(x == 0, 1, x))))


def _spread_of(a: Any, axis: Any, ddof: float, keepdims: bool, mask: Any, center: Any) -> Any:
    """The variance in NumPy's own steps, for `where=` and `mean=`."""
    if center is None:
        number = number_of(a, axis, True, mask)
        center = sum_(a, axis, keepdims=True, where=mask) / cast_like(number, a.dtype)
    apart = a - center
    if mask is not True:
        apart = where(mask, apart, 0)
    total = sum_(_square(apart), axis, keepdims=keepdims, where=mask)
    freedom = np.maximum(number_of(a, axis, keepdims, mask) - ddof, 0)
    return total / cast_like(freedom, total.dtype)


def _moment(
    primitive: Any,
    a: Any,
    axis: Any,
    dtype: Any,
    ddof: float,
    keepdims: bool,
    mask: Any,
    center: Any,
    correction: Any,
) -> Any:
    a = as_operand(a)
    if correction is not np._NoValue:
        if ddof != 0:
            raise ValueError("ddof and correction can't be provided simultaneously.")
        ddof = correction
    if dtype is not None:
        a = astype(a, dtype)
    if mask is True and center is np._NoValue:
        axes = negative_axes(axis, rank_of(a))
        return bind(primitive, a, axis=axes, ddof=ddof, keepdims=bool(keepdims))
    if a.dtype.kind not in "fc":
        a = astype(a, np.float64)
    center = None if center is np._NoValue else as_operand(center)
    squared = _spread_of(a, axis, ddof, keepdims, mask, center)
    return squared if primitive is var_p else _root(squared)


@implements_traced(np.var)
def var(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Any = True,
    mean: Any = np._NoValue,
    correction: Any = np._NoValue,
) -> Any:
    """`numpy.var`; `mean=`, where given, is differentiated as an argument of its own."""
    refuse_out("var", out)
    return _moment(var_p, a, axis, dtype, ddof, keepdims, where, mean, correction)


@implements_traced(np.std)
def std(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Any = True,
    mean: Any = np._NoValue,
    correction: Any = np._NoValue,
) -> Any:
    """`numpy.std`; its derivative is 0 where all values are equal."""
    refuse_out("std", out)
    return _moment(std_p, a, axis, dtype, ddof, keepdims, where, mean, correction)


def _weights(weights: Any, a: Any, axis: Any) -> Any:
    """Weights in a shape that broadcasts against `a`."""
    w = as_operand(weights)
    shape = shape_of(a)
    if shape_of(w) == shape:
        return w
    if axis is None:
        raise TypeError("Axis must be specified when shapes of a and weights differ.")
    rank = len(shape)
    axes = [negative_axis(one, rank) for one in (axis if isinstance(axis, tuple) else (axis,))]
    if shape_of(w) != tuple(shape[one] for one in axes):
        raise ValueError(
            "Shape of weights must be consistent with shape of a along specified axis."
        )
    w = transpose(w, sorted(range(len(axes)), key=lambda i: axes[i]))
    return reshape(w, tuple(n if i - rank in axes else 1 for i, n in enumerate(shape)))


@implements_traced(np.average)
def average(
    a: Any,
    axis: Any = None,
    weights: Any = None,
    returned: bool = False,
    *,
    keepdims: bool = False,
) -> Any:
    """`numpy.average`: Σ wᵢ aᵢ / Σ wᵢ."""
    a = as_operand(a)
    axis = static_axis(axis)
    if weights is None:
        result = mean(a, axis, keepdims=keepdims)
        number = count(shape_of(a), negative_axes(axis, rank_of(a)))
        total = np.asarray(number, result.dtype)[()]
    else:
        w = _weights(weights, a, axis)
        dtype = np.result_type(a.dtype, w.dtype, *(["f8"] if a.dtype.kind in "biu" else []))
        total = sum_(w, axis, dtype=dtype, keepdims=keepdims)
        if np.any(plain_value(total) == 0):
            raise ZeroDivisionError("Weights sum to zero, can't be normalized")
        result = sum_(astype(a, dtype) * astype(w, dtype), axis, keepdims=keepdims) / total
    if not returned:
        return result
    return result, broadcast_to(total, shape_of(result))


# --- what skips NaN ---------------------------------------------------------------------------


@implements_traced(np.nansum)
def nansum(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = 0,
    where: Any = True,
) -> Any:
    """`numpy.nansum`: NaN counts as 0."""
    a = as_operand(a)
    return sum_(np.where(np.isnan(a), 0, a), axis, dtype, out, keepdims, initial, where)


@implements_traced(np.nanprod)
def nanprod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = 1,
    where: Any = True,
) -> Any:
    """`numpy.nanprod`: NaN counts as 1."""
    a = as_operand(a)
    return prod(np.where(np.isnan(a), 1, a), axis, dtype, out, keepdims, initial, where)


def _numbers(a: Any, mask: Any) -> Any:
    """Where an element counts: it is no NaN, and let through."""
    numbers = np.logical_not(np.isnan(a))
    return numbers if mask is True else np.logical_and(numbers, mask)


@implements_traced(np.nanmean)
def nanmean(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    *,
    where: Any = True,
) -> Any:
    """`numpy.nanmean`: the mean of what is no NaN."""
    refuse_out("nanmean", out)
    a = as_operand(a)
    valid = _numbers(a, where)
    total = nansum(a, axis, dtype, keepdims=keepdims, where=where)
    return total / astype(np.sum(valid, axis=static_axis(axis), keepdims=keepdims), total.dtype)


def _nan_spread(
    a: Any, axis: Any, dtype: Any, ddof: float, keepdims: bool, mask: Any, center: Any
) -> Any:
    a = as_operand(a)
    if dtype is not None:
        a = astype(a, dtype)
    axis = static_axis(axis)
    valid = _numbers(a, mask)
    if center is np._NoValue:
        center = nanmean(a, axis, keepdims=True, where=mask)
    apart = where(valid, where(valid, a, 0) - center, 0)
    number = np.sum(valid, axis=axis, keepdims=keepdims)
    total = sum_(_square(apart), axis, keepdims=keepdims)
    freedom = astype(number, total.dtype) - ddof
    return as_scalar(where(freedom > 0, total / where(freedom > 0, freedom, 1), np.nan))


@implements_traced(np.nanvar)
def nanvar(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Any = True,
    mean: Any = np._NoValue,
    correction: Any = np._NoValue,
) -> Any:
    """`numpy.nanvar`: the variance of what is no NaN."""
    refuse_out("nanvar", out)
    ddof = ddof if correction is np._NoValue else correction
    return _nan_spread(a, axis, dtype, ddof, keepdims, where, mean)


@implements_traced(np.nanstd)
def nanstd(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Any = True,
    mean: Any = np._NoValue,
    correction: Any = np._NoValue,
) -> Any:
    """`numpy.nanstd`: the standard deviation of what is no NaN; its derivative at 0 is 0."""
    refuse_out("nanstd", out)
    ddof = ddof if correction is np._NoValue else correction
    return _root(_nan_spread(a, axis, dtype, ddof, keepdims, where, mean))


def _nan_extremum(
    best: Any, worst: float, a: Any, axis: Any, keepdims: bool, initial: Any, mask: Any
) -> Any:
    a = as_operand(a)
    valid = _numbers(a, mask)
    found = best(where(np.isnan(a), worst, a), axis, None, keepdims, initial, mask)
    if initial is not None:
        return found
    some = np.sum(valid, axis=static_axis(axis), keepdims=keepdims) > 0
    return as_scalar(where(some, found, np.nan))


@implements_traced(np.nanmax)
def nanmax(
    a: Any,
    axis: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    """`numpy.nanmax`: the largest of what is no NaN; ties share the derivative evenly."""
    refuse_out("nanmax", out)
    return _nan_extremum(max_, -np.inf, a, axis, keepdims, initial, where)


@implements_traced(np.nanmin)
def nanmin(
    a: Any,
    axis: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    """`numpy.nanmin`: the smallest of what is no NaN; ties share the derivative evenly."""
    refuse_out("nanmin", out)
    return _nan_extremum(min_, np.inf, a, axis, keepdims, initial, where)
