"""Residuals taken out of the records of a Wengert list, and put in again.

What a record keeps is a value, or tuples, lists and dicts of values, or an object that gives its
values out. The values come out as a flat list, and slots stay in their places.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Cutter", "Slot", "filled"]


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of a residual in what a record keeps."""

    number: int


@dataclass(frozen=True, slots=True)
class _Parted:
    """An object that holds values, without them: `parts()` takes them out, `with_parts` in."""

    empty: Any
    parts: tuple[Any, ...]


class Cutter:
    """Takes residuals out of records; one that is kept in several places comes out once.

    Args:
        chosen: tells which values are taken out.

    Attributes:
        residuals: the values.
    """

    __slots__ = ("_chosen", "_slots", "residuals")

    def __init__(self, chosen: Callable[[Any], bool]) -> None:
        self.residuals: list[Any] = []
        self._chosen = chosen
        self._slots: dict[int, Slot] = {}

    def cut(self, x: Any) -> Any:
        """What a record keeps, with slots in place of the values."""
        if type(x) is tuple:
            return tuple(map(self.cut, x))
        if type(x) is list:
            return list(map(self.cut, x))
        if type(x) is dict:
            return {key: self.cut(part) for key, part in x.items()}
        if hasattr(x, "with_parts"):
            return _Parted(x.with_parts(()), tuple(map(self.cut, x.parts())))
        if not self._chosen(x):
            return x
        slot = self._slots.get(id(x))
        if slot is None:
            slot = self._slots[id(x)] = Slot(len(self.residuals))
            self.residuals.append(x)
        return slot


def filled(template: Any, residuals: Sequence[Any]) -> Any:
    """What a record keeps, with values in place of the slots."""
    if type(template) is Slot:
        return residuals[template.number]
    if type(template) is _Parted:
        return template.empty.with_parts(tuple(filled(part, residuals) for part in template.parts))
    if type(template) is tuple:
        return tuple(filled(part, residuals) for part in template)
    if type(template) is list:
        return [filled(part, residuals) for part in template]
    if type(template) is dict:
        return {key: filled(part, residuals) for key, part in template.items()}
    return template
