"""reduce, all, transpose, prefixes and key paths."""

from typing import Any

import pytest

from funcgrad import tree
from funcgrad.errors import PytreeError
from funcgrad.tree import (
    DictKey,
    FlattenedIndexKey,
    GetAttrKey,
    SequenceKey,
)


def test_reduce_folds_from_the_left() -> None:
    assert tree.reduce(lambda text, leaf: f"({text}{leaf})", {"b": 2, "a": [0, 1]}) == "((01)2)"
    assert tree.reduce(lambda text, leaf: f"({text}{leaf})", [1, 2], "s") == "((s1)2)"


def test_reduce_takes_none_as_an_initializer() -> None:
    assert tree.reduce(lambda total, leaf: (total, leaf), [1], None) == (None, 1)


def test_reduce_without_leaves_needs_an_initializer() -> None:
    assert tree.reduce(max, [], 3) == 3
    with pytest.raises(PytreeError, match=r"^reduce: was given Structure\(\[\]\), which has no"):
        tree.reduce(max, [])


@pytest.mark.parametrize(
    ("original", "truth"), [((), True), ([1, (2,)], True), ([1, (0,)], False), (None, True)]
)
def test_all_asks_every_leaf(original: Any, *, truth: bool) -> None:
    assert tree.all(original) is truth


def test_all_and_reduce_can_take_none_as_a_leaf() -> None:
    assert tree.all([None], is_leaf=lambda node: node is None) is False
    assert tree.reduce(lambda n, _: n + 1, [None, 1], 0, is_leaf=lambda x: x is None) == 2


def test_transpose_takes_the_inner_structure_from_the_first_inner_tree() -> None:
    rows = ({"a": 1, "b": [2]}, {"a": 3, "b": [4]})
    assert tree.transpose(tree.structure((0, 0)), None, rows) == {"a": (1, 3), "b": [(2, 4)]}


def test_transpose_of_nothing_needs_the_inner_structure() -> None:
    with pytest.raises(PytreeError, match=r"and no inner one\. "):
        tree.transpose(tree.structure(()), None, ())
    assert tree.transpose(tree.structure(()), tree.structure([0, 0]), ()) == [(), ()]


def test_transpose_refuses_a_tree_in_the_place_of_a_structure() -> None:
    with pytest.raises(PytreeError, match=r"^transpose: outer is a list\. It must be a Structure"):
        tree.transpose([0, 0], None, [{"a": 1}, {"a": 2}])  # type: ignore[arg-type]  # refused


def test_transpose_names_where_an_inner_tree_differs() -> None:
    with pytest.raises(
        PytreeError,
        match=r"^transpose: inner tree 1 has a tuple of 1 at \['b'\], where a list of 1",
    ):
        tree.transpose(tree.structure([0, 0]), None, [{"b": [1]}, {"b": (1,)}])


def test_map_passes_subtrees_that_stand_behind_a_leaf_of_the_first_tree() -> None:
    assert tree.map(lambda n, sub: sub[n], {"a": 0, "b": 1}, {"a": (5, 6), "b": [7, 8]}) == {
        "a": 5,
        "b": 8,
    }


def test_none_in_a_prefix_can_be_a_leaf() -> None:
    axes = {"w": 0, "b": None}
    full = {"w": [1, 2], "b": (3, {"x": 4})}
    is_leaf = lambda node: node is None
    assert tree.broadcast(axes, full, is_leaf) == [None, None, 0, 0]
    assert tree.broadcast(None, full, is_leaf) == [None] * 4


def test_a_prefix_leaf_over_none_stands_for_nothing() -> None:
    assert tree.broadcast((0, 1), (None, 5)) == [1]


def test_none_in_a_prefix_is_a_node_unless_it_is_declared_a_leaf() -> None:
    assert tree.broadcast((None, 0), (None, 5)) == [0]
    with pytest.raises(PytreeError, match=r"^broadcast: the prefix tree has None at \[0\], where"):
        tree.broadcast((None, 0), (4, 5))


def test_a_tuple_subclass_in_a_prefix_is_a_leaf() -> None:
    leaf = type("Sub", (tuple,), {})((1, 2))
    assert tree.broadcast(leaf, [1, 2]) == [leaf, leaf]


def test_keystr_writes_bare_names_with_a_separator() -> None:
    path = (DictKey("w"), SequenceKey(0), GetAttrKey("x"), FlattenedIndexKey(2), "own")
    assert tree.keystr(path) == "['w'][0].x[<flat index 2>]own"
    assert tree.keystr(path, simple=True, separator="/") == "w/0/x/2/own"
    assert tree.keystr(()) == ""


def test_keys_are_compared_by_kind_and_value() -> None:
    keys = {SequenceKey(0), FlattenedIndexKey(0), DictKey(0), GetAttrKey("0"), SequenceKey(0)}
    assert len(keys) == 4
