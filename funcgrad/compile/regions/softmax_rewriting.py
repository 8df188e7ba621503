"""Equations of a segment while some of them are replaced by others that compute the same."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from funcgrad.compile.regions.context import Segment
from funcgrad.core.primitive import PRIMITIVES
from funcgrad.core.program import Constant, Equation, Variable

__all__ = ["Operand", "Rewriting", "number_of"]

Operand = Variable | Constant

ROOM = 20
"""Bits of the number of a new variable that tell it from others made for the same equation."""


class Rewriting:
    """A segment that is being changed.

    Attributes:
        equations: in order, as they were.
        changed: whether anything was replaced.
        kept: what rules want to know again.
    """

    def __init__(self, segment: Segment) -> None:
        self.equations = segment.equations
        self.changed = False
        self.kept: dict[Any, Any] = {}
        self._needed = segment.needed
        self._instead: dict[int, list[Equation]] = {}
        self._renamed: dict[int, Operand] = {}
        self._maker: dict[int, Equation] = {}
        self._place: dict[int, int] = {}
        self._readers: dict[int, int] = {}
        self._quotients: dict[tuple[int, int], Variable] = {}
        self._made = 0
        for position, equation in enumerate(self.equations):
            for variable in equation.results:
                self._maker[variable.number] = equation
                self._place[variable.number] = position
            if equation.primitive.name == "divide":
                above, below = equation.operands
                if isinstance(above, Variable) and isinstance(below, Variable):
                    self._quotients[above.number, below.number] = equation.results[0]
            self._read(equation, 1)

    def _read(self, equation: Equation, times: int) -> None:
        for operand in equation.operands:
            if isinstance(operand, Variable):
                number = operand.number
                self._readers[number] = self._readers.get(number, 0) + times

    def seen(self, operand: Operand) -> Operand:
        """The operand, or what stands for it now."""
        while isinstance(operand, Variable) and operand.number in self._renamed:
            operand = self._renamed[operand.number]
        return operand

    def is_there(self, equation: Equation) -> bool:
        """Whether an equation is still done, and may be changed."""
        return equation.errors is None and self._maker.get(equation.results[0].number) is equation

    def made(self, operand: Operand, *names: str) -> Equation | None:
        """The equation that makes an operand, if it has one of these names."""
        operand = self.seen(operand)
        if not isinstance(operand, Variable):
            return None
        equation = self._maker.get(operand.number)
        if equation is None or equation.errors is not None:
            return None
        return equation if not names or equation.primitive.name in names else None

    def count(self, operand: Operand) -> int:
        """How often an operand is read, once more if after the segment."""
        operand = self.seen(operand)
        assert isinstance(operand, Variable)
        return self._readers.get(operand.number, 0) + (operand.number in self._needed)

    def quotient(self, above: Operand, below: Operand, before: Equation) -> Variable | None:
        """above / below, if it is made before an equation."""
        above, below = self.seen(above), self.seen(below)
        if not isinstance(above, Variable) or not isinstance(below, Variable):
            return None
        found = self._quotients.get((above.number, below.number))
        if found is None or found.number not in self._maker:
            return None
        return found if self._place[found.number] < self._place[before.results[0].number] else None

    def result_shape(self, *operands: Operand) -> tuple[int, ...]:
        """The shape of the result of an elementwise operation."""
        seen = map(self.seen, operands)
        shapes = [o.shape if isinstance(o, Variable) else np.shape(o.value) for o in seen]
        return np.broadcast_shapes(*shapes)

    def is_alone(self, operand: Operand) -> bool:
        """Whether an operand is read once, and not after the segment."""
        operand = self.seen(operand)
        return (
            isinstance(operand, Variable)
            and self._readers.get(operand.number, 0) == 1
            and operand.number not in self._needed
        )

    def same(self, one: Operand, other: Operand) -> bool:
        """Whether two operands are one variable, or equal constants."""
        one, other = self.seen(one), self.seen(other)
        if isinstance(one, Variable) and isinstance(other, Variable):
            return one.number == other.number
        if isinstance(one, Variable) or isinstance(other, Variable):
            return False
        a, b = number_of(one), number_of(other)
        return one == other or (a is not None and a == b)

    def put(self, equation: Equation, name: str, operands: Sequence[Any], like: Variable,
            params: tuple[tuple[str, Any], ...] = (), shape: tuple[int, ...] | None = None,
            ) -> Variable:  # fmt: skip
        """A new equation in front of another one; its result.

        Args:
            equation: the other one.
            name: of the primitive.
            operands: variables, constants, or numbers.
            like: a variable with the dtype of the result.
            params: of the primitive.
            shape: of the result, if it is not that of `like`.
        """
        self._made += 1
        number = ((equation.results[0].number + 1) << ROOM) + self._made
        result = Variable(number, like.shape if shape is None else shape, like.dtype, like.like)
        self._add(equation, name, operands, result, params)
        return result

    def replace(self, equation: Equation, name: str, operands: Sequence[Any],
                params: tuple[tuple[str, Any], ...] = ()) -> None:  # fmt: skip
        """Compute the result of an equation in another way, after what was `put` before it."""
        self._add(equation, name, operands, equation.results[0], params)
        self._drop(equation)

    def replace_by(self, equation: Equation, made: Equation) -> None:
        """Put an equation with the same result in the place of one."""
        self._enter(equation, made)
        self._drop(equation)

    def together(self, members: Sequence[Equation], made: Equation) -> bool:
        """Do one equation in place of some, where the first of them was.

        That needs all operands there: nothing is done if they are not.
        """
        places = {self._place[e.results[0].number] for e in members}
        first = min(places)
        for operand in made.operands:
            if isinstance(operand, Variable) and self._place.get(operand.number, -1) >= first:
                return False
        for place in places:
            self._instead[place] = []
        self._instead[first] = [made]
        self.changed = True
        return True

    def forward(self, equation: Equation, operand: Operand) -> None:
        """Let an operand stand for the result of an equation."""
        result = equation.results[0]
        operand = self.seen(operand)
        if result.number in self._needed or not isinstance(operand, Variable):
            self.replace(equation, "copy", [operand], (("order", "K"),))
            return
        readers = self._readers.pop(result.number, 0)
        self._readers[operand.number] = self._readers.get(operand.number, 0) + readers
        self._renamed[result.number] = operand
        self._instead.setdefault(self._place[result.number], [])
        self._drop(equation)

    def _add(self, equation: Equation, name: str, operands: Sequence[Any], result: Variable,
             params: tuple[tuple[str, Any], ...]) -> None:  # fmt: skip
        own = tuple(
            self.seen(o) if isinstance(o, Variable | Constant) else Constant(o) for o in operands
        )
        made = Equation(PRIMITIVES[name], own, params, (result,), None, equation.origin)
        self._enter(equation, made)

    def _enter(self, equation: Equation, made: Equation) -> None:
        place = self._place[equation.results[0].number]
        self._instead.setdefault(place, []).append(made)
        self._read(made, 1)
        for variable in made.results:
            self._maker[variable.number] = made
            self._place[variable.number] = place

    def _drop(self, equation: Equation) -> None:
        """An equation is not done any more, nor what only it needed."""
        self.changed = True
        for variable in equation.results:
            if self._maker.get(variable.number) is equation:
                del self._maker[variable.number]
        gone = [equation]
        while gone:
            equation = gone.pop()
            for operand in equation.operands:
                operand = self.seen(operand)
                if not isinstance(operand, Variable):
                    continue
                self._readers[operand.number] -= 1
                maker = self._maker.get(operand.number)
                if maker is None or maker.primitive.family in ("callback", "custom"):
                    continue
                if all(
                    not self._readers.get(v.number) and v.number not in self._needed
                    for v in maker.results
                ):
                    place = self._place[operand.number]
                    kept = self._instead.get(place, [self.equations[place]])
                    self._instead[place] = [e for e in kept if e is not maker]
                    for variable in maker.results:
                        del self._maker[variable.number]
                    gone.append(maker)

    def written(self) -> list[Equation]:
        """The equations as they are now."""
        out: list[Equation] = []
        for position, equation in enumerate(self.equations):
            for own in self._instead.get(position, (equation,)):
                if self._renamed:
                    operands = tuple(map(self.seen, own.operands))
                    if operands != own.operands:
                        own = Equation(own.primitive, operands, own.params, own.results,
                                       own.errors, own.origin)  # fmt: skip
                out.append(own)
        return out


def number_of(operand: Operand) -> float | None:
    """The value of a constant real number, or of a constant array of one number."""
    if type(operand) is not Constant:
        return None
    value = operand.value
    if type(value) is np.ndarray:
        if value.dtype.kind != "f" or not value.size:
            return None
        first = value.flat[0]
        return float(first) if (value == first).all() else None
    return float(value) if isinstance(value, int | float | np.floating | np.integer) else None
