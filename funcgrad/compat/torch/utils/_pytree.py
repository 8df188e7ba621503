"""Nests of tuples, lists, dictionaries and users' own containers, taken apart and rebuilt.

`None` is a leaf, and dictionaries keep the order of their keys.
"""

import types
from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.pytrees import CUSTOM

__all__ = [
    "LeafSpec",
    "PyTree",
    "TreeSpec",
    "register_pytree_node",
    "tree_all",
    "tree_all_only",
    "tree_any",
    "tree_any_only",
    "tree_flatten",
    "tree_is_leaf",
    "tree_iter",
    "tree_leaves",
    "tree_map",
    "tree_map_",
    "tree_map_only",
    "tree_map_only_",
    "tree_structure",
    "tree_unflatten",
]

PyTree = Any
IsLeaf = Callable[[Any], bool] | None
Kinds = type | tuple[type, ...] | types.UnionType
KindsOrTest = Kinds | Callable[[Any], bool]


class TreeSpec:
    """How leaves stand in a nest.

    Attributes:
        type: of the container; `None` for a leaf.
        context: keys of a dictionary, or what else rebuilding it needs.
        num_nodes: containers and leaves.
        num_leaves: leaves.
        num_children: entries.
    """

    num_leaves: int
    num_nodes: int
    __slots__ = ("_children", "_context", "num_children", "num_leaves", "num_nodes", "type")

    def __init__(self, type: Any, context: Any, children_specs: Sequence["TreeSpec"]) -> None:
        self.type = type
        self._context = context
        self._children = list(children_specs)
        self.num_children = len(self._children)
        self.num_nodes = 1 + sum(child.num_nodes for child in self._children)
        self.num_leaves = 1 if type is None else sum(one.num_leaves for one in self._children)

    @property
    def context(self) -> Any:
        """What rebuilding needs besides the entries."""
        return self._context

    def is_leaf(self) -> bool:
        """Whether it is a leaf."""
        return self.type is None

    def children(self) -> list["TreeSpec"]:
        """The specs of the entries."""
        return list(self._children)

    def child(self, index: int) -> "TreeSpec":
        """The spec of one entry."""
        return self._children[index]

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        """The nest with these leaves.

        Raises:
            ValueError: there are more or fewer than places.
        """
        found = list(leaves)
        if len(found) != self.num_leaves:
            raise ValueError(
                f"treespec.unflatten(leaves): `leaves` has length {len(found)} but the spec refers "
                f"to a pytree that holds {self.num_leaves} items ({self})."
            )
        return self._filled(iter(found))

    def _filled(self, leaves: Iterator[Any]) -> Any:
        if self.type is None:
            return next(leaves)
        entries = [child._filled(leaves) for child in self._children]
        return _closed(self.type, self._context, entries)

    def flatten_up_to(self, tree: Any) -> list[Any]:
        """What stands in another nest where the leaves are here.

        Raises:
            ValueError: the other nest has another structure above them.
        """
        if self.type is None:
            return [tree]
        kind, context, entries = _opened(tree)
        if kind is not self.type:
            raise ValueError(
                f"Node type mismatch; expected {self.type}, but got {kind or type(tree)}."
            )
        if len(entries) != self.num_children:
            raise ValueError(
                f"Node arity mismatch; expected {self.num_children}, but got {len(entries)}."
            )
        if kind in _WITH_KEYS:
            keys, others = _keys(kind, self._context), _keys(kind, context)
            if set(keys) != set(others):
                missing, extra = set(keys) - set(others), set(others) - set(keys)
                text = f"; missing key(s): {missing}" if missing else ""
                text += f"; extra key(s): {extra}" if extra else ""
                raise ValueError(f"Node keys mismatch{text}.")
            entries = [tree[key] for key in keys]
        elif context != self._context and kind is not deque:
            raise ValueError(f"Node context mismatch for custom node type {kind}.")
        return [
            found
            for child, entry in zip(self._children, entries, strict=True)
            for found in child.flatten_up_to(entry)
        ]

    @override
    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, TreeSpec)
            and self.type is other.type
            and self._context == other._context
            and self._children == other._children
        )

    @override
    def __hash__(self) -> int:
        return hash((self.type, self.num_nodes, tuple(map(hash, self._children))))

    @override
    def __repr__(self) -> str:
        return self._text(0)

    def _text(self, indent: int) -> str:
        if self.type is None:
            return "*"
        rows = [child._text(indent + 2) for child in self._children]
        inside = f",\n{' ' * (indent + 2)}".join(rows)
        return f"TreeSpec({self.type.__name__}, {self._context}, [{inside}])"


