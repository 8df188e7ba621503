"""Order: sort and partition, the places of extrema, and search in sorted arrays.

The order itself is piecewise constant; sorted values are the elements taken in that order. Ties
keep their order, which decides about their derivatives.
"""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad.core.foreign import is_foreign
from funcgrad.core.primitive import Primitive
from funcgrad.core.protocols import unsupported
from funcgrad.core.tracer import Tracer, bind
from funcgrad.families.batching import same_call
from funcgrad.families.elementwise import constant_call
from funcgrad.families.shapes import (
    as_operand,
    in_front,
    is_complex,
    negative_axis,
    rank_of,
    shape_of,
)
from funcgrad.interpreters.batch import BatchTracer
from funcgrad.primitives.plain import implements_traced, refuse_out
from funcgrad.primitives.selecting import take_along_axis_p, take_in_order
from funcgrad.primitives.structural import astype, broadcast_to

__all__ = [
    "argmax",
    "argmin",
    "argsort",
    "of_all_examples",
    "search_rows",
    "searchsorted",
    "sort",
    "sorted_elements",
    "stable_order",
]

# --- order ------------------------------------------------------------------------------------

SMALL_SORT = 512
"""Arrays of at most so many elements are sorted at once by a stable method."""


def stable_order(x: Any, axis: int = -1) -> Any:
    """The order of the elements along an axis, in which equal ones keep theirs.

    NumPy's unstable method is up to five times as fast, and right where no two are equal.
    """
    if type(x) is not np.ndarray or x.size <= SMALL_SORT or x.dtype.kind not in "fc":
        return np.argsort(x, axis=axis, kind="stable")
    order = np.argsort(x, axis=axis)
    found = np.moveaxis(np.take_along_axis(x, order, axis), axis, -1)
    if np.all(found[..., 1:] > found[..., :-1]):
        return order
    return np.argsort(x, axis=axis, kind="stable")


argsort_p: Primitive = constant_call("argsort", lambda x, *, axis: stable_order(x, axis), same_call)
argpartition_p: Primitive = constant_call(
    "argpartition", lambda x, *, kth, axis: np.argpartition(x, kth, axis=axis), same_call
)


def _partition_order_value(x: Any, *, kth: tuple[int, ...], axis: int) -> Any:
    """The order in which `numpy.partition` puts the elements.

    `argpartition` may find another one, for what stands in each part is in no order; then both are
    sorted, which takes longer than the partition.
    """
    halves = np.partition(x, kth, axis=axis)
    order = np.argpartition(x, kth, axis=axis)
    if np.array_equal(np.take_along_axis(x, order, axis), halves):
        return order
    ranks = np.argsort(stable_order(halves, axis), axis=axis)
    return np.take_along_axis(stable_order(x, axis), ranks, axis)


partition_order_p: Primitive = constant_call("partition_order", _partition_order_value, same_call)


def _lined(a: Any, axis: int | None, *, alone: bool = False) -> tuple[Any, int]:
    """The array, flat for an axis of None, and the axis as a negative number.

    Where a number may stand `alone`, without axes, it is a line of one.
    """
    a = as_operand(a)
    if axis is None or (rank_of(a) == 0 and axis in (0, -1) and alone):
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


@implements_traced(np.sort_complex)
def sort_complex(a: Any) -> Any:
    """`numpy.sort_complex`: sorted along the last axis, as complex numbers."""
    found = sort(a)
    if is_complex(found):
        return found
    if found.dtype.char in "bhBH":
        return astype(found, np.complex64)
    return astype(found, np.clongdouble if found.dtype.char == "g" else np.complex128)


