"""Names of values and functions in the source of a compiled function."""

import math
from types import ModuleType
from typing import Any

import numpy as np

from funcgrad.compile.naming import Names
from funcgrad.core.program import Reference

__all__ = ["JitScope"]

_PLAIN = frozenset({int, float, bool, str, type(None)})

_NUMPY = ModuleType("numpy")
"""NumPy without the module's `__getattr__`, for which Python looks up each `np.add` anew: 35 ns.

What that would import when it is first asked for is imported here."""
_NUMPY.__dict__.update({name: x for name, x in vars(np).items() if name != "__getattr__"})
_NUMPY.__dict__.update({"fft": np.fft, "linalg": np.linalg, "random": np.random})


class JitScope:
    """Puts values and functions into the namespace of the compiled function."""

    __slots__ = ("_known", "_names", "namespace")

    def __init__(self, names: Names) -> None:
        self.namespace: dict[str, Any] = {"np": _NUMPY}
        self._names = names
        self._known: dict[Any, str] = {}

    def constant(self, value: Any) -> str:
        """A literal for a value, or the name of a global variable that holds it."""
        name = ""
        if isinstance(value, Reference):
            value, name = value.value, value.name
        else:
            if type(value) in _PLAIN and (type(value) is not float or math.isfinite(value)):
                text = repr(value)
                return f"({text})" if text[0] == "-" else text
            if isinstance(value, np.generic) or (type(value) is np.ndarray and not value.shape):
                key = (type(value), value.dtype, value.tobytes())
                return self._named(key, value, _hint(value))
        return self._named(id(value), value, name or "c")

    def helper(self, function: Any, name: str) -> str:
        """The name of a global variable that holds a function."""
        return self._named(id(function), function, name)

    def close(self) -> None:
        """Forget which names there are: none is added any more."""
        self._names = Names()
        self._known = {}

    @property
    def listing(self) -> list[tuple[str, str]]:
        """The names and what they hold, without those that every function has."""
        return [
            (name, _shown(value))
            for name, value in self.namespace.items()
            if name not in ("MISSED", "np", "__builtins__", "__name__")
        ]

    def _named(self, key: Any, value: Any, hint: str) -> str:
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._names.fresh(hint)
            self.namespace[found] = value  # it keeps the value alive, so its identity is its own
        return found


def _hint(value: Any) -> str:
    """A name for a number: `c_0_5` for 0.5."""
    text = repr(value.item()).removesuffix(".0")
    for sign, word in (("-", "m"), (".", "_"), ("+", "")):
        text = text.replace(sign, word)
    return f"c_{text}" if text.replace("_", "").isalnum() and len(text) < 12 else "c"


def _shown(value: Any) -> str:
    """A value in few characters."""
    if isinstance(value, np.ndarray):
        if value.size > 4:
            return f"<{value.dtype}[{', '.join(map(str, value.shape))}]>"
        return f"np.array({value.tolist()}, np.{value.dtype})"
    if callable(value):
        return f"<{getattr(value, '__name__', type(value).__name__)}>"
    return repr(value) if len(repr(value)) < 60 else f"<{type(value).__name__}>"
