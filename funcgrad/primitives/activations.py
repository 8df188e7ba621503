"""Activations of neural networks that are worth a primitive: one record, few residuals.

At its kinks relu has derivative 0, and so has relu6; leaky_relu has 1 at 0, and hard_tanh at both
ends: as in JAX. Values and derivatives hold at ±inf: see `funcgrad.primitives.special`.
"""

from typing import Any

import numpy as np

from funcgrad.families.elementwise import elementwise
from funcgrad.families.shapes import masked
from funcgrad.primitives.special import (
    bell,
    bounded,
    erfc,
    erfc_value,
    expit,
    logistic,
    real_operand,
    special,
)

__all__ = [
    "gelu",
    "gelu_tanh",
    "hard_tanh",
    "leaky_relu",
    "negative_part",
    "relu",
    "relu6",
    "silu",
]

SQRT_HALF = 0.7071067811865476
HALF_SQRT_HALF = 0.3535533905932738
SQRT_TWO_OVER_PI = 0.7978845608028654
CUBIC = 0.044715


# --- piecewise linear -------------------------------------------------------------------------

relu = special("relu", lambda x: np.maximum(x, 0), lambda y, _x, t: masked(y > 0, t))
relu6 = special(
    "relu6",
    lambda x: np.minimum(np.maximum(x, 0), 6),
    lambda y, _x, t: masked((y > 0) & (y < 6), t),
    domain=(0.2, 4.0),
)
hard_tanh = special(
    "hard_tanh",
    lambda x: np.minimum(np.maximum(x, -1), 1),
    lambda _y, x, t: masked((x >= -1) & (x <= 1), t),
    domain=(-0.9, 0.9),
)
negative_part = special(
    "negative_part", lambda x: np.minimum(x, 0), lambda _y, x, t: masked(x <= 0, t)
)


def _leaky_value(x: Any, slope: Any) -> Any:
    x = real_operand("leaky_relu", x)
    if type(slope) is float and 0 < slope <= 1:
        return np.maximum(x, slope * x)
    return np.maximum(x, 0) + slope * np.minimum(x, 0)


def _leaky_by_x(_z: Any, x: Any, slope: Any, t: Any) -> Any:
    if type(slope) is float and 0 < slope <= 1 and type(x) is np.ndarray:
        return t * np.maximum(x >= 0, x.dtype.type(slope))  # True is 1
    return masked(x >= 0, t) + slope * masked(x < 0, t)


_leaky_value.__name__ = "leaky_relu"
leaky_relu = elementwise(
    _leaky_value,
    _leaky_by_x,
    lambda _z, x, _slope, t: masked(x < 0, x) * t,
    analytic=False,
)


# --- x F(x) -----------------------------------------------------------------------------------
# F is a distribution function, exactly 0 below a bound, whose density is exactly 0 beyond it on
# both sides.


def _at_most(c: Any, bound: float) -> Any:
    """min(c, bound) in the memory of c, unless c is a NumPy scalar."""
    return np.minimum(c, bound, out=c) if type(c) is np.ndarray else np.minimum(c, bound)


def _silu_slope(x: Any) -> Any:
    s = expit(x)
    return s * (1 + bounded(x, 1e3) * (1 - s))


def _silu_and_slope(x: Any) -> tuple[Any, Any]:
    s = logistic(x)
    c = np.maximum(x, -1e3)
    y = c * s
    slope = 1 - s
    slope *= _at_most(c, 1e3)
    slope += 1
    slope *= s
    return y, slope


silu = special(
    "silu",
    lambda x: np.maximum(x, -1e3) * logistic(x),
    lambda _y, x, t: t * _silu_slope(x),
    value_and_slope=_silu_and_slope,
)


def _gelu_slope(x: Any) -> Any:
    return 0.5 * erfc(-SQRT_HALF * x) + bounded(x, 50.0) * (HALF_SQRT_HALF * bell(SQRT_HALF * x))


def _gelu_and_slope(x: Any) -> tuple[Any, Any]:
    cdf = 0.5 * erfc_value(-SQRT_HALF * x)
    c = np.maximum(x, -50)
    y = c * cdf
    return y, cdf + _at_most(c, 50) * (HALF_SQRT_HALF * bell(SQRT_HALF * x))


gelu = special(
    "gelu",
    lambda x: np.maximum(x, -50) * (0.5 * erfc_value(-SQRT_HALF * x)),
    lambda _y, x, t: t * _gelu_slope(x),
    value_and_slope=_gelu_and_slope,
)


def _logit(c: Any) -> Any:
    """2 √(2/π) (c + 0.044715 c³): its logistic function is (1 + tanh(… / 2)) / 2."""
    return c * ((2 * SQRT_TWO_OVER_PI) + (2 * SQRT_TWO_OVER_PI * CUBIC) * (c * c))


def _logit_slope(c: Any) -> Any:
    return (2 * SQRT_TWO_OVER_PI) + (6 * SQRT_TWO_OVER_PI * CUBIC) * (c * c)


def _gelu_tanh_slope(x: Any) -> Any:
    c = bounded(x, 30.0)
    s = expit(_logit(c))
    return s + c * (s * (1 - s)) * _logit_slope(c)


def _gelu_tanh_and_slope(x: Any) -> tuple[Any, Any]:
    c = _at_most(np.maximum(x, -30), 30)
    s = logistic(_logit(c))
    slope = 1 - s
    slope *= c
    slope *= _logit_slope(c)
    slope += 1
    slope *= s
    return np.maximum(x, c) * s, slope


gelu_tanh = special(
    "gelu_tanh",
    lambda x: np.maximum(x, -30) * logistic(_logit(np.minimum(np.maximum(x, -30), 30))),
    lambda _y, x, t: t * _gelu_tanh_slope(x),
    value_and_slope=_gelu_tanh_and_slope,
)
