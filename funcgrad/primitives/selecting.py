"""Choosing elements by number, by mask or by value: take, compress, select, clip and their kin."""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad.core.foreign import cast, is_foreign
from funcgrad.core.primitive import Primitive, Pull
from funcgrad.core.protocols import DISPATCH
from funcgrad.core.tracer import Tracer, bind, plain_value
from funcgrad.families.linear import linear
from funcgrad.families.shapes import (
    align,
    as_operand,
    cast_like,
    dtype_of,
    fit,
    in_front,
    negative_axis,
    rank_of,
    shape_of,
)
from funcgrad.families.smooth import smooth, transposed_jvp
from funcgrad.interpreters.record import RecordTracer
from funcgrad.primitives.calls import append_record
from funcgrad.primitives.indexing import gather, index, nonzero
from funcgrad.primitives.joining import stack
from funcgrad.primitives.keys import FULL
from funcgrad.primitives.placing import add_along
from funcgrad.primitives.plain import implements_traced, refuse_out
from funcgrad.primitives.structural import (
    as_condition,
    astype,
    broadcast_to,
    imag,
    ravel,
    real,
    where,
)

__all__ = ["as_index", "clip", "compress", "in_range", "take", "take_along_axis", "take_in_order"]

# --- by number --------------------------------------------------------------------------------


def as_index(name: str, indices: Any) -> Any:
    """Index arguments as an array of `intp`, a tracer of one, or a Python integer."""
    if isinstance(indices, list | tuple) and any(isinstance(one, Tracer) for one in indices):
        indices = stack(indices)
    elif not isinstance(indices, Tracer) and not is_foreign(indices):
        indices = np.asarray(indices)
        indices = indices.astype(np.intp) if indices.size == 0 else indices  # of floats, if []
    if indices.dtype.kind not in "biu":
        raise TypeError(
            f"{name}: the indices have dtype {indices.dtype}. An index has no derivative. Use "
            "integers, e.g. indices.astype(int)."
        )
    if isinstance(indices, np.ndarray) and indices.ndim == 0:
        return operator.index(int(indices))
    return _wide(indices)


def _wide(indices: Any) -> Any:
    """Integers in which a length does not overflow, of booleans 0 and 1, as NumPy takes them."""
    return indices if indices.dtype == np.intp else cast(indices, np.intp)


def in_range(name: str, indices: Any, length: int, mode: str) -> Any:
    """Indices by NumPy's mode; with "raise" the gather itself refuses those out of range."""
    if mode == "raise":
        return indices
    if mode == "wrap":
        return indices % length
    if mode == "clip":
        return np.minimum(np.maximum(indices, 0), length - 1)
    raise ValueError(f"{name}: mode={mode!r} is not one of 'raise', 'wrap', 'clip'")


@implements_traced(np.take)
def take(
    a: Any, indices: Any, axis: int | None = None, out: Any = None, mode: str = "raise"
) -> Any:
    """`numpy.take`."""
    refuse_out("take", out)
    a = as_operand(a)
    if axis is None or rank_of(a) == 0:
        if axis is not None:
            negative_axis(axis, 1)
        a, axis = ravel(a), 0
    lead = negative_axis(axis, rank_of(a)) + rank_of(a)
    chosen = in_range("take", as_index("take", indices), shape_of(a)[lead], mode)
    if isinstance(chosen, int | np.integer):
        return index(a, ((FULL,) * lead + (int(chosen),)))
    return gather(a, (chosen,), lead)


def _along_value(x: Any, indices: Any, *, axis: int, unique: bool) -> Any:
    del unique
    return x[indices] if x.ndim == 1 else np.take_along_axis(x, indices, axis)


def _add_along_value(ct: Any, indices: Any, *, length: int, axis: int, unique: bool) -> Any:
    """Zeros with `ct` added along an axis at the indices."""
    if is_foreign(ct):
        return add_along(ct, indices, length, axis)
    shape = list(ct.shape)
    shape[axis] = length
    full = np.zeros_like(ct, shape=tuple(shape), order="C")
    if unique:
        np.put_along_axis(full, indices, ct, axis)
        return full
    lines = np.moveaxis(np.where(indices < 0, indices + length, indices), axis, -1)
    starts = np.arange(0, full.size, max(length, 1)).reshape(*lines.shape[:-1], 1) if length else 0
    flat = np.zeros_like(ct, shape=full.size)
    np.add.at(flat, (lines + starts).reshape(-1), np.moveaxis(ct, axis, -1).reshape(-1))
    lined = flat.reshape(*lines.shape[:-1], length)
    return np.moveaxis(lined, -1, axis)


def _both_in_front(
    size: int, batched: Sequence[bool], values: Sequence[Any], params: dict[str, Any]
) -> list[Any]:
    del params
    return [in_front(size, v, b) for v, b in zip(values, batched, strict=True)]


