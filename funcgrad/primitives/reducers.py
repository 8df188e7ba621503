"""The methods `reduce`, `accumulate` and `reduceat` of ufuncs."""

from collections.abc import Callable
from typing import Any

import numpy as np

import funcgrad.primitives.ufuncs  # noqa: F401  # the table of ufuncs is complete
from funcgrad.core.protocols import DISPATCH, UFUNC_METHODS, unsupported
from funcgrad.core.tracer import bind
from funcgrad.families.batching import same_call
from funcgrad.families.elementwise import constant_call
from funcgrad.families.linear import linear
from funcgrad.families.shapes import (
    as_operand,
    negative_axes,
    negative_axis,
    rank_of,
    shape_of,
    zeros_like,
)
from funcgrad.primitives.cumulative import along
from funcgrad.primitives.plain import refuse_out
from funcgrad.primitives.reduction import kept_shape, max_, min_, prod, sloped, sum_
from funcgrad.primitives.statistics import nanmax, nanmin
from funcgrad.primitives.structural import astype, concatenate, reshape, where

__all__ = ["accumulate", "reduce", "reduceat"]

# --- reduce -----------------------------------------------------------------------------------


def _log_sum(ufunc: Any, power: Any) -> Any:
    """`ufunc.reduce` of `logaddexp` or `logaddexp2`: the slope is the share of each element."""

    def share(out: Any, x: Any, *, axis: tuple[int, ...]) -> Any:
        del axis
        same = x == out  # also where both are infinite
        return power(where(same, 0, x) - where(same, 0, out))

    return sloped(
        f"{ufunc.__name__}.reduce",
        lambda x, *, axis, keepdims: ufunc.reduce(x, axis=axis, keepdims=keepdims),
        share,
    )


LOG_SUMS = {
    np.logaddexp: _log_sum(np.logaddexp, np.exp),
    np.logaddexp2: _log_sum(np.logaddexp2, np.exp2),
}

constant_reduce_p = constant_call(
    "ufunc.reduce",
    lambda x, *, ufunc, axis, keepdims: getattr(np, ufunc).reduce(x, axis=axis, keepdims=keepdims),
    same_call,
)
constant_accumulate_p = constant_call(
    "ufunc.accumulate",
    lambda x, *, ufunc, axis: getattr(np, ufunc).accumulate(x, axis=axis),
    same_call,
)


def reduce(ufunc: Any) -> Callable[..., Any]:
    """`ufunc.reduce` for any ufunc of two operands: by the ufunc itself, a step an element."""

    def method(
        array: Any,
        axis: Any = 0,
        dtype: Any = None,
        out: Any = None,
        keepdims: bool = False,
        initial: Any = np._NoValue,
        where: Any = True,
    ) -> Any:
        refuse_out(f"{ufunc.__name__}.reduce", out)
        a = as_operand(array)
        a = a if dtype is None else astype(a, dtype)
        if where is not True:
            raise unsupported(ufunc, ".reduce(where=...)")
        axes = negative_axes(axis, rank_of(a))
        total = _reduced(ufunc, a, axes, initial)
        return reshape(total, kept_shape(shape_of(a), axes)) if keepdims else total

    return method


def _reduced(ufunc: Any, a: Any, axes: tuple[int, ...], initial: Any) -> Any:
    if len(axes) > 1 and ufunc.identity is None and ufunc not in _REORDERABLE:
        raise ValueError(
            f"reduction operation '{ufunc.__name__}' is not reorderable, so at most one axis may "
            "be specified"
        )
    if ufunc in LOG_SUMS:
        total = bind(LOG_SUMS[ufunc], a, axis=axes, keepdims=False)
        return total if initial is np._NoValue else ufunc(initial, total)
    if _is_constant(ufunc):
        total = bind(constant_reduce_p, a, ufunc=ufunc.__name__, axis=axes, keepdims=False)
        return total if initial is np._NoValue else ufunc(initial, total)
    for axis in axes:  # the most negative first: the others keep their numbers
        n = shape_of(a)[axis]
        first = initial if axis == axes[0] else np._NoValue
        if n == 0:
            return _of_nothing(ufunc, a, axis, first)
        start = a[_at(axis, 0)]
        total = start if first is np._NoValue else ufunc(first, start)
        for i in range(1, n):
            total = ufunc(total, a[_at(axis, i)])
        a = total
    return a


_REORDERABLE = (np.logaddexp, np.logaddexp2)


def _is_constant(ufunc: Any) -> bool:
    return ufunc in CONSTANT


def _of_nothing(ufunc: Any, a: Any, axis: int, initial: Any) -> Any:
    value = ufunc.identity if initial is np._NoValue else initial
    if value is None:
        raise ValueError(
            f"zero-size array to reduction operation {ufunc.__name__} which has no identity"
        )
    shape = tuple(n for i, n in enumerate(shape_of(a), -rank_of(a)) if i != axis)
    return zeros_like(a, shape) + value


def _at(axis: int, i: int) -> tuple[Any, ...]:
    return (..., i, *(slice(None),) * (-axis - 1))


