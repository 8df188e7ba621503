"""Order: sort and partition, the places of extrema, and search in sorted arrays.

The order itself is piecewise constant; sorted values are the elements taken in that order. Ties
keep their order, which decides about their derivatives.
"""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad.core.primitive import Primitive
from funcgrad.core.protocols import unsupported
from funcgrad.core.tracer import bind
from funcgrad.families.batching import same_call
from funcgrad.families.elementwise import constant_call
from funcgrad.families.shapes import as_operand, in_front, negative_axis, rank_of, shape_of
from funcgrad.primitives.joining import stack
from funcgrad.primitives.plain import implements_traced, refuse_out
from funcgrad.primitives.selecting import take_in_order

__all__ = ["argmax", "argmin", "argsort", "sort"]

# --- order ------------------------------------------------------------------------------------

argsort_p: Primitive = constant_call(
    "argsort", lambda x, *, axis: np.argsort(x, axis=axis, kind="stable"), same_call
)
argpartition_p: Primitive = constant_call(
    "argpartition", lambda x, *, kth, axis: np.argpartition(x, kth, axis=axis), same_call
)


def _partition_order_value(x: Any, *, kth: tuple[int, ...], axis: int) -> Any:
    """The order in which `numpy.partition` puts the elements, which `argpartition` may not find."""
    halves = np.partition(x, kth, axis=axis)
    order = np.empty(x.shape, np.intp)
    from_sorted = np.argsort(x, axis=axis, kind="stable")
    np.put_along_axis(order, np.argsort(halves, axis=axis, kind="stable"), from_sorted, axis)
    return order


partition_order_p: Primitive = constant_call("partition_order", _partition_order_value, same_call)


def _lined(a: Any, axis: int | None) -> tuple[Any, int]:
    """The array, flat for an axis of None, and the axis as a negative number."""
    a = as_operand(a)
    if axis is None:
        return np.ravel(a), -1
    return a, negative_axis(axis, rank_of(a))


def _check_order(function: Any, order: Any) -> None:
    if order is not None:
        raise unsupported(function, " with order= (fields of a structured array)")


@implements_traced(np.sort)
def sort(
    a: Any, axis: int | None = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> Any:
    """`numpy.sort`; every kind is stable here, so that ties keep their order."""
    del kind, stable
    _check_order(np.sort, order)
    a, axis = _lined(a, axis)
    return take_in_order(a, bind(argsort_p, a, axis=axis), axis)


@implements_traced(np.argsort)
def argsort(
    a: Any, axis: int | None = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> Any:
    """`numpy.argsort`, always stable."""
    del kind, stable
    _check_order(np.argsort, order)
    a, axis = _lined(a, axis)
    return bind(argsort_p, a, axis=axis)


def _numbers(kth: Any) -> tuple[int, ...]:
    return tuple(operator.index(k) for k in (kth if np.ndim(kth) else (kth,)))


@implements_traced(np.partition)
def partition(a: Any, kth: Any, axis: int | None = -1, kind: Any = None, order: Any = None) -> Any:
    """`numpy.partition`."""
    del kind
    _check_order(np.partition, order)
    a, axis = _lined(a, axis)
    return take_in_order(a, bind(partition_order_p, a, kth=_numbers(kth), axis=axis), axis)


@implements_traced(np.argpartition)
def argpartition(
    a: Any, kth: Any, axis: int | None = -1, kind: Any = None, order: Any = None
) -> Any:
    """`numpy.argpartition`."""
    del kind
    _check_order(np.argpartition, order)
    a, axis = _lined(a, axis)
    return bind(argpartition_p, a, kth=_numbers(kth), axis=axis)


lexsort_p: Primitive = constant_call(
    "lexsort",
    lambda *keys, axis: np.lexsort(keys, axis),
    lambda size, batched, values, params: bind(
        lexsort_p,
        *(in_front(size, v, b) for v, b in zip(values, batched, strict=True)),
        **params,
    ),
)


@implements_traced(np.lexsort)
def lexsort(keys: Any, axis: int = -1) -> Any:
    """`numpy.lexsort`: the last key counts most."""
    parts = [as_operand(key) for key in keys]
    return bind(lexsort_p, *parts, axis=negative_axis(axis, rank_of(parts[0])))


# --- places of extrema ------------------------------------------------------------------------


def _place_of(function: Any) -> tuple[Primitive, Callable[..., Any]]:
    name = function.__name__
    primitive = constant_call(name, lambda x, *, axis: function(x, axis=axis), same_call)

    def place(a: Any, axis: int | None = None, out: Any = None, *, keepdims: Any = False) -> Any:
        refuse_out(name, out)
        a = as_operand(a)
        shape = shape_of(a)
        if axis is None:
            found = bind(primitive, np.ravel(a), axis=-1)
            kept: tuple[int, ...] = (1,) * len(shape)
        else:
            axis = negative_axis(axis, len(shape))
            found = bind(primitive, a, axis=axis)
            kept = tuple(1 if i == len(shape) + axis else n for i, n in enumerate(shape))
        return np.reshape(found, kept) if keepdims is True else found

    place.__name__ = name
    place.__doc__ = f"`numpy.{name}`."
    return primitive, implements_traced(function)(place)


argmax_p, argmax = _place_of(np.argmax)
argmin_p, argmin = _place_of(np.argmin)
nanargmax_p, nanargmax = _place_of(np.nanargmax)
nanargmin_p, nanargmin = _place_of(np.nanargmin)

# --- search -----------------------------------------------------------------------------------


def _searchsorted_batch(
    size: int, batched: Sequence[bool], values: Sequence[Any], params: dict[str, Any]
) -> Any:
    """As it is for one sorted array; a loop over the examples for one each (NumPy has no other)."""
    table, sought = values
    if not batched[0]:
        return bind(searchsorted_p, table, sought, **params)
    pairs = ((table[i], sought[i] if batched[1] else sought) for i in range(size))
    return stack([bind(searchsorted_p, *pair, **params) for pair in pairs])


searchsorted_p: Primitive = constant_call(
    "searchsorted", lambda a, v, *, side: np.searchsorted(a, v, side), _searchsorted_batch
)


@implements_traced(np.searchsorted)
def searchsorted(a: Any, v: Any, side: Any = "left", sorter: Any = None) -> Any:
    """`numpy.searchsorted`."""
    a = as_operand(a)
    if sorter is not None:
        a = np.take(a, sorter)
    return bind(searchsorted_p, a, as_operand(v), side=side)


@implements_traced(np.digitize)
def digitize(x: Any, bins: Any, right: bool = False) -> Any:
    """`numpy.digitize`; the bins must be the same for all examples of a batch."""
    x, bins = as_operand(x), as_operand(bins)
    side = "left" if right else "right"
    steps = bins[1:] - bins[:-1]
    if bool(np.all(steps >= 0)):
        return searchsorted(bins, x, side)
    if bool(np.all(steps <= 0)):
        return shape_of(bins)[0] - searchsorted(np.flip(bins), x, side)
    raise ValueError("bins must be monotonically increasing or decreasing")
