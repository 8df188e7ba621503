"""Modified Bessel functions of the second kind, of real order, for positive arguments.

exp(x) K_ν(x) = ∫₀^∞ exp(-x (cosh t - 1)) cosh(ν t) dt (DLMF 10.32.9). With w = √(2x) sinh(t/2) the
exponential is exp(-w²), and the trapezoidal rule converges so fast that a few nodes suffice for all
x >= 1: its error is exp(-2π √(2x) / h). All terms are positive, so nothing cancels.
"""

import functools
import math

import numpy as np
import numpy.typing as npt

from funcgrad.special_values.evaluation import FloatArray, RealValues, branch, evaluate

__all__ = ["k0", "k0e", "k1", "k1e", "scaled_by_integral"]

STEP, NODES = 0.15, 42
EULER = 0.57721566490153286061
TERMS = 12


def k0(x: npt.ArrayLike) -> RealValues:
    """K₀(x), within 8 ulp: inf at 0, nan below."""
    return evaluate("k0", functools.partial(_value, order=0, scaled=False), x)


def k1(x: npt.ArrayLike) -> RealValues:
    """K₁(x), within 8 ulp: inf at 0, nan below."""
    return evaluate("k1", functools.partial(_value, order=1, scaled=False), x)


def k0e(x: npt.ArrayLike) -> RealValues:
    """exp(x) K₀(x), within 8 ulp: inf at 0, nan below."""
    return evaluate("k0e", functools.partial(_value, order=0, scaled=True), x)


def k1e(x: npt.ArrayLike) -> RealValues:
    """exp(x) K₁(x), within 8 ulp: inf at 0, nan below."""
    return evaluate("k1e", functools.partial(_value, order=1, scaled=True), x)


def _value(x: FloatArray, *, order: int, scaled: bool) -> FloatArray:
    def near(x: FloatArray) -> FloatArray:
        y = _series(x, order)
        return y * np.exp(x) if scaled else y

    def far(x: FloatArray) -> FloatArray:
        y = scaled_by_integral(x, order)
        return y if scaled else y * np.exp(-x)

    y = branch(np.where(x > 0, x, 1.0), x < 1, near, far)
    return np.where(x > 0, y, np.where(x == 0, np.inf, np.nan))


def scaled_by_integral(x: FloatArray, order: float) -> FloatArray:
    """exp(x) K_ν(x) for x >= 1, by the integral over w."""
    finite = np.where(np.isfinite(x), x, 1.0)
    root = np.sqrt(2 * finite)
    total = np.full_like(finite, 0.5)
    for n in range(1, NODES):
        w = n * STEP
        slope = np.sqrt(1 + (w / root) ** 2)
        t = 2 * np.arcsinh(w / root)
        total += math.exp(-w * w) * np.cosh(order * t) / slope
    out = total * (2 * STEP) / root
    return np.where(np.isinf(x), 0.0, np.where(np.isnan(x), x, out))


def _series(x: FloatArray, order: int) -> FloatArray:
    """Power series around the logarithm at 0 (DLMF 10.31.1 and 10.31.2), for x < 1."""
    quarter = x * x / 4
    bessel, means = np.zeros_like(x), np.zeros_like(x)
    for k in range(TERMS, -1, -1):
        factorials = math.factorial(k) * math.factorial(k + order)
        mean = (_harmonic(k) + _harmonic(k + order)) / 2
        bessel = bessel * quarter + 1 / factorials
        means = means * quarter + mean / factorials
    logarithm = np.log(x / 2) + EULER
    if order == 0:
        return means - logarithm * bessel
    return 1 / x + x / 2 * (logarithm * bessel - means)


def _harmonic(n: int) -> float:
    return math.fsum(1 / k for k in range(1, n + 1))
