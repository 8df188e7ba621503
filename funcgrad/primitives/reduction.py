"""Sums, products, means and extrema over axes.

A reduction binds `axis` as a sorted tuple of negative numbers, so that a batch axis in front
changes nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad.core.tracer import bind
from funcgrad.families.batching import same_call
from funcgrad.families.linear import linear
from funcgrad.families.shapes import (
    as_operand,
    cast_like,
    in_front,
    masked,
    negative_axes,
    rank_of,
    shape_of,
)
from funcgrad.families.smooth import smooth
from funcgrad.primitives.plain import implements_traced, is_traced, refuse_out, static_axis
from funcgrad.primitives.structural import (
    astype,
    broadcast_to,
    concatenate,
    reshape,
    transpose,
    where,
)

__all__ = [
    "count",
    "kept_shape",
    "last",
    "max_",
    "mean",
    "min_",
    "number_of",
    "prod",
    "ptp",
    "spread",
    "sum_",
]

SMALL_FILL = 4096
_reduce: Callable[..., Any] = np.add.reduce  # its stubs know no variable keepdims


def kept_shape(shape: tuple[int, ...], axis: tuple[int, ...]) -> tuple[int, ...]:
    """The shape with the reduced (negative) axes kept as 1."""
    rank = len(shape)
    return tuple(1 if i - rank in axis else n for i, n in enumerate(shape))


def spread(ct: Any, shape: tuple[int, ...], axis: tuple[int, ...], keepdims: bool) -> Any:
    """Repeat a value along the axes that a reduction has summed over."""
    if type(ct) is np.float64 or type(ct) is np.float32:
        size = 1
        for length in shape:
            size *= length
        if size <= SMALL_FILL:  # filling is cheaper than a view with strides of zero
            full: np.ndarray[Any, Any] = np.empty(shape, ct.dtype)
            full.fill(ct)
            return full
    if not keepdims:
        ct = reshape(ct, kept_shape(shape, axis))
    return broadcast_to(ct, shape)


def count(shape: tuple[int, ...], axis: tuple[int, ...]) -> int:
    """Number of elements that one result of a reduction takes together."""
    number = 1
    for one in axis:
        number *= shape[one]
    return number


def last(x: Any, axis: tuple[int, ...]) -> Any:
    """The reduced (negative) axes joined to one, the last."""
    shape = shape_of(x)
    rank = len(shape)
    kept = [i for i in range(-rank, 0) if i not in axis]
    return reshape(transpose(x, (*kept, *axis)), (*(shape[i] for i in kept), count(shape, axis)))


# --- values and rules -------------------------------------------------------------------------


def _sum_value(x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    if type(x) is np.ndarray:
        return _reduce(x, axis=None if len(axis) == x.ndim else axis, keepdims=keepdims)
    return np.sum(x, axis=axis, keepdims=keepdims)


def _masked_sum_value(x: Any, mask: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    return np.sum(x, axis=axis, keepdims=keepdims, where=mask)


def _masked_sum_batch(
    size: int, batched: Sequence[bool], values: Sequence[Any], params: dict[str, Any]
) -> Any:
    x, mask = values
    return bind(masked_sum_p, in_front(size, x, batched[0]), mask, **params)


def _mean_value(x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    if type(x) is np.ndarray and x.dtype.kind in "fc" and x.dtype.itemsize > 2 and x.size:
        total = _reduce(x, axis=None if len(axis) == x.ndim else axis, keepdims=keepdims)
        return total / x.dtype.type(count(x.shape, axis))
    return np.mean(x, axis=axis, keepdims=keepdims)


def _mean_transpose(ct: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    number = count(x.shape, axis)
    if x.dtype.itemsize == 2:  # a float16 ends at 65504
        return astype(spread(ct / np.float32(number), x.shape, axis, keepdims), x.dtype)
    return spread(ct / np.dtype(x.dtype).type(number), x.shape, axis, keepdims)


def _extremum_jvp(out: Any, x: Any, t: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    """Mean of the tangents at the places where the extremum is taken (NaN is taken)."""
    full = out if keepdims else reshape(out, kept_shape(shape_of(x), axis))
    chosen = (x == full) | (x != x)  # noqa: PLR0124  # NaN
    ties = np.sum(chosen, axis=axis, keepdims=True)
    part = where(chosen, t, 0) / astype(ties, t.dtype)
    return np.sum(part, axis=axis, keepdims=keepdims)


def _extremum_vjp(
    out: Any, args: Any, active: tuple[bool, ...], params: dict[str, Any]
) -> tuple[Any, Any]:
    """The transpose of `_extremum_jvp`, with a shorter way where nothing ties."""
    del active
    axis = params["axis"]
    kept = kept_shape(shape_of(args[0]), axis)

    def pull(ct: Any, residuals: Any) -> Any:
        out, x = residuals
        full, ct = reshape(out, kept), reshape(ct, kept)
        chosen = x == full
        if type(chosen) is np.ndarray and np.count_nonzero(chosen) == np.size(out):
            return masked(chosen, broadcast_to(ct, x.shape))
        chosen = chosen | (x != x)  # noqa: PLR0124  # NaN
        ties = np.sum(chosen, axis=axis, keepdims=True)
        return where(chosen, ct / astype(ties, ct.dtype), 0)

    return pull, (out, args[0])


def _prod_jvp(_out: Any, x: Any, t: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    """Product rule over a tree of halves: exact with any number of zeros, in every order."""
    p, q = last(x, axis), last(t, axis)
    n = shape_of(p)[-1]
    if n == 0:
        return np.sum(t, axis=axis, keepdims=keepdims)
    while n > 1:
        half = n // 2
        p1, p2 = p[..., :half], p[..., half : 2 * half]
        q1, q2 = q[..., :half], q[..., half : 2 * half]
        product, tangent = p1 * p2, q1 * p2 + p1 * q2
        if n % 2:
            product = concatenate([product, p[..., n - 1 :]], axis=-1)
            tangent = concatenate([tangent, q[..., n - 1 :]], axis=-1)
        p, q, n = product, tangent, half + n % 2
    return reshape(q, kept_shape(shape_of(x), axis)) if keepdims else q[..., 0]


sum_p = linear(
    "sum",
    _sum_value,
    lambda ct, x, *, axis, keepdims: spread(ct, x.shape, axis, keepdims),
    batch=same_call,
)
masked_sum_p = linear(
    "masked_sum",
    _masked_sum_value,
    lambda ct, x, mask, *, axis, keepdims: where(mask, spread(ct, x.shape, axis, keepdims), 0),
    None,
    batch=_masked_sum_batch,
)
mean_p = linear("mean", _mean_value, _mean_transpose, batch=same_call)
prod_p = smooth(
    "prod",
    lambda x, *, axis, keepdims: np.prod(x, axis=axis, keepdims=keepdims),
    _prod_jvp,
    batch=same_call,
)
max_p = smooth(
    "max",
    lambda x, *, axis, keepdims: np.max(x, axis=axis, keepdims=keepdims),
    _extremum_jvp,
    batch=same_call,
    vjp=_extremum_vjp,
    analytic=False,
)
min_p = smooth(
    "min",
    lambda x, *, axis, keepdims: np.min(x, axis=axis, keepdims=keepdims),
    _extremum_jvp,
    batch=same_call,
    vjp=_extremum_vjp,
    analytic=False,
)


# --- functions --------------------------------------------------------------------------------


def _operand(a: Any, dtype: Any) -> Any:
    a = as_operand(a)
    return a if dtype is None else astype(a, dtype)


@implements_traced(np.sum)
def sum_(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = 0,
    where: Any = True,
) -> Any:
    """`numpy.sum`."""
    refuse_out("sum", out)
    a = _operand(a, dtype)
    params = {"axis": negative_axes(axis, rank_of(a)), "keepdims": bool(keepdims)}
    if where is True:
        total = bind(sum_p, a, **params)
    else:
        total = bind(masked_sum_p, a, broadcast_to(as_operand(where), shape_of(a)), **params)
    return total if type(initial) is int and initial == 0 else total + initial


@implements_traced(np.prod)
def prod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = 1,
    where: Any = True,
) -> Any:
    """`numpy.prod`; its derivatives are right with any number of zeros."""
    refuse_out("prod", out)
    a = _operand(a, dtype)
    if where is not True:
        a = np.where(where, a, 1)
    total = bind(prod_p, a, axis=negative_axes(axis, rank_of(a)), keepdims=bool(keepdims))
    return total if type(initial) is int and initial == 1 else total * initial


@implements_traced(np.mean)
def mean(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    *,
    where: Any = True,
) -> Any:
    """`numpy.mean`."""
    refuse_out("mean", out)
    a = _operand(a, dtype)
    if where is True:
        return bind(mean_p, a, axis=negative_axes(axis, rank_of(a)), keepdims=bool(keepdims))
    half = dtype is None and a.dtype == np.float16  # as NumPy does, the sum is one of float32
    total = sum_(astype(a, np.float32) if half else a, axis, keepdims=keepdims, where=where)
    average = total / cast_like(number_of(a, axis, keepdims, where), _inexact(total.dtype))
    return astype(average, np.float16) if half else average


def number_of(a: Any, axis: Any, keepdims: bool, mask: Any) -> Any:
    """How many elements of each reduction a mask lets through."""
    if mask is True:
        return np.asarray(count(shape_of(a), negative_axes(axis, rank_of(a))))
    full = broadcast_to(as_operand(mask), shape_of(a))
    return np.sum(full, axis=static_axis(axis), keepdims=keepdims)


def _inexact(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype if dtype.kind in "fc" else np.dtype(np.float64)


def _beyond(primitive: Any, dtype: np.dtype[Any]) -> Any:
    """What no element is larger (or smaller) than."""
    sign = -1 if primitive is max_p else 1
    if dtype.kind in "fc":
        return dtype.type(sign * np.inf)
    if dtype.kind == "b":
        return np.bool_(sign > 0)
    info = np.iinfo(dtype)
    return dtype.type(info.min if sign < 0 else info.max)


def _extremum(primitive: Any, a: Any, axis: Any, keepdims: bool, initial: Any, mask: Any) -> Any:
    a = as_operand(a)
    if mask is not True:
        if initial is None:
            raise ValueError(
                f"reduction operation {primitive} does not have an identity, so to use a where "
                "mask one has to specify 'initial'"
            )
        a = where(mask, a, _beyond(primitive, a.dtype))
    axes = negative_axes(axis, rank_of(a))
    params: dict[str, Any] = {"axis": axes, "keepdims": bool(keepdims)}
    if initial is None:
        return bind(primitive, a, **params)
    further = np.maximum if primitive is max_p else np.minimum
    if not is_traced(initial):
        initial = np.asarray(initial, a.dtype)[()]
    if count(shape_of(a), axes) == 0:
        return astype(np.sum(a, **params), a.dtype) + initial
    return further(bind(primitive, a, **params), initial)


@implements_traced(np.max, np.amax)
def max_(
    a: Any,
    axis: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    """`numpy.max`; ties share the derivative evenly."""
    refuse_out("max", out)
    return _extremum(max_p, a, axis, keepdims, initial, where)


@implements_traced(np.min, np.amin)
def min_(
    a: Any,
    axis: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    """`numpy.min`; ties share the derivative evenly."""
    refuse_out("min", out)
    return _extremum(min_p, a, axis, keepdims, initial, where)


@implements_traced(np.ptp)
def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    """`numpy.ptp`: maximum - minimum."""
    refuse_out("ptp", out)
    return max_(a, axis, keepdims=keepdims) - min_(a, axis, keepdims=keepdims)
