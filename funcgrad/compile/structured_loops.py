"""Loops over arrays as Python's `for`, with arrays for the results of all steps made beforehand."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from funcgrad.compile.passes import optimised
from funcgrad.compile.regions.scalars_loops import steps_are_numbers, write_steps
from funcgrad.compile.schedule import LARGE
from funcgrad.compile.structured import WRITERS
from funcgrad.core.program import Constant, Equation, Program, Variable

__all__ = ["write_loop"]


_PASSING = frozenset({"callback", "checkpoint", "custom", "identity", "structured"})
"""Families of operations whose results may be their operands."""


def write_loop(writer: Any, equation: Equation, operands: Sequence[str]) -> list[str]:
    """Write a loop; names of the last carries and of the stacks."""
    return _Loop(writer, equation, operands).written()


WRITERS["scan"] = write_loop


class _Loop:
    """One loop that is written.

    Attributes:
        sums: `{carry: what is added to it}` of running sums: they are added to in place.
        places: `{carry: where}` of sums to which each step adds something in one place.
    """

    def __init__(self, writer: Any, equation: Equation, operands: Sequence[str]) -> None:
        self.writer = writer
        self.equation = equation
        self.operands = operands
        self.fun: Any = dict(equation.params)["fun"]
        self.inputs: list[Any] = self.fun.spread(operands, None)
        self.n = len(self.fun.started)
        self.c = self.fun.consts
        self.program: Program = optimised(self.fun.body.program, exact=True)[0]
        context = writer.context
        self.numbers = context is not None and steps_are_numbers(equation, self.program, context)
        self.sums = {} if self.numbers else _running_sums(self.program, self.fun)
        self.places = _places(self.program, self.sums)
        self.own = len(self.program.outputs)
        if self.sums:
            self._set_sums_apart()

    def _set_sums_apart(self) -> None:
        """Take the sums out of the program, which gives what is added, and then where."""
        program = self.program
        gone = {program.outputs[i] for i in self.sums} | {self.sums[i] for i in self.places}
        outputs: list[Any] = [self.sums.get(i, o) for i, o in enumerate(program.outputs)]
        for i, equation in self.places.items():
            outputs[i] = equation.operands[0]
            outputs += equation.operands[1:]
        items = tuple(e for e in program.equations if e.results[0] not in gone)
        self.program = replace(program, items=items, outputs=tuple(outputs))

    def written(self) -> list[str]:
        """Write it."""
        writer, fun, n = self.writer, self.fun, self.n
        self._write_constants()
        if self.numbers:
            given = self.writer, self.equation, self.operands
            return write_steps(*given, self.program, self.inputs)
        c = self.c
        carries = [self._started(i) for i in range(n)]
        stacks = [self._stack(j) for j in range(n, self.own)]
        numbers = self.program.inputs[c + n + len(fun.x_axes) :]
        count = f"range({fun.length})"
        plain = bool(numbers) and not stacks and not fun.x_axes
        if plain and fun.first:
            count = f"range({fun.first}, {fun.first + fun.length})"
        if fun.reverse:
            count = f"reversed({count})"
        k = writer.fresh(numbers[0].name if plain or (numbers and not fun.first) else "k")
        writer.line(f"for {k} in {count}:", self.equation.origin)
        with writer.indented():
            number = k
            if numbers and fun.first and not plain:
                number = writer.fresh(numbers[0].name)
                writer.line(f"{number} = {k} + {fun.first}")
            parts = [self._part(i, k) for i in range(len(fun.x_axes))]
            names = [*self.inputs[:c], *carries, *parts, *([number] if numbers else [])]
            outs = writer.block(self.program, names)
            for stack, axis, y in zip(stacks, fun.y_axes, outs[n : self.own], strict=True):
                writer.line(f"{stack}[{_along(axis, k)}] = {y}")
            places = iter(outs[self.own :])
            for i in self.sums:
                axes = self.places[i].operands[1:] if i in self.places else ()
                where = f"[{', '.join(next(places) for _ in axes)}]" if axes else ""
                writer.line(f"{carries[i]}{where} += {outs[i]}")
            pairs = zip(carries, outs[:n], strict=True)
            self._carry_on([pair for i, pair in enumerate(pairs) if i not in self.sums])
        self._forget(parts)
        self._separate(carries)
        return [*carries, *stacks]

    def _write_constants(self) -> None:
        """Write what is the same in all steps before the loop."""
        program, c = self.program, self.c
        known = {v.number for v in program.inputs[:c]}
        steady: list[Equation] = []
        rest: list[Equation] = []
        for equation in program.equations:
            if all(isinstance(o, Constant) or o.number in known for o in equation.operands):
                steady.append(equation)
                known.update(v.number for v in equation.results)
            else:
                rest.append(equation)
        read = {o.number for e in rest for o in e.operands if isinstance(o, Variable)}
        read.update(o.number for o in program.outputs if isinstance(o, Variable))
        made = tuple(v for e in steady for v in e.results if v.number in read)
        if not made:
            return
        before = Program(program.name, program.inputs[:c], tuple(steady), made)
        names = self.writer.block(before, self.inputs[:c])
        self.program = replace(
            program,
            inputs=(*program.inputs[:c], *made, *program.inputs[c:]),
            items=tuple(rest),
        )
        self.inputs = [*self.inputs[:c], *names, *self.inputs[c:]]
        self.c += len(made)

    def _started(self, i: int) -> str:
        """The variable that holds a carry, with its first value."""
        v, o = self.program.inputs[self.c + i], self.program.outputs[i]
        hint = v.name or (o.name if isinstance(o, Variable) else "")
        name: str = self.writer.fresh(hint)
        first = self.inputs[self.c + i]
        if not self.fun.started[i]:
            first = _nothing(v, -0.0 if i not in self.places else 0.0)
        elif i in self.sums and v.shape:
            first = f'{first}.copy(order="K")'
        self.writer.line(f"{name} = {first}", self.equation.origin)
        return name

    def _stack(self, j: int) -> str:
        """The array that results of all steps go to."""
        result, o = self.equation.results[j], self.program.outputs[j]
        hint = result.name or (f"{o.name}_all" if isinstance(o, Variable) and o.name else "ys")
        name: str = self.writer.fresh(hint)
        text = f"np.empty({result.shape}, {_dtype(result.dtype)})"
        self.writer.line(f"{name} = {text}", self.equation.origin)
        return name

    def _part(self, i: int, k: str) -> str:
        """The slice of one step."""
        place = self.c + self.n + i
        v = self.program.inputs[place]
        if not any(v == o for o in self._read()):
            return "None"
        name: str = self.writer.fresh(v.name or "x")
        weak = ".item()" if v.weak else ""
        self.writer.line(f"{name} = {self.inputs[place]}[{_along(self.fun.x_axes[i], k)}]{weak}")
        return name

    def _read(self) -> Iterable[Any]:
        for equation in self.program.equations:
            yield from equation.operands
        yield from self.program.outputs

    def _carry_on(self, pairs: list[tuple[str, str]]) -> None:
        """Give the carries their next values, all at once where one is another's."""
        pairs = [(name, out) for name, out in pairs if name != out]
        if not pairs:
            return
        names, outs = zip(*pairs, strict=True)
        if set(names) & set(outs):
            self.writer.line(f"{', '.join(names)} = {', '.join(outs)}")
        else:
            for name, out in pairs:
                self.writer.line(f"{name} = {out}")

    def _forget(self, parts: Sequence[str]) -> None:
        """Let go of the last slices, which hold on to large arrays."""
        inputs = self.program.inputs[self.c + self.n :]
        large = [
            name
            for name, v in zip(parts, inputs, strict=False)
            if name != "None" and self.fun.length * _size(v) >= LARGE
        ]
        if large:
            self.writer.line(f"del {', '.join(large)}")

    def _separate(self, carries: Sequence[str]) -> None:
        """Copy last carries that may be views, of operands, of each other or of anything."""
        roots = _roots(self.program)
        inputs = {v.number for v in self.program.inputs}
        seen: set[int] = set()
        for i, name in enumerate(carries):
            o = self.program.outputs[i]
            if i in self.sums or (isinstance(o, Variable) and not o.shape and not o.weak):
                continue
            own = roots.get(o.number, {o.number}) if isinstance(o, Variable) else inputs
            if own & (inputs | seen) or (isinstance(o, Variable) and own != {o.number}):
                order = 'order="K"' if self.program.inputs[self.c + i].shape else ""
                self.writer.line(f"{name} = {name}.copy({order})")
            seen |= own


