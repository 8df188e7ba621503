"""make_program: a recording that can be read, compared and evaluated."""

import gc
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import (
    CapturedTracerError,
    FuncgradError,
    GuardError,
    InputDtypeError,
    LeakedTracerError,
    OutputDtypeError,
    PytreeError,
)

X = np.array([0.5, 1.0, 2.0])


def model(p: dict[str, Any], y: Any) -> dict[str, Any]:
    return {"sum": np.sum(np.sin(p["w"]) * y), "pair": (p["w"] @ p["w"], p["n"] + 1)}


ARGUMENTS = ({"w": X, "n": 3}, 2.0)


def names(program: fg.Program) -> list[str]:
    return [equation.primitive.name for equation in program.equations]


def test_a_program_reads_like_the_function() -> None:
    def f(x: Any, y: Any) -> Any:
        return np.sin(x) * y + np.ones(3)

    assert str(fg.make_program(f)(X, 2.0)) == (
        "f(x: float64[3], y: float64[]):\n"
        "    c: float64[3] = sin(x)\n"
        "    d: float64[3] = multiply(c, y)\n"
        "    e: float64[3] = add(d, [1.0, 1.0, 1.0])\n"
        "    return e"
    )


def test_a_program_takes_and_returns_the_trees_of_the_function() -> None:
    program = fg.make_program(model)(*ARGUMENTS)
    other = ({"w": X[::-1] + 1, "n": 5}, -1.0)
    found, expected = program(*other), model(*other)
    assert fg.tree.structure(found) == fg.tree.structure(expected)
    for one, wanted in zip(fg.tree.leaves(found), fg.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, wanted)


def test_evaluate_takes_and_returns_leaves() -> None:
    program = fg.make_program(model)(*ARGUMENTS)
    found = program.evaluate(*fg.tree.leaves(ARGUMENTS))
    np.testing.assert_allclose(found[0], X @ X)
    assert found[1] == 4


def test_keyword_arguments_are_inputs_too() -> None:
    program = fg.make_program(lambda x, *, y: x * y)(X, y=2.0)
    np.testing.assert_array_equal(program(X, y=3.0), 3 * X)


def test_static_arguments_become_part_of_the_program() -> None:
    def f(mode: str, x: Any, power: int) -> Any:
        return x**power if mode == "power" else x

    program = fg.make_program(f, static_argnums=(0, -1))("power", X, 3)
    assert len(program.inputs) == 1
    np.testing.assert_allclose(program(2 * X), 8 * X**3)


def test_equal_recordings_are_equal_and_have_one_hash() -> None:
    def f(x: Any) -> Any:
        return np.sum(x[1:] * 2.0) + np.ones(2)

    one, other = fg.make_program(f)(X), fg.make_program(f)(X + 1)
    assert one == other
    assert hash(one) == hash(other)
    assert one != fg.make_program(f)(X.astype(np.float32))
    assert one != fg.make_program(lambda x: np.sum(x[1:] * 3.0) + np.ones(2))(X)


def test_a_program_cannot_be_changed() -> None:
    program = fg.make_program(lambda x: x + np.ones(3))(X)
    with pytest.raises(AttributeError):
        program.name = "other"  # type: ignore[misc]  # that is the point
    constant = program.equations[0].operands[1]
    with pytest.raises(ValueError, match="read-only"):
        constant.value[0] = 2.0  # type: ignore[union-attr]  # it is the constant


def test_later_changes_of_a_captured_array_do_not_reach_the_program() -> None:
    captured = np.ones(3)
    program = fg.make_program(lambda x: (x * captured, captured))(X)
    captured += 1
    first, second = program(X)
    np.testing.assert_array_equal(first, X)
    np.testing.assert_array_equal(second, np.ones(3))


def test_results_own_their_memory() -> None:
    constant = np.ones(3)
    program = fg.make_program(lambda x: (x, x[1:], constant))(X)
    x = X.copy()
    for result in program(x):
        assert result.flags.writeable
        assert not np.shares_memory(result, x)


def test_the_program_of_a_gradient_shows_its_operations() -> None:
    program = fg.make_program(fg.grad(lambda x: np.sum(np.sin(x))))(X)
    assert "cos" in names(program)
    np.testing.assert_allclose(program(X), np.cos(X))


def test_pruned_leaves_away_what_nothing_needs() -> None:
    program = fg.make_program(lambda x: (np.exp(x), np.sin(x))[1])(X)
    assert names(program) == ["exp", "sin"]
    assert names(program.pruned()) == ["sin"]
    np.testing.assert_allclose(program.pruned()(X), np.sin(X))


