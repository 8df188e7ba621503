"""Large arrays under jit: computed in tiles, with little memory."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
import funcgrad.numpy as fnp

N = 1 << 17


def bumps(x: Any, y: Any) -> Any:
    return fnp.sum(fnp.tanh(x * y) * fnp.exp(-0.5 * x) - 2.0 * y)


@pytest.mark.parametrize("threads", [1, 2])
def test_gradients_of_large_arrays_are_those_of_eager_mode(threads: int) -> None:
    x, y = np.random.default_rng(0).normal(size=(2, N))
    plain = fg.value_and_grad(bumps, argnums=(0, 1))
    compiled = fg.jit(plain, threads=threads)
    for _ in range(3):
        value, (x_bar, y_bar) = compiled(x, y)
        expected, (x_ct, y_ct) = plain(x, y)
        np.testing.assert_allclose(value, expected, rtol=1e-12)
        np.testing.assert_allclose(x_bar, x_ct, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(y_bar, y_ct, rtol=1e-12, atol=1e-14)
    assert type(value) is np.float64
    assert "tiles:" in str(compiled.explain(x, y))


def test_exact_functions_of_large_arrays_keep_every_bit() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, N))
    plain = fg.value_and_grad(bumps, argnums=(0, 1))
    compiled = fg.jit(plain, exact=True)
    for _ in range(2):
        value, (x_bar, y_bar) = compiled(x, y)
        expected, (x_ct, y_ct) = plain(x, y)
        assert value == expected
        assert x_bar.tobytes() == x_ct.tobytes()
        assert y_bar.tobytes() == y_ct.tobytes()


def test_calls_give_the_same_bits_each_time() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, N + 7))
    compiled = fg.jit(fg.value_and_grad(bumps))
    compiled(x, y)
    value, x_bar = compiled(x, y)
    kept = []
    for _ in range(5):
        again, x_ct = compiled(x.copy(), y)
        kept.append(x_ct)  # so that memory lies elsewhere
        assert again == value
        assert x_ct.tobytes() == x_bar.tobytes()


def test_intermediate_values_take_little_memory() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 1 << 20))
    compiled = fg.jit(fg.value_and_grad(bumps, argnums=(0, 1)))
    compiled(x, y)
    compiled(x, y)
    tracemalloc.start()
    try:
        compiled(x, y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2.5 * x.nbytes  # two results, and tiles


def test_many_threads_may_call_a_function_of_large_arrays() -> None:
    points = np.random.default_rng(0).normal(size=(4, 2, N))
    compiled = fg.jit(fg.grad(bumps), threads=2)
    expected = [compiled(x, y) for x, y in points]

    def repeat(k: int) -> bool:
        return all(np.array_equal(compiled(*points[k]), expected[k]) for _ in range(10))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(repeat, range(4)))


def test_a_large_array_of_one_number_that_the_user_holds_may_change() -> None:
    weights = np.full(N * 2, 3.0)
    compiled = fg.jit(lambda x: fnp.sum(fnp.exp(x) * weights))
    x = np.zeros(N * 2)
    assert compiled(x) == compiled(x) == 3.0 * x.size
    weights[:] = 2.0
    assert compiled(x) == 2.0 * x.size


def test_a_view_of_one_number_that_the_user_holds_may_change() -> None:
    number = np.array(3.0)
    weights = np.broadcast_to(number, N * 2)
    compiled = fg.jit(lambda x: fnp.sum(fnp.exp(x) * weights))
    x = np.zeros(N * 2)
    assert compiled(x) == compiled(x) == 3.0 * x.size
    number[...] = 2.0
    assert compiled(x) == 2.0 * x.size
