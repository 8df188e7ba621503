"""What cannot be compiled: the exception that ends a recording, and who raises it.

While a function is recorded for `torch.compile`, the values of its tensors are tracers of a
staging. Whatever would take a number out of them, other than by a guard, would make it a constant
of the compiled function; so it raises `Break`, and the function runs eagerly.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from funcgrad.compat.torch.state import STATE
from funcgrad.core.tracer import Tracer
from funcgrad.interpreters.stage import Stage, StageTracer

__all__ = [
    "MOST",
    "Break",
    "answered",
    "as_one",
    "check_places",
    "concrete",
    "is_recorded",
    "known",
    "note_write",
    "refuse",
    "takes_blocks",
    "watched",
]  # fmt: skip

_F = TypeVar("_F", bound=Callable[..., Any])


MOST = 8
"""So many versions of one function are compiled, as in PyTorch; further ones run eagerly."""


class Break(BaseException):
    """Ends a recording; no `except Exception` of the user's catches it.

    Attributes:
        reason: why the function runs eagerly.
        lasting: whether it does so for all calls of this kind from now on.
    """

    def __init__(self, reason: str, *, lasting: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.lasting = lasting


def refuse(reason: str) -> None:
    """End the recording of this thread, if there is one.

    Raises:
        Break: then.
    """
    if STATE.compiling is not None:
        STATE.compiling.stop(reason)


def note_write(array: np.ndarray[Any, Any], cell: list[Any]) -> None:
    """Let the recording of this thread, if there is one, know of a write into a plain array."""
    if STATE.compiling is not None:
        STATE.compiling.note_write(array, cell)


def is_recorded(value: Any) -> bool:
    """Whether a value is one of a function that is being recorded."""
    while isinstance(value, Tracer):
        if isinstance(value.owner, Stage):
            return True
        value = value.value
    return False


def known(value: Any) -> Any:
    """The plain value below every transform, where it may be looked at."""
    while isinstance(value, Tracer):
        if isinstance(value.owner, Stage):
            refuse("it looks at the values of a tensor")
        value = value.value
    return value


def answered(value: StageTracer, what: str) -> Any:
    """A number of a recorded tensor, for Python: a guard for truth values and whole numbers."""
    if value.size == 1 and what == "bool":
        return np.asarray(bool(value.reshape(()) if value.ndim else value))
    if value.size == 1 and what == "item" and value.dtype.kind in "biu":
        number = (value.reshape(()) if value.ndim else value).item()
        return np.asarray(number, value.dtype)
    if STATE.compiling is None:
        return value.value
    refuse(f"it asks for the values of a tensor (.{what}())")
    return value.value


def watched(value: Any) -> Any:
    """The value below the transforms that record, of which a question becomes a guard."""
    while isinstance(value, Tracer) and not isinstance(value, StageTracer):
        value = value.value
    return value


def check_places(places: Any, low: int, high: int | None = None) -> None:
    """Let a guard see to it that recorded indices stay within bounds.

    Raises:
        Break: if they do not now; the function then runs eagerly, and raises what it has to.
    """
    if is_recorded(places) and places.size:
        seen = watched(places)
        if bool(np.any(seen < low)) or (high is not None and bool(np.any(seen >= high))):
            refuse("an index is out of bounds")


def takes_blocks(value: Any) -> bool:
    """Whether a function of this value is to become one operation; see `as_one`."""
    return is_recorded(value) and STATE.compiling is not None and STATE.compiling.takes_blocks


def as_one(function: _F) -> _F:
    """Let a function that has a short way for plain arrays be one operation of compiled programs.

    Its derivative is then that of the short way, too. It must draw no random numbers and write into
    none of its arguments.
    """

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        if STATE.compiling is None:
            return function(*args, **kwargs)
        return STATE.compiling.block(function, args, kwargs)

    return called  # type: ignore[return-value]  # it is called alike


def concrete(value: Any) -> Any:
    """A recorded value as the array it is now, of which only the order in memory may be asked."""
    if is_recorded(value):
        while isinstance(value, Tracer):
            value = value.value
    return value
