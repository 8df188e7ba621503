"""Jitted functions shared by threads, and called from themselves."""

import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from tests.jitting.alike import ULPS, exact_jit, require_same

THREADS = 8
DATA = [
    (np.random.default_rng(seed).normal(size=1 + seed % 4), 0.5 * (seed % 5) - 1)
    for seed in range(40)
]


@pytest.fixture(autouse=True)
def short_turns() -> Iterator[None]:
    """Threads take turns so often that they meet everywhere."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def in_threads(work: Callable[[int], None]) -> None:
    """Run it in all threads at once; what one raises is raised here."""
    errors: list[BaseException] = []
    start = threading.Barrier(THREADS)

    def run(number: int) -> None:
        try:
            start.wait()
            work(number)
        except BaseException as error:  # noqa: BLE001  # raised again by the caller
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def walk(x: Any, bound: Any) -> Any:
    for _ in range(4):
        x = np.sin(x) * 2 if np.sum(x) > bound else np.cos(x) + 1
    return x, x[x > 0.5]


def total(x: Any, bound: Any) -> Any:
    return np.sum(walk(x, bound)[0] ** 2)


@pytest.mark.parametrize(("jit", "ulps"), [(exact_jit, 0), (fg.jit, ULPS)], ids=["exact", "near"])
@pytest.mark.parametrize(
    ("f", "transform"),
    [
        (walk, lambda f: f),
        (total, fg.value_and_grad),
        (walk, lambda f: lambda x, b: fg.jvp(lambda x: f(x, b), (x,), (x,))),
        (total, lambda f: lambda x, b: fg.vmap(lambda t: f(x * 2, t), in_axes=None)(b)),
    ],
    ids=["call", "grad", "jvp", "vmap"],
)
def test_one_function_is_recorded_and_called_by_many_threads(
    f: Any, transform: Any, jit: Any, ulps: int
):
    if f is total and transform is not fg.value_and_grad:
        wanted = [f(x * 2, b) for x, b in DATA]
        compiled = jit(f, max_traces=100)
        shared = lambda x, b: compiled(x * 2, b)
    else:
        plain, shared = transform(f), transform(jit(f, max_traces=100))
        wanted = [plain(*data) for data in DATA]

    def work(number: int) -> None:
        for place in np.random.default_rng(number).permutation(len(DATA)):
            require_same(shared(*DATA[place]), wanted[place], ulps=ulps)

    in_threads(work)


def test_a_name_rebound_while_threads_call():
    """Each call sees the old or the new value, never a mixture."""
    w = np.ones(3)
    f = exact_jit(lambda x: (x * w, w * 1))
    stop = threading.Event()

    def work(number: int) -> None:
        nonlocal w
        if number == 0:
            for step in range(200):
                w = np.full(3, float(step))
            stop.set()
            return
        while not stop.is_set():
            product, used = f(np.ones(3))
            assert len(set(product)) == 1
            assert used.shape == (3,)

    in_threads(work)
    require_same(f(np.ones(3))[0], np.full(3, 199.0))


def test_clearing_while_threads_call():
    f = exact_jit(walk, max_traces=100)
    wanted = [walk(*data) for data in DATA]

    def work(number: int) -> None:
        for place in range(len(DATA)):
            if number == 0:
                f.cache_clear()
            require_same(f(*DATA[place]), wanted[place])

    in_threads(work)


def test_a_call_inside_of_a_callback_of_its_own():
    def host(x: Any) -> Any:
        return np.asarray(f(x - 1)) if x > 0 else np.asarray(x)

    f = exact_jit(lambda x: fg.pure_callback(host, np.zeros(()), x) * 2 + 1)

    def plain(x: Any) -> Any:
        return (plain(x - 1) if x > 0 else x) * 2 + 1

    for value in (3.0, 0.0, 2.0, 5.0):
        require_same(f(np.float64(value)), np.float64(plain(value)))


def test_another_jitted_function_inside_of_a_callback():
    inner = exact_jit(lambda x: np.sin(x) * 2)
    f = exact_jit(lambda x: fg.pure_callback(lambda y: inner(y), np.zeros(3), x) + 1)
    x = np.arange(3.0)
    for _ in range(3):
        require_same(f(x), np.sin(x) * 2 + 1)
