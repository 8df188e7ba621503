"""Sorting, the places of extrema, and search: values, derivatives and batches."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from funcgrad import errors, grad, vjp
from funcgrad.transforms.vmap import vmap
from tests.primitives.checking import check, normal

Function = Callable[..., Any]
SORTS: dict[str, Function] = {
    "sort": np.sort,
    "sort the first axis": lambda x: np.sort(x, axis=0),
    "sort flat": lambda x: np.sort(x, axis=None),
    "sort by kind": lambda x: np.sort(x, kind="heapsort"),
    "partition": lambda x: np.partition(x, 1),
    "partition by two": lambda x: np.partition(x, (0, -1), axis=0),
    "partition flat": lambda x: np.partition(x, 5, axis=None),
    "by argsort": lambda x: np.take_along_axis(x, np.argsort(x, axis=0), axis=0),
    "by argpartition": lambda x: np.take_along_axis(x, np.argpartition(x, 2), axis=-1),
    "largest": lambda x: x[np.unravel_index(np.argmax(x), x.shape)],
    "smallest of rows": lambda x: np.take_along_axis(x, np.argmin(x, 1, keepdims=True), 1),
    "sorted squares": lambda x: np.sort(x * x) * x,
}


@pytest.mark.parametrize("name", SORTS)
@pytest.mark.parametrize("shape", [(3, 4), (2, 5)])
def test_sorted_values_carry_the_derivatives_of_their_elements(
    name: str, shape: tuple[int, ...]
) -> None:
    check(SORTS[name], normal(*shape))


@pytest.mark.parametrize("name", [n for n in SORTS if n != "sorted squares"])
def test_complex_and_single_precision_numbers_are_sorted_as_in_numpy(name: str) -> None:
    check(SORTS[name], normal(3, 4, dtype=complex), second=False, batch=False)
    out, pullback = vjp(SORTS[name], normal(3, 4, dtype=np.float32))
    assert (out.dtype, pullback(np.ones_like(out))[0].dtype) == (np.float32, np.float32)


@pytest.mark.parametrize("shape", [(0,), (1,), (3, 0), (0, 3), (1, 1)])
def test_empty_and_single_arrays_are_sorted(shape: tuple[int, ...]) -> None:
    check(np.sort, normal(*shape))
    check(lambda x: np.sort(x, axis=0), normal(*shape))


def test_sort_of_a_scalar_is_refused_as_in_numpy() -> None:
    with pytest.raises(np.exceptions.AxisError):
        grad(np.sort)(1.0)


def test_ties_keep_their_order_when_sorted() -> None:
    slope = grad(lambda x: np.sum(np.sort(x) * [1.0, 2.0, 3.0]))(np.array([1.0, 0.0, 0.0]))
    np.testing.assert_array_equal(slope, [3.0, 1.0, 2.0])


def test_nan_is_sorted_to_the_end() -> None:
    x = np.array([np.nan, 2.0, 1.0])
    out, pullback = vjp(np.sort, x)
    np.testing.assert_array_equal(out, np.sort(x))
    np.testing.assert_array_equal(pullback(np.array([1.0, 2.0, 3.0]))[0], [3.0, 2.0, 1.0])


@given(st.data())
def test_partition_puts_every_element_where_numpy_puts_it(data: st.DataObject) -> None:
    x = np.array(data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=40)), float)
    kth = data.draw(st.integers(-x.size, x.size - 1))
    out, pullback = vjp(lambda x: np.partition(x, kth), x)
    np.testing.assert_array_equal(out, np.partition(x, kth))
    np.testing.assert_array_equal(np.sort(pullback(np.arange(x.size) * 1.0)[0]), np.arange(x.size))


def test_partition_of_many_numbers_is_numpys_too() -> None:
    x = normal(3000)
    out, _ = vjp(lambda x: np.partition(x, 1000), x)
    np.testing.assert_array_equal(out, np.partition(x, 1000))


# {name: a function with integer or boolean results}
CONSTANTS: dict[str, Function] = {
    "argsort": lambda x: np.argsort(x, axis=0, kind="stable"),
    "argsort flat": lambda x: np.argsort(x, axis=None),
    "argpartition": lambda x: np.argpartition(x, 1),
    "argmax": np.argmax,
    "argmax of an axis": lambda x: np.argmax(x, axis=-1),
    "argmax method": lambda x: x.argmax(0),
    "argmin keeping axes": lambda x: np.argmin(x, axis=0, keepdims=True),
    "argmin keeping all axes": lambda x: np.argmin(x, keepdims=True),
    "nanargmax": lambda x: np.nanargmax(x, axis=1),
    "nanargmin": np.nanargmin,
    "lexsort": lambda x: np.lexsort((x[0], x[1])),
    "lexsort of rows": lambda x: np.lexsort(x),
    "searchsorted": lambda x: np.searchsorted([-1.0, 0.0, 1.0], x),
    "searchsorted in traced values": lambda x: np.searchsorted(np.sort(x[0]), x, side="right"),
    "searchsorted with a sorter": lambda x: np.searchsorted(x[0], x[1], sorter=np.argsort(x[0])),
    "digitize": lambda x: np.digitize(x, [-1.0, 0.0, 1.0], right=True),
    "digitize downwards": lambda x: np.digitize(x, [1.0, 0.0, -1.0]),
    "any": lambda x: np.any(x > 1, axis=0),
    "all": lambda x: np.all(x, keepdims=True),
    "any where": lambda x: np.any(x > 0, axis=1, where=[True, False, False, True]),
    "count_nonzero": lambda x: np.count_nonzero(x > 0, axis=1),
    "isclose": lambda x: np.isclose(x, x + 1e-9),
    "isposinf": np.isposinf,
    "isneginf": np.isneginf,
    "greater": lambda x: x > 0,
    "iscomplex": np.iscomplex,
    "unravel_index": lambda x: np.stack(np.unravel_index(np.argsort(x[0]), (2, 3))),
    "ravel_multi_index": lambda x: np.ravel_multi_index(
        (np.argsort(x[0]), np.argsort(x[1])), (5, 6)
    ),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_integer_results_are_numpys_and_carry_no_derivative(name: str) -> None:
    f = CONSTANTS[name]
    x = normal(3, 4)
    expected = f(x)

    def weighted(x: Any) -> Any:
        found = f(x)
        assert not hasattr(found, "owner"), "a constant must not be traced"
        np.testing.assert_array_equal(found, expected)
        assert np.asarray(found).dtype == np.asarray(expected).dtype
        return np.sum(x) * np.sum(found)

    np.testing.assert_allclose(grad(weighted)(x), np.full((3, 4), 1.0) * np.sum(expected))


@pytest.mark.parametrize("name", CONSTANTS)
def test_integer_results_of_a_batch_are_those_of_its_examples(name: str) -> None:
    f = CONSTANTS[name]
    xs = normal(3, 3, 4)
    np.testing.assert_array_equal(vmap(f)(xs), np.stack([f(x) for x in xs]))


@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0)])
def test_searchsorted_takes_a_batch_of_tables_or_of_numbers(axes: Any) -> None:
    tables = np.sort(normal(3, 5)) if axes[0] == 0 else np.sort(normal(5))
    sought = normal(3, 2, seed=1) if axes[1] == 0 else normal(2, seed=1)
    expected = [
        np.searchsorted(
            tables[i] if axes[0] == 0 else tables, sought[i] if axes[1] == 0 else sought
        )
        for i in range(3)
    ]
    np.testing.assert_array_equal(vmap(np.searchsorted, axes)(tables, sought), np.stack(expected))


# {name: (a function that asks about a traced value, the answer of plain NumPy is its own)}
QUESTIONS: dict[str, Function] = {
    "shape": np.shape,
    "ndim": np.ndim,
    "size": np.size,
    "size of an axis": lambda x: np.size(x, 1),
    "result_type": lambda x: np.result_type(x, np.float32),
    "can_cast": lambda x: np.can_cast(x, np.float32),
    "min_scalar_type": np.min_scalar_type,
    "common_type": np.common_type,
    "iscomplexobj": np.iscomplexobj,
    "isrealobj": np.isrealobj,
    "allclose": lambda x: np.allclose(x, x * 1.1),
    "array_equal": lambda x: np.array_equal(x, x + 0),
    "array_equal of another shape": lambda x: np.array_equal(x, x[0]),
    "array_equal with NaN": lambda x: np.array_equal(x / 0 * 0, x / 0 * 0, equal_nan=True),
    "array_equiv": lambda x: np.array_equiv(x, x[None]),
    "array_equiv that do not fit": lambda x: np.array_equiv(x, x[:, :3]),
    "array_repr": np.array_repr,
    "array_str": np.array_str,
    "array2string": lambda x: np.array2string(x, precision=2),
    "shares_memory": lambda x: np.shares_memory(x, x),
    "nonzero": lambda x: np.nonzero(x > 0)[1].tolist(),
    "flatnonzero": lambda x: np.flatnonzero(x > 0).tolist(),
    "argwhere": lambda x: np.argwhere(x > 0).tolist(),
    "tril_indices_from": lambda x: np.concatenate(np.tril_indices_from(x, -1)).tolist(),
    "triu_indices_from": lambda x: np.concatenate(np.triu_indices_from(x, 1)).tolist(),
    "diag_indices_from": lambda x: np.concatenate(np.diag_indices_from(x[:, :3])).tolist(),
}


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_about_a_traced_value_has_numpys_answer(name: str) -> None:
    f = QUESTIONS[name]
    x = normal(3, 4)
    answers = []
    grad(lambda x: answers.append(f(x)) or np.sum(x))(x)
    assert answers == [f(x)]
    assert type(answers[0]) is type(f(x))


def test_nonzero_of_a_scalar_is_refused_as_in_numpy() -> None:
    with pytest.raises(ValueError, match="0d"):
        grad(lambda x: np.nonzero(x)[0])(1.0)


@pytest.mark.parametrize("function", [np.nonzero, np.flatnonzero, np.argwhere])
def test_places_that_differ_in_number_between_examples_are_refused(function: Function) -> None:
    with pytest.raises(errors.BatchedValueError, match="shape depends on values"):
        vmap(lambda x: function(x > 0)[0])(normal(2, 3))


def test_sorting_fields_of_a_structured_array_is_not_supported() -> None:
    with pytest.raises(errors.UnsupportedFunctionError, match="order="):
        grad(lambda x: np.sum(np.sort(x, order="a")))(normal(3))


def test_an_out_argument_of_argmax_is_refused() -> None:
    with pytest.raises(errors.TracerAssignmentError, match="argmax: out="):
        grad(lambda x: np.argmax(x, out=np.zeros((), int)) * x[0])(normal(3))


# --- search in batches, and complex order -----------------------------------------------------


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_search_in_a_table_for_each_example_has_nan_at_the_end_as_in_numpy(side: Any) -> None:
    rng = np.random.default_rng(1)
    for length in (0, 1, 2, 5, 8):
        tables = rng.integers(0, 4, (6, length)) * 1.0
        tables[rng.random((6, length)) < 0.2] = np.nan
        tables = np.sort(tables)
        sought = np.append(rng.integers(-1, 5, (6, 2, 3)) * 1.0, np.full((6, 2, 1), np.nan), axis=2)
        f = lambda t, x: np.searchsorted(t, x, side)
        expected = np.stack([f(*pair) for pair in zip(tables, sought, strict=True)])
        np.testing.assert_array_equal(vmap(f)(tables, sought), expected)


def test_a_search_in_complex_tables_goes_by_the_real_part_first() -> None:
    tables = np.sort(normal(3, 6, dtype=complex))
    sought = np.concatenate([tables, normal(3, 4, seed=2, dtype=complex)], axis=1)
    expected = np.stack([np.searchsorted(*pair) for pair in zip(tables, sought, strict=True)])
    np.testing.assert_array_equal(vmap(np.searchsorted)(tables, sought), expected)


def test_a_search_for_no_examples_finds_nothing() -> None:
    found = vmap(np.searchsorted)(np.zeros((0, 3)), np.zeros((0, 2)))
    assert found.shape == (0, 2)


@pytest.mark.parametrize("right", [False, True])
def test_each_example_may_have_bins_of_its_own_that_rise_or_fall(right: bool) -> None:
    bins = np.array([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    x = np.array([-1.0, 0.0, 0.5, 1.0, 2.0, 3.0])
    f = lambda bins: np.digitize(x, bins, right)
    np.testing.assert_array_equal(vmap(f)(bins), [f(one) for one in bins])
    np.testing.assert_array_equal(vmap(f)(bins[1:2]), [f(bins[1])])


def test_bins_in_no_order_are_refused() -> None:
    with pytest.raises(ValueError, match="monotonically"):
        grad(lambda x: np.sum(x * np.digitize(x, [0.0, 2.0, 1.0])))(normal(3))
    with pytest.raises(ValueError, match="monotonically"):
        vmap(lambda bins: np.digitize(0.5, bins))(np.array([[0.0, 1.0, 2.0], [0.0, 2.0, 1.0]]))


def test_complex_numbers_have_no_bins() -> None:
    with pytest.raises(TypeError, match="complex"):
        grad(lambda x: np.sum(np.real(x * np.digitize(x, [0.0, 1.0]))))(normal(3, dtype=complex))


def test_sort_complex_sorts_the_last_axis_into_complex_numbers() -> None:
    check(lambda x: np.real(np.sort_complex(x) * (2 + 1j)), normal(3, 4))
    check(np.sort_complex, normal(5, dtype=complex), second=False)
    x = normal(4, dtype=np.float32)
    out, pullback = vjp(np.sort_complex, x)
    assert (out.dtype, pullback(out)[0].dtype) == (np.complex128, np.float32)


def test_bits_of_examples_are_packed_side_by_side() -> None:
    x = normal(3, 2, 9) > 0
    for axis in (None, 0, -1):
        f = lambda x, axis=axis: np.packbits(x, axis)
        np.testing.assert_array_equal(vmap(f)(x), [f(one) for one in x])
        g = lambda x, f=f, axis=axis: np.unpackbits(f(x), axis)
        np.testing.assert_array_equal(vmap(g)(x), [g(one) for one in x])


@pytest.mark.parametrize("function", [np.packbits, np.unpackbits])
def test_bits_of_floating_point_numbers_are_refused(function: Function) -> None:
    with pytest.raises(TypeError, match=f"{function.__name__}: the array has dtype float64"):
        grad(lambda x: np.sum(x * function(x)[0]))(normal(3))
