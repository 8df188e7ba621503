"""Sums, products, means and extrema over axes.

A reduction binds `axis` as a sorted tuple of negative numbers, so that a batch axis in front
changes nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad.core.foreign import is_foreign
from funcgrad.core.primitive import Primitive, Pull
from funcgrad.core.tracer import bind
from funcgrad.families.batching import same_call
from funcgrad.families.linear import linear
from funcgrad.families.shapes import (
    as_operand,
    cast_like,
    in_front,
    is_complex,
    masked,
    negative_axes,
    rank_of,
    shape_of,
)
from funcgrad.families.smooth import smooth
from funcgrad.primitives.plain import (
    implements_traced,
    is_traced,
    refuse_out,
    static_axis,
)
from funcgrad.primitives.spreading import spread_as
from funcgrad.primitives.structural import (
    astype,
    broadcast_to,
    concatenate,
    reshape,
    transpose,
    where,
)

__all__ = [
    "SMALL_FILL",
    "axes_of",
    "count",
    "full",
    "kept_shape",
    "last",
    "max_",
    "mean",
    "min_",
    "number_of",
    "prod",
    "ptp",
    "sloped",
    "spread",
    "sum_",
]

SMALL_FILL = 16384
"""Arrays of at most so many elements are filled: cheaper than a view with strides of zero."""

_reduce: Callable[..., Any] = np.add.reduce  # its stubs know no variable keepdims


def kept_shape(shape: tuple[int, ...], axis: tuple[int, ...]) -> tuple[int, ...]:
    """The shape with the reduced (negative) axes kept as 1."""
    rank = len(shape)
    return tuple(1 if i - rank in axis else n for i, n in enumerate(shape))


def spread(
    ct: Any, shape: tuple[int, ...], axis: tuple[int, ...], keepdims: bool, like: Any = None
) -> Any:
    """Repeat a value along the axes that a reduction has summed over; `like` is its operand."""
    if like is not None and like.like is None:
        like = None
    if like is None and (type(ct) is np.float64 or type(ct) is np.float32):
        size = 1
        for length in shape:
            size *= length
        if size <= SMALL_FILL:
            full: np.ndarray[Any, Any] = np.empty(shape, ct.dtype)
            full.fill(ct)
            return full
    if not keepdims:
        ct = reshape(ct, kept_shape(shape, axis))
    return broadcast_to(ct, shape) if like is None else spread_as(ct, like)


def count(shape: tuple[int, ...], axis: tuple[int, ...]) -> int:
    """Number of elements that one result of a reduction takes together."""
    number = 1
    for one in axis:
        number *= shape[one]
    return number


def last(x: Any, axis: tuple[int, ...]) -> Any:
    """The reduced (negative) axes joined to one, the last."""
    shape = shape_of(x)
    rank = len(shape)
    kept = [i for i in range(-rank, 0) if i not in axis]
    return reshape(transpose(x, (*kept, *axis)), (*(shape[i] for i in kept), count(shape, axis)))


# --- values and rules -------------------------------------------------------------------------


def _sum_value(x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    if type(x) is np.ndarray:
        return _reduce(x, axis=None if len(axis) == x.ndim else axis, keepdims=keepdims)
    return np.sum(x, axis=axis, keepdims=keepdims)


def _masked_sum_value(x: Any, mask: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    if is_foreign(x) or is_foreign(mask):
        return np.sum(np.where(mask, x, 0), axis=axis, keepdims=keepdims)
    return np.sum(x, axis=axis, keepdims=keepdims, where=mask)


def _masked_sum_batch(
    size: int, batched: Sequence[bool], values: Sequence[Any], params: dict[str, Any]
) -> Any:
    x, mask = values
    return bind(masked_sum_p, in_front(size, x, batched[0]), mask, **params)


def _mean_value(x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    if type(x) is np.ndarray and x.dtype.char in "fdD" and x.size:  # complex64: in double steps
        total = _reduce(x, axis=None if len(axis) == x.ndim else axis, keepdims=keepdims)
        return total / x.dtype.type(count(x.shape, axis))
    return np.mean(x, axis=axis, keepdims=keepdims)


def _mean_transpose(ct: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    number = count(x.shape, axis)
    if x.dtype.itemsize == 2:  # a float16 ends at 65504
        return astype(spread(ct / np.float32(number), x.shape, axis, keepdims, x), x.dtype)
    return spread(ct / number, x.shape, axis, keepdims, x)


def full(y: Any, shape: tuple[int, ...], axis: tuple[int, ...], keepdims: bool) -> Any:
    """A result of a reduction in a form that broadcasts against the operand."""
    return y if keepdims or len(axis) == len(shape) else reshape(y, kept_shape(shape, axis))


def sloped(
    name: str, value: Callable[..., Any], slope: Callable[..., Any], *, real: bool = True
) -> Primitive:
    """Declare a reduction y by its slope g: ẏ = Σ g ẋ, and the cotangent of x is ct g.

    Args:
        name: of the primitive.
        value: the plain computation, `value(x, axis=..., keepdims=..., **params)`.
        slope: `(y, x, *, axis, **params) -> g`, with y in a form that broadcasts against x.
        real: whether the result is real for complex operands, so that ẏ = Re Σ g ẋ.
    """

    def jvp(
        out: Any, x: Any, t: Any, *, axis: tuple[int, ...], keepdims: bool, **params: Any
    ) -> Any:
        terms = slope(full(out, shape_of(x), axis, keepdims), x, axis=axis, **params) * t
        if real and is_complex(x):
            terms = np.real(terms)
        return np.sum(terms, axis=axis, keepdims=keepdims)

    def vjp(
        out: Any, args: Sequence[Any], active: Sequence[bool], params: dict[str, Any]
    ) -> tuple[Pull, Any]:
        del active
        shape = shape_of(args[0])
        axis, keepdims = params["axis"], params["keepdims"]
        rest = {key: v for key, v in params.items() if key not in ("axis", "keepdims")}

        def pull(ct: Any, residuals: Any) -> Any:
            out, x = residuals
            g = slope(full(out, shape, axis, keepdims), x, axis=axis, **rest)
            return full(ct, shape, axis, keepdims) * g

        return pull, (out, args[0])

    return smooth(name, value, jvp, batch=same_call, vjp=vjp, analytic=not real)


def _chosen(out: Any, x: Any, axis: tuple[int, ...], dtype: Any) -> tuple[Any, Any]:
    """Where the extremum is taken (a NaN is), and at how many places."""
    chosen = (x == out) | (x != x)  # noqa: PLR0124  # NaN
    return chosen, astype(np.sum(chosen, axis=axis, keepdims=True), dtype)


def _extremum_jvp(out: Any, x: Any, t: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    """Mean of the tangents at the places where the extremum is taken."""
    chosen, ties = _chosen(full(out, shape_of(x), axis, keepdims), x, axis, t.dtype)
    return np.sum(where(chosen, t, 0) / ties, axis=axis, keepdims=keepdims)


def _extremum_vjp(
    out: Any, args: Sequence[Any], active: Sequence[bool], params: dict[str, Any]
) -> tuple[Pull, Any]:
    """The same, transposed by hand."""
    del active
    shape, axis, keepdims = shape_of(args[0]), params["axis"], params["keepdims"]

    def pull(ct: Any, residuals: Any) -> Any:
        out, x = residuals
        highest, ct = full(out, shape, axis, keepdims), full(ct, shape, axis, keepdims)
        if type(x) is type(highest) is type(ct) is np.ndarray and x.size > SMALL_FILL:
            chosen = x == highest
            if np.count_nonzero(chosen) == highest.size and (highest == highest).all():  # noqa: PLR0124  # NaN is not itself
                return masked(chosen, ct)  # neither ties nor NaN: a third of the time
        chosen, ties = _chosen(highest, x, axis, ct.dtype)
        return where(chosen, ct / ties, 0)

    return pull, (out, args[0])


def _products_of_others(_out: Any, x: Any, *, axis: tuple[int, ...]) -> Any:
    """Πₖ≠ᵢ xₖ, without division: what stands in front times what stands behind."""
    rank = rank_of(x)
    flat = last(x, axis)
    shape = shape_of(flat)
    if not shape[-1]:
        return x
    one = np.ones((*shape[:-1], 1), flat.dtype)
    before = np.cumprod(concatenate([one, flat[..., :-1]], axis=-1), axis=-1)
    behind = np.cumprod(concatenate([one, flat[..., :0:-1]], axis=-1), axis=-1)
    others = before * behind[..., ::-1]
    order = [*(i for i in range(rank) if i - rank not in axis), *(i + rank for i in axis)]
    moved = reshape(others, tuple(shape_of(x)[i] for i in order))
    return transpose(moved, sorted(range(rank), key=lambda i: order[i]))


sum_p = linear(
    "sum",
    _sum_value,
    lambda ct, x, *, axis, keepdims: spread(ct, x.shape, axis, keepdims, x),
    batch=same_call,
)
masked_sum_p = linear(
    "masked_sum",
    _masked_sum_value,
    lambda ct, x, mask, *, axis, keepdims: where(mask, spread(ct, x.shape, axis, keepdims, x), 0),
    None,
    batch=_masked_sum_batch,
)
mean_p = linear("mean", _mean_value, _mean_transpose, batch=same_call)
prod_p = sloped(
    "prod",
    lambda x, *, axis, keepdims: np.prod(x, axis=axis, keepdims=keepdims),
    _products_of_others,
    real=False,
)
max_p = smooth(
    "max",
    lambda x, *, axis, keepdims: np.max(x, axis=axis, keepdims=keepdims),
    _extremum_jvp,
    batch=same_call,
    vjp=_extremum_vjp,
    analytic=False,
)
min_p = smooth(
    "min",
    lambda x, *, axis, keepdims: np.min(x, axis=axis, keepdims=keepdims),
    _extremum_jvp,
    batch=same_call,
    vjp=_extremum_vjp,
    analytic=False,
)


# --- functions --------------------------------------------------------------------------------


def axes_of(axis: Any, rank: int) -> tuple[int, ...]:
    """The axes of a reduction by a ufunc, which may name one of a number that has none."""
    return () if not rank and axis in (0, -1) else negative_axes(axis, rank)


def _operand(a: Any, dtype: Any) -> Any:
    a = as_operand(a)
    return a if dtype is None else astype(a, dtype)


def _started(
    total: Any, dtype: Any, initial: Any, neutral: int, combine: Callable[[Any, Any], Any]
) -> Any:
    """A total in the dtype asked for, with what it starts from, which becomes one of its kind."""
    if dtype is not None and total.dtype != dtype:  # NumPy adds up small integers in int64
        total = astype(total, dtype)
    if type(initial) is int and initial == neutral:
        return total
    if not is_traced(initial):
        return combine(total, np.asarray(initial, total.dtype)[()])
    start = as_operand(initial)
    if start.dtype.kind == "c" and total.dtype.kind != "c":
        raise TypeError(f"initial: a value of dtype {start.dtype} for a total of {total.dtype}")
    return combine(total, start if start.dtype == total.dtype else astype(start, total.dtype))


@implements_traced(np.sum)
def sum_(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = 0,
    where: Any = True,
) -> Any:
    """`numpy.sum`."""
    refuse_out("sum", out)
    a = _operand(a, dtype)
    params = {"axis": axes_of(axis, rank_of(a)), "keepdims": bool(keepdims)}
    if where is True:
        total = bind(sum_p, a, **params)
    else:
        total = bind(masked_sum_p, a, broadcast_to(as_operand(where), shape_of(a)), **params)
    return _started(total, dtype, initial, 0, np.add)


@implements_traced(np.prod)
def prod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = 1,
    where: Any = True,
) -> Any:
    """`numpy.prod`; its derivatives are right with any number of zeros."""
    refuse_out("prod", out)
    a = _operand(a, dtype)
    if where is not True:
        a = np.where(where, a, 1)
    total = bind(prod_p, a, axis=axes_of(axis, rank_of(a)), keepdims=bool(keepdims))
    return _started(total, dtype, initial, 1, np.multiply)


@implements_traced(np.mean)
def mean(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    *,
    where: Any = True,
) -> Any:
    """`numpy.mean`."""
    refuse_out("mean", out)
    a = _operand(a, dtype)
    if dtype is not None and a.dtype.kind not in "fc":  # the quotient is cut off, too
        total = sum_(a, axis, dtype, keepdims=keepdims, where=where)
        return astype(total / number_of(a, axis, keepdims, where), a.dtype)
    if where is True:
        return bind(mean_p, a, axis=negative_axes(axis, rank_of(a)), keepdims=bool(keepdims))
    half = dtype is None and a.dtype == np.float16  # as NumPy does, the sum is one of float32
    total = sum_(astype(a, np.float32) if half else a, axis, keepdims=keepdims, where=where)
    average = total / cast_like(number_of(a, axis, keepdims, where), _inexact(total.dtype))
    return astype(average, np.float16) if half else average


def number_of(a: Any, axis: Any, keepdims: bool, mask: Any) -> Any:
    """How many elements of each reduction a mask lets through."""
    if mask is True:
        return np.asarray(count(shape_of(a), negative_axes(axis, rank_of(a))))
    every = broadcast_to(as_operand(mask), shape_of(a))
    return np.sum(every, axis=static_axis(axis), keepdims=keepdims)


def _inexact(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype if dtype.kind in "fc" else np.dtype(np.float64)


def _beyond(primitive: Any, dtype: np.dtype[Any]) -> Any:
    """What no element is larger (or smaller) than."""
    sign = -1 if primitive is max_p else 1
    if dtype.kind in "fc":
        return dtype.type(sign * np.inf)
    if dtype.kind == "b":
        return np.bool_(sign > 0)
    info = np.iinfo(dtype)
    return dtype.type(info.min if sign < 0 else info.max)


def _extremum(primitive: Any, a: Any, axis: Any, keepdims: bool, initial: Any, mask: Any) -> Any:
    a = as_operand(a)
    if mask is not True:
        if initial is None:
            raise ValueError(
                f"reduction operation {primitive} does not have an identity, so to use a where "
                "mask one has to specify 'initial'"
            )
        a = where(mask, a, _beyond(primitive, a.dtype))
    axes = axes_of(axis, rank_of(a))
    params: dict[str, Any] = {"axis": axes, "keepdims": bool(keepdims)}
    if initial is None:
        return bind(primitive, a, **params)
    further = np.maximum if primitive is max_p else np.minimum
    if not is_traced(initial):
        initial = np.asarray(initial, a.dtype)[()]
    if count(shape_of(a), axes) == 0:
        return astype(np.sum(a, **params), a.dtype) + initial
    return further(bind(primitive, a, **params), initial)


@implements_traced(np.max, np.amax)
def max_(
    a: Any,
    axis: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    """`numpy.max`; ties share the derivative evenly."""
    refuse_out("max", out)
    return _extremum(max_p, a, axis, keepdims, initial, where)


@implements_traced(np.min, np.amin)
def min_(
    a: Any,
    axis: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    """`numpy.min`; ties share the derivative evenly."""
    refuse_out("min", out)
    return _extremum(min_p, a, axis, keepdims, initial, where)


@implements_traced(np.ptp)
def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    """`numpy.ptp`: maximum - minimum."""
    refuse_out("ptp", out)
    return max_(a, axis, keepdims=keepdims) - min_(a, axis, keepdims=keepdims)
