"""Loops over plain arrays as Python functions, written as they are in compiled code.

While a function is recorded, its loops run for their values; so they do where a derivative of a
compiled function is taken.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from funcgrad.compile.load import load
from funcgrad.compile.naming import Names
from funcgrad.compile.structured_loops import write_loop
from funcgrad.compile.writer import Writer
from funcgrad.core.primitive import Primitive
from funcgrad.core.program import Equation, Reference, Variable
from funcgrad.core.wengert import Aval

__all__ = ["compiled"]


class _Scope:
    """Puts values and functions into the namespace of the function."""

    __slots__ = ("names", "namespace")

    def __init__(self, names: Names) -> None:
        self.names = names
        self.namespace: dict[str, Any] = {"np": np}

    def constant(self, value: Any) -> str:
        """A literal for a value, or the name of a global variable that holds it."""
        if isinstance(value, Reference):
            value = value.value
        if type(value) in (int, bool) or (type(value) is float and math.isfinite(value)):
            return f"({value!r})"
        return self.helper(value, "c")

    def helper(self, function: Any, name: str) -> str:
        """The name of a global variable that holds a function."""
        found = self.names.fresh(name)
        self.namespace[found] = function
        return found


def compiled(
    primitive: Primitive, loop: Any, inputs: list[Aval], outputs: list[Aval]
) -> Callable[..., list[Any]]:
    """A function of the operands of a loop, that returns its results.

    Args:
        primitive: of loops.
        loop: the loop.
        inputs: its operands.
        outputs: its results.
    """
    operands = [Variable(i, aval.shape, aval.dtype) for i, aval in enumerate(inputs)]
    results = [Variable(~i, aval.shape, aval.dtype) for i, aval in enumerate(outputs)]
    equation = Equation(primitive, tuple(operands), (("fun", loop),), tuple(results))
    names = Names()
    scope = _Scope(names)
    writer = Writer(scope, names, comments=False)
    name = names.fresh("loop")
    given = [names.fresh("x") for _ in operands]
    writer.line(f"def {name}({', '.join(given)}):")
    with writer.indented():
        found = write_loop(writer, equation, given)
        writer.line(f"return [{', '.join(found)}]")
    function: Callable[..., list[Any]] = load("\n".join(writer.lines), name, scope.namespace)
    return function
