"""vmap: what it computes, against a Python loop; its axes, chunks and errors."""

import gc
import re
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import (
    BatchedValueError,
    BatchSizeError,
    InputDtypeError,
    LeakedTracerError,
    ObjectArrayError,
    OutputDtypeError,
    PytreeError,
)

RNG = np.random.default_rng(0)
A = RNG.normal(size=(3, 4, 5))
B = RNG.normal(size=(5, 4))
W = RNG.normal(size=(4, 4))
V = RNG.normal(size=4)


def by_loop(f: Callable[..., Any], in_axes: tuple[Any, ...], *args: Any) -> Any:
    """What vmap means, for one result: examples taken, computed and stacked one by one."""
    size = next(x.shape[a] for x, a in zip(args, in_axes, strict=True) if a is not None)
    examples = (
        [x if a is None else np.take(x, i, axis=a) for x, a in zip(args, in_axes, strict=True)]
        for i in range(size)
    )
    return np.stack([f(*example) for example in examples])


FUNCTIONS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], tuple[Any, ...]]] = {
    "elementwise": (lambda x: np.sin(x) * np.exp(-x) + x**2, (A,), (0,)),
    "elementwise, middle axis": (np.tanh, (A,), (1,)),
    "elementwise, last axis": (np.tanh, (A,), (-1,)),
    "broadcasting two ranks": (lambda x, y: x * y, (A, V), (2, None)),
    "broadcasting a scalar": (lambda x, y: x * y, (A, A[:, 0, 0]), (0, 0)),
    "different axes": (lambda x, y: x + y, (B, B.T), (0, 1)),
    "sum": (lambda x: np.sum(x, axis=0), (A,), (1,)),
    "sum of all": (np.sum, (A,), (0,)),
    "mean of the last axis": (lambda x: np.mean(x, axis=-1, keepdims=True), (A,), (0,)),
    "max": (lambda x: np.max(x, axis=0), (A,), (2,)),
    "vector by matrix": (lambda x, w: x @ w, (B, W), (0, None)),
    "matrix by vector": (lambda w, x: w @ x, (W, B), (None, 0)),
    "matrix by matrix": (lambda x, w: x @ w, (A[:, :, :4], W), (0, None)),
    "both are vectors": (lambda x, y: x @ y, (B, B), (0, 0)),
    "a batch as long as the vectors": (lambda x, y: x @ y, (W, W), (0, 1)),
    "matrices of the batch": (lambda x, y: x @ y.T, (A, A), (0, 0)),
    "reshape": (lambda x: np.reshape(x, (-1, 2, 2)) * 2, (A,), (2,)),
    "transpose": (lambda x: x.T, (A,), (0,)),
    "concatenate": (lambda x, y: np.concatenate([x, y]), (B, V), (0, None)),
    "stack with what is shared": (lambda x: np.stack([x, V], axis=1), (B,), (0,)),
    "where": (lambda x: np.where(x > 0, x, 0.1 * x), (A,), (1,)),
    "index": (lambda x: x[1:, ::-1] + x[0, None, :], (A,), (0,)),
    "shared table, mapped index": (lambda t, i: t[i], (V, np.array([3, 0, 0])), (None, 0)),
    "integers": (lambda x: x // 2 + 1, (np.arange(12).reshape(3, 4),), (1,)),
    "complex": (lambda x: np.abs(x * 1j) ** 2, (B + 1j * B,), (0,)),
    "float32": (lambda x: np.cos(x) * 2, (A.astype(np.float32),), (0,)),
    "Python if on a shared value": (lambda x, s: x if s[0] > 9 else -x, (B, V), (0, None)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_vmap_is_a_loop_over_the_examples(name: str) -> None:
    f, args, axes = FUNCTIONS[name]
    expected = by_loop(f, axes, *args)
    found = fg.vmap(f, in_axes=axes)(*args)
    assert type(found) is np.ndarray
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-6 if found.dtype == np.float32 else 1e-13)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_chunks_change_nothing(name: str, chunk: int) -> None:
    f, args, axes = FUNCTIONS[name]
    np.testing.assert_allclose(
        fg.vmap(f, in_axes=axes, chunk_size=chunk)(*args),
        fg.vmap(f, in_axes=axes)(*args),
        rtol=1e-6,
    )


@pytest.mark.parametrize("place", [0, 1, 2, -1, -2, -3])
def test_out_axes_is_where_the_mapped_axis_stands(place: int) -> None:
    rows = fg.vmap(np.sin)(A)
    assert rows.shape == (3, 4, 5)
    found = fg.vmap(np.sin, out_axes=place)(A)
    np.testing.assert_array_equal(found, np.moveaxis(rows, 0, place))
    chunked = fg.vmap(np.sin, out_axes=place, chunk_size=2)(A)
    np.testing.assert_array_equal(chunked, found)


def test_axes_are_trees_that_are_prefixes_of_the_arguments() -> None:
    def f(layer: dict[str, Any], pair: tuple[Any, Any]) -> dict[str, Any]:
        return {"y": pair[0] @ layer["w"] + layer["b"], "z": (pair[1], layer["b"])}

    layer = {"w": RNG.normal(size=(4, 2, 6)), "b": np.ones(2)}
    pair = (RNG.normal(size=(6, 4)), np.arange(6.0))
    mapped = fg.vmap(f, in_axes=({"w": 2, "b": None}, 0), out_axes={"y": 1, "z": (0, None)})
    found = mapped(layer, pair)
    expected = [
        f({"w": layer["w"][:, :, i], "b": layer["b"]}, (pair[0][i], pair[1][i])) for i in range(6)
    ]
    np.testing.assert_allclose(found["y"], np.stack([e["y"] for e in expected], axis=1))
    np.testing.assert_array_equal(found["z"][0], pair[1])
    np.testing.assert_array_equal(found["z"][1], layer["b"])


def test_axes_of_a_namedtuple() -> None:
    class Point(NamedTuple):
        x: Any
        y: Any

    found = fg.vmap(lambda p: p.x * p.y, in_axes=(Point(0, None),))(Point(np.arange(3.0), 2.0))
    np.testing.assert_array_equal(found, [0.0, 2.0, 4.0])


def test_keyword_arguments_are_mapped_over_their_first_axis() -> None:
    found = fg.vmap(lambda x, *, y: x * y, in_axes=None)(2.0, y=np.arange(3.0))
    np.testing.assert_array_equal(found, [0.0, 2.0, 4.0])


def test_a_list_of_axes_is_a_tuple_of_them() -> None:
    found = fg.vmap(lambda x, y: x * y, in_axes=[0, None])(np.arange(3.0), 2.0)
    np.testing.assert_array_equal(found, [0.0, 2.0, 4.0])


def test_a_shared_argument_need_not_be_an_array() -> None:
    def f(x: Any, mode: str, power: int) -> Any:
        return x**power if mode == "power" else x

    found = fg.vmap(f, in_axes=(0, None, None))(np.arange(3.0), "power", 2)
    np.testing.assert_array_equal(found, [0.0, 1.0, 4.0])


def test_a_result_that_is_the_same_for_all_examples_is_repeated() -> None:
    found = fg.vmap(lambda x: (V, 1.5, 7, x))(np.ones(3))
    np.testing.assert_array_equal(found[0], np.stack([V] * 3))
    np.testing.assert_array_equal(found[1], [1.5] * 3)
    np.testing.assert_array_equal(found[2], [7] * 3)
    assert found[0].flags.writeable
    assert not np.shares_memory(found[0], V)


def test_none_is_an_empty_tree_in_arguments_and_results() -> None:
    assert fg.vmap(lambda x, y: (x, y))(np.ones(2), None)[1] is None


def test_axis_size_replaces_mapped_arguments() -> None:
    assert fg.vmap(lambda: np.ones(2), axis_size=3)().shape == (3, 2)
    assert fg.vmap(lambda x: x, in_axes=None, axis_size=3)(1.0).shape == (3,)


def test_no_examples_give_an_empty_result_of_the_right_shape() -> None:
    assert fg.vmap(lambda x: x @ W)(np.zeros((0, 4))).shape == (0, 4)
    assert fg.vmap(lambda x: x @ W, chunk_size=2, out_axes=1)(np.zeros((0, 4))).shape == (4, 0)


def test_the_function_runs_once_a_chunk() -> None:
    calls: list[tuple[int, ...]] = []

    def f(x: Any) -> Any:
        calls.append(x.shape)
        return x

    fg.vmap(f)(A)
    assert calls == [(4, 5)]
    fg.vmap(f, chunk_size=2)(A)
    assert len(calls) == 3


def test_results_share_no_memory_with_arguments() -> None:
    x, shared = A.copy(), V.copy()
    results = fg.vmap(
        lambda x, s: (x, x.T, x[0], s, s), in_axes=(0, None), out_axes=(0, 0, 0, 0, None)
    )(x, shared)
    for result in results:
        assert result.flags.writeable
        assert not np.shares_memory(result, x)
        assert not np.shares_memory(result, shared)
    assert not np.shares_memory(results[0], results[1])


def test_vmap_of_vmap_maps_two_axes() -> None:
    found = fg.vmap(fg.vmap(lambda x, y: x @ y, in_axes=(None, 0)), in_axes=(0, None))(B, B)
    np.testing.assert_allclose(found, B @ B.T)


def test_the_name_and_docstring_of_the_function_are_kept() -> None:
    def f(x: Any) -> Any:
        """Twice."""
        return 2 * x

    assert fg.vmap(f).__name__ == "f"
    assert fg.vmap(f).__doc__ == "Twice."
    assert fg.vmap(partial(f))(np.ones(2)).shape == (2,)


def test_nothing_is_left_for_the_garbage_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        fg.vmap(lambda x: np.sin(x) @ W)(B)
        fg.vmap(lambda x: np.sin(x) @ W, chunk_size=2)(B)
        assert gc.collect() == 0
    finally:
        gc.enable()


# --- what bad input gets ------------------------------------------------------------------------


def refuses(error: type[Exception], words: str, call: Callable[[], Any]) -> None:
    with pytest.raises(error, match=re.escape(words)):
        call()


def test_sizes_that_disagree_name_the_arguments_and_their_sizes() -> None:
    x, y = np.ones(3), {"a": np.ones((2, 4))}
    with pytest.raises(BatchSizeError) as caught:
        fg.vmap(lambda x, y, *, z: x, in_axes=(0, 1))(x, y, z=np.ones(3))
    text = str(caught.value)
    assert "args[0] has size 3 along axis 0" in text
    assert "args[1]['a'] has size 4 along axis 1" in text
    assert "kwargs['z'] has size 3 along axis 0" in text


def test_an_axis_size_that_disagrees_is_refused() -> None:
    refuses(BatchSizeError, "axis_size is 4", lambda: fg.vmap(np.sin, axis_size=4)(np.ones(3)))


def test_many_arguments_that_disagree_are_abbreviated() -> None:
    many = [np.ones(3)] * 20 + [np.ones(2)]
    with pytest.raises(BatchSizeError) as caught:
        fg.vmap(lambda xs: xs)(many)
    assert "args[0][20] has size 2" in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: fg.vmap(np.sin)(3.0), BatchSizeError, "args[0] has shape ()"),
        (
            lambda: fg.vmap(np.sin, in_axes=2)(np.ones((2, 3))),
            BatchSizeError,
            "args[0] has shape (2, 3), and in_axes asks for its axis 2",
        ),
        (lambda: fg.vmap(np.sin, in_axes=None)(1.0), BatchSizeError, "no argument has a mapped"),
        (lambda: fg.vmap(lambda: 1.0)(), BatchSizeError, "no argument has a mapped axis"),
        (lambda: fg.vmap(np.sin, in_axes=0.5), BatchSizeError, "in_axes=0.5"),
        (lambda: fg.vmap(np.sin, out_axes="x"), BatchSizeError, "out_axes='x'"),
        (lambda: fg.vmap(np.sin, axis_size=-1)(np.ones(2)), BatchSizeError, "axis_size=-1"),
        (lambda: fg.vmap(np.sin, chunk_size=0), BatchSizeError, "chunk_size=0"),
        (lambda: fg.vmap(lambda x: x)("text"), InputDtypeError, "args[0] has type str"),
        (
            lambda: fg.vmap(lambda x: x)(np.array([None, 1.0])),
            ObjectArrayError,
            "args[0] is an array of dtype object",
        ),
        (
            lambda: fg.vmap(lambda x: x, in_axes=(0, 0))(np.ones(2)),
            PytreeError,
            "vmap: in_axes has 2 entries for 1 argument",
        ),
        (
            lambda: fg.vmap(lambda x: x, out_axes=(0, 0))(np.ones(2)),
            PytreeError,
            "vmap: out_axes has a tuple of 2",
        ),
        (
            lambda: fg.vmap(np.sin, out_axes=None)(np.ones(2)),
            BatchedValueError,
            "out_axes is None for a result of shape ()",
        ),
        (
            lambda: fg.vmap(np.sin, out_axes=2)(np.ones((2, 3))),
            BatchSizeError,
            "Choose from -2 to 1",
        ),
        (lambda: fg.vmap(lambda x: "text")(np.ones(2)), OutputDtypeError, "returned a str"),
    ],
)
def test_bad_arguments_are_refused(
    call: Callable[[], Any], error: type[Exception], words: str
) -> None:
    refuses(error, words, call)


