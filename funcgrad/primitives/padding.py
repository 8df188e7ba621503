"""numpy.pad: an axis at a time, for every mode that is linear in the array or selects from it."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from funcgrad.core.tracer import Tracer
from funcgrad.errors import user_line
from funcgrad.families.shapes import as_operand, rank_of, shape_of
from funcgrad.primitives.arranging import flip
from funcgrad.primitives.indexing import axis_range, unindex
from funcgrad.primitives.mapping import over_rows
from funcgrad.primitives.plain import implements_traced, is_traced
from funcgrad.primitives.selecting import take
from funcgrad.primitives.structural import astype, broadcast_to, concatenate, moveaxis, reshape

__all__ = ["pad"]

Pair = tuple[Any, Any]
Sides = Callable[[Any, int, Pair, Pair], tuple[Any, Any]]
"""`(x, negative axis, widths, options) -> what stands before and what behind`."""

_OPTIONS = {
    "constant": "constant_values",
    "linear_ramp": "end_values",
    "maximum": "stat_length",
    "mean": "stat_length",
    "median": "stat_length",
    "minimum": "stat_length",
    "reflect": "reflect_type",
    "symmetric": "reflect_type",
    "edge": None,
    "empty": None,
    "wrap": None,
}


def _pairs(argument: Any, rank: int) -> list[Pair]:
    """A pad argument as (before, after) for each axis; NumPy broadcasts it to shape (rank, 2)."""
    if isinstance(argument, dict):
        pairs: list[Pair] = [(0, 0)] * rank
        for axis, widths in argument.items():
            before, after = widths if isinstance(widths, tuple | list) else (widths, widths)
            pairs[axis] = (before, after)
        return pairs
    if not is_traced((argument,)):
        table = np.broadcast_to(np.asarray(argument), (rank, 2))
        return [(before, after) for before, after in table]
    if isinstance(argument, Tracer):
        table = broadcast_to(argument, (rank, 2))
        return [(table[i, 0], table[i, 1]) for i in range(rank)]
    if len(argument) == 1:
        return _pairs(argument[0], rank)
    rows = [part for part in argument if isinstance(part, tuple | list) or rank_of(part)]
    if not rows:
        return [(argument[0], argument[1])] * rank
    return [(row[0], row[-1]) for row in (argument if len(argument) > 1 else argument * rank)]


@implements_traced(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    """`numpy.pad`; values to pad with may be traced.

    A function as mode is `(line, (before, behind), axis, kwargs) -> line`: it is given each line
    with zeros around it, and returns it with what is to stand there (a plain array it may change in
    place, as NumPy has it, but a traced line cannot be changed).
    """
    if callable(mode):
        return _pad_by_function(as_operand(array), pad_width, mode, kwargs)
    if mode not in _OPTIONS:
        raise ValueError(f"mode '{mode}' is not supported")
    option = _OPTIONS[mode]
    unknown = set(kwargs) - {option}
    if unknown:
        raise ValueError(f"unsupported keyword arguments for mode '{mode}': {unknown}")
    array = as_operand(array)
    rank = rank_of(array)
    widths = _widths(pad_width, rank)
    argument: Any = 0 if mode in ("constant", "linear_ramp") else None
    for given in kwargs.values():
        argument = given
    if mode == "empty" or (mode == "constant" and _is_zero(argument)):
        return _zeros_around(array, widths)
    if mode in ("edge", "wrap", "reflect", "symmetric"):
        return _pad_by_selection(array, widths, mode, argument or "even")
    options = [(None, None)] * rank if argument is None else _pairs(argument, rank)
    for axis, (pair, option_pair) in enumerate(zip(widths, options, strict=True)):
        if any(pair):
            before, behind = _SIDES[mode](array, axis - rank, pair, option_pair)
            array = concatenate((before, array, behind), axis)
    return array


def _pad_by_function(
    x: Any, pad_width: Any, function: Callable[..., Any], options: dict[str, Any]
) -> Any:
    """An axis after the other, all lines along it at once; the lines include what is padded."""
    rank = rank_of(x)
    widths = _widths(pad_width, rank)
    x = _zeros_around(x, widths)
    for axis, pair in enumerate(widths):
        lines = moveaxis(x, axis, -1)
        *front, length = shape_of(lines)

        def padded(line: Any, pair: Pair = pair, axis: int = axis) -> Any:
            out = function(line, pair, axis, options)
            if shape_of(out) != shape_of(line) or out is None:
                raise ValueError(
                    f"pad: the function returned {shape_of(out) if out is not None else None} for "
                    f"a traced line of shape {shape_of(line)}, at {user_line()}. A traced line "
                    "cannot be changed in place. Return the padded line, for example "
                    "line.at[: pad[0]].set(value)."
                )
            return out if out.dtype == line.dtype else astype(out, line.dtype)

        rows = reshape(lines, (math.prod(front), length))
        results = over_rows("pad", padded, math.prod(front), [rows])
        x = moveaxis(reshape(results, (*front, length)), -1, axis)
    return x


def _widths(pad_width: Any, rank: int) -> list[tuple[int, int]]:
    widths = [(int(before), int(after)) for before, after in _pairs(pad_width, rank)]
    if any(min(pair) < 0 for pair in widths):
        raise ValueError("index can't contain negative values")
    return widths


def _is_zero(argument: Any) -> bool:
    return not is_traced((argument,)) and not np.any(argument)


def _zeros_around(x: Any, widths: list[tuple[int, int]]) -> Any:
    shape = shape_of(x)
    key = tuple(slice(pair[0], pair[0] + n) for pair, n in zip(widths, shape, strict=True))
    full = tuple(sum(pair) + n for pair, n in zip(widths, shape, strict=True))
    return unindex(x, key, full)


def _pad_by_selection(x: Any, widths: list[tuple[int, int]], mode: Any, kind: str) -> Any:
    """Every padded element is an element (or, for odd reflection, a sum of them)."""
    rank = len(widths)
    for axis, pair in enumerate(widths):
        length = shape_of(x)[axis]
        if not any(pair):
            continue
        if mode in ("reflect", "symmetric"):
            if kind == "odd" and length > 1:
                x = _reflected_oddly(x, pair, axis - rank, with_edge=mode == "symmetric")
            else:
                x = take(x, np.pad(np.arange(length), pair, mode, reflect_type="even"), axis)
        else:
            x = take(x, np.pad(np.arange(length), pair, mode), axis)
    return x


def _reflected_oddly(x: Any, widths: tuple[int, int], axis: int, *, with_edge: bool) -> Any:
    """2 x₀ - xᵢ in front, 2 xₙ - xₙ₋ᵢ behind, again and again: what is there is reflected too."""
    period = shape_of(x)[axis] - (not with_edge)
    before, behind = widths
    skip = 0 if with_edge else 1
    while before or behind:
        length = shape_of(x)[axis]
        most = (length - skip) // period * period
        parts = [x]
        if before:
            count = min(most, before)
            chunk = flip(axis_range(x, skip, skip + count, axis), axis)
            parts.insert(0, _minus(2 * axis_range(x, 0, 1, axis), chunk))
            before -= count
        if behind:
            count = min(most, behind)
            stop = length - skip
            chunk = flip(axis_range(x, stop - count, stop, axis), axis)
            parts.append(_minus(2 * axis_range(x, length - 1, length, axis), chunk))
            behind -= count
        x = concatenate(parts, axis)
    return x


def _minus(twice: Any, chunk: Any) -> Any:
    out = twice - chunk
    return out if out.dtype == chunk.dtype else astype(out, chunk.dtype)


def _spread(value: Any, x: Any, axis: int, width: int) -> Any:
    """A value (with length 1 along the axis, or a scalar) as often as needed, in x's dtype."""
    shape = list(shape_of(x))
    shape[axis] = width
    value = as_operand(value)
    if isinstance(value, Tracer):
        value = astype(value, x.dtype)
    elif isinstance(value, np.integer) and x.dtype.kind in "iu":
        cell = np.empty((), x.dtype)
        cell[...] = value  # refused where NumPy refuses it
        value = cell
    else:
        value = np.asarray(value).astype(x.dtype)
    return broadcast_to(value, tuple(shape))


