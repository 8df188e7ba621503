"""The methods `reduce`, `accumulate` and `reduceat` of ufuncs.

Those with a function over axes (`np.add.reduce` is `np.sum`) go there. For another ufunc f, the
results y₀ = x₀, yᵢ = f(yᵢ₋₁, xᵢ) have the tangents ẏᵢ = aᵢ ẏᵢ₋₁ + bᵢ, where aᵢ = ∂₁f and
bᵢ = ∂₂f ẋᵢ at (yᵢ₋₁, xᵢ) are computed for all i at once; the recurrence is a scan of affine maps.

NOTE. On processors with AVX-512, NumPy (2.4 at least) reduces contiguous elements wrongly with
`power` and `arctan2`: `np.power.reduce([2.0, 3.0, 2.0])` is 2² there, not (2³)². Traced values get
the right result, which `accumulate` gives too; plain ones get what NumPy says.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

import funcgrad.primitives.statistics
import funcgrad.primitives.ufuncs  # noqa: F401  # the tables of ufuncs and functions are complete
from funcgrad.core.primitive import PRIMITIVES
from funcgrad.core.protocols import DISPATCH, UFUNC_METHODS
from funcgrad.core.tracer import bind
from funcgrad.families.batching import same_call
from funcgrad.families.elementwise import constant_call
from funcgrad.families.linear import linear
from funcgrad.families.shapes import (
    as_operand,
    negative_axes,
    negative_axis,
    rank_of,
    shape_of,
)
from funcgrad.families.smooth import smooth
from funcgrad.primitives.cumulative import State, affine, along, fold, scan
from funcgrad.primitives.plain import refuse_out
from funcgrad.primitives.reduction import kept_shape, sloped
from funcgrad.primitives.structural import astype, broadcast_to, concatenate, reshape, where

__all__ = ["accumulate", "reduce", "reduceat"]

CONSTANT = frozenset(
    {
        np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal,
        np.logical_and, np.logical_or, np.logical_xor, np.floor_divide,
        np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.left_shift, np.right_shift,
        np.gcd, np.lcm,
    }
)  # fmt: skip

NEUTRAL = {
    np.subtract: 0, np.divide: 1, np.power: 1, np.float_power: 1, np.left_shift: 0,
    np.right_shift: 0,
}  # fmt: skip
"""What leaves the first operand as it is; of the other ufuncs, it is their identity."""

# --- primitives -------------------------------------------------------------------------------


def _maps(ufunc: str, out: Any, x: Any, t: Any, axis: int) -> State:
    """The maps ẏᵢ₋₁ ↦ aᵢ ẏᵢ₋₁ + bᵢ for all running results; the first is constant."""
    rule: Any = PRIMITIVES[ufunc].jvp
    result, dots = out[along(axis, 1, None)], t[along(axis, 1, None)]
    operands = out[along(axis, None, -1)], x[along(axis, 1, None)]
    one = np.ones_like(operands[0])
    first = t[along(axis, None, 1)]
    slopes = rule(result, operands, (one, None), {})
    parts = rule(result, operands, (None, dots), {})
    return (
        concatenate([np.zeros_like(out[along(axis, None, 1)]), slopes], axis=axis),
        concatenate([first, parts], axis=axis),
    )


def _accumulate_jvp(out: Any, x: Any, t: Any, *, ufunc: str, axis: int) -> Any:
    if shape_of(x)[axis] < 2:
        return t
    return scan(affine, _maps(ufunc, out, x, t, axis), axis)[1]


def _reduce_value(x: Any, *, ufunc: str, axis: int) -> Any:
    if ufunc in ("power", "arctan2"):  # see the note above
        return getattr(np, ufunc).accumulate(x, axis=axis)[_at(axis, -1)]
    return getattr(np, ufunc).reduce(x, axis=axis)


def _reduce_jvp(_out: Any, x: Any, t: Any, *, ufunc: str, axis: int) -> Any:
    if shape_of(x)[axis] < 2:
        return t[_at(axis, 0)]
    running = bind(accumulate_p, x, ufunc=ufunc, axis=axis)
    return fold(affine, _maps(ufunc, running, x, t, axis), axis)[1][_at(axis, 0)]


accumulate_p = smooth(
    "accumulate",
    lambda x, *, ufunc, axis: getattr(np, ufunc).accumulate(x, axis=axis),
    _accumulate_jvp,
    batch=same_call,
)
reduce_p = smooth("reduce", _reduce_value, _reduce_jvp, batch=same_call)


def _log_share(power: Any) -> Callable[..., Any]:
    """The part of each x in z = log Σ bˣ, bˣ⁻ᶻ; equal ones that reach z share it evenly."""

    def share(out: Any, x: Any, *, axis: tuple[int, ...]) -> Any:
        same = x == out  # also where both are infinite
        number = astype(np.sum(same, axis=axis, keepdims=True), out.dtype)
        below = power(where(same, 0, x) - where(same, 0, out))
        return where(same, 1 / np.maximum(number, 1), below)

    return share


def _hypot_share(out: Any, x: Any, *, axis: tuple[int, ...]) -> Any:
    """x / z, and 0 at the origin."""
    del axis
    zero = out == 0
    return where(zero, 0, x) / where(zero, 1, out)


def _sloped(ufunc: Any, share: Callable[..., Any]) -> Any:
    return sloped(
        f"{ufunc.__name__}.reduce",
        lambda x, *, axis, keepdims: ufunc.reduce(x, axis=axis, keepdims=keepdims),
        share,
    )


SHARED = {
    np.logaddexp: _sloped(np.logaddexp, _log_share(np.exp)),
    np.logaddexp2: _sloped(np.logaddexp2, _log_share(np.exp2)),
    np.hypot: _sloped(np.hypot, _hypot_share),
}
"""Ufuncs whose operands are alike: each result has one slope for each element, over any axes."""

constant_reduce_p = constant_call(
    "ufunc.reduce",
    lambda x, *, ufunc, axis: getattr(np, ufunc).reduce(x, axis=axis),
    same_call,
)
constant_accumulate_p = constant_call(
    "ufunc.accumulate",
    lambda x, *, ufunc, axis: getattr(np, ufunc).accumulate(x, axis=axis),
    same_call,
)
constant_reduceat_p = constant_call(
    "ufunc.reduceat",
    lambda x, indices, *, ufunc, axis: getattr(np, ufunc).reduceat(x, indices, axis=axis),
    same_call,
)

# --- reduce -----------------------------------------------------------------------------------


def _operand(ufunc: Any, array: Any, dtype: Any) -> Any:
    a = as_operand(array)
    if dtype is None and ufunc is np.float_power:
        dtype = np.result_type(a.dtype, np.float64)
    if dtype is not None:
        return astype(a, dtype)
    if ufunc not in (np.add, np.multiply):  # np.divide makes fractions of integers
        own = ufunc.resolve_dtypes((None, a.dtype, None), reduction=True)[1]
        return a if own == a.dtype else astype(a, own)
    return a


def reduce(ufunc: Any) -> Callable[..., Any]:
    """`ufunc.reduce` for any ufunc of two operands."""

    def method(
        array: Any,
        axis: Any = 0,
        dtype: Any = None,
        out: Any = None,
        keepdims: bool = False,
        initial: Any = np._NoValue,
        where: Any = True,
    ) -> Any:
        refuse_out(f"{ufunc.__name__}.reduce", out)
        a = _operand(ufunc, array, dtype)
        initial = np._NoValue if initial is None else initial
        axes = negative_axes(None if rank_of(a) == 0 and axis in (0, -1) else axis, rank_of(a))
        _check(ufunc, a, axes, initial, where)
        total = _reduced(ufunc, a, axes, initial, where)
        return reshape(total, kept_shape(shape_of(a), axes)) if keepdims else total

    return method


def _check(ufunc: Any, a: Any, axes: tuple[int, ...], initial: Any, mask: Any) -> None:
    """Raise what NumPy raises."""
    name = ufunc.__name__
    if len(axes) > 1 and ufunc.identity is None:
        raise ValueError(
            f"reduction operation '{name}' is not reorderable, so at most one axis may be specified"
        )
    if initial is not np._NoValue or ufunc.identity is not None:
        return
    if mask is not True:
        raise ValueError(
            f"reduction operation '{name}' does not have an identity, so to use a where mask one "
            "has to specify 'initial'"
        )
    if any(shape_of(a)[axis] == 0 for axis in axes):
        raise ValueError(f"zero-size array to reduction operation {name} which has no identity")


def _reduced(ufunc: Any, a: Any, axes: tuple[int, ...], initial: Any, mask: Any) -> Any:
    if mask is not True:
        neutral = NEUTRAL.get(ufunc, ufunc.identity)
        if neutral is None:
            return _one_by_one(ufunc, a, axes[0], initial, mask)
        a = where(as_operand(mask), a, np.asarray(neutral).astype(a.dtype))
    start = None if initial is np._NoValue else _as_element(initial, a.dtype)
    name = ufunc.__name__
    if ufunc.identity is not None:  # in any order, so over any number of axes
        if ufunc in SHARED:
            total = bind(SHARED[ufunc], a, axis=axes, keepdims=False)
        else:
            total = bind(constant_reduce_p, a, ufunc=name, axis=axes)
        return total if start is None else ufunc(start, total)
    if not axes:
        return a if start is None else ufunc(start, a)
    (axis,) = axes
    if start is not None:
        shape = tuple(1 if i == axis else n for i, n in enumerate(shape_of(a), -rank_of(a)))
        a = concatenate([broadcast_to(start, shape), a], axis=axis)
    if ufunc in CONSTANT:
        return bind(constant_reduce_p, a, ufunc=name, axis=axes)
    return bind(reduce_p, a, ufunc=name, axis=axis)


def _as_element(x: Any, dtype: np.dtype[Any]) -> Any:
    """A number as one of the elements of an array."""
    x = as_operand(x)
    return astype(x, dtype) if hasattr(x, "dtype") else dtype.type(x)


def _one_by_one(ufunc: Any, a: Any, axis: int, initial: Any, mask: Any) -> Any:
    """Steps that a mask skips, where no element leaves the result so far as it is."""
    mask = broadcast_to(as_operand(mask), shape_of(a))
    total = _as_element(initial, a.dtype)
    for i in range(shape_of(a)[axis]):
        total = where(mask[_at(axis, i)], ufunc(total, a[_at(axis, i)]), total)
    return broadcast_to(total, shape_of(a[_at(axis, 0)])) if shape_of(a)[axis] else total


def _at(axis: int, i: int) -> tuple[Any, ...]:
    return (..., i, *(slice(None),) * (-axis - 1))


def _by_function(function: Any) -> Callable[..., Any]:
    """`ufunc.reduce` through the function that does the same over axes."""

    def method(
        array: Any,
        axis: Any = 0,
        dtype: Any = None,
        out: Any = None,
        keepdims: bool = False,
        initial: Any = np._NoValue,
        where: Any = True,
    ) -> Any:
        refuse_out(f"{function.__name__} by a ufunc", out)
        a = as_operand(array)
        a = a if dtype is None else astype(a, dtype)
        options: dict[str, Any] = {}
        if initial is not np._NoValue and initial is not None:
            options["initial"] = initial
        if where is not True:
            options["where"] = where
        if function in (np.sum, np.prod) and dtype is not None:
            options["dtype"] = dtype
        return DISPATCH[function](a, axis, keepdims=keepdims, **options)

    return method


# --- accumulate and reduceat --------------------------------------------------------------------


def accumulate(ufunc: Any) -> Callable[..., Any]:
    """`ufunc.accumulate` for any ufunc of two operands."""

    def method(array: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
        refuse_out(f"{ufunc.__name__}.accumulate", out)
        a = _operand(ufunc, array, dtype)
        if rank_of(a) == 0:
            raise TypeError("cannot accumulate on a scalar")
        primitive = constant_accumulate_p if ufunc in CONSTANT else accumulate_p
        return bind(primitive, a, ufunc=ufunc.__name__, axis=negative_axis(axis, rank_of(a)))

    return method


def reduceat(ufunc: Any) -> Callable[..., Any]:
    """`ufunc.reduceat` for any ufunc of two operands: segments of one length together."""

    def method(array: Any, indices: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
        refuse_out(f"{ufunc.__name__}.reduceat", out)
        a = _operand(ufunc, array, dtype)
        if rank_of(a) == 0:
            raise TypeError("cannot reduceat on a scalar")
        if ufunc in (np.add, np.multiply) and a.dtype.kind in "biu" and a.dtype.itemsize < 8:
            found = method(astype(a, np.uint64 if a.dtype.kind == "u" else np.int64), indices, axis)
            return found if dtype is None or found.dtype == dtype else astype(found, dtype)
        place = negative_axis(axis, rank_of(a))
        n = shape_of(a)[place]
        starts = np.asarray(indices)
        starts = starts if starts.size else starts.astype(np.intp)
        if starts.size and not (starts.min() >= 0 and starts.max() < n):
            raise IndexError(f"index out-of-bounds in {ufunc.__name__}.reduceat [0, {n})")
        if not starts.size:
            return a[along(place, 0, 0)]
        if ufunc in CONSTANT:
            return bind(constant_reduceat_p, a, starts, ufunc=ufunc.__name__, axis=place)
        if ufunc is np.add and np.all(starts[1:] > starts[:-1]):
            return bind(add_reduceat_p, a, starts, axis=place)
        return _by_length(UFUNC_METHODS[ufunc, "reduce"], a, starts, place)

    return method


def _by_length(inner: Callable[..., Any], a: Any, starts: Any, axis: int) -> Any:
    """The reductions of segments, those of each length as the rows of one array.

    There are at most √2n different lengths, and every element is taken once for each segment that
    it belongs to, so the work grows as that of NumPy.
    """
    lengths = np.maximum(np.diff(starts, append=shape_of(a)[axis]), 1)
    order = np.argsort(lengths, kind="stable")
    sizes = lengths[order]
    ends = np.cumsum(sizes)
    places = np.arange(ends[-1]) + np.repeat(starts[order] - (ends - sizes), sizes)
    elements = np.take(a, places, axis=axis)
    bounds = [0, *(np.flatnonzero(np.diff(sizes)) + 1).tolist(), sizes.size]
    shape, results, first = shape_of(a), [], 0
    for start, stop in pairwise(bounds):
        count, length = stop - start, int(sizes[start])
        part = elements[along(axis, first, first + count * length)]
        if length > 1:  # of one element, NumPy takes the element itself, also of hypot
            rows = (*shape[:axis], count, length, *shape[len(shape) + axis + 1 :])
            part = inner(reshape(part, rows), axis=axis)
        results.append(part)
        first += count * length
    return np.take(concatenate(results, axis=axis), np.argsort(order), axis=axis)


def _reduceat_transpose(ct: Any, x: Any, indices: Any, *, axis: int) -> Any:
    """Each cotangent repeated along its segment; zeros in front of the first."""
    n = x.shape[axis]
    segments = np.repeat(np.arange(indices.size), np.diff(indices, append=n))
    part = np.take(ct, segments, axis=axis)
    lead = n - segments.size
    if not lead:
        return part
    shape = list(shape_of(part))
    shape[axis] = lead
    return concatenate([np.zeros(shape, part.dtype), part], axis=axis)


add_reduceat_p = linear(
    "add.reduceat",
    lambda x, indices, *, axis: np.add.reduceat(x, indices, axis=axis),
    _reduceat_transpose,
    None,
    batch=same_call,
)


# --- the table ----------------------------------------------------------------------------------

ATTRIBUTES = (
    "reduce", "accumulate", "reduceat", "outer", "at",
    "nin", "nout", "nargs", "ntypes", "types", "identity", "signature",
)  # fmt: skip

for _ufunc in [key for key in DISPATCH if isinstance(key, np.ufunc)]:
    # funcgrad.numpy.add.reduce is numpy.add.reduce: NumPy's methods ask the protocol themselves.
    for _name in ATTRIBUTES:
        setattr(DISPATCH[_ufunc], _name, getattr(_ufunc, _name))
    if _ufunc.nin == 2 and _ufunc.nout == 1 and _ufunc.signature is None:
        UFUNC_METHODS.setdefault((_ufunc, "reduce"), reduce(_ufunc))
        UFUNC_METHODS.setdefault((_ufunc, "accumulate"), accumulate(_ufunc))
        UFUNC_METHODS.setdefault((_ufunc, "reduceat"), reduceat(_ufunc))
for _ufunc, _function in {
    np.add: np.sum, np.multiply: np.prod, np.maximum: np.max, np.minimum: np.min,
    np.fmax: np.nanmax, np.fmin: np.nanmin,
}.items():  # fmt: skip
    UFUNC_METHODS[_ufunc, "reduce"] = _by_function(_function)
