"""Nothing waits for the garbage collector, and long or deep computations need no recursion."""

import contextlib
import functools
import gc
import sys
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.core.protocols import ArrayLike

X = np.linspace(0.1, 1.0, 1200).reshape(40, 30)
V = np.linspace(0.1, 1.0, 20)


def loss(x: Any) -> Any:
    """A little of everything: contractions, reductions, indexing, branches, sorting."""
    hidden = np.tanh(x @ np.full((30, 4), 0.1))
    rows = sum(np.sum(x[i] ** 2) for i in range(5))
    total = np.sum(hidden**2) + np.linalg.norm(x) + rows + np.sum(np.sort(x)[:, ::2])
    return total * 2 if total > 0 else total


def squared(x: Any) -> Any:
    return np.sum(x**2)


with_vjp = fg.custom_vjp(squared)
with_vjp.defvjp(lambda x: (squared(x), x), lambda x, ct: (2 * x * ct,))
with_jvp = fg.custom_jvp(squared)
with_jvp.defjvp(lambda primals, dots: (squared(primals[0]), np.sum(2 * primals[0] * dots[0])))


def failing(x: Any) -> Any:
    return float(np.sum(np.sin(x)))


def swallowed(run: Callable[[], Any]) -> Callable[[], Any]:
    def call() -> None:
        with contextlib.suppress(TypeError, ValueError):
            run()

    return call


RUNS: dict[str, Callable[[], Any]] = {
    "grad": lambda: fg.grad(loss)(X),
    "value_and_grad with aux": lambda: fg.value_and_grad(lambda x: (loss(x), x), has_aux=True)(X),
    "vjp": lambda: fg.vjp(loss, X)[1](1.0),
    "vjp that is not pulled": lambda: fg.vjp(loss, X),
    "jvp": lambda: fg.jvp(loss, (X,), (X,)),
    "linearize": lambda: fg.linearize(loss, X)[1](X),
    "linear_transpose": lambda: fg.linear_transpose(lambda x: x @ np.ones((30, 2)), X)(
        np.ones((40, 2))
    ),
    "jacrev": lambda: fg.jacrev(lambda v: np.sin(v) * v)(V),
    "jacfwd": lambda: fg.jacfwd(lambda v: np.sin(v) * v)(V),
    "hessian": lambda: fg.hessian(lambda v: np.sum(np.sin(v) * v))(V),
    "hvp": lambda: fg.hvp(loss, (X,), (X,)),
    "vmap": lambda: fg.vmap(squared)(np.stack([X, X])),
    "vmap of grad": lambda: fg.vmap(fg.grad(squared))(np.stack([X, X])),
    "grad of grad": lambda: fg.grad(lambda x: np.sum(fg.grad(loss)(x) ** 2))(X),
    "program": lambda: fg.make_program(loss)(X)(X),
    "custom_vjp": lambda: (fg.grad(with_vjp)(X), fg.jvp(with_vjp, (X,), (X,))),
    "custom_jvp": lambda: (fg.grad(with_jvp)(X), fg.vmap(fg.grad(with_jvp))(np.stack([X, X]))),
    "stop_gradient": lambda: fg.grad(lambda x: np.sum(x * fg.stop_gradient(x)))(X),
    "pytrees": lambda: fg.grad(lambda p: loss(p["a"][0]) + np.sum(p["b"]))({"a": [X], "b": V}),
    "ravel_pytree": lambda: fg.ravel_pytree({"a": X})[1](np.ones(X.size)),
    "updates": lambda: fg.grad(lambda x: np.sum(x.at[0].set(1.0) * x))(X),
    "error in the function": swallowed(lambda: fg.grad(failing)(X)),
    "error in jvp": swallowed(lambda: fg.jvp(failing, (X,), (X,))),
    "error in vmap": swallowed(lambda: fg.vmap(failing)(X[None])),
    "error in nested transforms": swallowed(lambda: fg.grad(lambda x: fg.grad(failing)(x))(X)),
    "error of the result": swallowed(lambda: fg.grad(np.sin)(X)),
    "error of the cotangent": swallowed(lambda: fg.vjp(np.sin, X)[1](np.ones(3))),
}


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("name", RUNS)
def test_the_garbage_collector_finds_no_array(name: str) -> None:
    RUNS[name]()  # fills caches
    gc.collect()
    RUNS[name]()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        found = [
            kept
            for garbage in gc.garbage
            for kept in (garbage, *gc.get_referents(garbage))
            if isinstance(kept, np.ndarray | ArrayLike)
        ]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert found == []


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("name", RUNS)
def test_all_arrays_of_a_run_are_freed_when_it_is_over(name: str) -> None:
    RUNS[name]()
    arrays = tracemalloc.DomainFilter(inclusive=True, domain=np.lib.tracemalloc_domain)
    tracemalloc.start()
    try:
        RUNS[name]()
        left = tracemalloc.take_snapshot().filter_traces([arrays]).traces
    finally:
        tracemalloc.stop()
    assert sum(trace.size for trace in left) == 0


def test_a_gradient_function_keeps_none_of_its_arguments() -> None:
    gradient = fg.grad(lambda x: np.sum(x * x))
    x = np.ones(2000)
    kept = weakref.ref(x)
    gradient(x)
    del x
    assert kept() is None