def LeafSpec() -> TreeSpec:  # noqa: N802  # PyTorch's name
    """The spec of a leaf."""
    return TreeSpec(None, None, [])


_LEAF = LeafSpec()
_WITH_KEYS = (dict, OrderedDict, defaultdict)


def _keys(kind: Any, context: Any) -> list[Any]:
    return context[1] if kind is defaultdict else context  # type: ignore[no-any-return]  # a list


def _opened(tree: Any) -> tuple[Any, Any, list[Any]]:
    """Type, context and entries of a container; the type of a leaf is `None`."""
    kind = type(tree)
    if kind in CUSTOM:
        entries, context = CUSTOM[kind][0](tree)
        return kind, context, list(entries)
    if kind is tuple or kind is list:
        return kind, None, list(tree)
    if kind is dict or kind is OrderedDict:
        return kind, list(tree), list(tree.values())
    if kind is defaultdict:
        return kind, [tree.default_factory, list(tree)], list(tree.values())
    if kind is deque:
        return kind, tree.maxlen, list(tree)
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        if kind.__module__.endswith("return_types"):
            return kind, None, list(tree)
        return namedtuple, kind, list(tree)
    return None, None, []


def _closed(kind: Any, context: Any, entries: list[Any]) -> Any:
    if kind in CUSTOM:
        return CUSTOM[kind][1](entries, context)
    if kind is tuple or kind is list:
        return kind(entries)
    if kind is defaultdict:
        return defaultdict(context[0], zip(context[1], entries, strict=True))
    if kind in _WITH_KEYS:
        return kind(zip(context, entries, strict=True))
    if kind is deque:
        return deque(entries, maxlen=context)
    return (context if kind is namedtuple else kind)(*entries)


def register_pytree_node(
    cls: type,
    flatten_fn: Callable[[Any], tuple[list[Any], Any]],
    unflatten_fn: Callable[[Iterable[Any], Any], Any],
    *,
    serialized_type_name: str | None = None,
    to_dumpable_context: Callable[[Any], Any] | None = None,
    from_dumpable_context: Callable[[Any], Any] | None = None,
    flatten_with_keys_fn: Callable[[Any], Any] | None = None,
) -> None:
    """Let a type be a container here and in the transforms of `torch.func`.

    Args:
        cls: the type.
        flatten_fn: gives the entries and a context.
        unflatten_fn: makes a container of entries and context.
        serialized_type_name: accepted; structures are not written to files here.
        to_dumpable_context: likewise.
        from_dumpable_context: likewise.
        flatten_with_keys_fn: likewise.

    Raises:
        ValueError: the type is one already.
    """
    if cls in CUSTOM or cls in (*_WITH_KEYS, tuple, list, deque):
        raise ValueError(f"{cls} is already registered as pytree node.")
    CUSTOM[cls] = (flatten_fn, unflatten_fn)


def _flatten(tree: Any, leaves: list[Any], is_leaf: IsLeaf) -> TreeSpec:
    if is_leaf is None or not is_leaf(tree):
        kind, context, entries = _opened(tree)
        if kind is not None:
            return TreeSpec(kind, context, [_flatten(one, leaves, is_leaf) for one in entries])
    leaves.append(tree)
    return _LEAF


