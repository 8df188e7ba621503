"""linearize: the tangent map at a point, again and again."""

import gc
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import (
    FuncgradError,
    InputDtypeError,
    LeakedTracerError,
    MutatedArrayError,
    PytreeError,
    TangentError,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=3)
T = RNG.normal(size=3)
M = RNG.normal(size=(4, 3))


def model(p: dict[str, Any], y: Any) -> dict[str, Any]:
    h = np.tanh(p["w"] @ y) * p["s"]
    return {"h": h, "total": np.sum(h**2), "n": np.sum(h > 0), "constant": np.ones(2)}


PARAMETERS = {"w": M, "s": 1.5}
TANGENTS = {"w": M[::-1].copy(), "s": -1.0}


def same(found: Any, expected: Any) -> None:
    assert fg.tree.structure(found) == fg.tree.structure(expected)
    for one, other in zip(fg.tree.leaves(found), fg.tree.leaves(expected), strict=True):
        assert type(one) is type(other)
        assert np.asarray(one).dtype == np.asarray(other).dtype
        if np.asarray(one).dtype != fg.float0:
            np.testing.assert_allclose(one, other, rtol=1e-13, atol=1e-15)


def test_the_tangent_map_is_jvp() -> None:
    out, f_jvp = fg.linearize(model, PARAMETERS, X)
    expected_out, expected = fg.jvp(model, (PARAMETERS, X), (TANGENTS, T))
    same(out, expected_out)
    same(f_jvp(TANGENTS, T), expected)


def test_the_function_runs_once_for_many_tangents() -> None:
    calls: list[None] = []

    def f(x: Any) -> Any:
        calls.append(None)
        return np.sin(x) * x

    _, f_jvp = fg.linearize(f, X)
    for tangent in np.eye(3):
        np.testing.assert_allclose(f_jvp(tangent), (np.cos(X) * X + np.sin(X)) * tangent)
    assert len(calls) == 1


def test_the_program_holds_linear_operations_that_results_need() -> None:
    def f(x: Any) -> Any:
        np.exp(x)  # nothing needs it
        return np.sin(x) * 2.0

    _, f_jvp = fg.linearize(f, X)
    assert [equation.primitive.name for equation in f_jvp.program.equations] == [
        "multiply",
        "multiply",
    ]


def test_python_branches_on_values_are_taken_at_the_point() -> None:
    _, f_jvp = fg.linearize(lambda x: x * 2 if np.sum(x) > 0 else x * 3, np.ones(3))
    np.testing.assert_array_equal(f_jvp(-np.ones(3)), -2 * np.ones(3))


def test_aux_is_passed_on() -> None:
    out, f_jvp, aux = fg.linearize(lambda x: (x * x, ["aux", x]), X, has_aux=True)
    np.testing.assert_allclose(out, X * X)
    np.testing.assert_allclose(f_jvp(T), 2 * X * T)
    assert aux[0] == "aux"
    assert type(aux[1]) is np.ndarray


def test_integer_primals_take_tangents_without_bytes() -> None:
    _, f_jvp = fg.linearize(lambda x, n: x * n, X, 3)
    np.testing.assert_allclose(f_jvp(T, np.zeros((), fg.float0)), 3 * T)


@pytest.mark.parametrize("dtype", [np.float32, np.complex64, np.complex128])
def test_dtypes_are_kept(dtype: Any) -> None:
    x = X.astype(dtype)
    out, f_jvp = fg.linearize(lambda x: np.sin(x) * 2.0, x)
    assert out.dtype == dtype
    assert f_jvp(x).dtype == dtype
    np.testing.assert_allclose(f_jvp(x), 2 * np.cos(x) * x, rtol=1e-5)


def test_results_share_no_memory_with_tangents_or_each_other() -> None:
    _, f_jvp = fg.linearize(lambda x: (x, x + 1, x[:2]), X)
    tangent = T.copy()
    results = f_jvp(tangent)
    for i, one in enumerate(results):
        assert one.flags.writeable
        assert not np.shares_memory(one, tangent)
        assert not any(np.shares_memory(one, other) for other in results[i + 1 :])


def test_the_map_can_be_mapped() -> None:
    _, f_jvp = fg.linearize(lambda x: np.sin(M @ x), X)
    rows = fg.vmap(f_jvp)(np.eye(3))
    np.testing.assert_allclose(rows.T, fg.jacfwd(lambda x: np.sin(M @ x))(X))


