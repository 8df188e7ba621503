"""Variances, deviations and averages at kinks: equal values, NaN, masks, wrong arguments."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from funcgrad import grad, jvp, value_and_grad, vmap
from tests.primitives.checking import check, normal

TENTHS = np.full(3, 0.1)
MASK = np.array([True, False, True, True])

DEVIATIONS: dict[str, Callable[[Any], Any]] = {
    "std": np.std,
    "std of some": lambda x: np.std(x, where=np.array([True, False, True])),
    "nanstd": np.nanstd,
    "nanstd beside NaN": lambda x: np.nanstd(np.append(x, np.nan)),
    "std of rows": lambda x: np.sum(np.std(np.stack([x, x]), axis=1)),
    "nanstd of rows": lambda x: np.sum(np.nanstd(np.stack([x, x]), axis=1, keepdims=True)),
    "std around the value": lambda x: np.std(x, mean=np.array([0.1])),
}


@pytest.mark.parametrize("name", DEVIATIONS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128])
def test_the_deviation_of_equal_values_has_derivative_zero(name: str, dtype: Any):
    x = TENTHS.astype(dtype) * (1 + 2j if dtype is np.complex128 else 1)
    if "around" in name:
        f = lambda x: np.std(x, mean=x[:1] * 0 + x[0])
        np.testing.assert_array_equal(jvp(f, (x,), (np.ones_like(x),))[1], 0)
        return
    np.testing.assert_array_equal(grad(DEVIATIONS[name])(x), np.zeros(3))


def test_equal_rows_do_not_disturb_the_others():
    x = np.array([[0.1, 0.1, 0.1], [1.0, 2.0, 4.0]])
    for f in (np.std, np.nanstd):
        gradient = grad(lambda x, f=f: np.sum(f(x, axis=1)))(x)
        np.testing.assert_array_equal(gradient[0], 0)
        np.testing.assert_allclose(gradient[1], grad(np.std)(x[1]), rtol=1e-13)


@pytest.mark.parametrize("function", [np.nanmean, np.nanvar, np.nanstd, np.nanmedian])
def test_nan_has_derivative_zero_and_does_not_count(function: Any):
    x = np.array([1.0, np.nan, 4.0, 6.0])
    value, gradient = value_and_grad(function)(x)
    kept = x[[0, 2, 3]]
    plain = getattr(np, function.__name__.removeprefix("nan"))
    assert value == pytest.approx(plain(kept), rel=1e-15)
    np.testing.assert_allclose(gradient[[0, 2, 3]], grad(plain)(kept), rtol=1e-14)
    assert gradient[1] == 0.0


@pytest.mark.parametrize("function", [np.mean, np.var, np.std, np.nanmean, np.nanvar, np.nanstd])
def test_what_a_mask_keeps_out_has_derivative_zero_even_if_infinite(function: Any):
    x = np.array([1.0, np.inf, 4.0, 6.0])
    gradient = grad(lambda x: function(x, where=MASK))(x)
    np.testing.assert_allclose(gradient, np.insert(grad(function)(x[MASK]), 1, 0), rtol=1e-14)


@pytest.mark.parametrize("function", [np.var, np.std, np.nanvar, np.nanstd])
def test_ddof_has_two_names_of_which_one_may_be_given(function: Any):
    x = normal(5)
    one, other = (
        grad(lambda x: function(x, ddof=1))(x),
        grad(lambda x: function(x, correction=1))(x),
    )
    np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match="simultaneously"):
        grad(lambda x: function(x, ddof=1, correction=1))(x)


@pytest.mark.parametrize("function", [np.var, np.std, np.nanvar, np.nanstd])
def test_a_given_mean_is_an_argument_of_its_own(function: Any):
    check(lambda x, m: function(x, axis=0, mean=m), normal(4, 3), normal(1, 3, seed=1), exact=False)


def test_variance_around_the_traced_mean_is_the_variance():
    x = normal(6)
    f = lambda x: np.var(x, mean=np.mean(x, keepdims=True))
    np.testing.assert_allclose(grad(f)(x), grad(np.var)(x), rtol=1e-13)


def test_a_variance_of_too_few_values_is_nan_as_in_numpy():
    x = np.array([[1.0, np.nan], [2.0, 3.0]])
    value, _ = jvp(lambda x: np.nanvar(x, axis=1, ddof=1), (x,), (x,))
    np.testing.assert_array_equal(value, [np.nan, 0.5])


# --- averages ---------------------------------------------------------------------------------


def test_an_average_by_elements_and_weights():
    x, w = normal(3, 4), np.abs(normal(3, 4, seed=1))
    check(lambda x, w: np.average(x, axis=0, weights=w), x, w, exact=False)
    check(lambda x, w: np.average(x, axis=1, weights=w), x, w[0], exact=False)
    check(lambda x, w: np.average(x, axis=(1, 0), weights=w.T), x, w, exact=False)


def test_the_sum_of_the_weights_is_returned_with_its_derivative():
    x, w = normal(3), np.array([1.0, 2.0, 3.0])
    gradient = grad(lambda w: np.average(x, weights=w, returned=True)[1])(w)
    np.testing.assert_array_equal(gradient, np.ones(3))


def test_weights_that_add_up_to_zero_are_refused():
    with pytest.raises(ZeroDivisionError, match="sum to zero"):
        grad(lambda w: np.average(normal(2), weights=w))(np.array([1.0, -1.0]))


def test_examples_of_a_batch_have_averages_of_their_own():
    x, w = normal(4, 3), np.abs(normal(4, 3, seed=1))
    found = vmap(lambda x, w: np.average(x, weights=w))(x, w)
    np.testing.assert_allclose(found, np.sum(x * w, 1) / np.sum(w, 1), rtol=1e-14)


def test_the_range_of_equal_values_has_derivatives_that_cancel():
    np.testing.assert_array_equal(grad(np.ptp)(TENTHS), np.zeros(3))
    np.testing.assert_array_equal(grad(np.ptp)(np.array([1.0, 3.0, 1.0])), [-0.5, 1.0, -0.5])
