"""linear_transpose: <ct, Ax> = <transpose(ct), x>, and the refusal of what is not linear."""

import gc
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import (
    CotangentError,
    FuncgradError,
    InputDtypeError,
    NonLinearError,
    ObjectArrayError,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 3))
M = RNG.normal(size=(3, 5))
Z = X + 1j * RNG.normal(size=(4, 3))

LINEAR: dict[str, Callable[[Any], Any]] = {
    "identity": lambda x: x,
    "negative": lambda x: -x,
    "scaled": lambda x: 3.0 * x / 2.0,
    "scaled by an array": lambda x: x * X,
    "sum with itself": lambda x: x + 2 * x - x[::-1],
    "sum": lambda x: np.sum(x, axis=0),
    "mean": lambda x: np.mean(x, axis=1, keepdims=True),
    "matmul": lambda x: x @ M,
    "transposed matmul": lambda x: M.T @ x.T,
    "reshape": lambda x: np.reshape(x, (2, 6)).T,
    "index": lambda x: x[1:, 0],
    "concatenate": lambda x: np.concatenate([x, 2 * x]),
    "concatenate with zeros": lambda x: np.concatenate([x, np.zeros((2, 3))]),
    "where": lambda x: np.where(X > 0, x, 0.0),
    "broadcast": lambda x: np.broadcast_to(x, (2, 4, 3)) * np.arange(2.0)[:, None, None],
    "an operation that nothing needs": lambda x: (np.exp(x), x)[1],
    "a gradient of a quadratic form": fg.grad(lambda x: 0.5 * np.sum((x @ M) ** 2)),
    "a tangent map": fg.linearize(np.sin, X)[1],
    "mapped": fg.vmap(lambda row: row @ M),
}


def dot(a: Any, b: Any) -> Any:
    """Pairing without conjugation."""
    return np.sum(a * b)


@pytest.mark.parametrize("name", LINEAR)
def test_the_transpose_is_adjoint_to_the_function(name: str) -> None:
    f = LINEAR[name]
    out = f(X)
    ct = RNG.normal(size=out.shape)
    (found,) = fg.linear_transpose(f, X)(ct)
    assert found.shape == X.shape
    assert found.dtype == X.dtype
    np.testing.assert_allclose(dot(ct, out), dot(found, X))


@pytest.mark.parametrize("name", LINEAR)
def test_the_transpose_is_the_pullback(name: str) -> None:
    f = LINEAR[name]
    out, pullback = fg.vjp(f, X)
    ct = RNG.normal(size=out.shape)
    np.testing.assert_allclose(fg.linear_transpose(f, X)(ct)[0], pullback(ct)[0], atol=1e-14)


@pytest.mark.parametrize("name", ["scaled by an array", "matmul", "where", "index"])
def test_the_transpose_of_the_transpose_is_the_function(name: str) -> None:
    f = LINEAR[name]
    transposed = fg.linear_transpose(f, X)
    twice = fg.linear_transpose(lambda ct: transposed(ct)[0], f(X))
    np.testing.assert_allclose(twice(X)[0], f(X))


def test_complex_functions_are_not_conjugated() -> None:
    transposed = fg.linear_transpose(lambda z: z @ M * (1 + 2j), Z)
    ct = RNG.normal(size=(4, 5)) + 1j
    np.testing.assert_allclose(transposed(ct)[0], ct @ M.T * (1 + 2j))


def test_primals_may_be_anything_with_shape_and_dtype() -> None:
    @dataclass(frozen=True)
    class Like:
        shape: tuple[int, ...]
        dtype: Any

    transposed = fg.linear_transpose(
        lambda p: p["x"] @ M, {"x": Like((4, 3), np.dtype(np.float32)), "y": Like((2,), float)}
    )
    (found,) = transposed(np.ones((4, 5)))
    assert found["x"].dtype == np.float32
    np.testing.assert_array_equal(found["y"], np.zeros(2))


def test_several_primals_and_trees() -> None:
    def f(p: tuple[Any, Any], y: Any) -> dict[str, Any]:
        return {"sum": p[0] + y, "pair": (p[1] * 2, -y)}

    transposed = fg.linear_transpose(f, (1.0, np.ones(2)), 3.0)
    (a, b), c = transposed({"sum": 5.0, "pair": (np.array([1.0, 2.0]), 7.0)})
    assert (a, c) == (5.0, -2.0)
    assert isinstance(a, np.float64)
    np.testing.assert_array_equal(b, [2.0, 4.0])


def test_the_values_of_the_primals_are_not_used() -> None:
    transposed = fg.linear_transpose(lambda x: x * 2, np.full(3, np.nan))
    np.testing.assert_array_equal(transposed(np.ones(3))[0], [2.0, 2.0, 2.0])


