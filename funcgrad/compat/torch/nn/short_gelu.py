"""The short way of gelu(x) = x Φ(x) for float32, with its derivative Φ(x) + x φ(x)."""

import math
from typing import Any

import numpy as np

from funcgrad.primitives.activations import CUBIC, SQRT_TWO_OVER_PI

__all__ = ["gelu_of"]

BLOCK = 16384
"""Elements that are worked on at once: they and a few more arrays of them stay in the cache."""

INVERSE = 0.276
COEFFICIENTS = (
    0.11762428454959965, 0.04672248979995888, 0.3221491128467066,
    -0.31385611438174965, 0.4408115564153528, -0.11345133314847806,
)  # fmt: skip
"""Φ(-a) = t (c₁ + c₂ t + … + c₆ t⁵) exp(-a² / 2) with t = 1 / (1 + 0.276 a), a ≥ 0, to 3.9e-9.

The form is that of C. Hastings, "Approximations for Digital Computers" (1955); the numbers are a
least-squares fit, weighted anew until the largest error was smallest.
"""

FAR = 14.0
"""Beyond, exp(-a² / 2) is 0 in float32."""


def gelu_of(x: Any, tanh: bool, sloped: bool) -> tuple[Any, Any]:
    """gelu(x), or its approximation by tanh, and the derivative or `None`.

    Args:
        x: float32 array.
        tanh: whether to approximate Φ by tanh.
        sloped: whether the derivative is wanted.
    """
    flat = np.ascontiguousarray(x).reshape(-1)
    y = np.empty_like(flat)
    slope = np.empty_like(flat) if sloped else None
    function = _by_tanh if tanh else _exact
    with np.errstate(all="ignore"):
        for start in range(0, flat.size, BLOCK):
            block = slice(start, start + BLOCK)
            function(flat[block], y[block], None if slope is None else slope[block])
    return y.reshape(x.shape), None if slope is None else slope.reshape(x.shape)


def _exact(x: Any, y: Any, slope: Any) -> None:
    one, half = np.float32(1), np.float32(0.5)
    a = np.abs(x)
    np.minimum(a, np.float32(FAR), out=a)
    bell = a * a
    bell *= -half
    np.exp(bell, bell)
    a *= np.float32(INVERSE)
    a += one
    t = np.divide(one, a, a)
    tail = t * np.float32(COEFFICIENTS[-1])
    for coefficient in COEFFICIENTS[-2::-1]:
        tail += np.float32(coefficient)
        tail *= t
    tail *= bell
    np.subtract(half, tail, tail)
    np.copysign(tail, x, tail)
    tail += half
    np.multiply(x, tail, y)
    if slope is not None:
        np.multiply(x, bell, slope)
        slope *= np.float32(1 / math.sqrt(2 * math.pi))
        slope += tail


def _by_tanh(x: Any, y: Any, slope: Any) -> None:
    one, half = np.float32(1), np.float32(0.5)
    square = x * x
    inner = square * np.float32(CUBIC * SQRT_TWO_OVER_PI)
    inner += np.float32(SQRT_TWO_OVER_PI)
    inner *= x
    np.tanh(inner, inner)
    share = inner + one
    share *= half
    np.multiply(x, share, y)
    if slope is not None:
        square *= np.float32(3 * CUBIC * SQRT_TWO_OVER_PI)
        square += np.float32(SQRT_TWO_OVER_PI)
        square *= x
        square *= half
        inner *= inner
        np.subtract(one, inner, inner)
        np.multiply(inner, square, slope)
        slope += share
