"""Key paths: where a leaf stands in a pytree, as the Python expression that reaches it."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = [
    "DictKey",
    "FlattenedIndexKey",
    "GetAttrKey",
    "KeyPath",
    "SequenceKey",
    "keystr",
]

# One key per level, the root's first. A registered type may use keys of its own.
KeyPath: TypeAlias = tuple[Any, ...]
"""The way from the root of a pytree to a leaf: a tuple of keys."""


@dataclass(frozen=True, slots=True)
class SequenceKey:
    """Step into element `idx` of a tuple or list: `[idx]`."""

    idx: int

    def __str__(self) -> str:
        return f"[{self.idx!r}]"


@dataclass(frozen=True, slots=True)
class DictKey:
    """Step into the value of a dictionary under `key`: `[key]`."""

    key: Hashable

    def __str__(self) -> str:
        return f"[{self.key!r}]"


@dataclass(frozen=True, slots=True)
class GetAttrKey:
    """Step into the attribute `name` of an object: `.name`."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"


@dataclass(frozen=True, slots=True)
class FlattenedIndexKey:
    """Step into child `key` of a registered type that does not name its children."""

    key: int

    def __str__(self) -> str:
        return f"[<flat index {self.key}>]"


def _simple(key: Any) -> str:
    """The bare name or number of a key."""
    match key:
        case SequenceKey(value) | DictKey(value) | GetAttrKey(value) | FlattenedIndexKey(value):
            return str(value)
    return str(key)


def keystr(path: Iterable[Any], *, simple: bool = False, separator: str = "") -> str:
    """The text of a key path, as it would be written behind the tree's name.

    Args:
        path: The keys, the root's first.
        simple: Whether to write bare names and numbers, without brackets, quotes and dots.
        separator: What stands between two keys.

    Returns:
        The text; empty for the root.

    Example:
        >>> keystr((DictKey("layers"), SequenceKey(0), GetAttrKey("bias")))
        "['layers'][0].bias"
        >>> keystr((DictKey("layers"), SequenceKey(0)), simple=True, separator="/")
        'layers/0'
    """
    return separator.join(map(_simple if simple else str, path))


def place(path: KeyPath) -> str:
    """A key path in an error message: `at ['w'][0]`, or `at the root`."""
    return f"at {keystr(path) or 'the root'}"
