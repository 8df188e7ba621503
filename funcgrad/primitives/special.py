"""Special functions of one real operand: error function, gamma function and its kin, logistic.

The values come from `funcgrad.special_values`, except where NumPy's own vectorised exp is as good
and much faster. Every rule holds, without warnings, at ±1e3 and at ±inf where there is a limit: a
factor that grows meets one that has underflowed to 0 only after `bounded` has stopped its growth.
"""

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from funcgrad import special_values
from funcgrad.core.foreign import cast, each_element, is_foreign
from funcgrad.core.modes import MODES
from funcgrad.core.primitive import PRIMITIVES, Primitive
from funcgrad.core.tracer import bind
from funcgrad.errors import InputDtypeError
from funcgrad.families.batching import same_call
from funcgrad.families.elementwise import elementwise
from funcgrad.families.shapes import as_operand
from funcgrad.families.smooth import smooth
from funcgrad.interpreters.dual import Dual, DualTracer
from funcgrad.interpreters.record import RecordTracer
from funcgrad.interpreters.stage import StageTracer
from funcgrad.primitives.calls import append_record

__all__ = [
    "FLOATS",
    "as_real",
    "bell",
    "bounded",
    "digamma",
    "erf",
    "erfc",
    "erfc_value",
    "expit",
    "lgamma",
    "log_expit",
    "polygamma",
    "real_operand",
    "softplus",
    "special",
    "trigamma",
]

FLOATS = frozenset({np.dtype(np.float32), np.dtype(np.float64)})
"""What the recording fast paths take."""

TWO_OVER_SQRT_PI = 1.1283791670955126
POSITIVE = (0.2, 4.0)
SAFE = {2: 10.0, 4: 80.0, 8: 700.0}
"""By bytes of an element: exp(x) neither overflows nor is subnormal up to there."""


def real_operand(name: str, x: Any) -> Any:
    """The operand, integers as float64.

    Raises:
        InputDtypeError: if it is complex, or holds no numbers.
    """
    dtype = getattr(x, "dtype", None)
    kind = np.result_type(type(x)).kind if dtype is None else dtype.kind
    if kind == "f":
        return x
    if kind in "biu":
        return np.float64(x) if dtype is None else cast(x, np.float64)
    raise InputDtypeError(
        f"{name}: the operand has dtype {dtype or type(x).__name__}. The function is defined for "
        "real numbers only. Pass x.real if the imaginary part does not matter, or an array of "
        "floats."
    )


def as_real(name: str, x: Any) -> Any:
    """A user's operand, plain or traced, as a real floating-point one."""
    return real_operand(name, as_operand(x))


def special(
    name: str,
    value: Callable[[Any], Any],
    rule: Callable[..., Any],
    domain: tuple[float, float] = (-3.0, 3.0),
    value_and_slope: Callable[[Any], tuple[Any, Any]] | None = None,
) -> Callable[[Any], Any]:
    """Declare an elementwise primitive of one real operand that NumPy does not have.

    Args:
        name: of the primitive.
        value: the computation on a plain floating-point operand.
        rule: `(y, x, tangent) -> tangent of y`; see `funcgrad.families.elementwise`.
        domain: where it is smooth (for the law tests).
        value_and_slope: both for a plain array, where they share work: recorded values then keep
            the slope alone. The arrays are fresh.

    Returns:
        The function, on plain and traced values.
    """

    def checked(x: Any) -> Any:
        return value(real_operand(name, x))

    checked.__name__ = name
    general = elementwise(checked, rule, domain=domain, analytic=False)
    if value_and_slope is None:
        return general
    primitive = PRIMITIVES[name]
    both = _with_slope(name, value_and_slope, general, rule)

    def function(x: Any) -> Any:
        if type(x) is RecordTracer:
            plain = x.value
            if type(plain) is np.ndarray and plain.dtype in FLOATS:
                y, slope = value_and_slope(plain)
                return append_record(x, primitive, operator.mul, slope, y)
            staged = MODES.staging and type(plain) is StageTracer
            if staged and type(plain.value) is np.ndarray and plain.dtype in FLOATS:
                y, slope = bind(both, plain)  # the same in a compiled function
                return append_record(x, primitive, operator.mul, slope, y)
        return general(x)

    return function


