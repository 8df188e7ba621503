"""Staging: compute each value, and write the application down as an equation of a program.

A staged tracer carries its value, so recording a function also runs it. Whatever Python asks of a
staged value (`bool`, `int`, `float`) becomes a guard: the program is the path that was taken.
"""

import itertools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from typing_extensions import override

from funcgrad.core.origins import UNKNOWN, Origin, here
from funcgrad.core.primitive import Primitive
from funcgrad.core.program import Constant, Equation, Guard, Variable
from funcgrad.core.tracer import Trace, Tracer, bind, plain_value
from funcgrad.core.wengert import aval_of
from funcgrad.interpreters.outline import is_plain, outlined

__all__ = ["Stage", "StageTracer"]


class StageTracer(Tracer):
    """A value and the variable that names it in the program."""

    __slots__ = ("made_by", "variable")
    variable: Variable
    owner: "Stage"
    made_by: Primitive | None

    def __init__(
        self, value: Any, variable: Variable, owner: "Stage", made_by: Primitive | None = None
    ) -> None:
        self.value = value
        self.variable = variable
        self.owner = owner
        self.made_by = made_by

    def guarded(self, kind: str, answer: Any) -> Any:
        """Write down an answer that Python is given."""
        self._check_plain(kind)
        self.owner.guard(self, kind, answer)
        return answer

    def __bool__(self) -> bool:
        return bool(self.guarded("bool", bool(self.value)))

    def __float__(self) -> Any:
        return self.guarded("float", float(self.value))

    def __complex__(self) -> Any:
        return self.guarded("complex", complex(self.value))

    def __int__(self) -> Any:
        return self.guarded("int", int(self.value))

    def __index__(self) -> Any:
        return self.guarded("index", operator.index(self.value))

    def item(self) -> Any:
        """The one element as a Python number; recorded as a guard."""
        if self.shape:
            if self.size != 1:
                raise ValueError("can only convert an array of size 1 to a Python scalar")
            return self.reshape(()).item()
        kind = self.dtype.kind
        ask = {"b": bool, "i": int, "u": int, "c": complex}.get(kind, float)
        return ask(self)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        """One integer or boolean, which has no derivative, becomes a guard (`np.arange(n)`)."""
        kind = self.dtype.kind
        if self.shape or kind not in "biu" or isinstance(self.value, Tracer):
            return super().__array__(dtype, copy)
        answer = bool(self) if kind == "b" else int(self)
        return np.array(answer, self.dtype if dtype is None else dtype)

    def tolist(self) -> Any:
        """The elements as Python numbers in nested lists; each is recorded as a guard."""
        return [part.tolist() for part in self] if self.shape else self.item()


class Stage(Trace):
    """The trace that writes a program: `items` are its equations and guards, in order.

    Attributes:
        computes: whether values are of interest; if not, zeros of their shapes and dtypes will do.
        asked_by: the origin of what comes next, in place of the line that Python stands in: in a
            reverse sweep, that of the operation whose derivative is computed.
        last: the origin of the latest equation.
    """

    __slots__ = ("asked_by", "captured", "errors", "items", "last", "next_number")
    computes = True
    writes = True

    def __init__(self, transform: str) -> None:
        super().__init__(transform)
        self.items: list[Equation | Guard] = []
        self.next_number = itertools.count().__next__  # threads get different ones
        self.captured: dict[int, tuple[Tracer, Variable]] = {}
        self.asked_by: Origin | None = None
        self.last = UNKNOWN
        self.errors: dict[str, Any] = {**np.geterr()}

    def origin(self) -> Origin:
        """Of what is written down now."""
        return self.asked_by or here()

    def guard(self, tracer: StageTracer, kind: str, answer: Any) -> None:
        """Write a guard down."""
        self.items.append(Guard(tracer.variable, kind, answer, self.origin()))

    def variable(self, value: Any, name: str = "") -> Variable:
        """A new variable for a value."""
        aval = aval_of(value)
        weak = not hasattr(plain_value(value), "dtype")
        return Variable(self.next_number(), aval.shape, aval.dtype, aval.like, name, weak)

    def input(self, value: Any, name: str = "") -> StageTracer:
        """A tracer for one argument of the program."""
        return StageTracer(value, self.variable(value, name), self)

    def operand(self, arg: Any) -> Variable | Constant:
        """What stands for a value in an equation; tracers of outer transforms are captured."""
        if type(arg) is StageTracer and arg.owner is self:
            return arg.variable
        if isinstance(arg, Tracer):
            found = self.captured.get(id(arg))
            if found is None:
                found = self.captured.setdefault(id(arg), (arg, self.variable(arg)))
            return found[1]
        return Constant(np.array(arg) if isinstance(arg, np.ndarray) else arg)

    def compute(self, primitive: Primitive, values: Sequence[Any], params: dict[str, Any]) -> Any:
        """The value of an equation."""
        out = None
        if not self.computes and all(map(is_plain, values)):
            out = outlined(primitive, values, params)
        return bind(primitive, *values, **params) if out is None else out

    def equation(
        self,
        primitive: Primitive,
        operands: tuple[Variable | Constant, ...],
        params: dict[str, Any],
        results: Sequence[Any],
    ) -> Equation:
        """Write an equation down, and name its results."""
        self.last = origin = self.origin()
        errors: tuple[tuple[str, str], ...] | None = None
        if self.computes:
            now: dict[str, Any] = {**np.geterr()}
            if now != self.errors:
                errors = tuple(sorted(now.items() - self.errors.items()))
        variables = tuple(self.variable(result, origin.name) for result in results)
        equation = Equation(
            primitive,
            operands,
            tuple(params.items()),
            variables,
            errors,
            origin,
        )
        self.items.append(equation)
        if primitive.data_dependent:
            self.items.extend(Guard(v, "shape", v.shape, origin) for v in variables)
        return equation

    @override
    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        values = [
            arg.value if type(arg) is StageTracer and arg.owner is self else arg for arg in args
        ]
        operands = tuple(self.operand(arg) for arg in args)
        out = self.compute(primitive, values, params)
        results = out if type(out) is tuple else (out,)
        variables = self.equation(primitive, operands, params, results).results
        tracers = tuple(
            StageTracer(result, variable, self, primitive)
            for result, variable in zip(results, variables, strict=True)
        )
        return tracers if type(out) is tuple else tracers[0]
