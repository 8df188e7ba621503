"""What all spectral decompositions share: equal values, gaps between values, rounding.

NOTE. Let A = V Λ V⁻¹ have equal eigenvalues. V is then determined up to an invertible (for
Hermitian A, unitary) matrix W that mixes the columns of equal eigenvalues, its gauge. A function
g(A, λ, V) that has the same value for V W and V is a function of A alone, and it is this function
whose derivatives are computed, to all orders, whatever V NumPy happened to find:

* The eigenvalues go on as λ + ε s with distinct s and an infinitesimal ε
  (`funcgrad.interpreters.series`), so that all derivatives are those at A + ε V diag(s) V⁻¹, whose
  eigenvalues are distinct. The limit ε → 0 is taken where the transform hands out its result.
* What has no limit depends on the gauge: `GaugeError`.
* A matrix that comes from such a function and is decomposed again is taken at ε = 0, and so is its
  tangent; the chain rule holds for the two limits.

Eigenvalues count as equal if they differ by no more than rounding relative to the largest
(`ROUNDINGS`), or if they are so close to each other that the differences which derivatives are made
of have lost their digits (`CLOSE`). A negative power of ε counts as cancelled if it is small beside
what it was made of (`CANCELLED`). So a dependence on the gauge that is weaker is not seen.

One thing cannot be seen: a single one of several equal eigenvalues, as in `eigvalsh(A)[0]`. It has
a kink there. As at other ties, `eigvalsh` and `svdvals` share the derivative evenly.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad.core.foreign import cast, is_foreign
from funcgrad.core.primitive import Primitive
from funcgrad.core.tracer import Tracer, bind
from funcgrad.errors import user_line
from funcgrad.families.batching import aligned, same_call
from funcgrad.families.elementwise import constant_call
from funcgrad.families.linear import linear
from funcgrad.families.shapes import shape_of
from funcgrad.families.smooth import smooth
from funcgrad.interpreters.dual import DualTracer
from funcgrad.interpreters.record import RecordTracer
from funcgrad.interpreters.series import RULES, Origin, SeriesTracer, largest, make_series, trimmed
from funcgrad.primitives.structural import where

__all__ = [
    "CANCELLED",
    "CLOSE",
    "ROUNDINGS",
    "are_equal",
    "diagonal",
    "grounded",
    "infinite",
    "inverse_gaps",
    "inverse_or_pole",
    "levels_of",
    "rounding",
    "row_of",
    "settled",
    "shared",
    "spectral",
    "split",
    "turning",
]

ROUNDINGS = 10.0
"""Computed values are true to so many times √n eps, relative to the largest."""

CLOSE = (0.65, 0.38, 0.28)
"""Values are equal if they differ by at most these powers of eps, relative to themselves, by order.