def _running_sums(program: Program, fun: Any) -> dict[int, Variable]:
    """The carries of which a step makes only a sum with something else: `{carry: that}`."""
    reads: dict[int, int] = {}
    for equation in program.equations:
        for o in equation.operands:
            if isinstance(o, Variable):
                reads[o.number] = reads.get(o.number, 0) + 1
    for o in program.outputs:
        if isinstance(o, Variable):
            reads[o.number] = reads.get(o.number, 0) + 1
    made = {equation.results[0].number: equation for equation in program.equations}
    roots = _roots(program)
    found: dict[int, Variable] = {}
    for i in range(len(fun.started)):
        carry, o = program.inputs[fun.consts + i], program.outputs[i]
        if not isinstance(o, Variable) or o.number not in made:
            continue
        equation = made[o.number]
        if (
            equation.primitive.name != "add"
            or equation.errors is not None
            or not carry.shape
            or reads.get(carry.number) != 1
            or reads[equation.results[0].number] != 1
        ):
            continue
        others = [x for x in equation.operands if x != carry]
        if (
            len(others) == 1
            and isinstance(others[0], Variable)
            and np.can_cast(others[0].dtype, carry.dtype)
            and carry.number not in roots.get(others[0].number, {others[0].number})
        ):
            found[i] = others[0]
    return found