def tree_flatten(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[Any], TreeSpec]:
    """The leaves in order, and the structure around them."""
    leaves: list[Any] = []
    spec = _flatten(tree, leaves, is_leaf)
    return leaves, spec


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> Any:
    """The nest with these leaves."""
    if not isinstance(treespec, TreeSpec):
        raise TypeError(
            "Expected `treespec` to be an instance of PyTreeSpec but got item of type "
            f"{type(treespec)}."
        )
    return treespec.unflatten(leaves)


def tree_leaves(tree: Any, is_leaf: IsLeaf = None) -> list[Any]:
    """The leaves in order."""
    return tree_flatten(tree, is_leaf)[0]


def tree_iter(tree: Any, is_leaf: IsLeaf = None) -> Iterator[Any]:
    """The leaves, one after the other."""
    return iter(tree_leaves(tree, is_leaf))


def tree_structure(tree: Any, is_leaf: IsLeaf = None) -> TreeSpec:
    """The structure around the leaves."""
    return tree_flatten(tree, is_leaf)[1]


def tree_is_leaf(tree: Any, is_leaf: IsLeaf = None) -> bool:
    """Whether a nest is a leaf."""
    return (is_leaf is not None and is_leaf(tree)) or _opened(tree)[0] is None


def tree_map(func: Callable[..., Any], tree: Any, *rests: Any, is_leaf: IsLeaf = None) -> Any:
    """The nest of func(leaf, what stands in the other nests at its place)."""
    leaves, spec = tree_flatten(tree, is_leaf)
    columns = [leaves, *(spec.flatten_up_to(rest) for rest in rests)]
    return spec.unflatten(map(func, *columns))


def tree_map_(func: Callable[..., Any], tree: Any, *rests: Any, is_leaf: IsLeaf = None) -> Any:
    """The nest itself, after a call of the function for each leaf."""
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def _test_of(kinds: KindsOrTest) -> Callable[[Any], bool]:
    if isinstance(kinds, type | tuple | types.UnionType):
        return lambda leaf: isinstance(leaf, kinds)
    return kinds


def tree_map_only(
    type_or_types_or_pred: KindsOrTest,
    /,
    func: Callable[[Any], Any],
    tree: Any,
    is_leaf: IsLeaf = None,
) -> Any:
    """The nest with the function of some leaves, by type or test; the others stay."""
    test = _test_of(type_or_types_or_pred)
    return tree_map(lambda leaf: func(leaf) if test(leaf) else leaf, tree, is_leaf=is_leaf)


def tree_map_only_(
    type_or_types_or_pred: KindsOrTest,
    /,
    func: Callable[[Any], Any],
    tree: Any,
    is_leaf: IsLeaf = None,
) -> Any:
    """The nest itself, after a call of the function for some leaves."""
    tree_map_only(type_or_types_or_pred, func, tree, is_leaf)
    return tree


def tree_all(pred: Callable[[Any], bool], tree: Any, is_leaf: IsLeaf = None) -> bool:
    """Whether a test holds for all leaves."""
    return all(map(pred, tree_leaves(tree, is_leaf)))


def tree_any(pred: Callable[[Any], bool], tree: Any, is_leaf: IsLeaf = None) -> bool:
    """Whether a test holds for a leaf."""
    return any(map(pred, tree_leaves(tree, is_leaf)))


def tree_all_only(
    type_or_types: Kinds, /, pred: Callable[[Any], bool], tree: Any, is_leaf: IsLeaf = None
) -> bool:
    """Whether a test holds for all leaves of some types."""
    return all(pred(x) for x in tree_leaves(tree, is_leaf) if isinstance(x, type_or_types))


def tree_any_only(
    type_or_types: Kinds, /, pred: Callable[[Any], bool], tree: Any, is_leaf: IsLeaf = None
) -> bool:
    """Whether a test holds for a leaf of some types."""
    return any(pred(x) for x in tree_leaves(tree, is_leaf) if isinstance(x, type_or_types))
