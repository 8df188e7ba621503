"""Memory that is written to twice, and the arms of a function that branches."""

from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.compile.schedule import _FRESH, _LAID_ANYHOW, LARGE
from funcgrad.core.primitive import PRIMITIVES
from funcgrad.core.tracer import bind
from funcgrad.primitives.sorting import search_rows
from tests.jitting.alike import exact_jit
from tests.laws.case import Case
from tests.laws.structured_cases import structured_cases

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


# --- results with memory of their own -----------------------------------------------------------

OWN: dict[str, Any] = {
    "clip": lambda x: np.clip(x, -1.0, 1.0),
    "clip to arrays": lambda x: np.clip(x, x, x),
    "cumsum": lambda x: np.cumsum(x, 0),
    "cumsum of all": np.cumsum,
    "reversed cumsum": lambda x: bind(PRIMITIVES["cumsum"], x, axis=-1, reverse=True),
    "cumprod": lambda x: np.cumprod(x, 0),
    "argsort": lambda x: np.argsort(x, 0),
    "sort": lambda x: np.sort(x, 0),
    "sort of all": lambda x: np.sort(x, None),
    "partition": lambda x: np.partition(x, 0, 0),
    "argpartition": lambda x: np.argpartition(np.ravel(x), 0),
    "lexsort": lambda x: np.lexsort((np.ravel(x), np.ravel(x))),
    "searchsorted": lambda x: np.searchsorted(np.arange(3.0), x),
    "search in rows": lambda x: search_rows(x, x),
    "take_along_axis": lambda x: np.take_along_axis(x, np.zeros(np.shape(x), int), 0),
    "argmax": lambda x: np.argmax(x, 0),
    "argmin": lambda x: np.argmin(x, 0),
    "nanargmax": lambda x: np.nanargmax(x, 0),
    "nanargmin": lambda x: np.nanargmin(x, 0),
    "all": lambda x: bind(PRIMITIVES["all"], x > 0, axis=(-1,), keepdims=True),
    "any": lambda x: bind(PRIMITIVES["any"], x > 0, axis=(-1,), keepdims=True),
    "all over no axis": lambda x: bind(PRIMITIVES["all"], x > 0, axis=(), keepdims=False),
    "var": lambda x: np.var(x, 0),
    "std": lambda x: np.std(x, 0, keepdims=True),
}
GIVEN = {
    "line": np.array([3.0, -2.0, 0.5, 0.5, 7.0]),
    "line from its end": np.array([3.0, -2.0, 0.5, 0.5, 7.0])[::-1],
    "every other": np.arange(10.0)[::2],
    "rows": ROWS,
    "columns": np.asfortranarray(ROWS),
    "one": np.array([2.0]),
    "one of one": np.array([[2.0]]),
    "nothing": np.zeros(0),
    "no columns": np.zeros((3, 0)),
    "a number": np.array(2.0),
    "integers": np.arange(4)[::-1].copy(),
    "short": np.array([1.5, -1.0], np.float32),
    "read only": np.broadcast_to(np.array([2.0]), (4,)),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of the variance of nothing
@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("name", OWN)
def test_what_is_known_to_be_new_shares_no_memory(name: str, given: str) -> None:
    x, f = GIVEN[given], OWN[name]
    try:
        expected = f(x)
    except (ValueError, IndexError, np.exceptions.AxisError):
        return  # this has no such axis, or no elements to choose from
    for compiled in (exact_jit(f), fg.jit(f)):
        first, second = compiled(x), compiled(x)
        np.testing.assert_array_equal(first, expected)
        assert not np.shares_memory(first, x)
        assert not np.shares_memory(second, x)
        assert not np.shares_memory(first, second)
        if np.ndim(first):
            assert second.flags.writeable
            if np.ndim(first) == 1 and name != "reversed cumsum":
                assert second.flags.c_contiguous
        assert ".copy" not in _returned(compiled, x)


def _returned(jitted: Any, *args: Any) -> str:
    return _statements(jitted, *args)[-1]


NEW = [case for case in structured_cases() if case.name in _FRESH | _LAID_ANYHOW]


@pytest.mark.parametrize("case", NEW, ids=str)
def test_new_results_of_all_laws_share_no_memory(case: Case) -> None:
    def f(*args: Any) -> Any:
        return bind(case.primitive, *args, **case.params)

    compiled = exact_jit(f)
    given = [x for x in case.args if isinstance(x, np.ndarray)]
    for _ in range(2):
        for result in fg.tree.leaves(compiled(*case.args)):
            assert not any(np.shares_memory(result, x) for x in given)
    plain = case.primitive.value(*case.args, **case.params)
    for result in fg.tree.leaves(plain):
        assert not any(np.shares_memory(result, x) for x in given)


def test_memory_of_new_results_is_used_again() -> None:
    def f(x: Any) -> Any:
        return np.sin(np.clip(x, -0.5, 0.5)) + np.cumsum(np.sort(x))

    for x in (np.linspace(-1.0, 1.0, 5000)[::-1], np.linspace(-1.0, 1.0, 5000)):
        for compiled in (exact_jit(f), fg.jit(f)):
            for _ in range(2):
                np.testing.assert_allclose(compiled(x), f(x), rtol=1e-14)