@pytest.mark.parametrize("ask", [bool, float, int, lambda x: x.item(), lambda x: [1, 2][x]])
def test_a_plain_value_of_something_batched_is_refused_with_the_line(ask: Any) -> None:
    with pytest.raises(BatchedValueError, match=r"test_vmap\.py:\d+"):
        fg.vmap(lambda x: ask(x))(np.arange(2))


def test_a_plain_value_of_something_shared_is_given() -> None:
    assert fg.vmap(lambda x, s: x * float(s[0]), in_axes=(0, None))(V, V).shape == (4,)


def test_a_value_that_outlives_vmap_is_refused_also_after_an_exception() -> None:
    kept: list[Any] = []

    def f(x: Any) -> Any:
        kept.append(x)
        if len(kept) > 1:
            raise KeyError("mine")
        return x

    fg.vmap(f)(np.ones(2))
    with pytest.raises(KeyError, match="mine"):
        fg.vmap(f)(np.ones(2))
    for tracer in kept:
        refuses(LeakedTracerError, "vmap: a traced value was used at ", lambda: tracer + 1)  # noqa: B023  # called at once
    refuses(LeakedTracerError, "vmap", lambda: fg.vmap(lambda x: kept[0])(np.ones(2)))


@pytest.mark.parametrize(
    ("f", "shapes"),
    [
        (lambda x: x + np.ones(4), "operands have the shapes (3,), (4,)."),
        (lambda x: x @ np.ones(4), "operands have the shapes (3,), (4,)."),
        (lambda x: x.reshape(2, 2), "operands have the shape (3,)."),
        (lambda x: x[5], "operands have the shape (3,)."),
    ],
)
def test_an_error_about_shapes_says_which_ones_the_function_sees(f: Any, shapes: str) -> None:
    with pytest.raises((ValueError, IndexError)) as caught:
        fg.vmap(f)(np.ones((2, 3)))
    (note,) = caught.value.__notes__
    assert "mapped axis of size 2" in note
    assert "test_vmap.py" in note
    assert shapes in note


