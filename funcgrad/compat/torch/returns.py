"""PyTorch's named tuples of several results: `torch.return_types.max` and the like."""

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.registry import MODULES

__all__ = ["return_type"]


class ReturnType(tuple[Any, ...]):
    """Base of the named tuples; prints a field a line."""

    __slots__ = ()
    _fields: tuple[str, ...]

    @override
    def __repr__(self) -> str:
        lines = ",\n".join(
            f"{field}={item!r}" for field, item in zip(self._fields, self, strict=True)
        )
        return f"torch.return_types.{type(self).__name__}(\n{lines})"

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        return (_again, (type(self).__name__, self._fields, tuple(self)))


def _again(name: str, fields: Sequence[str], items: tuple[Any, ...]) -> Any:
    """A tuple from its pickle."""
    return return_type(name, fields)(*items)


def return_type(name: str, fields: str | Sequence[str]) -> Any:
    """A class of named tuples, entered as `torch.return_types.<name>`.

    Args:
        name: of the class; PyTorch puts `linalg_` in front of those of `torch.linalg`.
        fields: names of the results, in one text with blanks or one by one.
    """
    # The name of the class is the function's, so no annotated class can be written for it.
    known = MODULES.get("return_types", {}).get(name)
    if known is not None:
        return known
    base: Any = namedtuple(name, fields)  # type: ignore[misc]  # of a name that is found out
    made: Any = type(
        name,
        (ReturnType, base),
        {
            "__slots__": (),
            "__module__": "torch.return_types",
            "__new__": lambda cls, *items: tuple.__new__(
                cls, items[0] if len(items) == 1 and len(cls._fields) > 1 else items
            ),
        },
    )
    MODULES.setdefault("return_types", {})[name] = made
    return made
