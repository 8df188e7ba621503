"""The derivatives of the digamma function."""

import math
import operator
from dataclasses import dataclass
from functools import cache, partial
from typing import SupportsIndex

import numpy as np
import numpy.typing as npt

from funcgrad.special_values.evaluation import (
    FloatArray,
    Kernel,
    RealValues,
    branch,
    evaluate,
    polynomial,
)
from funcgrad.special_values.psi import digamma

__all__ = ["polygamma", "trigamma"]

# Between two poles, the terms of the reflection formula reach 2ⁿ n!, which overflows for n > 144.
MAX_ORDER = 100

# Elements of one kernel call: a dozen or more terms are held for each.
BLOCK = 2048

# B₂, B₄, …, B₁₈ (DLMF 24.2.6).
BERNOULLI = (
    1 / 6,
    -1 / 30,
    1 / 42,
    -1 / 30,
    5 / 66,
    -691 / 2730,
    7 / 6,
    -3617 / 510,
    43867 / 798,
)


def trigamma(x: npt.ArrayLike) -> RealValues:
    """Trigamma function: ψ′(x) = d²/dx² log Γ(x), which is `polygamma(1, x)`.

    Args:
        x: real array-like of any shape.

    Returns:
        Positive values of the shape and floating dtype of `x`; float64 for integers. The poles
        0, −1, −2, … give inf without a warning.

    Raises:
        TypeError: `x` is complex, wider than float64, or holds no numbers.

    Example:
        >>> trigamma(np.array([0.0, 0.5, 1.0]))
        array([       inf, 4.9348022 , 1.64493407])
    """
    return evaluate("trigamma", partial(_polygamma, 1), x, block_size=BLOCK)


def polygamma(n: SupportsIndex, x: npt.ArrayLike) -> RealValues:
    """Polygamma function: ψ⁽ⁿ⁾(x), the n-th derivative of the digamma function.

    For x > 0, |ψ⁽ⁿ⁾(x)| = n! ζ(n + 1, x) by the recurrence (DLMF 5.15.5) up to where the asymptotic
    series (DLMF 5.15.8, from the Euler-Maclaurin formula) has converged; for x < 0 the reflection
    formula (DLMF 5.15.6), whose derivative of the cotangent is itself written with ζ.

    For x > 0 the relative error is at most 4 ulp for normal numbers, at every order; subnormal
    results of high order lose some more. For x < 0 the error is at most 4 ulp of the largest of the
    value and the reflection formula's terms, which cancel near the zeros of even orders.

    Args:
        n: order, from 0 (digamma) to 100.
        x: real array-like of any shape.

    Returns:
        Values of the shape and floating dtype of `x`; float64 for integers. For odd n the poles
        0, −1, −2, … give inf. For even n, 0.0 gives −inf, −0.0 gives inf, as the limits do, and
        −1, −2, … give nan; −inf gives nan for every n. None of them warns.

    Raises:
        TypeError: `n` is no integer, or `x` is complex, wider than float64, or holds no numbers.
        ValueError: `n` is negative or above 100.

    Example:
        >>> polygamma(2, np.array([0.5, 1.0]))
        array([-16.82879664,  -2.40411381])
    """
    order = _checked_order(n)
    if order == 0:
        return digamma(x)
    return evaluate("polygamma", partial(_polygamma, order), x, block_size=BLOCK)


def _checked_order(n: SupportsIndex) -> int:
    try:
        order = operator.index(n)
    except TypeError:
        raise TypeError(
            f"polygamma: the order n is {n!r}. A derivative has a whole order. "
            "Pass an int, or int(n) if n is a whole number."
        ) from None
    if not 0 <= order <= MAX_ORDER:
        raise ValueError(
            f"polygamma: the order n is {order}. Values are computed for orders 0 to {MAX_ORDER}; "
            "higher ones overflow. Pass a lower order, or use arbitrary-precision arithmetic."
        )
    return order


def _polygamma(n: int, x: FloatArray) -> FloatArray:
    """ψ⁽ⁿ⁾ for n ≥ 1."""
    zeta = _zeta(n)
    return branch(x, x < 0.0, zeta.reflected, zeta.signed)


