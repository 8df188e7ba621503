"""Series in an infinitesimal: what arithmetic, calculus and Python make of them."""

from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import GaugeError
from funcgrad.interpreters.series import Origin, SeriesTracer, make_series, trimmed

ORIGIN = Origin("here", 1e-8)


def series(*coefs: Any, shift: int = 0, exact: bool = False) -> SeriesTracer:
    return make_series([np.asarray(c, float) for c in coefs], shift, 1.0, ORIGIN, exact=exact)


X = series(2.0, 1.0, 0.0, 0.0)  # 2 + ε


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: x + 1, (3, 1, 0, 0)),
        (lambda x: 1 - x, (-1, -1, 0, 0)),
        (lambda x: 3 * x, (6, 3, 0, 0)),
        (lambda x: x * x, (4, 4, 1, 0)),
        (lambda x: x * x * x, (8, 12, 6, 1)),
        (lambda x: 1 / x, (1 / 2, -1 / 4, 1 / 8, -1 / 16)),
        (lambda x: np.exp(x - 2), (1, 1, 1 / 2, 1 / 6)),
        (lambda x: np.log(x), (np.log(2), 1 / 2, -1 / 8, 1 / 24)),
        (lambda x: np.sin(x - 2) / 1, (0, 1, 0, -1 / 6)),
        (lambda x: np.where(x > 1, x, 0.0), (2, 1, 0, 0)),
        (lambda x: np.sum(np.stack([x, x * x])), (6, 5, 1, 0)),
        (lambda x: np.max(np.stack([x, 2.0 + 0 * x])), (2, 1 / 2, 0, 0)),
    ],
)
def test_functions_give_taylors_coefficients(function: Any, expected: Any) -> None:
    found = function(X)
    assert found.shift == 0
    np.testing.assert_allclose(np.stack(found.coefs), expected, rtol=1e-14, atol=1e-15)


def test_products_of_matrices_are_those_of_the_polynomials() -> None:
    a, b = series(np.eye(2), np.ones((2, 2))), series(np.ones((2, 2)), np.eye(2))
    found = a @ b
    np.testing.assert_array_equal(found.coefs[0], np.ones((2, 2)))
    np.testing.assert_array_equal(found.coefs[1], np.eye(2) + 2 * np.ones((2, 2)))


def test_what_is_not_known_stays_unknown() -> None:
    assert len((series(1.0, 1.0) * series(1.0, 1.0, 1.0)).coefs) == 2
    assert len((series(1.0, 1.0) + series(1.0, 1.0, 1.0)).coefs) == 2
    assert len((series(1.0, 1.0) + series(1.0, exact=True)).coefs) == 2


def test_poles_cancel_against_zeros() -> None:
    pole = series(3.0, 1.0, shift=1)  # 3/ε + 1
    found = pole * series(0.0, 2.0)
    assert found.shift == 1
    assert trimmed(found).value == 6.0


def test_a_linear_function_takes_a_pole_and_another_does_not() -> None:
    pole = series(3.0, 1.0, 0.0, shift=1)
    np.testing.assert_allclose((pole / X).coefs, (3 / 2, -1 / 4, 1 / 8))
    with pytest.raises(GaugeError, match="here: the derivative depends on which"):
        np.exp(pole)


def test_a_pole_that_is_rounding_is_left_out() -> None:
    assert trimmed(series(1e-12, 5.0, shift=1)).value == 5.0
    with pytest.raises(GaugeError):
        trimmed(series(1e-6, 5.0, shift=1))
    with pytest.raises(GaugeError):
        trimmed(series(np.nan, 5.0, shift=1))
    with pytest.raises(GaugeError, match="too high an order"):
        trimmed(series(0.0, shift=1))


def test_python_sees_the_value_at_zero() -> None:
    assert X > 1
    assert bool(X)
    assert X.shape == ()
    assert str(X) == "2.0"
    assert not isinstance(np.floor(X), SeriesTracer)
    assert not isinstance(fg.stop_gradient(X), SeriesTracer)


def test_single_precision_stays_single() -> None:
    x = make_series([np.ones(2, np.float32)] * 3, 0, 1.0, ORIGIN)
    found = np.where(np.array([True, False]), np.exp(2 * x) / 3, 1.0) @ np.ones(2, np.float32)
    assert {c.dtype for c in found.coefs} == {np.dtype(np.float32)}
