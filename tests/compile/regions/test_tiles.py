"""Laws of tiles: what is computed tile by tile is what is computed at once."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
import funcgrad.numpy as fnp
from funcgrad.compile.regions.context import Context
from funcgrad.compile.regions.table import over_program
from tests.compile.passes.sameness import same_bits
from tests.compile.regions.tiled import (
    REGIONS,
    clusters,
    count_of,
    programmed,
    small_tiles,
    written,
)

__all__ = ["small_tiles"]

pytestmark = pytest.mark.usefixtures("small_tiles")

UNARY: tuple[Callable[..., Any], ...] = (
    fnp.exp, fnp.tanh, fnp.sin, fnp.negative, fnp.abs, fnp.square, fnp.sign, fnp.floor, fnp.log1p,
    lambda x: x**2, lambda x: x**3, lambda x: 2.5 * x, lambda x: x / 4, lambda x: 1 - x,
    lambda x: fnp.clip(x, -0.5, 0.75), lambda x: fnp.maximum(x, 0), lambda x: -3 * x,
    lambda x: fnp.where(x > 0, x, 0.0), lambda x: fnp.where(x > 0, 0.0, x),
    lambda x: fnp.where(x > 0.25, 1.5, -x), lambda x: x.astype(np.float32).astype(x.dtype),
    lambda x: x * fnp.ones_like(x), lambda x: x + 0.5, lambda x: 0.125 - 8 * x,
)  # fmt: skip
BINARY: tuple[Callable[..., Any], ...] = (
    fnp.add, fnp.subtract, fnp.multiply, fnp.maximum, fnp.minimum, fnp.hypot, fnp.arctan2,
    lambda x, y: x / (2 + y * y), lambda x, y: fnp.where(x > y, x, y), lambda x, y: 3 * x - 2 * y,
    lambda x, y: fnp.where(x < y, x * y, fnp.tanh(y)), lambda x, y: x * (y > 0.1),
    lambda x, y: 2 * x + 2 * y, lambda x, y: 0.5 * x - 0.5 * y, lambda x, y: (2 * x) * (3 * y),
)  # fmt: skip
FOLDS: tuple[Callable[..., Any], ...] = (
    fnp.sum, fnp.mean, fnp.max, fnp.min, lambda x: fnp.sum(x * x),
    lambda x: fnp.sum(x, axis=0), lambda x: fnp.sum(x, axis=-1), lambda x: fnp.mean(x, axis=0),
    lambda x: fnp.max(x, axis=-1, keepdims=True), lambda x: fnp.min(x, axis=0, keepdims=True),
    lambda x: fnp.mean(x, axis=-1),
)  # fmt: skip
SHAPES = ((33,), (64,), (1000,), (40, 3), (3, 50), (7, 5, 4), (2, 3, 40), (100, 1), (1, 90))


def random_function(rng: np.random.Generator, length: int) -> Callable[..., Any]:
    """A function of three arrays, and of a row, a column and a number beside them."""
    unary = [UNARY[k] for k in rng.integers(len(UNARY), size=length)]
    binary = [BINARY[k] for k in rng.integers(len(BINARY), size=length)]
    folds = [FOLDS[k] for k in rng.integers(len(FOLDS), size=3)]
    places = rng.integers(0, 6, size=(length, 3))
    centred = rng.random() < 0.3

    def f(*args: Any) -> Any:
        values = list(args)
        full = args[0].shape
        for one, two, (i, j, k) in zip(unary, binary, places, strict=True):
            values.append(one(values[-1 - i % len(values)]))
            values.append(two(values[-1 - j % len(values)], values[-1 - k % len(values)]))
        last = next(v for v in reversed(values) if v.shape == full)
        if centred:
            last = last - fnp.mean(last)
        return [last, values[-3], *(fold(last) for fold in folds)]

    return f


def operands(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> list[Any]:
    full = [rng.normal(size=shape).astype(dtype) for _ in range(3)]
    column = rng.normal(size=(*shape[:-1], 1)).astype(dtype)
    return [*full, rng.normal(size=shape[-1:]).astype(dtype), column, full[0].reshape(-1)[0]]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_random_programs_have_the_same_values_in_tiles(shape: tuple[int, ...], dtype: Any) -> None:
    found = 0
    for seed in range(12):
        rng = np.random.default_rng([seed, *shape])
        args = operands(rng, shape, dtype)
        program = programmed(random_function(rng, 6), *args)
        tiled = clusters(program)
        found += count_of(tiled)
        with np.errstate(all="ignore"):
            expected = written(program)(*args)
            evaluated = tiled.evaluate(*args)
            largest = max(np.max(np.abs(y), initial=1.0, where=np.isfinite(y)) for y in expected)
            for own in (written(tiled)(*args), evaluated):
                for x, y in zip(own, expected, strict=True):
                    assert np.shape(x) == np.shape(y)
                    assert np.asarray(x).dtype == np.asarray(y).dtype
                    assert isinstance(x, np.ndarray) == isinstance(y, np.ndarray)
                    close(x, y, largest * np.finfo(dtype).eps)
    assert found >= 4


def close(x: Any, y: Any, unit: float) -> None:
    """Equal up to some units in the last place of the largest value, whose sums may cancel."""
    x, y = np.asarray(x), np.asarray(y)
    assert np.array_equal(np.isfinite(x), np.isfinite(y))
    usual = np.isfinite(y)
    assert np.max(np.abs(x[usual] - y[usual]), initial=0.0) <= 1e4 * unit


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_exact_tiles_keep_every_bit(dtype: Any) -> None:
    found = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        args = operands(rng, (333,), dtype)
        args[1][::7] = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e30][seed % 6]
        program = programmed(random_function(rng, 6), *args)
        tiled = clusters(program, exact=True)
        found += count_of(tiled)
        with np.errstate(all="ignore"):
            expected = written(program)(*args)
            for own in (written(tiled)(*args), tiled.evaluate(*args)):
                for x, y in zip(own, expected, strict=True):
                    assert type(x) is type(y)
                    assert same_bits(x, y)
    assert found > 20


def test_arrays_of_more_axes_are_left_alone_if_every_bit_counts() -> None:
    x = np.ones((40, 3))
    assert count_of(clusters(programmed(lambda x: fnp.exp(x) * x + x, x), exact=True)) == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x[::-1],
        lambda x: np.asfortranarray(x),
        lambda x: np.repeat(x, 2, axis=0)[::2],
        lambda x: np.broadcast_to(x[:1], x.shape),
        lambda x: np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape),  # read-only
    ],
)
@pytest.mark.parametrize("shape", [(100,), (30, 4), (3, 50)])
def test_operands_may_have_any_layout(change: Any, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x, y = change(rng.normal(size=shape)), change(rng.normal(size=shape))
    program = programmed(lambda x, y: [fnp.tanh(x * y) + x, fnp.sum(fnp.exp(x) * y)], x, y)
    tiled = clusters(program)
    assert count_of(tiled) == 1
    for own, other in zip(written(tiled)(x, y), program.evaluate(x, y), strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-12)
        assert np.asarray(own).flags.c_contiguous


def test_results_share_memory_with_nothing() -> None:
    x = np.linspace(-1, 1, 100)
    program = programmed(lambda x: [fnp.exp(x) * x, fnp.tanh(x) + x, x * 1.0, fnp.sin(x) - x], x)
    run = written(clusters(program))
    first, second = run(x), run(x)
    arrays = [x, *first, *second]
    for i, one in enumerate(arrays):
        assert not any(np.shares_memory(one, other) for other in arrays[i + 1 :])
    kept = [one.copy() for one in first]
    run(x + 1)
    assert all(np.array_equal(one, other) for one, other in zip(first, kept, strict=True))


def test_arguments_may_be_the_same_array() -> None:
    x = np.linspace(-1, 1, 100)
    program = programmed(lambda x, y: [fnp.exp(x) * y + x, y - x * y], x, x.copy())
    for own, other in zip(written(clusters(program))(x, x), program.evaluate(x, x), strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-14)


def test_a_sum_that_is_needed_by_its_own_terms_ends_a_loop() -> None:
    x = np.linspace(-1, 1, 100)

    def centred(x: Any) -> Any:
        y = fnp.exp(x) * x
        z = (y - fnp.mean(y)) * 2 + y
        return fnp.sum(z * z), fnp.tanh(z) / z

    program = programmed(centred, x)
    tiled = clusters(program)
    assert count_of(tiled) == 2
    for own, other in zip(written(tiled)(x), program.evaluate(x), strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-13)


def test_softmax_of_rows_is_one_loop() -> None:
    x = np.random.default_rng(0).normal(size=(50, 7))

    def softmax(x: Any) -> Any:
        e = fnp.exp(x - fnp.max(x, axis=-1, keepdims=True))
        return e / fnp.sum(e, axis=-1, keepdims=True)

    program = programmed(softmax, x)
    tiled = clusters(program)
    assert count_of(tiled) == 1
    np.testing.assert_allclose(written(tiled)(x)[0], program.evaluate(x)[0], rtol=1e-14)


def test_what_is_laid_into_zeros_with_shifts_is_added_up_tile_by_tile() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=100), rng.normal(size=(40, 6))

    def energy(x: Any, y: Any) -> Any:
        a = x[2:] - x[:-2] * x[1:-1]
        b = y[1:, 1:] - y[:-1, 1:] * y[1:, :-1] * y[:-1, :-1]
        return fnp.sum(a * a * a) + fnp.sum(b * b)

    program = programmed(fg.grad(energy, argnums=(0, 1)), x, y)
    tiled = clusters(program)
    assert count_of(tiled) == 2
    for own, other in zip(written(tiled)(x, y), program.evaluate(x, y), strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-12, atol=1e-13)


def test_infinities_and_nan_are_where_they_are_without_tiles() -> None:
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e300, -1e300, 5e-324, 1.0, -2.0] * 10)

    def f(x: Any) -> Any:
        y = 0.5 * x * x
        z = fnp.where(x > 0, fnp.log(x), x) - 2 * y
        return [y, z, fnp.exp(z) * 3, fnp.sum(y), fnp.max(z), -(-x - x) / 4]

    program = programmed(f, x)
    tiled = clusters(program)
    assert count_of(tiled)
    with np.errstate(all="ignore"):
        for own, other in zip(written(tiled)(x), program.evaluate(x), strict=True):
            np.testing.assert_allclose(own, other, rtol=1e-14)


def test_warnings_come_where_results_become_infinite() -> None:
    x = np.linspace(-1000, 1000, 100)
    run = written(clusters(programmed(lambda x: fnp.exp(x) * x + x, x)))
    with pytest.warns(RuntimeWarning, match="overflow"):
        run(x)


def test_integers_and_truth_values_take_part() -> None:
    n, x = np.arange(100), np.linspace(-1, 1, 100)

    def f(n: Any, x: Any) -> Any:
        odd = n % 2 == 1
        m = fnp.where(odd, n, -n) * 3
        return [m, odd & (x > 0), fnp.where(odd, x, n), fnp.sum(m), fnp.sum(odd), m * x]

    program = programmed(f, n, x)
    tiled = clusters(program)
    assert count_of(tiled)
    for own, other in zip(written(tiled)(n, x), program.evaluate(n, x), strict=True):
        assert np.asarray(own).dtype == np.asarray(other).dtype
        np.testing.assert_allclose(own, other, rtol=1e-14)


def test_an_exception_leaves_nothing_broken() -> None:
    x = np.linspace(-1000, 1000, 100)
    program = programmed(lambda x: fnp.exp(x) * x + x, x)
    run = written(clusters(program))
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        run(x)
    x = x / 1000
    np.testing.assert_allclose(run(x)[0], program.evaluate(x)[0], rtol=1e-14)


def test_small_arrays_and_lonely_operations_are_left_alone() -> None:
    x = np.ones(20)
    assert count_of(clusters(programmed(lambda x: fnp.exp(x) * x + x, x))) == 0
    x = np.ones(100)
    assert count_of(clusters(programmed(lambda x: fnp.exp(x), x))) == 0
    assert count_of(clusters(programmed(lambda x: [fnp.exp(x), fnp.sin(x)], x))) == 0


def test_operations_under_errstate_of_the_user_are_left_alone() -> None:
    program = programmed(lambda x: fnp.exp(x) * x + x, np.ones(100))
    items = tuple(replace(e, errors=(("over", "ignore"),)) for e in program.equations)
    assert count_of(clusters(program)) == 1
    assert count_of(clusters(replace(program, items=items))) == 0


def test_decisions_are_told() -> None:
    context = Context()
    over_program(programmed(lambda x: fnp.exp(x) * x + x, np.ones(100)), context, REGIONS)
    (decision,) = context.decisions
    assert "3 operations on arrays of 100" in str(decision)
