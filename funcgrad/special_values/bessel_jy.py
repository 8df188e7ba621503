"""Bessel functions of the first and second kind, of orders 0 and 1.

Up to x = 1 by their power series (DLMF 10.2.2, 10.8.1, 10.8.2). Up to 25, all Jₙ by J. C. P.
Miller's backward recurrence (DLMF 3.6(vi)), and Y₀ and Y₁ by Neumann series in them (Abramowitz and
Stegun 9.1.88, 9.1.89). Beyond by Hankel's expansions (DLMF 10.17.3, 10.17.4). The error is at most
10⁻¹⁵ of the larger of the value and √(2/πx): it is not relative to the value around zeros.
"""

import functools
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from funcgrad.special_values.evaluation import FloatArray, Kernel, RealValues, branch, evaluate

__all__ = ["j0", "j1", "y0", "y1"]

NEAR, FAR = 1.0, 25.0
START = 76
"""Where the recurrence starts: J₇₆(25) is 10⁻²⁵ of J₀."""
EULER = 0.57721566490153286061
TERMS, TAIL = 12, 24


def j0(x: npt.ArrayLike) -> RealValues:
    """J₀(x)."""
    return evaluate("j0", lambda x: _J0(np.abs(x)), x)


def j1(x: npt.ArrayLike) -> RealValues:
    """J₁(x)."""
    return evaluate("j1", lambda x: np.copysign(1.0, x) * _J1(np.abs(x)), x)


def y0(x: npt.ArrayLike) -> RealValues:
    """Y₀(x): -inf at 0, nan below."""
    return evaluate("y0", functools.partial(_positive, _Y0), x)


def y1(x: npt.ArrayLike) -> RealValues:
    """Y₁(x): -inf at 0, nan below."""
    return evaluate("y1", functools.partial(_positive, _Y1), x)


def _positive(kernel: Kernel, x: FloatArray) -> FloatArray:
    y = kernel(np.where(x > 0, x, 1.0))
    return np.where(x > 0, y, np.where(x == 0, -np.inf, np.nan))


# --- power series -----------------------------------------------------------------------------


def _harmonic(n: int) -> float:
    return math.fsum(1 / k for k in range(1, n + 1))


def _series(x: FloatArray, order: int, weight: Callable[[int], float]) -> FloatArray:
    """(x/2)ⁿ Σ wₖ (-x²/4)ᵏ / (k! (k + n)!)."""
    quarter = -(x * x) / 4
    total = np.zeros_like(x)
    for k in range(TERMS, -1, -1):
        factorials = math.factorial(k) * math.factorial(k + order)
        total = total * quarter + weight(k) / factorials
    return (x / 2) ** order * total


def _y0_series(x: FloatArray) -> FloatArray:
    logarithm = np.log(x / 2) + EULER
    return (2 / math.pi) * (logarithm * _series(x, 0, lambda _k: 1.0) - _series(x, 0, _harmonic))


def _y1_series(x: FloatArray) -> FloatArray:
    logarithm = np.log(x / 2) + EULER
    means = _series(x, 1, lambda k: (_harmonic(k) + _harmonic(k + 1)) / 2)
    return (2 / math.pi) * (logarithm * _series(x, 1, lambda _k: 1.0) - means - 1 / x)


# --- recurrence -------------------------------------------------------------------------------


def _all_orders(x: FloatArray) -> list[FloatArray]:
    """J₀(x), J₁(x), ..., normalised by J₀ + 2 (J₂ + J₄ + ...) = 1."""
    after, now = np.zeros_like(x), np.full_like(x, 1e-150)
    found = [now]
    for k in range(START, 0, -1):
        after, now = now, (2 * k / x) * now - after
        found.append(now)
    found.reverse()
    norm = found[0] + 2 * sum(found[2::2])
    return [one / norm for one in found]


def _y0_between(x: FloatArray) -> FloatArray:
    j = _all_orders(x)
    rest = sum((-1) ** k * j[2 * k] / k for k in range(START // 2, 0, -1))
    total: FloatArray = (2 / math.pi) * ((np.log(x / 2) + EULER) * j[0] - 2 * rest)
    return total


def _y1_between(x: FloatArray) -> FloatArray:
    j = _all_orders(x)
    rest = sum(
        (-1) ** k * (2 * k + 1) / (k * (k + 1)) * j[2 * k + 1] for k in range(START // 2 - 1, 0, -1)
    )
    logarithm = np.log(x / 2) + (EULER - 1)
    total: FloatArray = (2 / math.pi) * (logarithm * j[1] - rest - j[0] / x)
    return total


# --- asymptotic expansions --------------------------------------------------------------------


def _wave(order: int, turns: int) -> Kernel:
    """√(2/πx) (P cos χ - Q sin χ), where χ = x - π/4 - (order + turns) π/2; Y has one turn more."""

    def kernel(x: FloatArray) -> FloatArray:
        finite = np.where(np.isfinite(x), x, FAR)
        p, q, term = np.zeros_like(x), np.zeros_like(x), np.ones_like(x)
        for k in range(TAIL):
            part = q if k % 2 else p
            part += -term if k % 4 > 1 else term
            term = term * ((4 * order * order - (2 * k + 1) ** 2) / (8 * (k + 1))) / finite
        cosine, sine = np.cos(finite), np.sin(finite)
        cosine, sine = cosine + sine, sine - cosine  # √2 cos and √2 sin of x - π/4
        for _ in range(order + turns):
            cosine, sine = sine, -cosine
        out = (p * cosine - q * sine) / np.sqrt(math.pi * finite)
        return np.where(np.isinf(x), 0.0, np.where(np.isnan(x), x, out))

    return kernel


def _pieces(near: Kernel, between: Kernel, far: Kernel) -> Kernel:
    def rest(x: FloatArray) -> FloatArray:
        return branch(x, x <= FAR, between, far)

    return lambda x: branch(x, x <= NEAR, near, rest)


_J0 = _pieces(lambda x: _series(x, 0, lambda _k: 1.0), lambda x: _all_orders(x)[0], _wave(0, 0))
_J1 = _pieces(lambda x: _series(x, 1, lambda _k: 1.0), lambda x: _all_orders(x)[1], _wave(1, 0))
_Y0 = _pieces(_y0_series, _y0_between, _wave(0, 1))
_Y1 = _pieces(_y1_series, _y1_between, _wave(1, 1))
