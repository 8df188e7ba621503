"""Edge values of structural functions: orders in memory, empties, ends, long paddings, pieces."""

import time
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
import funcgrad.numpy as fnp
from funcgrad.errors import BatchedValueError
from tests.primitives.checking import check, normal

X = np.arange(1.0, 6.0)


def traced(f: Any, *args: Any) -> Any:
    return fg.vjp(f, *args)[0]


# --- order in memory --------------------------------------------------------------------------

PLACED = {
    "C": normal(2, 3, 4),
    "F": np.asfortranarray(normal(2, 3, 4)),
    "swapped": normal(3, 2, 4).transpose(1, 0, 2),
    "reversed": normal(2, 3, 4)[:, ::-1],
    "sliced": normal(2, 6, 4)[:, ::2],
}


@pytest.mark.parametrize("order", ["C", "F", "A", "K"])
@pytest.mark.parametrize("name", PLACED)
def test_ravel_reads_elements_in_numpys_order(name: str, order: Any) -> None:
    x = PLACED[name]
    for f in (lambda x: np.ravel(x, order), lambda x: x.flatten(order), lambda x: x.ravel(order)):
        np.testing.assert_array_equal(traced(f, x), f(x))
        np.testing.assert_array_equal(fg.jvp(f, (x,), (x,))[1], f(x))


@pytest.mark.parametrize("order", ["A", "K"])
def test_the_order_of_a_batch_is_that_of_its_examples(order: Any) -> None:
    for stack in (np.asfortranarray(normal(3, 2, 4)), normal(3, 4, 2).transpose(0, 2, 1)):
        mapped = fg.vmap(lambda x: np.ravel(x, order))(stack)
        np.testing.assert_array_equal(mapped, [np.ravel(x, order) for x in stack])


@pytest.mark.parametrize("f", [np.reshape, np.ravel])
def test_an_unknown_order_is_an_error(f: Any) -> None:
    args = ((-1,),) if f is np.reshape else ()
    with pytest.raises(ValueError, match="order"):
        fg.vjp(lambda x: f(x, *args, order="Z"), X)


# --- insert and delete ------------------------------------------------------------------------


@pytest.mark.parametrize("place", [0, 5, -1, -5, np.int64(2), [2], [0, 5], [], slice(1, 3)])
def test_insert_counts_the_derivatives_of_old_and_new_elements(place: Any) -> None:
    count = np.size(np.insert(X, place, 0.0)) - 5
    by_x, by_v = fg.grad(lambda x, v: np.sum(np.insert(x, place, v)), (0, 1))(X, 2.0)
    np.testing.assert_array_equal(by_x, np.ones(5))
    assert by_v == count


def test_insert_and_delete_out_of_range_are_errors_as_in_numpy() -> None:
    for f in (lambda x: np.insert(x, 6, 0.0), lambda x: np.insert(x, [-6], 0.0),
              lambda x: np.delete(x, 5), lambda x: np.delete(x, -6)):  # fmt: skip
        with pytest.raises(IndexError, match="out of bounds"):
            f(X)
        with pytest.raises(IndexError, match="out of bounds"):
            fg.vjp(f, X)


@pytest.mark.parametrize(
    "places",
    [
        0,
        -1,
        [0, 4],
        [0, 1],
        [3, 4],
        [1, 2, 3],
        slice(None),
        slice(0, 0),
        [],
        [2, 2],
        slice(4, 0, -2),
    ],
    ids=str,
)
def test_delete_keeps_the_rest(places: Any) -> None:
    slope = fg.grad(lambda x: np.sum(np.delete(x, places)))(X)
    np.testing.assert_array_equal(slope, ~np.isin(X, X[places]))
    np.testing.assert_array_equal(traced(lambda x: np.delete(x, places), X), np.delete(X, places))


def test_a_place_that_differs_between_examples_is_refused() -> None:
    with pytest.raises(BatchedValueError):
        fg.vmap(lambda i: np.insert(X, i, 0.0))(np.array([0, 1]))


# --- joining ----------------------------------------------------------------------------------


def test_empty_parts_take_no_derivative() -> None:
    x, none = normal(2, 3), np.zeros((0, 3))
    check(lambda x, none: np.concatenate([none, x, none]), x, none, second=False, batch=False)
    out, pull = fg.vjp(lambda none: np.vstack([none, x]), none)
    assert pull(out)[0].shape == (0, 3)


def test_casting_to_real_numbers_warns_as_numpy_does() -> None:
    z = normal(2, dtype=complex)
    with pytest.raises(TypeError, match="Cannot cast"):
        fg.vjp(lambda z: np.concatenate([z, z], dtype=float), z)


# --- pad --------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 2, 3, 5])
@pytest.mark.parametrize("widths", [(0, 1), (7, 0), (13, 11), (40, 2)])
@pytest.mark.parametrize("kind", ["even", "odd"])
@pytest.mark.parametrize("mode", ["reflect", "symmetric"])
def test_long_reflections_are_numpys(mode: Any, kind: Any, widths: Any, length: int) -> None:
    x = normal(length)
    expected = np.pad(x, widths, mode, reflect_type=kind)
    found = traced(lambda x: np.pad(x, widths, mode, reflect_type=kind), x)
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-13)


