"""numpy.linalg: inverses, systems, determinants, factors and norms."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from funcgrad import grad, jvp, vjp
from funcgrad.testing import numerical_jvp

sys.path.insert(0, str(Path(__file__).parent))
from checking import check, normal, positive_definite  # test files are no package

DTYPES = [np.float64, np.complex128]
LEADS = [(), (2,), (3,)]


def regular(*lead: int, dtype: Any = np.float64) -> Any:
    return normal(*lead, 3, 3, dtype=dtype) + 2 * np.eye(3, dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize("function", [np.linalg.inv, np.linalg.det])
def test_a_function_of_regular_matrices_is_right(function: Any, lead: Any, dtype: Any) -> None:
    check(function, regular(*lead, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3,), (3, 2), (3, 3), (2, 3, 1)])
@pytest.mark.parametrize("lead", [(), (2,)])
def test_solve_takes_vectors_and_matrices(shape: Any, lead: Any, dtype: Any) -> None:
    check(np.linalg.solve, regular(*lead, dtype=dtype), normal(*shape, dtype=dtype))


def test_solve_takes_real_beside_complex() -> None:
    check(np.linalg.solve, regular(), normal(3, dtype=np.complex128))
    check(np.linalg.solve, regular(dtype=np.complex128), normal(3))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("lead", [(), (2,)])
def test_slogdet_has_the_derivative_of_the_logarithm(lead: Any, dtype: Any) -> None:
    a = regular(*lead, dtype=dtype)
    check(lambda a: np.linalg.slogdet(a).logabsdet, a)
    check(lambda a: np.linalg.slogdet(a)[0], a)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rank", [0, 1, 2])
def test_det_is_right_at_singular_matrices(rank: int, dtype: Any) -> None:
    a = normal(3, rank, dtype=dtype) @ normal(rank, 3, seed=4, dtype=dtype)
    check(np.linalg.det, a)


def test_det_is_right_in_a_batch_of_mixed_ranks() -> None:
    a = np.stack([normal(3, 2) @ normal(2, 3), normal(3, 3), np.zeros((3, 3))])
    check(np.linalg.det, a)


@pytest.mark.parametrize("dtype", DTYPES)
def test_det_has_derivatives_of_all_orders_at_regular_matrices(dtype: Any) -> None:
    a, t = regular(dtype=dtype), normal(3, 3, seed=9, dtype=dtype)

    def second(a: Any) -> Any:
        return jvp(lambda a: jvp(np.linalg.det, (a,), (t,))[1], (a,), (t,))[1]

    check(second, a)


def test_the_third_derivative_of_det_at_a_singular_matrix_is_an_error() -> None:
    t = normal(3, 3)

    def second(a: Any) -> Any:
        return jvp(lambda a: jvp(np.linalg.det, (a,), (t,))[1], (a,), (t,))[1]

    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        grad(second)(np.zeros((3, 3)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("lead", [(), (2,)])
def test_cholesky_is_right_along_hermitian_directions(lead: Any, dtype: Any) -> None:
    a = positive_definite(3, *lead, dtype=dtype)
    check(np.linalg.cholesky, a, symmetric=True)
    # LAPACK sums in another order for the upper factor
    check(lambda a: np.linalg.cholesky(a, upper=True), a, symmetric=True, exact=False)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_gradient_through_cholesky_is_hermitian(dtype: Any) -> None:
    a = positive_definite(3, dtype=dtype)
    found = grad(lambda a: np.sum(np.abs(np.linalg.cholesky(a))))(a)
    np.testing.assert_allclose(found, np.conjugate(found.T), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, -1, -2])
def test_matrix_powers_are_right(n: int, dtype: Any) -> None:
    check(lambda a: np.linalg.matrix_power(a, n), regular(dtype=dtype))
    check(lambda a: np.linalg.matrix_power(a, n), regular(2, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", [None, 1, 2, 3, -1, 0.5, 1.5, np.inf, -np.inf])
def test_vector_norms_of_every_order_are_right(order: Any, dtype: Any) -> None:
    x = normal(3, 4, dtype=dtype)
    check(lambda x: np.linalg.norm(x, order, axis=1), x, exact=False)
    check(lambda x: np.linalg.norm(x, order, axis=0, keepdims=True), x, exact=False)
    check(lambda x: np.linalg.norm(x, order), x[0], exact=False)
    check(
        lambda x: np.linalg.vector_norm(x, ord=2 if order is None else order, axis=(0, 2)),
        normal(2, 3, 4, dtype=dtype),
        exact=False,
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", [None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf])
def test_matrix_norms_of_every_order_are_right(order: Any, dtype: Any) -> None:
    x = normal(2, 3, 4, dtype=dtype)
    check(lambda x: np.linalg.norm(x, order), x[0], exact=False)
    check(lambda x: np.linalg.norm(x, order, axis=(2, 0), keepdims=True), x, exact=False)
    check(lambda x: np.linalg.matrix_norm(x, ord="fro" if order is None else order), x, exact=False)


def test_the_norm_of_all_elements_is_numpys() -> None:
    check(np.linalg.norm, normal(2, 3, 4))
    check(np.linalg.norm, normal(2, 3, 4, dtype=np.complex128))


def test_the_number_of_nonzeros_has_derivative_zero() -> None:
    np.testing.assert_array_equal(grad(lambda x: np.linalg.norm(x, 0))(normal(3)), np.zeros(3))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", [None, 1, 2, 3, 1.5, np.inf])
def test_the_norm_of_a_zero_vector_has_derivative_zero(order: Any, dtype: Any) -> None:
    zero = np.zeros(3, dtype)
    np.testing.assert_array_equal(grad(lambda x: np.linalg.norm(x, order))(zero), zero)


@pytest.mark.parametrize("order", [None, "fro", "nuc", 1, 2, np.inf])
def test_the_norm_of_a_zero_matrix_has_derivative_zero(order: Any) -> None:
    zero = np.zeros((2, 3))
    np.testing.assert_array_equal(grad(lambda x: np.linalg.norm(x, order))(zero), zero)


@pytest.mark.parametrize("shape", [(3, 4), (4, 3), (3, 3), (2, 3, 4)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_singular_values_are_right_to_second_order(shape: Any, dtype: Any) -> None:
    check(np.linalg.svdvals, normal(*shape, dtype=dtype))


def test_the_nuclear_norm_is_right_where_singular_values_are_equal() -> None:
    def nuclear(a: Any) -> Any:
        return np.linalg.norm(a, "nuc")

    a, t = np.diag([2.0, 2.0, 1.0]), normal(3, 3)
    np.testing.assert_allclose(grad(nuclear)(a), np.eye(3), atol=1e-14)
    found = jvp(grad(nuclear), (a,), (t,))[1]
    np.testing.assert_allclose(found, numerical_jvp(grad(nuclear), (a,), (t,)).value, atol=1e-9)


def test_the_nuclear_norm_of_a_singular_matrix_has_the_smallest_subgradient() -> None:
    found = grad(lambda a: np.linalg.norm(a, "nuc"))(np.ones((2, 2)))
    np.testing.assert_allclose(found, np.full((2, 2), 0.5))


@pytest.mark.parametrize("offset", [0, 1, -1])
def test_trace_and_diagonal_take_the_last_two_axes(offset: int) -> None:
    x = normal(2, 3, 4)
    check(lambda x: np.linalg.trace(x, offset=offset), x)
    check(lambda x: np.linalg.diagonal(x, offset=offset), x)


FUNCTIONS: dict[str, Any] = {
    "inv": np.linalg.inv,
    "det": np.linalg.det,
    "logabsdet": lambda a: np.linalg.slogdet(a)[1],
    "solve": lambda a: np.linalg.solve(a, a),
    "cholesky": np.linalg.cholesky,
    "matrix_power": lambda a: np.linalg.matrix_power(a, 3),
    "norm": np.linalg.norm,
    "norm of order 3": lambda a: np.linalg.norm(a, 3, axis=0),
    "nuclear norm": lambda a: np.linalg.norm(a, "nuc"),
    "svdvals": np.linalg.svdvals,
}


@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_dtypes_are_kept(function: Any, dtype: Any) -> None:
    a = positive_definite(3, dtype=dtype)
    plain = function(a)
    out, pullback = vjp(function, a)
    assert out.dtype == plain.dtype
    assert pullback(np.ones_like(out))[0].dtype == dtype
    assert jvp(function, (a,), (a,))[1].dtype == plain.dtype


@pytest.mark.parametrize(
    ("function", "shape", "message"),
    [
        (np.linalg.inv, (3,), "at least two-dimensional"),
        (np.linalg.det, (2, 3), "square"),
        (np.linalg.inv, (2, 2), "Singular"),
    ],
)
def test_what_numpy_refuses_is_refused(function: Any, shape: Any, message: str) -> None:
    with pytest.raises(np.linalg.LinAlgError, match=message):
        vjp(function, np.zeros(shape))


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.linalg.norm(x, "fro", axis=0),
        lambda x: np.linalg.norm(x, 3),
        lambda x: np.linalg.norm(x, 2, axis=(0, 0)),
    ],
)
def test_a_wrong_order_of_a_norm_is_an_error(call: Any) -> None:
    with pytest.raises(ValueError, match=r"[Ii]nvalid norm order|Duplicate axes"):
        vjp(call, np.ones((2, 3)))