def test_a_large_captured_array_raises_no_warning() -> None:
    transposed = fg.linear_transpose(lambda x: x * np.inf, np.ones(3))
    np.testing.assert_array_equal(transposed(np.ones(3))[0], [np.inf] * 3)


def test_it_can_be_transformed() -> None:
    transposed = fg.linear_transpose(lambda x: x @ M, X)
    cts = RNG.normal(size=(6, 4, 5))
    np.testing.assert_allclose(fg.vmap(lambda ct: transposed(ct)[0])(cts), cts @ M.T)
    gradient = fg.grad(lambda ct: np.sum(transposed(ct)[0] ** 2))(cts[0])
    np.testing.assert_allclose(gradient, 2 * cts[0] @ M.T @ M)


def test_it_depends_on_captured_values_of_an_outer_transform() -> None:
    def f(a: Any) -> Any:
        return np.sum(fg.linear_transpose(lambda x: x * a**2, X)(np.ones((4, 3)))[0])

    np.testing.assert_allclose(fg.grad(f)(3.0), 12 * 6.0)
    np.testing.assert_allclose(fg.vmap(f)(np.array([1.0, 2.0])), [12.0, 48.0])


def test_results_own_their_memory() -> None:
    ct = np.ones((4, 3))
    first, second = fg.linear_transpose(lambda x, y: x + y, X, X)(ct)
    for one in (first, second):
        assert one.flags.writeable
        assert not np.shares_memory(one, ct)
    assert not np.shares_memory(first, second)


def test_nothing_is_left_for_the_garbage_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        fg.linear_transpose(lambda x: x @ M, X)(np.ones((4, 5)))
        assert gc.collect() == 0
    finally:
        gc.enable()


NOT_LINEAR: dict[str, tuple[Callable[[Any], Any], str]] = {
    "sin": (np.sin, "sin"),
    "product with itself": (lambda x: x * x, "multiply"),
    "one operand below": (lambda x: 1.0 / x, "divide"),
    "a constant added": (lambda x: x + 1.0, "add"),
    "a constant joined": (lambda x: np.concatenate([x, np.ones((1, 3))]), "concatenate"),
    "a constant selected": (lambda x: np.where(X > 0, x, 1.0), "where"),
    "a condition on the argument": (lambda x: np.where(x > 0, x, 0.0), "greater"),
    "a piecewise constant": (lambda x: np.floor(x) * 1.0, "floor"),
    "a maximum": (lambda x: np.max(x), "max"),
    "a constant result": (lambda x: (x, np.ones(2)), "does not depend on the arguments"),
    "a branch": (lambda x: x if np.all(x > 0) else -x, "greater"),
    "a branch on what is linear": (lambda x: x if np.sum(x) else -x, "bool()"),
    "a float": (lambda x: x * float(x[0, 0]), "float()"),
}


@pytest.mark.parametrize("name", NOT_LINEAR)
def test_what_is_not_linear_is_refused_by_name(name: str) -> None:
    f, words = NOT_LINEAR[name]
    with pytest.raises(NonLinearError, match=re.escape(words)):
        fg.linear_transpose(f, X)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: fg.linear_transpose(np.sin, 3), InputDtypeError, "primal 0 has type int"),
        (
            lambda: fg.linear_transpose(np.sin, {"n": np.arange(3)}),
            InputDtypeError,
            "linear_transpose: primal 0['n'] has dtype int64",
        ),
        (
            lambda: fg.linear_transpose(lambda x: (x, x), X)(X),
            CotangentError,
            "another structure of cotangent than needed",
        ),
        (
            lambda: fg.linear_transpose(lambda x: {"y": x}, X)({"y": X[0]}),
            CotangentError,
            "cotangent['y'] has shape (3,), but (4, 3) is needed",
        ),
        (
            lambda: fg.linear_transpose(lambda x: x, X)(Z),
            CotangentError,
            "has dtype complex128, but float64 is needed",
        ),
    ],
)
def test_bad_arguments_are_refused(
    call: Callable[[], Any], error: type[FuncgradError], words: str
) -> None:
    with pytest.raises(error, match=re.escape(words)):
        call()


@pytest.mark.parametrize(
    "x", [np.ma.array([1.0, 2.0], mask=[0, 1]), np.ones((1, 2)).view(np.matrix)]
)
def test_arrays_whose_operators_mean_something_else_are_refused(x: Any) -> None:
    name = type(x).__name__
    with pytest.raises(ObjectArrayError, match=f"^linear_transpose: primal 0 is a {name}"):
        fg.linear_transpose(lambda x: 2 * x, x)
