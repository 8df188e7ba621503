"""numpy.pad: an axis at a time, for every mode that is linear in the array or selects from it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from funcgrad.core.protocols import unsupported
from funcgrad.core.tracer import Tracer
from funcgrad.families.shapes import as_operand, rank_of, shape_of
from funcgrad.primitives.arranging import flip
from funcgrad.primitives.indexing import axis_range, unindex
from funcgrad.primitives.plain import implements_traced, is_traced
from funcgrad.primitives.selecting import take
from funcgrad.primitives.structural import astype, broadcast_to, concatenate, moveaxis

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
    """`numpy.pad`; values to pad with may be traced. A function as mode is not supported."""
    if not isinstance(mode, str):
        raise unsupported(np.pad, " with a function as mode")
    if mode not in _OPTIONS:
        raise ValueError(f"mode '{mode}' is not supported")
    option = _OPTIONS[mode]
    unknown = set(kwargs) - {option}
    if unknown:
        raise ValueError(f"unsupported keyword arguments for mode '{mode}': {unknown}")
    array = as_operand(array)
    rank = rank_of(array)
    widths = [(int(before), int(after)) for before, after in _pairs(pad_width, rank)]
    if any(min(pair) < 0 for pair in widths):
        raise ValueError("index can't contain negative values")
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


def _is_zero(argument: Any) -> bool:
    return not is_traced((argument,)) and not np.any(argument)


def _zeros_around(x: Any, widths: list[tuple[int, int]]) -> Any:
    shape = shape_of(x)
    key = tuple(slice(pair[0], pair[0] + n) for pair, n in zip(widths, shape, strict=True))
    full = tuple(sum(pair) + n for pair, n in zip(widths, shape, strict=True))
    return unindex(x, key, full)


def _pad_by_selection(x: Any, widths: list[tuple[int, int]], mode: Any, kind: str) -> Any:
    """Every padded element is an element (or, for odd reflection, a sum of them)."""
    for axis, pair in enumerate(widths):
        length = shape_of(x)[axis]
        if not any(pair):
            continue
        if kind == "odd":
            weights = np.pad(np.eye(length, dtype=x.dtype), (pair, (0, 0)), mode, reflect_type=kind)
            x = moveaxis(np.tensordot(weights, x, (1, axis)), 0, axis)
        elif mode in ("reflect", "symmetric"):
            x = take(x, np.pad(np.arange(length), pair, mode, reflect_type=kind), axis)
        else:
            x = take(x, np.pad(np.arange(length), pair, mode), axis)
    return x


def _spread(value: Any, x: Any, axis: int, width: int) -> Any:
    """A value (with length 1 along the axis, or a scalar) as often as needed, in x's dtype."""
    shape = list(shape_of(x))
    shape[axis] = width
    value = as_operand(value)
    value = (
        astype(value, x.dtype) if isinstance(value, Tracer) else np.asarray(value).astype(x.dtype)
    )
    return broadcast_to(value, tuple(shape))


def _constant(x: Any, axis: int, widths: Pair, values: Pair) -> tuple[Any, Any]:
    before, behind = (
        _spread(value, x, axis, width) for width, value in zip(widths, values, strict=True)
    )
    return before, behind


def _ramp(x: Any, axis: int, widths: Pair, ends: Pair) -> tuple[Any, Any]:
    ramps = []
    for width, end, edge in zip(widths, ends, ((0, 1), (-1, None)), strict=True):
        steps = np.arange(width).astype(x.dtype).reshape((-1, *(1,) * (-axis - 1)))
        border = axis_range(x, edge[0], edge[1], axis)
        end = _spread(end, border, axis, 1)
        ramps.append(steps * ((border - end) / max(width, 1)) + end)
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
            parts.append(_spread(function(chunk, axis=axis, keepdims=True), x, axis, width))
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
