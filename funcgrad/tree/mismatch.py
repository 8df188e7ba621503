"""Where two pytrees differ, and how to say it."""

import reprlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from funcgrad.errors import PytreeError
from funcgrad.tree.keys import DictKey, KeyPath, place
from funcgrad.tree.nodes import DICT, NodeKind
from funcgrad.tree.registry import kind_of
from funcgrad.tree.structure import LEAF, Structure, same_meta

__all__ = ["Mismatch", "children_like", "difference", "find_mismatch", "take_apart"]

IsLeaf = Callable[[Any], bool]


def take_apart(kind: NodeKind, tree: Any) -> tuple[Sequence[Any], Any]:
    """Children and meta data of a node.

    Raises:
        PytreeError: A registered `flatten` returned no pair.
    """
    parts = kind.flatten(tree)
    try:
        children, meta = parts
    except (TypeError, ValueError):
        raise PytreeError(
            f"flatten: the flatten function of {kind.node_type.__qualname__} returned "
            f"{reprlib.repr(parts)}. A node comes apart into two things. Return a pair "
            "(children, meta), with None for meta where there is nothing to keep."
        ) from None
    if type(children) is tuple or type(children) is list:
        return children, meta
    return tuple(children), meta


def children_like(node: Structure, tree: Any) -> Sequence[Any] | None:
    """Children of a tree in the order of a structure's; None where the roots do not fit."""
    kind = kind_of(type(tree))
    if kind is None or kind is not node.kind:
        return None
    children, meta = take_apart(kind, tree)
    if len(children) != len(node.children):
        return None
    if same_meta(node.meta, meta, kind.node_type):
        return children
    if kind is DICT and all(key in tree for key in node.meta):  # keys that cannot be sorted
        return [tree[key] for key in node.meta]
    return None


class Mismatch(NamedTuple):
    """The first place where two trees differ, and what each has there."""

    path: KeyPath
    expected: str
    given: str

    @property
    def place(self) -> str:
        """`at ['w'][0]`."""
        return place(self.path)


def describe(node: Structure) -> str:
    """The root of a structure in words: `a tuple of 2`, `a dict with the keys 'a', 'b'`."""
    if node.kind is None:
        return "a leaf"
    cls: Any = node.node_type
    if cls is type(None):
        return "None"
    article = "an" if cls.__name__[0] in "aeiouAEIOU" else "a"
    keys = dict_keys(node)
    content = f"with the keys {short_list(keys)}" if keys else f"of {len(node.children)}"
    return f"{article} {cls.__qualname__} {content}"


def dict_keys(node: Structure) -> list[Any]:
    """The keys of a mapping; empty for other nodes."""
    return [key.key for key in node.child_keys() if isinstance(key, DictKey)]


def describe_leaf(leaf: Any) -> str:
    """A leaf in words: `a leaf of type ndarray, shape (3,), dtype float64`."""
    text = f"a leaf of type {type(leaf).__qualname__}"
    shape, dtype = getattr(leaf, "shape", None), getattr(leaf, "dtype", None)
    return text if shape is None or dtype is None else f"{text}, shape {shape}, dtype {dtype}"


def short_list(items: Sequence[Any], limit: int = 8) -> str:
    """`'a', 'b', 'c' and 5 more`."""
    text = ", ".join(reprlib.repr(item) for item in items[:limit])
    return text if len(items) <= limit else f"{text} and {len(items) - limit} more"


def apart(tree: Any, is_leaf: IsLeaf | None) -> tuple[str, Structure, Sequence[Any]]:
    """The root of a tree: in words, as a structure over leaves, and its children."""
    kind = kind_of(type(tree))
    if kind is None or (is_leaf is not None and is_leaf(tree)):
        return describe_leaf(tree), LEAF, ()
    children, meta = take_apart(kind, tree)
    root = Structure(kind, meta, (LEAF,) * len(children), len(children))
    return describe(root), root, children


def apart_structure(
    node: Structure, _is_leaf: IsLeaf | None
) -> tuple[str, Structure, Sequence[Any]]:
    """The same for a tree of which only the structure is known."""
    return describe(node), node, node.children


def find_mismatch(
    expected: Structure,
    given: Any,
    is_leaf: IsLeaf | None = None,
    *,
    prefix: str = "expected",
) -> Mismatch | None:
    """The first place where a tree does not fit a structure.

    Args:
        expected: The structure.
        given: The tree; for `prefix="neither"` its structure.
        is_leaf: Which nodes of `given` count as leaves.
        prefix: Which of the two may end earlier: "expected", "given" or "neither".

    Returns:
        The place; None if they fit.
    """
    look: Any = apart_structure if prefix == "neither" else apart
    pending: list[tuple[KeyPath, Structure, Any]] = [((), expected, given)]
    while pending:
        path, want, tree = pending.pop()
        if want is LEAF and prefix == "expected":
            continue
        text, root, children = look(tree, is_leaf)
        if root is LEAF and (prefix == "given" or want is LEAF):
            continue
        ordered = _align(want, root, children)
        if ordered is None:
            return Mismatch(path, *_tell_apart(want, root, describe(want), text))
        below = zip(want.child_keys(), want.children, ordered, strict=True)
        pending += reversed([((*path, key), child, item) for key, child, item in below])
    return None


def _align(want: Structure, root: Structure, children: Sequence[Any]) -> Sequence[Any] | None:
    """Children of a root in the order of a structure's; None where the roots do not fit."""
    if want.kind is not root.kind or want.kind is None or len(want.children) != len(children):
        return None
    if same_meta(want.meta, root.meta, want.kind.node_type):
        return children
    if want.kind is DICT and set(want.meta) == set(root.meta):
        by_key = dict(zip(root.meta, children, strict=True))
        return [by_key[key] for key in want.meta]
    return None


def _tell_apart(want: Structure, root: Structure, expected: str, given: str) -> tuple[str, str]:
    """Texts that also differ where only the meta data do, or that name the differing keys."""
    want_keys, root_keys = dict_keys(want), dict_keys(root)
    missing = [key for key in want_keys if key not in root_keys]
    extra = [key for key in root_keys if key not in want_keys]
    if want.kind is root.kind and (missing or extra):
        notes = [f"without {short_list(missing)}"] * bool(missing)
        notes += [f"with {short_list(extra)} besides"] * bool(extra)
        return expected, f"{given} ({', '.join(notes)})"
    if expected == given:
        meta = (reprlib.repr(want.meta), reprlib.repr(root.meta))
        return f"{expected} with meta data {meta[0]}", f"{given} with meta data {meta[1]}"
    return expected, given


def difference(expected: Structure, given: Structure) -> str:
    """Where two structures differ, in words for an error message.

    Args:
        expected: The structure that was asked for.
        given: The structure that came.

    Returns:
        Text such as `a list of 2 at ['w'], where a tuple of 2 is expected`; empty if the structures
        are equal.

    Example:
        >>> import funcgrad
        >>> expected = funcgrad.tree.structure({"w": (1.0, 2.0)})
        >>> difference(expected, funcgrad.tree.structure({"w": [1.0, 2.0]}))
        "a list of 2 at ['w'], where a tuple of 2 is expected"
    """
    if expected == given:
        return ""
    found = find_mismatch(expected, given, prefix="neither")
    if found is None:  # dicts with the same keys, which cannot be sorted, in another order
        return f"{given.abbreviated()}, where {expected.abbreviated()} is expected"
    return f"{found.given} {found.place}, where {found.expected} is expected"
