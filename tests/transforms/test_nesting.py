"""Transforms inside transforms: any order, any depth, no level taken for another."""

import gc
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import funcgrad as fg

X = np.array([0.3, 0.7, 1.1])


# --- perturbation confusion ---------------------------------------------------------------------


def derivative_by_grad(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return fg.grad(f)


def derivative_by_jvp(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: fg.jvp(f, (x,), (1.0,))[1]


def derivative_by_linearize(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: fg.linearize(f, x)[1](1.0)


def derivative_by_vjp(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: fg.vjp(f, x)[1](1.0)[0]


def derivative_of_a_batch(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: fg.vmap(fg.grad(f), in_axes=None, axis_size=2)(x)[1]


DERIVATIVES = [
    derivative_by_grad,
    derivative_by_jvp,
    derivative_by_linearize,
    derivative_by_vjp,
    derivative_of_a_batch,
    fg.jacfwd,
    fg.jacrev,
]
every_pair = pytest.mark.parametrize(
    ("outer", "inner"), list(itertools.product(DERIVATIVES, repeat=2))
)


@every_pair
def test_an_inner_derivative_of_a_constant_of_it_is_zero(outer: Any, inner: Any) -> None:
    # d/dx (x · d/dy x) = 0, where mixed-up levels give 1
    assert outer(lambda x: x * inner(lambda y: x + 0 * y)(2.0))(1.0) == 0.0


@every_pair
def test_the_inner_variable_is_not_the_outer_one(outer: Any, inner: Any) -> None:
    # d/dx (x · d/dy (x + y)) = 1, where mixed-up levels give 2
    assert outer(lambda x: x * inner(lambda y: x + y)(1.0))(1.0) == 1.0


@every_pair
def test_mixed_second_derivatives_are_right(outer: Any, inner: Any) -> None:
    # d/dx (x · d/dy (x y²) at y = 3) = 12 x
    np.testing.assert_allclose(outer(lambda x: x * inner(lambda y: x * y * y)(3.0))(2.0), 24.0)


@every_pair
def test_the_inner_derivative_at_the_outer_variable(outer: Any, inner: Any) -> None:
    # d/dx (d/dy sin(x y) at y = x) = d/dx (x cos x²) = cos x² - 2 x² sin x²
    found = outer(lambda x: inner(lambda y: np.sin(x * y))(x))(0.7)
    np.testing.assert_allclose(found, np.cos(0.49) - 2 * 0.49 * np.sin(0.49))


@pytest.mark.parametrize("triple", list(itertools.product(DERIVATIVES[:4], repeat=3)))
def test_three_levels_in_any_order(triple: Any) -> None:
    first, second, third = triple
    found = first(second(third(lambda x: np.sin(2.0 * x) * x)))(0.4)
    np.testing.assert_allclose(found, -12 * np.sin(0.8) - 8 * 0.4 * np.cos(0.8))


def test_a_function_returned_through_an_inner_transform_keeps_its_level() -> None:
    # The second classic: the derivative of x ↦ (y ↦ f(x + y)), applied twice to one function.
    def shifted(offset: Any) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
        return lambda f: lambda x: f(x + offset)

    def slope(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def at(x: Any) -> Any:
            return fg.jvp(lambda offset: shifted(offset)(f)(x), (0.0,), (1.0,))[1]

        return at

    np.testing.assert_allclose(slope(slope(np.exp))(1.0), np.exp(1.0))


# --- random nestings ----------------------------------------------------------------------------


def body(x: Any, w: Any) -> Any:
    return np.sin(x * w) * x + w * w


WRAPPERS: dict[str, Callable[[Callable[[Any], Any]], Callable[[Any], Any]]] = {
    "grad": lambda f: lambda x: fg.grad(lambda y: np.sum(f(y)))(x),
    "jvp": lambda f: lambda x: fg.jvp(f, (x,), (np.cos(x),))[1],
    "vjp": lambda f: lambda x: fg.vjp(f, x)[1](np.cos(x))[0],
    "linearize": lambda f: lambda x: fg.linearize(f, x)[1](np.cos(x)),
    "vmap": lambda f: lambda x: fg.vmap(lambda s: f(x * s))(np.array([1.0, 0.5]))[1],
    "row by row": lambda f: lambda x: fg.vmap(f)(np.stack([x, 2 * x]))[0],
    "program": lambda f: lambda x: fg.make_program(f)(x)(x),
    "jacfwd": lambda f: lambda x: fg.jacfwd(f)(x) @ np.cos(x),
    "jacrev": lambda f: lambda x: np.cos(x) @ fg.jacrev(f)(x),
    "transpose": lambda f: lambda x: fg.linear_transpose(fg.linearize(f, x)[1], x)(np.cos(x))[0],
}

REFERENCES: dict[str, Callable[[Callable[[Any], Any]], Callable[[Any], Any]]] = {
    **WRAPPERS,
    # The same by other means: one mode for all derivatives, loops in place of batches.
    "grad": lambda f: lambda x: fg.vjp(f, x)[1](np.ones(3))[0],
    "jvp": lambda f: lambda x: _pushed(f, x, np.cos(x)),
    "linearize": lambda f: lambda x: _pushed(f, x, np.cos(x)),
    "jacfwd": lambda f: lambda x: _pushed(f, x, np.cos(x)),
    "jacrev": lambda f: lambda x: fg.vjp(f, x)[1](np.cos(x))[0],
    "transpose": lambda f: lambda x: fg.vjp(f, x)[1](np.cos(x))[0],
    "vmap": lambda f: lambda x: f(x * 0.5),
    "row by row": lambda f: f,
    "program": lambda f: f,
}


def _pushed(f: Callable[[Any], Any], x: Any, x_dot: Any) -> Any:
    """∂f(x) ẋ by reverse mode alone: the derivative of ct ↦ ctᵀ ∂f(x)."""
    _, pullback = fg.vjp(f, x)
    return fg.vjp(lambda ct: pullback(ct)[0], np.zeros(3))[1](x_dot)[0]


@given(st.lists(st.sampled_from(sorted(WRAPPERS)), min_size=1, max_size=4))
def test_random_nestings_agree_with_reverse_mode_and_loops(names: list[str]) -> None:
    found, expected = (lambda x: body(x, X)), (lambda x: body(x, X))
    for name in names:
        found, expected = WRAPPERS[name](found), REFERENCES[name](expected)
    np.testing.assert_allclose(found(X), expected(X), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(("outer", "inner"), list(itertools.product(WRAPPERS, repeat=2)))
def test_every_pair_of_transforms(outer: str, inner: str) -> None:
    found = WRAPPERS[outer](WRAPPERS[inner](lambda x: body(x, X)))
    expected = REFERENCES[outer](REFERENCES[inner](lambda x: body(x, X)))
    np.testing.assert_allclose(found(X), expected(X), rtol=1e-11, atol=1e-12)


def test_hessian_of_a_batch_is_a_batch_of_hessians() -> None:
    rows = np.stack([X, 2 * X])
    found = fg.vmap(fg.hessian(lambda x: np.sum(body(x, X))))(rows)
    expected = np.stack([fg.hessian(lambda x: np.sum(body(x, X)))(row) for row in rows])
    np.testing.assert_allclose(found, expected)


def test_the_derivative_of_a_program_is_the_program_of_the_derivative() -> None:
    def f(x: Any) -> Any:
        return np.sum(body(x, X))

    derivative_of_program = fg.grad(fg.make_program(f)(X))
    program_of_derivative = fg.make_program(fg.grad(f))(X)
    np.testing.assert_allclose(derivative_of_program(2 * X), program_of_derivative(2 * X))


# --- state --------------------------------------------------------------------------------------


def test_threads_do_not_see_each_other() -> None:
    barrier = threading.Barrier(4)

    def work(number: int) -> tuple[Any, Any]:
        x = X + number

        def f(y: Any) -> Any:
            barrier.wait(timeout=10)  # all threads are inside of their transforms at once
            return np.sum(body(y, X))

        gradient = fg.grad(f)(x)
        barrier.wait(timeout=10)
        rows = fg.vmap(fg.grad(lambda y: np.sum(body(y, X))))(np.stack([x, x]))
        return gradient, rows[0]

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(work, range(4)))
    for number, (gradient, row) in enumerate(results):
        x = X + number
        expected = np.cos(x * X) * x * X + np.sin(x * X)
        np.testing.assert_allclose(gradient, expected)
        np.testing.assert_allclose(row, expected)


def test_an_exception_at_any_level_leaves_the_next_call_right() -> None:
    def fails(x: Any) -> Any:
        raise KeyError("mine")

    for wrapper in WRAPPERS.values():
        with pytest.raises(KeyError, match="mine"):
            fg.grad(lambda x: np.sum(x * wrapper(fails)(x)))(X)  # noqa: B023  # called at once
    np.testing.assert_allclose(fg.grad(lambda x: np.sum(x**2))(X), 2 * X)


@pytest.mark.parametrize("name", WRAPPERS)
def test_nothing_is_left_for_the_garbage_collector(name: str) -> None:
    f = WRAPPERS[name](lambda x: body(x, X))
    fg.grad(lambda x: np.sum(f(x)))(X)
    gc.collect()
    gc.disable()
    try:
        f(X)
        fg.grad(lambda x: np.sum(f(x)))(X)
        fg.jvp(f, (X,), (X,))
        assert gc.collect() == 0
    finally:
        gc.enable()
