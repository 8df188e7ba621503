"""A traced value is good for one run: afterwards every use raises, and nothing is left behind."""

import contextlib
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import CapturedTracerError, FuncgradError, LeakedTracerError
from tests.robustness.modes import TRACED, X, line_of

STACK = np.stack([X, X])
RUNS: dict[str, Callable[[Callable[..., Any]], Any]] = {
    "grad": lambda f: fg.grad(f)(X),
    "vjp": lambda f: fg.vjp(f, X),
    "jvp": lambda f: fg.jvp(f, (X,), (X,)),
    "linearize": lambda f: fg.linearize(f, X),
    "linear_transpose": lambda f: fg.linear_transpose(f, X),
    "vmap": lambda f: fg.vmap(f)(STACK),
    "make_program": lambda f: fg.make_program(f)(X),
}
runs = pytest.mark.parametrize("run", RUNS)


def leaked_from(run: str) -> Any:
    """A traced value that its function has kept."""
    kept: list[Any] = []
    RUNS[run](lambda x: (kept.append(x), np.sum(x))[1])
    return kept[0]


USES: dict[str, Callable[[Any], Any]] = {
    "operator": lambda k: k + 1.0,
    "reflected": lambda k: 1.0 - k,
    "of an array": lambda k: X * k,
    "of a NumPy scalar": lambda k: np.float64(2) * k,
    "matmul": lambda k: X @ k,
    "in place": lambda k: k.__iadd__(1.0),
    "negative": lambda k: -k,
    "comparison": lambda k: k > 1,
    "equality": lambda k: k == 1,
    "ufunc": np.sin,
    "ufunc of two": lambda k: np.maximum(X, k),
    "ufunc method": np.add.reduce,
    "function": np.sum,
    "method": lambda k: k.sum(),
    "index": lambda k: k[0],
    "iteration": list,
    "at": lambda k: k.at[0].set(1.0),
    "where": lambda k: np.where(X > 1, k, 0.0),
    "stack": lambda k: np.stack([k, X]),
    "floor": np.floor,
    "astype": lambda k: k.astype(int),
    "round": lambda k: round(k, 1),
    "stop_gradient": fg.stop_gradient,
    "nn": fg.nn.relu,
    "ravel_pytree": lambda k: fg.ravel_pytree({"a": k}),
    "argument of grad": lambda k: fg.grad(np.sum)(k),
    "argument of jvp": lambda k: fg.jvp(np.sin, (k,), (k,)),
    "argument of vmap": lambda k: fg.vmap(np.sin)(k),
    "argument of linearize": lambda k: fg.linearize(np.sin, k),
    "argument of a program": lambda k: fg.make_program(np.sin)(k),
    "closure of grad": lambda k: fg.grad(lambda x: np.sum(x * k))(X),
    "closure of jvp": lambda k: fg.jvp(lambda x: x * k, (X,), (X,)),
    "closure of vmap": lambda k: fg.vmap(lambda x: x * k)(STACK),
    "closure of hessian": lambda k: fg.hessian(lambda x: np.sum(x * k))(X),
    "result of grad": lambda k: fg.grad(lambda _x: k)(1.0),
    "result of jvp": lambda k: fg.jvp(lambda _x: k, (1.0,), (1.0,)),
    "result of vmap": lambda k: fg.vmap(lambda _x: k)(X),
    "result of a program": lambda k: fg.make_program(lambda _x: k)(1.0),
    "aux": lambda k: fg.grad(lambda x: (x, {"k": k}), has_aux=True)(1.0),
}


@runs
@pytest.mark.parametrize("use", USES)
def test_every_use_of_a_leaked_value_raises_with_its_transform(run: str, use: str) -> None:
    kept = leaked_from(run)
    name = "grad" if run == "grad" else run
    with pytest.raises(LeakedTracerError, match=rf"^{name}: a traced value was used at .*, after"):
        USES[use](kept)


@runs
def test_the_message_names_the_line_of_the_use_and_two_ways_out(run: str) -> None:
    use = lambda k: k * 2.0  # one line, which the message names
    with pytest.raises(LeakedTracerError) as caught:
        use(leaked_from(run))
    for part in (line_of(use), "has_aux=True", "stop_gradient(x)"):
        assert part in str(caught.value)


@pytest.mark.parametrize("run", ["grad", "vjp", "jvp", "linearize", "make_program"])
@pytest.mark.parametrize("convert", [bool, float, int, complex, lambda k: k.item()])
def test_a_leaked_number_does_not_convert(run: str, convert: Any) -> None:
    kept: list[Any] = []
    RUNS[run](lambda x: (kept.append(x[0]), np.sum(x))[1])
    with pytest.raises(LeakedTracerError):
        convert(kept[0])


@runs
def test_a_leaked_value_can_still_be_printed_and_measured(run: str) -> None:
    kept = leaked_from(run)
    assert "Tracer" in repr(kept)
    assert str(kept)
    assert kept.shape == (3,)


def test_a_value_of_an_inner_transform_does_not_live_on_in_the_outer_one() -> None:
    def f(x: Any) -> Any:
        kept: list[Any] = []
        fg.grad(lambda y: (kept.append(y), y * y)[1])(x)
        return kept[0] * x

    for run in (lambda: fg.grad(f)(2.0), lambda: fg.jvp(f, (2.0,), (1.0,)), lambda: fg.vmap(f)(X)):
        with pytest.raises(LeakedTracerError, match=r"^grad: "):
            run()


