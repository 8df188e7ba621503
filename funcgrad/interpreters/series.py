"""Values that are series in an infinitesimal ε: what makes equal eigenvalues distinct.

The derivative of eigenvectors has the factors 1 / (λⱼ - λᵢ), which are infinite where eigenvalues
are equal. A function that is smooth there all the same (V f(λ) Vᴴ, say) multiplies them by numbers
that are zero, and the product has a limit. So a decomposition that finds equal values gives out
λ + ε s with distinct s, as a `SeriesTracer`, the lowest of all tracers: whatever is computed with
it is a truncated series Σ cₖ εᵏ, and its derivatives may start at negative powers. Where a
transform hands out a result, the negative powers have cancelled, and the value at ε⁰ is the
derivative, without any error of differences. If they have not, the function depends on which
eigenvectors were chosen, and `GaugeError` says so.

A series with coefficients c₀, c₁, … and shift p stands for ε⁻ᵖ (c₀ + c₁ ε + …).
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from typing_extensions import override

from funcgrad.core.primitive import Primitive
from funcgrad.core.tracer import Trace, Tracer, bind
from funcgrad.errors import GaugeError

__all__ = ["RULES", "SERIES", "Origin", "SeriesTracer", "largest", "make_series", "trimmed"]

RULES: dict[str, Callable[..., Any]] = {}
"""`{primitive: (args, params) -> result}` where a series needs more than Taylor's formula."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a series comes from.

    Attributes:
        place: the decomposition and the user's line.
        tolerance: negative powers are zero if they are less than so many times what went in.
    """

    place: str
    tolerance: float


class SeriesTracer(Tracer):
    """ε⁻ᵖ Σ cₖ εᵏ, known to as many powers as there are coefficients.

    Attributes:
        coefs: c₀, c₁, …: arrays of one shape.
        shift: p.
        terms: size of the numbers that went into the coefficients.
        exact: whether all further coefficients are zero.
        origin: where it comes from.
    """

    __slots__ = ("coefs", "exact", "origin", "shift", "terms")
    coefs: tuple[Any, ...]
    shift: int
    terms: float
    exact: bool
    origin: Origin

    @property
    @override
    def made_by(self) -> Primitive | None:
        return None


class Series(Trace):
    """The trace of all series; it is below every other, and never closed."""

    __slots__ = ()

    def __init__(self) -> None:
        self.id = -1
        self.open = True
        self.transform = "series"

    @override
    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        rule = RULES.get(primitive.name)
        if rule is not None:
            return rule(args, params)
        if primitive.vjp is None:
            return bind(primitive, *map(_finite_part, args), **params)
        active = [type(arg) is SeriesTracer for arg in args]
        together = list(active)
        for i, flag in enumerate(active):
            if not flag and primitive.linear_in([*together[:i], True, *together[i + 1 :]]):
                together[i] = True
        if primitive.linear_in(together):
            return _linear(primitive, args, together, params)
        if all(
            primitive.linear_in([j == i for j in range(len(args))])
            for i, flag in enumerate(active)
            if flag
        ):
            return _products(primitive, args, active, params)
        return _taylor(primitive, args, params)


SERIES = Series()


def make_series(
    coefs: Sequence[Any], shift: int, size: float, origin: Origin, *, exact: bool = False
) -> SeriesTracer:
    """A series; its `value`, which Python sees, is the coefficient of ε⁰."""
    tracer = object.__new__(SeriesTracer)
    tracer.owner = SERIES
    tracer.coefs = tuple(coefs)
    tracer.shift = shift
    tracer.terms = size
    tracer.exact = exact
    tracer.origin = origin
    known = shift < len(tracer.coefs)
    tracer.value = tracer.coefs[shift] if known else np.zeros_like(tracer.coefs[0])
    return tracer


def largest(x: Any) -> float:
    """The largest absolute value of an array; 0 if it has no elements."""
    return float(np.max(np.abs(x), initial=0)) if np.size(x) else 0.0


def trimmed(x: SeriesTracer) -> SeriesTracer:
    """The same series without negative powers, which must be zero but for rounding.

    Raises:
        GaugeError: if they are not, or if nothing is known of ε⁰.
    """
    if not x.shift:
        return x
    pole = max(map(largest, x.coefs[: x.shift]))
    if not pole <= x.origin.tolerance * x.terms:
        raise GaugeError(
            f"{x.origin.place}: the derivative depends on which of the vectors for equal (or zero) "
            "values were computed. They are determined only up to a rotation among themselves, "
            "so the derivative does not exist there. Use a function that does not change with "
            "the rotation, such as V @ diag(f(w)) @ V.conj().T or a projector on all of them, or "
            "make the values distinct."
        )
    if len(x.coefs) <= x.shift:
        raise GaugeError(
            f"{x.origin.place}: a derivative of too high an order at equal values. The series for "
            "them is not known so far. Differentiate fewer times, or make the values distinct."
        )
    return make_series(x.coefs[x.shift :], 0, x.terms, x.origin)


def _finite_part(x: Any) -> Any:
    return trimmed(x).value if type(x) is SeriesTracer else x


def _found(args: Sequence[Any]) -> list[SeriesTracer]:
    return [arg for arg in args if type(arg) is SeriesTracer]


def _collected(
    terms: Sequence[Any], shift: int, size: float, origin: Origin, *, exact: bool = False
) -> Any:
    """A series from its coefficients, or a tuple of series from tuples."""
    if type(terms[0]) is not tuple:
        return make_series(terms, shift, size, origin, exact=exact)
    return tuple(
        _collected(parts, shift, size, origin, exact=exact) for parts in zip(*terms, strict=True)
    )


def _count(series: Sequence[SeriesTracer], shift: int) -> int:
    """To how many powers, from ε⁻ˢʰⁱᶠᵗ on, all of some series are known."""
    lengths = [(shift - x.shift + len(x.coefs), x.exact) for x in series]
    known = [length for length, exact in lengths if not exact]
    return min(known) if known else max(length for length, _ in lengths)


def _linear(
    primitive: Primitive, args: Sequence[Any], active: Sequence[bool], params: dict[str, Any]
) -> Any:
    """L(Σ cₖ εᵏ) = Σ L(cₖ) εᵏ, of all operands together."""
    series = _found(args)
    shift = max(x.shift for x in series)
    terms = []
    for k in range(_count(series, shift)):
        operands = [
            _coefficient(arg, k - shift) if flag else arg
            for arg, flag in zip(args, active, strict=True)
        ]
        terms.append(bind(primitive, *operands, **params))
    size = max(x.terms for x in series)
    if primitive.name == "divide":
        size /= _smallest(args[1]) or 1.0
    elif primitive.family == "multilinear" or primitive.name == "multiply":
        for arg in args:
            size *= 1.0 if type(arg) is SeriesTracer else largest(arg)
    exact = all(x.exact for x in series)
    return _collected(terms, shift, size, series[0].origin, exact=exact)


def _smallest(x: Any) -> float:
    return float(np.min(np.abs(x))) if np.size(x) else 1.0


def _coefficient(x: Any, power: int) -> Any:
    """The coefficient of a power of ε; a plain value has one, of ε⁰."""
    if type(x) is not SeriesTracer:
        if power == 0:
            return x
        return np.zeros_like(x) if hasattr(x, "dtype") else type(x)(0)
    k = power + x.shift
    return x.coefs[k] if 0 <= k < len(x.coefs) else np.zeros_like(x.coefs[0])


def _products(
    primitive: Primitive, args: Sequence[Any], active: Sequence[bool], params: dict[str, Any]
) -> Any:
    """Of several series in an operation that is linear in each: Cauchy's product."""
    series = _found(args)
    shift = sum(x.shift for x in series)
    count = _count([make_series(x.coefs, 0, 0.0, x.origin, exact=x.exact) for x in series], 0)
    places = [i for i, flag in enumerate(active) if flag]
    terms: list[Any] = [None] * count
    for powers in itertools.product(range(count), repeat=len(series)):
        if sum(powers) < count:
            operands = list(args)
            for i, k in zip(places, powers, strict=True):
                operands[i] = _coefficient(args[i], k - args[i].shift)
            term = bind(primitive, *operands, **params)
            before = terms[sum(powers)]
            terms[sum(powers)] = term if before is None else before + term
    size = 1.0
    for arg in args:
        size *= arg.terms if type(arg) is SeriesTracer else largest(arg)
    return _collected(terms, shift, size, series[0].origin)


