"""Polynomials: closed forms, zeros in front, division, roots, fits, `poly1d` and mistakes."""

from typing import Any

import numpy as np
import pytest

import funcgrad as fg
import funcgrad.numpy as fnp
from funcgrad.errors import FuncgradError, MultipleRootError
from tests.primitives.checking import check, normal

# --- sums, products, calculus -----------------------------------------------------------------


def test_sums_and_differences_align_the_lowest_coefficients() -> None:
    short, long = np.array([3.0]), np.array([1.0, 2.0])
    np.testing.assert_array_equal(fg.jacrev(np.polyadd)(short, long), [[0.0], [1.0]])
    np.testing.assert_array_equal(fg.jacrev(np.polysub, 1)(short, long), [[-1.0, 0.0], [0.0, -1.0]])
    check(np.polyadd, normal(2), normal(4))
    check(np.polysub, normal(4), normal(2, dtype=complex))


def test_a_product_is_the_convolution() -> None:
    jacobian = fg.jacrev(np.polymul)(np.array([1.0, 2.0]), np.array([1.0, 10.0]))
    np.testing.assert_array_equal(jacobian, [[1.0, 0.0], [10.0, 1.0], [0.0, 10.0]])
    check(np.polymul, normal(4), normal(2))


def test_a_zero_in_front_is_cut_off_and_still_moves_the_others() -> None:
    f = lambda e: np.polymul(np.stack([e, 1.0 + 0 * e]), np.array([1.0, 2.0]))
    np.testing.assert_array_equal(f(0.0), [1.0, 2.0])
    value, slope = fg.jvp(f, (0.0,), (1.0,))
    np.testing.assert_array_equal(value, [1.0, 2.0])
    np.testing.assert_array_equal(slope, [2.0, 0.0])


def test_a_batch_keeps_what_one_of_its_examples_needs() -> None:
    found = fg.vmap(np.polymul, in_axes=(0, None))(np.array([[0.0, 1.0], [2.0, 1.0]]), np.ones(1))
    np.testing.assert_array_equal(found, [[0.0, 1.0], [2.0, 1.0]])
    found = fg.vmap(np.polymul, in_axes=(0, None))(np.array([[0.0, 1.0], [0.0, 3.0]]), np.ones(1))
    np.testing.assert_array_equal(found, [[1.0], [3.0]])


def test_the_derivative_of_a_polynomial_is_linear_in_its_coefficients() -> None:
    p = np.array([4.0, 3.0, 2.0, 1.0])
    np.testing.assert_array_equal(
        fg.jacrev(np.polyder)(p), [[3, 0, 0, 0], [0, 2, 0, 0], [0, 0, 1, 0]]
    )
    assert fg.jacrev(lambda p: np.polyder(p, 5))(p).shape == (0, 4)


def test_integrals_are_differentiated_by_their_constants() -> None:
    p, k = np.array([6.0, 2.0]), np.array([5.0, 7.0])
    jacobian = fg.jacrev(lambda k: fnp.polyint(p, 2, k))(k)
    np.testing.assert_array_equal(jacobian, [[0, 0], [0, 0], [1, 0], [0, 1]])
    np.testing.assert_array_equal(
        fg.jacrev(lambda k: fnp.polyint(p, 2, k))(3.0), [0.0, 0.0, 1.0, 1.0]
    )
    check(lambda p: np.polyint(p, 2), p)


def test_orders_below_zero_are_refused() -> None:
    for function in (np.polyder, np.polyint):
        with pytest.raises(ValueError, match="must be positive"):
            fg.jacrev(lambda p, function=function: function(p, -1))(np.ones(3))


