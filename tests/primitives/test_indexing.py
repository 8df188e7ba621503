"""x[key] for every kind of key: values, derivatives, batching, and their cost."""

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import funcgrad as fg
from funcgrad import errors, grad, jvp, vjp
from funcgrad.core.tracer import bind
from funcgrad.interpreters.record import RecordTracer
from funcgrad.primitives import indexing
from funcgrad.primitives.indexing import gather_p, index_p, scatter_add_p, unindex_p
from funcgrad.primitives.keys import decode, encode
from funcgrad.primitives.slicing import PartsCotangent
from funcgrad.transforms.vmap import vmap
from tests.primitives.checking import check, normal

SHAPE = (3, 4, 5)
MASK = np.array([True, False, True])
GRID = np.arange(12).reshape(3, 4) % 5 > 1
ROWS, COLUMN = np.array([0, 2, 2]), np.array([[1], [3]])

KEYS: dict[str, Any] = {
    "integer": 1,
    "negative integer": -1,
    "NumPy integer": np.int32(2),
    "0-d array": np.array(1),
    "slice": slice(1, 3),
    "slice with a step": slice(None, None, 2),
    "slice backwards": slice(None, None, -1),
    "slice of NumPy integers": slice(np.int64(1), None),
    "empty slice": slice(2, 2),
    "Ellipsis": ...,
    "None": None,
    "nothing": (),
    "all integers": (0, 1, 2),
    "column": (slice(None), 2),
    "Ellipsis then integer": (..., 0),
    "new axes": (None, 1, ..., None),
    "integer between slices": (slice(1, None), -1, slice(None, None, 3)),
    "index array": ROWS,
    "list": [2, 0],
    "empty list": [],
    "two-dimensional index": np.array([[1], [2]]),
    "two index arrays": (ROWS, ROWS),
    "broadcast index arrays": (np.array([0, 1]), COLUMN),
    "index array behind a slice": (slice(None), ROWS),
    "index arrays in the middle": (slice(None), np.array([0, 3]), np.array([4, 4])),
    "index arrays apart": (ROWS, slice(None), ROWS),
    "index arrays apart by None": (ROWS, None, ROWS),
    "index arrays apart by Ellipsis": (np.array([0, 1]), ..., np.array([1, 1])),
    "integer beside an index array": (0, ROWS),
    "integer away from an index array": (0, slice(None), ROWS),
    "array, slice, integer": (ROWS, slice(1, None), 0),
    "repeated and negative": np.array([0, -3, 0]),
    "unsigned": np.array([1, 1], np.uint8),
    "mask": MASK,
    "list mask": [True, False, True],
    "mask of two axes": GRID,
    "mask of all axes": np.arange(60).reshape(SHAPE) % 3 == 0,
    "mask of nothing": np.zeros(3, bool),
    "mask behind": (slice(None), np.array([True, False, True, True])),
    "mask beside an index": (MASK, np.array([0, 1])),
    "mask away from an index": (MASK, slice(None), np.array([0, 4])),
    "true": True,
    "false": np.False_,
    "true beside an index": (True, np.array([0, 1])),
}


def take(key: Any) -> Callable[[Any], Any]:
    return lambda x: x[key]


@pytest.mark.parametrize("name", KEYS)
def test_a_key_selects_and_transposes_as_in_numpy(name: str) -> None:
    check(take(KEYS[name]), normal(*SHAPE))


@pytest.mark.parametrize("name", KEYS)
def test_a_key_selects_from_complex_and_single_precision_numbers(name: str) -> None:
    check(take(KEYS[name]), normal(*SHAPE, dtype=complex), second=False)
    x = normal(*SHAPE, dtype=np.float32)
    out, pullback = vjp(take(KEYS[name]), x)
    assert (out.dtype, pullback(np.ones_like(out))[0].dtype) == (np.float32, np.float32)


@pytest.mark.parametrize("key", [(), None, ..., (None, ...), True])
def test_scalars_take_the_keys_of_numpy(key: Any) -> None:
    x = np.float64(2.0)
    out, pullback = vjp(lambda x: x[key], x)
    np.testing.assert_array_equal(out, x[key])
    assert pullback(np.ones_like(x[key]))[0] == 1.0