def test_the_map_can_be_differentiated() -> None:
    _, f_jvp = fg.linearize(np.sin, X)
    np.testing.assert_allclose(fg.grad(lambda t: np.sum(f_jvp(t) ** 2))(T), 2 * np.cos(X) ** 2 * T)


def test_the_map_can_be_transposed() -> None:
    _, f_jvp = fg.linearize(lambda x: np.sin(M @ x), X)
    _, pullback = fg.vjp(lambda x: np.sin(M @ x), X)
    np.testing.assert_allclose(fg.linear_transpose(f_jvp, X)(np.ones(4)), pullback(np.ones(4)))


def test_linearize_inside_grad_depends_on_the_outer_argument() -> None:
    def f(a: Any) -> Any:
        _, f_jvp = fg.linearize(lambda x: np.sin(a * x), X)
        return np.sum(f_jvp(T))

    expected = np.sum(np.cos(2.0 * X) * T - 2.0 * X * np.sin(2.0 * X) * T)
    np.testing.assert_allclose(fg.grad(f)(2.0), expected)
    np.testing.assert_allclose(fg.jvp(f, (2.0,), (1.0,))[1], expected)
    np.testing.assert_allclose(fg.vmap(fg.grad(f))(np.array([2.0, 2.0])), [expected, expected])


def test_linearize_of_the_outer_argument_itself() -> None:
    def f(x: Any) -> Any:
        return np.sum(fg.linearize(lambda y: y**3, x)[1](T))

    np.testing.assert_allclose(fg.grad(f)(X), 6 * X * T)


def test_a_map_that_outlives_its_outer_transform_is_refused() -> None:
    kept: list[Any] = []

    def f(a: Any) -> Any:
        kept.append(fg.linearize(lambda x: a * x * x, X)[1])
        return a

    fg.grad(f)(2.0)
    with pytest.raises(LeakedTracerError):
        kept[0](T)


def test_small_arrays_may_change_afterwards() -> None:
    x = X.copy()
    constant = np.ones(3)
    _, f_jvp = fg.linearize(lambda x: x * x * constant, x)
    x += 1
    constant += 1
    np.testing.assert_allclose(f_jvp(T), 2 * X * T)


def test_a_large_array_that_changes_afterwards_is_refused() -> None:
    large = np.ones(10_000)
    _, f_jvp = fg.linearize(lambda x: x * large, np.ones(10_000))
    f_jvp(np.ones(10_000))
    large *= 2
    with pytest.raises(MutatedArrayError, match="linearize"):
        f_jvp(np.ones(10_000))


def test_nothing_is_left_for_the_garbage_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        _, f_jvp = fg.linearize(model, PARAMETERS, X)
        f_jvp(TANGENTS, T)
        del f_jvp
        assert gc.collect() == 0
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda f: f(T), TangentError, "linearize: another structure of tangents than needed"),
        (
            lambda f: f({"w": M}, T),
            TangentError,
            "a dict with the keys 'w' (without 's') at [0]",
        ),
        (
            lambda f: f({"w": M[:2], "s": 1.0}, T),
            TangentError,
            "tangents[0]['w'] has shape (2, 3), but (4, 3) is needed",
        ),
        (
            lambda f: f({"w": M, "s": 1j}, T),
            TangentError,
            "tangents[0]['s'] has type complex, but float64 is needed",
        ),
        (lambda _: fg.linearize(np.sin, "x"), InputDtypeError, "linearize: primal 0 has type str"),
        (
            lambda _: fg.linearize(lambda p: p["a"], {"a": None, "b": object()}),
            InputDtypeError,
            "primal 0['b'] has type object",
        ),
        (
            lambda _: fg.linearize(np.sin, X, has_aux=True),
            PytreeError,
            "linearize: has_aux=True, but sin returned",
        ),
    ],
)
def test_bad_arguments_are_refused(
    call: Callable[[Any], Any], error: type[FuncgradError], words: str
) -> None:
    _, f_jvp = fg.linearize(model, PARAMETERS, X)
    with pytest.raises(error, match=re.escape(words)):
        call(f_jvp)


def test_an_exception_of_the_function_leaves_nothing_open() -> None:
    kept: list[Any] = []

    def f(x: Any) -> Any:
        kept.append(np.sin(x))
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fg.linearize(f, X)
    with pytest.raises(LeakedTracerError):
        kept[0] + 1
