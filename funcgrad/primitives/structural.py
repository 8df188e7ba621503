"""Shape, order of axes, dtype and choice: the operations that all others are made of.

Axis parameters are negative when a primitive is bound, so that a batch axis in front changes
nothing. Functions with NumPy's names and signatures normalise their arguments, then bind; those
that occur in inner loops append their record themselves.
"""

import math
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from funcgrad.core.foreign import cast, duplicate, spread_like
from funcgrad.core.primitive import Primitive
from funcgrad.core.protocols import implements
from funcgrad.core.tracer import bind
from funcgrad.errors import ObjectArrayError, user_line
from funcgrad.families.batching import aligned, same_call
from funcgrad.families.elementwise import constant_call
from funcgrad.families.linear import linear
from funcgrad.families.shapes import (
    align,
    as_operand,
    cast_like,
    dtype_of,
    in_front,
    negative_axis,
    rank_of,
    shape_of,
    unbroadcast,
    zeros_like,
)
from funcgrad.interpreters.record import RecordTracer
from funcgrad.primitives.calls import append_join, append_record, as_shape, recording_of
from funcgrad.primitives.memory import memory_axes, memory_order
from funcgrad.primitives.plain import implements_traced, is_traced, refuse_out

__all__ = [
    "as_condition",
    "astype",
    "broadcast_p",
    "broadcast_to",
    "cast_for",
    "concatenate",
    "copy",
    "expand_dims",
    "imag",
    "matrix_transpose",
    "moveaxis",
    "ravel",
    "real",
    "reshape",
    "squeeze",
    "swapaxes",
    "transpose",
    "truncate_p",
    "where",
]

_PLAIN_CHOICES = frozenset({int, float, complex, np.ndarray, np.float64, np.float32})

# --- primitives -------------------------------------------------------------------------------


def _reshape_value(x: Any, *, shape: tuple[int, ...]) -> Any:
    return x.reshape(shape) if type(x) is np.ndarray else np.reshape(x, shape)


def _transpose_value(x: Any, *, axes: tuple[int, ...]) -> Any:
    rank = x.ndim
    order = (*range(rank - len(axes)), *(a + rank for a in axes))
    return x.transpose(order) if type(x) is np.ndarray else np.transpose(x, order)


def _inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    count = len(axes)
    return tuple(sorted(range(-count, 0), key=lambda i: axes[i]))


def _astype_value(x: Any, *, dtype: np.dtype[Any]) -> Any:
    return cast(x, dtype) if hasattr(x, "dtype") else dtype.type(x)


def _reshape_batch(
    size: int, _batched: Sequence[bool], values: Sequence[Any], params: dict[str, Any]
) -> Any:
    return reshape(values[0], (size, *params["shape"]))


def _broadcast_batch(
    size: int, batched: Sequence[bool], values: Sequence[Any], params: dict[str, Any]
) -> Any:
    shape, like = params["shape"], params.get("like")
    (x,) = align(batched, values, len(shape))
    if like is None:
        return bind(broadcast_p, x, shape=(size, *shape))
    return bind(broadcast_p, x, shape=(size, *shape), like=((size,), *like))


def _concatenate_transpose(ct: Any, position: int, *parts: Any, axis: int) -> Any:
    start = sum(part.shape[axis] for part in parts[:position])
    return _span(ct, start, start + parts[position].shape[axis], axis)


def _span(ct: Any, start: int, stop: int, axis: int) -> Any:
    return ct[(..., slice(start, stop), *(slice(None),) * (-axis - 1))]


def _concatenate_batch(
    size: int, batched: Sequence[bool], values: Sequence[Any], params: dict[str, Any]
) -> Any:
    parts = [in_front(size, v, b) for v, b in zip(values, batched, strict=True)]
    return concatenate(parts, **params)


astype_p: Primitive = linear("astype", _astype_value, lambda ct, _x, *, dtype: ct, batch=same_call)
truncate_p: Primitive = constant_call("truncate", _astype_value, same_call)
copy_p: Primitive = linear(
    "copy",
    lambda x, *, order="K": duplicate(x, order),
    lambda ct, _x, *, order="K": ct,
    batch=same_call,
)
reshape_p: Primitive = linear(
    "reshape",
    _reshape_value,
    lambda ct, x, *, shape: reshape(ct, x.shape),
    batch=_reshape_batch,
    view=True,
)
transpose_p: Primitive = linear(
    "transpose",
    _transpose_value,
    lambda ct, _x, *, axes: bind(transpose_p, ct, axes=_inverse(axes)),
    batch=same_call,
    view=True,
)
broadcast_p: Primitive = linear(
    "broadcast_to",
    lambda x, *, shape, like=None: spread_like(x, shape, like),
    lambda ct, x, *, shape, like=None: unbroadcast(ct, x.shape),
    batch=_broadcast_batch,
    view=True,
)
concatenate_p: Primitive = linear(
    "concatenate",
    lambda *parts, axis: np.concatenate(parts, axis=axis),
    variadic=_concatenate_transpose,
    batch=_concatenate_batch,
)
where_p: Primitive = linear(
    "where",
    np.where,
    None,
    lambda ct, condition, x, _y: unbroadcast(where(condition, ct, 0), x.shape),
    lambda ct, condition, _x, y: unbroadcast(where(condition, 0, ct), y.shape),
    batch=aligned,
)
real_p: Primitive = linear("real", np.real, lambda ct, _x: ct, batch=same_call, view=True)
imag_p: Primitive = linear("imag", np.imag, lambda ct, _x: ct * -1j, batch=same_call, view=True)

