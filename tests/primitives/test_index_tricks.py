"""`r_`, `c_`, `ndenumerate` and `kaiser` of traced values, and what has no memory to look at."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
import funcgrad.numpy as fnp

X = np.array([1.0, 2.5, 4.0])

JOINED: dict[str, Callable[[Any, Any], Any]] = {
    "arrays and numbers": lambda xp, x: xp.r_[x, 0.5, x[0], [1, x[2]]],
    "one number": lambda xp, x: xp.r_[x[1]],
    "slice with an imaginary step": lambda xp, x: xp.r_[x[0] : x[2] : 4j, x],
    "slice with a step": lambda xp, x: xp.r_[0 : x[1] : 0.75, x],
    "slice of plain numbers": lambda xp, x: xp.r_[x, 3:6],
    "slice without a start": lambda xp, x: xp.r_[: x[1]],
    "along an axis": lambda xp, x: xp.r_["-1", x[None], x[None] * 2],
    "rows": lambda xp, x: xp.r_["0,2", x, x**2],
    "columns": lambda xp, x: xp.r_["1,2,0", x, x**2],
    "axes on both sides": lambda xp, x: xp.r_["0,4,1", x, x * 2],
    "axes behind": lambda xp, x: xp.r_["0,3,-3", x, x * 2],
    "slices as columns": lambda xp, x: xp.r_["1,3,1", x[0] : x[2] : 3j, x],
    "c_ of vectors": lambda xp, x: xp.c_[x, x**2],
    "c_ of numbers": lambda xp, x: xp.c_[x[0], 1.0, [x[1]]],
    "c_ of a slice": lambda xp, x: xp.c_[x, 0:3],
    "c_ of matrices": lambda xp, x: xp.c_[x[:, None] * x, x],
}


@pytest.mark.parametrize("name", JOINED)
def test_brackets_join_traced_values_as_numpy_joins_plain_ones(name: str):
    call = JOINED[name]
    value, dot = fg.jvp(lambda x: call(fnp, x), (X,), (np.ones(3),))
    np.testing.assert_allclose(value, call(np, X), rtol=1e-15)
    assert value.dtype == call(np, X).dtype
    step = 1e-6
    quotient = (call(np, X + step) - call(np, X - step)) / (2 * step)
    np.testing.assert_allclose(dot, quotient, atol=1e-8)  # rounding of the values / step
    _, pull = fg.vjp(lambda x: call(fnp, x), X)
    np.testing.assert_allclose(np.sum(pull(np.ones_like(value))[0]), np.sum(dot), rtol=1e-12)


@pytest.mark.parametrize("name", JOINED)
def test_brackets_give_numpys_result_of_plain_values(name: str):
    found, expected = JOINED[name](fnp, X), JOINED[name](np, X)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype


def test_brackets_join_each_example_of_a_batch():
    batch = np.stack([X, X + 1])
    found = fg.vmap(lambda x: fnp.c_[x, x * 2])(batch)
    np.testing.assert_array_equal(found, [np.c_[x, x * 2] for x in batch])


def test_a_python_number_does_not_widen_single_precision():
    found, _ = fg.vjp(lambda x: fnp.r_[x, 0.5], X.astype(np.float32))
    assert found.dtype == np.float32


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_the_names_of_matrices_are_those_of_the_caller():
    a = np.eye(2)
    assert isinstance(fnp.r_["a, a"], np.matrix)
    np.testing.assert_array_equal(fnp.r_["a, a"], np.c_[a, a])
    assert len(fnp.r_) == len(fnp.c_) == 0


@pytest.mark.parametrize("directive", ["q", "0,x", "0,2,0,1"])
def test_an_unknown_directive_is_refused(directive: str):
    with pytest.raises(ValueError, match="unknown special directive"):
        fg.grad(lambda x: fnp.r_[directive, x].sum())(X)


def test_a_directive_comes_first():
    with pytest.raises(ValueError, match="first entry"):
        fg.grad(lambda x: fnp.r_[x, "0,2"].sum())(X)


def test_a_place_out_of_range_is_refused():
    with pytest.raises(ValueError, match="axes"):
        fg.grad(lambda x: fnp.r_["0,2,3", x].sum())(X)


def test_ndenumerate_gives_traced_elements():
    def weighted(a: Any) -> Any:
        return sum((1 + i) * 10**j * e**2 for (i, j), e in fnp.ndenumerate(a))

    np.testing.assert_allclose(fg.grad(weighted)(np.ones((2, 2))), [[2, 20], [4, 40]], rtol=1e-15)
    assert list(fnp.ndenumerate(np.eye(1))) == [((0, 0), 1.0)]


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_a_kaiser_window_is_numpys_and_differentiable_by_beta(count: int):
    value, dot = fg.jvp(lambda b: fnp.kaiser(count, b), (2.0,), (1.0,))
    np.testing.assert_allclose(value, np.kaiser(count, 2.0), rtol=1e-15)
    assert value.dtype == np.float64
    quotient = (np.kaiser(count, 2.0 + 1e-6) - np.kaiser(count, 2.0 - 1e-6)) / 2e-6
    np.testing.assert_allclose(dot, quotient, atol=1e-9)  # rounding of the values / step
    np.testing.assert_array_equal(fnp.kaiser(count, 2.0), np.kaiser(count, 2.0))


def test_a_kaiser_window_under_vmap_is_one_for_each_beta():
    betas = np.array([0.0, 3.0, 8.6])
    found = fg.vmap(lambda b: fnp.kaiser(6, b))(betas)
    np.testing.assert_allclose(found, [np.kaiser(6, b) for b in betas], rtol=1e-15)


def test_a_kaiser_window_takes_one_beta():
    with pytest.raises(ValueError, match="one number"):
        fg.grad(lambda b: fnp.kaiser(4, b).sum())(np.ones(2))


def test_plain_values_go_to_numpys_iterators():
    assert [float(e) for e in fnp.nditer(X)] == list(X)
    np.testing.assert_array_equal(fnp.fromiter(iter(X), float), X)
    assert fnp.require(X, requirements="C") is X
