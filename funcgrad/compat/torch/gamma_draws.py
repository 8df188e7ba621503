"""Gamma and Dirichlet numbers with PyTorch's values, and how they move with their parameters.

The gamma numbers are those of G. Marsaglia and W. W. Tsang, "A simple method for generating gamma
variables" (ACM TOMS 26, 2000). The derivative of a drawn x by a parameter θ keeps the value of its
distribution function F(x; θ), so it is −(∂F/∂θ) / (∂F/∂x) (M. Figurnov, S. Mohamed, A. Mnih,
"Implicit reparameterization gradients", 2018). It is computed to nearly full precision here;
PyTorch has approximations with relative errors of about 1e-3.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from funcgrad.compat.torch.draws import rounded_to
from funcgrad.compat.torch.mersenne import Generator
from funcgrad.compat.torch.summation import sum_of
from funcgrad.special_values import digamma

__all__ = ["dirichlet", "dirichlet_slope", "gamma_slope", "standard_gamma"]

Array = NDArray[Any]
Doubles = NDArray[np.float64]

_MASK53, _TINY53, _TWO_PI = 2**53 - 1, 2.0**-53, 2.0 * math.pi
_THIRD = float(np.float32(1 / 3))  # as PyTorch has it, whatever the type
_STEPS, _ROUNDING = 50_000, 2.0**-51
_LARGE = 100.0  # shapes from which the slope is integrated
_SPREADS = 12.0  # beyond so many standard deviations the density is below rounding


# ---------------------------------------------------------------------------------------------
# Draws


def standard_gamma(generator: Generator, shapes: Array, dtype: str = "") -> Array:
    """Gamma numbers of rate 1, for each shape; at least the smallest normal number of the type.

    Args:
        generator: gives the numbers.
        shapes: floating, above 0.
        dtype: the shapes' type; needed for "bfloat16".
    """
    dtype = dtype or shapes.dtype.name
    numbers = _Numbers(generator)
    rounded = float if dtype == "float64" else _single
    values = [_gamma(shape, numbers, rounded) for shape in shapes.ravel().tolist()]
    return _above_zero(np.array(values, np.float64).reshape(shapes.shape), dtype)


def dirichlet(generator: Generator, concentrations: Array, dtype: str = "") -> Array:
    """Points of the simplex: gamma numbers, made in double, divided by their sum."""
    dtype = dtype or concentrations.dtype.name
    numbers = _Numbers(generator)
    gammas = [_gamma(shape, numbers) for shape in concentrations.ravel().tolist()]
    values = np.array(gammas, np.float64).reshape(concentrations.shape)
    with np.errstate(all="ignore"):
        shares = rounded_to(values / sum_of(values, (-1,), keepdims=True, always=True), dtype)
    largest = np.nextafter(np.asarray(1, shares.dtype), np.asarray(0, shares.dtype))
    below: Array = np.minimum(_above_zero(shares, dtype), largest)
    return below


def _above_zero(values: Array, dtype: str) -> Array:
    tiny = np.finfo("float32" if dtype == "bfloat16" else dtype).tiny
    above: Array = np.fmax(rounded_to(values, dtype), tiny)  # nan too
    return above


class _Numbers:
    """Single uniform and normal numbers in double."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._words = generator.words

    def uniform(self) -> float:
        high, low = self._words(2).tolist()
        return float((high << 32 | low) & _MASK53) * _TINY53

    def normal(self) -> float:
        spare = self._generator.spare
        if spare is not None:
            self._generator.spare = None
            return spare
        turn, share = _TWO_PI * self.uniform(), self.uniform()
        length = math.sqrt(-2.0 * math.log1p(-share))
        self._generator.spare = length * math.sin(turn)
        return length * math.cos(turn)


def _gamma(shape: float, numbers: _Numbers, rounded: Callable[[float], float] = float) -> float:
    """One gamma number; what is computed of the shape alone is rounded to its type."""
    scale = 1.0
    if shape < 1:  # x of shape + 1 times u^(1 / shape) has the smaller shape
        if not shape > 0:
            return 0.0 if shape == 0 else math.nan
        scale = (1.0 - numbers.uniform()) ** rounded(1.0 / shape)
        shape = rounded(shape + 1.0)
    if math.isnan(shape):
        return shape
    d = rounded(shape - _THIRD)
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        x = numbers.normal()
        root = 1.0 + c * x
        while root <= 0:
            x = numbers.normal()
            root = 1.0 + c * x
        v = root * root * root
        u = 1.0 - numbers.uniform()
        square = x * x
        if u < 1.0 - 0.0331 * square * square:
            return scale * d * v
        if math.log(u) < 0.5 * square + d * (1.0 - v + math.log(v)):
            return scale * d * v


def _single(x: float) -> float:
    return float(np.float32(x))


# ---------------------------------------------------------------------------------------------
# Slopes


def gamma_slope(shapes: Any, values: Any) -> Array:
    """dx/da of a gamma number x of shape a and rate 1, at the same P(a, x)."""
    a, x, kind = _as_doubles(shapes, values)
    large = a > _LARGE
    out = np.empty_like(x)
    with np.errstate(all="ignore"):
        for chosen, slope in ((~large, _slope_of_small), (large, _slope_of_large)):
            if chosen.any():
                out[chosen] = slope(a[chosen], x[chosen])
    return out.astype(kind)


def _slope_of_small(a: Doubles, x: Doubles) -> Doubles:
    """By the series of P, and the continued fraction of Q, with their derivatives by a."""
    below = x < a + 1
    shift = np.log(x) - np.asarray(digamma(a))
    out = np.empty_like(x)
    for chosen, evaluate, sign in ((below, _series, -1.0), (~below, _fraction, 1.0)):
        if chosen.any():
            total, rate = evaluate(a[chosen], x[chosen])
            out[chosen] = sign * x[chosen] * (total * shift[chosen] + rate)
    return np.where(x == 0, 0.0, out)