# --- dtype ------------------------------------------------------------------------------------


@implements_traced(np.astype)
def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None, **_: Any) -> Any:
    """`numpy.astype`: to an integer or boolean dtype, the derivative is zero."""
    del copy, device
    target = np.dtype(dtype)
    if type(x) is RecordTracer and type(x.value) is np.ndarray:
        value = x.value
        if value.dtype.kind == "f" and target.kind == "f":
            return append_record(x, astype_p, cast_like, value.dtype, value.astype(target))
    if target.kind in "fc":
        if target.kind == "f" and x.dtype.kind == "c":
            x = real(x)
        return bind(astype_p, x, dtype=target)
    if target.kind not in "biu":
        raise ObjectArrayError(
            f"astype: dtype {target} for a traced value at {user_line()}. Arrays of it cannot "
            "carry a derivative. Keep a numeric dtype, or use stop_gradient(x)."
        )
    if x.dtype.kind == "c" and target.kind != "b":
        x = real(x)
    return bind(truncate_p, x, dtype=target)


@implements_traced(np.copy)
def copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    """`numpy.copy`; the order in memory matters to a later `order="K"`."""
    del subok
    if order == "K" or rank_of(a) < 2:
        return bind(copy_p, as_operand(a))
    flipped = memory_order("copy", a, order) == "F"
    copied = bind(copy_p, transpose(a) if flipped else as_operand(a), order="C")
    return transpose(copied) if flipped else copied


@implements_traced(np.real)
def real(val: Any) -> Any:
    """`numpy.real`."""
    return bind(real_p, val) if val.dtype.kind == "c" else val


@implements_traced(np.imag)
def imag(val: Any) -> Any:
    """`numpy.imag`."""
    return bind(imag_p, val) if val.dtype.kind == "c" else zeros_like(val)


# --- shape ------------------------------------------------------------------------------------


def _reshape_pull(ct: Any, shape: tuple[int, ...]) -> Any:
    return ct.reshape(shape) if type(ct) is np.ndarray else reshape(ct, shape)


@implements_traced(np.reshape)
def reshape(a: Any, /, shape: Any, order: str = "C", *, copy: bool | None = None) -> Any:
    """`numpy.reshape`; `order="F"` through transposes."""
    del copy
    target = as_shape(shape)
    if order != "C":
        if memory_order("reshape", a, order) == "F":
            return transpose(reshape(transpose(a), target[::-1]))
    elif type(a) is RecordTracer and type(a.value) is np.ndarray:
        before, value = a.value.shape, a.value.reshape(target)
        if value.shape == before:
            return a
        return append_record(a, reshape_p, _reshape_pull, before, value)
    own = shape_of(a)
    if -1 in target:
        target = _without_unknown(target, math.prod(own))
    return a if target == own else bind(reshape_p, a, shape=target)


