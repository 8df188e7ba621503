"""Elements in their own order are sorted without finding it, and ones at places are counted."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.compile.regions.cluster import FAMILY
from funcgrad.compile.regions.context import Context
from funcgrad.compile.regions.sorts import without_orders
from funcgrad.compile.regions.table import Region, over_program
from funcgrad.core.program import Program

REGION = Region("sorts", without_orders, ("scatter_add",))
RNG = np.random.default_rng(5)
TIES = RNG.integers(-2, 3, 40) * np.where(RNG.normal(size=40) > 0, 1.0, -1.0)
NAN = np.where(RNG.normal(size=40) > 0.8, np.nan, TIES)
NAN[3] = -np.nan
GIVEN = {
    "line": RNG.normal(size=40),
    "ties and zeros of two signs": TIES,
    "nan": NAN,
    "infinite": np.array([np.inf, 1.0, -np.inf, np.inf, 0.0, -3.0, 2.0]),
    "from its end": RNG.normal(size=40)[::-1],
    "single": RNG.normal(size=40).astype(np.float32),
    "half": RNG.normal(size=40).astype(np.float16),
    "integers": RNG.integers(-3, 4, 40),
    "bytes": RNG.integers(0, 9, 40).astype(np.uint8),
    "booleans": RNG.normal(size=40) > 0,
    "complex": TIES + 1j * TIES[::-1],
    "rows": RNG.normal(size=(6, 7)),
    "columns": np.asfortranarray(RNG.normal(size=(6, 7))),
    "stack": RNG.normal(size=(5, 4, 6))[::-1, :, ::2],
    "one": np.array([0.5]),
    "many": np.round(RNG.normal(size=3000), 2),
}
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sort": np.sort,
    "sort along the first axis": lambda x: np.sort(x, 0),
    "sort of all": lambda x: np.sort(x, None),
    "partition": lambda x: np.partition(x, 0),
    "partition at two places": lambda x: np.partition(x, (-1, 0), 0),
    "in the order": lambda x: np.take_along_axis(x, np.argsort(x, 0), 0),
    "indexed with the order": lambda x: np.ravel(x)[np.argsort(np.ravel(x))],
    "median": lambda x: np.median(x, 0),
    "quantiles": lambda x: np.quantile(np.real(x), [0.25, 0.9]) * 1.0,
    "trimmed mean": lambda x: np.mean(np.sort(np.ravel(x * 2))[1:-1]),
}


def program(f: Callable[..., Any], *args: Any) -> Program:
    made: Program = fg.make_program(f)(*args)
    return made


def clusters(made: Program) -> list[str]:
    return [dict(e.params)["how"] for e in made.equations if e.primitive.family == FAMILY]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_program_computes_what_it_did(name: str, given: str, exact: bool) -> None:
    x, f = GIVEN[given], FUNCTIONS[name]
    try:
        f(x)
    except (TypeError, ValueError):
        return  # booleans have no quantiles
    try:
        made = program(f, x)
    except fg.errors.FuncgradError:
        return
    rewritten = over_program(made, Context(exact=exact), [REGION])
    for found, expected in zip(rewritten.evaluate(x), made.evaluate(x), strict=True):
        assert np.shape(found) == np.shape(expected)
        assert np.asarray(found).dtype == np.asarray(expected).dtype
        if exact:
            assert np.asarray(found).tobytes() == np.asarray(expected).tobytes()
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    kept = x.copy()
    compiled = fg.jit(f, exact=exact)
    for _ in range(2):
        found, expected = compiled(x), f(x)
        assert np.shape(found) == np.shape(expected)
        assert np.asarray(found).dtype == np.asarray(expected).dtype
        np.testing.assert_allclose(found, expected, rtol=2e-3 if x.dtype == np.float16 else 1e-5)
        np.testing.assert_array_equal(x, kept)
        assert not np.shares_memory(found, x)


@pytest.mark.parametrize(
    ("f", "how"),
    [
        (np.sort, "sort"),
        (lambda x: x[np.argsort(x)], "sort"),
        (lambda x: np.partition(x, 3), "partition"),
        (np.median, "places"),
        (lambda x: np.percentile(x, 30.0), "places"),
        (lambda x: np.bincount(np.arange(x.size) % 4), None),
    ],
)
@pytest.mark.parametrize("exact", [True, False])
def test_the_order_is_not_asked_for(f: Any, how: str | None, exact: bool) -> None:
    context = Context(exact=exact)
    made = over_program(program(f, GIVEN["line"]), context, [REGION])
    assert clusters(made) == ([] if how is None else [how])
    assert len(context.decisions) == len(clusters(made))


def test_zeros_and_nan_keep_their_bits_where_all_bits_count() -> None:
    for x in (TIES, NAN, np.array([0.0, -0.0, 0.0, -0.0])):
        made = program(np.sort, x)
        rewritten = over_program(made, Context(exact=True), [REGION])
        assert clusters(rewritten) == ["sort"]
        (found,), (expected,) = rewritten.evaluate(x), made.evaluate(x)
        compiled = fg.jit(np.sort, exact=True)
        for one in (found, compiled(x), compiled(x)):
            assert one.tobytes() == expected.tobytes()


def test_an_order_that_is_read_is_found() -> None:
    def both(x: Any) -> Any:
        order = np.argsort(x)
        return x[order], order

    def other(x: Any) -> Any:
        return (x * x)[np.argsort(x)]

    def twice(x: Any) -> Any:
        order = np.argsort(x)
        return x[order] + (x * 2)[order]

    x = GIVEN["line"]
    for f in (both, other, twice):
        made = over_program(program(f, x), Context(), [REGION])
        assert not clusters(made)
        for found, expected in zip(fg.tree.leaves(fg.jit(f)(x)), fg.tree.leaves(f(x)), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_floats_of_several_axes_keep_their_order_in_memory_where_all_bits_count() -> None:
    assert not clusters(
        over_program(program(np.sort, GIVEN["rows"]), Context(exact=True), [REGION])
    )
    assert clusters(over_program(program(np.sort, GIVEN["rows"]), Context(), [REGION]))


def test_derivatives_through_the_order_are_what_they_were() -> None:
    x = GIVEN["line"]

    def f(x: Any) -> Any:
        return np.sum(np.sort(x) * np.arange(40.0)) + np.median(x) + np.partition(x, 4)[4]

    np.testing.assert_allclose(fg.jit(fg.grad(f))(x), fg.grad(f)(x))
    np.testing.assert_allclose(fg.grad(fg.jit(f))(x), fg.grad(f)(x))


@pytest.mark.parametrize("exact", [True, False])
def test_ones_at_places_are_counted(exact: bool) -> None:
    k = RNG.integers(0, 9, 200)

    def counted(k: Any) -> Any:
        return np.bincount(k, minlength=12)

    compiled = fg.jit(counted, exact=exact)
    others = (k, k[::-1], np.sort(k))
    for one in others:
        found = compiled(one)
        assert found.dtype == np.intp
        np.testing.assert_array_equal(found, counted(one))
    with pytest.raises(ValueError, match="negative"):
        compiled(k - 1)
    np.testing.assert_array_equal(compiled(k), counted(k))


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_weights_at_places_are_added(dtype: Any, exact: bool) -> None:
    k, w = RNG.integers(0, 9, 200), RNG.normal(size=200).astype(dtype)
    compiled = fg.jit(lambda k, w: np.bincount(k, w), exact=exact)
    for _ in range(2):
        np.testing.assert_array_equal(compiled(k, w), np.bincount(k, w))


def test_places_that_count_from_the_end_are_added_there() -> None:
    def f(ct: Any, places: Any) -> Any:
        _, pull = fg.vjp(lambda x: x[places], np.zeros(5))
        return pull(ct)

    ct = np.arange(4.0)
    compiled = fg.jit(f)
    for places in (np.array([0, 1, 1, 4]), np.array([-1, 0, -1, -5])):
        for _ in range(2):
            wanted = np.zeros(5)
            np.add.at(wanted, places, ct)
            np.testing.assert_array_equal(compiled(ct, places)[0], wanted)
    for places in (np.array([0, 1, 1, 5]), np.array([0, 1, 1, 10**15])):
        with pytest.raises(IndexError):
            compiled(ct, places)


def test_infinite_sums_warn_as_they_did() -> None:
    k, w = np.array([0, 0, 1]), np.array([np.inf, -np.inf, 1.0])
    compiled = fg.jit(lambda k, w: np.bincount(k, w))
    with np.errstate(all="ignore"):
        for _ in range(2):
            np.testing.assert_array_equal(compiled(k, w), [np.nan, 1.0])


def test_nothing_is_sorted_and_counted() -> None:
    for f in (np.sort, lambda x: np.sort(x, None), lambda x: np.bincount(x.astype(int))):
        compiled = fg.jit(f)
        for _ in range(2):
            np.testing.assert_array_equal(compiled(np.zeros(0)), f(np.zeros(0)))


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("given", GIVEN)
def test_distinct_values_are_found(given: str, exact: bool) -> None:
    x = np.ravel(GIVEN[given])

    def places_too(x: Any) -> Any:
        return np.unique(x, return_index=True)

    for f in (np.unique, lambda x: np.unique(x * 2) + 1, places_too, np.unique_values):
        compiled = fg.jit(f, exact=exact)
        for one in (x, x, x[:3], x, x[::-1], x[:0]):
            wanted = fg.tree.leaves(f(one))
            for found, expected in zip(fg.tree.leaves(compiled(one)), wanted, strict=True):
                assert found.dtype == expected.dtype
                if f is np.unique_values:
                    found, expected = np.sort(found), np.sort(expected)
                np.testing.assert_array_equal(found, expected)
                assert not np.shares_memory(found, one)


def test_the_places_of_distinct_values_are_not_asked_for() -> None:
    x = np.array([0.0, 2.0, -0.0, 1.0, 2.0])
    for exact in (True, False):
        compiled = fg.jit(np.unique, exact=exact)
        compiled(x)
        assert "_Distinct" in compiled.source(x)
    given = np.array([-0.0, 2.0, 0.0, 1.0, 2.0, 0.0])
    compiled = fg.jit(np.unique, exact=True)
    first = compiled(given).tobytes()
    assert first == compiled(given).tobytes() == np.array([-0.0, 1.0, 2.0]).tobytes()
    assert compiled(x).tobytes() == np.array([0.0, 1.0, 2.0]).tobytes()


def test_many_threads_sort_at_once() -> None:
    compiled = fg.jit(lambda x: np.sort(x * 2.0) + np.partition(x, 7)[7])
    rows = RNG.normal(size=(64, 500))
    wanted = [np.sort(x * 2.0) + np.partition(x, 7)[7] for x in rows]
    compiled(rows[0])
    with ThreadPoolExecutor(4) as pool:
        for found, expected in zip(pool.map(compiled, rows), wanted, strict=True):
            np.testing.assert_array_equal(found, expected)
