"""Pytrees come apart into leaves and a structure, and together again.

These functions run in every call of every transform. So the two commonest trees, a leaf and a
short tuple of leaves, take a path of their own, and nothing here makes a reference cycle: arrays
are freed as soon as the last reference to them goes.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from funcgrad.errors import PytreeError
from funcgrad.tree.keys import KeyPath, place
from funcgrad.tree.mismatch import children_like, find_mismatch, take_apart
from funcgrad.tree.nodes import NAMEDTUPLE, TUPLE, NodeKind, is_namedtuple_type
from funcgrad.tree.registry import KINDS
from funcgrad.tree.structure import LEAF, Structure

__all__ = [
    "broadcast",
    "broadcast_to_structure",
    "flatten",
    "flatten_up_to",
    "flatten_with_path",
    "leaves",
    "leaves_with_path",
    "structure",
    "unflatten",
]

IsLeaf = Callable[[Any], bool]

# Structures of tuples of 0, 1, 2 … leaves.
_TUPLES = tuple(Structure(TUPLE, None, (LEAF,) * size, size) for size in range(17))


# ---------------------------------------------------------------------------------------------
# Apart


def flatten(tree: Any, is_leaf: IsLeaf | None = None) -> tuple[list[Any], Structure]:
    """Take a pytree apart: tree ↦ (leaves, structure).

    Nodes are tuples, lists, dicts, OrderedDicts, defaultdicts, namedtuples, None (a node without
    children) and registered types; everything else is a leaf, also instances of subclasses of
    these. Dict values come in the order of the sorted keys; in the order of insertion where the
    keys cannot be sorted.

    Args:
        tree: Any object.
        is_leaf: Tells for a node whether to take it as a leaf.

    Returns:
        The leaves from left to right, and the structure that `unflatten` needs.

    Raises:
        PytreeError: The tree is nested deeper than Python can recurse, or contains itself.

    Example:
        >>> flatten({"b": 3.0, "a": (1.0, 2.0)})
        ([1.0, 2.0, 3.0], Structure({'a': (*, *), 'b': *}))
    """
    if is_leaf is None:
        cls = type(tree)
        if cls not in KINDS and not isinstance(tree, tuple):
            return [tree], LEAF
        if cls is tuple and len(tree) < 17:
            for child in tree:
                if type(child) in KINDS or isinstance(child, tuple):
                    break
            else:
                return list(tree), _TUPLES[len(tree)]
    found: list[Any] = []
    try:
        return found, _walk(tree, found, is_leaf)
    except RecursionError as error:
        raise too_deep("flatten") from error


def _walk(tree: Any, found: list[Any], is_leaf: IsLeaf | None) -> Structure:
    """Append the leaves of a tree to `found`; its structure."""
    if is_leaf is not None and is_leaf(tree):
        found.append(tree)
        return LEAF
    kind = KINDS.get(type(tree))
    if kind is None:
        if not (isinstance(tree, tuple) and is_namedtuple_type(type(tree))):
            found.append(tree)
            return LEAF
        kind = NAMEDTUPLE
    children, meta = take_apart(kind, tree)
    start = len(found)
    structures = []
    for child in children:
        if is_leaf is None and type(child) not in KINDS and not isinstance(child, tuple):
            found.append(child)
            structures.append(LEAF)
        else:
            structures.append(_walk(child, found, is_leaf))
    return Structure(kind, meta, tuple(structures), len(found) - start)


def leaves(tree: Any, is_leaf: IsLeaf | None = None) -> list[Any]:
    """Leaves of a pytree, from left to right.

    Args:
        tree: Any object.
        is_leaf: Tells for a node whether to take it as a leaf.

    Returns:
        A new list.

    Example:
        >>> leaves([1.0, None, {"a": 2.0}])
        [1.0, 2.0]
    """
    return flatten(tree, is_leaf)[0]


def structure(tree: Any, is_leaf: IsLeaf | None = None) -> Structure:
    """Structure of a pytree: what is left without its leaves.

    Args:
        tree: Any object.
        is_leaf: Tells for a node whether to take it as a leaf.

    Returns:
        The structure.

    Example:
        >>> structure([1.0, None, {"a": 2.0}])
        Structure([*, None, {'a': *}])
    """
    return flatten(tree, is_leaf)[1]


def too_deep(caller: str) -> PytreeError:
    """The error for trees that are deeper than Python's stack."""
    return PytreeError(
        f"{caller}: was given a tree that is nested deeper than Python's recursion limit. Each "
        "level takes a call, and a container that holds itself has no end. Flatten the nesting, "
        "e.g. into one list, or raise sys.setrecursionlimit."
    )


