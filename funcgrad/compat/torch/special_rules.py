"""Special functions that the engine has no primitive for: values in float64, and derivatives.

Each derivative is written with functions of this file and of NumPy, so that those of higher order
follow.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from funcgrad import special_values
from funcgrad.compat.torch.unlisted import unlisted

__all__ = [
    "bessel_i",
    "erfcx",
    "erfinv",
    "log_ndtr",
    "lower_gamma",
    "ndtri",
    "scaled_bessel_i",
    "upper_gamma",
    "zeta",
]

ROOT_PI = math.sqrt(math.pi)
ROOT_2 = math.sqrt(2.0)


def in_double(function: Callable[..., Any]) -> Callable[..., Any]:
    """Values of a function of float64 arrays (with axes), rounded to the operands' type."""

    def computed(*operands: Any, **params: Any) -> Any:
        arrays = np.broadcast_arrays(*operands)
        kind = arrays[0].dtype
        flat = [np.atleast_1d(array).astype(np.float64) for array in arrays]
        with np.errstate(all="ignore"):
            out = function(*flat, **params).reshape(arrays[0].shape).astype(kind)
        return out[()]

    computed.__doc__ = function.__doc__
    return computed


# --- error function ---------------------------------------------------------------------------

FAR = 10.0
"""From here on the asymptotic series of erfcx is exact to float64 in 12 terms."""


def _erfcx(x: Any) -> Any:
    """exp(x²) erfc(x): with the square in two parts, and far out by its asymptotic series."""
    size = np.abs(x)
    near = np.minimum(size, FAR)
    square = near * near
    upper = near.astype(np.float32).astype(np.float64)
    error = (upper * upper - square) + (near - upper) * (near + upper)
    out = np.exp(square) * (1 + error) * special_values.erfc(near)
    far = np.maximum(size, FAR)
    series = np.ones_like(far)
    for k in range(12, 0, -1):
        series = 1 - series * (2 * k - 1) / (2 * far * far)
    out = np.where(size < FAR, out, series / (far * ROOT_PI))
    whole = 2 * np.exp(size * size) - out
    return np.where(np.isnan(x), x, np.where(x < 0, whole, out))


erfcx = unlisted("erfcx", in_double(_erfcx), lambda y, x, t: t * (2 * x * y - 2 / ROOT_PI))


def _first_guess(log: Any) -> Any:
    """S. Winitzki's approximation of erfinv, by log(1 - x²); to a part in 400."""
    half = 2 / (math.pi * 0.147) + log / 2
    return np.sqrt(np.sqrt(half * half - log / 0.147) - half)


def _inverse_erfc(q: Any) -> Any:
    """The y >= 0 with erfc(y) = q, by Newton's steps on log erfc; q in (0, 0.6]."""
    safe = np.where(q > 0, q, 0.5)
    y = _first_guess(np.log(safe) + np.log(2 - safe))
    for _ in range(4):
        scaled = _erfcx(y)
        y = y + (np.log(scaled) - y * y - np.log(safe)) * scaled * (ROOT_PI / 2)
    return np.where(q > 0, y, np.where(q == 0, np.inf, np.nan))


def _erfinv(x: Any) -> Any:
    """Halley's steps near 0, else from the complement, which is exact in 1 - |x|."""
    size = np.abs(x)
    near = np.minimum(size, 0.5)
    y = _first_guess(np.log1p(-near * near))
    for _ in range(3):
        step = (special_values.erf(y) - near) * (ROOT_PI / 2) * np.exp(y * y)
        y = y - step / (1 + y * step)
    y = np.where(size <= 0.5, y, _inverse_erfc(1 - np.maximum(size, 0.5)))
    return np.where(np.isnan(x), x, np.copysign(y, x))


erfinv = unlisted("erfinv", in_double(_erfinv), lambda y, _x, t: t * (ROOT_PI / 2 * np.exp(y * y)))


def _ndtri(p: Any) -> Any:
    """The quantile of the normal distribution."""
    lower = -ROOT_2 * _inverse_erfc(2 * np.minimum(p, 0.25))
    return np.where(p <= 0.25, lower, ROOT_2 * _erfinv(2 * p - 1))


