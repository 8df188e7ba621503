"""Special functions of statistics and physics: normal tails, Bessel, zeta, incomplete gamma.

Each derivative is written with functions of this file and of NumPy, so that those of higher order
follow.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad import special_values
from funcgrad.core.primitive import Primitive, Pull, register
from funcgrad.core.tracer import bind
from funcgrad.errors import UnsupportedFunctionError, user_line
from funcgrad.families.batching import aligned, batch_rule, same_call
from funcgrad.families.shapes import as_operand, fitter, rank_of
from funcgrad.families.smooth import smooth
from funcgrad.primitives.special import as_real, special, tabulated
from funcgrad.primitives.structural import where

__all__ = [
    "entr",
    "erfcx",
    "erfinv",
    "gammainc",
    "gammaincc",
    "log_ndtr",
    "ndtri",
    "scaled_bessel_i",
    "zeta",
]

ROOT_PI = math.sqrt(math.pi)
ROOT_2 = math.sqrt(2.0)
POSITIVE = (0.2, 4.0)

# --- normal distribution ----------------------------------------------------------------------

erfcx = special(
    "erfcx",
    tabulated("erfcx", special_values.erfcx),
    lambda y, x, t: t * (2 * x * y - 2 / ROOT_PI),
)
erfinv = special(
    "erfinv",
    tabulated("erfinv", special_values.erfinv),
    lambda y, _x, t: t * (ROOT_PI / 2 * np.exp(y * y)),
    domain=(-0.9, 0.9),
)
ndtri = special(
    "ndtri",
    tabulated("ndtri", special_values.ndtri),
    lambda y, _p, t: t * (math.sqrt(2 * math.pi) * np.exp(y * y / 2)),
    domain=(0.05, 0.95),
)
log_ndtr = special(
    "log_ndtr",
    tabulated("log_ndtr", special_values.log_ndtr),
    lambda _y, x, t: t * (math.sqrt(2 / math.pi) / erfcx(x * (-1 / ROOT_2))),
)


def _entr(x: Any) -> Any:
    inside = where(x > 0, x, 1)
    return where(x > 0, -(inside * np.log(inside)), where(x == 0, 0 * x, where(x < 0, -np.inf, x)))


def entr(x: Any) -> Any:
    """-x log x: 0 at 0, and -inf below."""
    x = as_real("entr", x)
    out = bind(entr_p, x)
    return out if rank_of(out) else out[()]


entr_p = smooth(
    "entr",
    _entr,
    lambda _y, x, t: t * (-np.log(x) - 1),
    batch=same_call,
    domain=(POSITIVE,),
    analytic=False,
)

# --- modified Bessel functions ----------------------------------------------------------------


def _scaled_value(x: Any, *, order: int) -> Any:
    value = functools.partial(special_values.scaled_bessel_i, order)
    return tabulated("scaled_bessel_i", value)(x)


def _scaled_jvp(y: Any, x: Any, t: Any, *, order: int) -> Any:
    """(Iₙ)' = (Iₙ₋₁ + Iₙ₊₁) / 2 (DLMF 10.29.1), and that of the factor exp(-|x|)."""
    around = scaled_bessel_i(x, abs(order - 1)) + scaled_bessel_i(x, order + 1)
    return t * (around / 2 - np.sign(x) * y)


scaled_bessel_i_p: Primitive = smooth(
    "scaled_bessel_i",
    _scaled_value,
    _scaled_jvp,
    batch=same_call,
    domain=((0.2, 4.0),),
    analytic=False,
)


def scaled_bessel_i(x: Any, order: int) -> Any:
    """exp(-|x|) Iₙ(x), n = 0, 1, 2, ..."""
    return bind(scaled_bessel_i_p, as_real("scaled_bessel_i", x), order=order)


# --- functions with a parameter that has no derivative ----------------------------------------


def _with_parameter(
    name: str, value: Callable[[Any, Any], Any], rule: Callable[..., Any]
) -> Callable[[Any, Any], Any]:
    """Declare f(a, x) with a rule `(y, a, x, tangent of x) -> tangent`, and none by a.

    A derivative by `a` that is asked for raises; it is never zero in silence.
    """

    def refuse() -> UnsupportedFunctionError:
        return UnsupportedFunctionError(
            f"{name}: a derivative by its first operand, at {user_line()}. There is no elementary "
            f"formula for it. Pass stop_gradient(a) if it is not wanted, or give {name} a rule of "
            "its own with funcgrad.custom_jvp."
        )

    def jvp(out: Any, args: Sequence[Any], dots: Sequence[Any], params: dict[str, Any]) -> Any:
        del params
        if dots[0] is not None:
            raise refuse()
        return rule(out, *args, dots[1])

    def vjp(
        out: Any, args: Sequence[Any], active: Sequence[bool], params: dict[str, Any]
    ) -> tuple[Pull, Any]:
        del params
        if active[0]:
            raise refuse()
        fit = fitter(args[1], out) or (lambda ct: ct)
        return lambda ct, kept: fit(rule(*kept, ct)), (out, *args)

    primitive = register(
        Primitive(
            name=name,
            value=value,
            family="smooth",
            jvp=jvp,
            vjp=vjp,
            batch=batch_rule(aligned, lambda: primitive),
            domain=(POSITIVE, POSITIVE),
            analytic=False,
        )
    )

    def function(a: Any, x: Any) -> Any:
        return bind(primitive, as_operand(a), as_real(name, x))

    function.__name__ = name
    return function


zeta: Callable[[Any, Any], Any] = _with_parameter(
    "zeta", special_values.zeta, lambda _y, s, q, t: -(t * (s * zeta(s + 1, q)))
)
"""Hurwitz's ζ(s, q) = Σ (q + k)⁻ˢ."""

gamma_density = _with_parameter(
    "gamma_density", special_values.gamma_density, lambda y, a, x, t: t * (y * ((a - 1) / x - 1))
)
gammainc = _with_parameter(
    "gammainc", special_values.gammainc, lambda _y, a, x, t: t * gamma_density(a, x)
)
"""P(a, x), the regularised lower incomplete gamma function."""

gammaincc = _with_parameter(
    "gammaincc", special_values.gammaincc, lambda _y, a, x, t: -(t * gamma_density(a, x))
)
"""Q(a, x), the regularised upper incomplete gamma function."""