def test_an_answer_that_python_was_given_is_a_guard() -> None:
    program = fg.make_program(lambda x: x * 2 if x[0] > 0 else x * 3)(X)
    assert re.search(r"guard bool\(\w+\) == True", str(program))
    np.testing.assert_array_equal(program(X), 2 * X)
    with pytest.raises(GuardError, match="but it is False for these values"):
        program(-X)


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        (lambda f: fg.grad(lambda x: np.sum(f(x)))(X), np.cos(X)),
        (lambda f: fg.jvp(f, (X,), (X,))[1], np.cos(X) * X),
        (lambda f: fg.jacrev(f)(X), np.diag(np.cos(X))),
        (lambda f: fg.vmap(f)(np.stack([X, X])), np.sin(np.stack([X, X]))),
        (lambda f: fg.linearize(f, X)[1](X), np.cos(X) * X),
        (lambda f: fg.hessian(lambda x: np.sum(f(x)))(X), np.diag(-np.sin(X))),
        (lambda f: fg.make_program(f)(X)(2 * X), np.sin(2 * X)),
    ],
)
def test_a_program_can_be_transformed(transform: Any, expected: Any) -> None:
    np.testing.assert_allclose(transform(fg.make_program(np.sin)(X)), expected, atol=1e-15)


def test_a_program_recorded_inside_a_transform_is_right_for_its_arguments() -> None:
    def f(x: Any) -> Any:
        return np.sum(fg.make_program(np.sin)(x)(x) * x)

    np.testing.assert_allclose(fg.grad(f)(X), np.cos(X) * X + np.sin(X))


def test_nothing_is_left_for_the_garbage_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        fg.make_program(model)(*ARGUMENTS)(*ARGUMENTS)
        assert gc.collect() == 0
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: fg.make_program(lambda p: p)({"a": "text"}),
            InputDtypeError,
            "make_program: args[0]['a'] has type str",
        ),
        (lambda: fg.make_program(lambda x: "t")(X), OutputDtypeError, "returned a str"),
        (
            lambda: fg.grad(lambda w: fg.make_program(lambda x: np.sum(x * w))(X)(X))(2.0),
            CapturedTracerError,
            "uses a traced value of grad, of shape (), that is not among its arguments",
        ),
        (
            lambda: fg.vmap(lambda w: fg.make_program(lambda x: w)(X)(X))(X),
            CapturedTracerError,
            "uses a traced value of vmap",
        ),
        (
            lambda: fg.make_program(lambda x: x)(X)({"x": X}),
            PytreeError,
            "a program was called with other arguments",
        ),
    ],
)
def test_bad_arguments_are_refused(
    call: Callable[[], Any], error: type[FuncgradError], words: str
) -> None:
    with pytest.raises(error, match=re.escape(words)):
        call()


def test_an_exception_of_the_function_leaves_nothing_open() -> None:
    kept: list[Any] = []

    def f(x: Any) -> Any:
        kept.append(x)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fg.make_program(f)(X)
    with pytest.raises(LeakedTracerError):
        kept[0] + 1


def counted_vjp(calls: list[str]) -> Any:
    @fg.custom_vjp
    def square(x: Any) -> Any:
        calls.append("fun")
        return x * x

    def forward(x: Any) -> Any:
        calls.append("fwd")
        return x * x, x

    square.defvjp(forward, lambda x, ct: (2 * x * ct,))
    return square


def counted_jvp(calls: list[str]) -> Any:
    @fg.custom_jvp
    def square(x: Any) -> Any:
        calls.append("fun")
        return x * x

    @square.defjvp
    def _rule(primals: Any, tangents: Any) -> Any:
        calls.append("jvp")
        return primals[0] ** 2, 2 * primals[0] * tangents[0]

    return square


@pytest.mark.parametrize(("make", "rule"), [(counted_vjp, "fwd"), (counted_jvp, "jvp")])
def test_a_custom_rule_in_a_program_runs_once_in_a_derivative(make: Any, rule: str) -> None:
    calls: list[str] = []
    square = make(calls)
    x = np.array([1.0, 3.0])
    program = fg.make_program(lambda x: np.sum(square(x)))(x)
    for derivative in (fg.grad(program), lambda x: fg.jvp(program, (x,), (np.ones(2),))[1]):
        calls.clear()
        derivative(x)
        assert calls == [rule]
    calls.clear()
    assert program(x) == 10.0
    assert calls == ["fun"]
