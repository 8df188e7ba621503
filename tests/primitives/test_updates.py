"""at(x)[key].set and its kin: against assignment in NumPy, in both modes, under vmap."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from funcgrad import errors, grad, vjp
from funcgrad.primitives.updates import at
from funcgrad.transforms.vmap import vmap
from tests.primitives.checking import check, normal

SHAPE = (3, 4)
METHODS = ["set", "add", "subtract", "multiply", "divide", "power", "min", "max"]
IN_PLACE: dict[str, Callable[[Any, Any], Any]] = {
    "set": lambda _old, v: v,
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.true_divide,
    "power": np.power,
    "min": np.minimum,
    "max": np.maximum,
}
UNIQUE_KEYS: dict[str, Any] = {
    "integer": 1,
    "element": (2, -1),
    "slice": slice(1, None),
    "column": (slice(None), 2),
    "slice with a step": (slice(None, None, 2), slice(None, None, -1)),
    "Ellipsis": ...,
    "new axis": (None, 1),
    "NumPy integer": np.int64(1),
    "index array": np.array([2, 0]),
    "index arrays": (np.array([0, 2]), np.array([1, 3])),
    "index array behind": (slice(None), np.array([3, 1])),
    "index array beside a slice": (np.array([0, 2]), slice(1, 3)),
    "mask": np.arange(12).reshape(SHAPE) % 5 > 2,
    "mask of rows": np.array([True, False, True]),
    "empty index": np.array([], int),
}
REPEATED_KEYS: dict[str, Any] = {
    "rows": np.array([1, 1, 0, -2]),
    "elements": (np.array([0, 0, 2]), np.array([1, 1, 3])),
    "columns": (slice(None), np.array([2, 2, 2, 0])),
    "grid": (np.array([[0], [2]]), np.array([1, 1])),
}
ALL_KEYS = {**UNIQUE_KEYS, **REPEATED_KEYS}


def selected(key: Any) -> tuple[int, ...]:
    return np.zeros(SHAPE)[key].shape


def positive(*shape: int, seed: int = 0) -> Any:
    return np.abs(normal(*shape, seed=seed)) + 0.5


def one_by_one(x: Any, key: Any, values: Any, operation: Callable[[Any, Any], Any]) -> Any:
    """The update an element at a time, in C order of the key."""
    flat = np.array(x).reshape(-1)
    places = np.arange(flat.size).reshape(x.shape)[key].reshape(-1)
    for place, value in zip(
        places, np.broadcast_to(values, selected(key)).reshape(-1), strict=True
    ):
        flat[place] = operation(flat[place], value)
    return flat.reshape(x.shape)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ALL_KEYS)
def test_an_update_is_what_assignments_in_order_give(name: str, method: str) -> None:
    key = ALL_KEYS[name]
    x, v = positive(*SHAPE), positive(*selected(key), seed=1)[()]
    expected = one_by_one(x, key, v, IN_PLACE[method])
    found = getattr(at(x)[key], method)(v)
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    assert found.dtype == x.dtype


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ALL_KEYS)
def test_an_update_carries_derivatives_by_the_array_and_the_values(name: str, method: str) -> None:
    key = ALL_KEYS[name]
    x, v = positive(*SHAPE), positive(*selected(key), seed=1)[()]
    check(lambda x, v: getattr(at(x)[key], method)(v), x, v)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["column", "rows", "columns", "mask", "mask of rows"])
def test_one_value_for_all_places_gets_the_sum_of_their_derivatives(name: str, method: str) -> None:
    key = ALL_KEYS[name]
    check(lambda x, v: getattr(at(x)[key], method)(v), positive(*SHAPE), np.float64(1.3))


@pytest.mark.parametrize("method", ["set", "add", "multiply"])
@pytest.mark.parametrize("name", ["slice", "index array", "elements", "mask"])
def test_complex_and_single_precision_arrays_keep_their_dtype(name: str, method: str) -> None:
    key = ALL_KEYS[name]
    z = normal(*SHAPE, dtype=complex)
    w = np.asarray(normal(*selected(key), seed=1, dtype=complex))
    check(lambda z, w: getattr(at(z)[key], method)(w), z, w, second=False)
    x, v = z.real.astype(np.float32), np.float32(2)
    out, pullback = vjp(lambda x, v: getattr(at(x)[key], method)(v), x, v)
    assert out.dtype == np.float32
    assert [part.dtype for part in pullback(np.ones_like(out))] == [np.float32, np.float32]


def test_the_array_itself_is_left_alone() -> None:
    x = np.zeros(3)
    found = at(x)[0].set(1.0)
    np.testing.assert_array_equal(x, 0.0)
    found[1] = 5.0
    np.testing.assert_array_equal(x, 0.0)


def test_get_is_plain_indexing() -> None:
    x = normal(*SHAPE)
    np.testing.assert_array_equal(at(x)[1:, 0].get(), x[1:, 0])
    check(lambda x: at(x)[1:, 0].get(), x)
    check(lambda x: x.at[1:, 0].get() if not isinstance(x, np.ndarray) else x[1:, 0], x)


def test_at_is_an_attribute_of_traced_values() -> None:
    slope = grad(lambda x: np.sum(x.at[1].set(0.0) * x))(np.array([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(slope, [2.0, 0.0, 6.0])


def test_a_plain_array_takes_traced_values() -> None:
    np.testing.assert_array_equal(
        grad(lambda v: np.sum(at(np.ones(3))[[0, 2]].multiply(v) ** 2))(np.array([2.0, 3.0])),
        [4, 6],
    )


def test_lists_of_traced_values_are_stacked() -> None:
    def f(x: Any) -> Any:
        return np.sum(at([x[0], x[1], 0.0])[2].set(x[0]) * np.arange(3.0))

    np.testing.assert_array_equal(grad(f)(np.ones(2)), [2.0, 1.0])


def test_the_last_of_repeated_values_wins_and_alone_has_a_derivative() -> None:
    key = np.array([0, 1, 0])

    def f(v: Any) -> Any:
        return at(np.zeros(2))[key].set(v)

    v = np.array([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(f(v), [3.0, 2.0])
    np.testing.assert_array_equal(grad(lambda v: np.sum(f(v) * [10.0, 20.0]))(v), [0.0, 20.0, 10.0])


@given(st.lists(st.integers(-4, 3), max_size=8))
def test_any_repeated_index_is_updated_in_order(key: list[int]) -> None:
    x, v = positive(4), positive(len(key), seed=2)
    places = np.array(key, int)
    for method in METHODS:
        expected = x.copy()
        for place, value in zip(key, v, strict=True):
            expected[place] = IN_PLACE[method](expected[place], value)
        np.testing.assert_allclose(getattr(at(x)[places], method)(v), expected, rtol=1e-13)


def test_multiplying_twice_by_zero_has_the_right_derivative() -> None:
    def f(v: Any) -> Any:
        return np.sum(at(np.array([2.0]))[[0, 0]].multiply(v))

    np.testing.assert_array_equal(grad(f)(np.array([0.0, 3.0])), [6.0, 0.0])


def test_dividing_repeatedly_leaves_no_nan_in_places_that_are_not_divided() -> None:
    def f(v: Any) -> Any:
        return np.sum(at(np.array([0.0, 1.0]))[[0, 1, 1]].divide(v))

    np.testing.assert_array_equal(grad(f)(np.array([1.0, 1.0, 2.0])), [0.0, -0.5, -0.25])


def test_negative_zero_and_infinity_are_set_as_they_are() -> None:
    found = at(np.array([np.inf, 1.0, 2.0]))[[0, 1]].set(np.array([-0.0, np.inf]))
    assert np.signbit(found[0])
    assert found[1] == np.inf
    slope = grad(lambda x: np.sum(at(x)[0].set(0.0)))(np.array([np.inf, 1.0]))
    np.testing.assert_array_equal(slope, [0.0, 1.0])


@pytest.mark.parametrize("method", METHODS)
def test_an_index_of_each_example_updates_its_example(method: str) -> None:
    xs, vs = positive(3, 4), positive(3, 2, seed=1)
    index = np.array([[0, 1], [2, 2], [3, -1]])

    def f(x: Any, i: Any, v: Any) -> Any:
        return getattr(at(x)[i], method)(v)

    expected = np.stack([f(*one) for one in zip(xs, index, vs, strict=True)])
    np.testing.assert_allclose(vmap(f)(xs, index, vs), expected, rtol=1e-14)
    shared = np.stack([f(xs[0], i, vs[0]) for i in index])
    np.testing.assert_allclose(vmap(f, (None, 0, None))(xs[0], index, vs[0]), shared, rtol=1e-14)

    def slopes(x: Any, i: Any, v: Any) -> Any:
        return np.concatenate(grad(lambda x, v: np.sum(f(x, i, v) ** 2), argnums=(0, 1))(x, v))

    expected = np.stack([slopes(*one) for one in zip(xs, index, vs, strict=True)])
    np.testing.assert_allclose(vmap(slopes)(xs, index, vs), expected, rtol=1e-12)


@pytest.mark.parametrize("method", ["set", "add", "multiply", "max"])
def test_a_mask_of_each_example_takes_one_value(method: str) -> None:
    xs = normal(3, 4)

    def f(x: Any) -> Any:
        return getattr(at(x)[x > 0], method)(2.0)

    np.testing.assert_allclose(vmap(f)(xs), np.stack([f(x) for x in xs]), rtol=1e-14)


def test_a_mask_of_each_example_does_not_take_an_array() -> None:
    with pytest.raises(errors.BatchedValueError, match="shape depends on values"):
        vmap(lambda x: at(x)[x > 0].set(x[:1]))(normal(3, 4))


@pytest.mark.parametrize("value", [1.5, np.array([1.5]), 1j])
def test_values_that_the_dtype_cannot_hold_are_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=r"at: set with values .* cannot hold them"):
        at(np.zeros(3, int))[0].set(value)


def test_a_traced_value_is_not_cut_off_to_an_integer() -> None:
    with pytest.raises(TypeError, match="derivative would be lost"):
        grad(lambda v: np.sum(at(np.zeros(3, int))[0].set(v)))(1.5)


def test_integers_are_not_divided_into_fractions() -> None:
    with pytest.raises(TypeError, match="at: divide"):
        at(np.ones(3, int))[0].divide(2)


def test_integers_are_updated_as_integers() -> None:
    np.testing.assert_array_equal(at(np.arange(3, dtype=np.uint8))[1:].subtract(1), [0, 0, 1])
    assert at(np.arange(3, dtype=np.uint8))[1:].subtract(1).dtype == np.uint8


@pytest.mark.parametrize(
    ("key", "values", "error"),
    [
        (5, 1.0, IndexError),
        ([5], 1.0, IndexError),
        (([0, 0], [0, 9]), 1.0, IndexError),
        (slice(0, 2), np.ones((2, 3)), ValueError),
        (np.ones(2, bool), 1.0, IndexError),
        ("a", 1.0, IndexError),
    ],
)
@pytest.mark.parametrize("method", ["set", "add", "multiply"])
def test_keys_and_values_that_do_not_fit_are_refused(
    key: Any, values: Any, error: type, method: str
) -> None:
    with pytest.raises(error):
        getattr(at(np.zeros(SHAPE))[key], method)(values)


def test_values_may_have_axes_of_length_one_in_front_as_in_an_assignment() -> None:
    x = np.zeros(3)
    np.testing.assert_array_equal(at(x)[:2].set(np.ones((1, 1, 2))), [1.0, 1.0, 0.0])
    with pytest.raises(ValueError, match="cannot be broadcast"):
        at(x)[:2].set(np.ones((2, 2)))


def test_an_update_of_a_scalar_sets_it() -> None:
    assert grad(lambda x: at(x * 2)[()].set(x * 5))(1.0) == 5.0
    assert grad(lambda x: at(x * 2)[...].add(x * 5))(1.0) == 7.0
