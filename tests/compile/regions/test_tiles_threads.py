"""Tiles that are shared by threads, and tiles of functions that many threads call."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
import funcgrad.numpy as fnp
from funcgrad.compile.regions import tiles
from funcgrad.compile.regions.tiles_threads import IDLE, share
from tests.compile.regions.tiled import clusters, count_of, programmed, small_tiles, written

__all__ = ["small_tiles"]

pytestmark = pytest.mark.usefixtures("small_tiles", "eager_to_share")


@pytest.fixture
def eager_to_share(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(tiles, "WORTH_SHARING", 0.0)
    return None


def wave(x: Any) -> Any:
    y = fnp.exp(-x * x) * fnp.sin(x)
    return [y, fnp.sum(y * x), fnp.where(y > 0, y, -2 * y), fnp.max(y)]


def test_shared_tiles_give_the_same_bits_as_those_of_one_thread() -> None:
    x = np.random.default_rng(0).normal(size=5000)
    program = programmed(wave, x)
    alone, shared = written(clusters(program)), written(clusters(program, threads=3))
    expected = alone(x)
    for _ in range(50):
        for own, other in zip(shared(x), expected, strict=True):
            assert np.array_equal(own, other)


def test_exceptions_of_workers_reach_the_caller() -> None:
    x = np.linspace(0, 1000, 3000)
    program = programmed(lambda x: fnp.exp(x) * x + x, x)
    run = written(clusters(program, threads=4))
    for _ in range(20):
        with np.errstate(over="raise"), pytest.raises(FloatingPointError):
            run(x)
    small = x / 1000
    np.testing.assert_allclose(run(small)[0], program.evaluate(small)[0], rtol=1e-14)


def test_workers_obey_the_errstate_of_the_caller() -> None:
    x = np.linspace(900, 1000, 3000)
    run = written(clusters(programmed(lambda x: fnp.exp(x) * x + x, x), threads=4))
    for _ in range(20):
        with np.errstate(over="ignore"):
            assert np.all(np.isinf(run(x)[0]))


def test_each_tile_is_taken_once() -> None:
    taken: list[int] = []
    threads: set[int] = set()
    meeting = threading.Barrier(3, timeout=60)

    def work(tiles: Any) -> None:
        first = True
        for k, _ in tiles:
            if first:
                meeting.wait()  # all three have a tile
                first = False
            threads.add(threading.get_ident())
            taken.append(k)

    share(work, [(k, k + 1) for k in range(1000)], 3)
    assert sorted(taken) == list(range(1000))
    assert len(threads) == 3


def test_work_can_share_work_of_its_own() -> None:
    total: list[int] = []

    def inner(tiles: Any) -> None:
        total.extend(k for k, _ in tiles)

    def outer(tiles: Any) -> None:
        for _ in tiles:
            share(inner, [(0, 1)] * 10, 3)

    share(outer, [(0, 1)] * 10, 3)
    assert len(total) == 100


def test_an_error_stops_the_others_and_frees_all_workers() -> None:
    def work(tiles: Any) -> None:
        for k, _ in tiles:
            if k == 5:
                raise ValueError("five")

    with pytest.raises(ValueError, match="five"):
        share(work, [(0, 1)] * 100, 4)
    count = len(IDLE)
    assert count >= 3
    with pytest.raises(ValueError, match="five"):
        share(work, [(0, 1)] * 100, 4)
    assert len(IDLE) == count


@pytest.mark.parametrize("threads", [1, 2])
def test_many_threads_may_call_one_function(threads: int) -> None:
    rng = np.random.default_rng(0)
    program = programmed(wave, rng.normal(size=3000))
    run = written(clusters(program, threads=threads))
    points = [rng.normal(size=3000) for _ in range(8)]
    expected = [run(x) for x in points]

    def repeat(k: int) -> bool:
        return all(
            np.array_equal(own, other)
            for _ in range(20)
            for own, other in zip(run(points[k]), expected[k], strict=True)
        )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(repeat, range(8)))


def test_sums_that_reach_into_the_next_tile_are_left_to_one_thread() -> None:
    x = np.linspace(-1, 1, 200)
    gradient = fg.grad(lambda x: fnp.sum((x[1:] - x[:-1] * x[:-1]) ** 2))
    program = clusters(programmed(gradient, x), threads=2)
    assert count_of(program)
    assert all(dict(e.params).get("threads", 1) == 1 for e in program.equations)
