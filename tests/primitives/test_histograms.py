"""Bincount, histograms and their edges: by weights, by the outer elements, on edges, in batches."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad.numpy as fnp
from funcgrad import errors, grad, jacfwd, jvp, make_program, value_and_grad, vmap
from tests.primitives.checking import check, normal

BINS = np.array([0, 2, 2, 1, 0])
W = np.array([1.0, -2.0, 0.5, 3.0, 4.0])

# --- bincount ---------------------------------------------------------------------------------


def test_bincount_is_linear_in_the_weights():
    check(lambda w: np.bincount(BINS, w), W)
    check(lambda w: np.bincount(BINS, w * w, minlength=5), W)


def test_each_weight_gets_the_cotangent_of_its_bin():
    c = np.array([10.0, 20.0, 30.0])
    gradient = grad(lambda w: np.sum(c * np.bincount(BINS, w)))(W)
    np.testing.assert_array_equal(gradient, c[BINS])


def test_bincount_of_single_precision_is_double_as_in_numpy():
    w = W.astype(np.float32)
    value, moved = jvp(lambda w: np.bincount(BINS, w), (w,), (w,))
    assert value.dtype == moved.dtype == np.float64
    assert grad(lambda w: np.sum(np.bincount(BINS, w)))(w).dtype == np.float32


def test_nothing_counted_is_zeros():
    none = np.zeros(0, int)
    value, pulled = value_and_grad(lambda w: np.sum(np.bincount(none, w, minlength=2)) * 1.0)(
        none * 1.0
    )
    assert value == 0.0
    assert pulled.shape == (0,)


def test_examples_of_a_batch_are_counted_side_by_side():
    x, w = np.stack([BINS, BINS[::-1]]), np.stack([W, 2 * W])
    f = lambda x, w: np.bincount(x, w, minlength=4)
    expected = np.stack([f(*row) for row in zip(x, w, strict=True)])
    np.testing.assert_array_equal(vmap(f)(x, w), expected)
    np.testing.assert_array_equal(vmap(f, (0, None))(x, W), [f(one, W) for one in x])
    counts = vmap(lambda x: np.bincount(x, minlength=3))(x)
    np.testing.assert_array_equal(counts, [[2, 1, 2], [2, 1, 2]])


@pytest.mark.parametrize("minlength", [0, 2])
def test_a_batch_whose_lengths_depend_on_values_is_refused(minlength: int):
    with pytest.raises(errors.BatchedValueError, match=r"bincount at .*test_histograms.*minlength"):
        vmap(lambda x: np.bincount(x, minlength=minlength))(np.stack([BINS, BINS]))


def test_a_program_of_bincount_holds_where_the_length_is_the_same():
    f = lambda x, w: np.bincount(x, w, minlength=4)
    program = make_program(f)(BINS, W)
    np.testing.assert_array_equal(program.evaluate(BINS[::-1].copy(), W)[0], f(BINS[::-1], W))


BINCOUNT_MISTAKES: dict[str, tuple[Callable[[Any], Any], type[Exception], str]] = {
    "float": (np.bincount, TypeError, "float64.*weights="),
    "complex weights": (lambda x: np.bincount(BINS, x * 1j), TypeError, "complex128.*real weights"),
    "negative": (lambda x: np.bincount(BINS - 1, x), ValueError, "negative elements"),
    "negative minlength": (lambda x: np.bincount(BINS, x, -1), ValueError, "must not be negative"),
    "lengths": (lambda x: np.bincount(BINS[:2], x), ValueError, "same length"),
    "rank": (lambda x: np.bincount(BINS[None], x[None]), ValueError, "too deep"),
}


@pytest.mark.parametrize("name", BINCOUNT_MISTAKES)
def test_wrong_arguments_of_bincount_are_refused(name: str):
    f, error, message = BINCOUNT_MISTAKES[name]
    with pytest.raises(error, match=message):
        grad(lambda x: np.sum(np.real(f(x))))(W)


# --- edges ------------------------------------------------------------------------------------

X = np.array([0.3, -1.0, 2.0, 0.7, 1.1])


def test_edges_move_with_the_smallest_and_the_largest_element():
    jacobian = jacfwd(lambda x: np.histogram_bin_edges(x, 2))(X)
    expected = np.zeros((3, 5))
    expected[:, 1], expected[:, 2] = [1.0, 0.5, 0.0], [0.0, 0.5, 1.0]
    np.testing.assert_array_equal(jacobian, expected)


def test_edges_move_with_a_traced_range():
    f = lambda low, high: np.histogram_bin_edges(X, 4, (low, high))
    found = jacfwd(lambda low: fnp.histogram_bin_edges(X, 4, (low, 3.0)))(-1.0)
    np.testing.assert_allclose(found, [1.0, 0.75, 0.5, 0.25, 0.0], rtol=1e-15)
    np.testing.assert_array_equal(f(-1.0, 3.0), [-1, 0, 1, 2, 3])


def test_edges_around_equal_elements_move_with_them():
    x = np.array([2.0, 2.0])
    jacobian = jacfwd(lambda x: np.histogram_bin_edges(x, 1))(x)
    np.testing.assert_array_equal(np.histogram_bin_edges(x, 1), [1.5, 2.5])
    np.testing.assert_array_equal(jacobian, np.full((2, 2), 0.5))


def test_given_edges_have_derivative_zero_by_the_elements():
    edges = np.array([-1.0, 0.5, 3.0])
    np.testing.assert_array_equal(
        jacfwd(lambda x: np.histogram_bin_edges(x, edges) + 0 * x[0])(X), 0
    )


@pytest.mark.parametrize("method", ["auto", "fd", "doane", "scott", "rice", "sturges", "sqrt"])
def test_automatic_edges_move_with_the_outer_elements(method: str):
    x = normal(40)
    check(lambda x: np.histogram_bin_edges(x, method), x, batch=False)


def test_vmap_refuses_automatic_edges_for_their_number_depends_on_values():
    with pytest.raises(errors.BatchedValueError, match="shape depends on values"):
        vmap(lambda x: np.histogram_bin_edges(x, "auto"))(normal(2, 9))


# --- histograms -------------------------------------------------------------------------------


def test_counts_have_derivative_zero_and_edges_do_not():
    value, moved = jvp(lambda x: np.histogram(x, 3)[0] * 1.0 + x[0] * 0, (X,), (X,))
    np.testing.assert_array_equal(value, np.histogram(X, 3)[0])
    np.testing.assert_array_equal(moved, 0)
    assert grad(lambda x: np.histogram(x, 3)[1][0])(X)[1] == 1.0


def test_counts_of_traced_elements_are_integers():
    kinds = []
    grad(lambda x: kinds.append(np.histogram(x, 3)[0].dtype) or np.sum(x))(X)
    assert kinds == [np.dtype(np.intp)]


@pytest.mark.parametrize(
    "options", [{}, {"bins": 3}, {"bins": [-1.5, 0.5, 2.5]}, {"range": (0, 2)}]
)
def test_a_histogram_is_linear_in_the_weights(options: Any):
    check(lambda w: np.histogram(X, weights=w, **options)[0], W, exact=False)


def test_elements_on_edges_and_outside_fall_where_numpy_puts_them():
    x = np.array([0.0, 1.0, 1.0, 2.0, 3.0, 3.5, -0.5, np.nan])
    edges = np.array([0.0, 1.0, 2.0, 3.0])
    c = np.array([1.0, 10.0, 100.0])
    gradient = grad(lambda w: np.sum(c * np.histogram(x, edges, weights=w)[0]))(np.ones(8))
    np.testing.assert_array_equal(gradient, [1, 10, 10, 100, 100, 0, 0, 0])


def test_an_infinite_weight_outside_changes_nothing():
    w = np.array([1.0, np.inf])
    f = lambda w: np.histogram(np.array([0.5, 9.0]), [0.0, 1.0], weights=w)[0]
    np.testing.assert_array_equal(jvp(f, (w,), (np.ones(2),))[1], [1.0])


def test_weights_may_be_complex():
    check(lambda w: np.histogram(X, 3, weights=w)[0], W * (1 + 2j), second=False, exact=False)


def test_a_density_moves_with_the_weights_and_the_outer_elements():
    check(
        lambda x, w: np.histogram(x, 2, density=True, weights=w)[0],
        X,
        np.abs(W),
        exact=False,
        batch=False,
    )


def test_a_density_moves_with_traced_edges():
    edges = np.array([-1.5, 0.5, 2.5])
    check(lambda e: np.histogram(X, e, density=True)[0], edges, exact=False)


def test_histograms_of_a_batch_are_those_of_its_examples():
    x, w = normal(3, 8), np.abs(normal(3, 8, seed=1))
    f = lambda x, w: np.histogram(x, 4, weights=w)
    counts, edges = vmap(f)(x, w)
    for i in range(3):
        np.testing.assert_allclose(counts[i], f(x[i], w[i])[0], rtol=1e-14)
        np.testing.assert_array_equal(edges[i], f(x[i], w[i])[1])


def test_weights_and_an_automatic_number_of_bins_are_refused_as_in_numpy():
    with pytest.raises(TypeError, match="not supported for weighted data"):
        grad(lambda w: np.sum(np.histogram(X, "auto", weights=w)[0]))(W)


HISTOGRAM_MISTAKES: dict[str, tuple[Callable[[Any], Any], type[Exception], str]] = {
    "no bins": (lambda x: np.histogram(x, 0), ValueError, "must be positive"),
    "falling edges": (lambda x: np.histogram(x, [1.0, 0.0]), ValueError, "monotonically"),
    "half a bin": (lambda x: np.histogram(x, 2.5), TypeError, "must be an integer"),
    "range": (lambda x: np.histogram(x, 2, (1.0, 0.0)), ValueError, "larger than min"),
    "infinite range": (lambda x: np.histogram(x, 2, (1.0, np.inf)), ValueError, "not finite"),
    "infinite element": (lambda x: np.histogram(x / 0, 2), ValueError, "not finite"),
    "edges of 2 axes": (lambda x: np.histogram(x, np.ones((2, 2))), ValueError, "1d"),
    "weights": (lambda x: np.histogram(x, weights=x[:2]), ValueError, "same shape"),
    "dimensions": (lambda x: np.histogramdd(x, [2, 2]), ValueError, "dimension of bins"),
    "ranges": (lambda x: np.histogramdd(x, 2, [None, None]), ValueError, "one entry per"),
    "x and y": (lambda x: np.histogram2d(x, x[:2]), ValueError, "same length"),
    "complex": (lambda x: np.histogramdd(x, 2, weights=x * 1j), TypeError, "complex"),
}


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@pytest.mark.parametrize("name", HISTOGRAM_MISTAKES)
def test_wrong_arguments_of_a_histogram_are_refused(name: str):
    f, error, message = HISTOGRAM_MISTAKES[name]
    with pytest.raises(error, match=message):
        grad(lambda x: np.sum(x) + 0 * len(f(x)))(X)


# --- more dimensions --------------------------------------------------------------------------

POINTS = normal(9, 2)
WEIGHTS = np.abs(normal(9))


@pytest.mark.parametrize("bins", [2, [2, 3], [np.array([-3.0, 0.1, 3.0]), 2]])
@pytest.mark.parametrize("density", [False, True])
def test_histograms_of_points_by_weights_and_outer_points(bins: Any, density: bool):
    f = lambda x, w: np.histogramdd(x, bins, density=density, weights=w)[0]
    check(f, POINTS, WEIGHTS, batch=False, exact=False)


def test_a_histogram_of_two_variables_is_that_of_their_points():
    x, y = POINTS.T
    f = lambda x, y, w: np.histogram2d(x, y, [2, 3], weights=w)
    g = lambda x, y, w: np.histogramdd([x, y], [2, 3], weights=w)[0]
    np.testing.assert_array_equal(jvp(f, (x, y, WEIGHTS), (x, y, WEIGHTS))[0][0], g(x, y, WEIGHTS))
    check(lambda x, y, w: f(x, y, w)[1], x, y, WEIGHTS)
    check(lambda w: f(x, y, w)[0], WEIGHTS, exact=False)


def test_edges_of_all_dimensions_carry_derivatives():
    gradient = grad(lambda x: np.sum(np.histogramdd(x, 1)[1][1] * np.array([1.0, 10.0])))(POINTS)
    expected = np.zeros_like(POINTS)
    expected[np.argmin(POINTS[:, 1]), 1] += 1
    expected[np.argmax(POINTS[:, 1]), 1] += 10
    np.testing.assert_array_equal(gradient, expected)


def test_one_array_of_edges_serves_both_variables():
    edges = np.array([-3.0, 0.0, 1.0, 3.0])
    x, y = POINTS.T
    found = jvp(lambda w: np.histogram2d(x, y, edges, weights=w)[0], (WEIGHTS,), (WEIGHTS,))
    np.testing.assert_array_equal(found[0], np.histogram2d(x, y, edges, weights=WEIGHTS)[0])
    np.testing.assert_array_equal(found[0], found[1])
