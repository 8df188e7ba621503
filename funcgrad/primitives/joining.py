"""Many arrays into one, and one into many: stack, block, split and their kin.

`stack` is a primitive of its own, because loops end in it; the rest are compositions.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from funcgrad.core.primitive import Primitive
from funcgrad.core.protocols import implements
from funcgrad.core.tracer import Tracer, bind
from funcgrad.families.linear import linear
from funcgrad.families.shapes import (
    as_operand,
    cast_like,
    dtype_of,
    in_front,
    negative_axis,
    rank_of,
    shape_of,
)
from funcgrad.interpreters.record import RecordTracer
from funcgrad.primitives.calls import append_join, recording_of
from funcgrad.primitives.indexing import axis_range
from funcgrad.primitives.keys import FULL
from funcgrad.primitives.likeness import atleast_1d, atleast_2d, atleast_3d
from funcgrad.primitives.plain import implements_traced, refuse_out
from funcgrad.primitives.structural import (
    cast_for,
    concatenate,
    moveaxis,
    ravel,
    reshape,
    transpose,
)

__all__ = ["array_split", "hstack", "split", "stack", "unstack", "vstack"]

# --- joining ----------------------------------------------------------------------------------


def _stack_pull(ct: Any, residuals: Any) -> Any:
    places, axis = residuals
    if axis != -ct.ndim:
        ct = moveaxis(ct, axis, 0)
    parts = []
    for i, dtype in places:
        part = ct[i]
        parts.append(part if dtype is None or part.dtype is dtype else cast_like(part, dtype))
    return tuple(parts) if len(parts) > 1 else parts[0]


def _stack_transpose(ct: Any, position: int, *_parts: Any, axis: int) -> Any:
    return ct[(*(FULL,) * (rank_of(ct) + axis), position)]


def _stack_batch(
    size: int, batched: Sequence[bool], values: Sequence[Any], params: dict[str, Any]
) -> Any:
    parts = [in_front(size, v, b) for v, b in zip(values, batched, strict=True)]
    return stack(parts, **params)


stack_p: Primitive = linear(
    "stack",
    lambda *parts, axis: np.stack(parts, axis=axis),
    variadic=_stack_transpose,
    batch=_stack_batch,
)


@implements_traced(np.stack)
def stack(
    arrays: Any,
    axis: int = 0,
    out: Any = None,
    *,
    dtype: Any = None,
    casting: str = "same_kind",
) -> Any:
    """`numpy.stack`."""
    refuse_out("stack", out)
    parts = [as_operand(part) for part in arrays]
    shapes = {shape_of(part) for part in parts}
    if len(shapes) > 1:
        raise ValueError(f"all input arrays must have the same shape, not {sorted(shapes)}")
    axis = negative_axis(axis, len(shapes.pop()) + 1)
    if dtype is not None:
        parts = [cast_for(part, np.dtype(dtype), casting) for part in parts]
    owner = recording_of(parts)
    if owner is None:
        return bind(stack_p, *parts, axis=axis)
    places = [
        (i, dtype_of(part))
        for i, part in enumerate(parts)
        if type(part) is RecordTracer and part.owner is owner
    ]
    return append_join(
        owner,
        stack_p,
        _stack_pull,
        (places, axis),
        parts,
        lambda values: np.stack(values, axis=axis),
    )


@implements_traced(np.vstack)
def vstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """`numpy.vstack`."""
    parts = [atleast_2d(as_operand(part)) for part in tup]
    return concatenate(parts, 0, dtype=dtype, casting=casting)


if hasattr(np, "row_stack"):  # an alias that NumPy will drop
    implements(np.row_stack)(vstack)  # noqa: NPY201  # an old name, still there


@implements_traced(np.hstack)
def hstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """`numpy.hstack`."""
    parts = [atleast_1d(as_operand(part)) for part in tup]
    axis = 0 if rank_of(parts[0]) == 1 else 1
    return concatenate(parts, axis, dtype=dtype, casting=casting)


@implements_traced(np.dstack)
def dstack(tup: Any) -> Any:
    """`numpy.dstack`."""
    return concatenate([atleast_3d(as_operand(part)) for part in tup], 2)


@implements_traced(np.column_stack)
def column_stack(tup: Any) -> Any:
    """`numpy.column_stack`: vectors become columns."""
    parts = [as_operand(part) for part in tup]
    return concatenate([p if rank_of(p) >= 2 else transpose(atleast_2d(p)) for p in parts], 1)


@implements_traced(np.append)
def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """`numpy.append`."""
    arr, values = as_operand(arr), as_operand(values)
    if axis is None:
        return concatenate((_flat(arr), _flat(values)), 0)
    return concatenate((arr, values), axis)


def _flat(x: Any) -> Any:
    return ravel(x) if isinstance(x, Tracer) else np.ravel(x)


@implements_traced(np.block)
def block(arrays: Any) -> Any:
    """`numpy.block`: the innermost lists are joined along the last axis, and so on outwards."""
    depth = _block_depth(arrays)
    rank = max(depth, max(rank_of(leaf) for leaf in _block_leaves(arrays)))
    return _join_blocks(arrays, depth, rank)


def _block_depth(arrays: Any) -> int:
    if not isinstance(arrays, list):
        return 0
    depths = {_block_depth(part) for part in arrays}
    if not arrays or len(depths) > 1:
        raise ValueError(
            "List depths are mismatched: every list that numpy.block joins must be nested as deep "
            "as the others, and none may be empty"
        )
    return 1 + depths.pop()


def _block_leaves(arrays: Any) -> Any:
    if not isinstance(arrays, list):
        return [as_operand(arrays)]
    return [leaf for part in arrays for leaf in _block_leaves(part)]


def _join_blocks(arrays: Any, depth: int, rank: int) -> Any:
    if depth == 0:
        leaf = as_operand(arrays)
        shape = shape_of(leaf)
        return reshape(leaf, (1,) * (rank - len(shape)) + shape)
    return concatenate([_join_blocks(part, depth - 1, rank) for part in arrays], -depth)


# --- splitting --------------------------------------------------------------------------------


@implements_traced(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """`numpy.array_split`."""
    axis = negative_axis(axis, rank_of(ary))
    length = shape_of(ary)[axis]
    if np.ndim(indices_or_sections):
        bounds = [None, *(int(i) for i in indices_or_sections), None]
    else:
        sections = int(indices_or_sections)
        if sections <= 0:
            raise ValueError("number sections must be larger than 0.")
        each, longer = divmod(length, sections)
        bounds = [i * each + min(i, longer) for i in range(sections + 1)]
    return [axis_range(ary, start, stop, axis) for start, stop in itertools.pairwise(bounds)]


@implements_traced(np.split)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """`numpy.split`."""
    if not np.ndim(indices_or_sections):
        length = shape_of(ary)[negative_axis(axis, rank_of(ary))]
        if length % int(indices_or_sections):
            raise ValueError("array split does not result in an equal division")
    return array_split(ary, indices_or_sections, axis)


@implements_traced(np.hsplit)
def hsplit(ary: Any, indices_or_sections: Any) -> Any:
    """`numpy.hsplit`."""
    if rank_of(ary) == 0:
        raise ValueError("hsplit only works on arrays of 1 or more dimensions")
    return split(ary, indices_or_sections, 1 if rank_of(ary) > 1 else 0)


@implements_traced(np.vsplit)
def vsplit(ary: Any, indices_or_sections: Any) -> Any:
    """`numpy.vsplit`."""
    if rank_of(ary) < 2:
        raise ValueError("vsplit only works on arrays of 2 or more dimensions")
    return split(ary, indices_or_sections, 0)


@implements_traced(np.dsplit)
def dsplit(ary: Any, indices_or_sections: Any) -> Any:
    """`numpy.dsplit`."""
    if rank_of(ary) < 3:
        raise ValueError("dsplit only works on arrays of 3 or more dimensions")
    return split(ary, indices_or_sections, 2)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """`numpy.unstack`: the parts along an axis."""
    before = (FULL,) * (negative_axis(axis, rank_of(x)) + rank_of(x))
    return tuple(x[(*before, i)] for i in range(shape_of(x)[axis]))


if hasattr(np, "unstack"):  # since NumPy 2.1
    unstack = implements_traced(np.unstack)(unstack)