def test_an_inner_value_cannot_be_the_result_of_the_outer_transform() -> None:
    def f(x: Any) -> Any:
        kept: list[Any] = []
        fg.jvp(lambda y: (kept.append(y), y * y)[1], (x,), (x,))
        return kept[0]

    for run in (lambda: fg.grad(f)(2.0), lambda: fg.vjp(f, 2.0), lambda: fg.vmap(f)(X)):
        with pytest.raises(LeakedTracerError, match=r"^jvp: "):
            run()


@pytest.mark.parametrize("make", [fg.vjp, fg.linearize], ids=["vjp", "linearize"])
def test_a_derivative_that_outlives_the_transform_around_it_raises(make: Any) -> None:
    kept: list[Any] = []

    def f(x: Any) -> Any:
        out, derivative = make(lambda y: y * x * y, 1.0)
        kept.append(derivative)
        return out

    fg.grad(f)(2.0)
    with pytest.raises(LeakedTracerError):
        kept[0](1.0)


def test_a_program_of_an_outer_value_is_refused_when_it_is_made() -> None:
    with pytest.raises(
        CapturedTracerError, match=re.escape("make_program: <lambda> uses a traced")
    ):
        fg.grad(lambda x: fg.make_program(lambda y: y * x)(2.0)(3.0))(2.0)


def test_a_value_kept_in_a_global_raises_in_the_next_call() -> None:
    cache: dict[str, Any] = {}

    def f(x: Any) -> Any:
        return x * cache.setdefault("first", x)

    assert fg.grad(f)(3.0) == 6.0
    for _ in range(2):
        with pytest.raises(LeakedTracerError):
            fg.grad(f)(3.0)


def test_a_default_argument_does_not_keep_the_value_of_another_run() -> None:
    def f(x: Any, history: list[Any] = []) -> Any:  # noqa: B006  # the mistake under test
        history.append(x)
        return sum(history) ** 2

    fg.grad(f)(1.0)
    with pytest.raises(LeakedTracerError):
        fg.grad(f)(1.0)


# --- exceptions -----------------------------------------------------------------------------------


class StopError(Exception):
    """What the user's function raises."""


@runs
def test_after_an_exception_the_value_is_closed_and_the_transform_works(run: str) -> None:
    kept: list[Any] = []

    def failing(x: Any) -> Any:
        kept.append(np.cos(x) if run != "linear_transpose" else 2 * x)
        raise StopError

    with pytest.raises(StopError):
        RUNS[run](failing)
    with pytest.raises(LeakedTracerError):
        kept[0] + 1.0
    RUNS[run](np.sum)
    np.testing.assert_array_equal(fg.grad(lambda x: np.sum(x * x))(X), 2 * X)


@pytest.mark.parametrize("mode", TRACED)
def test_after_a_refusal_the_same_transform_is_right(mode: str) -> None:
    with pytest.raises((FuncgradError, TypeError)):
        TRACED[mode](lambda x: float(x[0]))
    f = lambda x: np.sum(np.sin(x) * x)
    first = TRACED[mode](f)
    with pytest.raises((FuncgradError, TypeError)):
        TRACED[mode](lambda x: np.asarray(x).sum())
    second = TRACED[mode](f)
    for a, b in zip(fg.tree.leaves(first), fg.tree.leaves(second), strict=True):
        if not callable(a):
            np.testing.assert_array_equal(a, b)


def test_an_exception_inside_a_nested_transform_leaves_the_outer_one_right() -> None:
    def f(x: Any) -> Any:
        for bad in (lambda y: float(y), lambda y: y * X, lambda y: y.nothing):
            with contextlib.suppress(TypeError, AttributeError):
                fg.grad(bad)(x)
        try:
            raise KeyError(x)
        except KeyError as error:
            return error.args[0] ** 3

    assert fg.grad(f)(2.0) == 12.0
    assert fg.grad(fg.grad(f))(2.0) == 12.0
    assert fg.jvp(f, (2.0,), (1.0,)) == (8.0, 12.0)
    np.testing.assert_array_equal(fg.vmap(fg.grad(f))(X), 3 * X**2)


def test_a_rule_that_raises_in_the_sweep_is_named_in_a_note_and_leaves_nothing() -> None:
    square = fg.custom_vjp(lambda x: x * x)

    def bwd(_residuals: Any, _ct: Any) -> Any:
        raise StopError

    square.defvjp(lambda x: (x * x, None), bwd)
    with pytest.raises(StopError) as caught:
        fg.grad(lambda x: np.sin(square(x)))(2.0)
    assert "in the reverse sweep, at the derivative of" in caught.value.__notes__[0]
    assert fg.grad(lambda x: x * x)(2.0) == 4.0


def test_an_interrupted_pullback_can_be_called_again() -> None:
    _, pull = fg.vjp(lambda x: x * X, X)
    with pytest.raises(FuncgradError):
        pull(np.ones(4))
    np.testing.assert_array_equal(pull(np.ones(3))[0], X)