def test_an_odd_reflection_has_the_derivatives_of_its_sums() -> None:
    jacobian = fg.jacrev(lambda x: np.pad(x, (2, 0), "reflect", reflect_type="odd"))(np.ones(3))
    np.testing.assert_array_equal(jacobian[:2], [[2, 0, -1], [2, -1, 0]])


def test_an_odd_reflection_takes_linear_time() -> None:
    def seconds(n: int) -> float:
        x = np.ones(n)
        started = time.perf_counter()
        fg.grad(lambda x: np.sum(np.pad(x, n // 2, "reflect", reflect_type="odd")))(x)
        return time.perf_counter() - started

    seconds(1000)
    assert min(seconds(200_000) for _ in range(3)) < 1.0  # a matrix of it would not fit in memory


# --- choice -----------------------------------------------------------------------------------


def test_choose_gives_each_choice_the_derivative_of_its_places() -> None:
    numbers = np.array([0, 2, 1, 2])
    slopes = fg.grad(lambda *xs: np.sum(np.choose(numbers, list(xs)) * X[:4]), (0, 1, 2))(
        normal(4), normal(4), np.float64(1.0)
    )
    np.testing.assert_array_equal(slopes[0], [1, 0, 0, 0])
    np.testing.assert_array_equal(slopes[1], [0, 0, 3, 0])
    assert slopes[2] == 6.0


def test_piecewise_functions_see_only_their_own_elements_also_under_vmap() -> None:
    def f(x: Any) -> Any:
        return np.piecewise(x, [x > 0, x < -1], [np.log, lambda v: np.sqrt(-v - 1), 0.5])

    xs = np.array([[1.0, -2.0, 0.0], [2.0, 3.0, 4.0], [-5.0, -0.5, -1.0]])
    np.testing.assert_array_equal(fg.vmap(f)(xs), [f(x) for x in xs])
    slopes = fg.vmap(fg.grad(lambda x: np.sum(f(x))))(xs)
    expected = np.where(xs > 0, 1 / np.where(xs > 0, xs, 1), 0)
    expected[xs < -1] = -0.5 / np.sqrt(-xs[xs < -1] - 1)
    np.testing.assert_allclose(slopes, expected, rtol=1e-14)


def test_select_has_no_nan_from_what_is_not_selected() -> None:
    x = np.array([1.0, -1.0])
    slope = fg.grad(lambda x: np.sum(np.select([x > 0], [x * x], np.inf * np.sign(x))))(x)
    np.testing.assert_array_equal(slope, [2.0, 0.0])


# --- repeated updates -------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["multiply", "max", "power", "divide"])
def test_updates_of_few_places_many_times_are_ufunc_at(method: str) -> None:
    x, where_to = np.array([1.5, 2.0, 0.5, 1.0]), np.tile([2, 0, 0, 1], 50)
    v = 1 + 0.01 * normal(200)
    expected = x.copy()
    ufunc = {"max": np.maximum, "divide": np.true_divide}.get(method) or getattr(np, method)
    for place, value in zip(where_to, v, strict=True):
        expected[place] = ufunc(expected[place], value)
    np.testing.assert_allclose(getattr(fnp.at(x)[where_to], method)(v), expected, rtol=1e-12)


def test_updates_of_one_place_take_linear_time() -> None:
    x, v = np.ones(2), np.ones(5000)
    started = time.perf_counter()
    fg.grad(lambda v: np.sum(fnp.at(x)[np.zeros(5000, int)].multiply(v)))(v)
    assert time.perf_counter() - started < 5.0  # 0.2 s; one pass over all values a turn takes 20 s


# --- contraction ------------------------------------------------------------------------------


def test_einsum_that_only_looks_at_elements_keeps_their_dtype_as_numpy_does() -> None:
    x = normal(3, 3).astype(np.float32)
    for spec in ("ii->i", "ij->ji", "ii->"):
        found = traced(lambda x, spec=spec: np.einsum(spec, x, dtype=np.float64), x)
        assert found.dtype == np.einsum(spec, x, dtype=np.float64).dtype


def test_empty_sums_of_products_are_zero_with_derivative_zero() -> None:
    a, b = np.zeros((2, 0)), np.zeros((0, 3))
    for f in (
        np.matmul,
        np.dot,
        lambda a, b: np.einsum("ij,jk", a, b),
        lambda a, b: np.tensordot(a, b, 1),
    ):
        out, pull = fg.vjp(f, a, b)
        np.testing.assert_array_equal(out, np.zeros((2, 3)))
        assert [part.shape for part in pull(out)] == [(2, 0), (0, 3)]


@pytest.mark.parametrize("dtype", [np.float64, np.complex128, np.float32, np.complex64])
def test_matmul_of_plain_arrays_is_numpys_to_the_last_bit(dtype: Any) -> None:
    for shapes in [((1,), (1, 2)), ((5,), (5,)), ((3, 4), (4, 2)), ((2, 3, 4), (4,))]:
        a, b = (normal(*shape, dtype=dtype) for shape in shapes)
        np.testing.assert_array_equal(fnp.matmul(a, b), np.matmul(a, b), strict=True)
