"""Static arguments: which they are, and when two of them are the same."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from types import FunctionType, ModuleType
from typing import Any

from funcgrad.errors import ArgumentSelectionError
from funcgrad.transforms.arguments import function_name

__all__ = ["has_attributes", "same_static", "statics_of", "told_apart"]


class _Same:
    """A value that is equal to itself only, or to an equal number or text."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Same):
            return NotImplemented
        if self.value is other.value:
            return True
        return type(self.value) is type(other.value) in _PLAIN and bool(self.value == other.value)

    def __hash__(self) -> int:
        return hash(type(self.value))


_PLAIN = frozenset({int, float, complex, bool, str, bytes})


def has_attributes(value: Any) -> bool:
    """Whether a value is an object of the user's, whose attributes may be bound anew."""
    root = (type(value).__module__ or "").split(".", 1)[0]
    if isinstance(value, type | FunctionType | ModuleType) or root in ("builtins", *_LIBRARIES):
        return False
    return isinstance(getattr(value, "__dict__", None), dict)


_LIBRARIES = ("enum", "funcgrad", "functools", "numpy")


def told_apart(value: Any) -> Any:
    """What differs where values that are equal do not mean the same: 1, 1.0 and True; 0.0, -0.0."""
    if type(value) in (tuple, frozenset):
        return type(value), tuple(map(told_apart, value))
    if has_attributes(value):
        return type(value), tuple((name, _Same(x)) for name, x in vars(value).items())
    return type(value), repr(value) if type(value) in (float, complex) else None


def same_static(a: Any, b: Any) -> bool:
    """Whether two static arguments mean the same."""
    return a is b or (told_apart(a) == told_apart(b) and a == b)


def statics_of(
    fun: Callable[..., Any],
    parameters: list[str],
    numbers: int | Sequence[int],
    names: str | Sequence[str],
) -> tuple[frozenset[int], frozenset[str]]:
    """Positions and names of static arguments; each that is known by one is known by the other."""
    places: tuple[Any, ...] = tuple(numbers) if isinstance(numbers, Iterable) else (numbers,)
    if not all(hasattr(place, "__index__") for place in places):
        raise ArgumentSelectionError(
            f"jit: static_argnums={numbers!r}. Positions are integers. Write static_argnums=0 or "
            "static_argnums=(0, 1), or use static_argnames."
        )
    words = (
        (names,)
        if isinstance(names, str)
        else tuple(names)
        if isinstance(names, Iterable)
        else (0,)
    )
    if not all(isinstance(word, str) for word in words):
        raise ArgumentSelectionError(
            f"jit: static_argnames={names!r}. Names of parameters are strings. Write "
            "static_argnames='mode' or static_argnames=('mode', 'axis')."
        )
    try:
        kinds = {p.kind for p in inspect.signature(fun).parameters.values()}
    except (TypeError, ValueError):
        return frozenset(places), frozenset(words)
    open_end = inspect.Parameter.VAR_POSITIONAL in kinds
    for place in places:
        if not -len(parameters) <= place < len(parameters) and not open_end:
            raise ArgumentSelectionError(
                f"jit: static_argnums={place}, but {function_name(fun)} has "
                f"{len(parameters)} parameters. There is no such argument. Choose from 0 to "
                f"{len(parameters) - 1}, or use static_argnames."
            )
    for word in words:
        if word not in parameters and inspect.Parameter.VAR_KEYWORD not in kinds:
            raise ArgumentSelectionError(
                f"jit: static_argnames={word!r}, but {function_name(fun)} has no such parameter. "
                f"Choose from {parameters}."
            )
    known = {
        parameters[i] for i in places if not open_end and -len(parameters) <= i < len(parameters)
    }
    return frozenset(places), frozenset({*words, *known})
