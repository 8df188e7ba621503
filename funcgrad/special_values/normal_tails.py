"""The scaled complementary error function, and what follows from it: quantiles, logarithms."""

import math

import numpy as np
import numpy.typing as npt

from funcgrad.special_values.error_function import erf as _erf
from funcgrad.special_values.error_function import erfc as _erfc
from funcgrad.special_values.evaluation import FloatArray, RealValues, evaluate

__all__ = ["erfcx", "erfinv", "log_ndtr", "ndtri"]

ROOT_PI = math.sqrt(math.pi)
ROOT_2 = math.sqrt(2.0)

FAR = 10.0
"""From here on the asymptotic series of erfcx is exact to float64 in 12 terms."""


def erfcx(x: npt.ArrayLike) -> RealValues:
    """exp(x²) erfc(x), within 8 ulp; it overflows for x < -26.6."""
    return evaluate("erfcx", _erfcx, x)


def erfinv(x: npt.ArrayLike) -> RealValues:
    """The y with erf(y) = x, within 8 ulp; nan outside of [-1, 1]."""
    return evaluate("erfinv", _erfinv, x)


def ndtri(p: npt.ArrayLike) -> RealValues:
    """The quantile of the normal distribution at p, within 8 ulp; nan outside of [0, 1]."""
    return evaluate("ndtri", _ndtri, p)


def log_ndtr(x: npt.ArrayLike) -> RealValues:
    """log of the normal distribution function, without cancellation in either tail."""
    return evaluate("log_ndtr", _log_ndtr, x)


def _erfcx(x: FloatArray) -> FloatArray:
    """With the square in two parts, and far out by the asymptotic series (DLMF 7.12.1)."""
    size = np.abs(x)
    near = np.minimum(size, FAR)
    square = near * near
    upper = near.astype(np.float32).astype(np.float64)
    error = (upper * upper - square) + (near - upper) * (near + upper)
    out = np.exp(square) * (1 + error) * _erfc(near)
    far = np.maximum(size, FAR)
    series = np.ones_like(far)
    for k in range(12, 0, -1):
        series = 1 - series * (2 * k - 1) / (2 * far * far)
    out = np.where(size < FAR, out, series / (far * ROOT_PI))
    whole = 2 * np.exp(size * size) - out
    return np.where(np.isnan(x), x, np.where(x < 0, whole, out))


def _first_guess(log: FloatArray) -> FloatArray:
    """S. Winitzki's approximation of erfinv (2008), by log(1 - x²); to a part in 400."""
    half = 2 / (math.pi * 0.147) + log / 2
    guess: FloatArray = np.sqrt(np.sqrt(half * half - log / 0.147) - half)
    return guess


def _inverse_erfc(q: FloatArray) -> FloatArray:
    """The y >= 0 with erfc(y) = q, by Newton's steps on log erfc; q in (0, 0.6]."""
    safe = np.where(q > 0, q, 0.5)
    y = _first_guess(np.log(safe) + np.log(2 - safe))
    for _ in range(4):
        scaled = _erfcx(y)
        y = y + (np.log(scaled) - y * y - np.log(safe)) * scaled * (ROOT_PI / 2)
    return np.where(q > 0, y, np.where(q == 0, np.inf, np.nan))


def _erfinv(x: FloatArray) -> FloatArray:
    """Halley's steps near 0, else from the complement, which is exact in 1 - |x|."""
    size = np.abs(x)
    near = np.minimum(size, 0.5)
    y = _first_guess(np.log1p(-near * near))
    for _ in range(3):
        step = (_erf(y) - near) * (ROOT_PI / 2) * np.exp(y * y)
        y = y - step / (1 + y * step)
    y = np.where(size <= 0.5, y, _inverse_erfc(1 - np.maximum(size, 0.5)))
    return np.where(np.isnan(x), x, np.copysign(y, x))


def _ndtri(p: FloatArray) -> FloatArray:
    lower = -ROOT_2 * _inverse_erfc(2 * np.minimum(p, 0.25))
    return np.where(p <= 0.25, lower, ROOT_2 * _erfinv(2 * p - 1))


def _log_ndtr(x: FloatArray) -> FloatArray:
    z = x / ROOT_2
    left = np.log(_erfcx(-np.minimum(z, 0)) / 2) - np.minimum(z, 0) ** 2
    return np.where(x < -1, left, np.log1p(-_erfc(np.maximum(z, -1)) / 2))
