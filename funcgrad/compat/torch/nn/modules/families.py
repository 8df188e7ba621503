"""Classes that differ from others of a family in their number of dimensions only."""

import inspect
from types import FunctionType
from typing import Any, TypeVar

__all__ = ["of_family"]

_C = TypeVar("_C", bound=type[Any])


def of_family(cls: _C) -> _C:
    """Let a class have what it inherits from the private class of its family as its own.

    Its methods `__init__` and `forward` then go by its own name in messages, and its docstring
    tells the arguments.
    """
    for name in ("__init__", "forward"):
        found: Any = getattr(cls, name)
        if name not in vars(cls) and found.__qualname__.startswith("_"):
            own = FunctionType(
                found.__code__, found.__globals__, name, found.__defaults__, found.__closure__
            )
            own.__kwdefaults__ = found.__kwdefaults__
            own.__doc__ = found.__doc__
            own.__annotations__ = found.__annotations__
            own.__module__ = found.__module__
            own.__qualname__ = f"{cls.__qualname__}.{name}"
            setattr(cls, name, own)
    for base in cls.__mro__[1:]:
        text = inspect.cleandoc(base.__doc__ or "")
        if base.__name__.startswith("_") and "\n\nArgs:" in text:
            cls.__doc__ = f"{cls.__doc__}\n\n{text[text.index('Args:') :]}"
            break
    return cls
