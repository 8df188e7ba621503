"""The primitives of random numbers. Each takes its key as an operand, so nothing is ever folded.

All are piecewise constant, except gamma numbers in their parameter; what else has derivatives is
computed from these with ordinary functions.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad import special_values
from funcgrad.core.primitive import JvpRule, Primitive, VjpRule, register
from funcgrad.core.tracer import bind
from funcgrad.families.shapes import in_front
from funcgrad.primitives.special import special, tabulated
from funcgrad.primitives.special_functions import erfcx
from funcgrad.random import draws
from funcgrad.random.gamma_tail import log_slope
from funcgrad.special_values.evaluation import FloatArray, evaluate

__all__ = [
    "binomial_p",
    "fold_in_p",
    "gamma_p",
    "integers_p",
    "key_p",
    "ndtri_exp",
    "normal_p",
    "permutation_p",
    "poisson_p",
    "split_p",
    "uniform_p",
]


DOUBLE = np.dtype(np.float64)


def _drawn(
    value: Callable[..., Any], jvp: JvpRule | None = None, vjp: VjpRule | None = None
) -> Primitive:
    """Declare a primitive whose first operand is a key (or the seed of one).

    Under vmap each example has its key, and its part of the other operands.
    """

    def batch(
        size: int, batched: Sequence[bool], values: Sequence[Any], params: dict[str, Any]
    ) -> Any:
        each = [
            in_front(size, value, flag) if hasattr(value, "shape") else value
            for value, flag in zip(values, batched, strict=True)
        ]
        return bind(primitive, *each, **params)

    primitive = register(
        Primitive(
            name=value.__name__,
            value=value,
            family="random",
            jvp=jvp,
            vjp=vjp,
            batch=batch,
            analytic=False,
        )
    )
    return primitive


key_p = _drawn(draws.random_key)
split_p = _drawn(draws.random_split)
fold_in_p = _drawn(draws.random_fold_in)
uniform_p = _drawn(draws.random_uniform)
normal_p = _drawn(draws.random_normal)
integers_p = _drawn(draws.random_integers)
permutation_p = _drawn(draws.random_permutation)
poisson_p = _drawn(draws.random_poisson)
binomial_p = _drawn(draws.random_binomial)


def _gamma_slope(out: Any, a: Any, log: bool) -> Any:
    """The derivative of a gamma number, or of its logarithm, by its parameter.

    It is computed in double: log x - ψ(a + 1) cancels where a is large.
    """
    x, a = _cast(out, DOUBLE), _cast(a, DOUBLE)
    if log:
        return _cast(log_slope(a, x), out.dtype)
    slope = x * log_slope(a, np.log(np.where(x > 0, x, 1.0)))
    return _cast(np.where(x > 0, slope, 0.0), out.dtype)


def _cast(x: Any, dtype: np.dtype[Any]) -> Any:
    return x if x.dtype == dtype else np.astype(x, dtype)


def _gamma_jvp(out: Any, args: Sequence[Any], dots: Sequence[Any], params: dict[str, Any]) -> Any:
    return dots[1] * _gamma_slope(out, args[1], **params)


def _gamma_vjp(
    out: Any, args: Sequence[Any], _active: tuple[bool, ...], params: dict[str, Any]
) -> Any:
    return lambda ct, kept: ct * _gamma_slope(*kept, **params), (out, args[1])


gamma_p = _drawn(draws.random_gamma, _gamma_jvp, _gamma_vjp)


# --- the quantile of the normal distribution, of a logarithm ----------------------------------


def _ndtri_exp_value(log_p: Any) -> Any:
    return evaluate("ndtri_exp", _quantile, log_p)


def _quantile(y: FloatArray) -> FloatArray:
    """The x with log Φ(x) = y, from the smaller one of p and 1 - p; for tiny p by Newton."""
    out = np.full_like(y, np.nan)
    for chosen, kernel in (
        ((y > -1) & (y <= 0), lambda y: -special_values.ndtri(-np.expm1(y))),
        ((y > -600) & (y <= -1), lambda y: special_values.ndtri(np.exp(y))),
        (y <= -600, _far_quantile),
    ):
        index = chosen.nonzero()[0]
        if index.size:
            out[index] = kernel(y[index])
    return out


def _far_quantile(y: FloatArray) -> FloatArray:
    x = -np.sqrt(-2 * y - np.log(-4 * math.pi * y))
    for _ in range(3):
        inverse_slope = special_values.erfcx(-x / math.sqrt(2)) * math.sqrt(math.pi / 2)
        x = x - (special_values.log_ndtr(x) - y) * inverse_slope
    return np.where(y == -np.inf, y, x)


ndtri_exp = special(
    "ndtri_exp",
    tabulated("ndtri_exp", _ndtri_exp_value),
    lambda x, _y, t: t * (math.sqrt(math.pi / 2) * erfcx(x * (-1 / math.sqrt(2)))),
    domain=(-3.0, -0.1),
)
"""The x with log Φ(x) = y, the inverse of `log_ndtr`."""