ndtri = unlisted(
    "ndtri", in_double(_ndtri), lambda y, _p, t: t * (math.sqrt(2 * math.pi) * np.exp(y * y / 2))
)


def _log_ndtr(x: Any) -> Any:
    """log of the normal distribution function, without cancellation in either tail."""
    z = x / ROOT_2
    left = np.log(_erfcx(-np.minimum(z, 0)) / 2) - np.minimum(z, 0) ** 2
    return np.where(x < -1, left, np.log1p(-special_values.erfc(np.maximum(z, -1)) / 2))


log_ndtr = unlisted(
    "log_ndtr",
    in_double(_log_ndtr),
    lambda _y, x, t: t * (math.sqrt(2 / math.pi) / erfcx(x * (-1 / ROOT_2))),
)


# --- modified Bessel functions ----------------------------------------------------------------

SERIES_TO = 30.0


def _scaled_bessel(x: Any, *, order: int) -> Any:
    """exp(-|x|) Iₙ(x): the power series, whose terms are all positive, or the asymptotic one.

    DLMF 10.25.2 and 10.40.1.
    """
    size = np.abs(x)
    near = np.minimum(size, SERIES_TO)
    quarter = near * near / 4
    total = np.ones_like(near)
    for k in range(70, 0, -1):
        total = 1 + total * quarter / (k * (k + order))
    series = np.exp(-near) * (near / 2) ** order / math.factorial(order) * total
    far = np.maximum(size, SERIES_TO)
    tail = np.ones_like(far)
    for k in range(22, 0, -1):
        tail = 1 - tail * (4 * order * order - (2 * k - 1) ** 2) / (k * 8 * far)
    out = np.where(size < SERIES_TO, series, tail / np.sqrt(2 * math.pi * far))
    out = np.where(np.isinf(x), 0.0, out)
    return np.where(x < 0, -out, out) if order % 2 else out


def _bessel(x: Any, *, order: int) -> Any:
    out = _scaled_bessel(x, order=order) * np.exp(np.abs(x))
    return np.where(np.isinf(x), x if order % 2 else np.abs(x), out)


def _scaled_slope(y: Any, x: Any, t: Any, *, order: int) -> Any:
    """(Iₙ)' = (Iₙ₋₁ + Iₙ₊₁) / 2, and that of the factor; DLMF 10.29.1."""
    around = scaled_bessel_i(x, order=abs(order - 1)) + scaled_bessel_i(x, order=order + 1)
    return t * (around / 2 - np.sign(x) * y)


def _bessel_slope(_y: Any, x: Any, t: Any, *, order: int) -> Any:
    return t * ((bessel_i(x, order=abs(order - 1)) + bessel_i(x, order=order + 1)) / 2)


scaled_bessel_i = unlisted("scaled_bessel_i", in_double(_scaled_bessel), _scaled_slope)
bessel_i = unlisted(
    "bessel_i",
    in_double(_bessel),
    _bessel_slope,
)


# --- Hurwitz zeta -----------------------------------------------------------------------------

# B₂ₖ / (2k)!, k = 1 ... 12
_BERNOULLI = (
    1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000,
    1 / 74724249600, -3617 / 10670622842880000, 43867 / 5109094217170944000,
    -174611 / 802857662698291200000, 77683 / 14101100039391805440000,
    -236364091 / 1693824136731743669452800000,
)  # fmt: skip
TERMS = 10


