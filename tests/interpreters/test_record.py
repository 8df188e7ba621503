"""Protection of what records keep: a gradient is that of the values which were computed with."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
import funcgrad.numpy as fnp
from funcgrad.errors import MutatedArrayError

SMALL, LARGE = 3, 10_000

KEEPS: dict[str, Callable[[Any, Any], Any]] = {
    "x * a": lambda x, a: x * a,
    "a * x": lambda x, a: a * x,
    "x / a": lambda x, a: x / a,
    "np.multiply": np.multiply,
    "np.arctan2": np.arctan2,
    "np.float_power": np.float_power,
    "stretched": lambda x, a: x[None] * a[None],
    "x @ a": lambda x, a: fnp.matmul(x, a),
    "a @ x": lambda x, a: fnp.matmul(a, x),
    "x[a]": lambda x, a: x[(a * 0).astype(int)] * a,
}


@pytest.mark.parametrize("keeps", KEEPS.values(), ids=KEEPS.keys())
def test_a_small_array_may_be_overwritten_after_its_use(keeps: Callable[[Any, Any], Any]) -> None:
    buffer = np.full(SMALL, 2.0)

    def f(x: Any) -> Any:
        total = np.sum(keeps(x, buffer))
        buffer[:] = 100.0
        return total

    x = np.linspace(1.0, 2.0, SMALL)
    expected = fg.grad(lambda x: np.sum(keeps(x, np.full(SMALL, 2.0))))(x)
    np.testing.assert_array_equal(fg.grad(f)(x), expected)


@pytest.mark.parametrize("keeps", KEEPS.values(), ids=KEEPS.keys())
def test_a_large_array_that_was_overwritten_is_refused(keeps: Callable[[Any, Any], Any]) -> None:
    buffer = np.full(LARGE, 2.0)

    def f(x: Any) -> Any:
        total = np.sum(keeps(x, buffer))
        buffer[:] = 100.0
        return total

    with pytest.raises(MutatedArrayError, match=r"grad: an array of shape .*10000.* was changed"):
        fg.grad(f)(np.linspace(1.0, 2.0, LARGE))


@pytest.mark.parametrize("position", ["index", "mask"])
def test_an_index_array_may_be_overwritten_after_its_use(position: str) -> None:
    key = np.array([0, 2]) if position == "index" else np.array([True, False, True])

    def f(x: Any) -> Any:
        total = np.sum(x[key] ** 2)
        key[:] = 0
        return total

    np.testing.assert_array_equal(fg.grad(f)(np.ones(3)), [2.0, 0.0, 2.0])


def test_the_mask_of_where_may_be_overwritten_after_its_use() -> None:
    mask = np.array([True, False, True])

    def f(x: Any) -> Any:
        total = np.sum(np.where(mask, x, 0.0))
        mask[:] = False
        return total

    np.testing.assert_array_equal(fg.grad(f)(np.ones(3)), [1.0, 0.0, 1.0])


def test_an_array_that_is_used_again_after_a_change_is_refused_at_once() -> None:
    buffer = np.ones(LARGE)
    reached = []

    def f(x: Any) -> Any:
        y = x * buffer
        buffer[:] = 2.0
        y = y * buffer
        reached.append(True)
        return np.sum(y)

    with pytest.raises(MutatedArrayError):
        fg.grad(f)(np.ones(LARGE))
    assert not reached


@pytest.mark.parametrize("pull", [fg.vjp, fg.linearize])
def test_what_is_kept_for_later_is_compared_at_each_call(pull: Any) -> None:
    large = np.ones(LARGE)
    _, later = pull(lambda x: x * large, np.ones(LARGE))
    later(np.ones(LARGE))
    large += 1.0
    with pytest.raises(MutatedArrayError):
        later(np.ones(LARGE))


def test_a_transposed_map_is_compared_at_each_call() -> None:
    large = np.ones(LARGE)
    transposed = fg.linear_transpose(lambda x: x * large, np.ones(LARGE))
    transposed(np.ones(LARGE))
    large += 1.0
    with pytest.raises(MutatedArrayError):
        transposed(np.ones(LARGE))


def test_a_sample_of_a_large_array_shows_the_change_of_a_part() -> None:
    buffer = np.ones(LARGE)

    def f(x: Any) -> Any:
        total = np.sum(x * buffer)
        buffer[3000:4000] = 2.0
        return total

    with pytest.raises(MutatedArrayError):
        fg.grad(f)(np.ones(LARGE))


def _with_one_element_changed(x: Any, buffer: Any) -> Any:
    total = np.sum(x * buffer)
    buffer[-2] = 7.0
    return total


def test_debug_mutation_sees_the_change_of_any_one_element() -> None:
    with (
        fg.debug_mutation(),
        pytest.raises(MutatedArrayError),
    ):
        fg.grad(lambda x: _with_one_element_changed(x, np.ones(LARGE)))(np.ones(LARGE))


def test_debug_mutation_ends_with_its_context() -> None:
    with fg.debug_mutation():
        pass
    gradient = fg.grad(lambda x: _with_one_element_changed(x, np.ones(LARGE)))(np.ones(LARGE))
    np.testing.assert_array_equal(np.unique(gradient), [1.0, 7.0])
