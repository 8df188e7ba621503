"""Activations against JAX's recorded values, their limits, kinks and dtypes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from funcgrad import errors, grad, jvp, nn, vjp
from tests.nn.oracle import ORACLE
from tests.primitives.checking import check

Function = Callable[[Any], Any]
INF = np.inf

FUNCTIONS: dict[str, Function] = {
    "relu": nn.relu,
    "relu6": nn.relu6,
    "sigmoid": nn.sigmoid,
    "softplus": nn.softplus,
    "silu": nn.silu,
    "gelu": nn.gelu,
    "gelu exact": lambda x: nn.gelu(x, approximate=False),
    "elu": nn.elu,
    "elu 0.5": lambda x: nn.elu(x, 0.5),
    "selu": nn.selu,
    "celu 2": lambda x: nn.celu(x, 2.0),
    "leaky_relu": nn.leaky_relu,
    "leaky_relu 0.3": lambda x: nn.leaky_relu(x, negative_slope=0.3),
    "hard_tanh": nn.hard_tanh,
    "log_sigmoid": nn.log_sigmoid,
    "erf": nn.erf,
    "erfc": nn.erfc,
    "lgamma": nn.lgamma,
    "digamma": nn.digamma,
}
# At kinks, the derivative of a derivative is a choice: JAX differentiates through half of a tie.
SECOND_KINKS = {"celu 2": [0.0]}

over_functions = pytest.mark.parametrize("name", FUNCTIONS)


def slope(f: Function) -> Function:
    """The derivative of an elementwise function."""
    return lambda x: vjp(f, x)[1](np.ones(np.shape(x), x.dtype)[()])[0]


def points(name: str) -> np.ndarray:
    spread = np.array([-2.3, -1.7, -0.4, 0.3, 0.9, 1.4, 2.6, 5.2])
    return np.abs(spread) if name in ("lgamma", "digamma") else spread


@over_functions
def test_value_and_derivatives_are_those_recorded_from_jax(name: str) -> None:
    recorded = ORACLE["elementwise"][name]
    x = np.array(recorded["x"])
    f = FUNCTIONS[name]
    compared = ~np.isin(x, SECOND_KINKS.get(name, []))
    # JAX's erfc, digamma and 1 + tanh in the far left tail are less accurate than ours: atol.
    np.testing.assert_allclose(f(x), recorded["value"], rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(slope(f)(x), recorded["first"], rtol=1e-12, atol=1e-13)
    # In the right tail, 1 - s(x) rounds to a multiple of 1e-16, and factors up to 1e3 follow.
    np.testing.assert_allclose(
        slope(slope(f))(x)[compared],
        np.array(recorded["second"])[compared],
        rtol=1e-11,
        atol=1e-12,
    )


@over_functions
def test_every_mode_and_second_order_agree_with_differences(name: str) -> None:
    check(FUNCTIONS[name], points(name), exact=name != "gelu exact")


@over_functions
def test_third_derivatives_agree_in_both_modes(name: str) -> None:
    x = points(name)
    one = np.ones_like(x)
    second = slope(slope(FUNCTIONS[name]))
    np.testing.assert_allclose(
        slope(second)(x), jvp(second, (x,), (one,))[1], rtol=1e-10, atol=1e-12
    )


@over_functions
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dtype_is_kept_by_values_and_two_derivatives(name: str, dtype: Any) -> None:
    x = points(name).astype(dtype)
    f = FUNCTIONS[name]
    for g in (f, slope(f), slope(slope(f))):
        assert g(x).dtype == dtype
        assert type(g(x[0])) is dtype


@over_functions
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_low_precision_is_the_rounded_float64_result(name: str, dtype: Any) -> None:
    x = points(name).astype(dtype)
    f = FUNCTIONS[name]
    # A dozen roundings; erfc and digamma are rounded once.
    tolerance = 12 * float(np.finfo(dtype).eps)
    for g in (f, slope(f)):
        expected = g(x.astype(np.float64))
        np.testing.assert_allclose(g(x), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    ("name", "values", "slopes"),
    [
        ("relu", [0, 0, 1e3, INF], [0, 0, 1, 1]),
        ("relu6", [0, 0, 6, 6], [0, 0, 0, 0]),
        ("sigmoid", [0, 0, 1, 1], [0, 0, 0, 0]),
        ("softplus", [0, 0, 1e3, INF], [0, 0, 1, 1]),
        ("silu", [0, 0, 1e3, INF], [0, 0, 1, 1]),
        ("gelu", [0, 0, 1e3, INF], [0, 0, 1, 1]),
        ("gelu exact", [0, 0, 1e3, INF], [0, 0, 1, 1]),
        ("elu", [-1, -1, 1e3, INF], [0, 0, 1, 1]),
        ("celu 2", [-2, -2, 1e3, INF], [0, 0, 1, 1]),
        ("leaky_relu 0.3", [-INF, -300, 1e3, INF], [0.3, 0.3, 1, 1]),
        ("hard_tanh", [-1, -1, 1, 1], [0, 0, 0, 0]),
        ("log_sigmoid", [-INF, -1e3, 0, 0], [1, 1, 0, 0]),
        ("erf", [-1, -1, 1, 1], [0, 0, 0, 0]),
        ("erfc", [2, 2, 0, 0], [0, 0, 0, 0]),
    ],
)
def test_limits_are_reached_at_large_arguments_and_infinity(
    name: str, values: list[float], slopes: list[float], dtype: Any
) -> None:
    x = np.array([-INF, -1e3, 1e3, INF], dtype)
    f = FUNCTIONS[name]
    np.testing.assert_array_equal(f(x), np.array(values, dtype))
    np.testing.assert_array_equal(slope(f)(x), np.array(slopes, dtype))
    np.testing.assert_array_equal(slope(slope(f))(x), np.zeros(4, dtype))
    np.testing.assert_array_equal(jvp(f, (x,), (np.ones_like(x),))[1], np.array(slopes, dtype))


def test_left_tails_keep_their_relative_accuracy() -> None:
    x = np.array([-20.0, -30.0])
    np.testing.assert_allclose(nn.sigmoid(x), np.exp(x) / (1 + np.exp(x)), rtol=1e-14)
    np.testing.assert_allclose(nn.softplus(x), np.log1p(np.exp(x)), rtol=1e-14)
    np.testing.assert_allclose(nn.log_sigmoid(-x), -np.log1p(np.exp(x)), rtol=1e-14)
    np.testing.assert_allclose(slope(nn.softplus)(x), nn.sigmoid(x), rtol=1e-14)
    assert nn.gelu(-9.0) < 0  # 1 + tanh would be 0 already
    assert nn.sigmoid(-744.0) > 0  # subnormal


@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (nn.relu, 0.0, 0.0),
        (nn.relu6, 0.0, 0.0),
        (nn.relu6, 6.0, 0.0),
        (nn.leaky_relu, 0.0, 1.0),
        (nn.elu, 0.0, 1.0),
        (nn.hard_tanh, 1.0, 1.0),
        (nn.hard_tanh, -1.0, 1.0),
    ],
)
def test_derivatives_at_kinks_are_the_documented_ones(
    f: Function, x: float, expected: float
) -> None:
    assert grad(f)(x) == expected
    assert jvp(f, (x,), (1.0,))[1] == expected


def test_relu_lets_no_infinite_cotangent_through_where_it_is_zero() -> None:
    pullback = vjp(nn.relu, np.array([-1.0, 1.0]))[1]
    np.testing.assert_array_equal(pullback(np.array([INF, INF]))[0], [0, INF])


def test_parameters_of_leaky_relu_and_elu_have_derivatives() -> None:
    x = np.array([-2.0, 3.0])
    np.testing.assert_array_equal(vjp(lambda a: nn.leaky_relu(x, a), 0.1)[1](np.ones(2))[0], -2.0)
    check(nn.leaky_relu, x, np.array([0.1, 0.2]))
    check(nn.elu, x, np.array(0.7))


def test_the_default_gelu_is_the_tanh_approximation() -> None:
    x = np.array([-1.5, 0.4, 2.0])
    inner = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
    np.testing.assert_allclose(nn.gelu(x), 0.5 * x * (1 + np.tanh(inner)), rtol=1e-14)


def test_swish_is_silu() -> None:
    assert nn.swish is nn.silu


@pytest.mark.parametrize("x", [np.array(0.5), np.zeros((2, 0)), np.ones((2, 3)), [0.5, -1.0]])
def test_shapes_are_kept_and_lists_are_taken(x: Any) -> None:
    for f in FUNCTIONS.values():
        out = f(x)
        assert out.shape == np.shape(x)


def test_results_of_plain_arrays_are_fresh_and_writable() -> None:
    x = np.array([1.0, 2.0])
    for f in FUNCTIONS.values():
        out = f(x)
        assert type(out) is np.ndarray
        out[:] = 7
        np.testing.assert_array_equal(x, [1.0, 2.0])


def test_integers_become_floats() -> None:
    assert nn.sigmoid(np.array([0, 1])).dtype == np.float64
    assert nn.relu(3) == 3.0


@over_functions
def test_complex_numbers_are_refused_with_a_way_out(name: str) -> None:
    with pytest.raises(errors.InputDtypeError, match=r"complex128.*real numbers only.*x\.real"):
        FUNCTIONS[name](np.array([1j]))
    with pytest.raises(errors.InputDtypeError, match=r"complex128.*real numbers only.*x\.real"):
        vjp(FUNCTIONS[name], np.array([1j]))
