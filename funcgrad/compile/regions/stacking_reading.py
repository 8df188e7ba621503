"""What passes over many equations look up: who makes a value, who reads it, new variables."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from funcgrad.compile.regions.context import Segment
from funcgrad.core.primitive import PRIMITIVES
from funcgrad.core.program import Constant, Equation, Variable

__all__ = ["Operand", "Reading", "shape_of", "size_of"]

Operand = Variable | Constant

_SHIFT = 24
"""New variables of a segment have numbers from those of its first result, times 2²⁴."""


class Reading:
    """The equations of a segment.

    Attributes:
        equations: by their places, which are the order in which they were recorded.
        needed: numbers of the variables that are read after the segment.
        made: `{variable: place of the equation that makes it}`.
        uses: `{variable: how often it is read in the segment}`.
    """

    def __init__(self, segment: Segment) -> None:
        self.equations: dict[float, Equation] = dict(enumerate(segment.equations))
        self.needed = segment.needed
        self.made: dict[int, float] = {}
        self.uses: dict[int, int] = {}
        made, uses = self.made, self.uses
        for place, equation in self.equations.items():
            for operand in equation.operands:
                if type(operand) is Variable:
                    number = operand.number
                    uses[number] = uses.get(number, 0) + 1
            for result in equation.results:
                made[result.number] = place
        first = segment.equations[0].results[0].number
        self._next = max((abs(first) + 1) << _SHIFT, *made)

    def maker(self, operand: Operand) -> Equation | None:
        """The equation that makes a value; `None` if it is given."""
        if not isinstance(operand, Variable):
            return None
        place = self.made.get(operand.number)
        return None if place is None else self.equations[place]

    def is_single(self, number: int) -> bool:
        """Whether a variable is read once, and not after the segment."""
        return self.uses.get(number) == 1 and number not in self.needed

    def variable(self, shape: tuple[int, ...], dtype: np.dtype[Any], name: str = "") -> Variable:
        """A new variable."""
        self._next += 1
        return Variable(self._next, shape, dtype, name=name)

    def apply(
        self,
        name: str,
        operands: Sequence[Operand],
        result: tuple[tuple[int, ...], np.dtype[Any]],
        params: tuple[tuple[str, Any], ...] = (),
    ) -> Equation:
        """An operation with a new result of this shape and dtype."""
        variable = self.variable(*result)
        return Equation(PRIMITIVES[name], tuple(operands), params, (variable,))


def shape_of(operand: Operand) -> tuple[int, ...]:
    """The shape of an operand."""
    if isinstance(operand, Variable):
        return operand.shape
    return getattr(operand.value, "shape", ())


def size_of(shape: Iterable[int]) -> int:
    """The number of elements."""
    size = 1
    for length in shape:
        size *= length
    return size
