"""Writing the body of a loop down: one step, with values, as a program that is right for all steps.

What cannot be the same in all steps ends the attempt, and the loop runs as a Python loop then: an
answer that Python is given (`if`, `int()`, an index), a shape that depends on values, an array of
another library, an array that is changed in place. So does any exception, which the Python loop
raises again, if it is the user's.
"""

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
from typing_extensions import override

from funcgrad import tree
from funcgrad.core.foreign import is_foreign
from funcgrad.core.primitive import Primitive
from funcgrad.core.program import Constant, Program, Variable
from funcgrad.core.tracer import Tracer, leaked, plain_value
from funcgrad.families.shapes import dtype_of
from funcgrad.interpreters.batch import Axis
from funcgrad.interpreters.outline import REAL_OR_COMPLEX
from funcgrad.interpreters.record import fingerprint
from funcgrad.interpreters.shape import is_unknown
from funcgrad.interpreters.stage import Stage, StageTracer
from funcgrad.transforms.arguments import function_name
from funcgrad.transforms.body import stripped
from funcgrad.transforms.captures import replaced
from funcgrad.transforms.carry import Carry, array_leaf, read_only, sealed
from funcgrad.transforms.equations.closed import Closed
from funcgrad.transforms.equations.loops import Loop
from funcgrad.transforms.equations.structured import apply
from funcgrad.transforms.linear import LinearStage
from funcgrad.transforms.saving import call

__all__ = ["staged_loop"]

StepFunction = Callable[..., tuple[Any, Any]]
"""`(f, carry, x, number of the step) -> (next carry, result)`."""

_COUNTED = frozenset(
    {
        "add",
        "equal",
        "greater",
        "greater_equal",
        "less",
        "less_equal",
        "maximum",
        "minimum",
        "multiply",
        "negative",
        "not_equal",
        "positive",
        "subtract",
    }
)
"""What NumPy computes of Python integers as Python does."""


class _Unrolls(BaseException):  # no error, and no `except Exception` may stop it
    """The body is not the same program in all steps."""


class _LoopTracer(StageTracer):
    """A value in the body of a loop, which differs from step to step."""

    __slots__ = ()

    @override
    def __str__(self) -> str:
        raise _Unrolls

    @override
    def __format__(self, spec: str) -> str:
        raise _Unrolls

    @override
    def guarded(self, kind: str, answer: Any) -> NoReturn:
        raise _Unrolls


