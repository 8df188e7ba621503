"""Warnings and floating-point errors of compiled functions are those of the plain ones."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from tests.jitting.alike import (
    exact_jit,
    outcome,
    require_alike,
    require_jit_is_eager,
    require_same,
)

ZEROS, ONES = np.zeros(3), np.ones(3)
MIXED = np.array([0.0, -1.0, np.inf])


def quiet(x: Any) -> Any:
    with np.errstate(divide="ignore", invalid="ignore"):
        y = 1 / x + np.sqrt(x)
    return y + np.log(x)


def strict(x: Any) -> Any:
    with np.errstate(divide="raise"):
        y = 1 / x
    return np.log(x) + y


def nested(x: Any) -> Any:
    with np.errstate(all="ignore"):
        y = np.log(x)
        with np.errstate(invalid="warn"):
            y = y + np.sqrt(x)
        return y / x


FUNCTIONS: list[Callable[[Any], Any]] = [
    lambda x: 1 / x,
    lambda x: np.log(x) + np.sqrt(x),
    lambda x: np.exp(x * 1000),
    lambda x: x * np.float32(1e38) * np.float32(1e38),
    lambda x: np.where(x > 0, np.log(x), 0),
    lambda x: np.sum(x / x),
    lambda x: np.mean(x[x > 5]),
    quiet,
    strict,
    nested,
]


@pytest.mark.parametrize("number", range(len(FUNCTIONS)))
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_warnings_come_with_each_call(number: int, dtype: Any):
    f = FUNCTIONS[number]
    calls = [(x.astype(dtype),) for x in (ONES, ZEROS, MIXED, ONES, MIXED)]
    require_jit_is_eager(f, *calls)


@pytest.mark.parametrize("number", range(len(FUNCTIONS)))
@pytest.mark.parametrize("mode", ["ignore", "warn", "raise"])
def test_the_callers_settings_hold(number: int, mode: Any):
    f = FUNCTIONS[number]
    compiled = exact_jit(f)
    for x in (ZEROS, ONES, MIXED, ZEROS):
        with np.errstate(all=mode):
            wanted, found = outcome(f, x), outcome(compiled, x)
        require_alike(found, wanted)
    require_alike(outcome(compiled, ONES), outcome(f, ONES))


@pytest.mark.parametrize("number", [0, 1, 5, 7, 9])
def test_gradients_are_the_plain_ones_at_infinite_and_undefined_points(number: int):
    def total(x: Any) -> Any:
        return np.sum(FUNCTIONS[number](x))

    plain = fg.grad(total)
    for g in (exact_jit(plain), fg.grad(exact_jit(total))):
        for x in (ONES, ZEROS, MIXED, ONES):
            require_alike(outcome(g, x), outcome(plain, x), dead=True)


def test_warnings_as_errors_leave_what_was_compiled_as_it_was():
    f = exact_jit(lambda x: 1 / x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            with pytest.raises(RuntimeWarning, match="divide by zero"):
                f(ZEROS)
            require_same(f(ONES), ONES)
    require_alike(outcome(f, ZEROS), outcome(lambda x: 1 / x, ZEROS))


def test_an_operation_that_nobody_needs_need_not_warn():
    def f(x: Any) -> Any:
        np.log(x)
        return x * 2

    compiled = exact_jit(f)
    require_alike(outcome(compiled, ZEROS), outcome(f, ZEROS))  # it is recorded
    assert not outcome(compiled, ZEROS).warned


def test_a_call_set_for_errors_is_called():
    seen: list[Any] = []

    def f(x: Any) -> Any:
        with np.errstate(divide="call", call=lambda *given: seen.append(given)):
            return 1 / x

    compiled = exact_jit(f)
    for count in (1, 2, 3):
        compiled(ZEROS)
        assert len(seen) == count


def test_an_output_that_is_not_used_takes_no_part_in_the_gradient():
    """0 · ∞ in its part of the sweep would be nan."""

    def f(x: Any) -> Any:
        return np.sqrt(x), x * 2

    compiled = exact_jit(f)
    for _ in range(2):
        require_same(fg.grad(lambda x: compiled(x)[1])(0.0), fg.grad(lambda x: f(x)[1])(0.0))
        require_same(fg.grad(lambda x: compiled(x)[0])(4.0), fg.grad(lambda x: f(x)[0])(4.0))


def test_the_users_own_warnings_come_when_the_function_is_recorded():
    def f(x: Any) -> Any:
        warnings.warn("slow", stacklevel=1)
        return x * 2

    compiled = exact_jit(f)
    assert [len(outcome(compiled, ONES).warned) for _ in range(3)] == [1, 0, 0]


@pytest.mark.parametrize(
    "f",
    [
        lambda x: 1.0 / (x * 1e300 * 1e300) + x * 2 - 1,
        lambda x: np.reciprocal(x * 1e300 * 1e300) + x * 2 - 1,
        lambda x: np.minimum(x * 1e300 * 1e300, 3.0) + x * 2 - 1,
        lambda x: np.where(x * 1e300 * 1e300 > 3, x, 1.0) + x * 2 - 1,
        lambda x: np.where(x > 2, x, x * 1e300 * 1e300)[2] + x * 2 - 1,
        lambda x: np.sign(x * 1e300 * 1e300) + x * 2 - 1,
        lambda x: np.max(np.minimum(x * 1e300 * 1e300, x)) + x * 2 - 1,
    ],
)
def test_infinities_that_get_lost_warn_as_well(f: Any):
    """Few elements are Python floats, which overflow in silence."""
    x = np.array([1.0, 2.0, 3.0])
    compiled = exact_jit(f)
    for _ in range(2):
        require_alike(outcome(compiled, x), outcome(f, x))
    assert outcome(f, x).warned
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        compiled(x)
