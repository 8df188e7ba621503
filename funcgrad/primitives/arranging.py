"""Elements in a new order or number: tiles, rolls, flips, diagonals, triangles, grids, windows.

Compositions of reshape, transpose, broadcast, concatenate, static slices and gathers.
"""

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from funcgrad.core.tracer import Tracer
from funcgrad.errors import BatchedValueError, user_line
from funcgrad.families.shapes import as_operand, negative_axis, rank_of, shape_of
from funcgrad.interpreters.batch import BatchTracer
from funcgrad.primitives.calls import as_shape
from funcgrad.primitives.indexing import axis_range, gather, index, unindex
from funcgrad.primitives.joining import stack
from funcgrad.primitives.keys import FULL
from funcgrad.primitives.mapping import over_rows
from funcgrad.primitives.plain import implements_traced, is_traced, refuse_out
from funcgrad.primitives.selecting import as_index, take
from funcgrad.primitives.structural import (
    astype,
    broadcast_to,
    concatenate,
    copy,
    expand_dims,
    moveaxis,
    ravel,
    reshape,
    swapaxes,
    where,
)

__all__ = ["diagonal", "flip", "repeat", "roll", "tile"]


def plain_numbers(name: str, x: Any) -> Any:
    """An argument that decides about shapes: it must be known, and the same for all examples."""
    while isinstance(x, BatchTracer) and not x.batched:
        x = x.value
    if isinstance(x, Tracer) and not x.shape:
        return operator.index(x)  # a guard of the program when staged
    if isinstance(x, Tracer):
        raise BatchedValueError(
            f"{name}: an argument that decides about shapes is a traced value, at {user_line()}. "
            "The result would have another shape for other values. Use plain integers, or a mask "
            "with np.where."
        )
    return x


# --- repetition -------------------------------------------------------------------------------


@implements_traced(np.tile)
def tile(A: Any, reps: Any) -> Any:
    """`numpy.tile`."""
    times = as_shape(plain_numbers("tile", reps))
    shape = shape_of(A)
    rank = max(len(times), len(shape))
    shape = (1,) * (rank - len(shape)) + shape
    times = (1,) * (rank - len(times)) + times
    if all(n == 1 for n in times):
        return copy(reshape(A, shape))
    paired = [length for n in shape for length in (1, n)]
    wide = [length for t, n in zip(times, shape, strict=True) for length in (t, n)]
    out = broadcast_to(reshape(A, tuple(paired)), tuple(wide))
    return reshape(out, tuple(t * n for t, n in zip(times, shape, strict=True)))


@implements_traced(np.repeat)
def repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    """`numpy.repeat`."""
    a = as_operand(a)
    repeats = np.asarray(plain_numbers("repeat", repeats))
    if axis is None:
        a, axis = np.ravel(a), 0
    a = np.atleast_1d(a)
    axis = negative_axis(axis, rank_of(a))
    shape = shape_of(a)
    length = shape[axis]
    if repeats.ndim and repeats.size > 1:
        return take(a, np.repeat(np.arange(length), repeats), axis)
    times = operator.index(repeats.reshape(-1)[0]) if repeats.size else 1
    if times < 0:
        raise ValueError("repeats may not contain negative values.")
    place = len(shape) + axis
    before, behind = shape[:place], shape[place + 1 :]
    out = broadcast_to(reshape(a, (*before, length, 1, *behind)), (*before, length, times, *behind))
    return reshape(out, (*before, length * times, *behind))


