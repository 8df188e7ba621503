"""safe_where: the double-where pattern, in every mode and order."""

from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.numpy import safe_where
from tests.primitives.checking import check

X = np.array([0.0, 4.0, -1.0, 0.25])
SLOPE = np.array([0.0, 0.25, 0.0, 1.0])


def root(x: Any) -> Any:
    return safe_where(x > 0, np.sqrt, x)


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_it_cures_the_nan_of_a_single_where() -> None:
    single = fg.grad(lambda x: np.sum(np.where(x > 0, np.sqrt(x), 0.0)))(X)
    assert np.isnan(single[0])
    np.testing.assert_array_equal(fg.grad(lambda x: np.sum(root(x)))(X), SLOPE)


def test_the_value_is_that_of_where_and_nothing_warns() -> None:
    np.testing.assert_array_equal(root(X), [0.0, 2.0, 0.0, 0.5])
    np.testing.assert_array_equal(fg.vjp(root, X)[0], [0.0, 2.0, 0.0, 0.5])


def test_forward_mode_and_second_order_are_finite_too() -> None:
    np.testing.assert_array_equal(fg.jvp(root, (X,), (np.ones(4),))[1], SLOPE)
    second = np.array([0.0, -0.25 / 8, 0.0, -0.25 / 0.125])
    for hessian in (fg.hessian(lambda x: np.sum(root(x)))(X), fg.jacrev(fg.jacrev(root))(X).sum(0)):
        np.testing.assert_allclose(hessian, np.diag(second), rtol=1e-14)
    check(root, X + np.array([-0.5, 0.0, 0.0, 0.0]))


def test_each_example_of_a_batch_chooses_for_itself() -> None:
    np.testing.assert_array_equal(fg.vmap(root)(X), root(X))
    np.testing.assert_array_equal(fg.vmap(fg.grad(root))(X), SLOPE)


def test_a_row_of_a_matrix_is_chosen_by_vmap() -> None:
    rows = np.array([[0.0, 0.0], [3.0, 4.0]])

    def f(rows: Any) -> Any:
        norm = lambda x: np.sqrt(np.sum(x * x))
        return fg.vmap(lambda x: safe_where(np.any(x != 0), norm, x))(rows)

    slope = fg.grad(lambda rows: np.sum(f(rows)))(rows)
    np.testing.assert_allclose(slope, [[0.0, 0.0], [0.6, 0.8]], rtol=1e-15)


def test_several_arguments_and_pytrees_are_chosen_leaf_by_leaf() -> None:
    ok = np.array([True, False])
    a, b = np.array([3.0, np.nan]), {"d": np.array([2.0, 0.0])}

    def f(a: Any, b: Any) -> Any:
        return safe_where(ok, lambda a, b: {"q": a / b["d"]}, a, b, otherwise=-1.0)["q"]

    np.testing.assert_array_equal(f(a, b), [1.5, -1.0])
    by_a, by_b = fg.grad(lambda a, b: np.sum(f(a, b)), (0, 1))(a, b)
    np.testing.assert_array_equal(by_a, [0.5, 0.0])
    np.testing.assert_array_equal(by_b["d"], [-0.75, 0.0])


def test_fill_may_be_one_for_each_argument() -> None:
    found = fg.grad(
        lambda x: np.sum(safe_where(x > 1, lambda x, y: np.log(x - y), x, 1.0, fill=(3.0, 1.0)))
    )(np.array([1.0, 2.0]))
    np.testing.assert_array_equal(found, [0.0, 1.0])


def test_otherwise_may_be_an_array_with_a_derivative() -> None:
    x = np.array([1.0, -1.0])
    by_x, by_y = fg.grad(lambda x, y: np.sum(safe_where(x > 0, np.log, x, otherwise=y)), (0, 1))(
        x, np.array([5.0, 6.0])
    )
    np.testing.assert_array_equal(by_x, [1.0, 0.0])
    np.testing.assert_array_equal(by_y, [0.0, 1.0])


def test_otherwise_may_be_a_function_that_sees_only_its_own_points() -> None:
    def f(x: Any) -> Any:
        return safe_where(x > 0, np.log, x, otherwise=lambda x: np.sqrt(2 - x))

    x = np.array([np.e, 5.0, -2.0])
    np.testing.assert_allclose(f(x), [1.0, np.log(5.0), 2.0])
    np.testing.assert_allclose(fg.grad(lambda x: np.sum(f(x)))(x), [1 / np.e, 0.2, -0.25])


def test_float32_stays_float32_and_integers_stay_integers() -> None:
    x = X.astype(np.float32)
    out, pull = fg.vjp(root, x)
    assert out.dtype == np.float32
    assert pull(np.ones(4, np.float32))[0].dtype == np.float32
    seen = []

    def f(x: Any, i: Any) -> Any:
        seen.append(i.dtype)
        return x * i

    safe_where(X > 0, f, X, np.arange(4))
    assert seen == [np.dtype(np.int64)]


def test_an_array_in_place_of_the_function_gives_the_safe_point() -> None:
    np.testing.assert_array_equal(safe_where(X > 0, X, fill=9.0), [9.0, 4.0, 9.0, 0.25])
    point = safe_where(X > 0, {"a": X, "b": [X]}, fill={"a": 9.0, "b": 8.0})
    np.testing.assert_array_equal(point["a"], [9.0, 4.0, 9.0, 0.25])
    np.testing.assert_array_equal(point["b"][0], [8.0, 4.0, 8.0, 0.25])
    slope = fg.grad(lambda x: np.sum(np.where(x > 0, np.sqrt(safe_where(x > 0, x)), 0.0)))(X)
    np.testing.assert_array_equal(slope, SLOPE)


def test_a_complex_function_keeps_its_derivative() -> None:
    z = np.array([0.0, 1.0 + 2.0j])
    found = fg.jvp(lambda z: safe_where(z != 0, np.log, z), (z,), (np.ones(2, complex),))[1]
    np.testing.assert_allclose(found, [0.0, 1 / z[1]], rtol=1e-15)


def test_arguments_that_do_not_fit_are_errors() -> None:
    with pytest.raises(TypeError, match="Only a function takes arguments"):
        safe_where(X > 0, X, X)
    with pytest.raises(fg.errors.PytreeError, match="safe_where: fill"):
        safe_where(X > 0, lambda a, b: a * b, X, X, fill=(1.0, 1.0, 1.0))
    with pytest.raises(fg.errors.PytreeError, match="safe_where: otherwise"):
        safe_where(X > 0, np.log, X, otherwise=[1.0, 2.0])