def _zeta(s: Any, q: Any) -> Any:
    """Sum of (q + k)⁻ˢ over k >= 0: ten terms, then Euler and Maclaurin's formula; DLMF 25.11.5."""
    bad = (s < 1) | np.isnan(s) | np.isnan(q) | ((q <= 0) & (q != np.floor(q)) & (s != np.floor(s)))
    pole = (s == 1) | ((q <= 0) & (q == np.floor(q)))
    s, start = np.where(bad | pole, 2.0, s), np.where(bad | pole, 1.0, q)
    total = np.zeros_like(s)
    for _ in range(100_000):
        low = start < 1
        if not low.any():
            break
        total += np.where(low, np.where(low, start, 1.0) ** -s, 0)
        start = np.where(low, start + 1, start)
    for k in range(TERMS):
        total += (start + k) ** -s
    end = start + TERMS
    power = end**-s
    total += power * end / (s - 1) + power / 2
    factor = s * power / end
    for k, bernoulli in enumerate(_BERNOULLI, 1):
        total += factor * bernoulli
        factor = factor * (s + 2 * k - 1) * (s + 2 * k) / (end * end)
    total = np.where(np.isinf(q) & (q > 0), 0.0, total)
    return np.where(bad, np.nan, np.where(pole, np.inf, total))


zeta: Callable[..., Any] = unlisted(
    "zeta",
    in_double(_zeta),
    lambda _y, s, q, s_dot, q_dot: s_dot * 0 - q_dot * (s * zeta(s + 1, q)),
)
"""ζ(s, q); that it does not depend on s is for the caller to see to, as with `lower_gamma`."""


# --- incomplete gamma functions ---------------------------------------------------------------


def _gamma_parts(a: Any, x: Any) -> tuple[Any, Any]:
    """The lower and the upper regularised incomplete gamma function; DLMF 8.7.1 and 8.9.2."""
    valid = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    a, x = np.where(valid, a, 1.0), np.where(valid, x, 1.0)
    scale = np.exp(a * np.log(x) - x - special_values.lgamma(a))
    by_series = x < a + 1
    u = np.where(by_series, x, 0.5)
    term = total = 1 / a
    for n in range(1, 100_000):
        term = term * u / (a + n)
        total = total + term
        if np.all(term <= 1e-17 * total):
            break
    v = np.where(by_series, a + 2, x)
    b = v + 1 - a
    c, d = np.full_like(b, 1e300), 1 / b
    fraction = d
    for n in range(1, 100_000):
        factor = -n * (n - a)
        b = b + 2
        d = 1 / (factor * d + b)
        c = b + factor / c
        fraction = fraction * (c * d)
        if np.all(np.abs(c * d - 1) < 1e-16):
            break
    lower = np.where(by_series, scale * total, 1 - scale * fraction)
    upper = np.where(by_series, 1 - scale * total, scale * fraction)
    return lower, upper


def _incomplete(which: int) -> Callable[[Any, Any], Any]:
    def value(a: Any, x: Any) -> Any:
        out = _gamma_parts(a, x)[which]
        ends = (0.0, 1.0) if which == 0 else (1.0, 0.0)
        out = np.where((x == 0) & (a > 0), ends[0], out)
        out = np.where((a == 0) & (x > 0), ends[1], out)
        out = np.where((a >= 0) & np.isfinite(a) & (x == np.inf), ends[1], out)
        out = np.where((a == np.inf) & (x >= 0) & np.isfinite(x), ends[0], out)
        undefined = (a < 0) | (x < 0) | ((a == 0) & (x == 0)) | (np.isinf(a) & np.isinf(x))
        return np.where(undefined | np.isnan(a) | np.isnan(x), np.nan, out)

    return value


density = unlisted(
    "gamma_density",
    in_double(lambda a, x: np.exp((a - 1) * np.log(x) - x - special_values.lgamma(a))),
    lambda y, a, x, a_dot, x_dot: a_dot * 0 + x_dot * (y * ((a - 1) / x - 1)),
)
lower_gamma = unlisted(
    "lower_gamma",
    in_double(_incomplete(0)),
    lambda _y, a, x, a_dot, x_dot: a_dot * 0 + x_dot * density(a, x),
)
"""P(a, x), whose derivative by a is left out: callers refuse one."""

upper_gamma = unlisted(
    "upper_gamma",
    in_double(_incomplete(1)),
    lambda _y, a, x, a_dot, x_dot: a_dot * 0 - x_dot * density(a, x),
)
"""Q(a, x), whose derivative by a is left out: callers refuse one."""
