"""Nested tuples, lists and dictionaries as PyTorch takes them apart: `None` is a leaf, too."""

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from typing_extensions import override

__all__ = ["LEAF", "Structure", "flatten", "matched", "nest_of", "unflatten"]


class Structure:
    """How leaves stand in a nest.

    Attributes:
        kind: type of the container; `None` for a leaf.
        context: keys of a dictionary, or what else rebuilding it needs.
        children: structures of the entries.
        count: number of leaves.
    """

    count: int
    __slots__ = ("children", "context", "count", "kind")

    def __init__(self, kind: Any, context: Any, children: Sequence["Structure"]) -> None:
        self.kind = kind
        self.context = context
        self.children = tuple(children)
        self.count = sum(child.count for child in children) if kind is not None else 1

    @override
    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Structure)
            and self.kind is other.kind
            and self.context == other.context
            and self.children == other.children
        )

    @override
    def __hash__(self) -> int:
        return hash((self.kind, self.children))

    @override
    def __repr__(self) -> str:
        if self.kind is None:
            return "*"
        name = self.kind.__name__
        if self.context is not None and self.kind not in CUSTOM:
            keys = self.context[1] if self.kind is defaultdict else self.context
            inside = [f"{key!r}: {child!r}" for key, child in zip(keys, self.children, strict=True)]
            return f"{name}({{{', '.join(inside)}}})"
        return f"{name}({', '.join(map(repr, self.children))})"


LEAF = Structure(None, None, ())

CUSTOM: dict[type, tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]] = {}
"""{type: (its entries and context, a new one of entries and context)}; entered by users."""


def _opened(nest: Any) -> tuple[Any, list[Any]] | None:
    """Context and entries of a container; `None` of a leaf."""
    kind = type(nest)
    if kind in CUSTOM:
        entries, context = CUSTOM[kind][0](nest)
        return context, list(entries)
    if kind is defaultdict:
        return (nest.default_factory, list(nest)), list(nest.values())
    if kind is dict or kind is OrderedDict:
        return list(nest), list(nest.values())
    if kind is tuple or kind is list or kind is deque:
        return None, list(nest)
    if isinstance(nest, tuple) and (
        hasattr(nest, "_fields") or kind.__module__.endswith("return_types")
    ):
        return None, list(nest)
    return None


def _closed(structure: Structure, entries: list[Any]) -> Any:
    kind = structure.kind
    if kind in CUSTOM:
        return CUSTOM[kind][1](entries, structure.context)
    if kind is defaultdict:
        factory, keys = structure.context
        return defaultdict(factory, zip(keys, entries, strict=True))
    if structure.context is not None:
        return kind(zip(structure.context, entries, strict=True))
    if kind in (tuple, list, deque):
        return kind(entries)
    return kind(*entries)


def flatten(nest: Any) -> tuple[list[Any], Structure]:
    """The leaves in order, and the structure around them."""
    leaves: list[Any] = []
    return leaves, _flatten(nest, leaves)


def _flatten(nest: Any, leaves: list[Any]) -> Structure:
    opened = _opened(nest)
    if opened is None:
        leaves.append(nest)
        return LEAF
    context, entries = opened
    return Structure(type(nest), context, [_flatten(entry, leaves) for entry in entries])


def unflatten(structure: Structure, leaves: Sequence[Any]) -> Any:
    """The nest with these leaves."""
    return _unflatten(structure, iter(leaves))


def _unflatten(structure: Structure, leaves: Iterator[Any]) -> Any:
    if structure.kind is None:
        return next(leaves)
    return _closed(structure, [_unflatten(child, leaves) for child in structure.children])


def nest_of(structure: Structure) -> Callable[[list[Any]], Any]:
    """A function that makes the nest of a list of leaves, faster than `unflatten`."""
    numbers = iter(range(structure.count))
    text = _written(structure, numbers)
    if text is None:
        return lambda leaves: unflatten(structure, leaves)
    made: Callable[[list[Any]], Any] = eval(f"lambda x: {text}")  # written below
    return made


def _written(structure: Structure, numbers: Iterator[int]) -> str | None:
    """Source of tuples, lists, and dictionaries with words for keys, of `x[0]`, `x[1]`, ..."""
    kind = structure.kind
    if kind is None:
        return f"x[{next(numbers)}]"
    parts = [_written(child, numbers) for child in structure.children]
    if None in parts:
        return None
    if kind is tuple:
        return f"({''.join(f'{part}, ' for part in parts)})"
    if kind is list:
        return f"[{', '.join(map(str, parts))}]"
    if kind is dict and all(type(key) is str for key in structure.context):
        pairs = zip(structure.context, parts, strict=True)
        return f"{{{', '.join(f'{key!r}: {part}' for key, part in pairs)}}}"
    return None


def matched(prefix: Any, structure: Structure) -> list[Any] | None:
    """For each leaf of a structure that of its prefix; `None` if the nest is none."""
    opened = _opened(prefix)
    if opened is None:
        return [prefix] * structure.count
    context, entries = opened
    if (
        type(prefix) is not structure.kind
        or len(entries) != len(structure.children)
        or (context is not None and context != structure.context)
    ):
        return None
    found: list[Any] = []
    for entry, child in zip(entries, structure.children, strict=True):
        part = matched(entry, child)
        if part is None:
            return None
        found += part
    return found


def mapped(function: Callable[[Any], Any], nest: Any) -> Any:
    """The nest with a function of each leaf in its place."""
    leaves, structure = flatten(nest)
    return unflatten(structure, [function(leaf) for leaf in leaves])
