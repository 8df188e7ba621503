"""funcgrad.special_values against series in exact and in long decimal arithmetic.

Nothing here shares a formula, a coefficient or a library with what is tested: erf is its Taylor
series, the logarithm of the gamma function and its derivatives are Stirling's series, taken at x +
SHIFT and brought back by the recurrence. The points lie in every piece of every table, so that a
wrong digit that moves a value is found, in the coefficients and in the recorded values.
"""

import decimal
import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from functools import cache, partial
from typing import Any

import numpy as np
import pytest

from funcgrad.special_values import digamma, erf, erfc, expit, lgamma, polygamma, trigamma
from funcgrad.special_values.psi import ZERO, ZERO_REST
from funcgrad.special_values.psi_derivatives import BERNOULLI
from tests.test_special_values import RECORDED

DIGITS = 60
SHIFT = 60
TERMS = 40  # at x ≥ SHIFT the last one is below 1e-60


@cache
def bernoulli(number: int) -> Fraction:
    """B₀, B₁ = -½, B₂, ... by their recurrence."""
    if number == 0:
        return Fraction(1)
    total = sum(math.comb(number + 1, k) * bernoulli(k) for k in range(number))
    return -total / (number + 1)


def as_decimal(x: Fraction) -> Decimal:
    return Decimal(x.numerator) / Decimal(x.denominator)


@cache
def pi(digits: int) -> Decimal:
    """16 arctan(1/5) - 4 arctan(1/239)."""
    with decimal.localcontext(prec=digits + 10):

        def arctan_of_inverse(n: int) -> Decimal:
            power, total, k = Decimal(1) / n, Decimal(0), 0
            while abs(power) > Decimal(10) ** -(digits + 10):
                total += power / (2 * k + 1)
                power /= -n * n
                k += 1
            return total

        return 16 * arctan_of_inverse(5) - 4 * arctan_of_inverse(239)


def exact_erf(x: Decimal) -> Decimal:
    """Its Taylor series at 0; the working precision of the caller has to cover its large terms."""
    digits = decimal.getcontext().prec
    term, total, k = x, Decimal(0), 0
    while abs(term) > Decimal(10) ** -digits * abs(x) or k < x * x:
        total += term / (2 * k + 1)
        k += 1
        term *= -x * x / k
    return total * 2 / pi(digits).sqrt()


def with_room(function: Callable[[Decimal], Decimal], x: Decimal) -> Decimal:
    """For alternating series whose terms reach exp(x²), and results as small as exp(-x²)."""
    with decimal.localcontext(prec=DIGITS + int(x * x)):
        return function(x)


def exact_lgamma(x: Decimal) -> Decimal:
    y = x + SHIFT
    total = (y - Decimal("0.5")) * y.ln() - y + (2 * pi(DIGITS)).ln() / 2
    for k in range(1, TERMS):
        total += as_decimal(bernoulli(2 * k)) / (2 * k * (2 * k - 1) * y ** (2 * k - 1))
    product = math.prod((x + j for j in range(SHIFT)), start=Decimal(1))
    return total - abs(product).ln()


def exact_digamma(x: Decimal) -> Decimal:
    y = x + SHIFT
    total = y.ln() - 1 / (2 * y)
    for k in range(1, TERMS):
        total -= as_decimal(bernoulli(2 * k)) / (2 * k * y ** (2 * k))
    return total - sum(1 / (x + j) for j in range(SHIFT))


def exact_polygamma(n: int, x: Decimal) -> Decimal:
    y = x + SHIFT
    total = Decimal(math.factorial(n - 1)) / y**n + Decimal(math.factorial(n)) / (2 * y ** (n + 1))
    for k in range(1, TERMS):
        rising = math.factorial(2 * k + n - 1) // math.factorial(2 * k)
        total += as_decimal(bernoulli(2 * k)) * rising / y ** (2 * k + n)
    total += math.factorial(n) * sum((x + j) ** -(n + 1) for j in range(SHIFT))
    return (-1) ** (n + 1) * total


EXACT: dict[str, tuple[Callable[[Any], Any], Callable[[Decimal], Decimal]]] = {
    "erf": (erf, partial(with_room, exact_erf)),
    "erfc": (erfc, partial(with_room, lambda x: 1 - exact_erf(x))),
    "expit": (expit, lambda x: 1 / (1 + (-x).exp())),
    "lgamma": (lgamma, exact_lgamma),
    "digamma": (digamma, exact_digamma),
    "trigamma": (trigamma, partial(exact_polygamma, 1)),
    "polygamma 2": (partial(polygamma, 2), partial(exact_polygamma, 2)),
    "polygamma 5": (partial(polygamma, 5), partial(exact_polygamma, 5)),
}
POINTS = {
    "erf": np.concatenate([np.linspace(0.01, 0.75, 40), np.linspace(0.76, 5.9, 80)]),
    "erfc": np.concatenate([np.linspace(-2.0, 2.0, 60), np.linspace(2.1, 26.5, 60)]),
    "expit": np.linspace(-40.0, 40.0, 81),
}
POSITIVE = np.concatenate([np.linspace(0.03, 8.0, 160), np.geomspace(8.1, 1e6, 40)])

each_exact = pytest.mark.parametrize("name", EXACT)


def exactly(name: str, x: float) -> Decimal:
    with decimal.localcontext(prec=DIGITS):
        return EXACT[name][1](Decimal(x))


@each_exact
def test_values_are_those_of_the_series_to_four_ulp(name: str) -> None:
    x = POINTS.get(name, POSITIVE)
    found = EXACT[name][0](x)
    for point, value in zip(x.tolist(), found.tolist(), strict=True):
        expected = exactly(name, point)
        unit = Decimal(float(np.spacing(abs(float(expected)))))
        assert abs(Decimal(value) - expected) <= 4 * unit, point


@each_exact
def test_recorded_values_are_those_of_the_series(name: str) -> None:
    rows = [row for row in RECORDED[name].tolist() if 1e-6 < abs(row[0]) < 50.0]
    rows = [row for row in rows if np.isfinite(row[1]) and abs(row[1]) > 1e-300]
    assert len(rows) > 40
    for x, value, rest, _ in rows[::3]:
        unit = Decimal(float(np.spacing(abs(value))))
        recorded = Decimal(value) + Decimal(rest) * unit
        assert abs(exactly(name, x) - recorded) <= Decimal("1e-3") * unit, x


def test_bernoulli_numbers_are_those_of_the_recurrence() -> None:
    expected = [float(bernoulli(2 * k)) for k in range(1, len(BERNOULLI) + 1)]
    assert list(BERNOULLI) == expected


def test_the_positive_zero_of_digamma_is_right_to_the_last_digit_of_its_rest() -> None:
    with decimal.localcontext(prec=DIGITS):
        zero = 1 + Decimal(ZERO) + Decimal(ZERO_REST)
        error = exact_digamma(zero) / exact_polygamma(1, zero)
    assert abs(error) <= Decimal(float(np.spacing(abs(ZERO_REST))))