# ---------------------------------------------------------------------------------------------
# Together


def unflatten(structure: Structure, leaves: Iterable[Any]) -> Any:
    """Put a pytree together: (structure, leaves) ↦ tree.

    Args:
        structure: What `flatten` returned.
        leaves: As many objects as the structure has leaves, of any type.

    Returns:
        A new tree.

    Raises:
        PytreeError: The number of leaves is wrong.

    Example:
        >>> unflatten(flatten({"b": 0, "a": (0, 0)})[1], [1, 2, 3])
        {'a': (1, 2), 'b': 3}
    """
    items = list(leaves)
    count = len(items)
    if count < len(_TUPLES) and structure is _TUPLES[count]:
        return tuple(items)
    if count != structure.num_leaves:
        raise _wrong_number(structure, count)
    if structure is LEAF:
        return items[0]
    try:
        return _build(structure, iter(items))
    except RecursionError as error:
        raise too_deep("unflatten") from error


def _build(node: Structure, items: Iterator[Any]) -> Any:
    """Put the next leaves together to one node."""
    children = []
    for child in node._children:
        if child is LEAF:
            children.append(next(items))
        else:
            children.append(_build(child, items))
    kind: Any = node._kind
    return kind.unflatten(node._meta, tuple(children))


def _wrong_number(structure: Structure, given: int) -> PytreeError:
    paths = list(structure.paths())
    if given < len(paths):
        where = f"The first one missing is the leaf {place(paths[given])}."
    elif paths:
        where = f"The last one that has a place is the leaf {place(paths[-1])}."
    else:
        where = "None of them has a place."
    return PytreeError(
        f"unflatten: was given {given} leaves for {structure.abbreviated()}, which has "
        f"{len(paths)}. {where} Pass one object per "
        "leaf, or use the structure of the tree that the leaves came from."
    )


# ---------------------------------------------------------------------------------------------
# With key paths


def flatten_with_path(
    tree: Any, is_leaf: IsLeaf | None = None
) -> tuple[list[tuple[KeyPath, Any]], Structure]:
    """Take a pytree apart, each leaf with its key path.

    Args:
        tree: Any object.
        is_leaf: Tells for a node whether to take it as a leaf.

    Returns:
        Pairs (path, leaf) from left to right, and the structure.

    Raises:
        PytreeError: The tree is nested deeper than Python can recurse, or contains itself.

    Example:
        >>> pairs, _ = flatten_with_path({"w": [1.0, 2.0]})
        >>> pairs[1]
        ((DictKey(key='w'), SequenceKey(idx=1)), 2.0)
    """
    found: list[tuple[KeyPath, Any]] = []
    try:
        return found, _walk_with_path(tree, (), found, is_leaf)
    except RecursionError as error:
        raise too_deep("flatten_with_path") from error


def _walk_with_path(
    tree: Any, path: KeyPath, found: list[tuple[KeyPath, Any]], is_leaf: IsLeaf | None
) -> Structure:
    kind = KINDS.get(type(tree))
    if kind is None and isinstance(tree, tuple) and is_namedtuple_type(type(tree)):
        kind = NAMEDTUPLE
    if kind is None or (is_leaf is not None and is_leaf(tree)):
        found.append((path, tree))
        return LEAF
    children, meta = take_apart(kind, tree)
    start = len(found)
    structures = []
    for key, child in zip(_keys(kind, meta, tree, len(children)), children, strict=True):
        below = _walk_with_path(child, (*path, key), found, is_leaf)
        structures.append(below)
    return Structure(kind, meta, tuple(structures), len(found) - start)


def _keys(kind: NodeKind, meta: Any, tree: Any, arity: int) -> Sequence[Any]:
    """A key for each child of a node."""
    if kind.flatten_with_keys is None:
        return kind.keys(meta, arity)
    keys = [key for key, _ in kind.flatten_with_keys(tree)[0]]
    if len(keys) != arity:
        raise PytreeError(
            f"flatten_with_path: the flatten_with_keys function of {kind.node_type.__qualname__} "
            f"returned {len(keys)} keys for {arity} children. Each child needs one key. Return the "
            "children of flatten there too, or leave flatten_with_keys out."
        )
    return keys


def leaves_with_path(tree: Any, is_leaf: IsLeaf | None = None) -> list[tuple[KeyPath, Any]]:
    """Leaves of a pytree, each with its key path.

    Args:
        tree: Any object.
        is_leaf: Tells for a node whether to take it as a leaf.

    Returns:
        Pairs (path, leaf), from left to right.
    """
    return flatten_with_path(tree, is_leaf)[0]