class _LoopStage(Stage):
    """The trace that writes the body of a loop.

    Attributes:
        consts: what it reads beside its inputs, and the variables that stand for these.
        counted: numbers of variables that are Python numbers when the loop runs in Python.
    """

    __slots__ = ("_arrays", "consts", "counted")
    tracer = _LoopTracer

    def __init__(self, transform: str) -> None:
        super().__init__(transform)
        self.consts: list[tuple[Any, Variable]] = []
        self.counted: set[int] = set()
        self._arrays: dict[int, tuple[Any, bytes, Variable]] = {}

    def enter(self, value: Any, name: str = "") -> _LoopTracer:
        """A tracer for an input."""
        if is_foreign(plain_value(value)):
            raise _Unrolls
        return _LoopTracer(value, self.variable(value, name), self)

    def captured_value(self, x: Any) -> Any:
        """What stands in the body for a traced value of its closure."""
        if not x.owner.open:
            return x
        self._capture(x)
        return _LoopTracer(stripped(x), self.captured[id(x)][1], self)

    def _capture(self, x: Tracer) -> Variable:
        found = self.captured.get(id(x))
        if found is None:
            if not x.owner.open:
                raise leaked(x.owner.transform)
            if isinstance(x, Axis) or is_unknown(x) or is_foreign(plain_value(x)):
                raise _Unrolls
            found = self.captured[id(x)] = (x, self.variable(stripped(x), _name_of(x)))
            self.consts.append(found)
        return found[1]

    @override
    def operand(self, arg: Any) -> Variable | Constant:
        if isinstance(arg, Tracer):
            if arg.owner is self:
                return arg.variable  # type: ignore[attr-defined, no-any-return]  # a tracer of this trace
            return self._capture(arg)
        if isinstance(arg, np.ndarray):
            return self._array(arg)
        if is_foreign(arg):
            raise _Unrolls
        return Constant(arg)

    def _array(self, array: np.ndarray[Any, Any]) -> Variable:
        found = self._arrays.get(id(array))
        if found is None:
            variable = self.variable(array)
            found = self._arrays[id(array)] = (array, fingerprint(array, whole=False), variable)
            self.consts.append((array.view(np.ndarray), variable))
            if type(array) is np.ndarray:
                self.consts[-1] = array, variable
        elif fingerprint(array, whole=False) != found[1]:
            raise _Unrolls
        return found[2]

    def check_unchanged(self) -> None:
        """End the attempt if an array was changed after it was read."""
        for array, before, _ in self._arrays.values():
            if fingerprint(array, whole=False) != before:
                raise _Unrolls

    @override
    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        if primitive.data_dependent or primitive.family == "callback":
            raise _Unrolls
        if primitive.name in REAL_OR_COMPLEX and args[0].dtype.kind != "c":
            raise _Unrolls
        operands = tuple(map(self.operand, args))
        values = [
            arg.value if isinstance(arg, Tracer) and arg.owner is self else stripped(arg)
            for arg in args
        ]
        with np.errstate(all="ignore"):  # the first step runs again in the loop
            out = call(primitive, list(values), params)
            counted = self._is_counted(primitive, operands, values, params, out)
        results = out if type(out) is tuple else (out,)
        equation = self.equation(primitive, operands, params, results)
        if counted:
            self.counted.update(v.number for v in equation.results)
        tracers = tuple(
            _LoopTracer(result, variable, self, primitive)
            for result, variable in zip(results, equation.results, strict=True)
        )
        return tracers if type(out) is tuple else tracers[0]

    def _is_counted(
        self,
        primitive: Primitive,
        operands: Sequence[Variable | Constant],
        values: Sequence[Any],
        params: dict[str, Any],
        out: Any,
    ) -> bool:
        """Whether an operation is one of Python numbers, if the loop runs in Python.

        What NumPy makes of them has a dtype of its own. Where that would make a difference, or the
        operation is another one for a known number, the attempt ends.
        """
        flags = [isinstance(o, Variable) and o.number in self.counted for o in operands]
        if True not in flags:
            return False
        if primitive.name == "power":
            raise _Unrolls
        if all(flag or dtype_of(x) is None for x, flag in zip(values, flags, strict=True)):
            if primitive.name not in _COUNTED:
                raise _Unrolls
            return True
        numbers = [
            x.item() if flag and hasattr(x, "item") else x
            for x, flag in zip(values, flags, strict=True)
        ]
        again = call(primitive, numbers, params)
        if getattr(again, "dtype", None) != getattr(out, "dtype", None):
            raise _Unrolls
        return False


def _name_of(x: Any) -> str:
    """Of the user's variable that holds a traced value."""
    while isinstance(x, Tracer):
        if isinstance(x, StageTracer):
            return x.variable.name
        x = x.value
    return ""


def _is_kept(reached: Sequence[Any]) -> bool:
    """Whether a loop over such values is to be one equation: some of them are staged."""
    staged = False
    for value in reached:
        x = value
        while isinstance(x, Tracer):
            owner = x.owner
            if isinstance(owner, Stage):
                if isinstance(owner, LinearStage) or getattr(owner, "measures", False):
                    return False
                staged = True
            x = x.value
    return staged


