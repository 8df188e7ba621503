"""pure_callback: values, batches, the derivative that the caller gives, and what is refused."""

import math
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import CallbackError, ControlFlowError
from funcgrad.transforms.callback import pure_callback
from funcgrad.transforms.shapes import ShapeDtypeStruct, eval_shape

XS = np.array([0.5, 1.0, 2.0])
NUMBER = ShapeDtypeStruct((), np.float64)


def sine(x: Any) -> Any:
    """sin through `math`, with a forward rule; the rule calls it again, so any order works."""
    return pure_callback(
        math.sin,
        NUMBER,
        x,
        vmap_method="sequential",
        jvp=lambda primals, dots: (sine(*primals), cosine(*primals) * dots[0]),
    )


def cosine(x: Any) -> Any:
    """cos through `math`, with a reverse rule."""
    return pure_callback(
        math.cos,
        NUMBER,
        x,
        vmap_method="sequential",
        vjp=(lambda x: (cosine(x), x), lambda x, ct: (-sine(x) * ct,)),
    )


def test_the_callback_gets_plain_arrays_and_its_result_is_checked_and_returned() -> None:
    seen = []

    def callback(d: Any, scale: float = 1.0) -> Any:
        seen.append(type(d["x"]))
        return d["x"] * scale, [len(d["x"])]

    spec = (ShapeDtypeStruct((3,), float), [ShapeDtypeStruct((), int)])
    found, [count] = pure_callback(callback, spec, {"x": XS}, scale=2.0)
    np.testing.assert_array_equal(found, 2 * XS)
    assert count == 3
    assert count.dtype == np.int64
    assert seen == [np.ndarray]


def test_arrays_are_handed_over_read_only() -> None:
    def callback(x: Any) -> Any:
        x += 1
        return x

    with pytest.raises(ValueError, match="read-only"):
        pure_callback(callback, XS, XS)


def test_derivatives_of_any_order_use_the_given_rules() -> None:
    for f, plain in ((sine, np.sin), (cosine, np.cos)):
        assert f(0.3) == pytest.approx(plain(0.3))
        assert fg.grad(f)(0.3) == pytest.approx(fg.grad(plain)(0.3))
        assert fg.jvp(f, (0.3,), (2.0,))[1] == pytest.approx(2 * fg.grad(plain)(0.3))
        assert fg.grad(fg.grad(f))(0.3) == pytest.approx(-plain(0.3))
        assert fg.hessian(f)(0.3) == pytest.approx(-plain(0.3))
        np.testing.assert_allclose(fg.vmap(f)(XS), plain(XS))
        np.testing.assert_allclose(fg.vmap(fg.grad(f))(XS), fg.vmap(fg.grad(plain))(XS))
        np.testing.assert_allclose(fg.vmap(fg.hessian(f))(XS), -plain(XS))
        np.testing.assert_allclose(fg.grad(lambda x, f=f: np.sum(fg.vmap(f)(x)))(XS),
                                   fg.vmap(fg.grad(plain))(XS))  # fmt: skip


def test_a_custom_jvp_around_it_gives_the_derivative_too() -> None:
    f = fg.custom_jvp(lambda x: pure_callback(math.exp, NUMBER, x))
    f.defjvp(lambda primals, dots: (f(*primals), f(*primals) * dots[0]))
    assert fg.grad(f)(0.5) == pytest.approx(math.exp(0.5))


def test_a_derivative_without_a_rule_is_refused_in_both_modes() -> None:
    f = lambda x: pure_callback(math.sin, NUMBER, x)  # a formula
    for run in (
        lambda: fg.grad(f)(1.0),
        lambda: fg.jvp(f, (1.0,), (1.0,)),
        lambda: fg.linearize(f, 1.0),
    ):
        with pytest.raises(CallbackError, match=r"sin is to be differentiated.*jvp=rule"):
            run()
    assert fg.grad(lambda x: x * f(fg.stop_gradient(x)))(1.0) == pytest.approx(math.sin(1.0))


def test_results_that_are_integers_have_derivative_zero() -> None:
    f = lambda x: pure_callback(math.floor, ShapeDtypeStruct((), int), x)
    assert fg.grad(lambda x: x * f(x))(2.5) == 2.0
    assert fg.jvp(lambda x: x * f(x), (2.5,), (1.0,))[1] == 2.0