# ---------------------------------------------------------------------------------------------
# Prefixes: a tree that ends earlier, or whose leaves stand for whole subtrees


def flatten_up_to(
    structure: Structure, tree: Any, *, caller: str = "flatten_up_to", name: str = "the tree"
) -> list[Any]:
    """Take a pytree apart only as far as a structure goes.

    Args:
        structure: A prefix of the tree's structure.
        tree: The tree.
        caller: The function that the error names.
        name: What the error calls the tree.

    Returns:
        The subtree at each leaf of the structure.

    Raises:
        PytreeError: The structure is no prefix; the message names the key path.

    Example:
        >>> flatten_up_to(structure([0, 0]), [(1.0, 2.0), 3.0])
        [(1.0, 2.0), 3.0]
    """
    found: list[Any] = []
    if _collect(structure, tree, found):
        return found
    mismatch = find_mismatch(structure, tree)
    where = (
        f"{mismatch.given} {mismatch.place}, where {mismatch.expected} is expected"
        if mismatch
        else f"another structure than {structure.abbreviated()}"
    )
    raise PytreeError(
        f"{caller}: {name} has {where}. Leaves of trees with different structures cannot be "
        "paired. Give both the same structure, or make that node a leaf with is_leaf."
    )


def _collect(node: Structure, tree: Any, found: list[Any]) -> bool:
    """Append the subtrees of a tree at a structure's leaves to `found`; whether they fit."""
    if node is LEAF:
        found.append(tree)
        return True
    children = children_like(node, tree)
    if children is None:
        return False
    for child, subtree in zip(node.children, children, strict=True):
        if not _collect(child, subtree, found):
            return False
    return True


def broadcast(prefix_tree: Any, full_tree: Any, is_leaf: IsLeaf | None = None) -> list[Any]:
    """Repeat each leaf of a prefix tree for all the leaves of the subtree it stands for.

    Args:
        prefix_tree: A tree with the structure of `full_tree`, except that it may end earlier.
        full_tree: The tree.
        is_leaf: Tells for a node of `prefix_tree` whether it is a leaf: `lambda x: x is None`
            where None is a value.

    Returns:
        One object for each leaf of `full_tree`.

    Raises:
        PytreeError: The one is no prefix of the other; the message names the key path.

    Example:
        >>> broadcast((0, None), (1.0, {"a": 2.0, "b": 3.0}), is_leaf=lambda x: x is None)
        [0, None, None]
    """
    return broadcast_to_structure(prefix_tree, structure(full_tree), is_leaf, caller="broadcast")


def broadcast_to_structure(
    prefix_tree: Any,
    structure: Structure,
    is_leaf: IsLeaf | None = None,
    *,
    caller: str = "broadcast_to_structure",
    name: str = "the prefix tree",
) -> list[Any]:
    """`broadcast` where only the structure of the full tree is known.

    Args:
        prefix_tree: A tree with that structure, except that it may end earlier.
        structure: The structure of the full tree.
        is_leaf: Tells for a node of `prefix_tree` whether it is a leaf.
        caller: The function that the error names.
        name: What the error calls the prefix tree.

    Returns:
        One object for each leaf of the structure.

    Raises:
        PytreeError: The tree is no prefix of the structure; the message names the key path.
    """
    found: list[Any] = []
    if _spread(prefix_tree, structure, found, is_leaf):
        return found
    mismatch = find_mismatch(structure, prefix_tree, is_leaf, prefix="given")
    where = (
        f"{mismatch.given} {mismatch.place}, where the full tree has {mismatch.expected}"
        if mismatch
        else f"another structure than {structure.abbreviated()}"
    )
    raise PytreeError(
        f"{caller}: {name} has {where}. It must be a prefix of the full tree. Give it the same "
        "node there, or one leaf that stands for the whole subtree."
    )


def _spread(prefix: Any, node: Structure, found: list[Any], is_leaf: IsLeaf | None) -> bool:
    """Append a prefix's leaves to `found`, once for each leaf of a structure; whether they fit."""
    cls = type(prefix)
    is_node = cls in KINDS or (isinstance(prefix, tuple) and is_namedtuple_type(cls))
    if not is_node or (is_leaf is not None and is_leaf(prefix)):
        found += [prefix] * node.num_leaves
        return True
    children = children_like(node, prefix)
    if children is None:
        return False
    for child, below in zip(children, node.children, strict=True):
        if not _spread(child, below, found, is_leaf):
            return False
    return True