def _series(a: Doubles, x: Doubles) -> tuple[Doubles, Doubles]:
    """Σ xⁿ / (a (a + 1) … (a + n)) and its derivative by a."""
    term = total = 1 / a
    inverses = 1 / a
    rate = -term * inverses
    for n in range(1, _STEPS):
        term = term * (x / (a + n))
        inverses = inverses + 1 / (a + n)
        total = total + term
        rate = rate - term * inverses
        if not (term * inverses > _ROUNDING * -rate).any():
            break
    return total, rate


def _fraction(a: Doubles, x: Doubles) -> tuple[Doubles, Doubles]:
    """Q(a, x) Γ(a) / (xᵃ exp(−x)) by J. W. Lentz's evaluation, and its derivative by a."""
    b = x + 1 - a
    c, c_rate = np.full_like(b, 1e300), np.zeros_like(b)
    d = 1 / b
    d_rate = d * d  # b falls as a grows
    fraction, relative = d, d_rate / d
    for n in range(1, _STEPS):
        factor = -n * (n - a)
        b = b + 2
        old = d
        d = 1 / (factor * d + b)
        d_rate = -d * d * (n * old + factor * d_rate - 1)
        c_rate = n / c - factor * c_rate / (c * c) - 1
        c = b + factor / c
        step = c_rate / c + d_rate / d
        fraction, relative = fraction * (c * d), relative + step
        if _is_settled(c * d - 1, step, relative):
            break
    return fraction, fraction * relative


def _is_settled(change: Doubles, step: Doubles, relative: Doubles) -> bool:
    """Whether no fraction, and no derivative, moves by more than rounding; nan moves no more."""
    moving = np.abs(change) > _ROUNDING
    return not (moving | (np.abs(step) > _ROUNDING * (1 + np.abs(relative)))).any()


@cache
def _gauss() -> tuple[Doubles, Doubles]:
    """Nodes and weights of Gauss and Legendre's quadrature on [-1, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(64)
    return nodes, weights


def _slope_of_large(a: Doubles, x: Doubles) -> Doubles:
    """By Gauss's rule for ∫ (ψ(a) − log t) p(t) dt / p(x) over the nearer tail."""
    lower = x <= a
    width = _SPREADS * np.sqrt(a)
    far = np.where(lower, np.maximum(x - width, x * 1e-6), x + width)
    half = (x - far) / 2
    nodes, weights = _gauss()
    t = far[:, None] + half[:, None] * (1 + nodes)
    shift = (t - x[:, None]) / x[:, None]
    ratio = np.exp((a - 1)[:, None] * np.log1p(shift) - shift * x[:, None])
    integrand = (np.asarray(digamma(a))[:, None] - np.log(t)) * ratio
    return half * (integrand @ weights)


def dirichlet_slope(values: Any, concentrations: Any, totals: Any) -> Array:
    """dx/da / (1 − x) of a beta number x of parameters a and total − a, at the same I(x; a, b).

    By the continued fraction of the regularised incomplete beta function (DLMF 8.17.22).
    """
    a, x, kind = _as_doubles(concentrations, values)
    b = np.broadcast_to(np.asarray(totals, np.float64), a.shape) - a
    with np.errstate(all="ignore"):
        near = x <= (a + 1) / (a + b + 2)
        shift = np.log(x) - np.asarray(digamma(a)) + np.asarray(digamma(a + b))
        p, q, y = np.where(near, a, b), np.where(near, b, a), np.where(near, x, 1 - x)
        total, rate = _beta_fraction(p.ravel(), q.ravel(), y.ravel(), near.ravel())
        total, rate = total.reshape(x.shape), rate.reshape(x.shape)
        out = np.where(
            near,
            -(x / a) * (total * (shift - 1 / a) + rate),
            (x / b) * (total * shift + rate),
        )
    return np.where(x == 0, 0.0, out).astype(kind)


def _beta_fraction(
    p: Doubles, q: Doubles, x: Doubles, by_first: NDArray[np.bool_]
) -> tuple[Doubles, Doubles]:
    """I(x; p, q) p B(p, q) / (xᵖ (1 − x)^q), and its derivative by p, or else by q."""
    p_rate = by_first.astype(np.float64)
    q_rate = 1 - p_rate
    c, d = np.full_like(x, 1e300), np.ones_like(x)
    c_rate, d_rate = np.zeros_like(x), np.zeros_like(x)
    fraction, relative = np.ones_like(x), np.zeros_like(x)
    for n in range(1, _STEPS):
        m = n // 2
        first = p + (n - 1)
        second = p + n
        common = x / (first * second)
        if n % 2:
            factor = -(p + m) * (p + q + m) * common
            rate = -common * (p_rate * (p + q + m) + (p + m))
        else:
            factor = m * (q - m) * common
            rate = m * q_rate * common
        rate = rate - factor * p_rate * (1 / first + 1 / second)
        old = d
        d = 1 / (1 + factor * d)
        d_rate = -d * d * (rate * old + factor * d_rate)
        c_rate = rate / c - factor * c_rate / (c * c)
        c = 1 + factor / c
        step = c_rate / c + d_rate / d
        fraction, relative = fraction * (c * d), relative + step
        if _is_settled(c * d - 1, step, relative):
            break
    return fraction, fraction * relative


def _as_doubles(parameters: Any, values: Any) -> tuple[Doubles, Doubles, Any]:
    kind = np.asarray(values).dtype
    a, x = np.broadcast_arrays(parameters, values)
    return a.astype(np.float64), x.astype(np.float64), kind
