"""Structures: printed, compared, hashed; deep trees; nothing is kept alive."""

import gc
import sys
import weakref
from collections import OrderedDict, defaultdict
from typing import Any

import numpy as np
import pytest

from funcgrad import tree
from funcgrad.errors import PytreeError
from funcgrad.tree import (
    LEAF,
    Partial,
)
from tests.tree.sample_trees import Interval, Layer, Point, Setting, function


@pytest.mark.parametrize(
    ("original", "text"),
    [
        (1, "*"),
        ((1,), "(*,)"),
        ({"b": (1, 2), "a": [3, ()]}, "{'a': [*, ()], 'b': (*, *)}"),
        (None, "None"),
        (Point(1, None), "Point(x=*, y=None)"),
        (OrderedDict(b=1), "OrderedDict({'b': *})"),
        (defaultdict(int, a=1), "defaultdict(<class 'int'>, {'a': *})"),
        (Layer(1, [2], "in"), "Layer(weight=*, bias=[*], name='in')"),
        (Interval(1, 2), "Interval(*, *)"),
        (Setting(1), "Setting(value=1)"),
        (Partial(max, 1), "Partial(func=<built-in function max>, args=(*,), keywords={})"),
    ],
)
def test_a_structure_prints_as_the_tree_with_stars_for_leaves(original: Any, text: str) -> None:
    assert repr(tree.structure(original)) == f"Structure({text})"


@pytest.mark.parametrize("name", ["num_leaves", "children", "meta", "surplus"])
def test_a_structure_cannot_be_changed(name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(tree.structure((1, 2)), name, 3)


def test_a_structure_tells_the_type_and_the_children_of_its_root() -> None:
    structure = tree.structure({"a": (1, 2)})
    assert structure.node_type is dict
    assert structure.children == (tree.structure((0, 0)),)
    assert structure.meta == ("a",)
    assert tree.structure(Point(1, 2)).node_type is Point
    assert LEAF.node_type is None


def test_a_structure_is_not_equal_to_other_objects() -> None:
    assert tree.structure((1, 2)) != (1, 2)
    assert LEAF != "*"


def test_containers_of_different_types_have_different_structures() -> None:
    trees = [(), [], {}, None, OrderedDict(), defaultdict(), 1, (1,), [1], ((),), {"a": 1}]
    structures = [tree.structure(item) for item in trees]
    assert len(set(structures)) == len(trees)


def test_the_hash_of_a_structure_with_unhashable_meta_data_says_where() -> None:
    structure = tree.structure(Layer(1, 2, ["no", "hash"]))  # type: ignore[arg-type]  # a list on purpose
    with pytest.raises(TypeError, match="unhashable type") as caught:
        hash(structure)
    assert "has meta data without a hash" in caught.value.__notes__[0]


def test_arrays_as_meta_data_are_refused_when_structures_are_compared() -> None:
    left, right = (tree.structure(Layer(1, 2, np.ones(2))) for _ in range(2))  # type: ignore
    with pytest.raises(PytreeError, match=r"the meta data of Layer have no truth value under =="):
        assert left == right


def test_a_pickled_structure_of_an_unregistered_type_is_refused() -> None:
    structure = tree.structure([0])
    restore, (_, meta, children) = structure.__reduce__()
    with pytest.raises(PytreeError, match=r"node of type set, which is not registered"):
        restore(set, meta, children)


def nested(depth: int) -> Any:
    deep: Any = 1.0
    for _ in range(depth):
        deep = [deep]
    return deep


def test_three_hundred_levels_of_lists_make_a_round_trip() -> None:
    original = nested(300)
    pairs, structure = tree.flatten_with_path(original)
    assert [len(path) for path, _ in pairs] == [300]
    assert tree.unflatten(*reversed(tree.flatten(original))) == original
    assert hash(structure) == hash(tree.structure(original))


@pytest.mark.parametrize("flatten", [tree.flatten, tree.flatten_with_path])
def test_more_levels_than_python_can_recurse_are_refused(flatten: Any) -> None:
    deep = nested(2 * sys.getrecursionlimit())
    with pytest.raises(PytreeError, match=rf"^{flatten.__name__}: .*recursion limit"):
        flatten(deep)


def test_a_list_that_holds_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(PytreeError, match="a container that holds itself has no end"):
        tree.flatten(loop)


TREES_OF_ARRAYS = {
    "leaf": lambda a, b: a,
    "pair": lambda a, b: (a, b),
    "nested": lambda a, b: {"w": [a, (b, None)], "p": Point(a, Layer(a, b))},
    "partial": lambda a, b: Partial(function, a, b=b),
    "ordered": lambda a, b: OrderedDict(a=a, b=Interval(a, b)),
}


@pytest.mark.parametrize("make", TREES_OF_ARRAYS.values(), ids=TREES_OF_ARRAYS.keys())
def test_no_reference_cycle_keeps_arrays_alive(make: Any) -> None:
    def use() -> list[weakref.ref[Any]]:
        a, b = np.ones(3), np.zeros(3)
        leaves, structure = tree.flatten(make(a, b))
        tree.unflatten(structure, leaves)
        tree.map(lambda x, y: x + y, make(a, b), make(a, b))
        tree.map_with_path(lambda _path, x: x, make(a, b), is_leaf=lambda node: node is None)
        tree.broadcast(0, make(a, b))
        tree.transpose(structure, None, tree.map(lambda x: [x, x], make(a, b)))
        tree.reduce(lambda x, y: x + y, make(a, b))
        return [weakref.ref(a), weakref.ref(b)]

    use()
    gc.collect()
    gc.disable()
    try:
        arrays = use()
        assert [array() for array in arrays] == [None, None]
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_refused_tree_is_not_kept_alive() -> None:
    def use() -> weakref.ref[Any]:
        a = np.ones(3)
        with pytest.raises(PytreeError):
            tree.map(lambda x, y: x + y, (a, a), [a, a])
        return weakref.ref(a)

    assert use()() is None
