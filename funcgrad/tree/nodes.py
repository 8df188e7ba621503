"""The kinds of pytree nodes, and those that Python brings along.

A kind says how a container comes apart into children and *meta data* (whatever else is needed to
put it together again: the keys of a dict, the fields of a dataclass that hold no leaves).
"""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from funcgrad.tree.keys import DictKey, FlattenedIndexKey, GetAttrKey, SequenceKey

__all__ = [
    "BUILTIN_KINDS",
    "DICT",
    "LIST",
    "NAMEDTUPLE",
    "TUPLE",
    "NodeKind",
    "is_namedtuple_type",
]


def flat_index_keys(_meta: Any, arity: int) -> Sequence[Any]:
    """Keys of children that have no names."""
    return [FlattenedIndexKey(index) for index in range(arity)]


@dataclass(frozen=True, slots=True, eq=False)
class NodeKind:
    """How one container type comes apart and together; two kinds are equal if they are one object.

    Attributes:
        node_type: The container type; for namedtuples, which share a kind, `tuple`.
        flatten: Takes a container, returns its children and its meta data.
        unflatten: Takes meta data and a tuple of children, returns a container.
        keys: Takes meta data and the number of children, returns a key for each child.
        flatten_with_keys: Takes a container, returns (key, child) pairs and the meta data: for
            types whose keys cannot be told from the meta data.
        show: Takes meta data and the children's texts, returns the text of the node in a
            structure's repr; None for `Type[meta](children)`.
    """

    node_type: type
    flatten: Callable[[Any], tuple[Iterable[Any], Any]]
    unflatten: Callable[[Any, tuple[Any, ...]], Any]
    keys: Callable[[Any, int], Sequence[Any]] = flat_index_keys
    flatten_with_keys: Callable[[Any], tuple[Iterable[tuple[Any, Any]], Any]] | None = None
    show: Callable[[Any, Sequence[str]], str] | None = None


# ---------------------------------------------------------------------------------------------
# Sequences


def _sequence_keys(_meta: Any, arity: int) -> Sequence[Any]:
    return [SequenceKey(index) for index in range(arity)]


def _show_tuple(_meta: None, children: Sequence[str]) -> str:
    return f"({children[0]},)" if len(children) == 1 else f"({', '.join(children)})"


TUPLE = NodeKind(
    tuple,
    flatten=lambda tree: (tree, None),
    unflatten=lambda _meta, children: children,
    keys=_sequence_keys,
    show=_show_tuple,
)

LIST = NodeKind(
    list,
    flatten=lambda tree: (tree, None),
    unflatten=lambda _meta, children: list(children),
    keys=_sequence_keys,
    show=lambda _meta, children: f"[{', '.join(children)}]",
)


def is_namedtuple_type(cls: type) -> bool:
    """Whether instances of a class are namedtuples (also of subclasses of a namedtuple)."""
    return issubclass(cls, tuple) and hasattr(cls, "_fields") and hasattr(cls, "_make")


def show_fields(name: str, fields: Iterable[str], children: Iterable[str]) -> str:
    """`Point(x=*, y=*)`."""
    pairs = zip(fields, children, strict=True)
    return f"{name}({', '.join(f'{field}={child}' for field, child in pairs)})"


# Meta data: the class.
NAMEDTUPLE = NodeKind(
    tuple,
    flatten=lambda tree: (tree, type(tree)),
    unflatten=lambda cls, children: cls._make(children),
    keys=lambda cls, _arity: [GetAttrKey(field) for field in cls._fields],
    show=lambda cls, children: show_fields(cls.__name__, cls._fields, children),
)


# ---------------------------------------------------------------------------------------------
# Mappings


def _canonical_keys(tree: dict[Any, Any]) -> tuple[Any, ...]:
    """Keys in sorted order; in the order of insertion where they cannot be compared."""
    try:
        return tuple(sorted(tree))
    except TypeError:
        return tuple(tree)


def _flatten_dict(tree: dict[Any, Any]) -> tuple[list[Any], tuple[Any, ...]]:
    keys = _canonical_keys(tree)
    return [tree[key] for key in keys], keys


def _flatten_defaultdict(tree: defaultdict[Any, Any]) -> tuple[list[Any], tuple[Any, Any]]:
    keys = _canonical_keys(tree)
    return [tree[key] for key in keys], (tree.default_factory, keys)


def _show_items(keys: Iterable[Any], children: Iterable[str]) -> str:
    pairs = zip(keys, children, strict=True)
    return "{" + ", ".join(f"{key!r}: {child}" for key, child in pairs) + "}"


# Meta data: the keys.
DICT = NodeKind(
    dict,
    flatten=_flatten_dict,
    unflatten=lambda keys, children: dict(zip(keys, children, strict=True)),
    keys=lambda keys, _arity: [DictKey(key) for key in keys],
    show=_show_items,
)

# Meta data: the keys, whose order counts.
ORDERED_DICT = NodeKind(
    OrderedDict,
    flatten=lambda tree: (tree.values(), tuple(tree)),
    unflatten=lambda keys, children: OrderedDict(zip(keys, children, strict=True)),
    keys=lambda keys, _arity: [DictKey(key) for key in keys],
    show=lambda keys, children: f"OrderedDict({_show_items(keys, children)})",
)

# Meta data: the default factory and the keys.
DEFAULTDICT = NodeKind(
    defaultdict,
    flatten=_flatten_defaultdict,
    unflatten=lambda meta, children: defaultdict(meta[0], zip(meta[1], children, strict=True)),
    keys=lambda meta, _arity: [DictKey(key) for key in meta[1]],
    show=lambda meta, children: f"defaultdict({meta[0]!r}, {_show_items(meta[1], children)})",
)


# ---------------------------------------------------------------------------------------------
# Nothing

NONE = NodeKind(
    type(None),
    flatten=lambda _tree: ((), None),
    unflatten=lambda _meta, _children: None,
    show=lambda _meta, _children: "None",
)

BUILTIN_KINDS = (TUPLE, LIST, DICT, ORDERED_DICT, DEFAULTDICT, NONE)
