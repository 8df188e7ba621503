"""Running sums, products and extrema along an axis.

Their tangents come from a scan of log₂ n steps over pairs (value, tangent), which never divides:
running products are right with zeros, to any order of derivative. Short axes are scanned by
doubling (W. D. Hillis and G. L. Steele, Commun. ACM 29, 1986), long ones in pairs first, so that
the work grows with n (R. E. Ladner and M. J. Fischer, J. ACM 27, 1980).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad.core.primitive import Primitive, Pull
from funcgrad.core.protocols import UFUNC_METHODS
from funcgrad.core.tracer import bind
from funcgrad.families.batching import same_call
from funcgrad.families.linear import linear
from funcgrad.families.shapes import as_operand, rank_of, shape_of
from funcgrad.families.shapes import negative_axis as to_negative
from funcgrad.families.smooth import smooth
from funcgrad.primitives.joining import stack
from funcgrad.primitives.plain import implements_traced, refuse_out
from funcgrad.primitives.structural import astype, broadcast_to, concatenate, reshape, where

__all__ = ["affine", "along", "cumprod", "cumsum", "fold", "scan"]

State = tuple[Any, ...]
Combine = Callable[[State, State], State]

LONG = 4096
"""Longer axes are scanned in pairs, with twice the time for 1000 elements, an eighth for 10⁵."""


def along(axis: int, start: int | None, stop: int | None) -> tuple[Any, ...]:
    """The index that slices one (negative) axis."""
    return (..., slice(start, stop), *(slice(None),) * (-axis - 1))


def scan(combine: Combine, states: State, axis: int) -> State:
    """Inclusive prefix sums under an associative operation: yᵢ = x₀ ∘ x₁ ∘ … ∘ xᵢ.

    Args:
        combine: the operation on tuples of arrays, elementwise.
        states: a tuple of arrays of one shape.
        axis: a negative number.
    """
    n = shape_of(states[0])[axis]
    if n <= LONG:
        return _doubling(combine, states, axis)
    half = n // 2
    odd = scan(combine, combine(*_pairs(states, axis)), axis)
    early = tuple(state[along(axis, None, n - half - 1)] for state in odd)
    even = combine(early, tuple(state[_every_other(axis, 2, None)] for state in states))
    return tuple(
        _interleaved(concatenate([state[along(axis, None, 1)], later], axis=axis), sooner, axis)
        for state, later, sooner in zip(states, even, odd, strict=True)
    )


def _doubling(combine: Combine, states: State, axis: int) -> State:
    """The scan in log₂ n steps over all n: the quickest while n is small."""
    n = shape_of(states[0])[axis]
    shift = 1
    while shift < n:
        early = tuple(state[along(axis, None, n - shift)] for state in states)
        late = tuple(state[along(axis, shift, None)] for state in states)
        states = tuple(
            concatenate([state[along(axis, None, shift)], joined], axis=axis)
            for state, joined in zip(states, combine(early, late), strict=True)
        )
        shift *= 2
    return states


def fold(combine: Combine, states: State, axis: int) -> State:
    """The last of the prefix sums, x₀ ∘ x₁ ∘ … ∘ xₙ, with the axis kept; n must not be 0."""
    while (n := shape_of(states[0])[axis]) > 1:
        joined = combine(*_pairs(states, axis))
        rest = (state[along(axis, n - 1, None)] for state in states)
        states = (
            tuple(concatenate([s, r], axis=axis) for s, r in zip(joined, rest, strict=True))
            if n % 2
            else joined
        )
    return states


def _every_other(axis: int, start: int, stop: int | None) -> tuple[Any, ...]:
    return (..., slice(start, stop, 2), *(slice(None),) * (-axis - 1))


def _pairs(states: State, axis: int) -> tuple[State, State]:
    """The elements number 0, 2, 4 … and 1, 3, 5 …, as many of each."""
    even = shape_of(states[0])[axis] // 2 * 2
    return (
        tuple(state[_every_other(axis, 0, even)] for state in states),
        tuple(state[_every_other(axis, 1, None)] for state in states),
    )


def _interleaved(even: Any, odd: Any, axis: int) -> Any:
    """Elements in turn from two arrays, of which the first may be longer by one."""
    shape = list(shape_of(odd))
    half = shape[axis]
    shape[axis] = 2 * half
    both = reshape(stack([even[along(axis, None, half)], odd], axis=axis), tuple(shape))
    if shape_of(even)[axis] == half:
        return both
    return concatenate([both, even[along(axis, half, None)]], axis=axis)


def affine(first: State, second: State) -> State:
    """y ↦ a₂ (a₁ y + b₁) + b₂, as the pair (a₁ a₂, b₂ + a₂ b₁)."""
    (a1, b1), (a2, b2) = first, second
    return a1 * a2, b2 + a2 * b1


def product_rule(first: State, second: State) -> State:
    """(p, ṗ) ∘ (q, q̇) = (p q, ṗ q + p q̇)."""
    (p1, q1), (p2, q2) = first, second
    return p1 * p2, q1 * p2 + p1 * q2


def _cumsum_value(x: Any, *, axis: int, reverse: bool) -> Any:
    if not reverse:
        return np.cumsum(x, axis=axis)
    return np.flip(np.cumsum(np.flip(x, axis), axis=axis), axis)


def _cumprod_jvp(_out: Any, x: Any, t: Any, *, axis: int) -> Any:
    return scan(product_rule, (x, t), axis)[1]


def _cumprod_vjp(
    _out: Any, args: Sequence[Any], active: Sequence[bool], params: dict[str, Any]
) -> tuple[Pull, Any]:
    """The product in front of xⱼ, times rⱼ = ctⱼ + xⱼ₊₁ rⱼ₊₁, a scan from behind."""
    del active
    axis = params["axis"]
    back = (..., slice(None, None, -1), *(slice(None),) * (-axis - 1))

    def pull(ct: Any, x: Any) -> Any:
        shape = list(shape_of(x))
        shape[axis] = min(1, shape[axis])
        one = np.ones(shape, x.dtype)
        before = np.cumprod(concatenate([one, x[along(axis, None, -1)]], axis=axis), axis=axis)
        behind = concatenate([one, x[back][along(axis, None, -1)]], axis=axis)
        return before * scan(affine, (behind, ct[back]), axis)[1][back]

    return pull, args[0]


cumsum_p: Primitive = linear(
    "cumsum",
    _cumsum_value,
    lambda ct, _x, *, axis, reverse: bind(cumsum_p, ct, axis=axis, reverse=not reverse),
    batch=same_call,
)
cumprod_p = smooth(
    "cumprod",
    lambda x, *, axis: np.cumprod(x, axis=axis),
    _cumprod_jvp,
    batch=same_call,
    vjp=_cumprod_vjp,
)


def _running_extremum(ufunc: Any, better: Any, *, skips_nan: bool) -> Any:
    """A primitive for `ufunc.accumulate`: ties so far share the derivative evenly."""

    def combine(first: State, second: State) -> State:
        (v1, s1, n1), (v2, s2, n2) = first, second
        ahead, tie = better(v1, v2), v1 == v2
        return (
            where(ahead, v1, v2),
            where(ahead, s1, where(tie, s1 + s2, s2)),
            where(ahead, n1, where(tie, n1 + n2, n2)),
        )

    def jvp(_out: Any, x: Any, t: Any, *, axis: int) -> Any:
        if skips_nan:
            x = where(np.isnan(x), -np.inf if better is np.greater else np.inf, x)
        ones = broadcast_to(np.ones((), t.dtype), shape_of(t))
        _, total, number = scan(combine, (x, t, ones), axis)
        return total / number

    return smooth(
        f"{ufunc.__name__}.accumulate",
        lambda x, *, axis: ufunc.accumulate(x, axis=axis),
        jvp,
        batch=same_call,
        analytic=False,
    )


RUNNING_EXTREMA = {
    np.maximum: _running_extremum(np.maximum, np.greater, skips_nan=False),
    np.minimum: _running_extremum(np.minimum, np.less, skips_nan=False),
    np.fmax: _running_extremum(np.fmax, np.greater, skips_nan=True),
    np.fmin: _running_extremum(np.fmin, np.less, skips_nan=True),
}


# --- functions --------------------------------------------------------------------------------


def _arguments(a: Any, axis: Any, dtype: Any) -> tuple[Any, int]:
    a = as_operand(a)
    if axis is None or rank_of(a) == 0:
        if axis is not None:
            to_negative(axis, 1)
        a, axis = reshape(a, (-1,)) if shape_of(a) != (0,) else a, -1
    return a if dtype is None else astype(a, dtype), to_negative(axis, rank_of(a))


def _as_asked(total: Any, dtype: Any) -> Any:
    """Totals of small integers, which NumPy adds up in int64, in the dtype asked for."""
    return total if dtype is None or total.dtype == dtype else astype(total, dtype)


@implements_traced(np.cumsum)
def cumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """`numpy.cumsum`."""
    refuse_out("cumsum", out)
    a, axis = _arguments(a, axis, dtype)
    return _as_asked(bind(cumsum_p, a, axis=axis, reverse=False), dtype)


@implements_traced(np.cumprod)
def cumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """`numpy.cumprod`; its derivatives are right with any number of zeros."""
    refuse_out("cumprod", out)
    a, axis = _arguments(a, axis, dtype)
    return _as_asked(bind(cumprod_p, a, axis=axis), dtype)


@implements_traced(np.nancumsum)
def nancumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """`numpy.nancumsum`: NaN counts as 0."""
    return cumsum(where(np.isnan(a), 0, a), axis, dtype, out)


@implements_traced(np.nancumprod)
def nancumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """`numpy.nancumprod`: NaN counts as 1."""
    return cumprod(where(np.isnan(a), 1, a), axis, dtype, out)


def _with_initial(name: str, running: Callable[..., Any], first: int) -> Callable[..., Any]:
    def function(
        x: Any,
        /,
        *,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        include_initial: bool = False,
    ) -> Any:
        x = np.atleast_1d(x)
        rank = rank_of(x)
        if axis is None and rank != 1:
            raise ValueError(
                f"For arrays which have more than one dimension `axis` argument is required, "
                f"and x has {rank}."
            )
        axis = to_negative(-1 if axis is None else axis, rank)
        total = running(x, axis, dtype, out)
        if not include_initial:
            return total
        shape = list(shape_of(total))
        shape[axis] = 1
        return concatenate([np.full(shape, first, total.dtype), total], axis=axis)

    function.__name__ = name
    function.__doc__ = f"`numpy.{name}`."
    return function


if hasattr(np, "cumulative_sum"):  # NumPy 2.1
    implements_traced(np.cumulative_sum)(_with_initial("cumulative_sum", cumsum, 0))
    implements_traced(np.cumulative_prod)(_with_initial("cumulative_prod", cumprod, 1))


def _accumulate(running: Callable[[Any, int], Any]) -> Callable[..., Any]:
    def accumulate(array: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
        refuse_out("accumulate", out)
        a = as_operand(array)
        if rank_of(a) == 0:
            raise TypeError("cannot accumulate on a scalar")
        a = a if dtype is None else astype(a, dtype)
        return _as_asked(running(a, to_negative(axis, rank_of(a))), dtype)

    return accumulate


def _of_primitive(primitive: Primitive) -> Callable[[Any, int], Any]:
    return lambda a, axis: bind(primitive, a, axis=axis)


UFUNC_METHODS[np.add, "accumulate"] = _accumulate(cumsum)
UFUNC_METHODS[np.multiply, "accumulate"] = _accumulate(cumprod)
for _ufunc, _primitive in RUNNING_EXTREMA.items():
    UFUNC_METHODS[_ufunc, "accumulate"] = _accumulate(_of_primitive(_primitive))
