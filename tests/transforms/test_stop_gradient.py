"""stop_gradient: a constant for every derivative, still a value for vmap and programs."""

import math
from typing import Any

import numpy as np

import funcgrad as fg
from funcgrad.interpreters.batch import BatchTracer

X = np.array([0.5, 1.0, 2.0])


def test_it_is_the_identity_on_plain_values() -> None:
    found = fg.stop_gradient({"x": X, "y": (1.5, np.float32(2.0), 3), "z": None, "s": "text"})
    np.testing.assert_array_equal(found["x"], X)
    assert found["y"] == (1.5, np.float32(2.0), 3)
    assert type(found["y"][1]) is np.float32
    assert found["z"] is None
    assert found["s"] == "text"


def test_arrays_are_copies() -> None:
    assert not np.shares_memory(fg.stop_gradient(X), X)
    kept: list[Any] = []
    large = np.ones(10_000)
    fg.grad(lambda x: kept.append(fg.stop_gradient(x)) or np.sum(x))(large)  # type: ignore[func-returns-value]  # append and go on
    assert type(kept[0]) is np.ndarray
    assert not np.shares_memory(kept[0], large)


def test_its_derivative_is_zero_in_every_mode() -> None:
    def f(x: Any) -> Any:
        return x * fg.stop_gradient(x)

    np.testing.assert_array_equal(fg.grad(lambda x: np.sum(f(x)))(X), X)
    np.testing.assert_array_equal(fg.jvp(f, (X,), (np.ones(3),))[1], X)
    np.testing.assert_array_equal(fg.linearize(f, X)[1](np.ones(3)), X)


def test_it_stops_all_levels_of_nested_derivatives() -> None:
    def f(x: Any) -> Any:
        return fg.grad(lambda y: fg.stop_gradient(x * y) * y)(x)

    assert f(3.0) == 9.0
    assert fg.grad(f)(3.0) == 0.0
    assert fg.jvp(f, (3.0,), (1.0,))[1] == 0.0


def test_inside_grad_it_is_a_plain_number() -> None:
    assert fg.grad(lambda x: x * math.sin(fg.stop_gradient(x)))(2.0) == math.sin(2.0)


def test_inside_vmap_it_stays_batched() -> None:
    def f(x: Any) -> Any:
        stopped = fg.stop_gradient(x)
        assert isinstance(stopped, BatchTracer)
        return x * stopped

    np.testing.assert_array_equal(fg.vmap(f)(X), X * X)
    np.testing.assert_array_equal(fg.vmap(fg.grad(f))(X), X)
    np.testing.assert_array_equal(fg.grad(lambda x: np.sum(fg.vmap(f)(x)))(X), X)


def test_a_program_keeps_it() -> None:
    program = fg.make_program(lambda x: np.sum(x * fg.stop_gradient(x)))(X)
    assert "stop_gradient" in str(program)
    np.testing.assert_array_equal(fg.grad(program)(X), X)