def test_values_are_differentiated_by_coefficients_and_places() -> None:
    by_p, by_x = fg.grad(np.polyval, (0, 1))(np.array([1.0, 2.0, 3.0]), 2.0)
    np.testing.assert_array_equal(by_p, [4.0, 2.0, 1.0])
    assert by_x == 6.0
    check(np.polyval, normal(4), normal(2, 3))
    check(np.polyval, normal(3), normal(2, dtype=complex))
    assert fg.jacrev(np.polyval)(np.ones(0), np.ones(2)).shape == (2, 0)


def test_powers_of_zero_have_finite_slopes() -> None:
    jacobian = fg.jacrev(np.vander)(np.array([0.0, 2.0, 1.0]))
    np.testing.assert_array_equal(jacobian[0, :, 0], [0.0, 1.0, 0.0])
    np.testing.assert_array_equal(jacobian[1, :, 1], [4.0, 1.0, 0.0])
    assert fg.jacrev(lambda x: np.vander(x, 0))(np.ones(2)).shape == (2, 0, 2)
    check(lambda x: np.vander(x, 4, increasing=True), normal(3, dtype=complex))


def test_powers_of_float32_are_float64_as_in_numpy() -> None:
    x = np.array([1.5, 2.0], np.float32)
    y, pull = fg.vjp(np.vander, x)
    assert y.dtype == np.vander(x).dtype == np.float64
    assert pull(y)[0].dtype == np.float32


# --- division ---------------------------------------------------------------------------------


def test_quotient_and_remainder_are_differentiated() -> None:
    u, v = np.array([2.0, -3.0, 4.0, 1.0]), np.array([2.0, 1.0])
    q, r = fg.jacrev(lambda u: np.polydiv(u, v))(u)
    # 1 / (2 x + 1) = 1/2 x⁻¹ - 1/4 x⁻² + 1/8 x⁻³ - ..., and r = u(-1/2).
    np.testing.assert_allclose(
        q, [[0.5, 0, 0, 0], [-0.25, 0.5, 0, 0], [0.125, -0.25, 0.5, 0]], atol=1e-15
    )
    np.testing.assert_allclose(r, [[-0.125, 0.25, -0.5, 1.0]], atol=1e-15)
    for dtype in (float, complex):  # the terms of the remainder are added in another order
        for part in range(2):
            check(
                lambda u, v, part=part: np.polydiv(u, v)[part],
                normal(6, dtype=dtype),
                np.array([2.0, 0.3, -1.0]),
                exact=False,
            )


def test_a_divisor_of_higher_degree_leaves_the_dividend() -> None:
    u, v = np.array([1.0, 2.0]), np.array([1.0, 0.0, 1.0])
    (q, r), pull = fg.vjp(np.polydiv, u, v)
    np.testing.assert_array_equal(q, [0.0])
    np.testing.assert_array_equal(r, u)
    by_u, by_v = pull((np.ones(1), np.array([3.0, 4.0])))
    np.testing.assert_array_equal(by_u, [3.0, 4.0])
    np.testing.assert_array_equal(by_v, np.zeros(3))


def test_division_without_remainder_leaves_one_zero_that_still_moves() -> None:
    u, v = np.polymul([1.0, 2.0], [1.0, 3.0]), np.array([1.0, 3.0])
    np.testing.assert_array_equal(np.polydiv(u, v)[1], [0.0])
    _, slope = fg.jvp(lambda u: np.polydiv(u, v)[1], (u,), (np.array([1.0, 1.0, 1.0]),))
    np.testing.assert_array_equal(slope, [7.0])  # x² + x + 1 at -3


def test_a_series_that_is_divided_by_a_number_is_scaled() -> None:
    u, v = np.array([2.0, 4.0]), np.array([2.0])
    (q, r), pull = fg.vjp(np.polydiv, u, v)
    np.testing.assert_array_equal(q, [1.0, 2.0])
    np.testing.assert_array_equal(r, [0.0])
    by_u, by_v = pull((np.ones(2), np.ones(1)))
    np.testing.assert_array_equal(by_u, [0.5, 0.5])
    np.testing.assert_array_equal(by_v, [-1.5])


