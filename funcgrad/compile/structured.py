"""Equations that are written as several statements: loops, branches, functions of functions.

A writer of such an equation writes its statements and returns the names of its results. It is found
by the name of the primitive, or by its family.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from funcgrad.core.program import Equation

__all__ = ["WRITERS", "EquationWriter"]

EquationWriter: TypeAlias = Callable[[Any, Equation, Sequence[str]], list[str]]
"""`(writer, equation, operands) -> names of the results`."""

WRITERS: dict[str, EquationWriter] = {}
"""Filled once, while the modules of `funcgrad.compile` are imported."""
