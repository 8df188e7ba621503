"""Convolution, interpolation, phases, differences and i0: closed forms, kinks and mistakes."""

from typing import Any

import numpy as np
import pytest

import funcgrad as fg
import funcgrad.numpy as fnp
from funcgrad.errors import InputDtypeError
from tests.primitives.checking import check, normal

# --- convolution ------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("n", [1, 4, 5])
@pytest.mark.parametrize("m", [1, 2, 3, 6])
@pytest.mark.parametrize("function", [np.convolve, np.correlate])
def test_a_product_of_signals_of_any_lengths_is_differentiated(
    function: Any, n: int, m: int, mode: Any
) -> None:
    check(lambda a, v: function(a, v, mode), normal(n), normal(m, seed=1), batch=False)


@pytest.mark.parametrize("function", [np.convolve, np.correlate])
def test_complex_signals_are_multiplied_and_correlated_as_in_numpy(function: Any) -> None:
    a, v = normal(4, dtype=complex), normal(6, dtype=complex)
    check(lambda a, v: function(a, v, "same"), a, v)
    check(lambda a, v: function(a, v, "full"), a, normal(2))


def test_the_derivative_by_the_signal_is_the_kernel_in_every_row() -> None:
    jacobian = fg.jacrev(lambda a: np.convolve(a, np.array([1.0, 10.0, 100.0])))(np.zeros(3))
    expected = [[1, 0, 0], [10, 1, 0], [100, 10, 1], [0, 100, 10], [0, 0, 100]]
    np.testing.assert_array_equal(jacobian, expected)


def test_float32_signals_keep_their_dtype_also_beside_float64() -> None:
    a, v = np.ones(3, np.float32), np.ones(2)
    y, pull = fg.vjp(np.convolve, a, v)
    assert y.dtype == np.float64
    assert [part.dtype for part in pull(y)] == [np.float32, np.float64]
    y, pull = fg.vjp(np.convolve, a, a)
    assert y.dtype == pull(y)[0].dtype == np.float32


def test_a_batch_of_signals_needs_one_convolution() -> None:
    a, v = normal(50, 8), normal(50, 3, seed=1)
    for axes in ((0, 0), (0, None), (None, 0)):
        args = [x if axis == 0 else x[0] for x, axis in zip((a, v), axes, strict=True)]
        program = fg.make_program(fg.vmap(np.convolve, in_axes=axes))(*args)
        assert [str(item.primitive) for item in program.items].count("convolve") == 1


def test_modes_are_numbers_or_names() -> None:
    a, v = normal(4), normal(2)
    for number, name in enumerate(("valid", "same", "full")):
        found = fg.jacrev(lambda a, number=number: np.convolve(a, v, number))(a)
        np.testing.assert_array_equal(found, fg.jacrev(lambda a, n=name: np.convolve(a, v, n))(a))
    for wrong in ("whole", 3, None):
        with pytest.raises(ValueError, match="It is one of 'valid', 'same', 'full'"):
            fg.jacrev(lambda a, wrong=wrong: np.convolve(a, v, wrong))(a)


def test_matrices_and_empty_signals_are_refused() -> None:
    with pytest.raises(ValueError, match=r"convolve: an operand of shape \(2, 3\)"):
        fg.jacrev(lambda a: np.convolve(a, a))(np.ones((2, 3)))
    with pytest.raises(ValueError, match="correlate: an operand is empty"):
        fg.jacrev(lambda a: np.correlate(a, a))(np.ones(0))


# --- interpolation ----------------------------------------------------------------------------

XP, FP = np.array([0.0, 1.0, 3.0]), np.array([2.0, 5.0, 1.0])


def test_interpolation_is_differentiated_by_points_places_and_values() -> None:
    x = np.array([-1.0, 0.25, 0.5, 2.9, 4.0])
    check(np.interp, x, XP, FP)
    check(lambda x, xp, fp: np.interp(x, xp, fp, period=3.7), x, XP[[2, 0, 1]], FP)


def test_the_slope_at_a_point_is_that_of_the_interval_on_its_right() -> None:
    slope = fg.grad(lambda x: np.interp(x, XP, FP))
    assert [slope(x) for x in (-1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 4.0)] == [0, 3, 3, -2, -2, -2, 0]


def test_the_value_at_a_point_depends_on_the_value_there_alone() -> None:
    for i, x in enumerate(XP):
        weights = fg.grad(lambda fp, x=x: np.interp(x, XP, fp))(FP)
        np.testing.assert_array_equal(weights, np.eye(3)[i])