With a gap g, derivatives of order n have errors of eps / gⁿ, and of g if g is taken to be zero.
"""

CANCELLED = (0.5, 0.25, 0.2)
"""Negative powers are zero if they are less than these powers of eps, by order."""


def _eps_to(powers: tuple[float, ...], levels: int, dtype: Any) -> float:
    eps = float(np.finfo(dtype).eps)
    return float(eps ** powers[min(max(levels, 1), len(powers)) - 1])


def _origin(name: str, levels: int, dtype: Any) -> Origin:
    return Origin(f"{name} at {user_line()}", _eps_to(CANCELLED, levels, dtype))


def rounding(values: Any, n: int) -> Any:
    """How far computed values of n × n matrices may be from the truth: shape (..., 1)."""
    size = np.abs(values)
    if not values.shape[-1]:
        return np.zeros((*values.shape[:-1], 1), size.dtype)
    relative = ROUNDINGS * n**0.5 * float(np.finfo(size.dtype).eps)
    return np.max(size, axis=-1, keepdims=True) * relative


def levels_of(x: Any) -> int:
    """How many transforms differentiate a value."""
    count = 0
    while isinstance(x, Tracer):
        count += isinstance(x, RecordTracer | DualTracer)
        x = x.value
    return count


# --- results of transforms --------------------------------------------------------------------

settle_p = linear("settle", lambda x: x, lambda ct, _x: ct, batch=same_call, view=True)
RULES["settle"] = lambda args, _params: trimmed(args[0])


ground_p = linear("ground", lambda x: x, lambda ct, _x: grounded(ct), batch=same_call, view=True)
RULES["ground"] = lambda args, _params: trimmed(args[0]).value


def grounded(t: Any) -> Any:
    """The tangent of the operand of a decomposition, at ε = 0: see the note above."""
    return bind(ground_p, t)


def settled(x: Any) -> Any:
    """A result as a transform hands it out: of a series, the value at ε⁰.

    Raises:
        GaugeError: if there are negative powers left.
    """
    if type(x) is SeriesTracer:
        return trimmed(x).value
    below = x
    while isinstance(below, Tracer):
        if type(below) is SeriesTracer:
            return bind(settle_p, x) if below.shift else x
        below = below.value
    return x


# --- equal values -----------------------------------------------------------------------------


def _equal_value(values: Any, *, size: int, levels: int) -> Any:
    """Which values belong together, as chains of neighbours: `(..., n)` to bool `(..., n, n)`.

    What is only close is joined if all other values are so far away that they do not see the
    differences: an error of second order is δ / g², with a gap g to them.
    """
    sizes = np.abs(values)
    gaps = np.abs(values[..., :, None] - values[..., None, :])
    smaller = np.minimum(sizes[..., :, None], sizes[..., None, :])
    limit = rounding(values, size)[..., None]
    strict = _chains(gaps <= np.maximum(limit, _eps_to(CLOSE[:1], 1, sizes.dtype) * smaller))
    if levels < 2 or values.shape[-1] < 2:
        return strict
    joined = _chains(gaps <= np.maximum(limit, _eps_to(CLOSE, levels, sizes.dtype) * smaller))
    if not is_foreign(joined) and np.array_equal(joined, strict):
        return strict
    scale = np.where(sizes > 0, sizes, 1)[..., None]
    width = np.max(np.where(joined, gaps, 0) / scale, axis=-1)
    apart = np.min(np.where(joined, np.inf, gaps / scale), axis=-1)
    worth = width**3 <= float(np.finfo(sizes.dtype).eps) * apart**2
    worth = np.all(np.where(joined, worth[..., None, :], True), axis=-1)
    return np.where(worth[..., None], joined, strict)


def _chains(joined: Any) -> Any:
    """The transitive closure of a symmetric relation."""
    n = joined.shape[-1]
    seen = not is_foreign(joined)  # others are not asked for values, and take all the steps
    reach = 1
    while reach < n and not (seen and np.sum(joined) == joined[..., 0].size):
        steps = cast(joined, np.float32)  # BLAS knows no booleans
        further = np.matmul(steps, steps) > 0
        if seen and np.array_equal(further, joined):
            break
        joined = further
        reach *= 2
    return joined


_equal_p = constant_call("equal_values", _equal_value, same_call)


def are_equal(values: Any, size: int, levels: int) -> Any:
    """For each pair of values of `size` × `size` matrices whether derivatives see them as equal."""
    return bind(_equal_p, values, size=size, levels=levels)


def split(values: Any, equal: Any, levels: int, name: str, *, zero: Any = None) -> Any:
    """Eigenvalues λ as λ + ε s, if some are equal and derivatives are wanted.

    Args:
        values: plain, of shape `(..., n)`.
        equal: which belong together, of shape `(..., n, n)`.
        levels: how many transforms differentiate them.
        name: of the decomposition.
        zero: which singular values are zero; also one alone is no smooth function.
    """
    n = values.shape[-1]
    if (
        not levels
        or is_foreign(values)
        or (np.sum(equal) == values.size and not (zero is not None and bool(np.any(zero))))
    ):
        return values
    scale = np.max(np.abs(values), axis=-1, keepdims=True)
    steps = np.where(scale > 0, scale, 1) * np.arange(1, n + 1)
    coefs = [values, steps.astype(values.dtype)]
    coefs += [np.zeros_like(values)] * (levels * (levels + 1) // 2 - 1)
    origin = _origin(name, levels, values.dtype)
    return make_series(coefs, 0, max(map(largest, coefs)), origin, exact=True)


def infinite(levels: int, dtype: Any, name: str) -> Any:
    """ε⁻¹ as a number."""
    one = np.dtype(dtype).type(1)
    coefs = [one, *([one * 0] * (levels * (levels + 1) // 2))]
    return make_series(coefs, 1, 1.0, _origin(name, levels, dtype), exact=True)


def restarted(x: Any) -> Any:
    """An operand of a decomposition at ε = 0: equal values of it are made distinct again."""
    return trimmed(x).value if type(x) is SeriesTracer else x


# --- one over the gaps ------------------------------------------------------------------------


def _inverse_value(gaps: Any, pole: Any) -> Any:
    zero = np.logical_or(gaps == 0, pole)
    return where(zero, np.nan, 1 / where(zero, 1, gaps))


inverse_p = smooth(
    "inverse_or_pole",
    _inverse_value,
    lambda y, _gaps, _pole, t, _pole_dot: -(y * y) * t,
    batch=aligned,
    linear=(),
)


def _inverse_of_series(args: Any, _params: Any) -> Any:
    """1 / g, starting at ε⁻¹ where g is zero but for rounding."""
    gaps, pole = args
    gaps = trimmed(gaps)
    coefs = gaps.coefs
    count = len(coefs)
    known = [*coefs, np.zeros_like(coefs[0])] if gaps.exact else list(coefs)
    low = _reciprocal([np.where(pole, c, 1 if k == 0 else 0) for k, c in enumerate(known[1:])])
    high = _reciprocal([np.where(pole, 1 if k == 0 else 0, c) for k, c in enumerate(known)])
    terms = [np.where(pole, low[0], 0)]
    terms += [np.where(pole, low[k], high[k - 1]) for k in range(1, min(count, len(low)))]
    terms = [term.astype(coefs[0].dtype) for term in terms]
    return make_series(terms, 1, max(map(largest, terms)), gaps.origin)


def _reciprocal(coefs: Any) -> Any:
    """The coefficients of 1 / Σ cₖ εᵏ."""
    found = [1 / coefs[0]]
    for k in range(1, len(coefs)):
        total = sum(coefs[i] * found[k - i] for i in range(1, k + 1))
        found.append(-total / coefs[0])
    return found


RULES["inverse_or_pole"] = _inverse_of_series


def inverse_or_pole(gaps: Any, pole: Any) -> Any:
    """1 / g of gaps between values; `pole` says which are zero but for rounding."""
    return bind(inverse_p, gaps, pole)


def inverse_gaps(values: Any, equal: Any) -> Any:
    """Eᵢⱼ = 1 / (λⱼ - λᵢ), and 0 for i = j; `equal` says which values are equal."""
    n = values.shape[-1]
    eye = np.eye(n, dtype=bool)
    gaps = np.expand_dims(values, -2) - np.expand_dims(values, -1)
    gaps = where(eye, 1, gaps)
    found = inverse_or_pole(gaps, np.logical_and(equal, np.logical_not(eye)))
    return where(eye, 0, found)


def diagonal(x: Any) -> Any:
    """The diagonals of the last two axes."""
    return np.diagonal(x, axis1=-2, axis2=-1)


# --- declarations -----------------------------------------------------------------------------


def spectral(
    name: str, value: Callable[..., Any], jvp: Callable[..., Any], *, analytic: bool = False
) -> Primitive:
    """Declare a decomposition, with a parameter `levels`: how many transforms differentiate it."""

    def apply(args: Sequence[Any], params: dict[str, Any]) -> Any:
        levels = params["levels"] + levels_of(args[0])
        return bind(primitive, *args, **(params | {"levels": levels}))

    primitive = smooth(name, value, jvp, batch=same_call, analytic=analytic, apply=apply)
    RULES[name] = lambda args, params: bind(primitive, *map(restarted, args), **params)
    return primitive


def shared(parts: Any, equal: Any) -> Any:
    """The mean over equal values, in place of each."""
    weights = np.astype(equal, parts.dtype)
    weights = weights / np.sum(weights, axis=-1, keepdims=True)
    return np.sum(weights * np.expand_dims(parts, -2), axis=-1)


def turning(vectors: Any, moved: Any, place: Any, equal: Any) -> Any:
    """i times the speed at which one component of complex vectors turns: shape (..., 1, n).

    LAPACK keeps that component real, so that much has to be taken from the tangents. Where it is
    (nearly) zero, or vectors belong to equal values, the phases are left as they are: vᴴ v̇ = 0.
    """
    pivot, pivot_dot = (np.take_along_axis(x, place, axis=-2) for x in (vectors, moved))
    size = np.abs(pivot)
    tiny = float(np.finfo(vectors.dtype).eps) ** 0.25
    free = np.logical_or(size <= tiny, np.expand_dims(np.sum(equal, axis=-1) > 1, -2))
    angle = np.imag(np.conjugate(pivot) * pivot_dot) / where(free, 1, size * size)
    return where(free, 0, angle) * 1j


def row_of(vectors: Any, number: int) -> Any:
    """The index of one component of each vector, for `turning`."""
    shape = shape_of(vectors)
    return np.full((*shape[:-2], 1, shape[-1]), number)
