"""What PyTorch says of an argument of a wrong kind, found out after something has failed.

Functions take what they are given, and where that is no tensor they fail somewhere inside. Only
then are the arguments looked at: `explained` makes of the error the one that PyTorch raises before
it computes anything. So nothing is checked, and no time spent, where all is well.
"""

import functools
import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from types import FrameType, NoneType
from typing import Any, NamedTuple

import numpy as np

from funcgrad.compat.torch.refusals import ROWS
from funcgrad.compat.torch.tensor import Tensor

__all__ = [
    "FAILURES",
    "HELD",
    "Word",
    "explained",
    "kind_of",
    "no_sizes",
    "outside",
    "refuse",
    "row_of",
]

FAILURES = (AttributeError, TypeError, ValueError, IndexError, RuntimeError)
"""What a wrong argument may lead to."""

_NUMBERS = (int, float, complex, np.number, np.bool_)
_WORD = re.compile(r"(?:(\w+)=)?(\w+)(:\d+|\*|\.\w+)?([?#&\[]*)")
_INVALID = (
    "{}() received an invalid combination of arguments - got ({}), but expected one of:\n * {}"
)
_HEAP_TYPE = 1 << 9


class Word(NamedTuple):
    """An argument that must be a tensor.

    Attributes:
        key: its place or name.
        name: as messages call it.
        position: in messages; 0 if they do not say it.
        style: ":" (must be Tensor), "*" (no signature fits) or "." (it is asked for an attribute).
        flags: other values that are taken.
    """

    key: str
    name: str
    position: int
    style: str
    flags: str


class Row(NamedTuple):
    """What is known of a function; `kind` is "!", "+" or empty, as in the table."""

    name: str
    kind: str
    words: tuple[Word, ...]


DEFAULT = Row("", "", (Word("input", "input", 1, ":", ""),))
"""Of a function without a row, if it has an argument of this name."""


@functools.cache
def _rows() -> dict[str, Row]:
    found = {}
    for line in ROWS.strip().splitlines():
        head, *rest = line.split()
        match = re.fullmatch(r"([\w.]+)(?:=(\w+))?([!+]?)", head)
        assert match is not None, head
        label, name, kind = match.groups()
        own = label.rpartition(".")[2]
        found[label] = Row(name or own, kind, tuple(map(_word, rest)))
    return found


def _word(text: str) -> Word:
    match = _WORD.fullmatch(text)
    assert match is not None, text
    key, name, tail, flags = match.groups()
    style = tail[0] if tail else ":"
    if style == ".":
        return Word(key or name, tail[1:], 0, style, flags)
    return Word(key or name, name, int(tail[1:]) if tail and style == ":" else 0, style, flags)


@functools.cache
def row_of(label: str) -> Row:
    """The row of a function or method, in-place variants included."""
    rows = _rows()
    row = rows.get(label)
    if row is not None:
        return row
    module, _, own = label.rpartition(".")
    if own.endswith("_") and not own.endswith("__"):
        base = row_of(label[:-1])
        return base._replace(name=f"{base.name}_")
    if module != "Tensor":
        return DEFAULT._replace(name=own)
    base = row_of(own)
    if base.words is DEFAULT.words:
        return base._replace(words=())
    words = [word._replace(position=word.position - 1) for word in base.words]
    return base._replace(words=tuple(word for word in words if not _is_first(word)))


def _is_first(word: Word) -> bool:
    return word.key == "0" or (word.style == ":" and word.position == 0 and word.key == "input")


def kind_of(value: Any) -> str:
    """The type of a value as PyTorch's messages call it."""
    kind = type(value)
    if kind is Tensor:
        return "Tensor"
    name: str = kind.__qualname__
    if kind.__module__ == "builtins" or kind.__flags__ & _HEAP_TYPE:
        return kind.__name__
    return f"{kind.__module__}.{name}"