def _constant(x: Any, axis: int, widths: Pair, values: Pair) -> tuple[Any, Any]:
    before, behind = (
        _spread(value, x, axis, width) for width, value in zip(widths, values, strict=True)
    )
    return before, behind


def _ramp(x: Any, axis: int, widths: Pair, ends: Pair) -> tuple[Any, Any]:
    ramps = []
    for width, end, edge in zip(widths, ends, ((0, 1), (-1, None)), strict=True):
        border = axis_range(x, edge[0], edge[1], axis)
        end = _spread(end, border, axis, 1)
        if x.dtype.kind not in "fc":
            border, end = astype(border, np.float64), astype(end, np.float64)
        steps = np.arange(width).astype(border.dtype).reshape((-1, *(1,) * (-axis - 1)))
        ramp = steps * ((border - end) / max(width, 1)) + end
        if x.dtype.kind not in "fc":
            ramp = astype(np.floor(ramp) if x.dtype.kind in "iu" else ramp, x.dtype)
        ramps.append(ramp)
    return ramps[0], flip(ramps[1], axis)


def _statistic(function: Callable[..., Any]) -> Sides:
    def sides(x: Any, axis: int, widths: Pair, lengths: Pair) -> tuple[Any, Any]:
        size = shape_of(x)[axis]
        parts = []
        for side, (width, length) in enumerate(zip(widths, lengths, strict=True)):
            count = size if length is None else min(int(length), size)
            if count <= 0:
                raise ValueError("stat_length of 0 yields no value for padding")
            chunk = (
                axis_range(x, 0, count, axis)
                if side == 0
                else axis_range(x, size - count, None, axis)
            )
            found = function(chunk, axis=axis, keepdims=True)
            if x.dtype.kind in "iu" and found.dtype.kind == "f":
                found = np.round(found)
            parts.append(_spread(found, x, axis, width))
        return parts[0], parts[1]

    return sides


def _median(x: Any, axis: int, keepdims: bool) -> Any:
    del keepdims
    ordered = np.sort(x, axis=axis)
    count = shape_of(x)[axis]
    low = axis_range(ordered, (count - 1) // 2, (count - 1) // 2 + 1, axis)
    high = axis_range(ordered, count // 2, count // 2 + 1, axis)
    return (low + high) / 2


_SIDES: dict[str, Sides] = {
    "constant": _constant,
    "linear_ramp": _ramp,
    "maximum": _statistic(np.max),
    "mean": _statistic(np.mean),
    "median": _statistic(_median),
    "minimum": _statistic(np.min),
}
