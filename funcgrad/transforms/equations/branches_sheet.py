"""Programs made of programs: a sheet on which equations are written by hand."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from funcgrad.core.primitive import Primitive
from funcgrad.core.program import Constant, Equation, Program, Variable
from funcgrad.primitives.rows import stand_in_p
from funcgrad.primitives.structural import where_p
from funcgrad.transforms.equations.closed import Closed

__all__ = ["Padding", "Sheet", "Zeros", "outline_of"]

Place = Variable | Constant


class Zeros(Constant):
    """Zeros in no memory; −0 if anything can be added to them without a change."""

    __slots__ = ()

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        weak: bool = False,
        *,
        negative: bool = False,
    ) -> None:
        zero = -np.zeros((), dtype) if negative else np.zeros((), dtype)
        self.value = np.broadcast_to(zero, shape) if shape else zero[()]
        if weak:
            self.value = zero.item()
        self._key = (type(self), shape, dtype.str, weak, negative)

    def __str__(self) -> str:
        shape = np.shape(self.value)
        return f"zeros({', '.join(map(str, shape))})" if shape else super().__str__()


class Padding(Zeros):
    """Stands for a value that nobody reads."""

    __slots__ = ()

    def __str__(self) -> str:
        return "nothing"


def outline_of(place: Place) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    """Shape, dtype and whether it is weak, of a variable or an output."""
    if isinstance(place, Variable):
        return place.shape, place.dtype, place.weak
    value = place.value
    dtype = getattr(value, "dtype", None)
    if dtype is None:
        return (), np.result_type(type(value)), True
    return value.shape, dtype, False


class Sheet:
    """A program in the making.

    Attributes:
        name: of the program.
    """

    __slots__ = ("_count", "_inputs", "_items", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._count = 0
        self._inputs: list[Variable] = []
        self._items: list[Any] = []

    def _variable(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], weak: bool = False, name: str = ""
    ) -> Variable:
        self._count += 1
        return Variable(self._count, shape, dtype, None, name, weak)

    def input_like(self, place: Place) -> Variable:
        """An input like a variable or an output."""
        name = place.name if isinstance(place, Variable) else ""
        made = self._variable(*outline_of(place), name)
        self._inputs.append(made)
        return made

    def inputs_like(self, places: Sequence[Place]) -> list[Place]:
        """An input like each of some variables or outputs."""
        return [self.input_like(place) for place in places]

    def input(self, shape: tuple[int, ...], dtype: Any, weak: bool = False) -> Variable:
        """An input of this shape and dtype."""
        made = self._variable(shape, np.dtype(dtype), weak)
        self._inputs.append(made)
        return made

    def write(
        self,
        primitive: Primitive,
        operands: Sequence[Place],
        params: dict[str, Any],
        like: tuple[tuple[int, ...], Any],
    ) -> Variable:
        """One equation with one result of a shape and a dtype."""
        result = self._variable(like[0], np.dtype(like[1]))
        self._items.append(Equation(primitive, tuple(operands), tuple(params.items()), (result,)))
        return result

    def guarded(self, mask: Variable, x: Place) -> Variable:
        """The value of an example that is chosen; of others that of one that is."""
        like = outline_of(x)[:2]
        other = self.write(stand_in_p, (mask, x), {"lead": 0}, like)
        return self.write(where_p, (mask, x, other), {}, like)

    def call(self, function: Closed, operands: Sequence[Place]) -> list[Place]:
        """The equations of a program, and what its outputs are here."""
        program = function.program
        here: dict[int, Place] = {
            v.number: o for v, o in zip(program.inputs, operands, strict=True)
        }

        def place(o: Place) -> Place:
            return here[o.number] if isinstance(o, Variable) else o

        for item in program.equations:
            results = []
            for v in item.results:
                made = self._variable(v.shape, v.dtype, v.weak, v.name)
                here[v.number] = made
                results.append(made)
            operands = tuple(map(place, item.operands))
            self._items.append(
                Equation(
                    item.primitive, operands, item.params, tuple(results), item.errors, item.origin
                )
            )
        return [place(o) for o in program.outputs]

    def closed(self, outputs: Sequence[Place]) -> Closed:
        """The program as a function."""
        program = Program(self.name, tuple(self._inputs), tuple(self._items), tuple(outputs))
        return Closed(program.pruned(), written=False)
