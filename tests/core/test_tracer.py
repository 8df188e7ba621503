"""In-place operators: a name may be given a new value, a view may not change what it views."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import TracerAssignmentError

X = np.array([1.0, 2.0, 3.0])

TRANSFORMS: dict[str, Callable[[Any], Any]] = {
    "grad": lambda f: fg.grad(lambda x: np.sum(f(x)))(X),
    "jvp": lambda f: fg.jvp(f, (X,), (X,)),
    "vmap": lambda f: fg.vmap(f)(X[None]),
    "make_program": lambda f: fg.make_program(f)(X),
}


def _of_a_part(x: Any) -> Any:
    part = x[1:]
    part += 1.0
    return x * 2


def _of_an_element(x: Any) -> Any:
    element = x[1]
    element *= 4.0
    return x + element


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS.keys())
def test_changing_a_view_in_place_is_refused(transform: Callable[[Any], Any]) -> None:
    with pytest.raises(TracerAssignmentError, match=r"x \+= y, where x is a view"):
        transform(_of_a_part)


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS.keys())
def test_an_element_is_no_view(transform: Callable[[Any], Any]) -> None:
    transform(_of_an_element)
    np.testing.assert_array_equal(fg.grad(lambda x: np.sum(_of_an_element(x)))(X), [1.0, 13.0, 1.0])
