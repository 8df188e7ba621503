"""Laws that hold for every tree."""

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funcgrad import tree
from funcgrad.errors import PytreeError
from funcgrad.tree import (
    LEAF,
    DictKey,
    GetAttrKey,
    SequenceKey,
)
from tests.tree.sample_trees import (
    TREES,
    Interval,
    Layer,
    Setting,
    with_fresh_leaves,
)


def prefixes(full: Any) -> st.SearchStrategy[Any]:
    """Trees that are `full` with some subtrees replaced by a leaf."""
    return st.randoms(use_true_random=False).map(
        lambda random: tree.map(
            lambda node: LEAVES_MARK if isinstance(node, CUT) else node,
            full,
            is_leaf=lambda node: isinstance(node, CUT) and random.random() < 0.3,
        )
    )


CUT = tuple | list | dict | Layer | Interval
LEAVES_MARK = "prefix"


@given(TREES)
def test_unflatten_undoes_flatten(original: Any) -> None:
    leaves, structure = tree.flatten(original)
    copied = tree.unflatten(structure, leaves)
    assert copied == original
    assert type(copied) is type(original)


@given(TREES)
def test_flatten_undoes_unflatten(original: Any) -> None:
    structure = tree.structure(original)
    numbers = list(range(structure.num_leaves))
    assert tree.flatten(tree.unflatten(structure, numbers)) == (numbers, structure)


@given(TREES)
def test_leaves_and_structure_are_the_parts_of_flatten(original: Any) -> None:
    assert (tree.leaves(original), tree.structure(original)) == tree.flatten(original)
    assert tree.structure(original).num_leaves == len(tree.leaves(original))


@given(TREES)
def test_mapping_the_identity_changes_nothing(original: Any) -> None:
    assert tree.map(lambda leaf: leaf, original) == original


@given(TREES)
def test_mapping_twice_is_mapping_the_composition(original: Any) -> None:
    twice = tree.map(lambda leaf: -leaf, tree.map(lambda leaf: leaf + 1, original))
    assert twice == tree.map(lambda leaf: -(leaf + 1), original)


@given(TREES)
def test_map_pairs_equal_places_of_several_trees(original: Any) -> None:
    shape = tree.structure(original)
    first, second = with_fresh_leaves(shape), with_fresh_leaves(shape, 100)
    pairs = tree.map(lambda left, right: (left, right), first, second)
    assert tree.flatten_up_to(shape, pairs) == [(i, i + 100) for i in range(shape.num_leaves)]


def follow(node: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        match key:
            case SequenceKey(index):
                node = node[index]
            case DictKey(name):
                node = node[name]
            case GetAttrKey(name):
                node = getattr(node, name)
    return node


@given(TREES)
def test_a_key_path_leads_to_its_leaf(original: Any) -> None:
    for path, leaf in tree.leaves_with_path(original):
        assert follow(original, path) is leaf


@given(TREES.filter(lambda root: not isinstance(root, int)))
def test_keystr_is_the_expression_that_reaches_the_leaf(original: Any) -> None:
    for path, leaf in tree.leaves_with_path(original):
        assert eval(f"root{tree.keystr(path)}", {"root": original}) is leaf


@given(TREES)
def test_flatten_with_path_agrees_with_flatten(original: Any) -> None:
    pairs, structure = tree.flatten_with_path(original)
    assert ([leaf for _, leaf in pairs], structure) == tree.flatten(original)
    assert len({path for path, _ in pairs}) == len(pairs)


@given(TREES)
def test_map_with_path_passes_the_paths_of_leaves_with_path(original: Any) -> None:
    paths = tree.map_with_path(lambda path, _leaf: Setting(path), original)
    marked = [node.value for node in tree.flatten_up_to(tree.structure(original), paths)]
    assert marked == [path for path, _ in tree.leaves_with_path(original)]


@given(TREES, TREES)
def test_transposing_twice_changes_nothing(outer_tree: Any, inner_tree: Any) -> None:
    outer, inner = tree.structure(outer_tree), tree.structure(inner_tree)
    original = tree.unflatten(
        outer, [with_fresh_leaves(inner, 100 * i) for i in range(outer.num_leaves)]
    )
    transposed = tree.transpose(outer, inner, original)
    assert tree.transpose(inner, outer, transposed) == original


@given(TREES, TREES)
def test_a_transposed_tree_holds_leaf_ij_at_ji(outer_tree: Any, inner_tree: Any) -> None:
    outer, inner = tree.structure(outer_tree), tree.structure(inner_tree)
    original = tree.unflatten(
        outer, [with_fresh_leaves(inner, 100 * i) for i in range(outer.num_leaves)]
    )
    columns = tree.flatten_up_to(inner, tree.transpose(outer, inner, original))
    for j, column in enumerate(columns):
        assert tree.flatten_up_to(outer, column) == [100 * i + j for i in range(outer.num_leaves)]


@given(TREES, st.data())
def test_broadcast_repeats_a_prefix_leaf_for_its_whole_subtree(full: Any, data: Any) -> None:
    prefix = data.draw(prefixes(full))
    marked = tree.leaves(
        tree.map(
            lambda mark, subtree: tree.map(lambda _leaf: mark, subtree),
            prefix,
            full,
            is_leaf=lambda node: node is LEAVES_MARK,
        )
    )
    assert tree.broadcast(prefix, full) == marked
    assert tree.broadcast_to_structure(prefix, tree.structure(full)) == marked


@given(TREES)
def test_broadcast_of_one_leaf_fills_the_whole_tree(full: Any) -> None:
    assert tree.broadcast("axis", full) == ["axis"] * len(tree.leaves(full))


@given(TREES)
def test_a_tree_broadcasts_to_itself_as_its_leaves(full: Any) -> None:
    assert tree.broadcast(full, full) == tree.leaves(full)


@given(TREES)
def test_equal_trees_have_equal_structures_and_hashes(original: Any) -> None:
    left, right = tree.structure(original), tree.structure(copy.deepcopy(original))
    assert left == right
    assert hash(left) == hash(right)


@given(TREES, TREES)
def test_structures_are_equal_exactly_where_no_difference_is_found(a: Any, b: Any) -> None:
    left, right = tree.structure(a), tree.structure(b)
    assert (left == right) is (tree.difference(left, right) == "")


@given(TREES)
def test_structures_survive_pickling_and_copying(original: Any) -> None:
    structure = tree.structure(original)
    for twin in (pickle.loads(pickle.dumps(structure)), copy.deepcopy(structure)):
        assert twin == structure
        assert hash(twin) == hash(structure)
        assert twin.num_leaves == structure.num_leaves
        assert with_fresh_leaves(twin) == with_fresh_leaves(structure)


@given(TREES)
def test_the_single_leaf_structure_is_one_object(original: Any) -> None:
    structure = tree.structure(original)
    assert (structure is LEAF) is structure.is_leaf is isinstance(original, int)
    assert pickle.loads(pickle.dumps(LEAF)) is LEAF


@given(TREES)
def test_a_structure_lists_as_many_paths_as_it_has_leaves(original: Any) -> None:
    structure = tree.structure(original)
    assert len(set(structure.paths())) == structure.num_leaves


@given(TREES, st.integers(-3, 3).filter(bool))
def test_a_wrong_number_of_leaves_is_refused(original: Any, surplus: int) -> None:
    structure = tree.structure(original)
    number = structure.num_leaves + surplus
    if number >= 0:
        with pytest.raises(PytreeError, match=rf"^unflatten: was given {number} leaves for"):
            tree.unflatten(structure, range(number))
