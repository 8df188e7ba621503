"""Batching of what has no batch rule, because results of examples would not fit together."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import BatchedValueError

X = np.array([[0.0, 1.0, 2.0], [3.0, 0.0, 0.0]])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.nonzero(x)[0],
        lambda x: np.flatnonzero(x > 1),
        lambda x: x[x > 1],
        lambda x: np.where(x > 1)[0],
    ],
)
def test_a_shape_that_depends_on_batched_values_is_refused(f: Callable[[Any], Any]) -> None:
    with pytest.raises(BatchedValueError, match="whose shape depends on values"):
        fg.vmap(f)(X)


def test_a_shape_that_depends_on_unbatched_values_is_taken() -> None:
    found = fg.vmap(lambda x, y: x[np.nonzero(y)[0]], in_axes=(0, None))(X, X[0])
    np.testing.assert_array_equal(found, X[:, 1:])
