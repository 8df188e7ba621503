"""Python numbers in fast paths: NumPy's results, which raise nothing, and Python's weak dtype."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg


@pytest.mark.parametrize(
    ("f", "value", "slope"),
    [
        (lambda x: 1.0 / x, np.inf, -np.inf),
        (lambda x: (x + 1.0) / 0.0, np.inf, np.inf),
        (lambda x: x**-1, np.inf, -np.inf),
        (lambda x: x**-0.5, np.inf, -np.inf),
    ],
)
def test_dividing_numbers_by_zero_gives_infinity_as_in_numpy(
    f: Callable[[Any], Any], value: float, slope: float
) -> None:
    with np.errstate(all="ignore"):
        assert fg.value_and_grad(f)(0.0) == (value, slope)


def test_operators_of_numbers_give_numbers_which_leave_float32_as_it_is() -> None:
    x = np.ones(2, np.float32)
    for f in (lambda s: x * (2.0 * s), lambda s: x / (1.0 / s), lambda s: x * (-s) ** 2.0):
        out, pull = fg.vjp(f, 0.5)
        assert out.dtype == np.float32
        assert pull(x)[0].dtype == np.float64
        assert fg.jvp(f, (0.5,), (1.0,))[0].dtype == np.float32


@pytest.mark.parametrize("x", [np.zeros(2), np.float64(0.0), 0.0])
@pytest.mark.parametrize("exponent", [0, 0.0])
def test_the_power_zero_has_derivative_zero_at_zero(x: Any, exponent: float) -> None:
    np.testing.assert_array_equal(fg.grad(lambda x: np.sum(x**exponent))(x), np.zeros_like(x))