def test_a_python_number_takes_new_axes() -> None:
    assert grad(lambda x: np.sum(x[None] * 3))(2.0) == 3.0


@given(st.data())
def test_any_key_of_hypothesis_selects_as_in_numpy(data: st.DataObject) -> None:
    shape = data.draw(hnp.array_shapes(max_dims=4, max_side=3))
    x = normal(*shape)
    basic = hnp.basic_indices(shape, allow_newaxis=True)
    arrays = hnp.integer_array_indices(shape)
    masks = hnp.arrays(bool, hnp.array_shapes(max_dims=1).map(lambda _: shape[:1]))
    key = data.draw(basic | arrays | masks)
    check(take(key), x, second=False, batch=False)


@given(st.data())
def test_mixed_keys_put_their_axes_where_numpy_puts_them(data: st.DataObject) -> None:
    shape = (3, 2, 4, 3)
    parts: list[Any] = []
    for length in shape[: data.draw(st.integers(1, 4))]:
        array = st.lists(st.integers(-length, length - 1), min_size=2, max_size=2).map(np.array)
        parts.append(data.draw(st.just(slice(None)) | st.integers(0, length - 1) | array))
        if data.draw(st.booleans()):
            parts.append(None)
    if data.draw(st.booleans()):
        parts.insert(data.draw(st.integers(0, len(parts))), ...)
    check(take(tuple(parts)), normal(*shape), second=False)


def test_a_key_of_more_axes_than_there_are_is_refused_as_in_numpy() -> None:
    for key in [(0, 0, 0, 0), (ROWS, 0, 0, 0), np.ones((3, 4, 5, 1), bool), (..., ...)]:
        with pytest.raises(IndexError):
            grad(lambda x, key=key: np.sum(x[key]))(normal(*SHAPE))


def test_an_index_out_of_range_is_refused() -> None:
    for key in [3, -4, [0, 3], (slice(None), [4]), (ROWS, ROWS + 3)]:
        with pytest.raises(IndexError):
            grad(lambda x, key=key: np.sum(x[key]))(normal(*SHAPE))


def test_a_mask_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(IndexError, match="boolean index did not match"):
        grad(lambda x: np.sum(x[(np.ones(2, bool), 0)]))(normal(*SHAPE))


def test_a_floating_point_index_is_refused_with_the_way_out() -> None:
    with pytest.raises(IndexError, match=r"astype\(int\)"):
        grad(lambda x: np.sum(x[x]))(normal(3))
    with pytest.raises(IndexError, match="valid indices"):
        grad(lambda x: np.sum(x["a"]))(normal(3))


def test_an_index_computed_from_traced_values_is_plain() -> None:
    check(lambda x: x[np.argsort(x)] * x[np.argmax(x)], normal(4))


def test_an_index_array_changed_after_its_use_changes_no_gradient() -> None:
    def f(x: Any) -> Any:
        key = np.array([0, 1])
        y = x[key]
        key[:] = 2
        return np.sum(y * y)

    np.testing.assert_array_equal(grad(f)(np.array([1.0, 2.0, 3.0])), [2.0, 4.0, 0.0])


def test_a_bound_changed_after_its_use_changes_no_gradient() -> None:
    def f(x: Any) -> Any:
        bound = np.array(1)
        y = x[bound:]
        bound[...] = 2
        return np.sum(y)

    np.testing.assert_array_equal(grad(f)(np.ones(3)), [0.0, 1.0, 1.0])


