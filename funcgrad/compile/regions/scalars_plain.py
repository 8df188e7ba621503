"""What a cluster of numbers is in plain NumPy, for operands where a number is not finite."""

import threading
from typing import Any

import numpy as np

from funcgrad.compile.load import load
from funcgrad.compile.naming import Names
from funcgrad.core.program import Program, Variable

__all__ = ["ARITHMETIC", "Plain"]

ARITHMETIC = (ValueError, OverflowError, ZeroDivisionError)
"""What `math` and Python's operators raise where NumPy gives inf or nan."""


class Plain:
    """A cluster evaluated by NumPy, with its warnings; written and compiled when it is called.

    Args:
        program: of the cluster.
        writer: the class of writers.
        scope: the class of scopes.
    """

    __slots__ = ("_lock", "_program", "_run", "_scope", "_writer")

    def __init__(self, program: Program, writer: Any, scope: Any) -> None:
        self._program = program
        self._writer = writer
        self._scope = scope
        self._run: Any = None
        self._lock = threading.Lock()

    @property
    def compiled(self) -> bool:
        """Whether it has been called."""
        return self._run is not None

    def __call__(self, *args: Any) -> list[Any]:
        """The results, in memory of their own and in C order."""
        run = self._run
        if run is None:
            with self._lock:
                run = self._run = self._run or self._compiled()
        found = run(*args)
        return [_own(x, v) for x, v in zip(found, self._program.outputs, strict=True)]

    def _compiled(self) -> Any:
        program = self._program
        names = Names()
        scope = self._scope(names)
        writer = self._writer(scope, names)
        function = names.fresh("plain")
        inputs = [names.fresh(v.name) for v in program.inputs]
        writer.line(f"def {function}({', '.join(inputs)}):")
        with writer.indented():
            outputs = writer.block(program, inputs)
            writer.line(f"return [{', '.join(outputs)}]")
        return load("\n".join(writer.lines) + "\n", function, scope.namespace)


def _own(x: Any, output: Any) -> Any:
    if type(x) is not np.ndarray or not isinstance(output, Variable):
        return x
    return np.array(x, order="C")
