"""Variance, standard deviation, weighted averages, and the statistics that skip NaN."""

from typing import Any

import numpy as np

from funcgrad.core.foreign import any_seen
from funcgrad.core.primitive import Primitive
from funcgrad.core.tracer import bind, plain_value
from funcgrad.families.batching import same_call
from funcgrad.families.elementwise import constant_call
from funcgrad.families.shapes import (
    as_operand,
    cast_like,
    in_front,
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
    axes_of,
    count,
    max_,
    mean,
    min_,
    number_of,
    prod,
    sloped,
    sum_,
)
from funcgrad.primitives.structural import (
    astype,
    broadcast_to,
    real,
    reshape,
    transpose,
    where,
)

__all__ = ["average", "nanmean", "nanvar", "std", "var", "weights_for"]


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


in_integers_p: Primitive = constant_call(
    "moment_in_integers",  # NumPy rounds in each step
    lambda x, *, root, **params: (np.std if root else np.var)(x, **params),
    same_call,
)


def _square(x: Any) -> Any:
    """|x|², in NumPy's steps."""
    if not is_complex(x):
        return np.multiply(x, x)
    re, im = np.real(x), np.imag(x)
    return re * re + im * im


def _all_equal_value(x: Any, mask: Any, *, axis: tuple[int, ...]) -> Any:
    """Whether the elements that a mask lets through are equal, along axes that are kept as 1."""
    if x.dtype.kind == "c":
        parts = [_all_equal_value(part, mask, axis=axis) for part in (np.real(x), np.imag(x))]
        return parts[0] & parts[1]
    high = np.max(x, axis=axis, keepdims=True, where=mask, initial=-np.inf)
    return high == np.min(x, axis=axis, keepdims=True, where=mask, initial=np.inf)


all_equal_p: Primitive = constant_call(
    "all_equal",
    _all_equal_value,
    lambda size, batched, values, params: bind(
        all_equal_p,
        *(in_front(size, v, b) for v, b in zip(values, batched, strict=True)),
        **params,
    ),
)


def _root(squared: Any, x: Any, mask: Any, axis: Any, center: Any) -> Any:
    """√ of a variance of x, whose derivative is 0 where it is 0, but for rounding."""
    flat = squared == 0
    if center is None:
        every = broadcast_to(as_operand(mask), shape_of(x))
        equal = bind(all_equal_p, x, every, axis=axes_of(axis, rank_of(x)))
        flat = (flat | reshape(equal, shape_of(squared))) & np.logical_not(np.isnan(squared))
    return as_scalar(where(flat, 0, np.sqrt(where(flat, 1, squared))))


def _spread_of(
    a: Any, axis: Any, dtype: Any, ddof: float, keepdims: bool, mask: Any, center: Any
) -> Any:
    """The variance in NumPy's own steps, for `where=` and `mean=`."""
    if center is None:
        total = sum_(a, axis, dtype, keepdims=True, where=mask)
        center = total / cast_like(number_of(a, axis, True, mask), total.dtype)
    apart = a - center
    if mask is not True:
        apart = where(mask, apart, 0)
    total = sum_(_square(apart), axis, dtype, keepdims=keepdims, where=mask)
    freedom = np.maximum(number_of(a, axis, keepdims, mask) - ddof, 0)
    return total / cast_like(freedom, total.dtype)


def _freedom(ddof: Any, correction: Any) -> Any:
    """`ddof` by either of its names."""
    if correction is np._NoValue:
        return ddof
    if ddof != 0:
        raise ValueError("ddof and correction can't be provided simultaneously.")
    return correction


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
    ddof = _freedom(ddof, correction)
    dtype = None if dtype is None else np.dtype(dtype)
    if mask is True and center is np._NoValue:
        a = a if dtype is None or dtype.kind in "biu" else astype(a, dtype)
        axes = negative_axes(axis, rank_of(a))
        if dtype is not None and dtype.kind in "biu":
            params = {"axis": axes, "ddof": ddof, "keepdims": bool(keepdims)}
            return bind(in_integers_p, a, root=primitive is std_p, dtype=dtype, **params)
        found = bind(primitive, a, axis=axes, ddof=ddof, keepdims=bool(keepdims))
        return astype(found, dtype) if dtype is not None and dtype.kind == "c" else found
    if a.dtype.kind not in "fc":
        a = astype(a, np.float64)
    center = None if center is np._NoValue else as_operand(center)
    squared = _spread_of(a, axis, dtype, ddof, keepdims, mask, center)
    return squared if primitive is var_p else _root(squared, a, mask, axis, center)


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


def weights_for(weights: Any, a: Any, axis: Any) -> Any:
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
        w = weights_for(weights, a, axis)
        dtype = np.result_type(a.dtype, w.dtype, *(["f8"] if a.dtype.kind in "biu" else []))
        total = sum_(w, axis, dtype=dtype, keepdims=keepdims)
        if any_seen(plain_value(total) == 0):
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
    if _has_no_nan(a, dtype):
        return mean(a, axis, dtype, keepdims=keepdims, where=where)
    valid = _numbers(a, where)
    total = nansum(a, axis, dtype, keepdims=keepdims, where=where)
    return total / astype(np.sum(valid, axis=static_axis(axis), keepdims=keepdims), total.dtype)


def _has_no_nan(a: Any, dtype: Any) -> bool:
    """Whether no element can be NaN; for others the dtype has to hold fractions."""
    if a.dtype.kind not in "fc":
        return True
    if dtype is not None and np.dtype(dtype).kind not in "fc":
        raise TypeError("If a is inexact, then dtype must be inexact")
    return False


def _nan_moment(
    a: Any,
    axis: Any,
    dtype: Any,
    ddof: float,
    keepdims: bool,
    mask: Any,
    center: Any,
    *,
    root: bool,
) -> Any:
    """The variance in NumPy's own steps, which keep the deviations in the dtype of `a`."""
    a = as_operand(a)
    if _has_no_nan(a, dtype):
        moment = std_p if root else var_p
        return _moment(moment, a, axis, dtype, ddof, keepdims, mask, center, np._NoValue)
    axis = static_axis(axis)
    valid = _numbers(a, mask)
    a = where(valid, a, 0)
    if center is np._NoValue:
        center = None
        total = sum_(a, axis, dtype, keepdims=True)
        middle = total / astype(np.sum(valid, axis=axis, keepdims=True), total.dtype)
    else:
        center = middle = as_operand(center)
    apart = where(valid, cast_like(a - middle, a.dtype), 0)
    total = sum_(_square(apart), axis, dtype, keepdims=keepdims)
    freedom = astype(np.sum(valid, axis=axis, keepdims=keepdims) - ddof, real(total).dtype)
    enough = freedom > 0
    squared = as_scalar(where(enough, total / where(enough, freedom, 1), np.nan))
    return _root(squared, a, valid, axis, center) if root else squared


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
    ddof = _freedom(ddof, correction)
    return _nan_moment(a, axis, dtype, ddof, keepdims, where, mean, root=False)


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
    ddof = _freedom(ddof, correction)
    return _nan_moment(a, axis, dtype, ddof, keepdims, where, mean, root=True)


def _nan_extremum(
    best: Any, worst: float, a: Any, axis: Any, keepdims: bool, initial: Any, mask: Any
) -> Any:
    a = as_operand(a)
    if a.dtype.kind not in "fc":  # there is no nan among integers
        return best(a, axis, None, keepdims, initial, mask)
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
