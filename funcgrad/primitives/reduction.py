"""Sums, products, extrema and statistics over axes."""

from typing import Any

import numpy as np

from funcgrad.core.protocols import implements
from funcgrad.core.tracer import bind
from funcgrad.families.batching import same_call
from funcgrad.families.linear import linear
from funcgrad.families.shapes import as_operand, cast_like, negative_axes, rank_of, shape_of
from funcgrad.families.smooth import smooth
from funcgrad.primitives.structural import astype, broadcast_to, reshape, where

__all__ = ["kept_shape", "max_", "mean", "min_", "spread", "sum_"]

SMALL_FILL = 4096


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


def _sum_value(x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    if type(x) is np.ndarray:
        return np.add.reduce(x, axis=None if len(axis) == x.ndim else axis, keepdims=keepdims)
    return np.sum(x, axis=axis, keepdims=keepdims)


def _mean_value(x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    if type(x) is np.ndarray and x.dtype.kind in "fc" and x.dtype.itemsize > 2 and x.size:
        total = np.add.reduce(x, axis=None if len(axis) == x.ndim else axis, keepdims=keepdims)
        return total / x.dtype.type(count(x.shape, axis))
    return np.mean(x, axis=axis, keepdims=keepdims)


def count(shape: tuple[int, ...], axis: tuple[int, ...]) -> int:
    """Number of elements that one result of a reduction takes together."""
    number = 1
    for one in axis:
        number *= shape[one]
    return number


def _mean_transpose(ct: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    return spread(ct / np.dtype(x.dtype).type(count(x.shape, axis)), x.shape, axis, keepdims)


def _extremum_jvp(out: Any, x: Any, t: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    """Mean of the tangents at the places where the extremum is taken."""
    full = out if keepdims else reshape(out, kept_shape(x.shape, axis))
    chosen = x == full
    ties = np.sum(chosen, axis=axis, keepdims=True)
    part = where(chosen, t, 0) / astype(ties, x.dtype)
    return np.sum(part, axis=axis, keepdims=keepdims)


sum_p = linear(
    "sum",
    _sum_value,
    lambda ct, x, *, axis, keepdims: spread(ct, x.shape, axis, keepdims),
    batch=same_call,
)
mean_p = linear("mean", _mean_value, _mean_transpose, batch=same_call)
max_p = smooth(
    "max", lambda x, *, axis, keepdims: np.max(x, axis=axis, keepdims=keepdims),
    _extremum_jvp, batch=same_call, analytic=False,
)
min_p = smooth(
    "min", lambda x, *, axis, keepdims: np.min(x, axis=axis, keepdims=keepdims),
    _extremum_jvp, batch=same_call, analytic=False,
)


@implements(np.sum)
def sum_(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False,
    initial: Any = 0, where: Any = True,
) -> Any:
    """`numpy.sum`."""
    del out
    a = as_operand(a)
    if dtype is not None:
        a = astype(a, dtype)
    if where is not True:
        a = np.where(where, a, 0)
    total = bind(sum_p, a, axis=negative_axes(axis, rank_of(a)), keepdims=bool(keepdims))
    return total if type(initial) is int and initial == 0 else total + initial


@implements(np.mean)
def mean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False,
    *, where: Any = True,
) -> Any:
    """`numpy.mean`."""
    del out
    a = as_operand(a)
    if dtype is not None:
        a = astype(a, dtype)
    if where is not True:
        number = np.sum(np.broadcast_to(where, shape_of(a)), axis=axis, keepdims=keepdims)
        return sum_(a, axis, keepdims=keepdims, where=where) / cast_like(number, a.dtype)
    return bind(mean_p, a, axis=negative_axes(axis, rank_of(a)), keepdims=bool(keepdims))


def _extremum(primitive: Any, a: Any, axis: Any, keepdims: bool, initial: Any, mask: Any) -> Any:
    a = as_operand(a)
    unbounded = np.maximum if primitive is max_p else np.minimum
    if mask is not True:
        if initial is None:
            raise ValueError(f"{primitive}: where= needs an initial value, as in numpy.{primitive}")
        a = np.where(mask, a, initial)
    if initial is not None and a.size == 0:
        return broadcast_to(
            np.asarray(initial, a.dtype), shape_of(np.sum(a, axis=axis, keepdims=keepdims))
        )
    best = bind(primitive, a, axis=negative_axes(axis, rank_of(a)), keepdims=bool(keepdims))
    return best if initial is None else unbounded(best, initial)


@implements(np.max, np.amax)
def max_(
    a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, initial: Any = None,
    where: Any = True,
) -> Any:
    """`numpy.max`; ties share the derivative evenly."""
    del out
    return _extremum(max_p, a, axis, keepdims, initial, where)


@implements(np.min, np.amin)
def min_(
    a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, initial: Any = None,
    where: Any = True,
) -> Any:
    """`numpy.min`; ties share the derivative evenly."""
    del out
    return _extremum(min_p, a, axis, keepdims, initial, where)
