"""Programs as data: what leads where, numbers of variables, and a form for quick evaluation."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from typing_extensions import override

from funcgrad.core.modes import MODES
from funcgrad.core.primitive import Primitive
from funcgrad.core.program import Constant, Equation, Program, Variable
from funcgrad.core.tracer import Tracer, bind
from funcgrad.interpreters.stage import Stage
from funcgrad.primitives.contraction import matmul_p
from funcgrad.transforms.saving import call

__all__ = [
    "Found",
    "Origins",
    "applied",
    "bound",
    "indirect",
    "numbered",
    "outside",
    "staging",
    "steps_of",
]


class Found(dict[int, Any]):
    """Flags of variables; those of constants are `False`."""

    def __init__(self, variables: Sequence[Variable], flags: Sequence[Any]) -> None:
        super().__init__()
        self.note(variables, flags)

    def note(self, variables: Sequence[Variable], flags: Sequence[Any]) -> None:
        """Set the flags of variables."""
        self.update((v.number, flag) for v, flag in zip(variables, flags, strict=True))

    @override
    def __getitem__(self, key: Any) -> Any:
        return False if isinstance(key, Constant) else self.get(key.number, False)


def outside(program: Program) -> tuple[Variable, ...]:
    """The variables that a program reads but does not compute, in order."""
    made = {v.number for equation in program.equations for v in equation.results}
    found: dict[int, Variable] = {}
    reads = [o for equation in program.equations for o in equation.operands]
    given = {v.number for v in program.inputs}
    for o in (*reads, *program.outputs):
        if isinstance(o, Variable) and o.number not in made and o.number not in given:
            found.setdefault(o.number, o)
    return tuple(found.values())


def numbered(program: Program) -> Program:
    """The same program with its variables numbered in the order of their appearance."""
    numbers: dict[int, Variable] = {}

    def new(v: Variable) -> Variable:
        found = numbers.get(v.number)
        if found is None:
            found = Variable(len(numbers), v.shape, v.dtype, v.like, v.name, v.weak)
            numbers[v.number] = found
        return found

    def operand(o: Variable | Constant) -> Variable | Constant:
        return new(o) if isinstance(o, Variable) else o

    inputs = tuple(map(new, program.inputs))
    items = []
    for item in program.equations:
        operands = tuple(map(operand, item.operands))
        results = tuple(map(new, item.results))
        items.append(
            Equation(item.primitive, operands, item.params, results, item.errors, item.origin)
        )
    return Program(program.name, inputs, tuple(items), tuple(map(operand, program.outputs)))


def steps_of(program: Program) -> tuple[list[int], list[Any], list[Any], list[int]]:
    """A program for quick evaluation: places in a frame in place of variables and constants."""
    places: dict[Any, int] = {}
    template: list[Any] = []

    def place(o: Variable | Constant) -> int:
        key = o.number if isinstance(o, Variable) else (id(o),)
        if key not in places:
            places[key] = len(template)
            template.append(None if isinstance(o, Variable) else o.value)
        return places[key]

    inputs = [place(v) for v in program.inputs]
    rows: list[list[Any]] = []
    for item in program.equations:
        operands = [place(o) for o in item.operands]
        results = [place(v) for v in item.results]
        errors = None if item.errors is None else dict(item.errors)
        rows.append([item, operands, dict(item.params), results, errors, ()])
    outputs = [place(o) for o in program.outputs]
    read = {*outputs, *(i for i, x in enumerate(template) if x is not None)}
    for row in reversed(rows):
        touched = {*row[1], *row[3]}
        row[5] = tuple(touched - read)
        read |= touched
    return inputs, template, [tuple(row) for row in rows], outputs


class Origins:
    """Passes on where equations come from, to the program in which they are written again."""

    __slots__ = ("_before", "_stage")

    def __init__(self, values: Sequence[Any]) -> None:
        self._stage: Stage | None = None
        for value in values:
            x = value
            while isinstance(x, Tracer):
                if isinstance(x.owner, Stage) and x.owner.computes:
                    self._stage = x.owner
                x = x.value
        self._before = None if self._stage is None else self._stage.asked_by

    def begin(self, item: Equation) -> None:
        """What follows is this equation."""
        if self._stage is not None:
            self._stage.asked_by = item.origin if item.origin.file else self._before

    def done(self) -> None:
        """What follows is something else."""
        if self._stage is not None:
            self._stage.asked_by = self._before


# --- applying primitives -----------------------------------------------------------------------


@contextmanager
def staging(direct: bool) -> Iterator[None]:
    """Rules are those of such values, whoever asks for the derived program first."""
    before = MODES.staging
    MODES.staging = int(direct)
    try:
        yield
    finally:
        MODES.staging = before


def indirect(primitive: Primitive, operands: list[Any], params: dict[str, Any]) -> Any:
    """An operation of the user's on values that operators choose no records of their own for."""
    if primitive.family == "elementwise":
        return bound(primitive, operands, params)
    return call(primitive, operands, params)


def bound(primitive: Primitive, operands: list[Any], params: dict[str, Any]) -> Any:
    """An operation that the user has not written."""
    if primitive.apply is None and any(isinstance(x, Tracer) for x in operands):
        return bind(primitive, *operands, **params)
    return call(primitive, operands, params)


def applied(primitive: Primitive, operands: list[Any], params: dict[str, Any]) -> Any:
    """An operation on plain values."""
    if primitive.apply is not None:
        return primitive.apply(operands, params)
    if primitive is matmul_p:
        return call(primitive, operands, params)
    return primitive.value(*operands, **params)
