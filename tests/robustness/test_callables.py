"""All kinds of callables and closures: classes, partials, generators, nested transforms."""

import contextlib
import copy
import functools
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import funcgrad as fg

A = np.arange(3.0)


class Model:
    """A model with parameters of its own."""

    def __init__(self, w: Any) -> None:
        self.w = w

    def loss(self, x: Any) -> Any:
        return np.sum(self.w * x**2)

    @staticmethod
    def square(x: Any) -> Any:
        return x**2

    @classmethod
    def cube(cls, x: Any) -> Any:
        return x**3

    @functools.cached_property
    def total(self) -> Any:
        return np.sum(self.w)

    def __call__(self, x: Any) -> Any:
        return self.loss(x)


def squares(x: Any) -> Iterator[Any]:
    for element in x:
        yield element * element


def power(x: Any, n: int) -> Any:
    return 1.0 if n == 0 else x * power(x, n - 1)


CALLABLES: dict[str, tuple[Callable[..., Any], Any, Any]] = {
    "method": (Model(A).loss, np.ones(3), 2 * A),
    "static method": (Model.square, 3.0, 6.0),
    "class method": (Model.cube, 1.0, 3.0),
    "object": (Model(A), np.ones(3), 2 * A),
    "partial": (functools.partial(lambda c, x: c * x**2, 3.0), 1.0, 6.0),
    "partial by name": (functools.partial(lambda x, c: c * x**2, c=3.0), 1.0, 6.0),
    "builtin": (sum, [1.0, 2.0], [1.0, 1.0]),
    "NumPy function": (np.sum, A, np.ones(3)),
    "ufunc": (np.sin, 0.0, 1.0),
    "ufunc method": (np.add.reduce, A, np.ones(3)),
    "default": (lambda x, y=2.0: x * y, 1.0, 2.0),
    "generator": (lambda x: sum(squares(x)), A, 2 * A),
    "recursion": (lambda x: power(x, 5), 2.0, 80.0),
    "loop": (lambda x: functools.reduce(lambda y, _: y + y, range(20), x), 1.0, 2.0**20),
    "in a container": (lambda x: {"a": [x]}["a"][0] ** 2, 3.0, 6.0),
    "in an object": (lambda x: Model(x).total ** 2, A, np.full(3, 6.0)),
    "copied": (lambda x: copy.deepcopy([x])[0] * copy.copy(x), 3.0, 6.0),
    "starred": (lambda *xs: xs[0] ** 2, 3.0, 6.0),
    "returns its argument": (lambda x: x, 2.0, 1.0),
    "returns a constant": (lambda _x: 3.0, 2.0, 0.0),
    "returns an integer": (lambda _x: 3, A, np.zeros(3)),
    "wrapped": (functools.wraps(np.sin)(lambda x: np.cos(x)), 0.0, 0.0),
}


def same(found: Any, expected: Any) -> None:
    assert fg.tree.structure(found) == fg.tree.structure(expected)
    for a, b in zip(fg.tree.leaves(found), fg.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b)


@pytest.mark.parametrize("name", CALLABLES)
def test_every_kind_of_callable_has_a_gradient(name: str) -> None:
    f, x, expected = CALLABLES[name]
    same(fg.grad(f)(x), expected)
    same(fg.value_and_grad(f)(x)[1], expected)
    same(fg.vjp(f, x)[1](f(x) * 0 + 1)[0], expected)


def test_keyword_arguments_are_differentiated_by_name() -> None:
    assert fg.grad(lambda *, x: x**2, argnames="x")(x=3.0) == 6.0
    found = fg.grad(lambda **k: k["a"] * k["b"], argnames=("a", "b"))(a=2.0, b=3.0)
    assert found == {"a": 3.0, "b": 2.0}


def test_a_gradient_function_can_be_pickled_if_its_parts_can() -> None:
    again = pickle.loads(pickle.dumps(Model(A)))
    np.testing.assert_array_equal(fg.grad(again.loss)(np.ones(3)), 2 * A)


def test_arguments_that_are_not_used_get_zeros() -> None:
    same(fg.grad(lambda x, _y: x * 2, (0, 1))(1.0, {"a": A}), (2.0, {"a": np.zeros(3)}))


def test_one_value_as_two_arguments() -> None:
    same(fg.grad(lambda x, y: np.sum(x * y**2), (0, 1))(A, A), (A**2, 2 * A * A))
    inner = lambda x, y: np.sum(x * y)
    same(fg.grad(lambda x: inner(x, x))(A), 2 * A)
    assert fg.jvp(lambda x, y: np.sum(x * y**2), (A, A), (A, A))[1] == np.sum(3 * A**3)


