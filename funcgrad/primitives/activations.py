"""Activations of neural networks that are worth a primitive: one record, few residuals.

At its kinks relu has derivative 0, and so has relu6, as in JAX. Values and derivatives hold at
±inf: see `funcgrad.primitives.special`.
"""

from typing import Any

import numpy as np

from funcgrad.families.shapes import masked
from funcgrad.primitives.special import bounded, erfc, expit, special

__all__ = ["gelu", "gelu_tanh", "relu", "relu6", "silu"]

SQRT_HALF = 0.7071067811865476
SQRT_TWO_OVER_PI = 0.7978845608028654
CUBIC = 0.044715


relu = special("relu", lambda x: np.maximum(x, 0), lambda y, _x, t: masked(y > 0, t))
relu6 = special(
    "relu6",
    lambda x: np.minimum(np.maximum(x, 0), 6),
    lambda y, _x, t: masked((y > 0) & (y < 6), t),
    domain=(0.2, 4.0),
)

# Each of the following is x times a distribution function F(x) that is exactly 0 below the bound,
# and whose density is exactly 0 beyond it on both sides.


def _silu_slope(x: Any) -> Any:
    s = expit(x)
    return s * (1 + bounded(x, 1e3) * (1 - s))


def _normal_cdf(x: Any) -> Any:
    return 0.5 * erfc(-SQRT_HALF * x)


def _gelu_slope(x: Any) -> Any:
    c = bounded(x, 50.0)
    density = (SQRT_HALF * 0.5 * 1.1283791670955126) * np.exp(-0.5 * (c * c))
    return _normal_cdf(x) + c * density


def _logit(c: Any) -> Any:
    """2 √(2/π) (c + 0.044715 c³): its logistic function is (1 + tanh(… / 2)) / 2."""
    return (2 * SQRT_TWO_OVER_PI) * (c + CUBIC * (c * c * c))


def _gelu_tanh_slope(x: Any) -> Any:
    c = bounded(x, 30.0)
    s = expit(_logit(c))
    return s + c * (s * (1 - s)) * ((2 * SQRT_TWO_OVER_PI) * (1 + (3 * CUBIC) * (c * c)))


silu = special(
    "silu",
    lambda x: np.maximum(x, -1e3) * expit(x),
    lambda _y, x, t: t * _silu_slope(x),
)
gelu = special(
    "gelu",
    lambda x: np.maximum(x, -50) * _normal_cdf(x),
    lambda _y, x, t: t * _gelu_slope(x),
)
gelu_tanh = special(
    "gelu_tanh",
    lambda x: np.maximum(x, -30) * expit(_logit(bounded(x, 30.0))),
    lambda _y, x, t: t * _gelu_tanh_slope(x),
)
