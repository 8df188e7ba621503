"""Numbers taken out of products in tiles: fewer operations, and the same special values."""

from typing import Any

import numpy as np
import pytest

import funcgrad as fg
import funcgrad.numpy as fnp
from funcgrad.compile.regions.tiles_algebra import with_fewer_products
from funcgrad.core.program import Program, Variable
from tests.compile.regions.tiled import clusters, count_of, programmed, small_tiles, written

__all__ = ["small_tiles"]

pytestmark = pytest.mark.usefixtures("small_tiles")


def shortened(f: Any, *args: Any) -> tuple[Program, Program]:
    program = programmed(f, *args).pruned()
    wanted = frozenset(o.number for o in program.outputs if isinstance(o, Variable))
    items = with_fewer_products(program.equations, wanted)
    return program, Program(program.name, program.inputs, tuple(items), program.outputs)


def names(program: Program) -> list[str]:
    return [equation.primitive.name for equation in program.equations]


X, Y, Z = np.random.default_rng(0).normal(size=(3, 100))


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (lambda x, y, z: 2.0 * (3.0 * (x * 0.5)), ["multiply"]),
        (lambda x, y, z: (2.0 * x) * (0.5 * y), ["multiply"]),
        (lambda x, y, z: 2.0 * x * y + 2.0 * z * y, ["multiply", "multiply", "add", "add"]),
        (lambda x, y, z: (x * y) * z + (z * x) * y, ["multiply", "multiply", "add"]),
        (lambda x, y, z: (4.0 * x) / (4.0 * y), ["divide"]),
        (lambda x, y, z: fnp.abs(-2.0 * x) * 0.5, ["absolute"]),
        (lambda x, y, z: x**3 * y, ["multiply", "multiply", "multiply"]),
        (lambda x, y, z: (2.0 * x) ** 4 / 16.0, ["multiply", "multiply"]),
        (lambda x, y, z: x * y * x + x**2 * y, ["multiply", "multiply", "add"]),
        (lambda x, y, z: (y + 2.0 * x) + 4.0 * x, ["multiply", "add"]),
        (lambda x, y, z: fnp.where(x > 0, 2.0 * y, 2.0 * z) / 2.0, ["greater", "where"]),
        (lambda x, y, z: 3.0 * fnp.where(x > 0, y / 3.0, 0.0), ["greater", "where"]),
    ],
)
def test_products_with_numbers_are_joined(f: Any, expected: list[str]) -> None:
    before, after = shortened(f, X, Y, Z)
    assert names(after) == expected
    assert names(before) != expected
    (own,), (other,) = after.evaluate(X, Y, Z), before.evaluate(X, Y, Z)
    np.testing.assert_allclose(own, other, rtol=1e-14, atol=1e-15)


def test_values_that_are_wanted_stay() -> None:
    def f(x: Any, y: Any) -> Any:
        twice = 2.0 * x
        return [twice, -twice, (3.0 * twice) * y, twice * y]

    before, after = shortened(f, X, Y)
    for own, other in zip(after.evaluate(X, Y), before.evaluate(X, Y), strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-15)


def test_nothing_is_taken_away_from_itself() -> None:
    """Of an infinite x, 3 x - 2 x is missing, and so it stays."""
    _, after = shortened(lambda x: 3.0 * x - 2.0 * x, X)
    assert "subtract" in names(after)
    _, after = shortened(lambda x, y: (y + 3.0 * x) - 2.0 * x, X, Y)
    assert "subtract" in names(after)


SPECIAL = np.array(
    [0.0, -0.0, np.inf, -np.inf, np.nan, 1.7e308, -1.7e308, 1e200, 5e-324, 1e-200, 1.0, -2.5]
)


@pytest.mark.parametrize(
    "f",
    [
        lambda x, y: 2.0 * (0.5 * x) * y,
        lambda x, y: (0.5 * x) * (x * 0.25) * (8.0 * y),
        lambda x, y: (x * y) * y + x * (y * y),
        lambda x, y: 3.0 * x - 2.0 * x + y,
        lambda x, y: x**3 + (0.5 * y) ** 4,
        lambda x, y: (0.25 * x) / (4.0 * y) * 16.0,
        lambda x, y: fnp.where(y > 0, 0.5 * x, 0.0) * 2.0 + 0.5 * y,
        lambda x, y: 1.0 - 4.0 * (0.25 * x + 0.25 * y),
    ],
)
def test_special_values_are_those_of_the_original(f: Any) -> None:
    for k in range(len(SPECIAL)):
        x, y = np.ones(120), np.linspace(0.5, 2, 120)
        x[17 : 17 + len(SPECIAL)] = SPECIAL
        y[17 : 17 + len(SPECIAL)] = np.roll(SPECIAL, k)
        program = programmed(f, x, y)
        tiled = clusters(program)
        assert count_of(tiled) == 1
        with np.errstate(all="ignore"):
            for own, other in zip(written(tiled)(x, y), program.evaluate(x, y), strict=True):
                np.testing.assert_allclose(own, other, rtol=1e-14)


def test_what_is_added_to_begins_again_after_an_overflow() -> None:
    def energy(x: Any) -> Any:
        a = x[1:] - x[:-1] * x[:-1]
        return fnp.sum(100.0 * (a * a))

    x = np.linspace(-1, 1, 100)
    program = programmed(fg.grad(energy), x)
    tiled = clusters(program)
    assert any(dict(e.params).get("fast") for e in tiled.equations)
    run = written(tiled)
    x[60] = 1e200  # in a later tile
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(run(x)[0], program.evaluate(x)[0], rtol=1e-12)
    with pytest.warns(RuntimeWarning, match="overflow"):
        run(x)


def test_single_precision_stays_in_its_range() -> None:
    x = np.full(100, 3e38, np.float32)
    y = np.full(100, 1e-3, np.float32)
    program = programmed(lambda x, y: (0.001 * x) * (1000.0 * y) * x, x, y)
    tiled = clusters(program)
    with np.errstate(all="ignore"):
        (own,), (other,) = written(tiled)(x, y), program.evaluate(x, y)
    assert own.dtype == np.float32
    np.testing.assert_allclose(own, other, rtol=1e-6)