@implements_traced(np.argsort)
def argsort(
    a: Any, axis: int | None = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> Any:
    """`numpy.argsort`, always stable."""
    del kind, stable
    _check_order(np.argsort, order)
    a, axis = _lined(a, axis, alone=True)
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


def sorted_elements(x: Any, places: Any) -> Any:
    """Elements at places of the sorted last axis: (..., n), (k,) or (..., k) ↦ (..., k).

    Where the places are known, a partition finds them, in linear time. Of equal elements some one
    is taken, and gets the derivative.
    """
    if isinstance(places, Tracer) or is_foreign(places):
        order = bind(argsort_p, x, axis=-1)
    else:
        order = bind(argpartition_p, x, kth=tuple(np.unique(places).tolist()), axis=-1)
    chosen = np.take_along_axis(
        order, broadcast_to(places, (*shape_of(x)[:-1], shape_of(places)[-1])), -1
    )
    return bind(take_along_axis_p, x, chosen, axis=-1, unique=False)


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
        if axis is None or (not shape and axis in (0, -1)):
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


def _stands_before(a: Any, b: Any) -> Any:
    """Whether a stands before b in NumPy's order, which has NaN at the end."""
    return (a < b) | ((b != b) & (a == a))  # noqa: PLR0124  # true of NaN only


def _search_rows_value(tables: Any, sought: Any, *, side: str) -> Any:
    """`searchsorted` along the last axis of each row: all binary searches take a step at once."""
    length = tables.shape[-1]
    low = np.zeros(sought.shape, np.intp)
    high = np.full(sought.shape, length, np.intp)
    for _ in range(length.bit_length()):
        middle = (low + high) // 2
        found = np.take_along_axis(tables, np.minimum(middle, length - 1), -1)
        if side == "left":
            after = _stands_before(found, sought)
        else:
            after = np.logical_not(_stands_before(sought, found))
        after = after & (low < high)
        low = np.where(after, middle + 1, low)
        high = np.where(after, high, middle)
    return low


def _all_in_front(primitive: Callable[[], Primitive]) -> Any:
    """Batching of an operation on rows: each operand gets the batch axis."""
    return lambda size, batched, values, params: bind(
        primitive(), *(in_front(size, v, b) for v, b in zip(values, batched, strict=True)), **params
    )


search_rows_p: Primitive = constant_call(
    "search_rows", _search_rows_value, _all_in_front(lambda: search_rows_p)
)


def search_rows(tables: Any, sought: Any, side: str = "left") -> Any:
    """`searchsorted` of (..., m) values in (..., n) sorted ones, row by row."""
    return bind(search_rows_p, tables, sought, side=side)


def _searchsorted_batch(
    size: int, batched: Sequence[bool], values: Sequence[Any], params: dict[str, Any]
) -> Any:
    table, sought = values
    if not batched[0]:
        return bind(searchsorted_p, table, sought, **params)
    sought = in_front(size, sought, batched[1])
    rows = np.reshape(sought, (size, -1)) if size else np.reshape(sought, (0, 1))
    return np.reshape(search_rows(table, rows, params["side"]), shape_of(sought))


searchsorted_p: Primitive = constant_call(
    "searchsorted", lambda a, v, *, side: np.searchsorted(a, v, side), _searchsorted_batch
)


@implements_traced(np.searchsorted)
def searchsorted(a: Any, v: Any, side: Any = "left", sorter: Any = None) -> Any:
    """`numpy.searchsorted`."""
    a = as_operand(a)
    if sorter is not None:
        a = np.take(a, sorter)
    if rank_of(a) != 1:
        raise ValueError(f"searchsorted: the table has {rank_of(a)} axes, but must have one")
    side = {"l": "left", "r": "right"}.get(str(side)[:1].lower(), side)
    return bind(searchsorted_p, a, as_operand(v), side=side)


@implements_traced(np.digitize)
def digitize(x: Any, bins: Any, right: bool = False) -> Any:
    """`numpy.digitize`."""
    x, bins = as_operand(x), as_operand(bins)
    if is_complex(x):
        raise TypeError("x may not be complex")
    side = "left" if right else "right"
    rising, falling = np.all(bins[1:] >= bins[:-1]), np.all(bins[1:] <= bins[:-1])
    if not bool(np.all(of_all_examples(rising | falling))):
        raise ValueError("bins must be monotonically increasing or decreasing")
    if bool(np.all(of_all_examples(rising))):
        return searchsorted(bins, x, side)
    fallen = shape_of(bins)[0] - searchsorted(np.flip(bins), x, side)
    if bool(np.all(of_all_examples(falling))):
        return fallen
    return np.where(rising, searchsorted(bins, x, side), fallen)


def of_all_examples(x: Any) -> Any:
    """The value with all examples of a batch, for a question that is asked of them together."""
    while isinstance(x, BatchTracer):
        x = x.value
    return x
