"""Pytrees as vectors: round trips, dtypes, linearity through NumPy's protocol, mistakes."""

import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from funcgrad import tree
from funcgrad.errors import PytreeError
from funcgrad.flatten_util import ravel_pytree

DTYPES = st.sampled_from(["?", "i1", "u2", "i4", "f2", "f4", "f8", "c8", "c16"])
# Numbers that every one of these dtypes holds exactly.
ARRAYS = DTYPES.flatmap(
    lambda dtype: hnp.arrays(
        dtype,
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
        elements=st.sampled_from([0, 1]),
    )
)
TREES = st.recursive(
    st.one_of(ARRAYS, st.none(), st.booleans(), st.sampled_from([1, 2.5, 1j])),
    lambda children: st.one_of(
        st.lists(children, max_size=3),
        st.tuples(children, children),
        st.dictionaries(st.sampled_from("abc"), children, max_size=2),
    ),
    max_leaves=6,
)


def same(left: Any, right: Any) -> bool:
    return (
        np.shape(left) == np.shape(right)
        and np.asarray(left).dtype == np.asarray(right).dtype
        and np.array_equal(left, right)
    )


# ---------------------------------------------------------------------------------------------
# Round trips


@given(TREES)
def test_unravel_undoes_ravel(original: Any) -> None:
    flat, unravel = ravel_pytree(original)
    copied = unravel(flat)
    assert tree.structure(copied) == tree.structure(original)
    assert tree.all(tree.map(same, copied, original))


@given(TREES)
def test_the_vector_holds_every_element_once_and_in_order(original: Any) -> None:
    flat, _ = ravel_pytree(original)
    elements = [x for leaf in tree.leaves(original) for x in np.ravel(leaf)]
    assert flat.shape == (len(elements),)
    assert list(flat) == elements


@given(TREES)
def test_the_dtype_of_the_vector_is_the_common_one(original: Any) -> None:
    flat, _ = ravel_pytree(original)
    dtypes = [np.asarray(leaf).dtype for leaf in tree.leaves(original)]
    assert flat.dtype == (np.result_type(*dtypes) if dtypes else np.float64)


@given(TREES)
def test_ravel_undoes_unravel(original: Any) -> None:
    flat, unravel = ravel_pytree(original)
    assert same(ravel_pytree(unravel(flat))[0], flat)


@pytest.mark.parametrize("empty", [(), None, {"a": []}])
def test_a_tree_without_leaves_is_an_empty_vector_of_floats(empty: Any) -> None:
    flat, unravel = ravel_pytree(empty)
    assert flat.shape == (0,)
    assert flat.dtype == np.float64
    assert unravel(flat) == empty


def test_an_array_without_elements_comes_back_with_its_shape() -> None:
    flat, unravel = ravel_pytree({"a": np.zeros((0, 3), np.float32), "b": np.ones(2)})
    assert unravel(flat)["a"].shape == (0, 3)
    assert unravel(flat)["a"].dtype == np.float32


def test_scalars_come_back_as_numpy_scalars_and_arrays_as_arrays() -> None:
    flat, unravel = ravel_pytree([1, 2.5, np.float32(3.0), np.array(4.0)])
    kinds = [type(leaf) for leaf in unravel(flat)]
    assert kinds == [np.int64, np.float64, np.float32, np.ndarray]


def test_a_python_float_beside_a_float32_array_loses_no_digits() -> None:
    flat, unravel = ravel_pytree([0.1, np.ones(1, np.float32)])
    assert flat.dtype == np.float64
    assert unravel(flat)[0] == 0.1


def test_unravel_casts_back_what_was_computed_in_another_precision() -> None:
    _, unravel = ravel_pytree({"w": np.ones(2, np.float32)})
    assert unravel(np.array([1.5, 2.5]))["w"].dtype == np.float32
    assert unravel(np.array([1, 2]))["w"].dtype == np.float32


def test_a_real_leaf_beside_a_complex_one_takes_the_real_part() -> None:
    _, unravel = ravel_pytree((np.ones(1), np.ones(1, complex)))
    real, full = unravel(np.array([1 + 2j, 3 + 4j]))
    assert same(real, np.array([1.0]))
    assert same(full, np.array([3 + 4j]))


def test_unravel_takes_a_list_of_numbers() -> None:
    assert same(ravel_pytree(np.ones(2))[1]([1.0, 2.0]), np.array([1.0, 2.0]))


# ---------------------------------------------------------------------------------------------
# Aliases and identity


def test_the_vector_shares_no_memory_with_the_tree() -> None:
    original = np.ones(3)
    assert not np.shares_memory(ravel_pytree(original)[0], original)
    assert not np.shares_memory(ravel_pytree([original])[0], original)


def test_an_unraveled_tree_shares_no_memory_with_the_vector() -> None:
    flat, unravel = ravel_pytree([np.ones(3), np.ones((2, 2))])
    assert not any(np.shares_memory(leaf, flat) for leaf in unravel(flat))
    assert all(leaf.flags.writeable for leaf in unravel(flat))