@dataclass(frozen=True, slots=True)
class _Zeta:
    """The kernel x ↦ n! ζ(n + 1, x) = n! Σⱼ (x + j)⁻ⁿ⁻¹ for x ≥ 0, and ψ⁽ⁿ⁾ by it.

    Powers are taken of x divided by `scale`, a power of two near (n!)^(1/(n+1)): then neither they
    nor the factors overflow or underflow before their product does.

    Attributes:
        n: the order.
        terms: how many terms are summed before the asymptotic series takes over.
        scale: divides x.
        factor: n! / scaleⁿ⁺¹.
        leading: (n − 1)! / scaleⁿ.
        series: z ↦ Σₖ B₂ₖ C(2k + n − 1, 2k) zᵏ⁻¹, in z = x⁻².
    """

    n: int
    terms: int
    scale: float
    factor: float
    leading: float
    series: Kernel

    def signed(self, x: FloatArray) -> FloatArray:
        """ψ⁽ⁿ⁾(x) for x ≥ 0."""
        out = self(x)
        return out if self.n % 2 else np.negative(out, out=out)

    def reflected(self, x: FloatArray) -> FloatArray:
        """ψ⁽ⁿ⁾(−y) = Z(f) − Z(1 + y) ± Z(1 − f), where f is the fractional part of y.

        That is the reflection formula with the n-th derivative of π cot(πf) expressed by the same
        formula at f, between 0 and 1. The first difference is a sum of positive terms.
        """
        y = -x
        fraction = y - np.floor(y)
        rest = 1.0 - fraction
        rounding = (1.0 - rest) - fraction
        other = self(rest)
        # Rounding changes the first term, rest⁻ⁿ⁻¹, and that is most of the change.
        other *= 1.0 - (self.n + 1) * rounding / rest
        out = self(fraction)
        out -= self(1.0 + y)
        out += (1 if self.n % 2 else -1) * other
        out[fraction == 0.0] = np.inf if self.n % 2 else np.nan
        return out

    def __call__(self, x: FloatArray) -> FloatArray:
        near = (x < self.terms).nonzero()[0]
        if not near.size:
            return self._asymptotic(x, None)
        # Rows x + N, x + N − 1, …, x + 1.
        steps = np.arange(float(self.terms), 0.0, -1.0)[:, np.newaxis]
        start = x[near]
        shifted = start + steps
        beyond = x.copy()
        beyond[near] = shifted[0]
        # What rounding took from them; for n = 1 that is less than an ulp of the sum.
        rounding = error = None
        if self.n > 1:
            rounding = start - (shifted - steps)
            error = np.zeros_like(x)
            error[near] = rounding[0]
        out = self._asymptotic(beyond, error)
        # The terms from the smallest to the largest: `accumulate` keeps to this order for every
        # number of columns, `sum` does not.
        terms = self._inverse_power(
            shifted[1:], None if rounding is None else rounding[1:], self.n + 1
        )
        total = np.add.accumulate(terms, axis=0)[-1]
        total += self._inverse_power(start, None, self.n + 1)
        total *= self.factor
        out[near] += total
        return out

    def _asymptotic(self, x: FloatArray, error: FloatArray | None) -> FloatArray:
        """(n − 1)! x⁻ⁿ (1 + n/(2x) + Σₖ B₂ₖ C(2k + n − 1, 2k) x⁻²ᵏ), for x plus its error."""
        inverse = 1.0 / x
        square = inverse * inverse
        out = self.series(square)
        out *= square
        inverse *= 0.5 * self.n
        out += inverse
        out += 1.0
        out *= self._inverse_power(x, error, self.n)
        out *= self.leading
        return out

    def _inverse_power(self, x: FloatArray, error: FloatArray | None, exponent: int) -> FloatArray:
        """((x + error) / scale)⁻ᵉ, where the error of rounding x changes it by −e·error/x."""
        out: FloatArray = x * (1.0 / self.scale)
        if exponent > 2:
            np.power(out, -float(exponent), out=out)
        else:  # a product is faster than a power, and as accurate
            np.divide(1.0, out, out=out)
            if exponent == 2:
                out *= out
        if error is not None:
            out *= 1.0 - exponent * error / x
        return out


@cache
def _zeta(n: int) -> _Zeta:
    scale_exponent = round(math.log2(math.factorial(n)) / (n + 1))
    return _Zeta(
        n=n,
        terms=_terms_needed(n),
        scale=2.0**scale_exponent,
        factor=math.factorial(n) / 2 ** (scale_exponent * (n + 1)),
        leading=math.factorial(n - 1) / 2 ** (scale_exponent * n),
        series=polynomial(*_series(n)[:-1]),
    )


def _series(n: int) -> list[float]:
    return [b * math.comb(2 * k + n - 1, 2 * k) for k, b in enumerate(BERNOULLI, 1)]


def _terms_needed(n: int) -> int:
    """The least x at which the first term left out of the series is below 2⁻⁵⁷."""
    last = abs(_series(n)[-1])
    power: float = (last * 2.0**57) ** (1 / (2 * len(BERNOULLI)))
    return math.ceil(power)
