"""`disconnected=` of grad and value_and_grad: arguments without influence, casts to integers."""

import warnings

import numpy as np
import pytest

import funcgrad as fg
import funcgrad.numpy as fnp
from funcgrad.errors import ArgumentSelectionError, DisconnectedError, DisconnectedWarning

X = np.array([1.25, 2.5, -0.75])
TABLE = np.arange(5.0)


def unused(x, y):
    return np.sum(x * x) + 0 * len(y)


def test_by_default_the_derivative_by_an_unused_argument_is_zero():
    np.testing.assert_array_equal(fg.grad(unused, 1)(X, X), np.zeros(3))


@pytest.mark.parametrize("transform", [fg.grad, fg.value_and_grad])
def test_an_unused_argument_raises_and_is_named(transform):
    with pytest.raises(DisconnectedError, match=r"argument 1 does not influence the result"):
        transform(unused, (0, 1), disconnected="error")(X, X)


def test_an_unused_argument_warns_and_gives_zeros():
    with pytest.warns(DisconnectedWarning, match="argument 1 does not influence") as caught:
        gradient = fg.grad(unused, 1, disconnected="warn")(X, X)
    np.testing.assert_array_equal(gradient, np.zeros(3))
    assert caught[0].filename == __file__


@pytest.mark.parametrize("mode", ["error", "warn"])
def test_connected_arguments_say_nothing(mode):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gradient = fg.grad(unused, disconnected=mode)(X, X)
    np.testing.assert_array_equal(gradient, 2 * X)


def test_an_unused_leaf_is_named_by_its_path():
    params = {"w": X, "b": [X, 1.0], "steps": 3}

    def loss(p):
        return np.sum(p["w"] * p["b"][0])

    with pytest.raises(DisconnectedError, match=r"argument 0, leaf \['b'\]\[1\] does not"):
        fg.grad(loss, allow_int=True, disconnected="error")(params)


def test_keyword_arguments_are_named():
    with pytest.raises(DisconnectedError, match="argument 'y' does not influence"):
        fg.grad(unused, argnames="y", disconnected="error")(X, y=X)


def test_what_only_an_intermediate_result_reads_is_disconnected():
    def f(x):
        np.exp(x)
        return np.float64(1.0)

    with pytest.raises(DisconnectedError, match="argument 0 does not"):
        fg.grad(f, disconnected="error")(X)


def test_what_only_the_auxiliary_result_reads_is_disconnected():
    def f(x, y):
        return np.sum(x), np.sum(y)

    with pytest.raises(DisconnectedError, match="argument 1 does not"):
        fg.grad(f, (0, 1), has_aux=True, disconnected="error")(X, X)


def test_a_cast_to_integers_is_named_with_its_line():
    def f(x):
        return np.sum(x * TABLE[x.astype(int)])

    with pytest.raises(DisconnectedError, match=r"ends at a cast to int64 at .*test_disconnected"):
        fg.grad(f, disconnected="error")(np.abs(X))


def test_a_function_with_derivative_zero_is_named_where_it_cut_the_argument_off():
    with pytest.raises(DisconnectedError, match=r"argument 0 does not .* zero were applied: floor"):
        fg.grad(lambda x: np.sum(np.floor(x)), disconnected="error")(X)


def test_functions_with_derivative_zero_are_fine_where_the_argument_has_another_way():
    gradient = fg.grad(lambda x: np.sum(x * np.sign(x)), disconnected="error")(X)
    np.testing.assert_array_equal(gradient, np.sign(X))


def test_records_with_several_parents_and_results_are_followed():
    def f(x, y, z):
        first, second = np.split(np.concatenate([x, y]), 2)
        sign, logdet = np.linalg.slogdet(np.diag(first**2 + 1) + 0 * z)
        return sign * logdet + np.sum(second)

    fg.grad(f, (0, 1, 2), disconnected="error")(X, X, X)


@pytest.mark.parametrize("xp", [np, fnp])
def test_inner_gradients_are_followed_too(xp):
    def f(x):
        return xp.sum(fg.grad(lambda y: xp.sum(y**3))(x))

    fg.grad(f, disconnected="error")(X)
    with pytest.raises(DisconnectedError):
        fg.grad(lambda x: xp.sum(fg.grad(lambda y: xp.sum(3 * y))(x)), disconnected="error")(X)


def test_an_unknown_mode_is_refused():
    with pytest.raises(ArgumentSelectionError, match="'error', 'warn' or 'zero'"):
        fg.grad(unused, disconnected="raise")
