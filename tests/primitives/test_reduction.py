"""Sums, products, extrema, statistics and running totals."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import funcgrad.numpy as fnp
from funcgrad import grad, jvp, vjp
from funcgrad.errors import TracerAssignmentError
from funcgrad.transforms.vmap import vmap

sys.path.insert(0, str(Path(__file__).parent))
from checking import check, normal  # test files are no package

X = normal(3, 4)
Z = normal(3, 4, dtype=np.complex128)
WEIGHTS = np.abs(normal(3, 4, seed=3)) + 0.1
MASK = np.array([[1, 0, 1, 1], [1, 1, 0, 1], [1, 1, 1, 0]], bool)
AXES = [None, 0, 1, -1, (0, 1), (1, 0), (-1,)]


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "std", "max", "min", "ptp"])
def test_a_reduction_is_right_over_every_axis(name: str, axis: Any, *, keepdims: bool) -> None:
    function = getattr(np, name)
    check(lambda x: function(x, axis=axis, keepdims=keepdims), X)


@pytest.mark.parametrize("axis", [None, 0, (0, 1)])
@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "std"])
def test_a_reduction_is_right_for_complex_numbers(name: str, axis: Any) -> None:
    function = getattr(np, name)
    check(lambda x: function(x, axis=axis), Z)


@pytest.mark.parametrize("mask", [MASK, MASK[0]], ids=["full", "broadcast"])
@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "std"])
def test_where_takes_a_part_of_the_elements(name: str, mask: Any) -> None:
    function = getattr(np, name)
    # np.prod multiplies the elements in another order when it skips some
    check(lambda x: function(x, axis=1, where=mask), X, exact=name != "prod")


CASES: dict[str, Any] = {
    "max with initial": (lambda x: np.max(x, axis=0, initial=0.0), (X,)),
    "min with where and initial": (lambda x: np.min(x, axis=1, initial=9.0, where=MASK), (X,)),
    "sum as float64 of float32": (
        lambda x: np.sum(x, dtype=np.float64),
        (normal(5, dtype=np.float32).astype(np.float64),),
    ),
    "var with ddof": (lambda x: np.var(x, axis=0, ddof=1), (X,)),
    "std with correction": (lambda x: np.std(x, axis=0, correction=1), (X,)),
    "var of complex with where": (lambda x: np.var(x, axis=1, where=MASK), (Z,)),
    "var with mean": (lambda x, m: np.var(x, axis=0, mean=m, keepdims=True), (X, normal(1, 4))),
    "average": (lambda x: np.average(x, axis=0), (X,)),
    "average by weights": (lambda x, w: np.average(x, axis=1, weights=w), (X, WEIGHTS)),
    "average by a row": (lambda x, w: np.average(x, axis=1, weights=w), (X, WEIGHTS[0])),
    "average by a transpose": (
        lambda x, w: np.average(x, axis=(1, 0), weights=w, keepdims=True),
        (X, WEIGHTS.T),
    ),
    "sum of weights": (
        lambda x, w: np.average(x, axis=0, weights=w, returned=True)[1],
        (X, WEIGHTS),
    ),
    "cumsum of all": (np.cumsum, (X,)),
    "cumsum": (lambda x: np.cumsum(x, axis=0), (Z,)),
    "cumprod of all": (np.cumprod, (X,)),
    "cumprod": (lambda x: np.cumprod(x, axis=-1), (Z,)),
    "diff": (np.diff, (X,)),
    "diff twice": (lambda x: np.diff(x, n=2, axis=0), (X,)),
    "diff with ends": (
        lambda x, p: np.diff(x, axis=1, prepend=p, append=0.0),
        (X, np.array(2.0)),
    ),
    "ediff1d": (lambda x, e: np.ediff1d(x, to_end=e, to_begin=[1.0, 2.0]), (X, np.array(2.0))),
    "trapezoid": (lambda y: np.trapezoid(y, dx=0.3, axis=0), (X,)),
    "trapezoid over points": (lambda y, x: np.trapezoid(y, x, axis=1), (X, normal(4))),
    "trapezoid over a grid": (lambda y, x: np.trapezoid(y, x, axis=0), (X, normal(3, 4, seed=1))),
    "gradient of all axes": (lambda x: np.stack(np.gradient(x)), (X,)),
    "gradient by a step": (lambda x, h: np.gradient(x, h, axis=1), (X, np.array(0.3))),
    "gradient by points": (lambda x, t: np.gradient(x, t, axis=1), (X, np.cumsum(WEIGHTS[0]))),
    "gradient of second order": (
        lambda x, t: np.gradient(x, t, axis=1, edge_order=2),
        (X, np.cumsum(WEIGHTS[0])),
    ),
    "gradient of second order, even": (lambda x: np.gradient(x, 0.5, axis=0, edge_order=2), (X,)),
}
if hasattr(np, "cumulative_sum"):  # NumPy 2.1
    CASES |= {
        "cumulative_sum": (lambda x: np.cumulative_sum(x, axis=1, include_initial=True), (X,)),
        "cumulative_prod": (lambda x: np.cumulative_prod(x, axis=1, include_initial=True), (X,)),
    }


@pytest.mark.parametrize(("function", "args"), CASES.values(), ids=CASES.keys())
def test_a_function_over_axes_is_right_in_every_interpretation(function: Any, args: Any) -> None:
    check(function, *args)


@pytest.mark.parametrize("name", ["sum", "prod"])
def test_an_initial_value_is_added_or_multiplied(name: str) -> None:
    function = getattr(np, name)
    # NumPy starts from `initial`; here it comes last, so the last bit may differ
    check(lambda x: function(x, axis=0, initial=2.0), X, exact=False)
    check(lambda x, start: function(x, initial=start), X, normal(), batch=False, exact=False)


NAN_FUNCTIONS = [
    "nansum", "nanprod", "nanmean", "nanvar", "nanstd", "nanmax", "nanmin", "nancumsum",
    "nancumprod",
]  # fmt: skip


@pytest.mark.parametrize("axis", [None, 1])
@pytest.mark.parametrize("name", NAN_FUNCTIONS)
def test_a_nan_is_skipped_and_its_derivative_is_zero(name: str, axis: Any) -> None:
    function = getattr(np, name)
    holes = np.where(MASK, 0.0, np.nan)
    # skipped elements are filled in, so pairwise sums may differ in the last bit
    check(lambda x: function(x + holes, axis=axis), X, exact=False)
    out, pullback = vjp(lambda x: function(x, axis=axis), X + holes)
    (ct,) = pullback(np.ones_like(out))
    assert np.all(ct[~MASK] == 0)
    assert np.all(np.isfinite(ct))


@pytest.mark.parametrize("zeros", [1, 2, 3])
@pytest.mark.parametrize("name", ["prod", "cumprod"])
def test_products_are_right_with_zeros(name: str, zeros: int) -> None:
    x = normal(2, 5)
    x[0, :zeros] = 0
    x[1, -zeros:] = 0
    function = getattr(np, name)
    check(lambda x: function(x, axis=1), x)


def test_the_gradient_of_a_product_is_the_product_of_the_others() -> None:
    np.testing.assert_array_equal(grad(np.prod)(np.array([0.0, 2.0, 3.0])), [6.0, 0.0, 0.0])
    np.testing.assert_array_equal(grad(np.prod)(np.array([0.0, 0.0, 3.0])), [0.0, 0.0, 0.0])
    mixed = jvp(grad(np.prod), (np.array([0.0, 0.0, 3.0]),), (np.array([1.0, 0.0, 0.0]),))[1]
    np.testing.assert_array_equal(mixed, [0.0, 3.0, 0.0])


@given(
    values=st.lists(st.sampled_from([0.0, 1.0, -2.0, 3.0]), min_size=1, max_size=17),
    order=st.integers(1, 3),
)
@settings(max_examples=40, deadline=None)
def test_products_of_any_length_are_right_to_third_order(values: list[float], order: int) -> None:
    x = np.array(values)
    ones = np.ones_like(x)
    function = np.prod
    for _ in range(order):
        function = (lambda f: lambda x: jvp(f, (x,), (ones,))[1])(function)
    # Π (xᵢ + t) as a polynomial in t
    expected = np.polynomial.polynomial.polyfromroots(-x)
    factor = [1, 1, 2, 6][order]
    wanted = factor * expected[order] if order < len(expected) else 0.0
    np.testing.assert_allclose(function(x), wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["max", "min", "amax", "amin", "nanmax", "nanmin"])
def test_ties_share_the_derivative_evenly(name: str) -> None:
    sign = 1.0 if "max" in name else -1.0
    x = sign * np.array([[1.0, 1.0, 0.0, 1.0], [2.0, 0.0, 0.0, 2.0]])
    found = vjp(lambda x: getattr(np, name)(x, axis=1), x)[1](np.ones(2))[0]
    np.testing.assert_allclose(found, [[1 / 3, 1 / 3, 0, 1 / 3], [0.5, 0, 0, 0.5]])


def test_a_nan_that_is_the_maximum_takes_the_derivative() -> None:
    found = grad(np.max)(np.array([1.0, np.nan, 3.0]))
    np.testing.assert_array_equal(found, [0.0, 1.0, 0.0])


@pytest.mark.parametrize("name", ["std", "nanstd"])
@pytest.mark.parametrize("value", [0.0, 0.1, 1e10 / 3])
def test_std_of_equal_values_has_derivative_zero(name: str, value: float) -> None:
    x = np.full((3, 10), value)
    found = grad(lambda x: np.sum(getattr(np, name)(x, axis=1)))(x)
    if name == "std" or value == 0:
        np.testing.assert_array_equal(found, 0 * x)
    curvature = jvp(grad(lambda x: np.sum(np.std(x, axis=1))), (x,), (normal(3, 10),))[1]
    np.testing.assert_array_equal(curvature, 0 * x)


def test_masked_out_nans_do_not_reach_the_gradient() -> None:
    x = np.array([1.0, np.nan, 3.0])
    mask = np.array([True, False, True])
    for function in (np.sum, np.mean, np.var, np.std, np.prod):
        found = grad(lambda x, function=function: function(x, where=mask))(x)
        assert found[1] == 0
        assert np.all(np.isfinite(found))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.complex64])
@pytest.mark.parametrize(
    "name", ["sum", "prod", "mean", "var", "std", "max", "cumsum", "cumprod", "nanmean", "average"]
)
def test_dtypes_are_kept(name: str, dtype: Any) -> None:
    x = np.arange(1, 7).reshape(2, 3).astype(dtype)
    function = getattr(np, name)
    plain = function(x, axis=1)
    out, pullback = vjp(lambda x: function(x, axis=1), x)
    np.testing.assert_array_equal(out, plain)
    assert out.dtype == plain.dtype
    assert pullback(np.ones_like(out))[0].dtype == dtype
    assert jvp(lambda x: function(x, axis=1), (x,), (x,))[1].dtype == plain.dtype


def test_the_mean_of_many_float16_has_a_derivative() -> None:
    found = grad(np.mean)(np.ones(70000, np.float16))
    assert found[0] == np.float16(1 / 70000)


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "std", "max", "cumsum", "nansum"])
def test_a_python_float_is_an_array_without_axes(name: str) -> None:
    expected = 0.0 if name == "std" else 1.0
    assert grad(lambda x: np.sum(getattr(np, name)(x)))(3.0) == expected


@pytest.mark.parametrize("name", ["sum", "prod", "cumsum", "cumprod", "nansum"])
def test_empty_arrays_have_empty_derivatives(name: str) -> None:
    function = getattr(np, name)
    x = np.zeros((0, 3))
    out, pullback = vjp(lambda x: function(x, axis=0), x)
    np.testing.assert_array_equal(out, function(x, axis=0))
    assert pullback(np.ones_like(out))[0].shape == (0, 3)


def test_the_maximum_of_nothing_is_an_error_or_the_initial_value() -> None:
    with pytest.raises(ValueError, match="zero-size array"):
        grad(np.max)(np.zeros(0))
    out, _ = vjp(lambda x: np.max(x, axis=0, initial=2.0), np.zeros((0, 3)))
    np.testing.assert_array_equal(out, [2.0, 2.0, 2.0])


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "max", "cumsum", "cumprod", "diff"])
def test_integers_can_be_mapped(name: str) -> None:
    x = np.arange(12).reshape(3, 4)
    function = getattr(np, name)
    expected = np.stack([function(row) for row in x])
    found = vmap(lambda row: function(row))(x)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected)


def test_a_mask_can_be_mapped_over_one_array() -> None:
    x = np.arange(4.0)
    masks = np.arange(12).reshape(3, 4) % 3 > 0
    found = vmap(lambda mask: np.sum(x, where=mask))(masks)
    np.testing.assert_array_equal(found, [np.sum(x, where=mask) for mask in masks])


@pytest.mark.parametrize("function", [np.sum, np.prod, np.cumsum, np.max, np.var, np.nanmean])
def test_out_is_refused(function: Any) -> None:
    with pytest.raises(TracerAssignmentError, match="Leave out= away"):
        grad(lambda x: np.sum(function(x, axis=0, out=np.zeros(()))))(np.ones(3))


def test_plain_arguments_give_numpys_own_result() -> None:
    assert fnp.sum([1, 2, 3]) == 6
    assert fnp.prod(np.arange(1, 4)) == 6
    x = normal(1000)
    assert fnp.sum(x, where=x > 0) == np.sum(x, where=x > 0)


def test_weights_that_sum_to_zero_are_an_error() -> None:
    with pytest.raises(ZeroDivisionError, match="sum to zero"):
        grad(lambda w: np.average(np.arange(3.0), weights=w))(np.zeros(3))


@pytest.mark.parametrize("name", ["max", "min"])
@pytest.mark.parametrize("axis", [-1, 0, (0, 2), None])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("kind", ["distinct", "ties", "nan", "nan and ties"])
def test_large_arrays_share_the_derivative_as_small_ones_do(
    name: str, axis: Any, keepdims: bool, kind: str
) -> None:
    x = np.random.default_rng(1).permutation(40 * 30 * 20).reshape(40, 30, 20).astype(np.float32)
    if "ties" in kind:
        x = np.floor(x / 1000)
    if "nan" in kind:
        x[3, 4, 5] = np.nan
    y, pull = vjp(lambda x: getattr(np, name)(x, axis=axis, keepdims=keepdims), x)
    ct = np.asarray(normal(*np.shape(y)), np.float32)
    if np.ndim(ct):
        ct[(0,) * ct.ndim] = np.inf
    found = pull(ct[()])[0]
    kept = getattr(np, name)(x, axis=axis, keepdims=True)
    chosen = (x == kept) | np.isnan(x)
    ties = np.sum(chosen, axis=axis, keepdims=True).astype(np.float32)
    np.testing.assert_array_equal(found, np.where(chosen, ct.reshape(kept.shape) / ties, 0))
    assert found.dtype == np.float32


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "nansum", "nanmax"])
@pytest.mark.parametrize("axis", [0, -1, (), None])
def test_a_number_has_one_axis_to_reduce_over(name: str, axis: Any) -> None:
    for value in (2.5, np.float64(2.5), np.asarray(2.5)):
        assert grad(lambda x: getattr(np, name)(x, axis=axis))(value) == 1.0
    with pytest.raises(np.exceptions.AxisError):
        grad(lambda x: getattr(np, name)(x, axis=1))(2.5)