# --- from roots -------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8])
def test_coefficients_are_differentiated_by_the_roots(n: int) -> None:
    z = normal(n)
    jacobian = fg.jacrev(np.poly)(z)
    for i in range(n):
        others = np.append(0.0, -np.poly(np.delete(z, i)))
        np.testing.assert_allclose(jacobian[:, i], others, rtol=1e-12, atol=1e-12)
    check(np.poly, z, exact=False)  # a tree of products rounds otherwise


def test_equal_roots_are_no_kink_of_the_coefficients() -> None:
    jacobian = fg.jacrev(np.poly)(np.array([1.0, 1.0]))
    np.testing.assert_array_equal(jacobian, [[0, 0], [-1, -1], [1, 1]])


def test_complex_roots_with_their_conjugates_give_real_coefficients() -> None:
    z = np.array([1.0 + 2.0j, 1.0 - 2.0j, 3.0])
    p, pull = fg.vjp(np.poly, z)
    assert p.dtype == np.poly(z).dtype == np.float64
    np.testing.assert_allclose(p, np.poly(z))
    assert pull(np.ones(4))[0].dtype == np.complex128
    batch = fg.vmap(np.poly)(np.stack([z, z + 1]))
    assert batch.dtype == np.float64
    assert fg.vmap(np.poly)(np.stack([z, z + 1j])).dtype == np.complex128


def test_no_roots_give_the_number_one() -> None:
    assert np.poly([]) == 1.0
    assert fg.jvp(lambda z: np.sum(z) + np.poly(z), (np.ones(0),), (np.ones(0),))[0] == 1.0


def test_the_characteristic_polynomial_ends_in_trace_and_determinant() -> None:
    a = normal(3, 3)
    jacobian = fg.jacrev(np.poly)(a)
    np.testing.assert_array_equal(jacobian[0], np.zeros((3, 3)))
    np.testing.assert_allclose(jacobian[1], -np.eye(3), atol=1e-14)
    np.testing.assert_allclose(jacobian[3], -fg.grad(np.linalg.det)(a), atol=1e-13)
    check(np.poly, a)
    check(np.poly, normal(2, 2, dtype=complex))


def test_repeated_eigenvalues_do_not_disturb_the_characteristic_polynomial() -> None:
    jacobian = fg.jacrev(np.poly)(np.eye(2))
    np.testing.assert_array_equal(jacobian, [np.zeros((2, 2)), -np.eye(2), np.eye(2)])
    defective = fg.jacrev(np.poly)(np.array([[1.0, 1.0], [0.0, 1.0]]))
    np.testing.assert_array_equal(defective[2], [[1.0, 0.0], [-1.0, 1.0]])


def test_matrices_that_are_not_square_are_refused() -> None:
    with pytest.raises(ValueError, match="non-empty square"):
        fg.jacrev(np.poly)(np.ones((2, 3)))


# --- roots ------------------------------------------------------------------------------------


def test_simple_roots_move_by_minus_the_change_over_the_slope() -> None:
    p = np.array([1.0, -6.0, 11.0, -6.0])  # (x - 1)(x - 2)(x - 3)
    r, pull = fg.vjp(np.roots, p)
    np.testing.assert_array_equal(r, np.roots(p))
    for i, root in enumerate(r):
        expected = -(root ** np.arange(3, -1, -1)) / np.polyval([3.0, -12.0, 11.0], root)
        np.testing.assert_allclose(pull(np.eye(3)[i])[0], expected, rtol=1e-10)


def test_pairs_of_complex_roots_have_the_derivative_of_the_formula() -> None:
    # x² + b x + c: r = (-b ± √(b² - 4 c)) / 2, ∂r/∂b = (-1 ± b / √(b² - 4 c)) / 2.
    b, c = 2.0, 5.0
    _, slope = fg.jvp(np.roots, (np.array([1.0, b, c]),), (np.array([0.0, 1.0, 0.0]),))
    expected = (-1 + np.array([1, -1]) * b / np.sqrt(b * b - 4 * c + 0j)) / 2
    np.testing.assert_allclose(slope, expected, rtol=1e-14)


