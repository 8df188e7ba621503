"""Memory that is written to twice, and the arms of a function that branches."""

from typing import Any

import numpy as np
import pytest

from funcgrad.compile.schedule import LARGE
from tests.jitting.alike import exact_jit

ROWS = np.linspace(-1.0, 2.0, 12).reshape(4, 3)


def _statements(jitted: Any, *args: Any) -> list[str]:
    jitted(*args)
    lines = jitted.source(*args).splitlines()
    return [line.split("  #")[0].strip() for line in lines if not line.startswith("#")]


def test_arms_of_one_branch_do_not_share_a_plan() -> None:
    # Recorded one after the other, both ways number their variables from the same number on.
    def f(x: Any) -> Any:
        a = x * 2.0
        if a.sum() > 0:
            b = np.sin(a)
            c = b * x
            d = c + b
            return d - c, a
        c = np.cos(x).reshape(2, 3)
        d = c + 1.0
        g = d * c + d
        return g, g * g, c

    jitted = exact_jit(f)
    x = np.arange(6.0)
    for given in (x, -x, x, -x):
        for result, expected in zip(jitted(given), f(given), strict=True):
            np.testing.assert_array_equal(result, expected)


def test_memory_that_an_arm_takes_again_is_not_deleted_before_it() -> None:
    x = np.linspace(0.5, 1.5, LARGE // 8)

    def f(x: Any) -> Any:
        a = np.sin(x)
        if np.sum(a) > 1.0:
            return np.exp(x)
        return np.sqrt(x)

    jitted = exact_jit(f)
    for given in (x, x * 1e-6, x, x * 1e-6):
        np.testing.assert_array_equal(jitted(given), f(given))


def test_a_sum_of_many_terms_needs_two_arrays() -> None:
    def f(x: Any) -> Any:
        total = np.sin(x)
        for k in range(2, 9):
            total = total + np.cos(x * float(k))
        return total

    source = "\n".join(_statements(exact_jit(f), ROWS))
    made = [line for line in source.splitlines() if " = " in line and not line.endswith(")")]
    assert len(made) <= 2, source


def test_a_stack_of_products_is_known_to_lie_in_order() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 4, 3)), rng.normal(size=(5, 6, 3))

    def f(x: Any, y: Any) -> Any:
        return np.tanh(np.sin(np.matmul(x, np.swapaxes(y, 1, 2))))

    *_, product, inner, outer, _ = _statements(exact_jit(f), x, y)
    memory = product.split(" = ")[0]
    assert inner.endswith(f" = np.sin({memory}, {memory})")
    memory = inner.split(" = ")[0]
    assert outer.endswith(f" = np.tanh({memory}, {memory})")


@pytest.mark.parametrize("order", ["C", "F"])
def test_results_lie_in_memory_as_those_of_numpy(order: Any) -> None:
    x = np.array(ROWS, order=order)

    def f(x: Any) -> Any:
        return np.where(x > 0, np.sin(x) * x, np.cos(x)), (x * 2.0).reshape(2, 6) + 1.0

    jitted = exact_jit(f)
    for _ in range(2):
        for result, expected in zip(jitted(x), f(x), strict=True):
            np.testing.assert_array_equal(result, expected)
            assert result.strides == expected.strides
