"""Registered types and Partial."""

import dataclasses
import functools
import inspect
import pickle
import threading
from typing import Any

import pytest

from funcgrad import tree
from funcgrad.errors import PytreeError
from funcgrad.tree import (
    LEAF,
    FlattenedIndexKey,
    Partial,
)
from tests.tree.sample_trees import Interval, Layer, Setting, function


def test_the_meta_fields_of_a_dataclass_are_structure() -> None:
    assert tree.leaves(Layer(1, 2, "a")) == [1, 2]
    assert tree.structure(Layer(1, 2, "a")) != tree.structure(Layer(1, 2, "b"))


def test_a_dataclass_field_marked_static_is_a_meta_field() -> None:
    @tree.register_dataclass
    @dataclasses.dataclass
    class Marked:
        weight: Any
        size: int = dataclasses.field(metadata={"static": True})

    assert tree.flatten(Marked(1.0, 3))[0] == [1.0]
    assert tree.map(lambda leaf: -leaf, Marked(1.0, 3)) == Marked(-1.0, 3)


def test_a_dataclass_without_fields_has_no_leaves() -> None:
    @tree.register_dataclass
    @dataclasses.dataclass
    class Empty:
        pass

    assert tree.map(abs, [Empty(), -1]) == [Empty(), 1]


def test_a_dataclass_field_without_init_is_left_to_the_constructor() -> None:
    @tree.register_dataclass
    @dataclasses.dataclass
    class Doubled:
        x: Any
        twice: Any = dataclasses.field(init=False)

        def __post_init__(self) -> None:
            self.twice = 2 * self.x

    assert tree.map(lambda leaf: leaf + 1, Doubled(1)).twice == 4


def test_a_plain_class_can_be_registered_by_its_fields() -> None:
    class Plain:
        def __init__(self, *, a: Any, b: Any) -> None:
            self.a, self.b = a, b

    tree.register_dataclass(Plain, data_fields=["a"], meta_fields=["b"])
    leaves, structure = tree.flatten(Plain(a=1, b="meta"))
    assert leaves == [1]
    assert tree.unflatten(structure, [5]).b == "meta"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"data_fields": ["x"], "meta_fields": ["x"]}, r"x of Bad: named as data and as meta"),
        ({"data_fields": ["x", "z"]}, r"z of Bad: no constructor argument"),
        ({"data_fields": ["x"], "meta_fields": []}, r"y of Bad: neither data nor meta field"),
    ],
)
def test_wrong_field_names_of_a_dataclass_are_refused(arguments: dict[str, Any], text: str) -> None:
    @dataclasses.dataclass
    class Bad:
        x: Any
        y: Any

    Bad.__qualname__ = "Bad"
    with pytest.raises(PytreeError, match=rf"^register_dataclass: {text}"):
        tree.register_dataclass(Bad, **arguments)


def test_a_class_that_is_no_dataclass_needs_both_kinds_of_fields() -> None:
    with pytest.raises(PytreeError, match=r"which is no dataclass"):
        tree.register_dataclass(type("Plain", (), {}))


def test_a_static_object_is_part_of_the_structure() -> None:
    assert tree.leaves([Setting(3), 1]) == [1]
    assert tree.map(abs, [Setting(3), -1]) == [Setting(3), 1]
    assert tree.structure(Setting(3)) == tree.structure(Setting(3))
    assert tree.structure(Setting(3)) != tree.structure(Setting(4))


def test_a_class_registered_by_its_methods_is_a_node() -> None:
    @tree.register_node_class
    class Pair:
        def __init__(self, left: Any, right: Any, note: str) -> None:
            self.left, self.right, self.note = left, right, note

        def tree_flatten(self) -> tuple[Any, Any]:
            return (child for child in (self.left, self.right)), self.note

        @classmethod
        def tree_unflatten(cls, meta: str, children: tuple[Any, ...]) -> "Pair":
            return cls(*children, meta)

    mapped = tree.map(abs, Pair(-1, [-2], "note"))
    assert (mapped.left, mapped.right, mapped.note) == (1, [2], "note")
    paths = [path for path, _ in tree.leaves_with_path(Pair(1, 2, ""))]
    assert paths == [(FlattenedIndexKey(0),), (FlattenedIndexKey(1),)]


def test_children_are_given_back_to_unflatten_as_a_tuple() -> None:
    class Kept:
        def __init__(self, children: Any) -> None:
            self.children = children

    tree.register_node(Kept, lambda kept: (list(kept.children), None), lambda _, c: Kept(c))
    assert tree.map(abs, Kept([-1, -2])).children == (1, 2)


