"""Medians, quantiles and percentiles at ties, ends, NaN and wrong arguments."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad.numpy as fnp
from funcgrad import errors, grad, jacfwd, jacrev, jvp, make_program, value_and_grad, vmap
from tests.primitives.checking import check, normal

METHODS = (
    "linear", "inverted_cdf", "averaged_inverted_cdf", "closest_observation",
    "interpolated_inverted_cdf", "hazen", "weibull", "median_unbiased", "normal_unbiased",
    "lower", "higher", "midpoint", "nearest",
)  # fmt: skip
CONTINUOUS = (
    "linear", "interpolated_inverted_cdf", "hazen", "weibull", "median_unbiased", "normal_unbiased"
)  # fmt: skip
QUANTILES = (np.quantile, np.nanquantile)
MEDIANS = (np.median, np.nanmedian)

both_medians = pytest.mark.parametrize("median", MEDIANS)
both_quantiles = pytest.mark.parametrize("quantile", QUANTILES)


# --- medians ----------------------------------------------------------------------------------


@both_medians
def test_the_median_of_four_has_derivative_one_half_by_the_two_in_the_middle(median: Any):
    gradient = grad(median)(np.array([4.0, 1.0, 3.0, 2.0]))
    np.testing.assert_array_equal(gradient, [0.0, 0.0, 0.5, 0.5])


@both_medians
def test_the_median_of_three_is_the_one_in_the_middle(median: Any):
    np.testing.assert_array_equal(grad(median)(np.array([4.0, 1.0, 3.0])), [0.0, 0.0, 1.0])


@both_medians
@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_derivatives_of_a_median_of_equal_values_add_up_to_one(median: Any, count: int):
    gradient = grad(median)(np.full(count, 2.0))
    assert np.sum(gradient) == 1.0
    assert np.all(gradient >= 0.0)


def test_two_equal_middle_values_share_the_derivative():
    np.testing.assert_array_equal(grad(np.median)(np.array([1.0, 2.0, 2.0, 3.0])), [0, 0.5, 0.5, 0])


def test_the_median_of_values_with_nan_is_nan_and_the_nanmedian_is_not():
    x = np.array([3.0, np.nan, 1.0, 2.0, np.nan])
    assert np.isnan(value_and_grad(np.median)(x)[0])
    value, gradient = value_and_grad(np.nanmedian)(x)
    assert value == 2.0
    np.testing.assert_array_equal(gradient, [0, 0, 0, 1, 0])


def test_rows_with_different_numbers_of_nan_have_their_own_middle():
    x = np.array([[4.0, np.nan, 1.0, 3.0], [1.0, 2.0, 4.0, 3.0], [np.nan, np.nan, np.nan, 5.0]])
    gradient = grad(lambda x: np.sum(np.nanmedian(x, axis=1)))(x)
    expected = [[0, 0, 0, 1], [0, 0.5, 0, 0.5], [0, 0, 0, 1]]
    np.testing.assert_array_equal(gradient, expected)


def test_a_row_of_nan_alone_has_nan_for_its_nanmedian():
    x = np.array([[np.nan, np.nan], [1.0, 3.0]])
    value, _ = jvp(lambda x: np.nanmedian(x, axis=1), (x,), (np.ones_like(x),))
    np.testing.assert_array_equal(value, [np.nan, 2.0])


@both_medians
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), (2, 1), (0, 1, 2)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_medians_along_axes(median: Any, axis: Any, keepdims: bool):
    check(lambda x: median(x, axis=axis, keepdims=keepdims), normal(2, 3, 4))


def test_the_median_of_complex_numbers_is_that_of_their_lexicographic_order():
    check(np.median, normal(2, 3, dtype=complex), exact=False)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:Mean of empty slice:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
def test_the_median_of_an_empty_array_is_nan_as_in_numpy():
    value, gradient = value_and_grad(lambda x: np.sum(np.median(x, axis=1)))(np.zeros((2, 0)))
    assert np.isnan(value)
    assert gradient.shape == (2, 0)


# --- quantiles --------------------------------------------------------------------------------


@both_quantiles
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("q", [0.0, 0.13, 0.5, 0.77, 1.0, [0.2, 0.9], np.array([[0.3], [0.6]])])
def test_every_method_has_the_derivative_of_its_value(quantile: Any, method: str, q: Any):
    check(lambda x: quantile(x, q, axis=0, method=method), normal(5, 3), exact=False)


@pytest.mark.parametrize("method", CONTINUOUS)
@pytest.mark.parametrize("function", [np.quantile, np.nanquantile])
def test_a_continuous_method_has_a_derivative_by_q(method: str, function: Any):
    x = normal(7)
    check(lambda x, q: function(x, q, method=method), x, np.array([0.21, 0.64]), exact=False)


@pytest.mark.parametrize("method", sorted({*METHODS} - {*CONTINUOUS}))
def test_a_discrete_method_has_derivative_zero_by_q(method: str):
    x = normal(7)
    assert grad(lambda q: np.quantile(x, q, method=method))(0.3) == 0.0


def test_the_slope_by_q_is_the_gap_between_neighbours_times_their_number():
    x = np.array([1.0, 2.0, 5.0])
    assert grad(lambda q: np.quantile(x, q))(0.75) == 6.0
    assert grad(lambda p: np.percentile(x, p))(75.0) == pytest.approx(0.06)


def test_at_an_element_the_slope_by_q_is_that_towards_greater_q():
    x = np.array([1.0, 2.0, 5.0])
    assert grad(lambda q: np.quantile(x, q))(0.5) == 6.0


def test_at_one_the_slope_by_q_is_that_towards_smaller_q():
    x = np.array([1.0, 2.0, 5.0])
    assert value_and_grad(lambda q: np.quantile(x, q))(1.0) == (5.0, 6.0)
    assert grad(lambda q: np.nanquantile(x, q))(1.0) == 6.0


def test_where_a_method_stops_at_the_ends_the_slope_by_q_is_zero():
    x = np.array([1.0, 2.0, 5.0])
    assert grad(lambda q: np.quantile(x, q, method="weibull"))(0.99) == 0.0
    assert grad(lambda q: np.quantile(x, q, method="hazen"))(0.01) == 0.0


@pytest.mark.parametrize("q", [0.0, 1.0])
def test_the_ends_are_minimum_and_maximum(q: float):
    x = np.array([3.0, 1.0, 2.0])
    expected = [0, 1, 0] if q == 0.0 else [1, 0, 0]
    np.testing.assert_array_equal(grad(lambda x: np.quantile(x, q))(x), expected)


def test_percentiles_are_quantiles_of_a_hundredth():
    x = normal(6)
    for one, other in ((np.percentile, np.quantile), (np.nanpercentile, np.nanquantile)):
        np.testing.assert_allclose(
            grad(lambda x, f=one: f(x, 30.0))(x), grad(lambda x, f=other: f(x, 0.3))(x), rtol=1e-12
        )


def test_a_python_number_for_q_keeps_single_precision_and_an_array_does_not():
    x = normal(5, dtype=np.float32)
    assert jvp(lambda x: np.quantile(x, 0.3), (x,), (x,))[0].dtype == np.float32
    assert jvp(lambda x: np.quantile(x, np.array(0.3)), (x,), (x,))[0].dtype == np.float64
    assert grad(lambda x: np.quantile(x, np.array(0.3)))(x).dtype == np.float32


def test_nan_in_a_row_makes_its_quantile_nan_and_leaves_other_rows_alone():
    x = np.array([[1.0, np.nan, 2.0], [3.0, 5.0, 4.0]])
    value, moved = jvp(lambda x: np.quantile(x, 0.5, axis=1), (x,), (np.ones_like(x),))
    np.testing.assert_array_equal(value, [np.nan, 4.0])
    assert moved[1] == 1.0


@both_quantiles
def test_each_example_of_a_batch_may_have_its_own_q(quantile: Any):
    x, q = normal(3, 5), np.array([0.1, 0.45, 0.8])
    expected = [quantile(row, one) for row, one in zip(x, q, strict=True)]
    np.testing.assert_allclose(vmap(quantile)(x, q), expected, rtol=1e-13)
    slopes = vmap(grad(quantile, 1))(x, q)
    rows = [grad(quantile, 1)(row, one) for row, one in zip(x, q, strict=True)]
    np.testing.assert_allclose(slopes, rows, rtol=1e-13)


def test_quantiles_have_the_same_jacobian_in_both_modes():
    x = normal(6)
    f = lambda x: np.quantile(x * x, [0.1, 0.4, 0.9])
    np.testing.assert_allclose(jacfwd(f)(x), jacrev(f)(x), rtol=1e-13)


def test_a_program_of_a_quantile_holds_for_other_values():
    x, y = normal(2, 7)
    program = make_program(lambda x, q: np.quantile(x, q))(x, 0.3)
    np.testing.assert_allclose(program.evaluate(y, 0.8)[0], np.quantile(y, 0.8), rtol=1e-13)


# --- weights ----------------------------------------------------------------------------------

WEIGHTED: list[Callable[..., Any]] = [np.quantile, np.nanquantile]


@pytest.mark.parametrize("quantile", WEIGHTED)
def test_a_weighted_quantile_is_the_element_at_which_the_weights_reach_q(quantile: Any):
    x, w = np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 2.0])
    f = lambda x, w: quantile(x, 0.6, weights=w, method="inverted_cdf")
    by_x, by_w = grad(f, (0, 1))(x, w)
    assert f(x, w) == 2.0
    np.testing.assert_array_equal(by_x, [0, 0, 1])
    np.testing.assert_array_equal(by_w, [0, 0, 0])


@pytest.mark.parametrize("quantile", WEIGHTED)
@pytest.mark.parametrize("q", [0.0, 0.25, 1.0, [0.1, 0.5, 0.9]])
def test_weighted_quantiles_are_numpys_at_every_weight(quantile: Any, q: Any):
    rng = np.random.default_rng(3)
    for _ in range(20):
        x, w = rng.normal(size=(3, 5)), rng.integers(0, 3, (3, 5)) * 1.0
        w[:, 2] += 1.0
        f = lambda x, w=w: quantile(x, q, axis=1, weights=w, method="inverted_cdf")
        np.testing.assert_array_equal(jvp(f, (x,), (x,))[0], f(x))
        check(f, x)


def test_weights_of_nan_do_not_count():
    x, w = np.array([np.nan, 1.0, 2.0]), np.array([9.0, 1.0, 2.0])
    f = lambda x: np.nanquantile(x, 0.3, weights=w, method="inverted_cdf")
    np.testing.assert_array_equal(grad(f)(x), [0, 1, 0])


def test_each_example_of_a_batch_may_have_its_own_weights():
    x, w = normal(4, 6), np.abs(normal(4, 6, seed=1))
    f = lambda x, w: np.quantile(x, [0.2, 0.7], weights=w, method="inverted_cdf")
    expected = np.stack([f(a, b) for a, b in zip(x, w, strict=True)])
    np.testing.assert_array_equal(vmap(f)(x, w), expected)


# --- wrong arguments --------------------------------------------------------------------------

X = np.array([1.0, 2.0, 3.0])
MISTAKES: dict[str, tuple[Callable[[Any], Any], type[Exception], str]] = {
    "q": (lambda x: np.quantile(x, 1.5), ValueError, r"range \[0, 1\]"),
    "p": (lambda x: np.percentile(x, 101.0), ValueError, r"range \[0, 100\]"),
    "nan q": (lambda x: np.quantile(x, np.nan), ValueError, "range"),
    "method": (lambda x: np.quantile(x, 0.5, method="best"), ValueError, "best"),
    "q of 3 axes": (lambda x: np.quantile(x, np.zeros((1, 1, 1))), ValueError, "q must be"),
    "weights": (lambda x: np.quantile(x, 0.5, weights=np.ones(3)), ValueError, "inverted_cdf"),
    "negative weights": (
        lambda x: np.quantile(x, 0.5, weights=-np.ones(3), method="inverted_cdf"),
        ValueError, "non-negative"),
    "no weights": (
        lambda x: np.quantile(x, 0.5, weights=np.array([0.0, np.inf, 1.0]), method="inverted_cdf"),
        ValueError, "Weights included NaN"),
    "complex": (lambda x: np.quantile(x * 1j, 0.5), TypeError, "real"),
    "axis": (lambda x: np.median(x, axis=1), np.exceptions.AxisError, "out of bounds"),
    "out": (
        lambda x: np.quantile(x, 0.5, out=np.zeros(())), errors.TracerAssignmentError, "out="),
    "median out": (
        lambda x: fnp.median(x, out=np.zeros(())), errors.TracerAssignmentError, "median: out="),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("name", MISTAKES)
def test_wrong_arguments_are_refused(name: str):
    f, error, message = MISTAKES[name]
    with pytest.raises(error, match=message):
        grad(lambda x: np.sum(np.real(f(x))))(X)
