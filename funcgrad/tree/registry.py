"""The registry: which types are pytree nodes.

`KINDS` is the one piece of global state of `funcgrad.tree`. It only grows: a type is registered
once, under a lock, and stays what it is. Reading needs no lock. A type counts itself, not its
subclasses: a subclass of dict or list is a leaf until it is registered.
"""

import threading
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from funcgrad.errors import PytreeError
from funcgrad.tree.nodes import BUILTIN_KINDS, NAMEDTUPLE, NodeKind, is_namedtuple_type

__all__ = ["KINDS", "kind_of", "register_node", "register_node_class", "register_static"]

C = TypeVar("C", bound=type)
T = TypeVar("T")

KINDS: dict[type, NodeKind] = {kind.node_type: kind for kind in BUILTIN_KINDS}
_LOCK = threading.Lock()


def kind_of(cls: type) -> NodeKind | None:
    """The kind of node that instances of exactly this class are; None for leaves."""
    kind = KINDS.get(cls)
    if kind is None and is_namedtuple_type(cls):
        return NAMEDTUPLE
    return kind


def add_kind(kind: NodeKind, caller: str) -> None:
    """Enter a kind into the registry.

    Args:
        kind: The new kind.
        caller: The public function that was called, for the error.

    Raises:
        PytreeError: What was given is no class, or a class that is registered already.
    """
    cls = kind.node_type
    if not isinstance(cls, type):
        raise PytreeError(
            f"{caller}: was given {cls!r}, which is no class. Only whole types can be pytree "
            f"nodes. Register type(x) for an object x, or use {caller} as a class decorator."
        )
    with _LOCK:
        if cls in KINDS:
            raise PytreeError(
                f"{caller}: was given {cls.__qualname__}, which is a pytree node already. A type "
                f"can be registered once. Remove this registration, or register a subclass."
            )
        KINDS[cls] = kind


def register_node(
    cls: type[T],
    flatten: Callable[[T], tuple[Iterable[Any], Any]],
    unflatten: Callable[[Any, tuple[Any, ...]], T],
    flatten_with_keys: Callable[[T], tuple[Iterable[tuple[Any, Any]], Any]] | None = None,
) -> None:
    """Make a type a pytree node: T ≅ meta data × children.

    Args:
        cls: The type. Its subclasses are not registered with it.
        flatten: Takes an instance, returns its children and its meta data. The meta data become
            part of the structure, so they must have `==` and a hash: no arrays.
        unflatten: Takes meta data and a tuple of children, returns an instance. The children can
            be any objects, not only arrays, so it should not convert or check them.
        flatten_with_keys: Like `flatten`, but with a pair (key, child) for each child: for key
            paths that name the children.

    Raises:
        PytreeError: The type is registered already.

    Example:
        >>> class Interval:
        ...     def __init__(self, low, high):
        ...         self.low, self.high = low, high
        >>> register_node(Interval, lambda t: ((t.low, t.high), None), lambda _, c: Interval(*c))
        >>> import funcgrad
        >>> funcgrad.tree.leaves([Interval(1.0, 2.0), 3.0])
        [1.0, 2.0, 3.0]
    """
    kind = NodeKind(cls, flatten, unflatten, flatten_with_keys=flatten_with_keys)
    add_kind(kind, "register_node")


def register_node_class(cls: C) -> C:
    """Class decorator: make a type a pytree node by its own methods.

    Args:
        cls: A class with a method `tree_flatten(self) -> (children, meta)`, a class method
            `tree_unflatten(cls, meta, children)` and, if it likes, a method
            `tree_flatten_with_keys(self) -> ((key, child) pairs, meta)`.

    Returns:
        The class itself.

    Raises:
        PytreeError: A method is missing, or the type is registered already.
    """
    methods: Any = cls
    missing = [name for name in ("tree_flatten", "tree_unflatten") if not hasattr(cls, name)]
    if missing:
        raise PytreeError(
            f"register_node_class: was given {cls!r}, which lacks {' and '.join(missing)}. Without "
            "them it cannot be taken apart and put together. Add the methods, or pass functions "
            "to register_node."
        )
    kind = NodeKind(
        cls,
        methods.tree_flatten,
        methods.tree_unflatten,
        flatten_with_keys=getattr(methods, "tree_flatten_with_keys", None),
    )
    add_kind(kind, "register_node_class")
    return cls


def register_static(cls: C) -> C:
    """Class decorator: make a type a pytree node without leaves.

    Its instances are part of the structure: transforms pass them through as they are.

    Args:
        cls: A class whose instances have `==` and a hash.

    Returns:
        The class itself.

    Raises:
        PytreeError: The type is registered already.
    """
    kind = NodeKind(
        cls,
        flatten=lambda tree: ((), tree),
        unflatten=lambda meta, _children: meta,
        show=lambda meta, _children: repr(meta),
    )
    add_kind(kind, "register_static")
    return cls
