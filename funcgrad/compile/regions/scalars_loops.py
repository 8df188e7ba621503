"""Loops whose steps are Python numbers: they stay numbers from one step to the next.

A step on tiny arrays is a few operations of floats (`funcgrad.compile.regions.scalars`); to make
arrays of its carries and to take them apart again would take longer than that. So the numbers of
all slices are taken by one `tolist`, the carries are local variables, and the numbers that are to
be stacked are put into one buffer, step by step, whose columns are the stacks.

If a number is not finite, NumPy runs the loop again from the start, and warns.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from funcgrad.compile.regions.context import Context
from funcgrad.compile.regions.scalars import LIMIT, small_rule, time_of
from funcgrad.compile.regions.scalars_numbers import Number, Unrolled
from funcgrad.compile.regions.scalars_plain import ARITHMETIC, Plain
from funcgrad.compile.regions.scalars_values import Value
from funcgrad.compile.regions.scalars_writing import (
    NumbersWriter,
    constant_value,
    packer,
    references_of,
    unrolled_program,
)
from funcgrad.core.program import Constant, Equation, Program, Reference, Variable

__all__ = ["CHUNK", "LONGEST", "SHORTEST", "steps_are_numbers", "write_steps"]

CHUNK = 4096
"""Slices of so many steps are numbers at the same time."""

LONGEST = 5_000
"""Operations of a step, at most: compiling one takes about 5 µs."""

SHORTEST = 4
"""Loops of fewer steps are left alone."""

_FLOAT = np.dtype(np.float64)
_BOOL = np.dtype(np.bool_)


# which loops ----------------------------------------------------------------------------------


def steps_are_numbers(equation: Equation, program: Program, context: Context) -> bool:
    """Whether the steps of a loop are to be Python numbers.

    Args:
        equation: the loop.
        program: of a step.
        context: with costs and settings.
    """
    fun = dict(equation.params)["fun"]
    if equation.errors is not None or fun.length < SHORTEST or not program.equations:
        return False
    if len(program.equations) < len(program.items) or not _all_known(equation, program, fun):
        return False
    return _pays(program, fun, context)


def _all_known(equation: Equation, program: Program, fun: Any) -> bool:
    """Whether all carries, slices and results are floats and truth values, and not too many."""
    c, n = fun.consts, len(fun.started)
    carries = program.inputs[c : c + n]
    operands = fun.spread(list(equation.operands), None)
    for i, (v, o, first) in enumerate(zip(carries, program.outputs, operands[c:], strict=False)):
        if not _is_known(v) or _dtype_of(o) != v.dtype:
            return False
        if fun.started[i] and _dtype_of(first) != v.dtype:
            return False
        if not fun.started[i] and v.dtype != _FLOAT:
            return False
        if not v.shape and _stands_still(i, carries, program.outputs):
            return False
    for v in program.inputs[c + n : c + n + len(fun.x_axes)]:
        small = 0 < math.prod(v.shape) <= LIMIT
        if not small or not (v.dtype == _FLOAT or v.dtype.kind in "biu"):
            return False
    results = zip(program.outputs, equation.results, strict=True)
    return all(_is_known(o) and _dtype_of(o) == v.dtype for o, v in results)


def _is_known(o: Variable | Constant) -> bool:
    if isinstance(o, Reference) or _dtype_of(o) not in (_FLOAT, _BOOL):
        return False
    shape = o.shape if isinstance(o, Variable) else np.shape(o.value)
    return 0 < math.prod(shape) <= LIMIT


def _dtype_of(o: Any) -> np.dtype[Any]:
    return o.dtype if isinstance(o, Variable) else np.asarray(o.value).dtype


def _stands_still(i: int, carries: Sequence[Variable], outputs: Sequence[Any]) -> bool:
    """Whether a carry is the first value of another one in some steps."""
    places = {v.number: j for j, v in enumerate(carries) if v != outputs[j]}
    for _ in carries:
        o = outputs[i]
        if not isinstance(o, Variable) or o.number not in places:
            return False
        i = places[o.number]
    return True


def _pays(program: Program, fun: Any, context: Context) -> bool:
    costs = context.costs
    c = fun.consts
    steady = {v.number for v in program.inputs[:c]}
    numpy, work = 0.0, 0.0
    for equation in program.equations:
        if all(isinstance(o, Constant) or o.number in steady for o in equation.operands):
            steady.update(v.number for v in equation.results)
            continue  # before the loop
        rule = small_rule(equation, context.exact, LIMIT)
        if rule is None:
            return False
        numpy += time_of(equation, rule, costs)
        work += rule.work(equation)
    n = len(fun.started)
    moved = [*program.inputs[c + n : c + n + len(fun.x_axes)], *program.outputs[n:]]
    numpy += len(moved) * costs.ufunc / 2
    sizes = [math.prod(v.shape) if isinstance(v, Variable) else np.size(v.value) for v in moved]
    around = (len(moved) + 2 * n) * (costs.from_list + costs.to_list) + 2 * costs.ufunc
    after = work * costs.number + sum(sizes) * costs.per_item + around / fun.length
    return 0 < work <= LONGEST and after < 0.9 * numpy


# writing --------------------------------------------------------------------------------------


def write_steps(
    writer: Any, equation: Equation, operands: Sequence[str], program: Program, inputs: list[Any]
) -> list[str]:
    """Write a loop; names of its results.

    Args:
        writer: to write with.
        equation: the loop.
        operands: their names.
        program: of a step, which may have more constants than the loop.
        inputs: names of the constants, the first carries and the arrays of slices.
    """
    return _Steps(writer, equation, operands, program, inputs).written()


class _Steps(NumbersWriter):
    """One loop that is written.

    Attributes:
        length: number of steps.
        columns: the numbers of all stacks that a step gives.
        absorbed: numbers whose infinities may get lost.
        row: how many they are.
        low: the first step of a chunk, as text.
        high: the one after the last step of a chunk.
    """

    def __init__(
        self,
        writer: Any,
        equation: Equation,
        operands: Sequence[str],
        program: Program,
        inputs: list[Any],
    ) -> None:
        self.writer = writer
        self.scope = writer.scope
        self.equation = equation
        self.operands = operands
        self.program = program
        self.exact = writer.context.exact
        self.texts: dict[str, str] = {}
        self.last: Any = None
        self.fun: Any = dict(equation.params)["fun"]
        self.inputs = inputs
        self.length: int = self.fun.length
        self.n = len(self.fun.started)
        self.c = len(program.inputs) - self.n - len(self.fun.x_axes) - (self.fun.first is not None)
        self.unrolled = Unrolled()
        self.known: dict[Any, Value] = {}
        self.low = self.high = ""
        self.columns: list[Number] = []
        self.absorbed: list[Number] = []
        self.row = 0
        self.place = self.index = ""
        self.references: list[Reference] = []

    def written(self) -> list[str]:
        """Write it."""
        writer, fun, n = self.writer, self.fun, self.n
        outputs = self._unroll()
        results = self.equation.results
        names = [writer.fresh(v.name or self._hint(o)) for v, o in self._results()]
        self.columns = list(dict.fromkeys(x for value in outputs[n:] for x in value.items))
        self.row = len(self.columns)
        sums = [self._is_sum(i, outputs[i]) for i in range(n)]
        writer.line("try:", self.equation.origin)
        with writer.indented():
            self._read_constants()
            for i in range(n):
                self._start(i)
            for name, result in zip(names[n:], results[n:], strict=True):
                writer.line(f"{name} = {writer.memory(result)}")
            rows = self._rows(names[n:], outputs[n:])
            with self._chunks():
                pattern, source = self._header(bool(rows), self._is_direct(outputs[n:]))
                writer.line(f"for {pattern} in {source}:", self.equation.origin)
                with writer.indented():
                    self._step(outputs, rows, sums)
                if rows:
                    self._stack(names[n:], outputs[n:], rows)
            carries = [self.known[v.number].items for v in self._carries()]
            self._check_numbers(
                x for i, items in enumerate(carries) if not outputs[i].boolean for x in items
            )
            for i, items in enumerate(carries):
                v, o = self._carries()[i], self.program.outputs[i]
                weak = o.weak if isinstance(o, Variable) else type(o.value) is float
                if o == v and not v.shape and fun.started[i]:
                    writer.line(f"{names[i]} = {self.inputs[self.c + i]}")
                    continue
                result = replace(results[i], weak=weak)
                self._pack(names[i], result, replace(outputs[i], items=items))
        failed = self.scope.helper(ARITHMETIC, "NOT_FINITE")
        writer.line(f"except {failed}:")
        with writer.indented():
            given = {
                o: name
                for o, name in zip(self.equation.operands, self.operands, strict=True)
                if isinstance(o, Variable)
            }
            whole = Program("loop", tuple(given), (self.equation,), results)
            plain = self._named(Plain(whole, type(writer), type(self.scope)), "plain")
            comma = "," * (len(names) == 1)
            writer.line(f"{', '.join(names)}{comma} = {plain}({', '.join(given.values())})")
        operations = sum(number.reads > 0 for number in self.unrolled.numbers)
        writer.context.decide(
            "numbers", f"{fun.length} steps of {operations} operations are Python floats throughout"
        )
        return names

    # what a step is -----------------------------------------------------------------------------
    def _carries(self) -> tuple[Variable, ...]:
        return self.program.inputs[self.c : self.c + self.n]

    def _results(self) -> Iterator[tuple[Variable, Variable | Constant]]:
        return zip(self.equation.results, self.program.outputs, strict=True)

    @staticmethod
    def _hint(o: Variable | Constant) -> str:
        return o.name if isinstance(o, Variable) else ""

    def _unroll(self) -> list[Value]:
        """The outputs of a step as numbers."""
        program, unrolled = self.program, self.unrolled
        for v in program.inputs:
            numbers = [Number(None, ()) for _ in range(math.prod(v.shape))]
            self.known[v.number] = Value(v.shape, numbers, v.dtype.kind == "b")
        self.references = references_of(program)
        for reference in self.references:
            array = reference.value
            numbers = [Number(None, ()) for _ in range(array.size)]
            self.known[reference] = Value(array.shape, numbers, array.dtype.kind == "b")
        found = iter(unrolled_program(unrolled, program, self.known, self.exact))
        outputs = [
            next(found) if isinstance(o, Variable) else constant_value(unrolled, o)
            for o in program.outputs
        ]
        unrolled.counted(x for value in outputs for x in value.items)
        self.absorbed = unrolled.absorbed() if self.exact else []
        return outputs

    def _is_sum(self, i: int, output: Value) -> bool:
        """Whether numbers of a carry are only added to: then a bad one stays bad."""
        carry = self.known[self._carries()[i].number].items
        return all(_adds(x, first) for x, first in zip(output.items, carry, strict=True))

    # before the steps ---------------------------------------------------------------------------
    def _read_constants(self) -> None:
        for v, name in zip(self.program.inputs[: self.c], self.inputs, strict=False):
            self._read(name, v, self.known[v.number].items)
        for reference in self.references:
            array = reference.value
            name = self.scope.constant(reference)
            self._read(name, Variable(-1, array.shape, array.dtype), self.known[reference].items)

    def _start(self, i: int) -> None:
        """Write the first numbers of a carry."""
        line = self.writer.line
        v, o = self._carries()[i], self.program.outputs[i]
        items = self.known[v.number].items
        names = self._name(items, v.name or self._hint(o) or "carry")
        first = self.inputs[self.c + i]
        if not self.fun.started[i]:
            for name in names:
                line(f"{name} = -0.0")
        elif not v.shape:
            line(f"{names[0]} = {'bool' if v.dtype == _BOOL else 'float'}({first})")
        elif len(items) == 1:
            line(f"{names[0]} = {first}.item()")
        else:
            flat = first if len(v.shape) == 1 else f"{first}.ravel()"
            line(f"{', '.join(names)} = {flat}.tolist()")

    def _name(self, items: Sequence[Number], hint: str) -> list[str]:
        for place, number in enumerate(items):
            number.text = self.writer.fresh(hint if len(items) == 1 else f"{hint}_{place}")
        return [number.text for number in items]

    def _rows(self, names: Sequence[str], outputs: Sequence[Value]) -> str:
        """The name of the array whose rows are the numbers of one step."""
        if not names:
            return ""
        if self._is_direct(outputs):
            return names[0]
        rows: str = self.writer.fresh("rows")
        shape = min(self.length, CHUNK), self.row
        self.writer.line(f"{rows} = {self.writer.scratch(shape, _FLOAT)}")
        return rows

    def _is_direct(self, outputs: Sequence[Value]) -> bool:
        """Whether the rows are those of the only stack."""
        one = len(outputs) == 1 and not outputs[0].boolean and self.fun.y_axes == (0,)
        return one and len(outputs[0].items) == self.row

    @contextmanager
    def _chunks(self) -> Iterator[None]:
        """Where a chunk is written."""
        if self.length <= CHUNK:
            yield
            return
        writer = self.writer
        self.low, self.high = writer.fresh("low"), writer.fresh("high")
        every = f"range(0, {self.length}, {CHUNK})"
        writer.line(f"for {self.low} in {self._turned(every)}:", self.equation.origin)
        with writer.indented():
            writer.line(f"{self.high} = min({self.low} + {CHUNK}, {self.length})")
            yield

    def _turned(self, source: str) -> str:
        return f"reversed({source})" if self.fun.reverse else source

    # a step -------------------------------------------------------------------------------------
    def _header(self, stacked: bool, direct: bool) -> tuple[str, str]:
        """What the loop goes over, and how it is called."""
        low, high, chunked = self.low or "0", self.high or str(self.length), bool(self.low)
        found: list[tuple[str, str]] = []
        if stacked:
            step = 8 * self.row
            ends = f"0, {self.length * step}"
            if chunked:
                ends = f"{step} * {low}, {step} * {high}"
                ends = ends if direct else f"0, {step} * ({high} - {low})"
            self.place = self.writer.fresh("place")
            found.append((self.place, f"range({ends}, {step})"))
        index = self.program.inputs[self.c + self.n + len(self.fun.x_axes) :]
        if index and self.known[index[0].number].items[0].reads:
            k = self.writer.fresh(index[0].name or "k")
            first = self.fun.first
            ends = f"{first}, {first + self.length}"
            if chunked:
                ends = f"{first} + {low}, {first} + {high}"
            found.append((k, f"range({ends})"))
            self.index = k
        start = self.c + self.n
        for i, axis in enumerate(self.fun.x_axes):
            v = self.program.inputs[start + i]
            items = self.known[v.number].items
            if any(x.reads for x in items):
                pattern = ", ".join(self._name(items, v.name or "x"))
                text = self._list(self.inputs[start + i], v, axis)
                found.append((f"({pattern})" if len(items) > 1 else pattern, text))
        if not found:
            return "_", f"range({low}, {high})" if chunked else f"range({self.length})"
        patterns = [pattern for pattern, _ in found]
        sources = [self._turned(source) for _, source in found]
        if len(found) == 1:
            return patterns[0].strip("()"), sources[0]
        return ", ".join(patterns), f"zip({', '.join(sources)})"

    def _list(self, name: str, v: Variable, axis: int) -> str:
        """A list of the numbers of all slices of an array."""
        if axis:
            name = f"np.moveaxis({name}, {axis}, 0)"
        if self.low:
            name = f"{name}[{self.low}:{self.high}]"
        size = math.prod(v.shape)
        if len(v.shape) > (size > 1):
            name = f"{name}.reshape({-1 if size == 1 else f'-1, {size}'})"
        if v.dtype.kind not in "fb":
            name = f"{name}.astype(float)"
        return f"{name}.tolist()"

    def _step(self, outputs: Sequence[Value], rows: str, sums: Sequence[bool]) -> None:
        line, n = self.writer.line, self.n
        index = self.program.inputs[self.c + n + len(self.fun.x_axes) :]
        if index and self.known[index[0].number].items[0].reads:
            number = self.known[index[0].number].items[0]
            number.text = self.writer.fresh(index[0].name or "k")
            line(f"{number.text} = float({self.index})")
        self.unrolled.write(self._line, self._text_of)
        carried = [
            x
            for i, value in enumerate(outputs[:n])
            if not value.boolean and not sums[i]
            for x in value.items
        ]
        stacked = set(self.columns)  # which are looked at together, after the steps
        self._check_numbers(x for x in (*carried, *self.absorbed) if x not in stacked)
        if rows:
            pack = self._named(packer(f"{self.row}d"), f"pack_{self.row}")
            line(f"{pack}({rows}, {self.place}, {', '.join(x.text for x in self.columns)})")
        self._carry_on(outputs[:n])

    def _carry_on(self, outputs: Sequence[Value]) -> None:
        """Write how the carries get their next numbers."""
        pairs = [
            (old.text, new.text)
            for v, value in zip(self._carries(), outputs, strict=True)
            for old, new in zip(self.known[v.number].items, value.items, strict=True)
            if old.text != new.text
        ]
        olds = [old for old, _ in pairs]
        news = [new for _, new in pairs]
        if set(olds) & set(news):
            self.writer.line(f"{', '.join(olds)} = {', '.join(news)}")
        else:
            for old, new in pairs:
                self.writer.line(f"{old} = {new}")

    # after the steps ----------------------------------------------------------------------------
    def _stack(self, names: Sequence[str], outputs: Sequence[Value], rows: str) -> None:
        """Write how the columns become stacks, if all numbers are finite."""
        line = self.writer.line
        direct = self._is_direct(outputs)
        if self.low and direct:
            rows = f"{rows}[{self.low}:{self.high}]"
        elif self.low:
            rows = f"{rows}[: {self.high} - {self.low}]"
        line(f"if not np.isfinite({rows}).all():")
        with self.writer.indented():
            line("raise OverflowError")
        if direct:
            return
        places = {number: place for place, number in enumerate(self.columns)}
        for name, value, axis in zip(names, outputs, self.fun.y_axes, strict=True):
            own = [places[number] for number in value.items]
            text: Any = own
            if own == list(range(own[0], own[0] + len(own))):
                text = f"{own[0]}:{own[-1] + 1}"
            columns = f"{rows}[:, {text if value.shape else own[0]}]"
            if len(value.shape) > 1:
                columns = f"{columns}.reshape(-1, {', '.join(map(str, value.shape))})"
            if axis:
                columns = f"np.moveaxis({columns}, 0, {axis})"
            where = f"{self.low}:{self.high}" if self.low else "..."
            line(f"{name}[{':, ' * axis if self.low else ''}{where}] = {columns}")


def _adds(number: Number, first: Number) -> bool:
    """Whether a number is the sum of another one and others."""
    pending, seen = [number], {id(number)}
    while pending:
        x = pending.pop()
        if x is first:
            return True
        if x.operation is not None and x.operation.text == "{0} + {1}":
            for part in x.parts:
                if id(part) not in seen:
                    seen.add(id(part))
                    pending.append(part)
    return False
