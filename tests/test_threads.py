"""Transforms in many threads at once, and traced values that cross from one thread to another."""

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import LeakedTracerError, MutatedArrayError

WAIT = 10.0
"""Seconds after which a test is taken to hang."""


def work(i: int) -> None:
    """Several transforms with a closed form each, nested too, of a function of its own."""
    x = np.linspace(0.1, 1.0, 30) + 0.01 * i

    def f(x: Any) -> Any:
        return np.sum(np.sin(x) * np.exp(-x)) * i

    slope = (np.cos(x) - np.sin(x)) * np.exp(-x) * i
    bend = -2 * np.cos(x) * np.exp(-x) * i
    np.testing.assert_allclose(fg.grad(f)(x), slope, atol=1e-12)
    np.testing.assert_allclose(fg.hvp(f, (x,), (x,)), bend * x, atol=1e-12)
    np.testing.assert_allclose(fg.jvp(f, (x,), (x,))[1], slope @ x, atol=1e-9)
    np.testing.assert_allclose(fg.linearize(f, x)[1](x), slope @ x, atol=1e-9)
    np.testing.assert_allclose(fg.vmap(fg.grad(lambda a: a**2 * i))(x), 2 * x * i)
    np.testing.assert_allclose(fg.jacfwd(lambda x: x**3)(x[:4]), np.diag(3 * x[:4] ** 2))
    np.testing.assert_allclose(fg.make_program(f)(x)(x), f(x))
    np.testing.assert_allclose(
        fg.grad(lambda s: s * fg.grad(lambda t: s * t * i)(1.0))(2.0), 4.0 * i
    )


def test_many_threads_get_the_results_of_one() -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(200)))


def test_threads_share_one_gradient_function_one_pullback_and_one_program() -> None:
    x = np.linspace(0.1, 1.0, 50)
    gradient = fg.grad(lambda x, k: np.sum(np.sin(x) * k))
    _, pull = fg.vjp(lambda x: np.sin(x) * x, x)
    _, push = fg.linearize(lambda x: np.sin(x) * x, x)
    program = fg.make_program(lambda x, k: np.sum(x * k))(x, 1.0)
    slope = np.cos(x) * x + np.sin(x)

    def check(k: int) -> None:
        np.testing.assert_allclose(gradient(x, k), np.cos(x) * k)
        np.testing.assert_allclose(pull(np.full(50, float(k)))[0], slope * k)
        np.testing.assert_allclose(push(np.full(50, float(k))), slope * k)
        np.testing.assert_allclose(program(x, float(k)), np.sum(x) * k)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(check, range(200)))


def test_an_exception_in_one_thread_leaves_the_others_alone() -> None:
    def sometimes(k: int) -> Any:
        if k % 3:
            return fg.grad(lambda x: x**2 * k)(2.0)
        with pytest.raises(TypeError):
            fg.grad(lambda x: float(x))(2.0)
        return 4.0 * k

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(sometimes, range(200))) == [4.0 * k for k in range(200)]


def test_a_custom_rule_is_used_by_many_threads() -> None:
    cube = fg.custom_vjp(lambda x: x**3)
    cube.defvjp(lambda x: (x**3, x), lambda x, ct: (3 * x**2 * ct,))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda k: fg.grad(lambda x: cube(x) * k)(2.0), range(100)))
    assert found == [12.0 * k for k in range(100)]


def test_debug_mutation_holds_for_its_own_thread() -> None:
    captured = np.ones(20_000)
    found: list[Any] = []

    def other() -> None:
        _, pull = fg.vjp(lambda x: x * captured, np.ones(20_000))
        captured[1] = 5.0  # between two samples
        found.append(pull(np.ones(20_000))[0][0])
        captured[1] = 1.0

    with fg.debug_mutation():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(WAIT)
        _, pull = fg.vjp(lambda x: x * captured, np.ones(20_000))
        captured[1] = 5.0
        with pytest.raises(MutatedArrayError):
            pull(np.ones(20_000))
    assert found == [1.0]


# --- traced values of another thread --------------------------------------------------------------