CLOSURES: dict[str, tuple[Callable[..., Any], Any, Any]] = {
    "grad in grad": (lambda x: fg.grad(lambda y: x * y)(2.0), 3.0, 1.0),
    "no confusion": (lambda x: x * fg.grad(lambda y: x + y)(1.0), 1.0, 1.0),
    "jvp in grad": (lambda x: fg.jvp(lambda y: x * y**2, (3.0,), (1.0,))[1], 2.0, 6.0),
    "linearize in grad": (lambda w: fg.linearize(lambda x: x * w, 2.0)[1](1.0), 5.0, 1.0),
    "vjp in grad": (lambda w: fg.vjp(lambda x: x**2 * w, 3.0)[1](1.0)[0], 5.0, 6.0),
    "cotangent": (lambda c: fg.vjp(lambda x: x**2, 3.0)[1](c)[0], 5.0, 6.0),
    "tangent": (lambda t: fg.jvp(np.sin, (1.0,), (t,))[1], 1.0, np.cos(1.0)),
    "vmap in grad": (lambda w: np.sum(fg.vmap(lambda x: x * w)(A)), 2.0, 3.0),
    "vmap of grad in grad": (
        lambda w: np.sum(fg.vmap(fg.grad(lambda x: x**2 * w))(A)),
        2.0,
        2 * A.sum(),
    ),
    "vmap without an axis": (
        lambda w: np.sum(fg.vmap(np.dot, (0, None))(np.ones((4, 3)), w)),
        A,
        np.full(3, 4.0),
    ),
    "jacobian in grad": (lambda w: np.sum(fg.jacrev(lambda x: w * x**2)(A)), 2.0, 2 * A.sum()),
    "hessian in grad": (
        lambda w: np.sum(fg.hessian(lambda x: np.sum(w * x**3))(A)),
        2.0,
        6 * A.sum(),
    ),
    "program as a function": (
        lambda x: fg.make_program(lambda y, x: y * x)(2.0, 1.0)(3.0, x),
        2.0,
        3.0,
    ),
    "stopped": (lambda x: fg.grad(lambda y: fg.stop_gradient(x) * y * x)(1.0), 3.0, 3.0),
}


@pytest.mark.parametrize("name", CLOSURES)
def test_closures_over_values_of_an_outer_transform(name: str) -> None:
    f, x, expected = CLOSURES[name]
    same(fg.grad(f)(x), expected)
    x_dot = np.ones_like(x) if np.ndim(x) else 1.0
    np.testing.assert_allclose(fg.jvp(f, (x,), (x_dot,))[1], np.sum(expected))
    np.testing.assert_allclose(fg.linearize(f, x)[1](x_dot), np.sum(expected))
    np.testing.assert_allclose(fg.vmap(fg.grad(f))(np.stack([x, x]))[1], expected)


def test_closures_over_mapped_values() -> None:
    outer = np.outer(A, A)
    np.testing.assert_array_equal(fg.vmap(lambda x: fg.vmap(lambda y: x * y)(A))(A), outer)
    found = fg.vmap(lambda w: fg.grad(lambda x: np.sum(x * w))(A))(A)
    np.testing.assert_array_equal(found, np.repeat(A[:, None], 3, axis=1))
    found = fg.vmap(lambda w: fg.jvp(lambda x: x * w, (A,), (A,))[1])(A)
    np.testing.assert_array_equal(found, outer)


def test_aux_carries_values_out_of_nested_transforms() -> None:
    def f(x: Any) -> Any:
        gradient, aux = fg.grad(lambda y: (y**2 * x, {"y": y, "xy": x * y}), has_aux=True)(3.0)
        return gradient + aux["xy"], aux

    gradient, aux = fg.grad(f, has_aux=True)(2.0)
    assert gradient == 9.0
    assert aux == {"y": 3.0, "xy": 6.0}
    assert type(aux["xy"]) is np.float64


def test_values_carried_by_an_exception_stay_differentiable() -> None:
    def f(x: Any) -> Any:
        try:
            raise KeyError(x**2)
        except KeyError as error:
            return error.args[0] * x

    assert fg.grad(f)(2.0) == 12.0


def test_a_context_manager_and_a_finally_run_once() -> None:
    log: list[str] = []

    @contextlib.contextmanager
    def logged() -> Iterator[None]:
        log.append("in")
        try:
            yield
        finally:
            log.append("out")

    def f(x: Any) -> Any:
        with logged():
            return x**2

    assert fg.grad(f)(3.0) == 6.0
    assert log == ["in", "out"]


def test_the_name_and_the_docstring_of_a_function_are_kept() -> None:
    def energy(x: Any) -> Any:
        """E(x)."""
        return x**2

    for transform in (fg.grad, fg.value_and_grad, fg.vmap, fg.jacrev, fg.hessian, fg.make_program):
        assert transform(energy).__name__ == "energy"
        assert transform(energy).__doc__ == "E(x)."


def test_errstate_of_the_caller_holds_inside() -> None:
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        fg.grad(lambda x: np.log(x))(0.0)
    with np.errstate(all="ignore"):
        assert fg.grad(lambda x: np.log(x))(0.0) == np.inf