@implements_traced(np.resize)
def resize(a: Any, new_shape: Any) -> Any:
    """`numpy.resize`: the elements over and over, as many as fit."""
    target = as_shape(new_shape)
    if any(length < 0 for length in target):
        raise ValueError("all elements of `new_shape` must be non-negative")
    flat = ravel(a)
    size, wanted = flat.size, math.prod(target)
    if size == 0 or wanted == 0:
        return np.zeros_like(a, shape=target)
    if wanted > size:
        flat = tile(flat, -(-wanted // size))
    return reshape(axis_range(flat, 0, wanted, -1), target)


# --- order ------------------------------------------------------------------------------------


@implements_traced(np.roll)
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """`numpy.roll`; the shift may be traced integers."""
    a = as_operand(a)
    if axis is None:
        return reshape(roll(np.ravel(a), shift, -1), shape_of(a))
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    several = isinstance(shift, tuple | list) or rank_of(shift) > 0
    shifts = tuple(shift) if several else (shift,) * len(axes)
    if len(axes) == 1 and len(shifts) > 1:
        axes = axes * len(shifts)
    if len(shifts) == 1:
        shifts = shifts * len(axes)
    for one, by in zip(axes, shifts, strict=True):
        a = _roll_axis(a, by, negative_axis(one, rank_of(a)))
    return a


def _roll_axis(a: Any, shift: Any, axis: int) -> Any:
    length = shape_of(a)[axis]
    if isinstance(shift, Tracer):
        return gather(a, ((np.arange(length) - shift) % max(length, 1),), rank_of(a) + axis)
    by = operator.index(shift) % length if length else 0
    if not by:
        return copy(a)
    parts = axis_range(a, length - by, None, axis), axis_range(a, None, length - by, axis)
    return concatenate(parts, axis)


@implements_traced(np.flip)
def flip(m: Any, axis: Any = None) -> Any:
    """`numpy.flip`."""
    rank = rank_of(m)
    axes = range(rank) if axis is None else axis if isinstance(axis, tuple | list) else (axis,)
    key = [FULL] * rank
    for one in axes:
        key[negative_axis(one, rank)] = slice(None, None, -1)
    return index(m, tuple(key))


@implements_traced(np.flipud)
def flipud(m: Any) -> Any:
    """`numpy.flipud`."""
    if rank_of(m) < 1:
        raise ValueError("Input must be >= 1-d.")
    return flip(m, 0)


@implements_traced(np.fliplr)
def fliplr(m: Any) -> Any:
    """`numpy.fliplr`."""
    if rank_of(m) < 2:
        raise ValueError("Input must be >= 2-d.")
    return flip(m, 1)


@implements_traced(np.rot90)
def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    """`numpy.rot90`: k quarter turns from the first axis towards the second."""
    rank = rank_of(m)
    if len(axes) != 2:
        raise ValueError("len(axes) must be 2.")
    first, second = (negative_axis(axis, rank) for axis in axes)
    if first == second:
        raise ValueError("Axes must be different.")
    turns = k % 4
    if turns == 0:
        return index(m, (FULL,) * rank)
    if turns == 2:
        return flip(m, (first, second))
    if turns == 1:
        return swapaxes(flip(m, second), first, second)
    return flip(swapaxes(m, first, second), second)


@implements_traced(np.trim_zeros)
def trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    """`numpy.trim_zeros`; the result has as many elements as the values ask for."""
    side = trim.lower()
    if side not in {"fb", "bf", "f", "b"}:
        raise ValueError(f"unexpected character(s) in `trim`: {trim!r}")
    rank = rank_of(filt)
    chosen = range(rank) if axis is None else axis if isinstance(axis, tuple | list) else (axis,)
    try:
        places = np.nonzero(filt)
    except BatchedValueError as error:
        raise BatchedValueError(
            f"vmap: trim_zeros at {user_line()} has a result whose shape depends on values, which "
            "differ along the mapped axis. The examples would not fit into one array. Use np.where "
            "with a mask, or map with a Python loop."
        ) from error
    key = [FULL] * rank
    for one in chosen:
        along = negative_axis(one, rank)
        found = places[along]
        if not found.size:  # as NumPy, nothing is left along any of the axes
            key[along] = slice(0, 0)
            continue
        start = operator.index(np.min(found)) if "f" in side else None
        stop = operator.index(np.max(found)) + 1 if "b" in side else None
        key[along] = slice(start, stop)
    return index(filt, tuple(key))


@implements_traced(np.delete)
def delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    """`numpy.delete`."""
    arr, obj = as_operand(arr), plain_numbers("delete", obj)
    if axis is None:
        arr, axis = np.ravel(arr), 0
    axis = negative_axis(axis, rank_of(arr))
    length = shape_of(arr)[axis]
    kept = np.delete(np.arange(length), obj)
    start = int(np.sum(kept == np.arange(kept.size)))
    stop = start + length - kept.size
    if start < kept.size and kept[start] != stop:  # more than one gap
        return take(arr, kept, axis)
    return concatenate((axis_range(arr, 0, start, axis), axis_range(arr, stop, None, axis)), axis)


@implements_traced(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    """`numpy.insert`."""
    arr, obj = as_operand(arr), plain_numbers("insert", obj)
    values = as_operand(values if is_traced(values) else np.asarray(values, arr.dtype))
    if axis is None:
        arr, axis = np.ravel(arr), 0
    axis = negative_axis(axis, rank_of(arr))
    shape = shape_of(arr)
    length, rank = shape[axis], len(shape)
    many = isinstance(obj, slice) or np.size(obj) != 1
    if many:
        number = len(np.insert(np.arange(length), obj, -1)) - length
    else:
        own = shape_of(values)
        values = reshape(values, (1,) * (rank - len(own)) + own)
        if np.ndim(obj) == 0:  # the first axis of the values goes along the axis
            values = moveaxis(values, 0, axis)
        number = shape_of(values)[axis]
    added = (*shape[:axis], number, *shape[rank + axis + 1 :])
    values = broadcast_to(_in_dtype(values, arr.dtype), added)
    if not many and np.asarray(obj).dtype.kind != "b":
        place = operator.index(np.asarray(obj).reshape(-1)[0])
        if not -length <= place <= length:
            raise IndexError(
                f"index {place} is out of bounds for axis {rank + axis} with size {length}"
            )
        place += length * (place < 0)
        before, behind = axis_range(arr, 0, place, axis), axis_range(arr, place, None, axis)
        return concatenate((before, values, behind), axis)
    order = np.insert(np.arange(length), obj, np.arange(length, length + number))
    return take(concatenate((arr, values), axis), order, axis)


def _in_dtype(x: Any, dtype: np.dtype[Any]) -> Any:
    return np.asarray(x, dtype) if not hasattr(x, "dtype") else astype(x, dtype)


# --- diagonals and triangles ------------------------------------------------------------------


def _diagonal_slice(rows: int, columns: int, offset: int) -> slice:
    """Where the diagonal of a matrix lies among its elements in C order."""
    count = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    start = offset if offset >= 0 else -offset * columns
    return slice(start, start + count * (columns + 1), columns + 1) if count else slice(0, 0)


@implements_traced(np.diagonal, np.linalg.diagonal)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """`numpy.diagonal`."""
    if rank_of(a) < 2:
        raise ValueError("diag requires an array of at least two dimensions")
    if negative_axis(axis1, rank_of(a)) == negative_axis(axis2, rank_of(a)):
        raise ValueError("axis1 and axis2 cannot be the same")
    a = moveaxis(a, (axis1, axis2), (-2, -1))
    *front, rows, columns = shape_of(a)
    where_ = _diagonal_slice(rows, columns, operator.index(offset))
    return index(reshape(a, (*front, rows * columns)), (*(FULL,) * len(front), where_))


@implements_traced(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    """`numpy.diag`: the diagonal of a matrix, or the matrix of a diagonal."""
    rank = rank_of(v)
    if rank == 2:
        return diagonal(v, k)
    if rank != 1:
        raise ValueError("Input must be 1- or 2-d.")
    size = shape_of(v)[0] + abs(k)
    flat = unindex(v, (_diagonal_slice(size, size, operator.index(k)),), (size * size,))
    return reshape(flat, (size, size))


@implements_traced(np.diagflat)
def diagflat(v: Any, k: int = 0) -> Any:
    """`numpy.diagflat`."""
    return diag(np.ravel(as_operand(v)), k)


@implements_traced(np.trace, np.linalg.trace)
def trace(
    a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None
) -> Any:
    """`numpy.trace`."""
    refuse_out("trace", out)
    return np.sum(diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype)


def _triangle(name: str, keep: Callable[[int, int, int], Any]) -> Callable[..., Any]:
    def triangle(m: Any, k: int = 0) -> Any:
        shape = shape_of(m)
        if not shape:
            raise ValueError(f"{name}: the argument has no axes, but a triangle needs at least one")
        rows, columns = shape[-2:] if len(shape) > 1 else shape * 2
        return where(keep(rows, columns, operator.index(k)), m, m.dtype.type(0))

    triangle.__name__ = name
    triangle.__doc__ = f"`numpy.{name}`."
    return triangle


tril = implements_traced(np.tril)(_triangle("tril", lambda n, m, k: np.tri(n, m, k, dtype=bool)))
triu = implements_traced(np.triu)(
    _triangle("triu", lambda n, m, k: ~np.tri(n, m, k - 1, dtype=bool))
)

# --- grids ------------------------------------------------------------------------------------


@implements_traced(np.meshgrid)
def meshgrid(
    *xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy"
) -> tuple[Any, ...]:
    """`numpy.meshgrid`."""
    del copy
    if indexing not in ("xy", "ij"):
        raise ValueError("Valid values for `indexing` are 'xy' and 'ij'.")
    rank = len(xi)
    lines = [np.ravel(as_operand(x)) for x in xi]
    axes = list(range(rank))
    if indexing == "xy" and rank > 1:
        axes[:2] = [1, 0]
    grids = [
        reshape(line, tuple(line.size if i == axis else 1 for i in range(rank)))
        for line, axis in zip(lines, axes, strict=True)
    ]
    if sparse:
        return tuple(grids)
    shape = np.broadcast_shapes(*map(shape_of, grids))
    return tuple(broadcast_to(grid, shape) for grid in grids)


@implements_traced(np.ix_)
def ix_(*args: Any) -> tuple[Any, ...]:
    """`numpy.ix_`: index arrays, each along an axis of its own."""
    parts = []
    for i, arg in enumerate(args):
        line = arg if is_traced(arg) else as_operand(arg)
        if rank_of(line) == 1 and line.dtype.kind == "b":
            line = np.nonzero(line)[0]
        places = as_index("ix_", line)
        line = line if is_traced(line) else places
        if rank_of(line) != 1:
            raise ValueError("Cross index must be 1 dimensional")
        parts.append(reshape(line, tuple(line.size if j == i else 1 for j in range(len(args)))))
    return tuple(parts)


@implements_traced(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(
    x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> Any:
    """`numpy.lib.stride_tricks.sliding_window_view`; the elements are copied."""
    del subok, writeable
    windows = as_shape(window_shape)
    rank = rank_of(x)
    axes = range(rank) if axis is None else axis if isinstance(axis, tuple | list) else (axis,)
    if len(axes) != len(windows):
        raise ValueError("Must provide matching length window_shape and axis")
    places = [negative_axis(one, rank) + rank for one in axes]
    for place, window in zip(places, windows, strict=True):
        count = shape_of(x)[place] - window + 1
        if window < 0 or count <= 0:
            raise ValueError("window shape cannot be larger than input array shape")
        steps = np.arange(count)[:, None] + np.arange(window)
        x = moveaxis(take(x, steps, place), place + 1, -1)
    return x


# --- functions of lines -----------------------------------------------------------------------


@implements_traced(np.apply_along_axis)
def apply_along_axis(
    func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any
) -> Any:
    """`numpy.apply_along_axis`: the function of each line, whose result stands in its place."""
    axis = negative_axis(axis, rank_of(arr)) + rank_of(arr)
    lines = moveaxis(arr, axis, -1)
    *front, length = shape_of(lines)
    if not math.prod(front):
        raise ValueError("Cannot apply_along_axis when any iteration dimensions are 0")
    lines = reshape(lines, (math.prod(front), length))

    def of_line(line: Any) -> Any:
        out = func1d(line, *args, **kwargs)
        return stack(out) if isinstance(out, list | tuple) else out

    results = over_rows("apply_along_axis", of_line, math.prod(front), [lines])
    own = shape_of(results)[1:]
    joined = reshape(results, (*front, *own))
    inner = tuple(range(len(front), len(front) + len(own)))
    return moveaxis(joined, inner, tuple(range(axis, axis + len(own))))


@implements_traced(np.apply_over_axes)
def apply_over_axes(func: Callable[[Any, int], Any], a: Any, axes: Any) -> Any:
    """`numpy.apply_over_axes`: `func(a, axis)` for one axis after the other, keeping them."""
    rank = rank_of(a)
    for axis in axes if np.ndim(axes) else (axes,):
        found = func(a, negative_axis(axis, rank) + rank)
        a = found if rank_of(found) == rank else expand_dims(found, axis)
        if rank_of(a) != rank:
            raise ValueError("function is not returning an array of the correct shape")
    return a