def test_trees_of_equal_shapes_and_dtypes_have_equal_inverses() -> None:
    first = ravel_pytree({"a": np.ones(2), "b": 1.0})[1]
    second = ravel_pytree({"b": 3.0, "a": np.zeros(2)})[1]
    third = ravel_pytree({"a": np.ones((2, 1)), "b": 1.0})[1]
    assert first == second
    assert hash(first) == hash(second)
    assert first != third


def test_an_inverse_survives_pickling() -> None:
    flat, unravel = ravel_pytree({"a": np.ones(2), "b": 1.0})
    twin = pickle.loads(pickle.dumps(unravel))
    assert twin == unravel
    assert tree.all(tree.map(same, twin(flat), unravel(flat)))


# ---------------------------------------------------------------------------------------------
# Traced values


class Linear(np.lib.mixins.NDArrayOperatorsMixin):
    """A value and its tangent, which knows NumPy's linear functions only, by NEP 18."""

    def __init__(self, value: Any, tangent: Any) -> None:
        self.value, self.tangent = np.asarray(value), np.asarray(tangent)
        self.shape, self.dtype = self.value.shape, self.value.dtype

    def astype(self, dtype: Any) -> "Linear":
        return Linear(self.value.astype(dtype), self.tangent.astype(dtype))

    def __array__(self, *_args: Any, **_keywords: Any) -> Any:
        raise TypeError("the derivative would be lost")

    def __array_function__(
        self, function: Callable[..., Any], _types: Any, args: Any, keywords: Any
    ) -> Any:
        assert function in (np.ravel, np.concatenate, np.split, np.reshape, np.real)

        def value(item: Any) -> Any:
            return item.value if isinstance(item, Linear) else item

        def tangent(item: Any) -> Any:
            return item.tangent if isinstance(item, Linear) else 0 * np.asarray(item)

        first, *others = args
        listed = isinstance(first, list)
        results = [
            function([part(item) for item in first] if listed else part(first), *others, **keywords)
            for part in (value, tangent)
        ]
        if isinstance(results[0], list):
            return [Linear(*pair) for pair in zip(*results, strict=True)]
        return Linear(*results)


def test_raveling_carries_tangents_along() -> None:
    traced = {
        "a": Linear(np.ones((2, 2)), [[1.0, 2.0], [3.0, 4.0]]),
        "b": np.ones(1),
        "c": Linear(np.float32(1.0), np.float32(5.0)),
    }
    flat, _ = ravel_pytree(traced)
    assert same(flat.value, np.ones(6))
    assert same(flat.tangent, np.array([1.0, 2.0, 3.0, 4.0, 0.0, 5.0]))


def test_unraveling_carries_tangents_along() -> None:
    _, unravel = ravel_pytree({"a": np.ones((2, 1)), "b": np.float32(1), "c": np.ones(0)})
    copied = unravel(Linear(np.zeros(3), [1.0, 2.0, 3.0]))
    assert same(copied["a"].tangent, np.array([[1.0], [2.0]]))
    assert copied["b"].dtype == np.float32
    assert copied["b"].tangent == 3.0
    assert copied["c"].shape == (0,)


# ---------------------------------------------------------------------------------------------
# Mistakes


@pytest.mark.parametrize("shape", [(), (2,), (4,), (3, 1)])
def test_a_vector_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    _, unravel = ravel_pytree((1.0, np.ones(2)))
    text = re.escape(f"unravel: was given shape {shape}, but the raveled tree has 3 elements. ")
    with pytest.raises(PytreeError, match=f"^{text}"):
        unravel(np.ones(shape))


@pytest.mark.parametrize(
    ("leaf", "dtype"), [(np.ones(2), complex), (np.ones(2, int), float), (np.ones(2, bool), int)]
)
def test_a_dtype_that_cannot_be_cast_back_is_refused(leaf: Any, dtype: type) -> None:
    _, unravel = ravel_pytree(leaf)
    given_ = np.dtype(dtype)
    with pytest.raises(
        PytreeError, match=rf"^unravel: was given dtype {given_}, .* raveled to {leaf.dtype}\. "
    ):
        unravel(np.ones(2, dtype))


@pytest.mark.parametrize(
    ("leaf", "kind"),
    [
        ("tanh", "str"),
        (object(), "object"),
        (np.array(["a"]), "dtype <U1"),
        (np.array([None]), "dtype object"),
        (10**30, "dtype object"),
        (np.datetime64("2020-01-01"), "dtype datetime64"),
    ],
)
def test_a_leaf_that_is_no_number_is_refused_with_its_key_path(leaf: Any, kind: str) -> None:
    with pytest.raises(
        PytreeError, match=rf"^ravel_pytree: the leaf at \['w'\]\[1\] is of {re.escape(kind)}"
    ):
        ravel_pytree({"w": [1.0, leaf]})