def explained(
    error: BaseException | None,
    label: str,
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> Exception | None:
    """What PyTorch raises for the arguments; `None` if it does not refuse their kinds.

    Args:
        error: what was raised; `None` if nothing was.
        label: PyTorch's name, without "torch."; "Tensor.name" of a method.
        function: which took the arguments.
        args: of the call, the tensor itself included if it is one of a method.
        kwargs: those given by name.
    """
    row = row_of(label)
    names = _names_of(function)
    method = label.startswith("Tensor.")
    for word in row.words:
        if row.words is DEFAULT.words and names[:1] != ("input",):
            break
        value, by_name = _given(word, names, args, kwargs, method)
        if value is _ABSENT or isinstance(value, Tensor) or _is_taken(value, word.flags):
            continue
        if value is None and _name_of(word, names, method) in _optional(function):
            continue
        own = not isinstance(error, AttributeError | TypeError | NoneType)
        if own and word.style == "*" and isinstance(value, (*_NUMBERS, list, tuple)):
            continue  # which another signature takes
        found = _refusal(row, word, value, by_name, names, args[method:], kwargs)
        if found is not None:
            return found
    if isinstance(error, AttributeError):
        return _by_object(error, row, names, args, kwargs, method)
    if isinstance(error, TypeError) and _is_of_call(error):
        return _of_call(error, label, row, names, args[method:], kwargs)
    if isinstance(error, TypeError):
        return _by_type(error, row, names, args, kwargs, method)
    return None


_ABSENT = object()
HELD = frozenset(Tensor.__annotations__)
"""Attributes of tensors that are no business of users."""


def _names_of(function: Callable[..., Any]) -> tuple[str, ...]:
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return ()


def _optional(function: Callable[..., Any]) -> set[str]:
    """Names of arguments that may be left out as `None`."""
    try:
        found = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return set()
    return {name for name, one in found.items() if one.default is None}


def _name_of(word: Word, names: Sequence[str], method: bool) -> str:
    """The name of an argument here."""
    if word.key.isdigit() and int(word.key) < len(names):
        return names[int(word.key)]
    at = word.position - 1 + method
    return names[at] if word.key not in names and 0 < at < len(names) else word.key


def _given(
    word: Word,
    names: Sequence[str],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    method: bool,
) -> tuple[Any, bool]:
    """The value of an argument, and whether it was given by its name."""
    key = word.key
    if key.isdigit():
        at = int(key)
        key = names[at] if at < len(names) else key
    elif key in names:
        at = names.index(key)
    elif word.position:
        at = word.position - 1 + method
        key = names[at] if at < len(names) else key
    else:
        at = len(args)
    if "&" in word.flags:
        several = args[at:]
        one = several[0] if len(several) == 1 else None
        return (one if isinstance(one, list | tuple) else tuple(several)), False
    if at < len(args):
        return args[at], False
    return kwargs.get(key, _ABSENT), True


def _is_taken(value: Any, flags: str) -> bool:
    if value is None:
        return "?" in flags
    if isinstance(value, _NUMBERS):
        return "#" in flags
    return (
        "[" in flags
        and isinstance(value, list | tuple)
        and all(isinstance(one, Tensor) for one in value)
    )


def _refusal(
    row: Row,
    word: Word,
    value: Any,
    by_name: bool,
    names: Sequence[str],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> Exception | None:
    if word.style == "*":
        return _invalid(row, names, args, kwargs)
    if word.style == ".":
        try:
            held = getattr(value, word.name)
            if callable(getattr(Tensor, word.name, None)):
                held()
        except (AttributeError, TypeError) as error:
            return error.with_traceback(None)
        return None
    wanted = "Tensor"
    if "[" in word.flags:
        if isinstance(value, list | tuple):
            at, one = next((i, x) for i, x in enumerate(value) if not isinstance(x, Tensor))
            return TypeError(
                f"expected Tensor as element {at} in argument {max(word.position - 1, 0)}, but got "
                f"{kind_of(one)}"
            )
        wanted = "tuple of Tensors"
    shown = word.position and (not by_name or row.kind == "!")
    where = f" (position {word.position})" if shown else ""
    return TypeError(
        f"{row.name}(): argument '{word.name}'{where} must be {wanted}, not {kind_of(value)}"
    )


def _invalid(
    row: Row, names: Sequence[str], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> TypeError:
    got = [*map(kind_of, args), *(f"{key}={kind_of(value)}" for key, value in kwargs.items())]
    shown = ", ".join(got) + (", " if kwargs and not args else "")
    return TypeError(_INVALID.format(row.name, shown, f"({', '.join(names)})"))


def _by_object(
    error: AttributeError,
    row: Row,
    names: Sequence[str],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    method: bool,
) -> TypeError | None:
    """The argument that was asked for what a tensor, or a tensor's data type, has."""
    value, asked = error.obj, error.name or ""
    if isinstance(value, Tensor) or not asked:
        return None
    of_type = isinstance(value, np.dtype)
    wanted = "Tensor" if of_type or asked in HELD or hasattr(Tensor, asked) else "str"
    if wanted == "str" and not hasattr(str, asked):
        return None
    for name, position, one in _numbered(names, args, kwargs, method):
        if one is value or (of_type and isinstance(one, np.ndarray)):
            unnamed = row.words is DEFAULT.words and position == 1 - method and wanted != "str"
            where = f" (position {position})" if position else ""
            return TypeError(
                f"{row.name}(): argument '{'input' if unnamed else name}'{where} must be {wanted}, "
                f"not {kind_of(one)}"
            )
    return None


def _numbered(
    names: Sequence[str], args: Sequence[Any], kwargs: Mapping[str, Any], method: bool
) -> list[tuple[str, int, Any]]:
    """Arguments with names and positions; those given by name have position 0."""
    found = [(names[at], at + 1 - method, one) for at, one in enumerate(args[: len(names)])]
    return found + [(name, 0, one) for name, one in kwargs.items()]


_NOT_WHOLE = re.compile(
    r"argument 'dim' must be int, not (\w+)|'(\w+)' object cannot be interpreted as an integer"
)
_SIZES = frozenset({"dims", "repeats", "shape", "shifts", "size", "split_sizes"})


def _by_type(
    error: TypeError,
    row: Row,
    names: Sequence[str],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    method: bool,
) -> TypeError | None:
    """The argument that is no whole number, where the error says only what it is."""
    match = _NOT_WHOLE.fullmatch(str(error))
    if match is None:
        return None
    kind = match[1] or match[2]
    for name, position, one in _numbered(names, args, kwargs, method):
        if type(one).__name__ == kind:
            if row.kind == "+":
                return _invalid(row, names[method:], args[method:], kwargs)
            where = f" (position {position})" if position else ""
            wanted = "tuple of ints" if name in _SIZES else "int"
            return TypeError(
                f"{row.name}(): argument '{name}'{where} must be {wanted}, not {kind_of(one)}"
            )
    return None


def no_sizes(name: str, *given: Any) -> TypeError:
    """The error for sizes that are no whole numbers."""
    if name == "view":
        kinds = ", ".join(map(kind_of, given))
        return TypeError(
            f"view() received an invalid combination of arguments - got ({kinds}), but expected "
            "one of:\n * (torch.dtype dtype)\n * (tuple of ints size)"
        )
    if not given:
        return TypeError(f'{name}() missing 1 required positional arguments: "shape"')
    if len(given) > 1:
        return TypeError(f"{name}() takes 1 positional argument but {len(given)} were given")
    return TypeError(
        f"{name}(): argument 'shape' (position 1) must be tuple of ints, not {kind_of(given[0])}"
    )


# --- arguments that the function does not have ------------------------------------------------


def _is_of_call(error: TypeError) -> bool:
    """Whether the call failed before the function ran."""
    trace = error.__traceback__
    return trace is not None and trace.tb_next is None


def _of_call(
    error: TypeError,
    label: str,
    row: Row,
    names: Sequence[str],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> TypeError | None:
    method = label.startswith("Tensor.")
    if row.kind == "+":
        return _invalid(row, names[method:], args, kwargs)
    text = str(error)
    _, bracket, rest = text.partition("() ")
    if not bracket:
        return None
    missing = re.match(r"missing (\d+) required .*? arguments?: '(\w+)'", rest)
    if missing and row.kind != "!":
        rest = f'missing {missing[1]} required positional arguments: "{missing[2]}"'
    counts = re.match(r"takes (?:from \d+ to )?(\d+) positional arguments? but (\d+) w", rest)
    if counts and row.kind != "!":
        most, given = int(counts[1]) - method, int(counts[2]) - method
        rest = f"takes {most} positional argument{'s' * (most != 1)} but {given} " + (
            "was given" if given == 1 else "were given"
        )
    name = label.rpartition(".")[2] if row.kind == "!" else row.name
    return TypeError(f"{name}() {rest}")


def outside() -> int:
    """How many calls lie between a warning and the user's program: its `stacklevel`."""
    frame: FrameType | None = sys._getframe(1)
    level = 1
    while frame is not None and frame.f_globals.get("__name__", "").startswith(_PACKAGE):
        frame = frame.f_back
        level += 1
    return level


_PACKAGE = __name__.rpartition(".")[0]


def refuse(label: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Raise what PyTorch raises for the arguments, if it does.

    Raises:
        TypeError: in PyTorch's words.
    """
    found = explained(None, label, function, args, kwargs)
    if found is not None:
        raise found
