"""Emitted source as a function that can be stepped through and shows in tracebacks."""

import itertools
import linecache
import weakref
from collections.abc import Sequence
from typing import Any

__all__ = ["load"]

_count = itertools.count(1).__next__


def load(source: str | Sequence[str], name: str, namespace: dict[str, Any]) -> Any:
    """The function of this name that the source defines.

    The source stays known to `linecache`, so that debuggers and tracebacks show it, for as long as
    the function lives.

    Args:
        source: the text of a module with one function, or its lines with their ends, which are
            kept without a copy.
        name: of the function.
        namespace: its global variables.
    """
    file = f"<funcgrad {name} {_count()}>"
    lines = source.splitlines(keepends=True) if isinstance(source, str) else list(source)
    text = "".join(lines)
    linecache.cache[file] = (len(text), None, lines, file)
    namespace["__name__"] = __name__  # lines of the user's are looked for outside of funcgrad
    exec(compile(text, file, "exec"), namespace)  # written by the emitter
    function = namespace[name]
    weakref.finalize(function, linecache.cache.pop, file, None)
    return function
