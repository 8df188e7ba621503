"""Memory that compiled functions keep between calls: who sees it, how much it is, when it goes."""

import gc
import itertools
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import funcgrad as fg
from funcgrad.compile import scratch
from funcgrad.compile.scratch import LIMIT, Arena, Pool, Rooms, shared_pool
from funcgrad.compile.slots import Slots

X = np.random.default_rng(0).normal(size=(300, 100))
SEEN: list[Any] = []
A = np.random.default_rng(1).normal(size=(100, 100)) / 10


def keeper(y: Any) -> Any:
    SEEN.append(y)
    return np.sum(y)


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    gc.collect()
    yield
    gc.collect()


def chain(x: Any) -> Any:
    y = np.tanh(x @ A) * 2.0
    z = (y @ A) @ A.T
    return np.sin(z) @ A, np.sum(z * y, axis=0)


def views(x: Any) -> Any:
    y = np.tanh(x @ A)
    return y.T, y[1:5], np.sum(np.exp(y @ A), axis=1)


def parts(x: Any) -> Any:
    y = x @ A
    a, b = np.split(y @ A, 2)
    return a, b * 2, np.concatenate([b @ A, y])


def branching(x: Any) -> Any:
    y = x @ A
    if np.sum(y) > 0:
        z = (y @ A) @ A
        return z[3] * 2.0, y @ A
    z = np.exp(-((y @ A) ** 2)) @ A
    return z, np.sum(z * 2.0 @ A, axis=0)


def looping(x: Any) -> Any:
    def step(carry: Any, _k: Any) -> Any:
        y = carry @ A
        return np.tanh(y @ A) @ A, np.sum(y)

    last, sums = fg.scan(step, x @ A, np.arange(4.0))
    return last, sums, np.sin(last) @ A


def choosing(x: Any) -> Any:
    y = x @ A
    z = fg.cond(np.sum(y) > 0, lambda y: y, lambda y: y @ A, y)
    return (z @ A) @ A


def again(x: Any) -> Any:
    return np.sum(fg.checkpoint(lambda y: np.sin(y @ A) @ A)(x @ A) @ A)


FUNCTIONS: list[Callable[[Any], Any]] = [
    chain, views, parts, branching, looping, choosing, again,
    fg.grad(lambda x: np.sum(chain(x)[0]) + np.sum(chain(x)[1])),
    fg.grad(lambda x: np.sum(looping(x)[2])),
    fg.grad(again),
]  # fmt: skip


def leaves(tree: Any) -> list[Any]:
    return [np.asarray(leaf) for leaf in fg.tree.leaves(tree)]


def require_equal(found: Any, expected: Any) -> None:
    for a, b in zip(leaves(found), leaves(expected), strict=True):
        np.testing.assert_array_equal(a, b)


def kept_bytes() -> int:
    return sum(arena.memory.nbytes for arena in shared_pool().free)


def uses_scratch(jitted: Any, *args: Any) -> bool:
    return ".take()" in jitted.source(*args)


@pytest.mark.parametrize("f", FUNCTIONS)
@pytest.mark.parametrize("order", ["C", "F"])
def test_exact_functions_have_the_bits_of_eager_ones(f: Any, order: Any) -> None:
    jitted = fg.jit(f, exact=True)
    for x in (X, -X, X * 0.5, X[::-1]):
        given = np.array(x, order=order)
        require_equal(jitted(given), f(given))


@pytest.mark.parametrize("f", FUNCTIONS)
def test_results_are_not_changed_by_later_calls(f: Any) -> None:
    jitted = fg.jit(f)
    jitted(X)
    assert uses_scratch(jitted, X)
    results = [jitted(X * factor) for factor in (1.0, 0.5, -1.0)]
    before = [[leaf.copy() for leaf in leaves(result)] for result in results]
    for factor in (3.0, -2.0):
        jitted(X * factor)
    for result, copies in zip(results, before, strict=True):
        require_equal(result, copies)
    for arena, result in itertools.product(shared_pool().free, results):
        assert not any(np.shares_memory(arena.memory, leaf) for leaf in leaves(result))


def test_small_functions_keep_nothing() -> None:
    jitted = fg.jit(lambda x: np.sin(x @ x) @ x)
    small = np.ones((20, 20))
    jitted(small)
    assert not uses_scratch(jitted, small)


def test_what_a_callback_keeps_stays_as_it_was() -> None:
    SEEN.clear()

    def f(x: Any) -> Any:
        y = (x @ A) @ A
        return fg.pure_callback(keeper, np.zeros(()), y) + np.sum(np.sin(y @ A) @ A)

    jitted = fg.jit(f)
    for factor in (1.0, 2.0, 3.0):
        jitted(X * factor)
    for y, factor in zip(SEEN[-2:], (2.0, 3.0), strict=True):
        np.testing.assert_allclose(y, (X * factor @ A) @ A)


def test_calls_inside_of_a_callback_have_memory_of_their_own() -> None:
    def host(y: Any) -> Any:
        return np.asarray(inner(y)[1])

    inner = fg.jit(chain)

    def f(x: Any) -> Any:
        y = np.sin(x @ A) @ A
        more = fg.pure_callback(host, np.zeros(100), x)
        return np.sum(y * more), np.exp(y @ A)

    jitted = fg.jit(f)
    y = np.sin(X @ A) @ A
    for _ in range(3):
        found = jitted(X)
        np.testing.assert_allclose(found[0], np.sum(y * chain(X)[1]))
        np.testing.assert_allclose(found[1], np.exp(y @ A))


