"""Programs of functions whose shapes depend on values hold for such shapes only."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import GuardError


@pytest.mark.parametrize(
    "f", [lambda x: x[np.nonzero(x)[0]] * 2, lambda x: x[np.flatnonzero(x > 0)] + 1]
)
def test_a_program_refuses_values_that_give_another_shape(f: Callable[[Any], Any]) -> None:
    x, alike, other = np.array([0.0, 1.0, 2.0]), np.array([3.0, 0.0, 4.0]), np.ones(3)
    program = fg.make_program(f)(x)
    np.testing.assert_array_equal(program.evaluate(alike)[0], f(alike))
    with pytest.raises(GuardError, match=r"shape\(.*\) == \(2,\), but it is \(3,\)"):
        program.evaluate(other)
