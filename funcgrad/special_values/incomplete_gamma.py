"""The regularised incomplete gamma functions, and their density."""

import functools

import numpy as np
import numpy.typing as npt

from funcgrad.special_values.evaluation import FloatArray, RealValues, evaluate_pairs
from funcgrad.special_values.log_gamma import lgamma

__all__ = ["gamma_density", "gammainc", "gammaincc"]

STEPS = 100_000
ROUNDING = 2.0**-52


def gammainc(a: npt.ArrayLike, x: npt.ArrayLike) -> RealValues:
    """P(a, x) = ∫₀ˣ tᵃ⁻¹ exp(-t) dt / Γ(a), by its power series (DLMF 8.7.1), or 1 - Q(a, x).

    The relative error is a few times that of exp(a log x - x - lgamma(a)).
    """
    return evaluate_pairs("gammainc", functools.partial(_regularised, which=0), a, x)


def gammaincc(a: npt.ArrayLike, x: npt.ArrayLike) -> RealValues:
    """Q(a, x) = 1 - P(a, x), by its continued fraction (DLMF 8.9.2), or 1 - P(a, x)."""
    return evaluate_pairs("gammaincc", functools.partial(_regularised, which=1), a, x)


def gamma_density(a: npt.ArrayLike, x: npt.ArrayLike) -> RealValues:
    """xᵃ⁻¹ exp(-x) / Γ(a), the derivative of P(a, x) by x."""
    return evaluate_pairs(
        "gamma_density", lambda a, x: np.exp((a - 1) * np.log(x) - x - lgamma(a)), a, x
    )


def _parts(a: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """P and Q."""
    valid = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    a, x = np.where(valid, a, 1.0), np.where(valid, x, 1.0)
    scale = np.exp(a * np.log(x) - x - lgamma(a))
    by_series = x < a + 1
    series = _series(a, np.where(by_series, x, 0.5))
    fraction = _fraction(a, np.where(by_series, a + 2, x))
    lower = np.where(by_series, scale * series, 1 - scale * fraction)
    upper = np.where(by_series, 1 - scale * series, scale * fraction)
    return lower, upper


def _series(a: FloatArray, x: FloatArray) -> FloatArray:
    term = total = 1 / a
    for n in range(1, STEPS):
        term = term * x / (a + n)
        total = total + term
        if np.all(term <= 1e-17 * total):
            break
    return total


def _fraction(a: FloatArray, x: FloatArray) -> FloatArray:
    """W. J. Lentz's evaluation from the front (Appl. Opt. 15, 1976)."""
    b = x + 1 - a
    c, d = np.full_like(b, 1e300), 1 / b
    fraction = d
    for n in range(1, STEPS):
        factor = -n * (n - a)
        b = b + 2
        d = 1 / (factor * d + b)
        c = b + factor / c
        fraction = fraction * (c * d)
        if np.all(np.abs(c * d - 1) <= ROUNDING):
            break
    return fraction


def _regularised(a: FloatArray, x: FloatArray, *, which: int) -> FloatArray:
    out = _parts(a, x)[which]
    ends = (0.0, 1.0) if which == 0 else (1.0, 0.0)
    out = np.where((x == 0) & (a > 0), ends[0], out)
    out = np.where((a == 0) & (x > 0), ends[1], out)
    out = np.where((a >= 0) & np.isfinite(a) & (x == np.inf), ends[1], out)
    out = np.where((a == np.inf) & (x >= 0) & np.isfinite(x), ends[0], out)
    undefined = (a < 0) | (x < 0) | ((a == 0) & (x == 0)) | (np.isinf(a) & np.isinf(x))
    return np.where(undefined | np.isnan(a) | np.isnan(x), np.nan, out)