def test_beyond_the_ends_the_values_given_for_left_and_right_are_differentiated() -> None:
    def total(left: Any, right: Any) -> Any:
        return np.sum(fnp.interp(np.array([-1.0, -2.0, 1.0, 9.0]), XP, FP, left, right))

    assert fg.grad(total, (0, 1))(7.0, 8.0) == (2.0, 1.0)
    ends = fg.grad(lambda fp: np.sum(np.interp(np.array([-1.0, -2.0, 9.0]), XP, fp)))(FP)
    np.testing.assert_array_equal(ends, [2.0, 0.0, 1.0])


def test_infinite_and_missing_points_leave_the_other_slopes_alone() -> None:
    x = np.array([-np.inf, np.inf, np.nan, 0.5])
    y, pull = fg.vjp(np.interp, x, XP, FP)
    np.testing.assert_array_equal(y, np.interp(x, XP, FP))
    slopes, places, values = pull(np.array([1.0, 1.0, 0.0, 1.0]))
    np.testing.assert_array_equal(slopes, [0.0, 0.0, 0.0, 3.0])
    np.testing.assert_array_equal(places, [-1.5, -1.5, 0.0])
    np.testing.assert_array_equal(values, [1.5, 0.5, 1.0])


def test_a_jump_has_the_slopes_beside_it() -> None:
    xp, fp = np.array([0.0, 1.0, 1.0, 2.0]), np.array([0.0, 1.0, 5.0, 6.0])
    value, slope = fg.value_and_grad(lambda x: np.interp(x, xp, fp))(1.0)
    assert (value, slope) == (5.0, 1.0)
    value, slopes = fg.value_and_grad(lambda fp: np.interp(1.0, xp[:3], fp))(fp[:3])
    assert value == 5.0
    np.testing.assert_array_equal(slopes, [0.0, 0.0, 1.0])


def test_one_point_is_a_constant() -> None:
    slopes = fg.grad(lambda fp: np.sum(np.interp(np.array([-1.0, 0.0, 2.0]), [0.0], fp)))(
        np.array([4.0])
    )
    assert slopes == [3.0]


def test_the_period_of_the_data_is_differentiated() -> None:
    f = lambda period: fnp.interp(2.6, XP, FP, period=period)  # used twice
    h = 1e-6
    expected = (f(3.5 + h) - f(3.5 - h)) / (2 * h)
    assert fg.grad(f)(3.5) == pytest.approx(expected, rel=1e-8)


def test_complex_values_are_interpolated_and_complex_points_refused() -> None:
    check(np.interp, np.array([0.3, 2.0]), XP, FP * (1 + 2j))
    with pytest.raises(InputDtypeError, match="interp: x is complex"):
        fg.grad(lambda x: np.abs(np.interp(x, XP, FP)))(0.5 + 0j)


def test_points_and_places_may_differ_along_a_batch() -> None:
    x, xp, fp = normal(3, 4), np.sort(normal(3, 5), axis=1), normal(3, 5, seed=2)
    expected = np.stack([np.interp(*row) for row in zip(x, xp, fp, strict=True)])
    np.testing.assert_allclose(fg.vmap(np.interp)(x, xp, fp), expected, rtol=1e-14)


# --- phases -----------------------------------------------------------------------------------


def test_phases_have_slope_one_and_whole_periods_have_none() -> None:
    p = np.array([0.0, 3.0, -3.0, 0.5, 7.5])
    np.testing.assert_array_equal(fg.jacrev(np.unwrap)(p), np.eye(5))
    check(np.unwrap, p)


def test_the_period_of_phases_is_differentiated_by_how_often_it_is_added() -> None:
    p = np.array([0.0, 3.0, 6.0, 1.0])
    jacobian = fg.jacfwd(lambda period: fnp.unwrap(p, period=period))(4.0)
    np.testing.assert_array_equal(fnp.unwrap(p, period=4.0), [0.0, -1.0, -2.0, -3.0])
    np.testing.assert_array_equal(jacobian, [0.0, -1.0, -2.0, -1.0])


def test_a_step_of_half_a_period_keeps_its_sign() -> None:
    p = np.array([0.0, 2.0, 4.0, 2.0])
    y, pull = fg.vjp(lambda p: np.unwrap(p, period=4), p)
    np.testing.assert_array_equal(y, np.unwrap(p, period=4))
    np.testing.assert_array_equal(pull(np.ones(4))[0], np.ones(4))


# --- i0 ---------------------------------------------------------------------------------------