# --- batches ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "f",
    [
        lambda x, i: x[i],
        lambda x, i: x[:, i],
        lambda x, i: x[i, i],
        lambda x, i: x[i, :, i],
        lambda x, i: x[0, :, i],
        lambda x, i: x[[0, 1], i],
        lambda x, i: x[..., i, None],
        lambda x, i: x[[i, 1]],
        lambda x, i: x[i + np.array([0, -1, 0])],
        lambda x, i: np.take(x, i, axis=1),
    ],
)
@pytest.mark.parametrize("mapped", ["array", "index", "both"])
def test_an_index_of_each_example_selects_in_its_example(
    f: Callable[..., Any], mapped: str
) -> None:
    size = 3  # as long as an axis, so that mixed-up axes do not go unseen by their lengths alone
    xs = normal(size, 3, 3, 3) if mapped != "index" else normal(3, 3, 3)
    index = np.array([0, 2, 1]) if mapped != "array" else np.int64(2)
    axes = (0 if mapped != "index" else None, 0 if mapped != "array" else None)

    def example(i: int) -> tuple[Any, Any]:
        return (xs if axes[0] is None else xs[i]), (index if axes[1] is None else index[i])

    def plain(x: Any, i: Any) -> Any:
        return f(x, int(i))

    expected = np.stack([plain(*example(i)) for i in range(size)])
    np.testing.assert_array_equal(vmap(f, in_axes=axes)(xs, index), expected)

    def slope(x: Any, i: Any) -> Any:
        return grad(lambda x: np.sum(np.sin(f(x, i))))(x)

    slopes = np.stack([slope(example(i)[0], int(example(i)[1])) for i in range(size)])
    np.testing.assert_allclose(vmap(slope, in_axes=axes)(xs, index), slopes, rtol=1e-12)


def test_a_traced_index_into_a_plain_table_goes_through_funcgrad_numpy() -> None:
    table = normal(5, 2)
    found = vmap(lambda i: fg.numpy.asarray(table)[i])(np.array([3, 0]))
    np.testing.assert_array_equal(found, table[[3, 0]])


def test_a_mask_that_differs_between_examples_is_refused() -> None:
    with pytest.raises(errors.BatchedValueError, match="shape depends on values"):
        vmap(lambda x: x[x > 0])(normal(2, 3))


def test_a_mask_that_is_the_same_for_all_examples_selects() -> None:
    xs = normal(2, 3)
    found = vmap(lambda x, m: x[m], in_axes=(0, None))(xs, MASK)
    np.testing.assert_array_equal(found, xs[:, MASK])


# --- the primitives ---------------------------------------------------------------------------


def test_keys_survive_their_encoding() -> None:
    key = (1, slice(None, -1, 2), None, ...)
    assert decode(encode(key)) == key
    hash(encode(key))


@pytest.mark.parametrize("lead", [0, 1, 2])
def test_gather_and_scatter_add_are_transposes_of_each_other(lead: int) -> None:
    x, idx = normal(3, 3, 3, 3), (np.array([[0, 2], [2, 2]]), np.array([1, -1]))
    out = bind(gather_p, x, *idx, lead=lead)
    ct = normal(*out.shape, seed=3)
    back = bind(scatter_add_p, ct, *idx, shape=x.shape, lead=lead)
    np.testing.assert_allclose(np.sum(ct * out), np.sum(back * x), rtol=1e-12)


@pytest.mark.parametrize("few", [0, indexing.FEW])
@given(st.data())
def test_scatter_add_is_numpys_add_at_for_few_and_for_many(few: int, data: st.DataObject) -> None:
    shape = data.draw(st.sampled_from([(4,), (4, 2), (3, 2, 3), (4, 0), (1, 1, 5)]))
    count = data.draw(st.integers(1, len(shape)))
    number = data.draw(st.integers(0, 6)) if all(shape[:count]) else 0
    idx = tuple(
        data.draw(hnp.arrays(int, number, elements=st.integers(-n, max(n - 1, -n))))
        for n in shape[:count]
    )
    ct = normal(number, *shape[count:])
    expected = np.zeros(shape)
    np.add.at(expected, idx, ct)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(indexing, "FEW", few)
        found = bind(scatter_add_p, ct, *idx, shape=shape, lead=0)
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-14)


def test_many_rows_are_added_without_and_with_repetitions() -> None:
    for idx in (np.arange(300)[::-1] % 300, np.arange(300) % 7):
        ct = normal(300, 16)
        expected = np.zeros((300, 16))
        np.add.at(expected, idx, ct)
        found = bind(scatter_add_p, ct, idx, shape=(300, 16), lead=0)
        np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-13)


def test_unindex_adds_up_parts_that_overlap() -> None:
    keys = (encode((slice(0, 2),)), encode((slice(1, 3),)))
    found = bind(unindex_p, np.ones(2), 2 * np.ones(2), keys=keys, shape=(3,))
    np.testing.assert_array_equal(found, [1.0, 3.0, 2.0])


