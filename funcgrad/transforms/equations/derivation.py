"""The trace that writes derived programs: rules run on zeros that take no memory."""

import bisect
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from typing_extensions import override

from funcgrad.core.origins import UNKNOWN, Origin
from funcgrad.core.primitive import Primitive
from funcgrad.core.program import Constant, Equation, Guard, Program, Variable
from funcgrad.core.tracer import Tracer
from funcgrad.core.wengert import Aval
from funcgrad.interpreters.outline import is_plain, zeros_of
from funcgrad.interpreters.record import Recording
from funcgrad.interpreters.shape import ShapeOnly
from funcgrad.interpreters.stage import Stage, StageTracer

__all__ = ["Derivation", "NeedsValues"]

_PYTHON: dict[str, Any] = {"b": False, "i": 0, "u": 0, "f": 0.0, "c": 0j}


_CALLS = ("callback", "checkpoint", "custom")
"""Families of functions."""


class NeedsValues(Exception):  # noqa: N818  # no error: the caller takes the long way
    """A rule asked for a plain value, so there is no derived program that is right for all."""


class Derivation(Stage):
    """The trace that writes a derived program. Its values are zeros, in no memory.

    Attributes:
        errors_of: what the equation that is derived from says about floating-point errors.
        inlines: whether functions with derivative rules of their own are looked into: no derivative
            is taken any more.
        marks: positions in the Wengert list where the records of another equation begin, and
            where those equations come from.
    """

    __slots__ = ("errors_of", "inlines", "marks", "recording")
    computes = False

    def __init__(self, *, inlines: bool = False) -> None:
        super().__init__("a derived program")
        self.inlines = inlines
        self.errors_of: tuple[tuple[str, str], ...] | None = None
        self.recording: Recording | None = None
        self.marks: list[tuple[int, Origin]] = []

    def begin(self, item: Equation) -> None:
        """What follows is derived from this equation."""
        self.errors_of, self.asked_by = item.errors, item.origin
        if self.recording is not None:
            self.marks.append((len(self.recording.records), item.origin))

    def start(self, variable: Variable | Aval, name: str = "") -> StageTracer:
        """A tracer for an input like a variable."""
        if isinstance(variable, Variable):
            name = name or variable.name
            if variable.weak:
                return self.input(_PYTHON[variable.dtype.kind], name)
        return self.input(zeros_of(variable.shape, variable.dtype), name)

    @override
    def origin(self) -> Origin:
        return self.asked_by or UNKNOWN

    @override
    def equation(
        self,
        primitive: Primitive,
        operands: tuple[Variable | Constant, ...],
        params: dict[str, Any],
        results: Sequence[Any],
    ) -> Equation:
        if primitive.data_dependent:
            raise NeedsValues
        self.last = origin = self.origin()
        equation = Equation(
            primitive,
            operands,
            tuple(params.items()),
            tuple(self.variable(result, origin.name) for result in results),
            self.errors_of,
            origin,
        )
        self.items.append(equation)
        return equation

    @override
    def compute(self, primitive: Primitive, values: Sequence[Any], params: dict[str, Any]) -> Any:
        if primitive.family in _CALLS and all(map(is_plain, values)):
            shapes = ShapeOnly(self.transform, answers=False)  # no function is called on zeros
            out = shapes.process(primitive, [shapes.input(x) for x in values], params)
            return tuple(x.value for x in out)
        return super().compute(primitive, values, params)

    @override
    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        if self.inlines and primitive.family == "custom":
            return tuple(params["call"].run(args))
        with np.errstate(all="ignore"):  # only zeros are computed with
            return super().process(primitive, args, params)

    def output(self, x: Any) -> Variable | Constant:
        """What stands for a result."""
        if type(x) is StageTracer and x.owner is self:
            return x.variable
        if isinstance(x, Tracer):
            raise NeedsValues
        return Constant(np.array(x) if isinstance(x, np.ndarray) else x)

    def program(
        self, name: str, inputs: Iterable[Variable], outputs: Iterable[Any], start: int = 0
    ) -> Program:
        """What was written down from an item on."""
        items = tuple(self.items[start:])
        if self.captured or any(isinstance(item, Guard) for item in items):
            raise NeedsValues
        return Program(name, tuple(inputs), items, tuple(map(self.output, outputs))).pruned()

    # Of the records of the trace: see `funcgrad.interpreters.sweep.expanded`.
    def ask(self, position: int, parents: int | tuple[int, ...]) -> None:
        """What is written from now on belongs to the derivative of this record."""
        parent = self._origin_of(parents).name if isinstance(parents, int) else ""
        self.asked_by = self._origin_of(position)._replace(name=f"d_{parent}" if parent else "")

    def done(self) -> None:
        """The sweep is over."""
        self.asked_by = None

    def _origin_of(self, position: int) -> Origin:
        place = bisect.bisect_right(self.marks, position, key=lambda mark: mark[0])
        return self.marks[place - 1][1] if place else UNKNOWN