def test_the_derivatives_of_i0_are_bessel_functions() -> None:
    # Abramowitz and Stegun, table 9.8: I₁(1), and I₀(1) - I₁(1).
    assert fg.grad(np.i0)(1.0) == pytest.approx(0.5651591039924851, rel=1e-15)
    assert fg.grad(fg.grad(np.i0))(1.0) == pytest.approx(0.7009067737595234, rel=1e-14)
    assert fg.grad(np.i0)(0.0) == 0.0
    assert fg.grad(fg.grad(np.i0))(0.0) == 0.5


def test_i0_of_large_arguments_grows_like_its_derivative() -> None:
    x = np.array([40.0, -40.0, 700.0])
    slopes = fg.grad(lambda x: np.sum(np.i0(x)))(x)
    np.testing.assert_allclose(slopes / np.i0(x), [0.98742, -0.98742, 0.999285], rtol=1e-5)


def test_i0_of_complex_values_is_refused() -> None:
    with pytest.raises(InputDtypeError, match="i0: the operand has dtype complex128"):
        fg.grad(lambda z: np.abs(np.i0(z)))(1j)


@pytest.mark.oracle
def test_bessel_functions_are_those_of_scipy() -> None:
    special = pytest.importorskip("scipy.special")
    x = np.concatenate([np.linspace(-35, 35, 2001), [100.0, 700.0]])
    slopes = fg.vmap(fg.grad(np.i0))(x)
    half = np.exp(np.abs(x) / 2)  # the scaled function does not overflow
    np.testing.assert_allclose(slopes, special.i1e(x) * half * half, rtol=4e-15)


# --- differences ------------------------------------------------------------------------------


def test_ends_of_a_difference_are_differentiated() -> None:
    f = lambda a, p, q: np.diff(a, 2, prepend=p, append=q)
    check(f, normal(2, 3), normal(2, 1), normal(2, 2))
    slopes = fg.grad(lambda p: np.sum(np.diff(np.ones(3), prepend=p)))(2.0)
    assert slopes == -1.0


def test_the_rule_of_the_trapezoid_is_differentiated_by_its_places() -> None:
    y = np.array([1.0, 2.0, 4.0])
    slopes = fg.grad(lambda x: np.trapezoid(y, x))(np.array([0.0, 1.0, 3.0]))
    np.testing.assert_array_equal(slopes, [-1.5, -1.5, 3.0])
    check(lambda y, x: np.trapezoid(y, x, axis=0), normal(3, 2), normal(3))


@pytest.mark.parametrize("edge_order", [1, 2])
def test_a_slope_is_differentiated_by_the_places_of_its_points(edge_order: int) -> None:
    f, x, h = normal(4, 5), np.cumsum(np.abs(normal(4)) + 0.5), np.array(0.7)
    check(lambda f, x, h: np.gradient(f, x, h, edge_order=edge_order)[0], f, x, h)
    check(lambda f, x, h: np.gradient(f, x, h, edge_order=edge_order)[1], f, x, h, batch=False)


def test_the_slope_of_float32_values_stays_float32_with_places_in_float64() -> None:
    f = np.arange(4, dtype=np.float32)
    assert np.gradient(f, np.float64(2.0)).dtype == np.float32
    y, pull = fg.vjp(lambda h: fnp.gradient(f, h), 2.0)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(pull(np.ones(4, np.float32))[0], -1.0)


def test_gradient_names_what_is_wrong_with_its_spacings() -> None:
    f = lambda *spacings, **options: fg.grad(
        lambda x: np.sum(np.gradient(x, *spacings, **options))
    )(normal(3, 4))
    with pytest.raises(TypeError, match="3 spacings for 2 axes"):
        f(1.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="must match the length"):
        f(np.arange(3.0), np.arange(3.0))
    with pytest.raises(ValueError, match="edge_order"):
        f(edge_order=3)
    with pytest.raises(ValueError, match="too small"):
        fg.grad(lambda x: np.sum(np.gradient(x)))(np.ones(1))


def test_places_of_points_may_be_unsigned_and_fall() -> None:
    places = np.array([3, 2, 0], np.uint8)
    slopes = fg.jacrev(lambda f: np.gradient(f, places))(np.ones(3))
    np.testing.assert_allclose(slopes @ np.array([3.0, 2.0, 0.0]), np.ones(3), atol=1e-15)


def test_ends_set_beside_differences_take_their_dtype() -> None:
    x = np.ones(3, np.float32)
    y, pull = fg.vjp(lambda x, end: fnp.ediff1d(x, to_begin=end), x, np.array([2.0]))
    assert y.dtype == np.float32
    assert [part.dtype for part in pull(y)] == [np.float32, np.float64]
    with pytest.raises(TypeError, match="`to_end` must be compatible"):
        fg.jacrev(lambda x: np.ediff1d(x, to_end=1j))(np.ones(3))
