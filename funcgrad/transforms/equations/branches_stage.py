"""Writing functions down without computing them: branches that may not be taken, bodies of loops.

Values are mere shapes, so nothing is computed, no code of others is called, and no warning is given
for values that a function is not made for. Whoever asks for a value ends the attempt (`Misfit`);
the caller goes another way then.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import numpy as np
from typing_extensions import override

from funcgrad import tree
from funcgrad.core.modes import MODES
from funcgrad.core.primitive import Primitive
from funcgrad.core.program import Constant, Guard, Program, Variable
from funcgrad.core.tracer import Tracer, plain_value
from funcgrad.core.wengert import aval_of
from funcgrad.families.shapes import dtype_of, shape_of
from funcgrad.interpreters.batch import Axis
from funcgrad.interpreters.shape import ShapeOnly, ShapeTracer
from funcgrad.interpreters.stage import Stage, StageTracer
from funcgrad.transforms.body import BodyStage, BodyTracer
from funcgrad.transforms.captures import replaced
from funcgrad.transforms.equations.closed import Closed
from funcgrad.transforms.levels import Levels
from funcgrad.transforms.linear import LinearStage
from funcgrad.transforms.saving import call

__all__ = ["Misfit", "Outlook", "attempt", "is_staged"]

DEPTH = 8
"""Attempts inside of attempts. A function may call itself in a branch that is not taken."""


# fmt: off
_COUNTED = frozenset({
    "add", "subtract", "multiply", "negative", "positive", "greater", "greater_equal", "less",
    "less_equal", "equal", "not_equal", "maximum", "minimum",
})
# fmt: on
"""What NumPy computes of Python integers as Python does."""


class Misfit(Exception):  # noqa: N818  # no error: there is another way
    """Functions that cannot be written down, or not as one equation."""


@contextmanager
def attempt() -> Iterator[None]:
    """Inside the context, functions are written down; whatever they raise is a `Misfit`."""
    if MODES.attempts >= DEPTH:
        raise Misfit
    MODES.attempts += 1
    try:
        yield
    except Exception as error:  # the way that is gone then raises it again, if values lead there
        raise Misfit from error
    finally:
        MODES.attempts -= 1


def _stages_of(x: Any) -> Iterator[Stage]:
    """The stages that a value is written down in."""
    while isinstance(x, Tracer):
        if isinstance(x, StageTracer):
            yield x.owner
        x = x.value


def is_staged(x: Any) -> bool:
    """Whether a value is written down in a program that keeps loops and branches."""
    return MODES.staging > 0 and any(not isinstance(s, LinearStage) for s in _stages_of(x))


class _Shapes(ShapeOnly):
    """The trace of the values; it remembers whether somebody asked for one."""

    __slots__ = ("asked",)

    def __init__(self, transform: str) -> None:
        super().__init__(transform, answers=False)
        self.asked = False

    @override
    def refuse(self, what: str) -> NoReturn:
        self.asked = True
        super().refuse(what)


class _OutlineStage(BodyStage):
    """The trace that writes functions of shapes."""

    __slots__ = ("counted", "shapes")

    def __init__(self, transform: str) -> None:
        self.shapes = _Shapes(transform)  # an older trace than this one
        super().__init__()
        self.transform = transform
        self.counted: set[int] = set()

    def hidden(self, x: Any) -> ShapeTracer:
        """What is known of a value: its shape and dtype, or the type of a Python number."""
        plain = plain_value(x)
        if not hasattr(plain, "dtype"):
            return self.shapes.input(plain)
        return self.shapes.zeros(shape_of(x), x.dtype)

    @override
    def variable(self, value: Any, name: str = "") -> Variable:
        aval = aval_of(value)
        weak = not hasattr(plain_value(value), "dtype")
        return Variable(self.next_number(), aval.shape, aval.dtype, None, name, weak)

    @override
    def enter(self, leaf: Any) -> BodyTracer:
        if isinstance(leaf, Axis):
            raise Misfit
        variable = self._name(leaf) if isinstance(leaf, Tracer) else self._add(leaf)
        return BodyTracer(self.hidden(leaf), variable, self)

    def enter_place(self, leaf: Any) -> BodyTracer:
        """A tracer for an input of its own, whatever else the same value is."""
        return self.enter_as(self.hidden(leaf), leaf)

    def count(self, start: Any) -> BodyTracer:
        """A tracer for a Python number that counts steps, and starts with the one given."""
        tracer = self.enter_as(self.shapes.input(0), start)
        self.counted.add(tracer.variable.number)
        return tracer

    @override
    def operand(self, arg: Any) -> Variable | Constant:
        if isinstance(arg, StageTracer) and arg.owner is self:
            return arg.variable
        if isinstance(arg, Axis | ShapeTracer):  # between the examples of a vmap; of no meaning
            raise Misfit
        if isinstance(arg, Tracer):
            return self._name(arg)
        if not isinstance(arg, np.ndarray):
            return Constant(arg)
        return self._read(arg)

    @override
    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        operands = tuple(map(self.operand, args))
        values = [
            arg.value
            if isinstance(arg, StageTracer) and arg.owner is self
            else self.hidden(arg)
            if isinstance(arg, Tracer)
            else arg
            for arg in args
        ]
        out = call(primitive, values, params)
        counts = self._counts(primitive, operands, values, params, out)
        results = out if type(out) is tuple else (out,)
        equation = self.equation(primitive, operands, params, results)
        if counts:
            self.counted.update(v.number for v in equation.results)
        tracers = tuple(
            BodyTracer(result, variable, self, primitive)
            for result, variable in zip(results, equation.results, strict=True)
        )
        return tracers if type(out) is tuple else tracers[0]

    def _counts(
        self,
        primitive: Primitive,
        operands: Sequence[Variable | Constant],
        values: Sequence[Any],
        params: dict[str, Any],
        out: Any,
    ) -> bool:
        """Whether an operation is one of Python numbers, where the loop runs in Python.

        What NumPy makes of them has a dtype of its own. Where that would make a difference, the
        attempt ends.
        """
        flags = [isinstance(o, Variable) and o.number in self.counted for o in operands]
        if True not in flags:
            return False
        if all(flag or dtype_of(x) is None for x, flag in zip(values, flags, strict=True)):
            if primitive.name not in _COUNTED:
                raise Misfit
            return True
        numbers = [
            self.shapes.input(0) if flag else x for x, flag in zip(values, flags, strict=True)
        ]
        if primitive.name == "power" or call(primitive, numbers, params).dtype != out.dtype:
            raise Misfit
        return False


class Outlook:
    """An attempt to write several functions down as programs with the same inputs.

    Args:
        transform: name of what the functions are given to.
        functions: they themselves.
        leaves: other values that they read.

    Attributes:
        stage: what writes them.

    Raises:
        Misfit: if nothing here is written down, or not by a stage that can keep functions.
    """

    def __init__(
        self, transform: str, functions: Sequence[Callable[..., Any]], leaves: Sequence[Any]
    ) -> None:
        reached = [x for x in leaves if isinstance(x, Tracer)]

        def note(x: Any) -> Any:
            if x.owner.open:
                reached.append(x)
            return x

        for function in functions:
            replaced(function, note)
        levels = Levels(reached)
        if levels.linear or levels.measured or levels.watchful or not any(map(is_staged, reached)):
            raise Misfit
        self.stage = _OutlineStage(transform)

    def written(
        self, function: Callable[..., Any], args: Sequence[Any]
    ) -> tuple[list[Any], tree.Structure, int]:
        """Call a function: its results, their structure, and where its operations begin."""
        start = len(self.stage.items)
        function = replaced(function, self._entered)
        leaves, structure = tree.flatten(function(*args))
        return leaves, structure, start

    def _entered(self, x: Any) -> Any:
        return x if x.owner is self.stage or not x.owner.open else self.stage.enter(x)

    def program(self, name: str, items: slice, outputs: Sequence[Any]) -> Program:
        """Some of the operations as a program, without inputs."""
        places = tuple(map(self._output, outputs))
        program = Program(name, (), tuple(self.stage.items[items]), places).pruned()
        if any(isinstance(item, Guard) for item in program.items) or self.stage.shapes.asked:
            raise Misfit
        return program

    def _output(self, x: Any) -> Variable | Constant:
        if not isinstance(x, Tracer | np.ndarray | np.generic | int | float | complex):
            raise Misfit
        return self.stage.operand(x)

    def closed(
        self, programs: Sequence[Program], places: Sequence[Any] = ()
    ) -> tuple[list[Closed], list[Any]]:
        """The programs with their inputs, and what these stand for.

        Args:
            programs: what was written.
            places: variables that are inputs in any case, and come last.
        """
        if not self.stage.is_one_program():
            raise Misfit
        last = {v.number for v in places}
        read: set[int] = set()
        for program in programs:
            read |= _read_from_outside(program)
        rest = [(x, v) for x, v in self.stage.inputs if v.number in read - last]
        if len(rest) + len(last & read) != len(read):
            raise Misfit  # a value of one function has got into another one
        inputs = (*(v for _, v in rest), *places)
        made = [Closed(Program(p.name, inputs, p.items, p.outputs)) for p in programs]
        return made, [x for x, _ in rest]


def _read_from_outside(program: Program) -> set[int]:
    """Numbers of the variables that a program reads but does not make."""
    made = {v.number for item in program.equations for v in item.results}
    read = {o.number for o in program.outputs if isinstance(o, Variable)}
    for item in program.equations:
        read.update(o.number for o in item.operands if isinstance(o, Variable))
    return read - made