def test_the_second_derivative_of_a_root_is_that_of_the_formula() -> None:
    largest = lambda c: np.max(np.roots(np.stack([1.0 + 0 * c, -3.0 + 0 * c, c])))
    c = 1.25  # r = (3 + √(9 - 4 c)) / 2
    assert fg.grad(largest)(c) == pytest.approx(-((9 - 4 * c) ** -0.5), rel=1e-13)
    assert fg.grad(fg.grad(largest))(c) == pytest.approx(-2 * (9 - 4 * c) ** -1.5, rel=1e-12)


def test_zeros_in_front_and_behind_count() -> None:
    p = np.array([0.0, 1.0, -3.0, 0.0])  # x (x - 3), of degree two
    r, pull = fg.vjp(np.roots, p)
    np.testing.assert_array_equal(r, [3.0, 0.0])
    np.testing.assert_allclose(pull(np.array([1.0, 0.0]))[0], [-9.0, -3.0, -1.0, -1 / 3])
    np.testing.assert_allclose(pull(np.array([0.0, 1.0]))[0], [0.0, 0.0, 0.0, 1 / 3])
    batch = fg.vmap(np.roots)(np.array([[1.0, -3.0, 0.0], [1.0, -3.0, 2.0]]))
    np.testing.assert_array_equal(batch, [[3.0, 0.0], [2.0, 1.0]])


def test_a_constant_has_no_roots() -> None:
    assert fg.jacrev(np.roots)(np.array([3.0])).shape == (0, 1)
    assert fg.jacrev(np.roots)(np.zeros(2)).shape == (0, 2)


@pytest.mark.parametrize(
    "z", [[1.0, 1.0], [2.0, 2.0, 2.0], [0.0, 0.0, 1.0], [1j, 1j, 1.0], [3.0, 3.0, -1.0, 5.0]]
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_multiple_roots_have_no_derivative(z: Any, dtype: Any) -> None:
    p = np.poly(z)
    p = p.astype(np.result_type(dtype, np.complex64) if np.iscomplexobj(p) else dtype)
    with pytest.raises(MultipleRootError, match=r"test_polynomials\.py:\d+.*within rounding"):
        fg.grad(lambda p: np.sum(np.abs(np.roots(p))))(p)
    with pytest.raises(MultipleRootError, match="no derivative"):
        fg.jvp(np.roots, (p,), (p,))


def test_near_roots_that_are_not_equal_have_a_derivative() -> None:
    # x² - 2 x + 1 - h², r = 1 ± h.
    h = 1e-4
    p = np.array([1.0, -2.0, 1.0 - h * h])
    slopes = fg.grad(lambda p: np.max(np.roots(p)))(p)
    assert slopes[2] == pytest.approx(-1 / (2 * h), rel=1e-6)  # the roots are as exact


def test_a_batch_with_a_leading_zero_is_refused_because_it_has_fewer_roots() -> None:
    with pytest.raises(ValueError, match="different numbers of roots"):
        fg.vmap(np.roots)(np.array([[0.0, 1.0, 2.0], [1.0, 3.0, 2.0]]))


# --- fits -------------------------------------------------------------------------------------


def test_a_fit_is_linear_in_its_values() -> None:
    x = np.linspace(-1.0, 1.0, 5)
    jacobian = fg.jacrev(lambda y: np.polyfit(x, y, 1))(normal(5))
    np.testing.assert_allclose(jacobian, [x / np.sum(x * x), np.full(5, 0.2)], atol=1e-15)


def test_an_exact_fit_moves_with_its_places() -> None:
    # Three points on a parabola: p(xᵢ) stays, so ṗ(xᵢ) = -p'(xᵢ) ẋᵢ.
    x, p = np.array([-1.0, 0.5, 2.0]), np.array([1.0, -2.0, 3.0])
    jacobian = fg.jacrev(lambda x: np.polyfit(x, np.polyval(p, fg.stop_gradient(x)), 2))(x)
    moved = np.vander(x) @ jacobian
    np.testing.assert_allclose(moved, -np.diag(np.polyval(np.polyder(p), x)), atol=1e-12)


@pytest.mark.parametrize("cov", [True, "unscaled"])
def test_the_covariance_of_a_fit_is_differentiated(cov: Any) -> None:
    x, y, w = np.linspace(0.0, 2.0, 6), normal(6), np.abs(normal(6)) + 0.5
    for part in range(2):
        check(
            lambda x, y, w, part=part: np.polyfit(x, y, 2, w=w, cov=cov)[part],
            x, y, w,
            exact=False,  # the fit is scaled by multiplications in another order
        )  # fmt: skip


def test_a_full_fit_gives_the_rank_and_the_residuals_too() -> None:
    x, y = np.linspace(0.0, 2.0, 6), normal(6, 2)
    plain = np.polyfit(x, y, 2, full=True)
    full, _ = fg.jvp(lambda y: np.polyfit(x, y, 2, full=True)[:2], (y,), (y,))
    for one, other in zip(full, plain, strict=False):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)
    slopes = fg.grad(lambda y: np.sum(np.polyfit(x, y, 2, full=True)[1]))(y)
    rest = y - np.stack([np.polyval(c, x) for c in plain[0].T], axis=1)
    np.testing.assert_allclose(slopes, 2 * rest, atol=1e-12)


