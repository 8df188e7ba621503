"""closure_convert: traced values of a closure become arguments."""

from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import CallableError, ControlFlowError, GuardError, PytreeError
from funcgrad.transforms.closure import closure_convert


def test_a_function_without_traced_values_is_returned_as_it_is() -> None:
    f = lambda x: 2 * x  # a formula
    converted, consts = closure_convert(f, 1.0)
    assert converted is f
    assert consts == []


def test_captured_values_are_found_wherever_they_are_read_from() -> None:
    def f(w: Any, b: Any) -> Any:
        class Layer:
            bias = b

        converted, consts = closure_convert(lambda x: np.tanh(w @ x) + Layer.bias, np.ones(2))
        assert len(consts) == 2
        return np.sum(converted(np.array([1.0, 2.0]), *consts) ** 2)

    plain = lambda w, b: np.sum((np.tanh(w @ np.array([1.0, 2.0])) + b) ** 2)
    args = np.array([[0.1, 0.2], [0.3, -0.4]]), np.array([0.5, 0.6])
    for found, expected in zip(
        fg.grad(f, (0, 1))(*args), fg.grad(plain, (0, 1))(*args), strict=True
    ):
        np.testing.assert_allclose(found, expected)


def test_the_derivative_by_captured_values_is_that_by_arguments() -> None:
    """The point of it: a rule that knows all it is differentiated by."""

    @fg.custom_vjp
    def square_of(x: Any, *consts: Any) -> Any:
        raise AssertionError("only its rules run here")

    def solve(f: Any, x: Any) -> Any:
        converted, consts = closure_convert(f, x)
        g = fg.custom_vjp(lambda x, *consts: converted(x, *consts) ** 2)

        def forward(x: Any, *consts: Any) -> Any:
            y, pull = fg.vjp(converted, x, *consts)
            return y**2, (y, pull)

        def backward(kept: Any, ct: Any) -> Any:
            y, pull = kept
            return pull(2 * y * ct)

        del backward
        g.defvjp(
            lambda x, *c: (converted(x, *c) ** 2, (x, c)),
            lambda kept, ct: fg.vjp(lambda x, *c: converted(x, *c) ** 2, kept[0], *kept[1])[1](ct),
        )
        return g(x, *consts)

    found = fg.grad(lambda w: solve(lambda x: np.sin(w) * x, 3.0))(0.5)
    assert found == pytest.approx(9 * 2 * np.sin(0.5) * np.cos(0.5))


def test_it_works_in_every_transform() -> None:
    def f(w: Any) -> Any:
        converted, consts = closure_convert(lambda d: {"y": w * d["x"] + np.sin(w)}, {"x": 1.0})
        return converted({"x": 2.0}, *consts)["y"]

    plain = lambda w: 2 * w + np.sin(w)  # a formula
    ws = np.array([0.5, 1.5])
    assert fg.grad(f)(0.5) == pytest.approx(2 + np.cos(0.5))
    assert fg.jvp(f, (0.5,), (1.0,))[1] == pytest.approx(2 + np.cos(0.5))
    assert fg.hessian(f)(0.5) == pytest.approx(-np.sin(0.5))
    np.testing.assert_allclose(fg.vmap(f)(ws), plain(ws))
    np.testing.assert_allclose(fg.vmap(fg.grad(f))(ws), 2 + np.cos(ws))


def test_a_result_that_is_captured_itself_is_an_argument_too() -> None:
    def f(w: Any) -> Any:
        converted, consts = closure_convert(lambda x: (w, x), 1.0)
        a, b = converted(3.0, *consts)
        return a * b

    assert fg.grad(f)(2.0) == 3.0


def test_another_way_through_an_if_is_refused() -> None:
    def f(w: Any) -> Any:
        converted, consts = closure_convert(lambda x: w * x if x > 0 else -w, 1.0)
        return converted(-1.0, *consts)

    with pytest.raises(GuardError, match="guard bool"):
        fg.grad(f)(2.0)


def test_mistakes_are_named() -> None:
    with pytest.raises(CallableError, match="closure_convert"):
        closure_convert(1.0)  # type: ignore[arg-type]  # the mistake
    with pytest.raises(ControlFlowError, match=r"example_args\[0\] is a str"):
        closure_convert(lambda x: x, "a")

    def f(w: Any) -> Any:
        converted, consts = closure_convert(lambda x: w * x, 1.0)
        return converted((1.0, 2.0), *consts)

    with pytest.raises(PytreeError, match="called with other arguments than its example"):
        fg.grad(f)(1.0)
