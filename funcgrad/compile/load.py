"""Emitted source as a function that can be stepped through and shows in tracebacks."""

import itertools
import linecache
import weakref
from typing import Any

__all__ = ["load"]

_count = itertools.count(1).__next__


def load(source: str, name: str, namespace: dict[str, Any]) -> Any:
    """The function of this name that the source defines.

    The source stays known to `linecache`, so that debuggers and tracebacks show it, for as long as
    the function lives.

    Args:
        source: the text of a module with one function.
        name: of the function.
        namespace: its global variables.
    """
    file = f"<funcgrad {name} {_count()}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    namespace["__name__"] = __name__  # lines of the user's are looked for outside of funcgrad
    exec(compile(source, file, "exec"), namespace)  # written by the emitter
    function = namespace[name]
    weakref.finalize(function, linecache.cache.pop, file, None)
    return function
