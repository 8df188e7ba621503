"""numpy.linalg: pseudo-inverses, least squares, ranks, condition numbers, tensor equations."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import BatchedValueError
from funcgrad.testing import numerical_jvp

sys.path.insert(0, str(Path(__file__).parent))
from checking import check, normal  # test files are no package

DTYPES = [np.float64, np.complex128]


# --- pseudo-inverse ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 3, 2)])
def test_the_pseudo_inverse_of_full_rank_is_right(shape: Any, dtype: Any) -> None:
    check(np.linalg.pinv, normal(*shape, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_pseudo_inverse_is_right_along_matrices_of_one_rank(dtype: Any) -> None:
    a, b = normal(4, 2, dtype=dtype), normal(2, 3, dtype=dtype)
    check(lambda a, b: np.linalg.pinv(a @ b, 1e-10), a, b, exact=False)


@pytest.mark.parametrize("dtype", DTYPES)
def test_singular_values_that_are_left_out_and_are_not_zero_have_their_part(dtype: Any) -> None:
    check(lambda a: np.linalg.pinv(a, rcond=0.5), normal(4, 3, dtype=dtype))
    check(lambda a: np.linalg.pinv(a, np.array([0.5, 1e-3])), normal(2, 3, 4, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_pseudo_inverse_of_a_hermitian_matrix_is_that_of_its_hermitian_part(dtype: Any) -> None:
    def function(a: Any) -> Any:
        h = a + np.conj(a.T)
        return np.linalg.pinv(h, 1e-9, hermitian=True)

    check(function, normal(3, 3, dtype=dtype))
    a = normal(3, 2, dtype=dtype)
    check(lambda a: np.linalg.pinv(a @ np.conj(a.T), 1e-9, hermitian=True), a, exact=False)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_equal_singular_values_do_no_harm_to_the_pseudo_inverse(rank: int) -> None:
    a = np.eye(4, 3) * (np.arange(3) < rank)
    t = np.zeros((4, 3))
    t[:, :rank] = normal(4, rank)  # keeps the rank
    found = fg.jvp(lambda a: np.linalg.pinv(a, 1e-6), (a,), (t,))[1]
    expected = numerical_jvp(lambda a: np.linalg.pinv(a, 1e-6), (a,), (t,), largest_step=1e-2).value
    np.testing.assert_allclose(found, expected, atol=1e-8)


def test_rcond_and_rtol_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="can't be both set"):
        fg.jacfwd(lambda a: np.linalg.pinv(a, 0.1, rtol=0.1))(np.eye(2))


def test_a_limit_may_differ_between_the_examples_of_a_batch() -> None:
    a, limits = normal(3, 2), np.array([1e-3, 0.9])
    found = fg.vmap(np.linalg.pinv, in_axes=(None, 0))(a, limits)
    np.testing.assert_allclose(found, np.stack([np.linalg.pinv(a, one) for one in limits]))


# --- least squares ----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("m", "n"), [(5, 3), (3, 3), (3, 5)])
@pytest.mark.parametrize("right", [(), (2,)])
def test_least_squares_of_full_rank_are_right(right: Any, m: int, n: int, dtype: Any) -> None:
    a, b = normal(m, n, dtype=dtype), normal(m, *right, dtype=dtype)
    check(lambda a, b: np.linalg.lstsq(a, b)[0], a, b, exact=False)


def test_the_gradient_of_least_squares_is_that_of_the_normal_equations() -> None:
    a, b, w = normal(6, 3), normal(6), normal(3)
    found = fg.grad(lambda a, b: w @ np.linalg.lstsq(a, b)[0], (0, 1))(a, b)
    expected = fg.grad(lambda a, b: w @ np.linalg.solve(a.T @ a, a.T @ b), (0, 1))(a, b)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-11)


def test_the_gradient_of_a_shortest_solution_is_that_of_its_formula() -> None:
    a, b, w = normal(3, 6), normal(3), normal(6)
    found = fg.grad(lambda a, b: w @ np.linalg.lstsq(a, b)[0], (0, 1))(a, b)
    expected = fg.grad(lambda a, b: w @ a.T @ np.linalg.solve(a @ a.T, b), (0, 1))(a, b)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("dtype", DTYPES)
def test_least_squares_are_right_along_matrices_of_one_rank(dtype: Any) -> None:
    a, b, c = (normal(*s, dtype=dtype) for s in ((5, 2), (2, 4), (5,)))
    check(lambda a, b, c: np.linalg.lstsq(a @ b, c, rcond=1e-9)[0], a, b, c, exact=False)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex64])
@pytest.mark.parametrize(("m", "n", "right"), [(5, 3, ()), (5, 3, (2,)), (3, 5, ()), (3, 3, (1,))])
def test_all_four_results_are_numpys(m: int, n: int, right: Any, dtype: Any) -> None:
    a, b = normal(m, n, dtype=dtype), normal(m, *right, dtype=dtype)
    plain = np.linalg.lstsq(a, b)
    found = fg.vjp(lambda a: np.linalg.lstsq(a, b), a)[0]
    rtol = 1e3 * float(np.finfo(dtype).eps)
    for one, other in zip(found, plain, strict=True):
        assert np.shape(one) == np.shape(other)
        assert np.asarray(one).dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol)


def test_residuals_and_singular_values_are_differentiated() -> None:
    a, b = normal(5, 3), normal(5, 2)
    check(lambda a, b: np.linalg.lstsq(a, b)[1], a, b, exact=False)
    check(lambda a: np.linalg.lstsq(a, b)[3], a, exact=False)
    found = fg.grad(lambda b: np.sum(np.linalg.lstsq(a, b)[1]))(b)
    np.testing.assert_allclose(found, 2 * (b - a @ np.linalg.lstsq(a, b)[0]), atol=1e-13)


def test_the_rank_is_an_integer_without_a_derivative() -> None:
    a, b = normal(5, 3), normal(5)
    found = fg.grad(lambda a: np.sum(a * a) * np.linalg.lstsq(a, b)[2])(a)
    np.testing.assert_allclose(found, 6 * a)


def test_residuals_that_only_some_examples_have_are_an_error() -> None:
    stack = np.stack([normal(3, 2), np.ones((3, 2))])
    with pytest.raises(BatchedValueError, match=r"vmap: np\.linalg\.lstsq .*full rank"):
        fg.vmap(lambda a: np.linalg.lstsq(a, np.ones(3))[0])(stack)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (normal(2, 3, 3), normal(3), "3-dimensional array given"),
        (normal(3, 3), normal(3, 3, 3), "3-dimensional array given"),
        (normal(3, 2), normal(2), "Incompatible dimensions"),
    ],
)
def test_wrong_shapes_are_numpys_errors(a: Any, b: Any, message: str) -> None:
    with pytest.raises(np.linalg.LinAlgError, match=message):
        fg.vjp(lambda a: np.linalg.lstsq(a, b), a)


# --- ranks and condition numbers --------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{}, {"tol": 0.5}, {"rtol": 0.5}, {"hermitian": True}, {"tol": np.array([9.0, 0.1])}]
)
def test_the_rank_of_traced_matrices_is_numpys(options: Any) -> None:
    stack = np.stack([np.ones((3, 3)), np.diag([3.0, 2.0, 1.0])])
    expected = np.linalg.matrix_rank(stack, **options)
    found: list[Any] = []

    def function(a: Any) -> Any:
        found.append(np.linalg.matrix_rank(a, **options))
        return np.sum(found[0] * np.sum(a * a, axis=(-2, -1)))

    gradient = fg.grad(function)(stack)
    np.testing.assert_array_equal(found[0], expected)
    assert found[0].dtype == expected.dtype
    np.testing.assert_allclose(gradient, 2 * expected[:, None, None] * stack)


def test_the_rank_of_a_vector_is_one_unless_it_is_zero() -> None:
    found = fg.grad(lambda x: np.linalg.matrix_rank(x) * np.sum(x))(np.ones(3))
    np.testing.assert_array_equal(found, np.ones(3))
    found = fg.vmap(lambda x: np.linalg.matrix_rank(x))(np.diag([1.0, 0.0]))
    np.testing.assert_array_equal(found, [1, 0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", [None, 1, -1, 2, -2, np.inf, -np.inf, "fro", "nuc"])
def test_condition_numbers_of_every_order_are_right(order: Any, dtype: Any) -> None:
    a = normal(3, 3, dtype=dtype) + 2 * np.eye(3)
    check(lambda a: np.linalg.cond(a, order), a, exact=False)
    check(lambda a: np.linalg.cond(a, order), np.stack([a, 2 * a + np.eye(3)]), exact=False)


@pytest.mark.parametrize("order", [None, 1, -2, "fro"])
def test_the_condition_number_of_a_singular_matrix_has_derivative_zero(order: Any) -> None:
    a = np.diag([1.0, 0.0])
    value, gradient = fg.value_and_grad(lambda a: np.linalg.cond(a, order))(a)
    assert value == np.linalg.cond(a, order)
    np.testing.assert_array_equal(gradient, np.zeros((2, 2)))


def test_empty_matrices_have_no_condition_number() -> None:
    with pytest.raises(np.linalg.LinAlgError, match="not defined on empty arrays"):
        fg.vjp(np.linalg.cond, np.zeros((0, 0)))


# --- tensor equations -------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_tensor_equations_are_right(dtype: Any) -> None:
    a = normal(6, 6, dtype=dtype) + 3 * np.eye(6)
    check(np.linalg.tensorinv, a.reshape(2, 3, 3, 2))
    check(lambda a: np.linalg.tensorinv(a, ind=1), a.reshape(6, 2, 3))
    check(np.linalg.tensorsolve, a.reshape(2, 3, 6), normal(2, 3, dtype=dtype))
    check(lambda a, b: np.linalg.tensorsolve(a, b, axes=(0,)), a.reshape(6, 2, 3), normal(2, 3))


def test_what_numpy_refuses_of_tensor_equations_is_refused() -> None:
    with pytest.raises(ValueError, match="Invalid ind"):
        fg.vjp(lambda a: np.linalg.tensorinv(a, ind=0), np.eye(4))
    with pytest.raises(np.linalg.LinAlgError, match="requirement"):
        fg.vjp(lambda a: np.linalg.tensorsolve(a, np.ones(2)), np.ones((2, 3)))
