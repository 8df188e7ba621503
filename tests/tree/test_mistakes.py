"""What mistakes say: the key path, and what each side has there."""

import re
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

from funcgrad import tree
from funcgrad.errors import FuncgradError, PytreeError
from funcgrad.tree import (
    LEAF,
)
from tests.tree.sample_trees import Interval, Layer, Point


@pytest.mark.parametrize(
    ("first", "second", "where"),
    [
        ((1, 2), [1, 2], "a list of 2 at the root, where a tuple of 2 is expected"),
        ({"w": [(1, 2)]}, {"w": [(1,)]}, "a tuple of 1 at ['w'][0], where a tuple of 2"),
        (
            {"a": 1, "b": 2},
            {"a": 1, "c": 2},
            "a dict with the keys 'a', 'c' (without 'b', with 'c' besides) at the root, where a "
            "dict with the keys 'a', 'b' is expected",
        ),
        (
            [(1, 2)],
            [np.ones(3, np.float32)],
            "a leaf of type ndarray, shape (3,), dtype float32 at [0], where a tuple of 2",
        ),
        ([None], [3.0], "a leaf of type float at [0], where None is expected"),
        (Point(1, (2,)), Point(1, 2), "a leaf of type int at .y, where a tuple of 1"),
        (
            Layer(1, 2, "in"),
            Layer(1, 2, "out"),
            "a Layer of 2 with meta data ('out',) at the root, where a Layer of 2 with meta data "
            "('in',) is expected",
        ),
        ({"a": 1}, OrderedDict(a=1), "an OrderedDict with the keys 'a' at the root, where a dict"),
        (Interval([1], 2), Interval(1, 2), "a leaf of type int at [<flat index 0>], where a list"),
    ],
)
def test_map_names_the_key_path_where_two_trees_differ_and_both_sides(
    first: Any, second: Any, where: str
) -> None:
    with pytest.raises(PytreeError, match=rf"^map: tree 2 has {re.escape(where)}"):
        tree.map(lambda a, b: a, first, second)


def test_the_first_of_several_differences_is_named() -> None:
    left, right = tree.structure([(1,), (2,)]), tree.structure([1, 2])
    assert tree.difference(left, right) == "a leaf at [0], where a tuple of 1 is expected"


def test_map_says_which_of_many_trees_does_not_fit() -> None:
    with pytest.raises(PytreeError, match=r"^map: tree 3 has a list of 1 at \['a'\]"):
        tree.map(max, {"a": (1,)}, {"a": (1,)}, {"a": [1]})


def test_a_prefix_that_does_not_fit_is_named_with_the_key_path() -> None:
    with pytest.raises(
        PytreeError,
        match=r"^vmap: in_axes has a tuple of 3 at \[1\]\['x'\], where the full tree has a tuple "
        r"of 2\. It must be a prefix of the full tree\. ",
    ):
        tree.broadcast_to_structure(
            (0, {"x": (0, 0, 0)}),
            tree.structure((1, {"x": (1, 2)})),
            caller="vmap",
            name="in_axes",
        )


def test_a_prefix_that_goes_deeper_than_the_tree_is_refused() -> None:
    with pytest.raises(
        PytreeError, match=r"a tuple of 2 at \['a'\], where the full tree has a leaf"
    ):
        tree.broadcast({"a": (0, 1)}, {"a": 3.0})


def test_the_first_missing_leaf_is_named() -> None:
    structure = tree.structure({"a": 1, "b": [2, 3]})
    with pytest.raises(
        PytreeError,
        match=r"^unflatten: was given 2 leaves for Structure\(\{'a': \*, 'b': \[\*, \*\]\}\), "
        r"which has 3\. The first one missing is the leaf at \['b'\]\[1\]\. ",
    ):
        tree.unflatten(structure, [1, 2])


def test_surplus_leaves_are_counted_behind_the_last_one() -> None:
    with pytest.raises(PytreeError, match=r"last one that has a place is the leaf at \[0\]\. "):
        tree.unflatten(tree.structure([1]), [1, 2])
    with pytest.raises(PytreeError, match=r"None of them has a place"):
        tree.unflatten(tree.structure(None), [1])


def test_long_structures_are_cut_off_in_messages() -> None:
    with pytest.raises(PytreeError) as caught:
        tree.unflatten(tree.structure(list(range(10_000))), [])
    assert len(str(caught.value)) < 500


def test_pytree_errors_can_be_caught_as_value_errors_and_as_funcgrads() -> None:
    for kind in (ValueError, FuncgradError):
        with pytest.raises(kind):
            tree.unflatten(LEAF, [])


@pytest.mark.parametrize(
    ("expected", "given_", "text"),
    [
        ((1, 2), (1, 2), ""),
        (1, (1, 2), "a tuple of 2 at the root, where a leaf is expected"),
        ({"w": (1,)}, {"w": [1]}, "a list of 1 at ['w'], where a tuple of 1 is expected"),
        ([1, None], [1, 2], "a leaf at [1], where None is expected"),
        (list(range(9)), 1, "a leaf at the root, where a list of 9 is expected"),
    ],
)
def test_the_difference_of_two_structures_is_told_in_words(
    expected: Any, given_: Any, text: str
) -> None:
    assert tree.difference(tree.structure(expected), tree.structure(given_)) == text