def test_index_of_a_python_number_is_that_of_an_array() -> None:
    np.testing.assert_array_equal(bind(index_p, 2.0, key=(None,)), [2.0])


# --- many parts of one value ------------------------------------------------------------------


def sum_of_parts(x: Any) -> Any:
    rows = [x[0], x[-1], x[1:], x[:, 2], x[np.array([0, 0, 2])], x[MASK], x[1, 1], x[0]]
    return sum(np.sum(np.sin(row) * (i + 1)) for i, row in enumerate(rows))


def test_parts_of_one_value_add_up_to_its_gradient() -> None:
    check(sum_of_parts, normal(3, 4))


def test_parts_of_a_value_that_is_used_as_a_whole_too_add_up() -> None:
    check(lambda x: sum(x[i] * x for i in range(3)) + x, normal(3))


def test_a_pullback_of_many_parts_can_be_called_again() -> None:
    _, pullback = vjp(sum_of_parts, normal(3, 4))
    first = pullback(1.0)[0].copy()
    np.testing.assert_array_equal(pullback(1.0)[0], first)
    np.testing.assert_allclose(pullback(2.0)[0], 2 * first, rtol=1e-14)


def test_parts_that_nothing_depends_on_leave_no_trace() -> None:
    def f(x: Any) -> Any:
        unused = [x[i] for i in range(3)]
        del unused
        return x[2]

    np.testing.assert_array_equal(grad(f)(np.ones(3)), [0.0, 0.0, 1.0])


def test_parts_of_parts_add_up() -> None:
    check(lambda x: np.stack([x[i][j] * x[j][i] for i in range(2) for j in range(2)]), normal(2, 2))


def test_cotangents_of_parts_are_added_in_one_array() -> None:
    part = PartsCotangent.__new__(PartsCotangent)
    part.ct, part.key, part.shape, part.total, part.traced = (
        np.ones(2),
        slice(0, 2),
        (3,),
        None,
        None,
    )
    other = PartsCotangent.__new__(PartsCotangent)
    other.ct, other.key, other.shape, other.total, other.traced = (
        np.ones(1),
        slice(1, 2),
        (3,),
        None,
        None,
    )
    total = part + other
    assert total is part
    np.testing.assert_array_equal(total.dense(), [1.0, 2.0, 0.0])


@pytest.mark.parametrize("order", [1, 2])
def test_slices_in_a_loop_take_linear_memory_and_time(order: int) -> None:
    """Work is counted, not timed: no array of the whole size is made for each slice."""
    made = []
    steps = 64

    def f(x: Any) -> Any:
        total = 0.0
        for i in range(steps):
            total = total + x[i] * x[i]
        return np.sum(total)

    function = f if order == 1 else lambda x: np.sum(np.sin(grad(f)(x)))
    original = np.zeros

    def counting(shape: Any, *args: Any, **kwargs: Any) -> Any:
        made.append(shape)
        return original(shape, *args, **kwargs)

    x = normal(steps, 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np, "zeros", counting)
        found = grad(function)(x)
    expected = 2 * x if order == 1 else np.cos(2 * x) * 2
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert made.count(x.shape) <= 4


def test_a_gradient_of_many_slices_leaves_no_reference_cycles() -> None:
    x = normal(50, 4)
    grad(lambda x: sum(np.sum(x[i]) for i in range(50)))(x)
    gc.collect()
    grad(lambda x: sum(np.sum(x[i]) for i in range(50)))(x)
    assert gc.collect() == 0


def test_a_closed_trace_refuses_to_be_indexed() -> None:
    kept: list[RecordTracer] = []
    grad(lambda x: kept.append(x) or np.sum(x))(np.ones(3))
    with pytest.raises(errors.LeakedTracerError):
        kept[0][0]


def test_forward_mode_of_many_slices_agrees_with_reverse_mode() -> None:
    x, t = normal(3, 4), normal(3, 4, seed=1)
    slope = jvp(sum_of_parts, (x,), (t,))[1]
    np.testing.assert_allclose(slope, np.sum(grad(sum_of_parts)(x) * t), rtol=1e-12)
