"""Compiling takes as much for each operation of a long program as of a short one."""

import cProfile
import pstats
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.compile.load import load
from tests.benchmarks.scale import PROGRAMS


def calls_each(make: Callable[[int], tuple[Callable[[Any], Any], Any]], count: int) -> float:
    """Python's function calls for each operation of a program that is compiled."""
    f, x = make(count)
    jitted = fg.jit(fg.value_and_grad(f))
    profile = cProfile.Profile()
    profile.runcall(jitted, x)
    calls: int = pstats.Stats(profile).total_calls  # type: ignore[attr-defined]  # not in typeshed
    return calls / count


@pytest.mark.parametrize("name", PROGRAMS)
def test_long_programs_take_as_many_calls_for_each_operation(name: str) -> None:
    make = PROGRAMS[name]
    make(60)
    calls_each(make, 60)  # what is imported and kept at the first call
    assert calls_each(make, 3000) < 1.2 * calls_each(make, 300)


def test_a_program_of_many_operations_is_not_too_deep_for_python() -> None:
    f, x = PROGRAMS["numbers"](9000)
    value, slope = fg.jit(fg.value_and_grad(f))(x)
    expected = fg.value_and_grad(f)(x)
    np.testing.assert_allclose([value, slope], expected, rtol=1e-9)


def test_source_can_be_given_as_lines() -> None:
    rows = ("def f(x):\n", "    y = x + 1\n", "    return y * k\n")
    assert load(rows, "f", {"k": 3})(1) == load("".join(rows), "f", {"k": 3})(1) == 6
