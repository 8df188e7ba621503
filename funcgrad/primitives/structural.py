"""Operations that move elements without changing them: reshape, transpose, broadcast, join, select.

Axis parameters are negative when a primitive is bound, so that a batch axis in front changes
nothing. Functions with NumPy's names and signatures normalise their arguments, then bind.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from funcgrad.core.protocols import implements
from funcgrad.core.tracer import bind
from funcgrad.families.batching import aligned, same_call
from funcgrad.families.elementwise import constant_call
from funcgrad.families.linear import linear
from funcgrad.families.shapes import (
    align,
    as_operand,
    in_front,
    negative_axis,
    rank_of,
    shape_of,
    unbroadcast,
    zeros_like,
)

__all__ = [
    "astype",
    "broadcast_to",
    "concatenate",
    "expand_dims",
    "moveaxis",
    "reshape",
    "squeeze",
    "stack",
    "swapaxes",
    "transpose",
    "where",
]

# --- primitives -------------------------------------------------------------------------------


def _reshape_value(x: Any, *, shape: tuple[int, ...]) -> Any:
    return np.reshape(x, shape)


def _transpose_value(x: Any, *, axes: tuple[int, ...]) -> Any:
    rank = x.ndim
    return x.transpose((*range(rank - len(axes)), *(a + rank for a in axes)))


def _inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    count = len(axes)
    return tuple(sorted(range(-count, 0), key=lambda i: axes[i]))


def _astype_value(x: Any, *, dtype: np.dtype[Any]) -> Any:
    return x.astype(dtype) if hasattr(x, "astype") else dtype.type(x)


def _concatenate_transpose(ct: Any, position: int, *parts: Any, axis: int) -> Any:
    start = sum(part.shape[axis] for part in parts[:position])
    stop = start + parts[position].shape[axis]
    return ct[(..., slice(start, stop), *(slice(None),) * (-axis - 1))]


def _concatenate_batch(
    size: int, batched: Sequence[bool], values: Sequence[Any], params: dict[str, Any]
) -> Any:
    parts = [in_front(size, v, b) for v, b in zip(values, batched, strict=True)]
    return bind(concatenate_p, *parts, **params)


def _broadcast_batch(
    size: int, batched: Sequence[bool], values: Sequence[Any], params: dict[str, Any]
) -> Any:
    shape = params["shape"]
    return bind(broadcast_p, *align(batched, values, len(shape)), shape=(size, *shape))


astype_p = linear("astype", _astype_value, lambda ct, _x, *, dtype: ct, batch=same_call)
truncate_p = constant_call("truncate", _astype_value, same_call)
reshape_p = linear(
    "reshape",
    _reshape_value,
    lambda ct, x, *, shape: reshape(ct, x.shape),
    batch=lambda size, _batched, values, params: bind(
        reshape_p, *values, shape=(size, *params["shape"])
    ),
    view=True,
)
transpose_p = linear(
    "transpose",
    _transpose_value,
    lambda ct, _x, *, axes: bind(transpose_p, ct, axes=_inverse(axes)),
    batch=same_call,
    view=True,
)
broadcast_p = linear(
    "broadcast_to",
    lambda x, *, shape: np.broadcast_to(x, shape),
    lambda ct, x, *, shape: unbroadcast(ct, x.shape),
    batch=_broadcast_batch,
    view=True,
)
concatenate_p = linear(
    "concatenate",
    lambda *parts, axis: np.concatenate(parts, axis=axis),
    variadic=_concatenate_transpose,
    batch=_concatenate_batch,
)
where_p = linear(
    "where",
    np.where,
    None,
    lambda ct, condition, x, _y: unbroadcast(where(condition, ct, 0), x.shape),
    lambda ct, condition, _x, y: unbroadcast(where(condition, 0, ct), y.shape),
    batch=aligned,
)

# --- functions --------------------------------------------------------------------------------


@implements(np.astype)
def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None, **_: Any) -> Any:
    """`numpy.astype`: to an integer or boolean dtype, the derivative is zero."""
    del copy, device
    target = np.dtype(dtype)
    if target.kind in "fc":
        if x.dtype.kind == "c" and target.kind == "f":
            x = np.real(x)
        return bind(astype_p, x, dtype=target)
    return bind(truncate_p, x, dtype=target)


@implements(np.reshape)
def reshape(x: Any, /, shape: Any, order: str = "C", *, copy: bool | None = None) -> Any:
    """`numpy.reshape`; `order="F"` through transposes."""
    del copy
    target = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    own = shape_of(x)
    if order == "F":
        return transpose(reshape(transpose(x), target[::-1]))
    if order not in ("C", "A"):
        raise ValueError(f"reshape: order={order!r} is not one of 'C', 'F', 'A'")
    if -1 in target:
        size, known = 1, 1
        for length in own:
            size *= length
        for length in target:
            known *= 1 if length == -1 else length
        if known == 0 or size % known or target.count(-1) > 1:
            raise ValueError(f"cannot reshape array of size {size} into shape {target}")
        target = tuple(size // known if length == -1 else int(length) for length in target)
    if target == own:
        return x
    return bind(reshape_p, x, shape=tuple(map(int, target)))


@implements(np.transpose, np.permute_dims)
def transpose(a: Any, axes: Any = None) -> Any:
    """`numpy.transpose`."""
    rank = rank_of(a)
    if axes is None:
        order = tuple(range(-1, -rank - 1, -1))
    else:
        order = tuple(negative_axis(axis, rank) for axis in axes)
        if len(order) != rank or len(set(order)) != rank:
            raise ValueError(f"transpose: axes {tuple(axes)} don't match an array of {rank} axes")
    if order == tuple(range(-rank, 0)):
        return a
    return bind(transpose_p, a, axes=order)


@implements(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x: Any, /) -> Any:
    """`numpy.matrix_transpose`: the last two axes swapped."""
    return swapaxes(x, -1, -2)


@implements(np.swapaxes)
def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """`numpy.swapaxes`."""
    rank = rank_of(a)
    axes = list(range(-rank, 0))
    i, j = negative_axis(axis1, rank), negative_axis(axis2, rank)
    axes[i], axes[j] = axes[j], axes[i]
    return transpose(a, axes)


@implements(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """`numpy.moveaxis`."""
    rank = rank_of(a)
    sources = [negative_axis(s, rank) for s in (source if np.ndim(source) else [source])]
    places = [
        negative_axis(d, rank) for d in (destination if np.ndim(destination) else [destination])
    ]
    if len(sources) != len(places):
        raise ValueError("moveaxis: source and destination must have the same number of axes")
    order = [axis for axis in range(-rank, 0) if axis not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place + rank, axis)
    return transpose(a, order)


@implements(np.broadcast_to)
def broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    """`numpy.broadcast_to`."""
    del subok
    target = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    if shape_of(array) == target:
        return array
    return bind(broadcast_p, array, shape=target)


@implements(np.expand_dims)
def expand_dims(a: Any, axis: Any) -> Any:
    """`numpy.expand_dims`."""
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    own = list(shape_of(a))
    rank = len(own) + len(axes)
    places = {negative_axis(one, rank) + rank for one in axes}
    if len(places) != len(axes):
        raise ValueError("expand_dims: repeated axis")
    rest = iter(own)
    return reshape(a, tuple(1 if i in places else next(rest) for i in range(rank)))


@implements(np.squeeze)
def squeeze(a: Any, axis: Any = None) -> Any:
    """`numpy.squeeze`."""
    own = shape_of(a)
    rank = len(own)
    if axis is None:
        return reshape(a, tuple(n for n in own if n != 1))
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    places = {negative_axis(one, rank) + rank for one in axes}
    if any(own[i] != 1 for i in places):
        raise ValueError("cannot select an axis to squeeze out which has size not equal to one")
    return reshape(a, tuple(n for i, n in enumerate(own) if i not in places))


@implements(np.concatenate)
def concatenate(
    arrays: Any, /, axis: int | None = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind"
) -> Any:
    """`numpy.concatenate`; `dtype` converts the result."""
    del out, casting
    parts = [as_operand(part) for part in arrays]
    if axis is None:
        parts, axis = [reshape(part, (-1,)) for part in parts], 0
    if not parts:
        raise ValueError("need at least one array to concatenate")
    ranks = {rank_of(part) for part in parts}
    if ranks == {0}:
        raise ValueError("zero-dimensional arrays cannot be concatenated")
    if len(ranks) > 1:
        raise ValueError(
            "all the input array dimensions except for the concatenation axis must match exactly, "
            f"but the arrays have shapes {[shape_of(part) for part in parts]}"
        )
    joined = bind(concatenate_p, *parts, axis=negative_axis(axis, ranks.pop()))
    return joined if dtype is None else astype(joined, dtype)


@implements(np.stack)
def stack(
    arrays: Any, axis: int = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind"
) -> Any:
    """`numpy.stack`."""
    del out
    parts = [as_operand(part) for part in arrays]
    if not parts:
        raise ValueError("need at least one array to stack")
    shapes = {shape_of(part) for part in parts}
    if len(shapes) > 1:
        raise ValueError(f"all input arrays must have the same shape, not {sorted(shapes)}")
    return concatenate(
        [expand_dims(part, axis) for part in parts], axis, dtype=dtype, casting=casting
    )


@implements(np.where)
def where(condition: Any, x: Any = None, y: Any = None, /) -> Any:
    """`numpy.where`; with one argument, `numpy.nonzero`."""
    if x is None and y is None:
        return np.nonzero(condition)
    return bind(where_p, as_operand(condition), as_operand(x), as_operand(y))


@implements(np.zeros_like)
def zeros_of(a: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None, **_: Any) -> Any:
    """`numpy.zeros_like`: a value that belongs to no transform."""
    del order, subok
    target = None if shape is None else tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    return zeros_like(a, target, a.dtype if dtype is None else dtype)


@implements(np.ones_like)
def ones_of(a: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None, **_: Any) -> Any:
    """`numpy.ones_like`: a value that belongs to no transform."""
    return zeros_of(a, dtype, order, subok, shape) + np.ones((), a.dtype if dtype is None else dtype)
