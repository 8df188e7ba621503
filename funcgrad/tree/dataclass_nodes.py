"""Dataclasses as pytree nodes."""

import dataclasses
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, overload

from funcgrad.errors import PytreeError
from funcgrad.tree.keys import GetAttrKey
from funcgrad.tree.nodes import NodeKind, show_fields
from funcgrad.tree.registry import add_kind

__all__ = ["register_dataclass"]

C = TypeVar("C", bound=type)


@overload
def register_dataclass(
    cls: C, data_fields: Iterable[str] | None = None, meta_fields: Iterable[str] | None = None
) -> C: ...


@overload
def register_dataclass(
    cls: None = None,
    data_fields: Iterable[str] | None = None,
    meta_fields: Iterable[str] | None = None,
) -> Callable[[C], C]: ...


def register_dataclass(
    cls: Any = None,
    data_fields: Iterable[str] | None = None,
    meta_fields: Iterable[str] | None = None,
) -> Any:
    """Class decorator: make a dataclass a pytree node; some fields are children, others meta data.

    Put it above `@dataclass`. Nodes are put together by the constructor, so `__post_init__` runs
    then, on children that may be any objects. Fields with `init=False` are left to it.

    Args:
        cls: The dataclass, or any class whose constructor takes the fields as keywords, if both
            kinds of fields are given. None to use the function as a decorator with arguments.
        data_fields: Names of the fields that are children. By default all that are not meta data.
        meta_fields: Names of the fields that are part of the structure, which need `==` and a
            hash. By default those that are not given as `data_fields`; or, if neither is given,
            those declared with `field(metadata={"static": True})`.

    Returns:
        The class itself.

    Raises:
        PytreeError: The fields are not those of the constructor, or the class is registered
            already.

    Example:
        >>> import funcgrad
        >>> @register_dataclass(meta_fields=["activation"])
        ... @dataclasses.dataclass(frozen=True)
        ... class Layer:
        ...     weight: float
        ...     activation: str = "tanh"
        >>> funcgrad.tree.flatten(Layer(1.0))
        ([1.0], Structure(Layer(weight=*, activation='tanh')))
    """
    data = None if data_fields is None else tuple(data_fields)
    meta = None if meta_fields is None else tuple(meta_fields)
    if cls is None:
        return lambda decorated: _register(decorated, data, meta)
    return _register(cls, data, meta)


def _register(cls: C, data: tuple[str, ...] | None, meta: tuple[str, ...] | None) -> C:
    names = _split_fields(cls, data, meta)
    get_data, get_meta = _getter(names[0]), _getter(names[1])
    kind = NodeKind(
        cls,
        flatten=lambda tree: (get_data(tree), get_meta(tree)),
        unflatten=lambda meta_values, children: cls(
            **dict(zip(names[0], children, strict=True)),
            **dict(zip(names[1], meta_values, strict=True)),
        ),
        keys=lambda _meta, _arity: [GetAttrKey(name) for name in names[0]],
        show=lambda meta_values, children: show_fields(
            cls.__name__, names[0] + names[1], [*children, *(repr(item) for item in meta_values)]
        ),
    )
    add_kind(kind, "register_dataclass")
    return cls


def _split_fields(
    cls: type, data: tuple[str, ...] | None, meta: tuple[str, ...] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the data fields and of the meta fields, checked."""
    if not (isinstance(cls, type) and dataclasses.is_dataclass(cls)):
        if data is None or meta is None:
            raise PytreeError(
                f"register_dataclass: was given {cls!r}, which is no dataclass. Its fields are "
                "unknown. Put the decorator above @dataclass, or pass both data_fields and "
                "meta_fields."
            )
        _refuse(cls, "named as data and as meta field", [name for name in data if name in meta])
        return data, meta
    fields = [field for field in dataclasses.fields(cls) if field.init]
    known = tuple(field.name for field in fields)
    if data is None and meta is None:
        meta = tuple(field.name for field in fields if field.metadata.get("static", False))
    if data is None:
        data = tuple(name for name in known if name not in (meta or ()))
    if meta is None:
        meta = tuple(name for name in known if name not in data)
    _refuse(cls, "named as data and as meta field", [name for name in data if name in meta])
    _refuse(cls, "no constructor argument", [n for n in data + meta if n not in known])
    _refuse(cls, "neither data nor meta field", [n for n in known if n not in data + meta])
    return data, meta


def _refuse(cls: type, what: str, names: Sequence[str]) -> None:
    if names:
        raise PytreeError(
            f"register_dataclass: {', '.join(names)} of {cls.__qualname__}: {what}. A node is put "
            "together by passing each field to the constructor once. Name each field with init "
            "once, in data_fields or in meta_fields."
        )


def _getter(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """A function from an object to a tuple of these attributes."""
    if not names:
        return lambda _tree: ()
    get: Callable[[Any], Any] = operator.attrgetter(*names)
    if len(names) == 1:
        return lambda tree: (get(tree),)
    return get
