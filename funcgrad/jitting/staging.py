"""The staging of jit: a program whose arrays from outside are known by reference.

Of the plain arrays that the function uses beside its arguments, those that outlive the call are
the user's: the program reads them where they are, so changes in place are seen. Those that were
made in the call have gone when it returns, and are constants.
"""

import sys
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from typing_extensions import override

from funcgrad.core.modes import MODES
from funcgrad.core.primitive import Primitive
from funcgrad.core.program import Constant, Equation, Program, Reference, Variable
from funcgrad.core.tracer import Tracer
from funcgrad.errors import MutatedArrayError, OutputDtypeError
from funcgrad.interpreters.record import fingerprint
from funcgrad.interpreters.stage import Stage, StageTracer
from funcgrad.jitting.numbers import NUMBERS, NumberTracer
from funcgrad.primitives.python_numbers import FAMILY
from funcgrad.primitives.structural import copy_p
from funcgrad.transforms.arguments import check_output, float0
from funcgrad.transforms.saving import call

__all__ = ["JitStage"]

COPIED = 1 << 20
"""Arrays of at most so many bytes are copied while a function is recorded."""


class JitStage(Stage):
    """The trace that writes the program of a jitted function.

    Attributes:
        function: name of the function, for messages.
        references: `{number of a variable: the array of the closure that it stands for}`.
        caught: whether an operation raised something that the function caught: then the program
            is not all that it did.
        exact: whether results are those of the plain function to the last bit.
    """

    __slots__ = ("_arrays", "_kept", "caught", "exact", "function", "references")
    inlines = True  # all derivatives have been taken above

    def __init__(self, function: str, exact: bool = True) -> None:
        super().__init__("jit")
        self.function = function
        self.exact = exact
        self.caught = False
        self.references: dict[int, Reference] = {}
        self._arrays: dict[int, _Array] = {}
        self._kept: list[_Array] = []

    def lift(self, array: np.ndarray[Any, Any], name: str) -> StageTracer:
        """A tracer for an array of the function's closure."""
        if type(array) is not np.ndarray:
            array = array.view(np.ndarray)
        tracer = self.input(array, name)
        self.references[tracer.variable.number] = Reference(array, name)
        return tracer

    @override
    def input(self, value: Any, name: str = "") -> StageTracer:
        kind = NumberTracer if type(value) in NUMBERS else StageTracer
        return kind(value, self.variable(value, name), self)

    @override
    def operand(self, arg: Any) -> Variable | Constant:
        if isinstance(arg, StageTracer) and arg.owner is self:
            variable = arg.variable
            return self.references.get(variable.number, variable)
        if isinstance(arg, np.ndarray):
            return self._array(arg)
        return super().operand(arg)

    @override
    def guard(self, tracer: StageTracer, kind: str, answer: Any) -> None:
        if tracer.variable.number in self.references:
            tracer = self.process(copy_p, (tracer,), {})
        super().guard(tracer, kind, answer)

    def arrays(self) -> set[int]:
        """Identities of the arrays from outside that the program reads."""
        kept = (one.array() for one in self._kept)
        return {id(r.value) for r in self.references.values()} | set(map(id, kept))

    def _array(self, array: np.ndarray[Any, Any]) -> Constant:
        array = MODES.original(array)
        found = self._arrays.get(id(array))
        if found is not None and found.array() is array:
            if found.is_unchanged(array):
                return found.constant
            found.is_scratch = True
        found = self._arrays[id(array)] = _Array(array)
        self._kept.append(found)
        return found.constant

    @override
    def compute(self, primitive: Primitive, values: Sequence[Any], params: dict[str, Any]) -> Any:
        return call(primitive, list(values), params)

    @override
    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        if primitive.family == "custom" and all(map(self._is_plain, args)):
            return tuple(params["call"].run(args))  # all derivatives have been taken above
        values = [
            arg.value if isinstance(arg, StageTracer) and arg.owner is self else arg for arg in args
        ]
        operands = tuple(map(self.operand, args))
        try:
            out = self.compute(primitive, values, params)
        except Exception:
            self.caught = True  # unless the function raises it too, which is seen by its end
            raise
        results = out if type(out) is tuple else (out,)
        equation = self.equation(primitive, operands, params, results)
        tracers = tuple(
            self._tracer(result, variable, primitive)
            for result, variable in zip(results, equation.results, strict=True)
        )
        return tracers if type(out) is tuple else tracers[0]

    def _tracer(self, value: Any, variable: Variable, primitive: Primitive) -> StageTracer:
        kind = NumberTracer if primitive.family == FAMILY else StageTracer
        return kind(value, variable, self, primitive)

    def _is_plain(self, arg: Any) -> bool:
        """Whether nothing but this staging stands below a value."""
        if isinstance(arg, Tracer):
            return arg.owner is self and not isinstance(arg.value, Tracer)
        return True

    def finish(self, name: str, inputs: Sequence[StageTracer], outs: list[Any]) -> Program:
        """The program, after the function has returned and its frame has gone; empties `outs`."""
        outputs = tuple(self._output(out) for out in outs)
        outs.clear()  # an array that only a result has held is not the user's
        references = {}
        for kept in self._kept:
            array = kept.array()
            if array is not None:
                kept.check(array, self.function)
                references[id(kept.constant)] = _found_again(array)
        program = Program(name, tuple(x.variable for x in inputs), tuple(self.items), outputs)
        if not references:
            return program
        return _with(program, lambda o: references.get(id(o), o))

    def _output(self, out: Any) -> Variable | Constant:
        if getattr(out, "dtype", None) == float0:  # derivatives of integers, which hold nothing
            return Constant(out)
        if not (isinstance(out, Tracer) and out.owner is self):
            check_output("jit", self, out)
        if isinstance(out, Tracer | np.ndarray | np.generic | int | float | complex):
            return self.operand(out)
        raise OutputDtypeError(
            f"jit: {self.function} returned a {type(out).__name__}. A compiled function computes "
            "arrays and numbers. Return arrays, numbers or None in pytrees."
        )


