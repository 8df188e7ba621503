"""Values made to be like another: zeros_like and its kin, one shape for all, so many axes."""

from typing import Any

import numpy as np

from funcgrad.core.foreign import is_foreign
from funcgrad.core.tracer import plain_value
from funcgrad.families.shapes import (
    as_operand,
    dtype_of,
    negative_axis,
    rank_of,
    shape_of,
    zeros_like,
)
from funcgrad.primitives.calls import as_shape
from funcgrad.primitives.plain import implements_traced
from funcgrad.primitives.structural import astype, broadcast_to, imag, real, reshape, transpose

__all__ = ["atleast_1d", "atleast_2d", "atleast_3d", "full_like"]


def _shape_like(a: Any, shape: Any) -> tuple[int, ...]:
    return shape_of(a) if shape is None else as_shape(shape)


def _dtype_like(a: Any, dtype: Any) -> np.dtype[Any]:
    return np.dtype(dtype) if dtype is not None else dtype_of(a) or a.dtype


@implements_traced(np.zeros_like)
def zeros_of(
    a: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    """`numpy.zeros_like`: a value that belongs to no transform."""
    del order, subok, device
    return zeros_like(a, _shape_like(a, shape), _dtype_like(a, dtype))


@implements_traced(np.ones_like)
def ones_of(
    a: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    """`numpy.ones_like`: a value that belongs to no transform."""
    zeros = zeros_of(a, dtype, order, subok, shape, device=device)
    return zeros + zeros.dtype.type(1)


@implements_traced(np.empty_like)
def empty_of(
    prototype: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    """`numpy.empty_like`: zeros, as a value that belongs to no transform."""
    return zeros_of(prototype, dtype, order, subok, shape, device=device)


@implements_traced(np.full_like)
def full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    """`numpy.full_like`; a traced fill value keeps its derivative, unless the dtype is integer."""
    del order, subok, device
    a = as_operand(a)
    target = np.dtype(dtype) if dtype is not None else np.dtype(a.dtype)
    fill = as_operand(fill_value)
    if not hasattr(fill, "dtype"):
        return zeros_of(a, target, shape=shape) + target.type(fill)
    return broadcast_to(
        fill if fill.dtype == target else astype(fill, target), _shape_like(a, shape)
    )


def _raise_rank(name: str, rank: int) -> Any:
    def atleast(*arys: Any) -> Any:
        results = tuple(_of_rank(as_operand(a), rank) for a in arys)
        return results[0] if len(results) == 1 else results

    atleast.__name__ = name
    atleast.__doc__ = f"`numpy.{name}`."
    return atleast


def _of_rank(a: Any, rank: int) -> Any:
    shape = shape_of(a)
    if len(shape) >= rank:
        return a if hasattr(a, "shape") else np.asarray(a)
    if rank == 3 and len(shape) > 0:  # a vector lies along the middle axis, a matrix in front
        return reshape(a, (*((1,) if len(shape) == 1 else ()), *shape, 1))
    return reshape(a, (1,) * (rank - len(shape)) + shape)


atleast_1d = implements_traced(np.atleast_1d)(_raise_rank("atleast_1d", 1))
atleast_2d = implements_traced(np.atleast_2d)(_raise_rank("atleast_2d", 2))
atleast_3d = implements_traced(np.atleast_3d)(_raise_rank("atleast_3d", 3))


@implements_traced(np.broadcast_arrays)
def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Any, ...]:
    """`numpy.broadcast_arrays`."""
    del subok
    parts = [as_operand(arg) for arg in args]
    shape = np.broadcast_shapes(*map(shape_of, parts))
    return tuple(broadcast_to(part, shape) for part in parts)


@implements_traced(np.rollaxis)
def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """`numpy.rollaxis`: the axis is moved to stand before `start`."""
    rank = rank_of(a)
    own = negative_axis(axis, rank) + rank
    before = start + rank if start < 0 else start
    if not 0 <= before <= rank:
        raise np.exceptions.AxisError(f"'start' arg requires {-rank} <= start < {rank + 1}")
    order = [i for i in range(rank) if i != own]
    order.insert(before - (own < before), own)
    return transpose(a, order)


@implements_traced(np.real_if_close)
def real_if_close(a: Any, tol: float = 100) -> Any:
    """`numpy.real_if_close`: the real part, if no imaginary part is above the tolerance."""
    if a.dtype.kind != "c":
        return a
    limit = np.finfo(a.dtype).eps * tol if tol > 1 else tol
    small = np.absolute(imag(a)) < limit
    return real(a) if not is_foreign(plain_value(small)) and bool(np.all(small)) else a
