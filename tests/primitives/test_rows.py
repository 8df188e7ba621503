"""rows and stand_in: what loops and branches are made of."""

from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import TracerAssignmentError
from funcgrad.primitives.rows import rows, stand_in

X = np.arange(12.0).reshape(3, 4)


def test_rows_of_a_plain_array_are_views() -> None:
    assert rows(X) is X


def test_rows_of_a_traced_array_are_one_operation() -> None:
    program = fg.make_program(lambda x: [2 * row for row in rows(x)])(X)
    assert [str(e.primitive) for e in program.equations] == ["rows"] + 3 * ["multiply"]
    np.testing.assert_array_equal(np.stack(program(X)), 2 * X)


@pytest.mark.parametrize("shape", [(3,), (1, 4), (3, 2, 2), (0, 2)])
def test_the_cotangents_of_rows_are_stacked(shape: tuple[int, ...]) -> None:
    x = np.ones(shape, np.float32)
    gradient = fg.grad(
        lambda x: sum((np.sum(k * r) for k, r in enumerate(rows(x))), 0.0 * np.sum(x))
    )
    expected = np.arange(shape[0]).reshape(-1, *(1,) * (len(shape) - 1)) * np.ones(shape)
    np.testing.assert_array_equal(gradient(x), expected)
    assert gradient(x).dtype == np.float32


def test_rows_that_nobody_reads_have_cotangent_zero() -> None:
    np.testing.assert_array_equal(fg.grad(lambda x: rows(x)[1] @ rows(x)[1])(X)[[0, 2]], 0)
    np.testing.assert_array_equal(fg.grad(lambda x: rows(x)[1] @ rows(x)[1])(X)[1], 2 * X[1])


def test_rows_are_differentiated_in_every_mode() -> None:
    f = lambda x: sum(np.sum(r**k) for k, r in enumerate(rows(x), 1))  # a formula
    g = lambda x: sum(np.sum(x[k - 1] ** k) for k in (1, 2, 3))  # a formula
    for transform in (fg.grad, fg.jacfwd, fg.hessian):
        np.testing.assert_allclose(transform(f)(X), transform(g)(X))
    batch = np.stack([X, X + 1])
    np.testing.assert_allclose(fg.vmap(fg.grad(f))(batch), fg.vmap(fg.grad(g))(batch))
    transposed = fg.linear_transpose(lambda x: rows(x)[0] + 2 * rows(x)[2], X)(np.ones(4))
    np.testing.assert_array_equal(transposed[0], np.outer([1, 0, 2], np.ones(4)))


def test_a_row_cannot_be_changed_in_place() -> None:
    def f(x: Any) -> Any:
        row = rows(x)[0]
        row += 1
        return np.sum(row)

    with pytest.raises(TracerAssignmentError, match="is a view"):
        fg.grad(f)(X)


def test_examples_that_are_not_chosen_get_the_value_of_one_that_is() -> None:
    chosen = np.array([False, True, True])
    found = fg.vmap(lambda c, x: stand_in(c, x))(chosen, X)
    np.testing.assert_array_equal(found, X[[1, 1, 1]])
    shared = fg.vmap(lambda c, x: stand_in(c, x), (0, None))(chosen, X[0])
    np.testing.assert_array_equal(shared, X[[0, 0, 0]])
    one = fg.vmap(lambda c, x: stand_in(c, x), (None, 0))(True, X)
    np.testing.assert_array_equal(one, X)
    both = fg.vmap(fg.vmap(lambda c, x: stand_in(c, x)), (0, None))(
        np.array([[False] * 3, [False, False, True]]), X
    )
    np.testing.assert_array_equal(both, X[[2, 2, 2, 2, 2, 2]].reshape(2, 3, 4))


def test_a_stand_in_has_no_derivative() -> None:
    f = lambda x: np.sum(fg.vmap(lambda c, x: stand_in(c, x) * x)(np.array([True, False]), x))
    np.testing.assert_array_equal(fg.grad(f)(np.array([3.0, 5.0])), [3.0, 3.0])