@pytest.mark.parametrize(
    ("method", "shapes", "nested"),
    [
        ("expand_dims", ((3,), (1,)), ((1, 3), (2, 1))),
        ("broadcast_all", ((3,), (3,)), ((2, 3), (2, 3))),
    ],
)
def test_a_callback_that_computes_many_examples_is_called_once(
    method: str, shapes: Any, nested: Any
) -> None:
    seen = []

    def callback(x: Any, y: Any) -> Any:
        seen.append((x.shape, y.shape))
        return x * y + 0 * (x + y)

    f = lambda x, y: pure_callback(callback, NUMBER, x, y, vmap_method=method)
    np.testing.assert_array_equal(fg.vmap(f, (0, None))(XS, 2.0), 2 * XS)
    found = fg.vmap(fg.vmap(f, (0, None)), (None, 0))(XS, XS[:2])
    np.testing.assert_array_equal(found, np.outer(XS[:2], XS))
    assert seen == [shapes, nested]


def test_sequential_calls_see_one_example_each() -> None:
    seen = []

    def callback(x: Any, w: Any) -> Any:
        seen.append((x.shape, w.shape))
        return x @ w

    f = lambda x, w: pure_callback(callback, NUMBER, x, w, vmap_method="sequential")
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(fg.vmap(f, (0, None))(x, XS), x @ XS)
    assert seen == [((3,), (3,))] * 2
    assert fg.vmap(f, (0, None))(x[:0], XS).shape == (0,)


def test_a_batch_without_a_method_is_refused() -> None:
    with pytest.raises(CallbackError, match='Pass vmap_method="sequential"'):
        fg.vmap(lambda x: pure_callback(math.sin, NUMBER, x))(XS)
    shared = fg.vmap(lambda x, y: x * pure_callback(math.sin, NUMBER, y), (0, None))(XS, 1.0)
    np.testing.assert_allclose(shared, XS * math.sin(1))


def test_a_program_calls_it_again() -> None:
    calls = []

    def callback(x: Any) -> Any:
        calls.append(x)
        return x * 2

    f = lambda x: pure_callback(callback, NUMBER, x)  # a formula
    program = fg.make_program(f)(1.0)
    assert program(3.0) == 6.0
    assert calls == [1.0, 3.0]
    assert program == fg.make_program(f)(1.0)


def test_eval_shape_does_not_call_it() -> None:
    found = eval_shape(lambda x: pure_callback(lambda x: 1 / 0, XS, x) * 2, 1.0)
    assert found == ShapeDtypeStruct((3,), float)


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (lambda x: x[:2], r"returned dtype float64 and shape \(2,\) as result, but .*\(3,\)"),
        (lambda x: x.astype(np.float32), "returned dtype float32"),
        (lambda x: (x, x), "another structure than was announced"),
        (lambda x: ["a", "b", "c"], "another structure"),
    ],
)
def test_results_that_were_not_announced_are_named(callback: Any, message: str) -> None:
    with pytest.raises(CallbackError, match=message):
        pure_callback(callback, XS, XS)


def test_a_python_number_takes_the_announced_dtype() -> None:
    found = pure_callback(lambda x: 1, ShapeDtypeStruct((), np.float32), 0.0)
    assert found.dtype == np.float32
    with pytest.raises(CallbackError, match="returned dtype float64"):
        pure_callback(lambda x: 1.5, ShapeDtypeStruct((), int), 0.0)


def test_arguments_are_checked() -> None:
    with pytest.raises(ControlFlowError, match="argument 1 is a str"):
        pure_callback(math.sin, NUMBER, 1.0, "a")
    with pytest.raises(CallbackError, match="vmap_method='loop'"):
        pure_callback(math.sin, NUMBER, 1.0, vmap_method="loop")
    with pytest.raises(ControlFlowError, match="result_shape_dtypes is a type"):
        pure_callback(math.sin, float, 1.0)


def test_an_exception_in_the_callback_is_the_users_own() -> None:
    with pytest.raises(ZeroDivisionError):
        fg.vmap(lambda x: pure_callback(lambda x: 1 / 0, NUMBER, x, vmap_method="sequential"))(XS)