def _without_unknown(target: tuple[int, ...], size: int) -> tuple[int, ...]:
    known = math.prod(length for length in target if length != -1)
    if known == 0 or size % known or target.count(-1) > 1:
        raise ValueError(f"cannot reshape array of size {size} into shape {target}")
    return tuple(size // known if length == -1 else length for length in target)


@implements_traced(np.ravel)
def ravel(a: Any, order: str = "C") -> Any:
    """`numpy.ravel`; "A" and "K" look at how the values lie in memory."""
    if order == "K":
        axes = memory_axes(a)
        return reshape(a if axes == tuple(range(len(axes))) else transpose(a, axes), (-1,))
    return reshape(a, (-1,), memory_order("ravel", a, order))


@implements_traced(np.broadcast_to)
def broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    """`numpy.broadcast_to`."""
    del subok
    target = as_shape(shape)
    return array if shape_of(array) == target else bind(broadcast_p, array, shape=target)


@implements_traced(np.expand_dims)
def expand_dims(a: Any, axis: Any) -> Any:
    """`numpy.expand_dims`."""
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    own = shape_of(a)
    rank = len(own) + len(axes)
    places = _distinct("expand_dims", axes, rank)
    rest = iter(own)
    return reshape(a, tuple(1 if i in places else next(rest) for i in range(rank)))


@implements_traced(np.squeeze)
def squeeze(a: Any, axis: Any = None) -> Any:
    """`numpy.squeeze`."""
    own = shape_of(a)
    if axis is None:
        return reshape(a, tuple(n for n in own if n != 1))
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    places = _distinct("squeeze", axes, len(own))
    if any(own[i] != 1 for i in places):
        raise ValueError("cannot select an axis to squeeze out which has size not equal to one")
    return reshape(a, tuple(n for i, n in enumerate(own) if i not in places))


def _distinct(name: str, axes: Sequence[Any], rank: int) -> set[int]:
    """Axis arguments as positive numbers, each at most once."""
    places = {negative_axis(axis, rank) + rank for axis in axes}
    if len(places) != len(axes):
        raise ValueError(f"{name}: repeated axis in {tuple(axes)}")
    return places


# --- order of axes ----------------------------------------------------------------------------


def _transpose_pull(ct: Any, axes: tuple[int, ...] | None) -> Any:
    return ct.transpose(axes) if type(ct) is np.ndarray else transpose(ct, axes)


@implements_traced(np.transpose, np.permute_dims)
def transpose(a: Any, axes: Any = None) -> Any:
    """`numpy.transpose`."""
    rank = rank_of(a)
    recorded = rank > 1 and type(a) is RecordTracer and type(a.value) is np.ndarray
    if axes is None:
        if recorded:
            return append_record(a, transpose_p, _transpose_pull, None, a.value.transpose())
        order = tuple(range(-1, -rank - 1, -1))
    else:
        axes = axes if hasattr(axes, "__len__") else (axes,)
        order = tuple([negative_axis(axis, rank) for axis in axes])
        if len(order) != rank or len(set(order)) != rank:
            raise ValueError(f"transpose: axes {tuple(axes)} don't match an array of {rank} axes")
    if recorded:
        value = a.value.transpose(order)
        return append_record(a, transpose_p, _transpose_pull, _inverse(order), value)
    return bind(transpose_p, a, axes=order) if rank > 1 else a


def _swapaxes_pull(ct: Any, axes: tuple[int, int]) -> Any:
    return ct.swapaxes(*axes)


@implements_traced(np.swapaxes)
def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """`numpy.swapaxes`."""
    if type(a) is RecordTracer and type(a.value) is np.ndarray and a.value.ndim > 1:
        value = a.value.swapaxes(axis1, axis2)
        return append_record(a, transpose_p, _swapaxes_pull, (axis1, axis2), value)
    rank = rank_of(a)
    axes = list(range(-rank, 0))
    i, j = negative_axis(axis1, rank), negative_axis(axis2, rank)
    axes[i], axes[j] = axes[j], axes[i]
    return transpose(a, axes)


@implements_traced(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x: Any, /) -> Any:
    """`numpy.matrix_transpose`: the last two axes swapped."""
    if rank_of(x) < 2:
        raise ValueError(f"Input array must be at least 2-dimensional, but it is {rank_of(x)}")
    return swapaxes(x, -1, -2)


@implements_traced(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """`numpy.moveaxis`."""
    rank = rank_of(a)
    sources, places = (
        [negative_axis(one, rank) for one in (axes if isinstance(axes, tuple | list) else (axes,))]
        for axes in (source, destination)
    )
    if len(sources) != len(places):
        raise ValueError(
            "`source` and `destination` arguments must have the same number of elements"
        )
    if len(set(sources)) != len(sources) or len(set(places)) != len(places):
        raise ValueError(f"moveaxis: repeated axis in {source} or {destination}")
    order = [axis for axis in range(-rank, 0) if axis not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place + rank, axis)
    return transpose(a, order)


# --- choice -----------------------------------------------------------------------------------


def as_condition(condition: Any) -> Any:
    """A condition as a plain boolean operand: numbers are compared with zero."""
    condition = as_operand(condition)
    return condition != 0 if getattr(condition, "dtype", np.dtype(bool)).kind != "b" else condition


def _where_pull_x(ct: Any, condition: Any) -> Any:
    return np.where(condition, ct, 0)


def _where_pull_y(ct: Any, condition: Any) -> Any:
    return np.where(condition, 0, ct)


def _where_pull_both(ct: Any, condition: Any) -> tuple[Any, Any]:
    return np.where(condition, ct, 0), np.where(condition, 0, ct)


@implements(np.where)
def where(condition: Any, x: Any = ..., y: Any = ..., /) -> Any:
    """`numpy.where`; with one argument, `numpy.nonzero`."""
    if y is ...:
        if x is not ...:
            return np.where(condition, x)  # NumPy's error
        return np.nonzero(condition) if is_traced((condition,)) else np.where(condition)
    x_recorded, y_recorded = type(x) is RecordTracer, type(y) is RecordTracer
    if (x_recorded or y_recorded) and type(condition) is np.ndarray:
        out = _record_where(condition, x, y, x_recorded, y_recorded)
        if out is not None:
            return out
    if x_recorded or y_recorded or is_traced((condition, x, y)):
        return bind(where_p, as_condition(condition), as_operand(x), as_operand(y))
    return np.where(condition, x, y)


def _record_where(condition: Any, x: Any, y: Any, x_recorded: bool, y_recorded: bool) -> Any:
    """The choice between equal shapes and dtypes by a plain mask; `None` for anything else."""
    xv = x.value if x_recorded else x
    yv = y.value if y_recorded else y
    main = xv if x_recorded else yv
    if type(main) is not np.ndarray or condition.dtype.kind != "b":
        return None
    if x_recorded and y_recorded:
        if x.owner is not y.owner or type(yv) is not np.ndarray:
            return None
        if xv.shape != yv.shape or xv.dtype is not yv.dtype:
            return None
    other = yv if x_recorded else xv
    if type(other) not in _PLAIN_CHOICES:
        return None
    out = np.where(condition, xv, yv)
    if out.shape != main.shape or out.dtype != main.dtype:
        return None
    owner = x.owner if x_recorded else y.owner
    condition = owner.capture(condition)
    if not y_recorded:
        return append_record(x, where_p, _where_pull_x, condition, out)
    if not x_recorded:
        return append_record(y, where_p, _where_pull_y, condition, out)
    return owner.push(where_p, (x.index, y.index), _where_pull_both, condition, out)


# --- joining ----------------------------------------------------------------------------------


def _concatenate_pull(ct: Any, residuals: Any) -> Any:
    parts = []
    for key, dtype in residuals:
        part = ct[key]
        parts.append(part if dtype is None or part.dtype is dtype else cast_like(part, dtype))
    return tuple(parts) if len(parts) > 1 else parts[0]


@implements_traced(np.concatenate)
def concatenate(
    arrays: Any,
    /,
    axis: int | None = 0,
    out: Any = None,
    *,
    dtype: Any = None,
    casting: str = "same_kind",
) -> Any:
    """`numpy.concatenate`."""
    refuse_out("concatenate", out)
    parts = [as_operand(part) for part in arrays]
    if axis is None:
        parts, axis = [reshape(part, (-1,)) for part in parts], 0
    ranks = {rank_of(part) for part in parts}
    if len(ranks) > 1 or 0 in ranks:
        _refuse_ranks([rank_of(part) for part in parts])
    axis = negative_axis(axis, ranks.pop())
    if dtype is not None:
        parts = [cast_for(part, np.dtype(dtype), casting) for part in parts]
    owner = recording_of(parts)
    if owner is None:
        return bind(concatenate_p, *parts, axis=axis)
    before = (slice(None),) * (rank_of(parts[0]) + axis)
    spans, stop = [], 0  # one walk over the parts, where the general rule takes one for each part
    for part in parts:
        start, stop = stop, stop + part.shape[axis]
        if type(part) is RecordTracer and part.owner is owner:
            spans.append(((*before, slice(start, stop)), dtype_of(part)))
    return append_join(
        owner,
        concatenate_p,
        _concatenate_pull,
        spans,
        parts,
        lambda values: np.concatenate(values, axis=axis),
    )


def _refuse_ranks(ranks: list[int]) -> NoReturn:
    """NumPy's own errors, which say which arrays do not fit."""
    if 0 in ranks:
        raise ValueError(
            f"zero-dimensional arrays cannot be concatenated, but the array at index "
            f"{ranks.index(0)} is one"
        )
    other = next(i for i, rank in enumerate(ranks) if rank != ranks[0])
    raise ValueError(
        "all the input arrays must have same number of dimensions, but the array at index 0 has "
        f"{ranks[0]} dimension(s) and the array at index {other} has {ranks[other]} dimension(s)"
    )


def cast_for(part: Any, dtype: np.dtype[Any], casting: Any) -> Any:
    """A part in the dtype that the whole is to have, if NumPy's casting rule allows it."""
    if not np.can_cast(part.dtype, dtype, casting):
        raise TypeError(f"Cannot cast array data from {part.dtype} to {dtype} by rule {casting!r}")
    return part.astype(dtype)
