"""Numerical derivatives against closed forms: values, and errors that tell the truth."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from funcgrad.testing import numerical_jvp, numerical_vjp
from funcgrad.testing.diagnosis import ERROR_SAFETY
from funcgrad.testing.strategies import arrays

Function = Callable[[Any], Any]

# By name: function, derivative and domain.
CLOSED_FORMS: dict[str, tuple[Function, Function, tuple[float, float]]] = {
    "sin": (np.sin, np.cos, (-4, 4)),
    "tan": (np.tan, lambda x: 1 / np.cos(x) ** 2, (-1.5, 1.5)),
    "exp": (np.exp, np.exp, (-4, 4)),
    "log": (np.log, lambda x: 1 / x, (0, np.inf)),
    "sqrt": (np.sqrt, lambda x: 0.5 / np.sqrt(x), (0, np.inf)),
    "cbrt": (np.cbrt, lambda x: np.cbrt(x) / (3 * x), (0, np.inf)),
    "reciprocal": (lambda x: 1 / x, lambda x: -1 / x**2, (0, np.inf)),
    "power": (lambda x: x**2.5, lambda x: 2.5 * x**1.5, (0, np.inf)),
    "arcsin": (np.arcsin, lambda x: 1 / np.sqrt(1 - x * x), (-1, 1)),
    "arctanh": (np.arctanh, lambda x: 1 / (1 - x * x), (-1, 1)),
    "tanh": (np.tanh, lambda x: 1 / np.cosh(x) ** 2, (-4, 4)),
    "expm1": (np.expm1, np.exp, (-1, 1)),
    "abs": (np.abs, np.sign, (0, np.inf)),
    "gaussian": (lambda x: np.exp(-x * x), lambda x: -2 * x * np.exp(-x * x), (-4, 4)),
    "fast": (lambda x: np.sin(1000 * x), lambda x: 1000 * np.cos(1000 * x), (-4, 4)),
    "steep": (lambda x: np.exp(40 * x), lambda x: 40 * np.exp(40 * x), (-2, 2)),
    "logistic": (lambda x: 1 / (1 + np.exp(-x)), lambda x: 1 / (2 + 2 * np.cosh(x)), (-4, 4)),
    "polynomial": (lambda x: x**5 - 3 * x**2 + 1, lambda x: 5 * x**4 - 6 * x, (-4, 4)),
    "constant": (lambda x: 0 * x + 3.0, lambda x: 0 * x, (-4, 4)),
    "cancelling": (lambda x: (x + 1e6) - 1e6, np.ones_like, (-4, 4)),
}
each_closed_form = pytest.mark.parametrize("name", CLOSED_FORMS)
each_method = pytest.mark.parametrize("method", ["auto", "differences"])


@each_method
@each_closed_form
@given(data=st.data())
def test_the_true_derivative_lies_within_three_times_the_estimated_error(
    name: str, method: Any, data: st.DataObject
) -> None:
    f, derivative, domain = CLOSED_FORMS[name]
    x = data.draw(arrays(np.float64, (3,), domain=domain))
    v = data.draw(arrays(np.float64, (3,)))
    estimate = numerical_jvp(f, (x,), (v,), method=method)
    truth = derivative(x) * v
    # The closed form is itself rounded: a few units in the last place, and the argument 1000 x.
    rounding = 1e-15 * np.abs(truth) + 1e-12 * np.abs(v) * (name == "fast")
    assert np.all(np.abs(estimate.value - truth) <= ERROR_SAFETY * estimate.error + rounding)


@each_method
@each_closed_form
@given(data=st.data())
def test_the_estimated_error_is_small_for_functions_that_are_easy(
    name: str, method: Any, data: st.DataObject
) -> None:
    f, derivative, domain = CLOSED_FORMS[name]
    x = data.draw(arrays(np.float64, (), domain=domain))
    estimate = numerical_jvp(f, (x,), (np.ones(()),), method=method)
    scale = max(abs(derivative(x)), abs(f(x)), 1.0)
    # The noise of the cancelling function is 1e6 times that of the others.
    assert estimate.error <= (1e-6 if name == "cancelling" else 1e-8) * scale


def test_the_complex_step_gives_full_precision() -> None:
    x = np.linspace(0.1, 3.0, 30)
    value = numerical_jvp(np.sin, (x,), (np.ones(30),)).value
    np.testing.assert_array_max_ulp(value, np.cos(x), maxulp=2)


def test_the_differences_never_call_the_function_with_complex_numbers() -> None:
    seen = set()

    def f(x: Any) -> Any:
        seen.add(x.dtype)
        return np.sin(x)

    numerical_jvp(f, (np.ones(2),), (np.ones(2),), method="differences")
    assert seen == {np.dtype(np.float64)}


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (np.abs, -1.0),
        (lambda x: np.real(x) * x, -1.0),
        (lambda x: x * np.conj(x), -1.0),
        (lambda x: np.float64(x) ** 2, -1.0),
        (lambda x: np.cbrt(x), 1 / (3 * np.cbrt(0.25))),
        (lambda x: np.maximum(x, 0.0), 0.0),
        (lambda x: np.linalg.norm(np.stack([x, 0 * x])), -1.0),
    ],
    ids=["abs", "real", "conj", "cast", "cbrt", "maximum", "norm"],
)
def test_a_function_that_is_not_analytic_falls_back_to_differences(
    f: Function, expected: float
) -> None:
    estimate = numerical_jvp(f, (np.array(-0.5),), (np.array(1.0),))
    assert estimate.value == pytest.approx(expected, rel=1e-10)
    assert estimate.error < 1e-10


def test_entries_that_are_analytic_take_the_complex_step_beside_others_that_are_not() -> None:
    def f(x: Any) -> Any:
        return {"analytic": np.sin(x), "not": np.abs(x) * np.sin(x)}

    estimate = numerical_jvp(f, (np.array(0.7),), (np.array(1.0),))
    assert estimate.value["analytic"] == np.cos(0.7)
    assert estimate.value["not"] == pytest.approx(np.sin(0.7) + 0.7 * np.cos(0.7), rel=1e-12)


def test_a_period_that_fits_the_steps_is_not_mistaken_for_a_constant() -> None:
    estimate = numerical_jvp(lambda x: np.sin(32 * np.pi * x), (np.array(0.0),), (np.array(1.0),))
    assert estimate.value == pytest.approx(32 * np.pi, rel=1e-12)


def test_a_narrow_peak_is_resolved() -> None:
    x, width = 0.005, 0.01
    estimate = numerical_jvp(
        lambda x: np.exp(-((x / width) ** 2)), (np.array(x),), (np.array(1.0),)
    )
    truth = -2 * x / width**2 * np.exp(-((x / width) ** 2))
    assert estimate.value == pytest.approx(truth, rel=1e-12)


@pytest.mark.parametrize("distance", [1e-1, 1e-3, 1e-6])
def test_a_kink_nearby_does_not_spoil_the_derivative(distance: float) -> None:
    estimate = numerical_jvp(np.abs, (np.array(-distance),), (np.array(1.0),))
    assert estimate.value == pytest.approx(-1.0, rel=1e-12)


@pytest.mark.parametrize("x", [1e-9, 1e-3, 1e6])
def test_the_step_follows_the_size_of_the_input(x: float) -> None:
    estimate = numerical_jvp(np.log, (np.array(x),), (np.array(1.0),), method="differences")
    # Differences of a function of size 20 with noise 2e-15, over steps of a tenth of x at best;
    # at 1e6 the first step is 50.
    assert estimate.value == pytest.approx(1 / x, rel=1e-9)


def test_a_step_outside_the_domain_does_no_harm_even_if_the_function_raises() -> None:
    def f(a: Any) -> Any:
        return np.linalg.cholesky(a)

    a = np.diag([0.01, 1.0])
    estimate = numerical_jvp(f, (a,), (np.diag([1.0, 0.0]),), method="differences")
    np.testing.assert_allclose(estimate.value, np.diag([5.0, 0.0]), rtol=1e-10)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_short_floats_are_promoted_where_the_function_lets_them(dtype: Any) -> None:
    x = np.array([0.25, 1.5], dtype)
    estimate = numerical_jvp(np.sin, (x,), (np.ones(2, dtype),))
    np.testing.assert_allclose(estimate.value, np.cos(x.astype(np.float64)), rtol=1e-15)


def test_a_function_that_insists_on_float32_gets_steps_apt_to_float32() -> None:
    def f(x: Any) -> Any:
        assert x.dtype == np.float32
        return np.sin(x)

    x = np.array([0.25, 1.5], np.float32)
    estimate = numerical_jvp(f, (x,), (np.ones(2, np.float32),), method="differences")
    error = np.abs(estimate.value - np.cos(x.astype(np.float64)))
    assert np.all(error <= 2 * estimate.error)
    assert np.all(estimate.error < 1e-4)


def test_a_function_that_computes_in_float32_inside_has_an_honest_error() -> None:
    estimate = numerical_jvp(
        lambda x: np.sin(x.astype(np.float32)).astype(np.float64),
        (np.array([0.3]),),
        (np.array([1.0]),),
        method="differences",
    )
    assert abs(estimate.value[0] - np.cos(0.3)) <= 2 * estimate.error[0] < 1e-4


@pytest.mark.parametrize("shift", [1e12, 1e13, 1e14])
def test_a_staircase_of_rounding_errors_admits_that_it_knows_nothing(shift: float) -> None:
    estimate = numerical_jvp(lambda x: (shift + x) - shift, (np.array(0.3),), (np.array(1.0),))
    assert abs(estimate.value - 1.0) <= estimate.error


@given(z=arrays(np.complex128, (3,)), w=arrays(np.complex128, (3,)))
def test_of_a_holomorphic_function_it_is_the_complex_derivative_times_the_direction(
    z: Any, w: Any
) -> None:
    estimate = numerical_jvp(lambda z: np.exp(z) * z, (z,), (w,))
    truth = np.exp(z) * (1 + z) * w
    assert np.all(np.abs(estimate.value - truth) <= 2 * estimate.error + 1e-14 * np.abs(truth))


@given(z=arrays(np.complex128, (3,)), w=arrays(np.complex128, (3,)))
def test_of_conj_it_is_real_linear(z: Any, w: Any) -> None:
    estimate = numerical_jvp(np.conj, (z,), (w,))
    np.testing.assert_allclose(estimate.value, np.conj(w), atol=1e-12)


def test_transposing_conjugates_nothing() -> None:
    a = np.array([[1 + 2j, 3j], [0.5, 1 - 1j]])
    z = np.array([1 - 1j, 2 + 0.5j])
    ct = np.array([2 - 1j, 1j])
    (value,) = numerical_vjp(lambda z: a @ z, (z,), ct).value
    np.testing.assert_allclose(value, a.T @ ct, rtol=1e-12)


def test_the_gradient_of_a_real_function_is_du_dx_minus_i_du_dy() -> None:
    z = np.array([1 + 2j, -0.5j])
    (value,) = numerical_vjp(lambda z: np.sum(np.abs(z) ** 2), (z,), 1.0).value
    np.testing.assert_allclose(value, 2 * np.conj(z), rtol=1e-12)


def test_the_gradient_by_a_real_argument_of_a_complex_function_is_real() -> None:
    (value,) = numerical_vjp(lambda x: (1 + 2j) * x, (np.array(3.0),), 1 - 1j).value
    assert value.dtype == np.float64
    assert value == pytest.approx(((1 + 2j) * (1 - 1j)).real)


def test_pytrees_go_in_and_come_out() -> None:
    def f(point: Any, scale: Any) -> Any:
        return [point["x"] * scale, {"sum": point["x"] + point["y"][0]}]

    primals = ({"x": np.array([1.0, 2.0]), "y": (3.0,)}, 2.0)
    tangents = ({"x": np.array([1.0, 0.0]), "y": (1.0,)}, 0.5)
    value = numerical_jvp(f, primals, tangents).value
    np.testing.assert_allclose(value[0], [2.5, 1.0], rtol=1e-14)
    np.testing.assert_allclose(value[1]["sum"], [2.0, 1.0], rtol=1e-14)


def test_a_pullback_has_the_structure_of_the_arguments() -> None:
    primals = ({"x": np.array([1.0, 2.0]), "n": 3}, 2.0)
    value = numerical_vjp(lambda p, s: p["x"] ** p["n"] * s, primals, np.ones(2)).value
    np.testing.assert_allclose(value[0]["x"], [6.0, 24.0], rtol=1e-13)
    assert value[0]["n"] == 0
    assert value[1] == pytest.approx(9.0)


def test_integer_arguments_stay_where_they_are() -> None:
    value = numerical_jvp(lambda x, n: x**n, (np.array(2.0), 3), (np.array(1.0), None)).value
    assert value == pytest.approx(12.0)


def test_integer_results_have_derivative_zero() -> None:
    value = numerical_jvp(lambda x: (x, x > 0), (np.array(2.0),), (np.array(1.0),)).value
    assert value == (1.0, 0.0)


def test_python_floats_stay_python_floats() -> None:
    def f(x: Any) -> Any:
        assert isinstance(x, float | complex)
        assert not isinstance(x, np.generic)
        return x * x

    assert numerical_jvp(f, (3.0,), (1.0,)).value == 6.0


def test_inputs_are_not_modified() -> None:
    x, v = np.array([1.0, 2.0]), np.array([1.0, 1.0])
    numerical_jvp(np.sin, (x,), (v,))
    assert x.tolist() == [1.0, 2.0]
    assert v.tolist() == [1.0, 1.0]


def test_empty_arrays_have_empty_derivatives() -> None:
    estimate = numerical_jvp(np.sin, (np.zeros((0, 2)),), (np.zeros((0, 2)),))
    assert estimate.value.shape == (0, 2)


@pytest.mark.parametrize(
    ("primal", "tangent", "part"),
    [
        (np.ones(3), np.ones(2), r"shape \(2,\) .* for a primal of shape \(3,\)"),
        (np.ones(2), 1j * np.ones(2), "make the primal complex"),
    ],
)
def test_a_tangent_that_does_not_fit_is_refused(primal: Any, tangent: Any, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        numerical_jvp(np.sin, (primal,), (tangent,))


def test_where_the_function_is_nan_the_error_is_infinite() -> None:
    estimate = numerical_jvp(np.log, (np.array(-1.0),), (np.array(1.0),))
    assert np.isinf(estimate.error)