class _Array:
    """An array from outside: what it held, and whether it is still there."""

    __slots__ = ("array", "constant", "is_scratch", "print")

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.is_scratch = False
        self.print: bytes | None = None
        self.array: Callable[[], np.ndarray[Any, Any] | None]
        if array.nbytes <= COPIED:
            self.array = weakref.ref(array)
            self.constant = Constant(_copied(array))
        else:
            self.array = lambda: array
            self.print = fingerprint(array, whole=False)
            self.constant = Reference(array)

    def is_unchanged(self, array: np.ndarray[Any, Any]) -> bool:
        """Whether the array holds what it held when it was used first."""
        if self.print is not None:
            return fingerprint(array, whole=False) == self.print
        return array.tobytes() == bytes(self.constant.value.tobytes())

    def check(self, array: np.ndarray[Any, Any], function: str) -> None:
        """Refuse a change of an array that outlives the call."""
        if self.is_scratch or not self.is_unchanged(array):
            raise MutatedArrayError(
                f"jit: {function} changes an array of shape {array.shape} and dtype {array.dtype} "
                "in place after it has used it, and the array is not its own. The compiled "
                "function would not do that again. Make a new array (a = a + b in place of "
                "a += b), or return what is to be kept."
            )


def _found_again(array: np.ndarray[Any, Any]) -> Constant:
    """An array that is still there: the user's, or one number repeated that nobody else holds."""
    if array.nbytes > COPIED and _holders(array) <= _OWN and _is_uniform(array):
        return Constant(np.broadcast_to(array[(0,) * array.ndim], array.shape))
    return Reference(array)


def _is_uniform(array: np.ndarray[Any, Any]) -> bool:
    if not any(array.strides):
        return True
    first = array[(0,) * array.ndim]
    return bool(first == array[(-1,) * array.ndim] != 0 and (array == first).all())


def _holders(array: np.ndarray[Any, Any]) -> int:
    """By how many references an array is held, and the one that its elements belong to."""
    base = array.base
    own = sys.getrefcount(array)
    return own if base is None else max(own, sys.getrefcount(base))


def _holders_of_own() -> int:
    """The number for an array that only the stage holds."""
    kept = _Array(np.zeros(COPIED // 8 + 1))
    array = kept.array()
    assert array is not None
    return (lambda array: _holders(array))(array)


_OWN = _holders_of_own()


def _copied(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A copy that is repeated where the array is: sums of products may depend on it."""
    if not array.size or 0 not in array.strides:
        return np.array(array)
    once = tuple(slice(None) if step else slice(1) for step in array.strides)
    return np.broadcast_to(np.array(array[once]), array.shape)


def _with(program: Program, exchange: Callable[[Any], Any]) -> Program:
    """The program with other operands."""

    def changed(item: Any) -> Any:
        if not isinstance(item, Equation):
            return item
        operands = tuple(map(exchange, item.operands))
        same = all(new is old for new, old in zip(operands, item.operands, strict=True))
        return item if same else replace(item, operands=operands)

    return Program(
        program.name,
        program.inputs,
        tuple(map(changed, program.items)),
        tuple(map(exchange, program.outputs)),
    )
