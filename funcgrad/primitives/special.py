"""Special functions of one real operand: error function, gamma function and its kin, logistic.

The values come from `funcgrad.special_values`, except where NumPy's own vectorised exp is as good
and much faster. Every rule holds, without warnings, at ±1e3 and at ±inf where there is a limit: a
factor that grows meets one that has underflowed to 0 only after `bounded` has stopped its growth.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from funcgrad import special_values
from funcgrad.core.tracer import bind
from funcgrad.errors import InputDtypeError
from funcgrad.families.batching import same_call
from funcgrad.families.elementwise import elementwise
from funcgrad.families.shapes import as_operand
from funcgrad.families.smooth import smooth

__all__ = [
    "bounded",
    "digamma",
    "erf",
    "erfc",
    "expit",
    "lgamma",
    "log_expit",
    "polygamma",
    "real_operand",
    "softplus",
    "special",
    "trigamma",
]

TWO_OVER_SQRT_PI = 1.1283791670955126
POSITIVE = (0.2, 4.0)
SAFE = {2: 10.0, 4: 80.0, 8: 700.0}
"""By bytes of an element: exp(x) neither overflows nor is subnormal up to there."""


def real_operand(name: str, x: Any) -> Any:
    """The plain operand, integers as float64.

    Raises:
        InputDtypeError: if it is complex, or holds no numbers.
    """
    dtype = getattr(x, "dtype", None)
    kind = np.result_type(type(x)).kind if dtype is None else dtype.kind
    if kind == "f":
        return x
    if kind in "biu":
        return np.float64(x) if dtype is None else x.astype(np.float64)
    raise InputDtypeError(
        f"{name}: the operand has dtype {dtype or type(x).__name__}. The function is defined for "
        "real numbers only. Pass x.real if the imaginary part does not matter, or an array of "
        "floats."
    )


def special(
    name: str,
    value: Callable[[Any], Any],
    rule: Callable[..., Any],
    domain: tuple[float, float] = (-3.0, 3.0),
) -> Callable[[Any], Any]:
    """Declare an elementwise primitive of one real operand that NumPy does not have.

    Args:
        name: of the primitive.
        value: the computation on a plain floating-point operand.
        rule: `(y, x, tangent) -> tangent of y`; see `funcgrad.families.elementwise`.
        domain: where it is smooth (for the law tests).

    Returns:
        The function, on plain and traced values.
    """

    def checked(x: Any) -> Any:
        return value(real_operand(name, x))

    checked.__name__ = name
    function = elementwise(checked, rule, domain=domain, analytic=False)
    function.__doc__ = f"{name} of a real operand, on plain and traced values."
    return function


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
    if np.minimum.reduce(x, axis=None, initial=0) > -SAFE.get(np.result_type(x).itemsize, 700.0):
        return 1 / (1 + np.exp(-x))
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))


def log_logistic(x: Any) -> Any:
    """min(x, 0) - log(1 + exp(-|x|))."""
    return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))


def log_one_plus_exp(x: Any) -> Any:
    """max(x, 0) + log(1 + exp(-|x|))."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


expit = special("expit", logistic, lambda y, _x, t: t * (y * (1 - y)))
log_expit = special("log_expit", log_logistic, lambda _y, x, t: t * expit(-x))
softplus = special("softplus", log_one_plus_exp, lambda _y, x, t: t * expit(x))


# --- error function ---------------------------------------------------------------------------


def _bell(x: Any) -> Any:
    """2/√π exp(-x²), which is 0 beyond ±28."""
    x = bounded(x, 30.0)
    return TWO_OVER_SQRT_PI * np.exp(-(x * x))


erf = special("erf", special_values.erf, lambda _y, x, t: t * _bell(x))
erfc = special("erfc", special_values.erfc, lambda _y, x, t: -(t * _bell(x)))


# --- gamma function ---------------------------------------------------------------------------

polygamma_p = smooth(
    "polygamma",
    lambda x, *, n: special_values.polygamma(n, real_operand("polygamma", x)),
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
    "digamma", special_values.digamma, lambda _y, x, t: t * trigamma(x), domain=POSITIVE
)
lgamma = special("lgamma", special_values.lgamma, lambda _y, x, t: t * digamma(x), domain=POSITIVE)