def test_a_node_class_without_the_methods_is_refused() -> None:
    with pytest.raises(PytreeError, match=r"^register_node_class: .*lacks tree_unflatten\. "):
        tree.register_node_class(type("Half", (), {"tree_flatten": lambda self: ((), None)}))


@pytest.mark.parametrize("cls", [dict, type(None), Layer])
def test_a_type_cannot_be_registered_twice(cls: type) -> None:
    with pytest.raises(PytreeError, match=rf"{cls.__name__}, which is a pytree node already"):
        tree.register_static(cls)


def test_an_object_that_is_no_class_cannot_be_registered() -> None:
    with pytest.raises(PytreeError, match=r"^register_static: was given 3, which is no class"):
        tree.register_static(3)  # type: ignore[type-var]  # refused


def test_a_subclass_of_a_registered_class_is_a_leaf() -> None:
    leaf = type("Sub", (Interval,), {})(1, 2)
    assert tree.structure(leaf) is LEAF


def test_only_one_of_many_threads_can_register_a_type() -> None:
    cls = type("Contended", (), {})
    barrier = threading.Barrier(8)
    outcomes = []

    def register() -> None:
        barrier.wait()
        try:
            outcomes.append(tree.register_static(cls))
        except PytreeError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=register) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [outcome is cls for outcome in outcomes].count(True) == 1
    assert len(outcomes) == 8


def test_a_flatten_function_that_returns_no_pair_is_named() -> None:
    cls = type("Single", (), {})
    tree.register_node(cls, lambda _single: 1, lambda _meta, _children: cls())  # type: ignore
    with pytest.raises(PytreeError, match=r"flatten function of Single returned 1\. "):
        tree.flatten(cls())


def test_keys_that_do_not_match_the_children_are_refused() -> None:
    cls = type("Keyed", (), {})
    tree.register_node(
        cls, lambda _: ((1, 2), None), lambda _m, _c: cls(), lambda _: ((("a", 1),), None)
    )
    with pytest.raises(PytreeError, match=r"of Keyed returned 1 keys for 2 children"):
        tree.flatten_with_path(cls())


def test_partial_calls_its_function_with_the_bound_arguments_first() -> None:
    assert Partial(function, 1, a=2)(3, b=4) == function(1, 3, a=2, b=4)
    assert Partial(function, 1, a=2)(a=5) == function(1, a=5)


def test_the_bound_arguments_of_a_partial_are_its_leaves() -> None:
    partial = Partial(function, 1, [2], b=3, a=4)
    assert tree.leaves(partial) == [1, 2, 4, 3]
    assert tree.map(lambda leaf: -leaf, partial)() == function(-1, [-2], b=-3, a=-4)
    paths = [tree.keystr(path) for path, _ in tree.leaves_with_path(partial)]
    assert paths == [".args[0]", ".args[1][0]", ".keywords['a']", ".keywords['b']"]


def test_partials_have_equal_structures_exactly_if_their_functions_are_equal() -> None:
    assert tree.structure(Partial(function, 1)) == tree.structure(Partial(function, 2))
    assert tree.structure(Partial(function, 1)) != tree.structure(Partial(print, 1))


def test_a_partial_of_a_partial_binds_the_arguments_of_both() -> None:
    nested = Partial(Partial(function, 1, a=2), 3, a=4)
    assert nested() == function(1, 3, a=4)
    assert tree.leaves(nested) == [1, 3, 4]


def test_the_arguments_of_an_inner_functools_partial_are_no_leaves() -> None:
    assert tree.leaves(Partial(functools.partial(function, 1), 2)) == [2]
    assert Partial(functools.partial(function, 1), 2)(3) == function(1, 2, 3)


def test_a_partial_is_immutable_and_survives_pickling() -> None:
    partial = Partial(function, 1, a=2)
    with pytest.raises(AttributeError, match=r"^Partial: cannot set 'func'"):
        partial.func = print  # type: ignore[assignment]  # refused
    assert pickle.loads(pickle.dumps(partial))() == partial()


def test_a_partial_shows_what_it_binds_and_what_is_still_free() -> None:
    def add(x: float, y: float, *, scale: float = 1.0) -> float:
        return (x + y) * scale

    assert str(inspect.signature(Partial(add, 1.0))) == "(y: float, *, scale: float = 1.0) -> float"
    assert repr(Partial(max, 1, key=2)) == "Partial(<built-in function max>, 1, key=2)"
