"""What the writing of an equation may ask for: names of values and of functions."""

from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["Scope"]


class Scope(Protocol):
    """Gives names that the written code can use."""

    def constant(self, value: Any) -> str:
        """A literal for a value, or the name of a global variable that holds it."""
        ...

    def helper(self, function: Callable[..., Any], name: str) -> str:
        """The name of a global variable that holds a function; `name` if that is free."""
        ...
