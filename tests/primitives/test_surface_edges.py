"""Arguments that are seldom written: other dtypes, Python numbers, orders in memory, lone axes."""

from typing import Any

import numpy as np
import pytest

import funcgrad as fg
import funcgrad.numpy as fnp

# --- powers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("base", [-2, -2.0, np.array([-2.0, 3.0])])
def test_a_negative_real_base_has_a_derivative_by_a_complex_exponent(base: Any) -> None:
    y = 0.3 + 0.4j
    found = fg.jvp(lambda y: np.power(base, y), (y,), (1.0 + 0j,))[1]
    np.testing.assert_allclose(found, np.power(base, y) * np.log(np.asarray(base) + 0j))


@pytest.mark.parametrize("power", [np.power, np.float_power])
def test_an_unsigned_exponent_of_zero_gives_the_derivative_zero(power: Any) -> None:
    y = np.array([0, 1, 2], np.uint8)
    found = fg.grad(lambda x: power(x, y).sum())(np.full(3, 30.0))
    np.testing.assert_array_equal(found, [0.0, 1.0, 60.0])


def test_a_small_integer_base_loses_no_digits_in_the_logarithm() -> None:
    found = fg.grad(lambda y: np.power(np.uint8(3), y))(2.0)
    np.testing.assert_allclose(found, 9 * np.log(3.0), rtol=1e-15)


@pytest.mark.parametrize("power", [np.power, np.float_power])
def test_the_mixed_second_derivative_of_a_power_is_right_at_the_exponent_zero(power: Any) -> None:
    hessian = fg.hessian(power, (0, 1))(2.0, 0.0)
    mixed = 0.5  # ∂ₓ(xʸ log x) = xʸ⁻¹ (1 + y log x)
    np.testing.assert_allclose([hessian[0][1], hessian[1][0]], [mixed, mixed])


# --- Python numbers ---------------------------------------------------------------------------


def test_sinc_of_a_python_float_has_all_digits() -> None:
    expected = fg.grad(np.sinc)(np.float64(0.3))
    np.testing.assert_allclose(fg.grad(np.sinc)(0.3), expected, rtol=1e-15)


def test_fmod_of_python_floats_by_zero_is_nan_as_in_numpy() -> None:
    with np.errstate(all="ignore"):
        value, slope = fg.value_and_grad(np.fmod, 1)(1.0, 0.0)
    assert np.isnan(value)
    assert not np.isfinite(slope)


def test_logaddexp_reduces_a_python_float() -> None:
    assert fg.grad(lambda x: np.logaddexp.reduce(x, axis=None))(1.5) == 1.0


def test_unique_takes_a_python_float() -> None:
    assert fg.grad(lambda x: np.unique(x).sum())(1.5) == 1.0


def test_asarray_chkfinite_takes_a_python_float() -> None:
    assert fg.grad(lambda x: fnp.asarray_chkfinite(x) * 2)(1.5) == 2.0


def test_modf_of_integers_is_numpys() -> None:
    for found, expected in zip(fnp.modf([1, 2]), np.modf([1, 2]), strict=True):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


# --- integers that are not of 64 bits ---------------------------------------------------------


@pytest.mark.parametrize("mode", ["wrap", "clip"])
def test_indices_of_eight_bits_reach_into_longer_axes(mode: Any) -> None:
    x = np.arange(300.0)
    indices = np.array([127, -1], np.int8)
    value, pull = fg.vjp(lambda x: np.take(x, indices, mode=mode), x)
    np.testing.assert_array_equal(value, np.take(x, indices, mode=mode))
    assert pull(np.ones(2))[0].sum() == 2


def test_take_along_axis_counts_indices_of_eight_bits_from_the_end() -> None:
    x = np.arange(300.0)
    gradient = fg.grad(lambda x: np.take_along_axis(x, np.array([-128], np.int8), 0).sum())(x)
    np.testing.assert_array_equal(np.flatnonzero(gradient), [172])


def test_take_reads_booleans_as_numbers() -> None:
    np.testing.assert_array_equal(
        fg.grad(lambda x: np.take(x, [True, True, False]).sum())(np.ones(4)), [1.0, 2.0, 0.0, 0.0]
    )


def test_ix_reads_booleans_as_a_mask_beside_traced_integers() -> None:
    x = np.array([[3.0, 1.0, 2.0]])
    found = fg.vmap(lambda row: np.ix_(np.argsort(row), np.array([True, False, True]))[1])(x)
    np.testing.assert_array_equal(found, [[[0, 2]]])


def test_choose_takes_one_number() -> None:
    found = fg.grad(lambda x: np.sum(np.choose(1, [np.ones(3), x])))(np.zeros(3))
    np.testing.assert_array_equal(found, np.ones(3))


def test_roll_takes_an_array_of_shifts() -> None:
    x = np.arange(6.0).reshape(2, 3)
    shifts = np.array([1, 2])
    value, pull = fg.vjp(lambda x: np.roll(x, shifts, (0, 1)), x)
    np.testing.assert_array_equal(value, np.roll(x, shifts, (0, 1)))
    np.testing.assert_array_equal(pull(value)[0], x)


