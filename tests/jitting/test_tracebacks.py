"""What compiled code raises, and what a function that catches it does."""

import linecache
import traceback
from typing import Any

import numpy as np
import pytest

import funcgrad as fg

GOOD, BAD = np.eye(2), np.zeros((2, 2))


def inverse(a: Any) -> Any:
    return np.linalg.inv(a) * 2.0


def test_a_traceback_shows_the_generated_line_and_the_users_own():
    compiled = fg.jit(inverse)
    compiled(GOOD)
    with pytest.raises(np.linalg.LinAlgError) as caught:
        compiled(BAD)
    shown = "".join(traceback.format_exception(caught.value))
    assert "t1 = np.linalg.inv(a)  # test_tracebacks.py:" in shown
    assert "return np.linalg.inv(a) * 2.0" in shown


def test_the_generated_source_is_known_to_debuggers_as_long_as_it_runs():
    compiled = fg.jit(inverse)
    compiled(GOOD)
    (unit,) = next(iter(compiled._states[-1].staged.values())).units.values()
    lines = linecache.getlines(unit.run.__code__.co_filename)
    assert "".join(lines) == unit.emitted.text
    assert unit.run.__code__.co_firstlineno == 1


@pytest.mark.parametrize("signs", [(1, -1, 1, -1), (-1, 1, -1, 1)])
def test_a_function_that_catches_what_an_operation_raises_is_right_in_every_call(signs: Any):
    def solved(a: Any) -> Any:
        jitter = 0.0
        while True:
            try:
                return np.linalg.cholesky(a + jitter * np.eye(2))
            except np.linalg.LinAlgError:
                jitter = max(10 * jitter, 1e-3)

    compiled = fg.jit(solved)
    for sign in signs:
        np.testing.assert_array_equal(compiled(sign * GOOD), solved(sign * GOOD))


def test_a_division_of_python_numbers_that_is_caught_is_right_in_every_call():
    def quotient(x: Any, y: Any) -> Any:
        try:
            return x / y
        except ZeroDivisionError:
            return -x

    compiled = fg.jit(quotient)
    assert [compiled(1.0, y) for y in (0.0, 2.0, 0.0, 4.0)] == [-1.0, 0.5, -1.0, 0.25]


def test_a_function_that_often_catches_something_runs_without_compilation():
    def rooted(x: Any) -> Any:
        with np.errstate(invalid="raise"):
            try:
                return np.sqrt(x)
            except FloatingPointError:
                return 0 * x

    compiled = fg.jit(rooted, max_traces=2)
    for _ in range(5):
        assert compiled(np.array([-1.0])).item() == 0.0
    assert compiled.cache_info().eager == 1
    assert compiled(np.array([4.0])).item() == 2.0


def test_what_was_never_called_has_nothing_to_explain():
    assert str(fg.jit(inverse).explain()) == "inverse has not been recorded yet."