def _by_function(function: Callable[..., Any], no_initial: Any) -> Callable[..., Any]:
    """`ufunc.reduce` through the function that does the same over axes."""

    def method(
        array: Any,
        axis: Any = 0,
        dtype: Any = None,
        out: Any = None,
        keepdims: bool = False,
        initial: Any = np._NoValue,
        where: Any = True,
    ) -> Any:
        refuse_out(function.__name__, out)
        a = as_operand(array)
        a = a if dtype is None else astype(a, dtype)
        start = no_initial if initial is np._NoValue else initial
        return function(a, axis, keepdims=keepdims, initial=start, where=where)

    return method


# --- accumulate and reduceat --------------------------------------------------------------------


def accumulate(ufunc: Any) -> Callable[..., Any]:
    """`ufunc.accumulate` for any ufunc of two operands: by the ufunc itself, a step an element."""

    def method(array: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
        refuse_out(f"{ufunc.__name__}.accumulate", out)
        a = as_operand(array)
        if rank_of(a) == 0:
            raise TypeError("cannot accumulate on a scalar")
        a = a if dtype is None else astype(a, dtype)
        place = negative_axis(axis, rank_of(a))
        if _is_constant(ufunc):
            return bind(constant_accumulate_p, a, ufunc=ufunc.__name__, axis=place)
        n = shape_of(a)[place]
        if n == 0:
            return a
        parts = [a[_at(place, 0)]]
        for i in range(1, n):
            parts.append(ufunc(parts[-1], a[_at(place, i)]))
        return np.stack(parts, axis=place)

    return method


def reduceat(ufunc: Any) -> Callable[..., Any]:
    """`ufunc.reduceat` for any ufunc of two operands: one reduction for each index."""

    def method(array: Any, indices: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
        refuse_out(f"{ufunc.__name__}.reduceat", out)
        a = as_operand(array)
        a = a if dtype is None else astype(a, dtype)
        place = negative_axis(axis, rank_of(a))
        n = shape_of(a)[place]
        starts = np.asarray(indices)
        if starts.size and not (starts.min() >= 0 and starts.max() < n):
            raise IndexError(f"index out-of-bounds in {ufunc.__name__}.reduceat [0, {n})")
        if ufunc is np.add and np.all(starts[1:] > starts[:-1]):
            return bind(add_reduceat_p, a, starts, axis=place)
        inner = UFUNC_METHODS[ufunc, "reduce"]
        parts = []
        for start, stop in zip(starts.tolist(), [*starts.tolist()[1:], n], strict=True):
            end = stop if start < stop else start + 1
            parts.append(inner(a[along(place, start, end)], axis=place, keepdims=True))
        return concatenate(parts, axis=place)

    return method


def _reduceat_transpose(ct: Any, x: Any, indices: Any, *, axis: int) -> Any:
    """Each cotangent repeated along its segment; zeros in front of the first."""
    n = x.shape[axis]
    segments = np.repeat(np.arange(indices.size), np.diff(indices, append=n))
    part = np.take(ct, segments, axis=axis)
    lead = n - segments.size
    if not lead:
        return part
    shape = list(shape_of(part))
    shape[axis] = lead
    return concatenate([np.zeros(shape, part.dtype), part], axis=axis)


add_reduceat_p = linear(
    "add.reduceat",
    lambda x, indices, *, axis: np.add.reduceat(x, indices, axis=axis),
    _reduceat_transpose,
    None,
    batch=same_call,
)


# --- the table ----------------------------------------------------------------------------------

CONSTANT = frozenset(
    {
        np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal,
        np.logical_and, np.logical_or, np.logical_xor, np.floor_divide,
        np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.left_shift, np.right_shift,
        np.gcd, np.lcm,
    }
)  # fmt: skip

METHODS = ("reduce", "accumulate", "reduceat", "outer", "at")

for _ufunc in [key for key in DISPATCH if isinstance(key, np.ufunc)]:
    # funcgrad.numpy.add.reduce is numpy.add.reduce: NumPy's methods ask the protocol themselves.
    for _method in METHODS:
        setattr(DISPATCH[_ufunc], _method, getattr(_ufunc, _method))
    if _ufunc.nin == 2 and _ufunc.nout == 1 and _ufunc.signature is None:
        UFUNC_METHODS.setdefault((_ufunc, "reduce"), reduce(_ufunc))
        UFUNC_METHODS.setdefault((_ufunc, "accumulate"), accumulate(_ufunc))
        UFUNC_METHODS.setdefault((_ufunc, "reduceat"), reduceat(_ufunc))
UFUNC_METHODS[np.add, "reduce"] = _by_function(sum_, 0)
UFUNC_METHODS[np.multiply, "reduce"] = _by_function(prod, 1)
UFUNC_METHODS[np.maximum, "reduce"] = _by_function(max_, None)
UFUNC_METHODS[np.minimum, "reduce"] = _by_function(min_, None)
UFUNC_METHODS[np.fmax, "reduce"] = _by_function(nanmax, None)
UFUNC_METHODS[np.fmin, "reduce"] = _by_function(nanmin, None)