# --- piecewise --------------------------------------------------------------------------------


def test_piecewise_reads_integers_as_conditions() -> None:
    x = np.array([1.0, 2.0, 3.0])
    chosen = np.array([1, 0, 1], np.uint8)
    value, pull = fg.vjp(lambda x: np.piecewise(x, [chosen], [lambda x: x * x, 0]), x)
    np.testing.assert_array_equal(value, [1.0, 0.0, 9.0])
    np.testing.assert_array_equal(pull(np.ones(3))[0], [2.0, 0.0, 6.0])


def test_piecewise_takes_one_condition_under_vmap() -> None:
    def f(x: Any) -> Any:
        return np.piecewise(x, x < 0, [lambda x: x * x, lambda x: -x])

    x = np.array([[-1.0, 2.0], [3.0, -4.0]])
    np.testing.assert_array_equal(fg.vmap(f)(x), [f(row) for row in x])


def test_piecewise_takes_one_condition_on_a_number_under_vmap() -> None:
    def f(x: Any) -> Any:
        return np.piecewise(x, x < 0, [lambda x: x * x, lambda x: -x])

    np.testing.assert_array_equal(fg.vmap(f)(np.array([-2.0, 3.0])), [4.0, -3.0])


# --- order in memory --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "laid_out",
    [
        lambda xp, x: xp.copy(x, order="F"),
        lambda xp, x: xp.copy(x.T, order="C"),
        lambda xp, x: x.T.copy(),
        lambda xp, x: x.astype(float, "F"),
        lambda xp, x: fnp.asfortranarray(x),
        lambda xp, x: fnp.ascontiguousarray(x.T),
        lambda xp, x: fnp.array(x, order="F"),
        lambda xp, x: xp.broadcast_to(x[0], (2, 3)),
        lambda xp, x: xp.broadcast_to(x[0][:, None], (2, 3, 2)),
    ],
)
def test_order_k_reads_what_a_traced_copy_was_laid_out_for(laid_out: Any) -> None:
    x = np.arange(6.0).reshape(2, 3)
    expected = np.ravel(np.asarray(laid_out(np, x)), order="K")
    value, _ = fg.vjp(lambda x: np.ravel(laid_out(np, x), order="K"), x)
    np.testing.assert_array_equal(value, expected)
    rows = fg.vmap(lambda x: np.ravel(laid_out(np, x), order="K"))(x[None])
    np.testing.assert_array_equal(rows[0], expected)


def test_a_copy_in_fortran_order_may_be_changed_in_place() -> None:
    def f(x: Any) -> Any:
        y = np.copy(x, order="F")
        y += 1.0
        return np.sum(y * x)

    np.testing.assert_array_equal(fg.grad(f)(np.ones((2, 2))), np.full((2, 2), 3.0))


# --- methods ----------------------------------------------------------------------------------


def test_the_method_astype_has_ndarrays_arguments() -> None:
    found = fg.grad(lambda x: x.astype(np.float32, "K", "same_kind").sum())(np.ones(2))
    np.testing.assert_array_equal(found, np.ones(2))


def test_the_method_astype_obeys_casting() -> None:
    with pytest.raises(TypeError, match="according to the rule 'safe'"):
        fg.grad(lambda x: x.astype(np.float32, casting="safe").sum())(np.ones(2))


def test_transpose_of_a_vector_takes_its_one_axis_as_a_number() -> None:
    for axis in (0, np.int64(0)):
        found = fg.grad(lambda x, axis=axis: np.sum(x.transpose(axis) * [1.0, 2.0]))(np.ones(2))
        np.testing.assert_array_equal(found, [1.0, 2.0])


# --- lone and absent axes -----------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2, np.inf])
def test_the_norm_of_a_matrix_without_elements_is_zero(order: Any) -> None:
    value, gradient = fg.value_and_grad(lambda x: np.linalg.norm(x, order))(np.ones((3, 0)))
    assert value == 0
    assert gradient.shape == (3, 0)


@pytest.mark.parametrize("function", [np.polymul, np.polydiv])
def test_products_and_quotients_of_polynomials_take_vectors_only(function: Any) -> None:
    with pytest.raises(ValueError, match="1d only"):
        fg.grad(lambda x: np.sum(function(x, [1.0, 2.0])[0]))(np.ones((2, 3)))


def test_piecewise_takes_no_elements_under_vmap() -> None:
    found = fg.vmap(lambda x: np.piecewise(x, [x > 0], [np.sin, 0]))(np.ones((2, 0)))
    assert found.shape == (2, 0)


def test_a_number_is_repeated_along_its_axis() -> None:
    assert fg.grad(lambda x: np.sum(np.repeat(x, 3, axis=0)))(np.float64(2.0)) == 3.0


def test_a_number_has_a_running_sum() -> None:
    if hasattr(np, "cumulative_sum"):  # NumPy 2.1
        found = fg.grad(lambda x: np.sum(np.cumulative_sum(x, include_initial=True)))(np.float64(2))
        assert found == 1.0