def staged_loop(
    f: Callable[..., Any],
    step: StepFunction,
    carry: Carry,
    xs: tuple[Sequence[Any], tree.Structure],
    length: int,
    reverse: bool,
    first: int | None = None,
) -> tuple[Any, Any] | None:
    """The loop as one equation; `None` if it is none, and has to run in Python.

    Args:
        f: the user's function.
        step: calls it.
        carry: the first carry.
        xs: leaves and structure of what there are slices of.
        length: number of steps, more than 1.
        reverse: whether the last slice comes first.
        first: what the steps are counted from; `None`: they are not.

    Returns:
        The last carry as the user gets it, and stacked results.
    """
    slices, structure = xs
    reached = [*carry.leaves(), *slices]

    def note(x: Any) -> Any:
        if x.owner.open:
            reached.append(x)
        return x

    replaced(f, note)
    if not _is_kept(reached) or any(map(is_unknown, reached)):
        return None
    stage = _LoopStage(carry.transform)
    try:
        with read_only(carry):
            loop, consts, moves, y_structure = _written(
                stage, f, step, carry, (slices, structure), length, reverse, first
            )
    except (_Unrolls, Exception):  # noqa: BLE001  # the Python loop raises what is the user's
        return None
    finally:
        stage.close()
    moving = [x for x, flag in zip(carry.leaves(), moves, strict=True) if flag]
    outs = iter(apply(loop, [*consts, *moving, *slices]))
    ends = [next(outs) if flag else x for x, flag in zip(carry.leaves(), moves, strict=True)]
    last = tree.unflatten(carry.structure, ends)
    return carry.finished(last), tree.unflatten(y_structure, outs)


def _written(
    stage: _LoopStage,
    f: Callable[..., Any],
    step: StepFunction,
    carry: Carry,
    xs: tuple[Sequence[Any], tree.Structure],
    length: int,
    reverse: bool,
    first: int | None,
) -> tuple[Loop, list[Any], list[bool], tree.Structure]:
    """The loop, its constants, which carries it has, and the structure of its results.

    A carry that is passed on as it is, is a constant.
    """
    slices, structure = xs
    names = _names(f, counts=first is not None)
    place = -1 if reverse else 0
    carries = [stage.enter(sealed(stripped(x)), names[0]) for x in carry.leaves()]
    parts = [stage.enter(sealed(stripped(x)[place]), names[1]) for x in slices]
    index = []
    if first is not None:
        index = [stage.enter(first + (length - 1 if reverse else 0), names[2])]
        stage.counted.add(index[0].variable.number)
    carry.hand([*carries, *parts])
    new, y = step(
        replaced(f, stage.captured_value),
        tree.unflatten(carry.structure, carries),
        tree.unflatten(structure, parts),
        index[0] if index else None,
    )
    leaves, y_structure = tree.flatten(y)
    ends = [*tree.leaves(carry.checked(new, 0)), *leaves]
    outputs = tuple(stage.operand(array_leaf(carry.transform, "a result", x)) for x in ends)
    stage.check_unchanged()
    program = Program(function_name(f), (), tuple(stage.items), outputs).pruned()
    count = len(carries)
    moves = [o is not x.variable for o, x in zip(outputs[:count], carries, strict=True)]
    moving = [x.variable for x, flag in zip(carries, moves, strict=True) if flag]
    still = zip(carry.leaves(), carries, moves, strict=True)
    stage.consts += [(x, one.variable) for x, one, flag in still if not flag]
    inputs = [*moving, *(x.variable for x in (*parts, *index))]
    kept = [o for o, flag in zip(outputs[:count], moves, strict=True) if flag]
    outputs = (*kept, *outputs[count:])
    read = {o.number for o in outputs if isinstance(o, Variable)}
    for item in program.equations:
        read.update(o.number for o in item.operands if isinstance(o, Variable))
    consts = [(x, v) for x, v in stage.consts if v.number in read]
    body = Program(program.name, (*(v for _, v in consts), *inputs), program.items, outputs)
    loop = Loop(
        Closed(body),
        length,
        reverse,
        len(consts),
        (True,) * len(moving),
        (0,) * len(parts),
        (0,) * len(leaves),
        first,
    )
    return loop, [x for x, _ in consts], moves, y_structure


def _names(f: Callable[..., Any], *, counts: bool) -> tuple[str, str, str]:
    """What the function calls its carry, its slice and the number of the step."""
    code = getattr(f, "__code__", None)
    if code is None or code.co_argcount < 2:
        return "", "", "k"
    one, other = code.co_varnames[:2]
    return (other, "", one) if counts else (one, other, "")
