"""What can be done to the leaves of pytrees: map, reduce, transpose, all.

The names are JAX's; four of them are Python's too, with the same meaning, over leaves.
"""

import builtins
import functools
from collections.abc import Callable
from typing import Any

from funcgrad.errors import PytreeError
from funcgrad.tree.flattening import (
    IsLeaf,
    flatten,
    flatten_up_to,
    flatten_with_path,
    leaves,
    structure,
    unflatten,
)
from funcgrad.tree.structure import Structure

__all__ = ["all", "map", "map_with_path", "reduce", "transpose"]


def _columns(caller: str, shape: Structure, rest: tuple[Any, ...]) -> list[list[Any]]:
    """The other trees, taken apart as far as the first one goes."""
    return [
        flatten_up_to(shape, other, caller=caller, name=f"tree {number}")
        for number, other in enumerate(rest, start=2)
    ]


def map(f: Callable[..., Any], tree: Any, *rest: Any, is_leaf: IsLeaf | None = None) -> Any:
    """Apply a function to each leaf: (f, tree) ↦ a tree of f(leaf).

    Args:
        f: Takes a leaf of `tree` and what stands in the same place in each of `rest`.
        tree: A pytree.
        *rest: More pytrees, of which `tree` is a prefix.
        is_leaf: Tells for a node of `tree` whether to take it as a leaf.

    Returns:
        A pytree with the structure of `tree`.

    Raises:
        PytreeError: The trees do not fit; the message names the key path.

    Example:
        >>> map(lambda x, y: x + y, {"a": 1.0, "b": (2.0,)}, {"a": 10.0, "b": (20.0,)})
        {'a': 11.0, 'b': (22.0,)}
    """
    items, shape = flatten(tree, is_leaf)
    if not rest:
        return unflatten(shape, [f(leaf) for leaf in items])
    columns = _columns("map", shape, rest)
    return unflatten(shape, [f(*row) for row in zip(items, *columns, strict=True)])


def map_with_path(
    f: Callable[..., Any], tree: Any, *rest: Any, is_leaf: IsLeaf | None = None
) -> Any:
    """Apply a function to each leaf and its key path.

    Args:
        f: Takes a key path, a leaf of `tree` and what stands in the same place in each of `rest`.
        tree: A pytree.
        *rest: More pytrees, of which `tree` is a prefix.
        is_leaf: Tells for a node of `tree` whether to take it as a leaf.

    Returns:
        A pytree with the structure of `tree`.

    Raises:
        PytreeError: The trees do not fit; the message names the key path.

    Example:
        >>> from funcgrad.tree import keystr
        >>> map_with_path(lambda path, x: f"{keystr(path)}={x}", {"a": [1, 2]})
        {'a': ["['a'][0]=1", "['a'][1]=2"]}
    """
    pairs, shape = flatten_with_path(tree, is_leaf)
    columns = _columns("map_with_path", shape, rest)
    rows = zip(pairs, *columns, strict=True)
    return unflatten(shape, [f(*pair, *others) for pair, *others in rows])


_NOTHING: Any = object()  # tells a missing initializer from None


def reduce(
    f: Callable[[Any, Any], Any],
    tree: Any,
    initializer: Any = _NOTHING,
    is_leaf: IsLeaf | None = None,
) -> Any:
    """Fold the leaves from the left: f(… f(f(initializer, x₁), x₂) …, xₙ).

    Args:
        f: Takes the result so far and a leaf.
        tree: A pytree.
        initializer: The result so far before the first leaf; without it, the first leaf itself.
        is_leaf: Tells for a node whether to take it as a leaf.

    Returns:
        The last result.

    Raises:
        PytreeError: There is neither a leaf nor an initializer.

    Example:
        >>> reduce(lambda total, x: total + x, {"a": 1.0, "b": [2.0, 3.0]}, 0.0)
        6.0
    """
    items, shape = flatten(tree, is_leaf)
    if initializer is not _NOTHING:
        return functools.reduce(f, items, initializer)
    if not items:
        raise PytreeError(
            f"reduce: was given {shape.abbreviated()}, which has no leaves. Without a "
            "leaf there is nothing to start from. "
            "Pass an initializer, e.g. 0.0, or a tree with leaves."
        )
    return functools.reduce(f, items)


def all(tree: Any, is_leaf: IsLeaf | None = None) -> bool:
    """Whether every leaf is true.

    Args:
        tree: A pytree.
        is_leaf: Tells for a node whether to take it as a leaf.

    Returns:
        True for a tree without leaves.

    Example:
        >>> all({"a": True, "b": [True, False]})
        False
    """
    return builtins.all(leaves(tree, is_leaf))


def transpose(outer: Structure, inner: Structure | None, tree: Any) -> Any:
    """Turn a tree of trees inside out: tree[i][j] ↦ tree[j][i].

    Args:
        outer: Structure of the outer tree.
        inner: Structure of each inner tree; None for that of the first one.
        tree: A tree of structure `outer` whose leaves are trees of structure `inner`.

    Returns:
        A tree of structure `inner` whose leaves are trees of structure `outer`.

    Raises:
        PytreeError: The tree is not of that structure; the message names the key path.

    Example:
        >>> rows = [{"a": 1, "b": 2}, {"a": 3, "b": 4}]
        >>> transpose(structure([0, 0]), None, rows)
        {'a': [1, 3], 'b': [2, 4]}
    """
    _require_structure("outer", outer)
    subtrees = flatten_up_to(outer, tree, caller="transpose")
    if inner is None:
        if not subtrees:
            raise PytreeError(
                f"transpose: was given the outer structure {outer.abbreviated()}, which has no "
                "leaves, and no inner one. There is no inner tree to take it from. Pass "
                "the inner structure, or an outer tree with leaves."
            )
        inner = structure(subtrees[0])
    _require_structure("inner", inner)
    rows = [
        flatten_up_to(inner, subtree, caller="transpose", name=f"inner tree {number}")
        for number, subtree in enumerate(subtrees)
    ]
    columns = [[row[index] for row in rows] for index in range(inner.num_leaves)]
    return unflatten(inner, [unflatten(outer, column) for column in columns])


def _require_structure(name: str, value: Any) -> None:
    if not isinstance(value, Structure):
        raise PytreeError(
            f"transpose: {name} is a {type(value).__qualname__}. It must be a Structure, which "
            f"says what counts as a leaf. Pass funcgrad.tree.structure({name}), or the structure "
            "that flatten returned."
        )