@pytest.mark.parametrize("make", [fg.vjp, fg.linearize], ids=["vjp", "linearize"])
def test_a_derivative_frees_what_it_captured_with_itself(make: Any) -> None:
    captured = np.ones(2000)
    kept = weakref.ref(captured)
    derivative = make(lambda x, c=captured: x * c, np.ones(2000))
    del captured
    assert kept() is not None
    del derivative
    assert kept() is None


def test_an_operation_that_reads_no_operand_keeps_none() -> None:
    kept: list[weakref.ref[Any]] = []

    def f(x: Any) -> Any:
        shifted = x + 1.0
        doubled = np.concatenate([shifted, shifted]) - 2.0
        squares = doubled * doubled
        kept.extend(weakref.ref(y.value) for y in (shifted, squares, doubled))
        return np.sum(squares)

    _, pull = fg.vjp(f, X)
    shifted, squares, doubled = (reference() for reference in kept)
    assert shifted is None
    assert squares is None
    assert doubled is not None  # the square reads it
    np.testing.assert_allclose(pull(1.0)[0], 4 * (X - 1.0))


# --- long chains and deep nesting -----------------------------------------------------------------


def test_a_chain_of_a_million_operations_is_differentiated() -> None:
    count = 1_000_000
    assert sys.getrecursionlimit() < count // 10

    def chain(x: Any) -> Any:
        for _ in range(count):
            x = x + 1e-9
        return x * x

    assert fg.grad(chain)(1.0) == pytest.approx(2 * (1 + count * 1e-9))


@pytest.mark.parametrize("count", [1000, 100_000])
def test_a_chain_leaves_one_record_for_each_operation(count: int) -> None:
    def chain(x: Any) -> Any:
        for _ in range(count):
            x = x * 1.000001
        return x

    _, pull = fg.vjp(chain, 1.0)
    assert repr(pull) == f"<pullback of {count} records>"
    assert pull(1.0)[0] == pytest.approx(1.000001**count)


@pytest.mark.parametrize(
    ("derivative", "expected"),
    [
        (lambda f: fg.jvp(f, (1.0,), (1.0,))[1], 1.0),
        (lambda f: fg.linearize(f, 1.0)[1](1.0), 1.0),
        (lambda f: fg.linear_transpose(f, 1.0)(1.0)[0], 1.0),
        (lambda f: fg.make_program(fg.grad(f))(1.0)(1.0), 1.0),
        (lambda f: fg.vmap(fg.grad(f))(np.ones(2))[1], 1.0),
        (lambda f: fg.vjp(f, 1.0)[1](1.0)[0], 1.0),
        (lambda f: fg.grad(fg.grad(f))(1.0), 0.0),
        (lambda f: fg.hvp(f, (1.0,), (1.0,)), 0.0),
    ],
    ids=["jvp", "linearize", "transpose", "program", "vmap", "vjp", "grad of grad", "hvp"],
)
def test_no_transform_recurses_over_a_long_chain(derivative: Any, expected: float) -> None:
    def chain(x: Any) -> Any:
        for _ in range(5000):
            x = x * 0.75 + x * 0.25
        return x

    assert derivative(chain) == pytest.approx(expected)


def test_a_value_that_is_used_a_hundred_thousand_times_gets_the_sum() -> None:
    def f(x: Any) -> Any:
        total = 0.0
        for i in range(100_000):
            total += x * i
        return total

    assert fg.grad(f)(2.0) == sum(range(100_000))


def test_a_deep_pytree_of_a_thousand_leaves_is_differentiated() -> None:
    tree = functools.reduce(lambda below, i: {"x": float(i), "below": below}, range(100), None)

    def total(node: Any) -> Any:
        return 0.0 if node is None else node["x"] ** 2 + total(node["below"])

    found = fg.grad(total)(tree)
    assert found["x"] == 198.0
    assert found["below"]["below"]["x"] == 194.0


@pytest.mark.parametrize(
    "derivative",
    [
        fg.grad,
        lambda f: lambda x: fg.jvp(f, (x,), (1.0,))[1],
        lambda f: lambda x: fg.vjp(f, x)[1](1.0)[0],
        lambda f: lambda x: fg.linearize(f, x)[1](1.0),
        lambda f: fg.jacfwd(f),
        lambda f: fg.jacrev(f),
    ],
    ids=["grad", "jvp", "vjp", "linearize", "jacfwd", "jacrev"],
)
def test_five_nested_derivatives_are_right(derivative: Any) -> None:
    fifth = functools.reduce(lambda f, _: derivative(f), range(5), np.sin)
    assert fifth(0.3) == pytest.approx(np.cos(0.3), abs=1e-12)


def test_mixed_nested_derivatives_are_right() -> None:
    push = lambda f: lambda x: fg.jvp(f, (x,), (1.0,))[1]
    mixed = push(fg.grad(push(fg.grad(push(lambda x: np.exp(2 * x))))))
    assert mixed(0.1) == pytest.approx(32 * np.exp(0.2))
    x = np.array([0.1, 0.2])
    np.testing.assert_allclose(fg.vmap(mixed)(x), 32 * np.exp(2 * x))
