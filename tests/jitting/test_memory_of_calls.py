"""What jitted functions keep: nothing of a call, and nothing of what has gone."""

import gc
import itertools
import linecache
import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import BatchedValueError
from tests.jitting.alike import exact_jit, require_same

X = np.arange(12.0).reshape(3, 4)

SHARING: list[Callable[[Any], Any]] = [
    lambda x: x,
    lambda x: (x, x),
    lambda x: (x[0], x.T, x[1:], x[::-1]),
    lambda x: [y := x * 2, y, y.T, y[0], np.reshape(y, -1)],
    lambda x: (y := np.sin(x), y * 2, y + 1, -y),
    lambda x: np.broadcast_to(x[0], (2, 4)),
    lambda x: np.broadcast_to(x * 2, (2, 3, 4)),
    lambda x: np.broadcast_arrays(x * 2, x[:1]),
    lambda x: (np.diagonal(x), np.real(x), np.squeeze(x[None])),
    lambda x: (np.zeros(3), np.arange(2), np.zeros(()), x),
    lambda x: np.split(x + 1, 3),
    lambda x: (np.swapaxes(x, 0, 1), np.astype(x, float), np.copy(x)),
    lambda x: (x if x[0, 0] < 5 else x * 2, x.T),
]


@pytest.mark.parametrize("number", range(len(SHARING)))
@pytest.mark.parametrize(
    "transform",
    [
        lambda f: f,
        lambda f: lambda x: fg.jvp(f, (x,), (x,)),
        lambda f: lambda x: fg.vjp(f, x)[0],
        lambda f: lambda x: fg.vmap(f)(np.stack([x, x])),
    ],
    ids=["call", "jvp", "vjp", "vmap"],
)
def test_results_have_memory_of_their_own(number: int, transform: Any):
    f = SHARING[number]
    compiled, x, kept = transform(exact_jit(f)), X.copy(), X.copy()
    try:
        wanted = transform(f)(X)
    except BatchedValueError:
        return  # vmap refuses the branch
    for _ in range(3):
        found = compiled(x)
        require_same(found, wanted)
        arrays = [out for out in fg.tree.leaves(found) if isinstance(out, np.ndarray)]
        for a, b in itertools.combinations([x, *arrays], 2):
            assert not np.shares_memory(a, b)
        for out in arrays:
            if out.dtype != fg.float0:
                out.fill(-7)
        require_same(x, kept)


def test_a_cotangent_is_not_changed():
    _, pull = fg.vjp(exact_jit(lambda x: np.sin(x) * 2), X)
    ct = np.ones_like(X)
    first = pull(ct)
    first[0].fill(9)
    require_same(ct, np.ones_like(X))
    require_same(pull(ct), fg.vjp(lambda x: np.sin(x) * 2, X)[1](ct))


def files() -> set[str]:
    return {name for name in linecache.cache if name.startswith("<funcgrad")}


def test_a_jitted_function_dies_with_its_arrays_and_its_source():
    before = files()

    def make() -> list[weakref.ref[Any]]:
        w = np.ones(1000)
        f = exact_jit(lambda x: np.sum(np.sin(x * w)))
        for _ in range(2):
            f(2.0)
            fg.grad(f)(2.0)
            fg.vmap(f)(np.ones(3))
            fg.jvp(f, (2.0,), (1.0,))
        return [weakref.ref(f), weakref.ref(w), weakref.ref(f.fun)]

    refs = make()
    gc.collect()
    assert [ref() for ref in refs] == [None, None, None]
    assert not {name for name in files() - before if "fast path" not in name}


def test_arguments_are_not_kept():
    f = exact_jit(lambda x: np.sum(x * x))
    g = fg.grad(f)
    refs = []
    for _ in range(3):
        x = np.ones(1000)
        f(x)
        g(x)
        refs.append(weakref.ref(x))
        del x
    gc.collect()
    assert [ref() for ref in refs] == [None] * 3


def growth(run: Callable[[int], None], count: int) -> int:
    """Bytes that `count` more calls leave behind."""
    run(100)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    run(count)
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return after - before


def test_ten_thousand_calls_leave_nothing_behind():
    w = np.ones(4)
    f = exact_jit(lambda x: np.sum(x * w) if x[0, 0] >= 0 else np.sum(x))

    def run(count: int) -> None:
        for _ in range(count):
            f(X)
            f(-1 - X)

    assert growth(run, 5000) < 20_000


def test_gradients_leave_nothing_behind():
    f = fg.grad(exact_jit(lambda x: np.sum(np.sin(x)) if x[0, 0] >= 0 else np.sum(x)))

    def run(count: int) -> None:
        for _ in range(count):
            f(X)
            f(-1 - X)

    assert growth(run, 1000) < 20_000


def test_exceptions_leave_nothing_behind():
    def f(x: Any) -> Any:
        if np.sum(x * 2) > 3:
            raise ValueError
        return x

    compiled = exact_jit(f)
    compiled(X * 0)

    def run(count: int) -> None:
        for _ in range(count):
            with pytest.raises(ValueError):  # noqa: PT011  # it has no text
                compiled(X)

    assert growth(run, 300) < 20_000


@pytest.mark.filterwarnings("ignore::funcgrad.errors.PathLimitWarning")
def test_rebound_arrays_are_let_go():
    w = np.ones(1000)
    f = exact_jit(lambda x: np.sum(x * w))
    refs = []
    for step in range(30):
        w = np.full(1000, float(step))
        refs.append(weakref.ref(w))
        f(2.0)
    gc.collect()
    assert sum(ref() is not None for ref in refs) <= 10