take_along_axis_p: Primitive = linear(
    "take_along_axis",
    _along_value,
    lambda ct, x, indices, *, axis, unique: bind(
        add_along_axis_p, ct, indices, length=x.shape[axis], axis=axis, unique=unique
    ),
    None,
    batch=lambda size, batched, values, params: bind(
        take_along_axis_p, *_both_in_front(size, batched, values, params), **params
    ),
)
add_along_axis_p: Primitive = linear(
    "add_along_axis",
    _add_along_value,
    lambda ct, _x, indices, *, length, axis, unique: bind(
        take_along_axis_p, ct, indices, axis=axis, unique=unique
    ),
    None,
    batch=lambda size, batched, values, params: bind(
        add_along_axis_p, *_both_in_front(size, batched, values, params), **params
    ),
)


@implements_traced(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    """`numpy.take_along_axis`."""
    arr, indices = as_operand(arr), as_operand(indices)
    if indices.dtype.kind not in "iu":
        raise IndexError("`indices` must be an integer array")
    indices = _wide(indices)
    if axis is None:
        if rank_of(indices) != 1:
            raise ValueError("when axis=None, `indices` must have a single dimension.")
        arr, axis = ravel(arr), 0
    if rank_of(arr) != rank_of(indices):
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    axis = negative_axis(axis, rank_of(arr))
    own, other = list(shape_of(arr)), list(shape_of(indices))
    length, count = own[axis], other[axis]
    own[axis] = other[axis] = 1
    common = list(np.broadcast_shapes(tuple(own), tuple(other)))
    arr = broadcast_to(arr, (*common[:axis], length, *common[len(common) + axis + 1 :]))
    indices = broadcast_to(indices, (*common[:axis], count, *common[len(common) + axis + 1 :]))
    return bind(take_along_axis_p, arr, indices, axis=axis, unique=False)


def take_in_order(x: Any, order: Any, axis: int) -> Any:
    """The elements along a negative axis in an order, each once (a permutation)."""
    return bind(take_along_axis_p, x, order, axis=axis, unique=True)


def in_one_dtype(parts: list[Any]) -> list[Any]:
    """Numbers of Python become elements of the dtype that all have together."""
    dtypes = [dtype_of(part) for part in parts]
    if None not in dtypes:
        return parts
    common = np.result_type(
        *(
            plain_value(part) if own is None else own
            for part, own in zip(parts, dtypes, strict=True)
        )
    )
    return [
        part
        if own is not None
        else astype(part, common)
        if isinstance(part, Tracer)
        else np.asarray(part).astype(common)[()]
        for part, own in zip(parts, dtypes, strict=True)
    ]


@implements_traced(np.choose)
def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    """`numpy.choose`."""
    refuse_out("choose", out)
    parts = in_one_dtype([as_operand(choice) for choice in choices])
    numbers = as_operand(np.asarray(a) if isinstance(a, int) else a)
    if numbers.dtype.kind not in "biu":
        raise TypeError(
            f"choose: the numbers of the choices have dtype {numbers.dtype}, but must be integers. "
            "A choice has no derivative by its number. Use a.astype(int)."
        )
    shape = np.broadcast_shapes(shape_of(numbers), *map(shape_of, parts))
    numbers = in_range("choose", numbers, len(parts), mode)
    if mode == "raise" and bool(np.any((numbers < 0) | (numbers >= len(parts)))):
        raise ValueError("invalid entry in choice array")
    table = stack([broadcast_to(part, shape) for part in parts])
    return take_along_axis(table, broadcast_to(numbers, (1, *shape)).astype(np.intp), 0)[0]


# --- by mask ----------------------------------------------------------------------------------


@implements_traced(np.compress)
def compress(condition: Any, a: Any, axis: int | None = None, out: Any = None) -> Any:
    """`numpy.compress`."""
    refuse_out("compress", out)
    condition = as_condition(condition)
    if rank_of(condition) != 1:
        raise ValueError("condition must be a 1-d array")
    return take(a, nonzero(condition)[0], axis)


@implements_traced(np.extract)
def extract(condition: Any, arr: Any) -> Any:
    """`numpy.extract`."""
    places = np.nonzero(np.ravel(as_condition(condition)))[0]
    return take(np.ravel(as_operand(arr)), places)


@implements_traced(np.select)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """`numpy.select`: for each element the first choice whose condition holds."""
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    if len(condlist) == 0:
        raise ValueError("select with an empty condition list is not possible")
    *choices, out = in_one_dtype([as_operand(choice) for choice in (*choicelist, default)])
    for condition, choice in zip(reversed(condlist), reversed(choices), strict=True):
        mask = as_operand(condition)
        if np.result_type(mask).kind != "b":
            raise TypeError("invalid entry in condlist: should be boolean ndarray")
        out = where(mask, choice, out)
    return out


# --- by value ---------------------------------------------------------------------------------


def _regions(x: Any, low: Any, high: Any) -> tuple[Any, Any]:
    """Where the upper and the lower limit is the result; at an edge it is x itself."""
    above = np.greater(np.maximum(x, low), high)
    return above, np.logical_and(np.less(x, low), np.logical_not(above))


def _clip_jvp(
    _out: Any, x: Any, low: Any, high: Any, x_dot: Any, low_dot: Any, high_dot: Any
) -> Any:
    above, below = _regions(x, low, high)
    return np.where(above, high_dot, np.where(below, low_dot, x_dot))


_general_clip_vjp = transposed_jvp(_clip_jvp)


def _clip_vjp(
    out: Any, args: Sequence[Any], active: tuple[bool, ...], params: dict[str, Any]
) -> tuple[Pull | None, Any]:
    if active != (True, False, False):
        return _general_clip_vjp(out, args, active, params)
    x, low, high = args
    kept = np.logical_not(np.logical_or(*_regions(x, low, high)))
    shape, dtype = shape_of(x), dtype_of(x)
    if shape == shape_of(out) and (dtype is None or dtype == dtype_of(out)):
        return _keep_where, kept
    return lambda ct, kept: fit(np.where(kept, ct, 0), shape, dtype), kept


def _keep_where(ct: Any, kept: Any) -> Any:
    return np.where(kept, ct, 0)


clip_p: Primitive = smooth(
    "clip",
    lambda x, low, high: np.clip(x, low, high),
    _clip_jvp,
    batch=lambda _size, batched, values, _params: bind(clip_p, *align(batched, values)),
    vjp=_clip_vjp,
    domain=((-3.0, 3.0), (-1.0, -0.5), (0.5, 1.0)),
    analytic=False,
)

_ABSENT = object()
_NUMBERS = frozenset({int, float})
_clip = np._core.umath.clip  # type: ignore[attr-defined]  # what ndarray.clip calls; no public name


@implements_traced(np.clip)
def clip(
    a: Any,
    a_min: Any = _ABSENT,
    a_max: Any = _ABSENT,
    out: Any = None,
    *,
    min: Any = _ABSENT,
    max: Any = _ABSENT,
    **options: Any,
) -> Any:
    """`numpy.clip`; at the edges the derivative by `a` is 1, for the result is `a` itself there."""
    refuse_out("clip", out)
    if (a_min is not _ABSENT or a_max is not _ABSENT) and not (min is _ABSENT and max is _ABSENT):
        raise ValueError(
            "Passing `min` or `max` keyword argument when `a_min` and `a_max` are provided"
        )
    low = a_min if min is _ABSENT else min
    high = a_max if max is _ABSENT else max
    if type(a) is RecordTracer and type(low) in _NUMBERS and type(high) in _NUMBERS and not options:
        x = a.value
        if type(x) is np.ndarray and x.dtype.kind == "f" and low <= high:
            kept = np.logical_not((x < low) | (x > high))
            return append_record(a, clip_p, _keep_where, kept, _clip(x, low, high))
    a = as_operand(a)
    low, high = _limit(a, low, high, least=True), _limit(a, high, low, least=False)
    if options:
        return DISPATCH["ufunc options"](_clip, clip_ufunc, (a, low, high), options)
    return bind(clip_p, a, low, high)


def _limit(a: Any, limit: Any, other: Any, least: bool) -> Any:
    """The limit, or one that neither `a` nor the other one passes."""
    if limit is not None and limit is not _ABSENT:
        return as_operand(limit)
    dtype = a.dtype
    if dtype.kind in "biu" and other is not None and other is not _ABSENT:
        other = as_operand(other)
        dtype = np.result_type(dtype, dtype_of(other) or plain_value(other))
    if dtype.kind == "b":
        return not least
    if dtype.kind in "iu":
        bounds = np.iinfo(dtype)
        return int(bounds.min if least else bounds.max)
    return -np.inf if least else np.inf


def clip_ufunc(x: Any, low: Any, high: Any) -> Any:
    """`ndarray.clip` of a plain array between traced limits, which calls a ufunc of its own."""
    return clip(x, low, high)


DISPATCH[_clip] = clip_ufunc


@implements_traced(np.nan_to_num)
def nan_to_num(
    x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    """`numpy.nan_to_num`: replaced elements have derivative zero."""
    del copy
    kind = x.dtype.kind
    if kind == "c":
        replace: Callable[[Any], Any] = lambda part: nan_to_num(  # noqa: E731  # both parts alike
            part, nan=nan, posinf=posinf, neginf=neginf
        )
        return replace(real(x)) + replace(imag(x)) * cast_like(np.array(1j), x.dtype)
    if kind != "f":
        return x
    limits = np.finfo(x.dtype)
    top = float(limits.max) if posinf is None else posinf
    bottom = float(limits.min) if neginf is None else neginf
    out = where(np.isnan(x), nan, x)
    out = where(x == -np.inf, bottom, where(x == np.inf, top, out))
    return out if shape_of(out) else out[()]
