"""Structures: pytrees with the leaves taken out."""

from collections.abc import Iterator
from typing import Any

from funcgrad.errors import PytreeError
from funcgrad.tree.keys import KeyPath
from funcgrad.tree.nodes import NAMEDTUPLE, NodeKind
from funcgrad.tree.registry import kind_of

__all__ = ["LEAF", "Structure"]


def same_meta(left: Any, right: Any, owner: type) -> bool:
    """Whether two nodes of a type have equal meta data.

    Raises:
        PytreeError: `==` of the meta data gives no truth value.
    """
    try:
        return left is right or bool(left == right)
    except ValueError as error:
        raise PytreeError(
            f"structure: the meta data of {owner.__qualname__} have no truth value under ==: "
            f"{error}. Structures are compared by their meta data, which therefore cannot hold "
            "arrays. Make the array a child (a data field), or wrap it in a type with its own ==."
        ) from error


class Structure:
    """A pytree with the leaves taken out: immutable, hashable, picklable, comparable.

    Structures are made by `flatten` and `structure`. Two are equal if they have the same node
    types, meta data and leaves in the same places; dicts whose keys can be sorted are equal in any
    order of insertion. The structure of a single leaf is one object, so the cheap test for it is
    `structure is LEAF`.

    Example:
        >>> import funcgrad
        >>> funcgrad.tree.structure({"b": (1.0, 2.0), "a": [3.0]})
        Structure({'a': [*], 'b': (*, *)})
    """

    __slots__ = ("_children", "_hash", "_kind", "_meta", "_num_leaves")

    def __init__(
        self,
        kind: NodeKind | None,
        meta: Any,
        children: tuple["Structure", ...],
        num_leaves: int,
    ) -> None:
        self._kind = kind
        self._meta = meta
        self._children = children
        self._num_leaves = num_leaves
        self._hash: int | None = None

    @property
    def num_leaves(self) -> int:
        """How many leaves the tree has."""
        return self._num_leaves

    @property
    def is_leaf(self) -> bool:
        """Whether the whole tree is one leaf; `structure is LEAF` says the same, faster."""
        return self._kind is None

    @property
    def kind(self) -> NodeKind | None:
        """How the root comes apart and together; None for a leaf."""
        return self._kind

    @property
    def node_type(self) -> type | None:
        """Type of the root; None for a leaf."""
        if self._kind is None:
            return None
        if self._kind is NAMEDTUPLE:
            cls: type = self._meta
            return cls
        return self._kind.node_type

    @property
    def meta(self) -> Any:
        """What the root holds besides its children, such as the keys of a dict."""
        return self._meta

    @property
    def children(self) -> tuple["Structure", ...]:
        """Structures of the root's children."""
        return self._children

    def child_keys(self) -> list[Any]:
        """A key for each child, as far as the structure alone can tell."""
        return [] if self._kind is None else list(self._kind.keys(self._meta, len(self._children)))

    def paths(self) -> Iterator[KeyPath]:
        """Key paths of the leaves, in their order."""
        pending: list[tuple[KeyPath, Structure]] = [((), self)]
        while pending:
            path, node = pending.pop()
            if node is LEAF:
                yield path
            else:
                below = zip(node.child_keys(), node.children, strict=True)
                pending += reversed([((*path, key), child) for key, child in below])

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Structure):
            return NotImplemented
        return (
            self._kind is other._kind
            and self._kind is not None
            and self._num_leaves == other._num_leaves
            and same_meta(self._meta, other._meta, self._kind.node_type)
            and self._children == other._children
        )

    def __hash__(self) -> int:
        if self._hash is None:
            try:
                self._hash = hash((self._kind, self._meta, self._children))
            except TypeError as error:
                error.add_note(f"funcgrad.tree: a node of {self} has meta data without a hash")
                raise
        return self._hash

    def abbreviated(self, width: int = 120) -> str:
        """The repr, cut off where it is too long for an error message."""
        text = repr(self)
        return text if len(text) <= width else f"{text[: width - 1]}…"

    def __repr__(self) -> str:
        return f"Structure({self._show()})"

    def _show(self) -> str:
        if self._kind is None:
            return "*"
        children = [child._show() for child in self._children]
        if self._kind.show is not None:
            return self._kind.show(self._meta, children)
        meta = "" if self._meta is None else f"[{self._meta!r}]"
        return f"{self._kind.node_type.__name__}{meta}({', '.join(children)})"

    def __copy__(self) -> "Structure":
        return self

    def __deepcopy__(self, _memo: dict[int, Any]) -> "Structure":
        return self

    def __reduce__(self) -> str | tuple[Any, ...]:
        if self._kind is None:
            return "LEAF"
        return _restore, (self.node_type, self._meta, self._children)


def _restore(node_type: type, meta: Any, children: tuple[Structure, ...]) -> Structure:
    """Rebuild a pickled structure with the kind that its type has here."""
    kind = kind_of(node_type)
    if kind is None:
        raise PytreeError(
            f"unpickling a structure: was given a node of type {node_type.__qualname__}, which is "
            "not registered in this process. Without its registration it cannot be put together. "
            "Import the module that registers it first, or register it with register_node."
        )
    return Structure(kind, meta, children, sum(child.num_leaves for child in children))


# The structure of a tree that is one leaf: no other structure has `is_leaf`.
LEAF = Structure(None, None, (), 1)
"""The structure of a single leaf; `structure is LEAF` is the cheap test for one."""