def _with_slope(
    name: str,
    value_and_slope: Callable[[Any], tuple[Any, Any]],
    function: Callable[[Any], Any],
    rule: Callable[..., Any],
) -> Primitive:
    """Value and slope as one operation of a program: (f(x), f'(x))."""

    def jvp(out: Any, x: Any, t: Any) -> tuple[Any, Any]:
        trace = Dual(name)
        try:
            moved = DualTracer(x, t, trace)
            slope = rule(function(moved), moved, 1.0)
        finally:
            trace.close()
        return out[1] * t, slope.tangent

    return smooth(f"{name}_and_slope", value_and_slope, jvp, batch=same_call, analytic=False)


def tabulated(name: str, value: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function of `funcgrad.special_values`, which computes on plain arrays, for every value."""
    return lambda x: each_element(name, value, x) if is_foreign(x) else value(x)


# --- bounded: stops growth, not derivatives ---------------------------------------------------

bounded_p = smooth(
    "bounded",
    lambda x, *, bound: np.minimum(np.maximum(x, -bound), bound),
    lambda _out, _x, t, *, bound: t,  # the bound does not matter to the tangent
    batch=same_call,
    vjp=lambda _out, _args, _active, _params: (None, None),
    analytic=False,
)


def bounded(x: Any, bound: float) -> Any:
    """min(max(x, -bound), bound), with derivative 1 everywhere.

    For factors of something that is exactly 0 beyond the bound: 0 · inf would be nan.
    """
    return bind(bounded_p, x, bound=bound)


# --- logistic ---------------------------------------------------------------------------------


def logistic(x: Any) -> Any:
    """1 / (1 + exp(-x)), where exp(-x) cannot overflow; else without any growing exponential."""
    if is_foreign(x):
        return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))
    if np.minimum.reduce(x, axis=None, initial=0) > -SAFE.get(np.result_type(x).itemsize, 700.0):
        if type(x) is np.ndarray and x.ndim:
            y = np.negative(x)
            np.exp(y, out=y)
            y += 1
            return np.reciprocal(y, out=y)
        return 1 / (1 + np.exp(-x))
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))


def logistic_and_slope(x: Any) -> tuple[Any, Any]:
    """s = 1 / (1 + exp(-x)), and s (1 - s)."""
    s = logistic(x)
    slope = 1 - s
    slope *= s
    return s, slope


def log_logistic(x: Any) -> Any:
    """min(x, 0) - log(1 + exp(-|x|))."""
    return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))


def log_one_plus_exp(x: Any) -> Any:
    """max(x, 0) + log(1 + exp(-|x|))."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


expit = special(
    "expit",
    logistic,
    lambda y, _x, t: t * (y * (1 - y)),
    value_and_slope=logistic_and_slope,
)
log_expit = special(
    "log_expit",
    log_logistic,
    lambda _y, x, t: t * expit(-x),
    value_and_slope=lambda x: (log_logistic(x), logistic(-x)),
)
softplus = special(
    "softplus",
    log_one_plus_exp,
    lambda _y, x, t: t * expit(x),
    value_and_slope=lambda x: (log_one_plus_exp(x), logistic(x)),
)


# --- error function ---------------------------------------------------------------------------


def bell(x: Any) -> Any:
    """2/√π exp(-x²), which is 0 beyond ±28."""
    x = bounded(x, 30.0)
    return TWO_OVER_SQRT_PI * np.exp(-(x * x))


erfc_value = tabulated("erfc", special_values.erfc)
erf = special("erf", tabulated("erf", special_values.erf), lambda _y, x, t: t * bell(x))
erfc = special("erfc", erfc_value, lambda _y, x, t: -(t * bell(x)))


# --- gamma function ---------------------------------------------------------------------------

polygamma_p: Primitive = smooth(
    "polygamma",
    lambda x, *, n: tabulated("polygamma", functools.partial(special_values.polygamma, n))(
        real_operand("polygamma", x)
    ),
    lambda _out, x, t, *, n: t * bind(polygamma_p, x, n=n + 1),
    batch=same_call,
    domain=(POSITIVE,),
    analytic=False,
)


def polygamma(n: int, x: Any) -> Any:
    """ψ⁽ⁿ⁾(x), the n-th derivative of the digamma function; n is a plain int up to 100."""
    return bind(polygamma_p, as_operand(x), n=n)


def trigamma(x: Any) -> Any:
    """ψ′(x), the derivative of the digamma function."""
    return polygamma(1, x)


digamma = special(
    "digamma",
    tabulated("digamma", special_values.digamma),
    lambda _y, x, t: t * trigamma(x),
    domain=POSITIVE,
)
lgamma = special(
    "lgamma",
    tabulated("lgamma", special_values.lgamma),
    lambda _y, x, t: t * digamma(x),
    domain=POSITIVE,
)