def _roots(program: Program) -> dict[int, set[int]]:
    """Whose memory the values of a program may share, where it is not their own."""
    found: dict[int, set[int]] = {v.number: {v.number} for v in program.inputs}
    for equation in program.equations:
        primitive = equation.primitive
        shared: set[int] = set()
        passes_on = primitive.family in _PASSING and primitive.name != "scan"
        if primitive.returns_view or passes_on:
            for o in equation.operands:
                if isinstance(o, Variable):
                    shared |= found.get(o.number, {o.number})
                else:
                    shared |= {v.number for v in program.inputs}  # a constant is nobody's
        for v in equation.results:
            found[v.number] = shared or {v.number}
    return found


def _places(program: Program, sums: dict[int, Variable]) -> dict[int, Equation]:
    """The sums to which each step adds something in one place: `{carry: what lays it there}`."""
    made = {equation.results[0]: equation for equation in program.equations}
    reads = [o for e in program.equations for o in e.operands] + list(program.outputs)
    found = {}
    for i, x in sums.items():
        equation = made.get(x)
        if (
            equation is not None
            and equation.primitive.name == "scatter_add"
            and equation.errors is None
            and dict(equation.params)["lead"] == 0
            and not any(map(_shape, equation.operands[1:]))
            and reads.count(x) == 1
        ):
            found[i] = equation
    return found


def _nothing(v: Variable, zero: float) -> str:
    text = f"complex({zero}, {zero})" if v.dtype.kind == "c" else str(zero)
    if not v.shape:
        return f"{_dtype(v.dtype)}({text})"
    return f"np.full({v.shape}, {text}, {_dtype(v.dtype)})"


def _shape(o: Variable | Constant) -> tuple[int, ...]:
    return o.shape if isinstance(o, Variable) else np.shape(o.value)


def _dtype(dtype: np.dtype[Any]) -> str:
    return f"np.{'bool_' if dtype.kind == 'b' else dtype.name}"


def _along(axis: int, k: str) -> str:
    return ":, " * axis + k


def _size(v: Variable | Constant) -> int:
    return 0 if isinstance(v, Constant) else int(np.prod(v.shape)) * v.dtype.itemsize
