"""Errors that cross from one process to another."""

import sys
import traceback
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from typing_extensions import override

__all__ = ["Failure"]


class _KeyErrorText(str):
    """A text that KeyError shows with its lines, not as one quoted line."""

    __slots__ = ()

    @override
    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True)
class Failure:
    """An error that was raised elsewhere.

    Attributes:
        kind: its type.
        name: of its type.
        text: its traceback as text.
        where: it happened.
    """

    kind: Any
    name: str
    text: str
    where: str

    @classmethod
    def current(cls, where: str) -> "Failure":
        """The error that is being handled."""
        kind, error, trace = sys.exc_info()
        text = "".join(traceback.format_exception(kind, error, trace))
        return cls(kind, kind.__name__ if kind else "", text, where)

    def plain(self) -> "Failure":
        """The same as a RuntimeError, for a type that no other process knows."""
        return replace(self, kind=RuntimeError)

    def reraise(self) -> NoReturn:
        """Raise an error of the same type that shows the original traceback.

        Raises:
            RuntimeError: if an error of that type cannot be made of a text.
        """
        kind = self.kind
        message: str = f"Caught {self.name} {self.where}.\nOriginal {self.text}"
        if kind is KeyError:
            message = _KeyErrorText(message)
        elif getattr(kind, "message", None):
            # Some errors take their text as a keyword first.
            raise kind(message=message)
        try:
            error = kind(message)
        except Exception:  # noqa: BLE001  # whatever its constructor wants, it is not a text alone
            error = RuntimeError(message)
        raise error from None