def outcome(run: Callable[[], Any]) -> Any:
    try:
        return run()
    except LeakedTracerError as error:
        return error


def in_two_threads(first: Callable[[Any], Any], second: Callable[[Any], Any]) -> tuple[Any, Any]:
    """Run `first`, and inside of its function `second`, in another thread, which ends before it.

    `first` is given a function that starts `second` with a traced value and waits for its end.
    """
    found: list[Any] = []

    def start(value: Any) -> None:
        thread = threading.Thread(target=lambda: found.append(outcome(lambda: second(value))))
        thread.start()
        thread.join(WAIT)
        assert not thread.is_alive()

    result = first(start)
    return result, found[0]


def test_a_value_of_an_open_transform_is_an_outer_value_in_another_thread() -> None:
    """The other thread gets what it would get inside: a value of the transform it came from."""

    def first(start: Any) -> Any:
        kept: list[Any] = []

        def f(x: Any) -> Any:
            start((x, kept))
            return x * kept[0]

        return fg.grad(f)(3.0)

    def second(given: Any) -> Any:
        x, kept = given
        kept.append(fg.grad(lambda y: x * y**2)(2.0))  # 4 x

    result, _ = in_two_threads(first, second)
    assert result == 24.0


def test_a_value_of_a_newer_transform_in_another_thread_cannot_leave_through_an_older_one() -> None:
    """Thread A opens a transform, thread B a newer one, whose value A tries to return."""
    opened, offered, done = threading.Event(), threading.Event(), threading.Event()
    box: dict[str, Any] = {}

    def older() -> Any:
        def f(x: Any) -> Any:
            opened.set()
            assert offered.wait(WAIT)
            return x * box["y"]

        try:
            return outcome(lambda: fg.grad(f)(3.0))
        finally:
            done.set()

    def newer() -> Any:
        assert opened.wait(WAIT)

        def f(y: Any) -> Any:
            box["y"] = y
            offered.set()
            assert done.wait(WAIT)
            return y * y

        return fg.grad(f)(2.0)

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.submit(older), pool.submit(newer)
        assert isinstance(first.result(WAIT), LeakedTracerError)
        assert second.result(WAIT) == 4.0


def test_a_value_of_a_finished_transform_raises_in_every_thread() -> None:
    kept: list[Any] = []
    fg.grad(lambda x: (kept.append(x), x * x)[1])(2.0)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: outcome(lambda: kept[0] + 1.0), range(8)))
    assert all(isinstance(error, LeakedTracerError) for error in found)


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads take turns after almost every step of the interpreter."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


X = np.linspace(0.1, 1.0, 32)
TRANSFORMS: dict[str, Callable[[Callable[..., Any]], Any]] = {
    "grad": lambda f: fg.grad(f)(X) @ X,
    "jvp": lambda f: fg.jvp(f, (X,), (X,))[1],
    "linearize": lambda f: fg.linearize(f, X)[1](X),
    "program": lambda f: fg.grad(fg.make_program(f)(X))(X) @ X,
    "vmap of grad": lambda f: fg.vmap(fg.grad(f))(np.stack([X, X]))[1] @ X,
    "grad of grad": lambda f: fg.grad(lambda t: fg.grad(lambda s: f(s * X))(t))(1.0),
}


@pytest.mark.usefixtures("restless")
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_a_function_may_start_threads_that_compute_with_its_values(transform: str) -> None:
    """They append to one Wengert list, where each record has to know its place."""

    def part(x: Any, i: int) -> Any:
        total = 0.0
        for k in range(8):
            total = (
                total + np.sin(x[i]) * x[i] - k * x[i] ** 2 + np.sum(x * 2) + np.exp(x[i]) / x[i]
            )
        return total

    def serial(x: Any) -> Any:
        return sum(part(x, i) for i in range(X.size))

    def parallel(x: Any) -> Any:
        with ThreadPoolExecutor(8) as pool:
            return sum(pool.map(lambda i: part(x, i), range(X.size)))

    expected = TRANSFORMS[transform](serial)
    for _ in range(3):
        np.testing.assert_allclose(TRANSFORMS[transform](parallel), expected, rtol=1e-9)