def test_threads_do_not_meet() -> None:
    jitted = fg.jit(chain)
    inputs = [X * factor for factor in np.linspace(-1, 1, 12)]
    jitted(X)
    expected = [jitted(x) for x in inputs]
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for place in np.random.default_rng(number).permutation(len(inputs)):
                require_equal(jitted(inputs[place]), expected[place])
        except BaseException as error:  # noqa: BLE001  # raised again below
            errors.append(error)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    if errors:
        raise errors[0]
    assert kept_bytes() <= LIMIT


def test_an_exception_leaves_nothing_broken() -> None:
    def host(y: Any) -> Any:
        if y > 0:
            raise ValueError
        return y

    def f(x: Any) -> Any:
        y = (x @ A) @ A
        return fg.pure_callback(host, np.zeros(()), x[0, 0]) + np.sum(np.tanh(y @ A) @ A)

    jitted = fg.jit(f)
    good, bad = X.copy(), X.copy()
    good[0, 0], bad[0, 0] = -1.0, 1.0
    expected = f(good)
    for _ in range(3):
        np.testing.assert_allclose(jitted(good), expected)
        with pytest.raises(Exception):  # noqa: B017, PT011  # what callbacks raise is their matter
            jitted(bad)
    np.testing.assert_allclose(jitted(good), expected)


def test_two_functions_share_their_memory() -> None:
    first, second = fg.jit(chain), fg.jit(views)
    for _ in range(3):
        first(X)
        second(X)
    assert len(shared_pool().free) == 1


def test_memory_goes_with_the_last_function() -> None:
    jitted = fg.jit(chain)
    jitted(X)
    jitted(X)
    (arena,) = shared_pool().free
    memory = weakref.ref(arena.memory.base)
    del arena
    jitted.cache_clear()
    gc.collect()
    if not scratch._POOLS:  # no other test has left a function behind
        assert memory() is None


def test_blocks_that_are_kept_have_at_most_so_many_bytes() -> None:
    pool = Pool()
    rooms = Rooms([(0, (8,), np.dtype(float))], LIMIT // 2, pool)
    arenas = [rooms.take() for _ in range(5)]
    for arena in arenas:
        pool.give(arena)
    assert sum(arena.memory.nbytes for arena in pool.free) <= LIMIT
    assert pool.free[-1] is arenas[-1]


def test_a_block_that_is_too_small_is_replaced() -> None:
    pool = Pool()
    small = Rooms([(0, (8,), np.dtype(float))], 64, pool)
    large = Rooms([(4096, (8,), np.dtype(float))], 8192, pool)
    pool.give(small.take())
    arena = large.take()
    assert arena.memory.nbytes == 8192
    pool.give(arena)
    assert small.take() is arena


def test_many_functions_do_not_fill_a_block_with_views() -> None:
    pool = Pool()
    functions = [Rooms([(0, (8,), np.dtype(float))], 64, pool) for _ in range(500)]
    for rooms in functions:
        pool.give(rooms.take())
    assert len(pool.free[0].views) < 100


def test_blocks_begin_with_a_cache_line() -> None:
    for nbytes in (64, 1000, 1 << 20):
        assert Arena(nbytes).memory.ctypes.data % scratch.ALIGNMENT == 0


def test_values_of_more_bytes_than_are_kept_have_no_places() -> None:
    assert Slots().take(LIMIT + 1) is None


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 100_000)), max_size=60))
def test_places_in_use_do_not_overlap(steps: list[tuple[bool, int]]) -> None:
    slots, taken = Slots(), list[tuple[int, int, int]]()
    for give, number in steps:
        if give and taken:
            offset, size, _ = taken.pop(number % len(taken))
            slots.give(offset, size)
        else:
            place = slots.take(number)
            assert place is not None
            taken.append((*place, number))
    spans = sorted((offset, offset + size, number) for offset, size, number in taken)
    for (begin, end, number), (following, *_) in itertools.pairwise(spans):
        assert end <= following
        assert number <= end - begin
    assert all(begin % scratch.ALIGNMENT == 0 and end <= slots.end for begin, end, _ in spans)


@pytest.mark.parametrize("f", FUNCTIONS)
def test_what_is_in_the_memory_before_does_not_matter(
    f: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    give = Pool.give

    def poisoned(pool: Pool, arena: Arena) -> None:
        arena.memory.fill(255)  # of floats all are nan
        give(pool, arena)

    monkeypatch.setattr(Pool, "give", poisoned)
    jitted = fg.jit(f, exact=True)
    for factor in (1.0, 0.5, 0.25):
        require_equal(jitted(X * factor), f(X * factor))


def test_a_value_takes_the_place_of_one_that_only_a_view_reads() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.tanh((x @ A).reshape(100, 300)) @ A[:3].T.reshape(300, 1))

    jitted = fg.jit(f)
    jitted(X)
    jitted(X)
    (listed,) = [line for line in jitted.source(X).splitlines() if "scratch memory" in line]
    kept = int(listed.split(" arrays in ")[1].split()[0])
    assert kept < 1.5 * X.nbytes
    np.testing.assert_allclose(jitted(X), f(X))
