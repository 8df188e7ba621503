"""linspace, logspace and geomspace: NumPy's values, and derivatives by both ends."""

import itertools
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from tests.primitives.checking import check

FUNCTIONS = [np.linspace, np.logspace, np.geomspace]
STARTS = [0.3, np.float32(0.3), np.array([1.0, 2.0, 3.0]), np.array([[1.0], [2.0]], np.float32)]
STOPS = [2.0, np.float32(2.5), np.array([2.0, 1.5, 3.0]), np.array([4.0, 5.0, 6.0], np.float32), 3]
OPTIONS: list[dict[str, Any]] = [
    {},
    {"num": 0},
    {"num": 1},
    {"num": 1, "endpoint": False},
    {"num": 7, "endpoint": False},
    {"num": 4, "axis": -1},
    {"num": 4, "dtype": np.float32},
    {"num": 5, "dtype": int},
]


def traced(f: Any, *args: Any) -> Any:
    """The result of a function that is called with traced values."""
    return fg.vjp(f, *args)[0]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("f", FUNCTIONS)
def test_values_are_those_of_numpy_bit_for_bit(f: Any, options: dict[str, Any]) -> None:
    for start, stop in itertools.product(STARTS, STOPS):
        plain = f(start, stop, **options)
        found = traced(lambda start, stop=stop: f(start, stop, **options), start)
        np.testing.assert_array_equal(found, plain, strict=True)
        if not isinstance(stop, int):
            found = traced(lambda stop, start=start: f(start, stop, **options), stop)
            np.testing.assert_array_equal(found, plain, strict=True)


@pytest.mark.parametrize("name", ["linspace", "logspace", "geomspace"])
def test_the_namespace_has_them_for_plain_and_traced_values(name: str) -> None:
    f, plain = getattr(fg.numpy, name), getattr(np, name)(1.0, 2.0, 5)
    np.testing.assert_array_equal(f(1.0, 2.0, 5), plain, strict=True)
    np.testing.assert_array_equal(traced(lambda x: f(x, 2.0, 5), 1.0), plain, strict=True)


def test_the_derivatives_of_linspace_are_the_weights_of_its_ends() -> None:
    t = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    by_start, by_stop = fg.jacrev(lambda a, b: np.linspace(a, b, 5), (0, 1))(1.0, 3.0)
    np.testing.assert_array_equal(by_start, 1 - t)
    np.testing.assert_array_equal(by_stop, t)


@pytest.mark.parametrize(
    "options",
    [{"num": 5}, {"num": 1}, {"num": 4, "endpoint": False}, {"num": 4, "axis": 1}],
    ids=str,
)
@pytest.mark.parametrize("f", FUNCTIONS)
def test_derivatives_are_right(f: Any, options: dict[str, Any]) -> None:
    a, b = np.array([[1.0, 0.7, 1.4], [0.5, 0.8, 2.0]]), np.array([1.5, 2.0, 0.6])
    check(lambda a, b: f(a, b, **options), a, b, batch=False)


def test_derivatives_are_right_where_both_ends_meet() -> None:
    assert fg.grad(lambda b: np.sum(np.linspace(1.0, b, 5)))(1.0) == 2.5
    check(lambda a, b: np.linspace(a, b, 4), np.array([1.0, 2.0]), np.array([1.0, 3.0]))


def test_ends_are_mapped_over_each_with_its_own_sequence() -> None:
    stops = np.array([1.0, 2.0, 0.0])
    found = fg.vmap(lambda b: np.linspace(0.0, b, 4))(stops)
    np.testing.assert_array_equal(found, [np.linspace(0.0, b, 4) for b in stops])


def test_the_step_has_a_derivative_too() -> None:
    y, step = traced(lambda a: np.linspace(a, 3.0, 5, retstep=True), 1.0)
    np.testing.assert_array_equal(y, np.linspace(1.0, 3.0, 5))
    assert step == 0.5
    assert fg.grad(lambda a: np.linspace(a, 3.0, 5, retstep=True)[1])(1.0) == -0.25
    assert np.isnan(traced(lambda a: np.linspace(a, 3.0, 1, retstep=True)[1] * a, 1.0))


def test_subnormal_steps_do_not_underflow() -> None:
    plain = np.linspace(5e-324, 1e-323, 4)
    np.testing.assert_array_equal(traced(lambda b: np.linspace(5e-324, b, 4), 1e-323), plain)


@pytest.mark.parametrize("ends", [(-1.3, -7.0), (1 + 1j, -2 + 0.5j), (2.0, 1j)])
def test_geomspace_takes_negative_and_complex_ends(ends: Any) -> None:
    a, b = map(np.asarray, ends)
    check(lambda a, b: np.geomspace(a, b, 5), a, b, exact=False)


def test_the_base_of_logspace_is_differentiated_too() -> None:
    a, b, base = np.array([0.3, 0.4]), np.array(1.5), np.array([2.0, 3.0])
    check(lambda a, b, base: np.logspace(a, b, 5, base=base), a, b, base, batch=False)


def test_bad_numbers_and_zeros_are_refused_as_by_numpy() -> None:
    with pytest.raises(ValueError, match=r"^Number of samples, -1, must be non-negative\.$"):
        fg.grad(lambda b: np.sum(np.linspace(0.0, b, -1)))(1.0)
    with pytest.raises(ValueError, match=r"^Geometric sequence cannot include zero$"):
        fg.grad(lambda b: np.sum(np.geomspace(b, 1.0)))(0.0)


def test_the_result_may_be_rebound_in_place() -> None:
    def f(b: Any) -> Any:
        y = np.linspace(0.0, b, 3, axis=-1)
        y += 1.0
        return np.sum(y)

    np.testing.assert_array_equal(fg.grad(f)(np.ones(2)), [1.5, 1.5])
