"""Which objects are nodes, and in which order their children come."""

import pickle
from collections import OrderedDict, defaultdict, namedtuple

import pytest

from funcgrad import tree
from funcgrad.tree import (
    LEAF,
)
from tests.tree.sample_trees import Point


def test_dict_values_come_in_the_order_of_the_sorted_keys() -> None:
    assert tree.leaves({"b": 1, "a": 2, "c": 3}) == [2, 1, 3]


def test_the_order_of_insertion_does_not_matter_to_a_dict() -> None:
    assert tree.structure({"b": 1, "a": 2}) == tree.structure({"a": 2, "b": 1})
    assert tree.structure(defaultdict(int, b=1, a=2)) == tree.structure(defaultdict(int, a=2, b=1))


def test_keys_that_cannot_be_sorted_keep_the_order_of_insertion() -> None:
    mixed = {"b": 1, 0: 2, "a": 3}
    assert tree.leaves(mixed) == [1, 2, 3]
    assert list(tree.map(abs, mixed)) == ["b", 0, "a"]


def test_map_pairs_keys_that_cannot_be_sorted_by_key_and_not_by_order() -> None:
    assert tree.map(lambda a, b: (a, b), {"b": 1, 0: 2}, {0: 20, "b": 10}) == {
        "b": (1, 10),
        0: (2, 20),
    }


def test_structures_with_unsortable_keys_in_another_order_differ_and_say_so() -> None:
    left, right = tree.structure({"b": 1, 0: 2}), tree.structure({0: 2, "b": 1})
    assert left != right
    assert tree.difference(left, right) == (
        "Structure({0: *, 'b': *}), where Structure({'b': *, 0: *}) is expected"
    )


def test_the_order_of_insertion_matters_to_an_ordered_dict() -> None:
    left, right = OrderedDict(b=1, a=2), OrderedDict(a=2, b=1)
    assert tree.leaves(left) == [1, 2]
    assert tree.structure(left) != tree.structure(right)


def test_a_defaultdict_keeps_its_factory_and_flattening_adds_no_keys() -> None:
    original = defaultdict(list, a=1)
    copied = tree.map(abs, original)
    assert copied.default_factory is list
    assert list(original) == ["a"]


def test_none_is_a_node_without_leaves() -> None:
    assert tree.flatten(None)[0] == []
    assert tree.map(abs, [None, -1]) == [None, 1]


def test_a_namedtuple_comes_back_as_its_own_type() -> None:
    mapped = tree.map(abs, Point(-1, -2))
    assert type(mapped) is Point
    assert mapped == Point(1, 2)


def test_a_subclass_of_a_namedtuple_is_put_together_without_its_constructor() -> None:
    class Checked(namedtuple("Checked", "x y")):
        __slots__ = ()

        def __new__(cls, x: float) -> "Checked":
            return super().__new__(cls, x, 2 * x)

    mapped = tree.map(lambda leaf: [leaf], Checked(1))
    assert type(mapped) is Checked
    assert tuple(mapped) == ([1], [2])


@pytest.mark.parametrize("base", [tuple, list, dict])
def test_subclasses_of_containers_are_leaves(base: type) -> None:
    leaf = type("Sub", (base,), {})()
    assert tree.flatten(leaf) == ([leaf], LEAF)
    assert tree.flatten((leaf, [leaf]))[0] == [leaf, leaf]


def test_namedtuples_of_different_types_have_different_structures() -> None:
    other = namedtuple("Other", "x y")
    assert tree.structure(Point(1, 2)) != tree.structure(other(1, 2))
    assert tree.structure(Point(1, 2)) != tree.structure((1, 2))


@pytest.mark.parametrize("size", [0, 1, 2, 16, 17, 40])
def test_short_and_long_tuples_are_flattened_alike(size: int) -> None:
    leaves, structure = tree.flatten(tuple(range(size)))
    assert leaves == list(range(size))
    assert structure == tree.flatten(tuple(range(size)), is_leaf=lambda _node: False)[1]
    assert structure == pickle.loads(pickle.dumps(structure))


def test_the_leaves_of_flatten_are_a_fresh_list() -> None:
    original = [1, 2]
    tree.flatten(original)[0].append(3)
    assert original == [1, 2]


def test_is_leaf_stops_at_a_node() -> None:
    assert tree.leaves([(1, 2), [3]], is_leaf=lambda node: isinstance(node, tuple)) == [(1, 2), 3]


def test_is_leaf_may_take_none_or_the_root() -> None:
    assert tree.leaves([None, 1], is_leaf=lambda node: node is None) == [None, 1]
    assert tree.flatten((1, 2), is_leaf=lambda node: True) == ([(1, 2)], LEAF)
    assert tree.flatten_with_path((1, 2), is_leaf=lambda node: True) == ([((), (1, 2))], LEAF)