def test_a_fit_names_what_does_not_fit() -> None:
    for args, error, message in (
        ((np.ones((2, 2)), np.ones(2), 1), TypeError, "1D vector for x"),
        ((np.ones(3), np.ones(2), 1), TypeError, "same length"),
        ((np.ones(0), np.ones(0), 1), TypeError, "non-empty"),
        ((np.ones(2), np.ones(2), -1), ValueError, "deg >= 0"),
    ):
        with pytest.raises(error, match=message):
            fg.jacrev(lambda x, y, deg: np.polyfit(x, y, deg))(*args)
    with pytest.raises(ValueError, match="must exceed order"):
        fg.jacrev(lambda y: np.polyfit(np.arange(3.0), y, 2, cov=True)[1])(np.ones(3))


# --- poly1d -----------------------------------------------------------------------------------


def test_a_poly1d_beside_traced_coefficients_gives_a_poly1d() -> None:
    p = np.poly1d([1.0, 2.0])

    def total(c: Any) -> Any:
        product = np.polymul(p, c)
        assert isinstance(product, np.poly1d)
        quotient, rest = np.polydiv(c, p)
        return np.polysub(product, c)(2.0) * quotient(1.5) + rest(0.0)

    c = np.array([2.0, 1.0, 4.0])
    slopes = fg.grad(total)(c)
    h = 1e-6
    expected = [(total(c + h * e) - total(c - h * e)) / (2 * h) for e in np.eye(3)]
    np.testing.assert_allclose(slopes, expected, rtol=1e-8)


def test_a_poly1d_of_traced_coefficients_is_evaluated() -> None:
    slopes = fg.grad(lambda c: np.poly1d(c)(2.0))(np.array([1.0, 5.0, 3.0]))
    np.testing.assert_array_equal(slopes, [4.0, 2.0, 1.0])


def test_a_poly1d_of_traced_coefficients_raises_where_numpy_would_lose_them() -> None:
    with pytest.raises(FuncgradError, match="Its derivative would be lost"):
        fg.grad(lambda c: np.polymul(np.poly1d(c), np.poly1d([1.0, 2.0]))(2.0))(
            np.array([1.0, 5.0])
        )