def _taylor(primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
    """f(x(ε)) from d/dε f(x(ε)) = ∂f(x(ε)) x'(ε), one coefficient after the other.

    Negative powers of an operand that f is linear in are left out, and given to the result.
    """
    shift = 0
    operands = []
    for i, arg in enumerate(args):
        if type(arg) is not SeriesTracer or not arg.shift:
            operands.append(arg)
        elif primitive.linear_in([j == i for j in range(len(args))]):
            shift += arg.shift
            operands.append(make_series(arg.coefs, 0, arg.terms, arg.origin, exact=arg.exact))
        else:
            operands.append(trimmed(arg))
    series = _found(operands)
    first = bind(primitive, *(_cut(x, 1) for x in operands), **params)
    terms = [first]
    for m in range(1, _count(series, 0)):
        out = terms[0] if m == 1 else _collected(terms, 0, 0.0, series[0].origin)
        cut = [_cut(x, m) for x in operands]
        dots = [_slope(x, m) if type(x) is SeriesTracer else None for x in operands]
        assert primitive.jvp is not None  # a piecewise constant one does not come here
        slope = primitive.jvp(out, cut, dots, params)
        terms.append(
            tuple(_last(one, m, zero) for one, zero in zip(slope, first, strict=True))
            if type(first) is tuple
            else _last(slope, m, first)
        )
    size = max(largest(one) for term in terms for one in (term if type(term) is tuple else (term,)))
    return _collected(terms, shift, size, series[0].origin)


def _cut(x: Any, count: int) -> Any:
    """The first terms of a series; one term is a plain value."""
    if type(x) is not SeriesTracer:
        return x
    terms = [_coefficient(x, k) for k in range(count)]
    return terms[0] if count == 1 else make_series(terms, 0, x.terms, x.origin)


def _slope(x: SeriesTracer, count: int) -> Any:
    """The first terms of the derivative of a series by ε."""
    terms = [_coefficient(x, k) * k for k in range(1, count + 1)]
    return terms[0] if count == 1 else make_series(terms, 0, x.terms, x.origin)


def _last(slope: Any, m: int, like: Any) -> Any:
    """The coefficient of εᵐ of what has this derivative."""
    if slope is None or (m > 1 and type(slope) is not SeriesTracer):
        return np.zeros_like(like)
    return (slope if m == 1 else _coefficient(trimmed(slope), m - 1)) / m