def test_each_of_two_nested_maps_says_which_shapes_its_function_sees() -> None:
    with pytest.raises(ValueError, match="broadcast") as caught:
        fg.vmap(fg.vmap(lambda x: x + np.ones(4)))(np.ones((5, 2, 3)))
    outer, inner = caught.value.__notes__
    assert "size 5" in outer
    assert "(2, 3)" in outer
    assert "size 2" in inner
    assert "(3,), (4,)" in inner


def test_an_error_of_funcgrad_gets_no_note_about_shapes() -> None:
    with pytest.raises(BatchedValueError) as caught:
        fg.vmap(lambda x: 1.0 if x[0] > 0 else 0.0)(np.ones((2, 3)))
    assert not hasattr(caught.value, "__notes__")


def test_assignment_into_a_plain_array_is_answered_with_at_first() -> None:
    def fill(x: Any) -> Any:
        o = np.zeros(3)
        o[0] = x[0]
        return o

    with pytest.raises(BatchedValueError) as caught:
        fg.vmap(fill)(np.ones((2, 3)))
    text = str(caught.value)
    assert "funcgrad.numpy.at(o)[i].set(x) in place of o[i] = x" in text
    assert text.index(".at(o)") < text.index("np.where")
    found = fg.vmap(lambda x: fg.numpy.at(np.zeros(3))[0].set(x[0]))(np.ones((2, 3)))
    np.testing.assert_array_equal(found, [[1.0, 0.0, 0.0]] * 2)


def test_a_plain_list_indexed_by_a_batched_integer_is_answered_with_a_table() -> None:
    table = [10.0, 20.0, 30.0]
    with pytest.raises(BatchedValueError, match=r"Write funcgrad\.numpy\.asarray\(table\)\[i\]"):
        fg.vmap(lambda i: table[i])(np.array([2, 0]))
    found = fg.vmap(lambda i: fg.numpy.asarray(table)[i])(np.array([2, 0]))
    np.testing.assert_array_equal(found, [30.0, 10.0])


@pytest.mark.parametrize(
    ("axes", "count"),
    [((0,), "1 entry for 2 arguments"), ((0, None, 0), "3 entries for 2 arguments")],
)
def test_in_axes_of_another_length_than_the_arguments_are_counted(axes: Any, count: str) -> None:
    with pytest.raises(PytreeError, match=f"^vmap: in_axes has {count}"):
        fg.vmap(np.add, in_axes=axes)(np.ones(2), np.ones(2))
