"""The body of a checkpoint: the program of a function, recorded while its value is computed.

The values it is recorded with belong to no derivative: of the tracers that come in, the recording,
dual and staged levels are taken off, so that nothing is kept. `vmap` levels stay. Traced values
that the function reaches through its closure become operands of the program.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from typing_extensions import override

from funcgrad.core.modes import MODES
from funcgrad.core.primitive import Primitive
from funcgrad.core.program import ASK, Constant, Equation, Guard, Program, Variable
from funcgrad.core.protocols import ArrayLike
from funcgrad.core.tracer import Tracer, leaked
from funcgrad.core.wengert import aval_of
from funcgrad.errors import GuardError
from funcgrad.interpreters.batch import Axis, BatchTracer
from funcgrad.interpreters.record import SMALL, Recording
from funcgrad.interpreters.shape import ShapeTracer
from funcgrad.interpreters.stage import Stage, StageTracer
from funcgrad.transforms.lanes import OUT_OF_BATCH
from funcgrad.transforms.linear import Residual
from funcgrad.transforms.replayed import Replayed, highest
from funcgrad.transforms.saving import SavedReplay, Shortcut, call, read_by_rule

__all__ = ["Body", "BodyStage", "Policy", "stripped"]

Policy: TypeAlias = Callable[..., Any]
"""`(primitive, *avals, **params) -> whether the results are kept for the reverse sweep`."""


class Body(Replayed):
    """A program as a function that can be computed again.

    Attributes:
        program: with a variable for each operand, and variables as outputs.
        saves: variables whose values are kept.
        keeper: protects the arrays that the program holds against later changes.
        need: bytes that a sweep over it needs, as far as that was measured.
        held: bytes of the constants that live as long as it does, as far as that was measured.
    """

    __slots__ = ("_dead", "_replay", "held", "keeper", "need", "program", "saves")

    def __init__(
        self,
        program: Program,
        saves: tuple[Variable, ...],
        keeper: Recording,
        reads: dict[int, frozenset[int] | None] | None = None,
    ) -> None:
        self.program = program
        self.saves = saves
        self.keeper = keeper
        self.need = self.held = 0
        self._dead = _last_uses(program, saves)
        self._replay = SavedReplay(program, saves, reads or {}) if saves else None

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Body) and self.program == other.program and self.saves == other.saves
        )

    def __hash__(self) -> int:
        return hash((self.program, self.saves))

    def __repr__(self) -> str:
        return f"<{self.program.name} of {len(self.program.items)} operations>"

    @property
    @override
    def count(self) -> int:
        return len(self.program.outputs)

    @override
    def run(self, leaves: Sequence[Any]) -> list[Any]:
        return self._evaluate(leaves)

    @override
    def replay(self, leaves: Sequence[Any], saved: Sequence[Any]) -> list[Any]:
        trace = highest(leaves)
        if not saved or self._replay is None or not isinstance(trace, Recording):
            return self._evaluate(leaves)
        return self._evaluate(leaves, self._replay.with_values(trace, self.saves, saved))

    @override
    def varying(self, flags: Sequence[bool | None]) -> tuple[bool, ...]:
        program = self.program
        found = {v.number: flag for v, flag in zip(program.inputs, flags, strict=True)}
        for item in program.equations:
            own = [isinstance(o, Variable) and found[o.number] for o in item.operands]
            fun = dict(item.params).get("fun")
            if isinstance(fun, Replayed):
                parts = fun.varying(own)
            else:
                varies = item.primitive not in OUT_OF_BATCH if None in own else True in own
                parts = (varies,) * len(item.results)
            found.update(zip((v.number for v in item.results), parts, strict=True))
        return tuple(bool(found[v.number]) for v in (*program.outputs, *self.saves))  # type: ignore[union-attr]  # outputs are variables

    @override
    def sources(self, results: set[int]) -> set[int]:
        program = self.program
        outs = (*program.outputs, *self.saves)
        found = {v.number for i, v in enumerate(outs) if i in results}  # type: ignore[union-attr]  # as above
        for item in reversed(program.equations):
            own = {i for i, v in enumerate(item.results) if v.number in found}
            if own and item.primitive.vjp is not None:
                fun = dict(item.params).get("fun")
                places = fun.sources(own) if isinstance(fun, Replayed) else None
                found.update(
                    o.number
                    for i, o in enumerate(item.operands)
                    if isinstance(o, Variable) and (places is None or i in places)
                )
        return {i for i, v in enumerate(program.inputs) if v.number in found}

    def flat(self, flags: Sequence[bool]) -> Iterator[Equation]:
        """Operations that end the derivative by flagged operands."""
        program = self.program
        found = {v.number for v, flag in zip(program.inputs, flags, strict=True) if flag}
        for item in program.equations:
            if any(isinstance(o, Variable) and o.number in found for o in item.operands):
                if item.primitive.vjp is None:
                    yield item
                else:
                    found.update(v.number for v in item.results if v.dtype.kind in "fc")

    def _evaluate(self, leaves: Sequence[Any], shortcut: Shortcut | None = None) -> list[Any]:
        self.keeper.check_unchanged()
        program = self.program
        values = {v.number: x for v, x in zip(program.inputs, leaves, strict=True)}
        if isinstance(leaves, list):
            leaves.clear()
        for item, dead in zip(program.items, self._dead, strict=True):
            if isinstance(item, Guard):
                if shortcut is None:  # the values are those of the recording
                    _check(program, item, values[item.variable.number])
            else:
                operands = [
                    o.value if isinstance(o, Constant) else values[o.number] for o in item.operands
                ]
                out = None if shortcut is None else shortcut(item, operands)
                if out is None:
                    out = call(item.primitive, operands, dict(item.params))
                if type(out) is tuple:
                    values.update(zip((v.number for v in item.results), out, strict=True))
                else:
                    values[item.results[0].number] = out
                del operands, out
            for number in dead:
                del values[number]
        return [values[v.number] for v in (*program.outputs, *self.saves)]  # type: ignore[union-attr]  # outputs are variables


def _last_uses(program: Program, saves: Sequence[Variable]) -> list[tuple[int, ...]]:
    """For each item the variables that nothing reads after it."""
    read = {v.number for v in (*program.outputs, *saves)}  # type: ignore[union-attr]  # as above
    found = []
    for item in reversed(program.items):
        if isinstance(item, Guard):
            touched = {item.variable.number}
        else:
            touched = {o.number for o in item.operands if isinstance(o, Variable)}
            touched.update(v.number for v in item.results)
        found.append(tuple(touched - read))
        read |= touched
    return found[::-1]


def _check(program: Program, guard: Guard, value: Any) -> None:
    found = ASK[guard.kind](value)
    if found != guard.answer and (found == found or guard.answer == guard.answer):  # noqa: PLR0124  # nan
        raise GuardError(
            f"{program.name}: {guard}, but it is {found!r} for these values. The checkpoint is "
            "that of one path through the function. Record it again for these values."
        )


# --- recording --------------------------------------------------------------------------------


def stripped(x: Any) -> Any:
    """A value without its recording, dual and staged levels; batches and mere shapes stay."""
    while isinstance(x, Tracer):
        if isinstance(x, ShapeTracer):
            return x
        if isinstance(x, BatchTracer):
            return BatchTracer(stripped(x.value), x.batched, x.owner, x.made_by)
        if isinstance(x, Axis):
            return x
        x = x.value
    return x


class BodyTracer(StageTracer):
    """A value inside of a checkpoint. It gives no plain number away that has a derivative."""

    __slots__ = ()

    def _is_flat(self) -> bool:
        made_by = self.made_by
        return self.dtype.kind in "biu" or (made_by is not None and made_by.vjp is None)

    def __float__(self) -> Any:
        return super().__float__() if self._is_flat() else ArrayLike.__float__(self)

    def __complex__(self) -> Any:
        return super().__complex__() if self._is_flat() else ArrayLike.__complex__(self)

    def __int__(self) -> Any:
        return super().__int__() if self._is_flat() else ArrayLike.__int__(self)

    @override
    def item(self) -> Any:
        return super().item() if self._is_flat() else ArrayLike.item(self)


class BodyStage(Stage):
    """The trace that writes the body of a checkpoint.

    Attributes:
        inputs: the operands, as they came in or were captured, and their variables.
        keeper: as in `Body`.
        saves: variables that the policy keeps, and their values.
        lines: where functions with derivative zero were applied, if somebody wants to know.
        arrays: plain ones that are operands, where a staging is open, and what they held.
        is_fixed: whether none of them was seen to change.
    """

    __slots__ = (
        "arrays",
        "constants",
        "inputs",
        "is_fixed",
        "keeper",
        "lines",
        "policy",
        "reads",
        "saved",
        "saves",
    )
    tracer = BodyTracer
    measures = False

    def __init__(self, policy: Policy | None = None) -> None:
        super().__init__("checkpoint")
        self.policy = policy
        self.inputs: list[tuple[Any, Variable]] = []
        self.keeper = Recording("checkpoint")
        self.saves: list[Variable] = []
        self.saved: list[Any] = []
        self.reads: dict[int, frozenset[int] | None] = {}
        self.constants: dict[int, tuple[Any, Constant]] = {}
        self.lines: dict[int, str] | None = None
        self.arrays: dict[int, tuple[Any, bytes, Variable]] = {}
        self.is_fixed = True

    def enter(self, leaf: Any) -> BodyTracer:
        """A tracer for an operand."""
        value = stripped(leaf)
        variable = self._name(leaf) if isinstance(leaf, Tracer) else self._add(leaf)
        return BodyTracer(value, variable, self)

    def enter_as(self, value: Any, operand: Any) -> BodyTracer:
        """A tracer for an operand that is known by something else than its value."""
        variable = self._add(value)
        self.inputs[-1] = operand, variable
        return BodyTracer(value, variable, self)

    def _add(self, leaf: Any) -> Variable:
        variable = self.variable(leaf)
        self.inputs.append((leaf, variable))
        return variable

    def _name(self, tracer: Tracer) -> Variable:
        found = self.captured.get(id(tracer))
        if found is None:
            if not tracer.owner.open:
                raise leaked(tracer.owner.transform)
            found = self.captured[id(tracer)] = (tracer, self._add(tracer))
        return found[1]

    @override
    def operand(self, arg: Any) -> Variable | Constant:
        if isinstance(arg, StageTracer) and arg.owner is self:
            return arg.variable
        if isinstance(arg, Tracer):
            return self._name(arg)
        if not isinstance(arg, np.ndarray):
            return Constant(arg)
        if MODES.staging:
            return self._read(arg)
        if arg.nbytes <= SMALL:
            return Constant(np.array(arg))
        kept = self.keeper.guard(arg)
        return self.constants.setdefault(id(arg), (arg, Residual(kept)))[1]

    def _read(self, array: np.ndarray[Any, Any]) -> Variable:
        """A plain array as an operand, so that the staging around says how it is known."""
        found = self.arrays.get(id(array))
        if found is None:
            found = array, array.tobytes(), self._add(array)
            found = self.arrays.setdefault(id(array), found)
        elif array.tobytes() != found[1]:
            self.is_fixed = False
        return found[2]

    def is_one_program(self) -> bool:
        """Whether what was written does not depend on values, nor on when arrays are read."""
        return (
            self.is_fixed
            and not any(isinstance(item, Guard) for item in self.items)
            and all(array.tobytes() == before for array, before, _ in self.arrays.values())
        )

    @override
    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        operands = tuple(map(self.operand, args))
        values = [
            arg.value if isinstance(arg, StageTracer) and arg.owner is self else stripped(arg)
            for arg in args
        ]
        out = call(primitive, values, params)
        results = out if type(out) is tuple else (out,)
        equation = self.equation(primitive, operands, params, results)
        if primitive.vjp is None and self.lines is not None:
            self.lines[equation.results[0].number] = str(self.last)
        self.note(equation, values, params, out)
        tracers = tuple(
            BodyTracer(result, variable, self, primitive)
            for result, variable in zip(results, equation.results, strict=True)
        )
        return tracers if type(out) is tuple else tracers[0]

    def note(
        self, equation: Equation, values: Sequence[Any], params: dict[str, Any], out: Any
    ) -> None:
        """Ask the policy about the results of an operation."""
        policy = self.policy
        if policy is None:
            return
        if policy(equation.primitive, *map(aval_of, values), **params):
            self.saves += equation.results
            self.saved += out if type(out) is tuple else (out,)
        self.reads[equation.results[0].number] = read_by_rule(equation, values, params, out)

    def body(self, name: str, outputs: Sequence[Variable]) -> tuple[Body, list[Any]]:
        """What was written down as a function, and its operands."""
        whole = Program(
            name,
            tuple(variable for _, variable in self.inputs),
            tuple(self.items),
            (*outputs, *self.saves),
        ).pruned()
        read = {v.number for v in outputs}
        for item in whole.items:
            operands = (item.variable,) if isinstance(item, Guard) else item.operands
            read.update(o.number for o in operands if isinstance(o, Variable))
        inputs = [(leaf, variable) for leaf, variable in self.inputs if variable.number in read]
        program = Program(name, tuple(v for _, v in inputs), whole.items, tuple(outputs))
        body = Body(program, tuple(self.saves), self.keeper, self.reads)
        return body, [leaf for leaf, _ in inputs]
