"""numpy.linalg: inverses, systems, determinants, factors and norms."""

import functools
import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from funcgrad import grad, jvp, vjp, vmap
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


def derivative_of_det(a: Any, directions: Any) -> Any:
    """Σ det of A with one of its rows taken from each direction: det is linear in each row."""
    total = 0.0
    for rows in itertools.permutations(range(len(a)), len(directions)):
        replaced = a.copy()
        for row, e in zip(rows, directions, strict=True):
            replaced[row] = e[row]
        total = total + np.linalg.det(replaced)
    return total


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("rank", [0, 1, 2, 3, 4])
def test_det_has_derivatives_of_all_orders_at_every_rank(rank: int, order: int, dtype: Any) -> None:
    a = normal(4, rank, dtype=dtype) @ normal(rank, 4, seed=4, dtype=dtype)
    directions = [normal(4, 4, seed=10 + i, dtype=dtype) for i in range(order)]

    def along(f: Any, e: Any) -> Any:
        return lambda a: jvp(f, (a,), (e,))[1]

    f = functools.reduce(along, directions, np.linalg.det)
    g = functools.reduce(along, directions[:-1], np.linalg.det)
    expected = derivative_of_det(a, directions)
    np.testing.assert_allclose(f(a), expected, rtol=1e-11, atol=1e-11)
    (ct,) = vjp(g, a)[1](np.ones((), dtype)[()])
    np.testing.assert_allclose(np.sum(ct * directions[-1]), expected, rtol=1e-11, atol=1e-11)


def test_third_derivatives_of_det_are_right_near_singular_matrices() -> None:
    a = np.diag([1.0, 1.0, 1e-7, 1e-9])
    e = [normal(4, 4, seed=i) for i in range(3)]

    def second(a: Any) -> Any:
        return jvp(lambda a: jvp(np.linalg.det, (a,), (e[0],))[1], (a,), (e[1],))[1]

    found = jvp(second, (a,), (e[2],))[1]
    np.testing.assert_allclose(found, derivative_of_det(a, e), rtol=1e-12)


def test_derivatives_of_det_beyond_the_size_of_the_matrix_are_exactly_zero() -> None:
    a = regular()[:2, :2]
    hessian = vmap(grad(lambda a: np.sum(grad(np.linalg.det)(a) ** 2)))(np.stack([a, 0 * a]))
    assert hessian.shape == (2, 2, 2)
    t = normal(2, 2)

    def second(a: Any) -> Any:
        return jvp(lambda a: jvp(np.linalg.det, (a,), (t,))[1], (a,), (t,))[1]

    assert not grad(second)(a).any()


def test_second_derivatives_of_det_sum_over_a_matrix_that_examples_share() -> None:
    a, ts = regular(), normal(5, 3, 3)

    def total(a: Any) -> Any:
        return np.sum(vmap(lambda t: jvp(np.linalg.det, (a,), (t,))[1] ** 2)(ts))

    def one_by_one(a: Any) -> Any:
        return sum(jvp(np.linalg.det, (a,), (t,))[1] ** 2 for t in ts)

    np.testing.assert_allclose(grad(total)(a), grad(one_by_one)(a), rtol=1e-12)


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
