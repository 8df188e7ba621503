"""Special functions: identities between values and derivatives, recorded values, both modes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from funcgrad import errors, grad, jvp, nn, special_values, stop_gradient, vjp
from funcgrad.errors import UnsupportedFunctionError
from funcgrad.primitives import special, special_functions
from funcgrad.transforms.vmap import vmap
from tests.nn.oracle import ORACLE
from tests.primitives.checking import check

X = np.array([[-2.1, -0.7, -0.2], [0.3, 1.1, 2.4]])
POSITIVE = np.array([0.05, 0.6, 1.0, 1.4616321449683622, 2.0, 17.5, 300.0])


def slope(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: vjp(f, x)[1](np.ones_like(x))[0]


def test_values_are_those_of_special_values() -> None:
    for name in ("erf", "erfc", "lgamma", "digamma"):
        np.testing.assert_array_equal(getattr(nn, name)(X), getattr(special_values, name)(X))
    np.testing.assert_array_equal(nn.polygamma(2, POSITIVE), special_values.polygamma(2, POSITIVE))


def test_expit_is_within_four_ulp_of_the_reference_down_to_subnormal_numbers() -> None:
    x = np.concatenate([np.linspace(-744, -600, 500), np.linspace(-50, 50, 1001), [800.0]])
    reference = special_values.expit(x)
    for part in (slice(None), slice(500, None)):  # with and without an overflowing exp(-x)
        error = np.abs(special.expit(x[part]) - reference[part])
        assert np.max(error / np.spacing(reference[part])) <= 4


def test_polygamma_is_that_recorded_from_scipy() -> None:
    recorded = ORACLE["polygamma"]
    for n, expected in zip(recorded["n"], recorded["value"], strict=True):
        np.testing.assert_allclose(
            nn.polygamma(n, np.array(recorded["x"])), expected, rtol=1e-13, atol=1e-15
        )


def test_derivatives_of_the_error_function_are_gaussians() -> None:
    gaussian = 2 / np.sqrt(np.pi) * np.exp(-X * X)
    np.testing.assert_allclose(slope(nn.erf)(X), gaussian, rtol=1e-14)
    np.testing.assert_allclose(slope(nn.erfc)(X), -gaussian, rtol=1e-14)
    np.testing.assert_allclose(slope(slope(nn.erf))(X), -2 * X * gaussian, rtol=1e-13)


def test_derivatives_of_the_gamma_function_climb_the_polygammas() -> None:
    f = nn.lgamma
    for n in range(4):
        f = slope(f)
        np.testing.assert_allclose(f(POSITIVE), nn.polygamma(n, POSITIVE), rtol=1e-14)
    np.testing.assert_array_equal(slope(nn.digamma)(POSITIVE), special.trigamma(POSITIVE))


def test_recurrences_hold_for_derivatives_too() -> None:
    def difference(x: Any) -> Any:
        return nn.lgamma(x + 1) - nn.lgamma(x) - np.log(x)

    x = POSITIVE[POSITIVE < 100]
    np.testing.assert_allclose(slope(difference)(x), 0, atol=1e-13)
    np.testing.assert_allclose(slope(slope(difference))(x) * x * x, 0, atol=1e-13)


def test_log_expit_is_the_logarithm_of_expit() -> None:
    np.testing.assert_allclose(special.log_expit(X), np.log(special.expit(X)), rtol=1e-14)
    np.testing.assert_allclose(slope(special.log_expit)(X), special.expit(-X), rtol=1e-14)


@pytest.mark.parametrize(
    "f",
    [nn.erf, nn.erfc, nn.lgamma, nn.digamma, nn.expit, special.log_expit, special.trigamma,
     lambda x: nn.polygamma(3, x), lambda x: special.bounded(x, 30.0)],
)  # fmt: skip
def test_every_mode_and_second_order_agree_with_differences(f: Callable[[Any], Any]) -> None:
    check(f, np.abs(X) + 0.5)


def test_bounded_stops_growth_but_not_derivatives() -> None:
    x = np.array([-np.inf, -2.0, 2.0, np.inf])
    out, pullback = vjp(lambda x: special.bounded(x, 5.0), x)
    np.testing.assert_array_equal(out, [-5, -2, 2, 5])
    np.testing.assert_array_equal(pullback(np.arange(4.0))[0], np.arange(4.0))
    assert special.bounded(np.float32(9), 5.0).dtype == np.float32


def test_gamma_functions_at_infinity_and_poles_give_no_warning() -> None:
    x = np.array([np.inf, 0.0])
    out, pullback = vjp(nn.lgamma, x)
    np.testing.assert_array_equal(out, [np.inf, np.inf])
    np.testing.assert_array_equal(pullback(np.ones(2))[0], [np.inf, -np.inf])
    np.testing.assert_array_equal(slope(nn.digamma)(x), [0, np.inf])


def test_vmap_and_scalars() -> None:
    np.testing.assert_array_equal(vmap(nn.lgamma)(POSITIVE), nn.lgamma(POSITIVE))
    np.testing.assert_array_equal(
        vmap(grad(lambda x: nn.polygamma(1, x)))(POSITIVE), nn.polygamma(2, POSITIVE)
    )
    assert type(nn.erf(0.5)) is np.float64
    assert grad(nn.erf)(0.0) == pytest.approx(2 / np.sqrt(np.pi), rel=1e-15)


def test_the_order_of_polygamma_is_a_plain_integer_in_range() -> None:
    with pytest.raises(TypeError, match=r"n is 1\.5"):
        nn.polygamma(1.5, 1.0)
    with pytest.raises(ValueError, match="order n is 101"):
        grad(lambda x: nn.polygamma(100, x))(1.0)


@pytest.mark.parametrize("f", [nn.erf, nn.lgamma, nn.expit, lambda x: nn.polygamma(1, x)])
def test_complex_numbers_are_refused(f: Callable[[Any], Any]) -> None:
    for call in (lambda: f(1j), lambda: jvp(f, (1j,), (1j,)), lambda: vjp(f, np.array([1j]))):
        with pytest.raises(errors.InputDtypeError, match=r"real numbers only\. Pass x\.real"):
            call()


# --- functions of a parameter and a number --------------------------------------------------------


@pytest.mark.parametrize("name", ["zeta", "gammainc", "gammaincc", "gamma_density"])
def test_a_derivative_by_the_parameter_is_refused_and_never_zero(name: str) -> None:
    function = getattr(special_functions, name)
    for transform in (
        lambda: grad(function)(2.5, 1.5),
        lambda: grad(lambda a: function(a, a))(2.5),
        lambda: jvp(function, (2.5, 1.5), (1.0, 1.0)),
    ):
        with pytest.raises(UnsupportedFunctionError, match=f"{name}: a derivative by its first"):
            transform()
    assert np.isfinite(grad(lambda x: function(stop_gradient(2.5), x))(1.5))


def test_the_slope_of_a_function_with_a_parameter_has_the_shape_of_its_operand() -> None:
    a = np.array([[1.5], [2.5], [4.0]])
    x = np.float32([0.5, 2.0])
    found = grad(lambda x: np.sum(special_functions.gammainc(a, x)))(x)
    expected = np.sum(special_functions.gamma_density(a, x.astype(np.float64)), axis=0)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.dtype == np.float32


@pytest.mark.parametrize(
    ("name", "x", "value", "slope"),
    [
        ("erfinv", 0.0, 0.0, np.sqrt(np.pi) / 2),
        ("erfinv", 1.0, np.inf, np.inf),
        ("ndtri", 0.5, 0.0, np.sqrt(2 * np.pi)),
        ("erfcx", 0.0, 1.0, -2 / np.sqrt(np.pi)),
        ("log_ndtr", 0.0, -np.log(2.0), np.sqrt(2 / np.pi)),
        ("log_ndtr", -1e3, -500007.8266948121, 1000.000999998),
        ("entr", 1.0, 0.0, -1.0),
        ("entr", -1.0, -np.inf, np.nan),
    ],
)
def test_inverses_and_tails_are_right_at_special_points(
    name: str, x: float, value: float, slope: float
) -> None:
    function = getattr(special_functions, name)
    with np.errstate(all="ignore"):
        found, pullback = vjp(function, np.float64(x))
        np.testing.assert_allclose(found, value, rtol=1e-15, atol=1e-16)
        np.testing.assert_allclose(pullback(1.0)[0], slope, rtol=1e-12)
