"""Clusters of small arrays, written as statements about Python floats."""

import functools
import math
import re
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from funcgrad.compile.regions.cluster import program_of
from funcgrad.compile.regions.scalars_numbers import Number, Unrolled
from funcgrad.compile.regions.scalars_operations import FUNCTIONS, Operation
from funcgrad.compile.regions.scalars_plain import ARITHMETIC, Plain
from funcgrad.compile.regions.scalars_rules import rule_of
from funcgrad.compile.regions.scalars_values import Value
from funcgrad.compile.structured import WRITERS
from funcgrad.core.program import Constant, Equation, Program, Reference, Variable

__all__ = [
    "KIND", "NumbersWriter", "constant_value", "packer", "references_of", "unrolled_program",
    "write_numbers",
]  # fmt: skip

KIND = "numbers"
"""Name of the primitive of these clusters."""

CHAIN = 100
"""So many numbers are added up in one expression."""


def unrolled_program(
    unrolled: Unrolled,
    program: Program,
    inputs: dict[Any, Value],
    exact: bool,
    hinted: bool = True,
) -> list[Value]:
    """The outputs of a program as numbers.

    Args:
        unrolled: takes the numbers.
        program: of equations that have rules.
        inputs: `{number of a variable, or a Reference: its elements}`.
        exact: whether every bit counts.
        hinted: whether numbers are named after the user's variables.
    """
    known = dict(inputs)
    for equation in program.equations:
        values = [
            known[o.number]
            if isinstance(o, Variable)
            else known[o]
            if isinstance(o, Reference)
            else constant_value(unrolled, o)
            for o in equation.operands
        ]
        unrolled.origin = equation.origin
        rule = rule_of(equation)
        assert rule is not None
        for variable, value in zip(
            equation.results, rule.expand(unrolled, equation, values, exact), strict=True
        ):
            known[variable.number] = value
            if hinted and variable.name:
                _hint(variable.name, value.items)
    return [known[o.number] for o in program.outputs if isinstance(o, Variable)]


def references_of(program: Program) -> list[Reference]:
    """The arrays of the user's in a program."""
    operands = (operand for equation in program.equations for operand in equation.operands)
    return list(dict.fromkeys(o for o in operands if isinstance(o, Reference)))


def _hint(name: str, items: Sequence[Number]) -> None:
    if len(items) == 1:
        items[0].hint = items[0].hint or name
        return
    for i, number in enumerate(items):
        number.hint = number.hint or f"{name}_{i}"


def constant_value(unrolled: Unrolled, constant: Constant) -> Value:
    """The elements of a constant, which are literals."""
    value = np.asarray(constant.value)
    boolean = value.dtype.kind == "b"
    kind: Callable[[Any], Any] = bool if boolean else float
    items = [unrolled.literal(kind(x)) for x in value.ravel().tolist()]
    return Value(value.shape, items, boolean)


class NumbersWriter:
    """One cluster that is written."""

    def __init__(self, writer: Any, equation: Equation, operands: Sequence[str]) -> None:
        self.writer = writer
        self.scope = writer.scope
        self.equation = equation
        self.operands = operands
        self.program = program_of(equation)
        self.exact: bool = dict(equation.params)["exact"]
        self.texts: dict[str, str] = {}
        self.last: Any = None

    def written(self) -> list[str]:
        """Write it; names of the results."""
        writer, program = self.writer, self.program
        unrolled = Unrolled()
        inputs: dict[Any, Value] = {}
        reads: list[tuple[str, Variable, list[Number]]] = []

        def take(key: Any, name: str, variable: Variable) -> None:
            numbers = [Number(None, ()) for _ in range(math.prod(variable.shape))]
            inputs[key] = Value(variable.shape, numbers, variable.dtype.kind == "b")
            reads.append((name, variable, numbers))

        for variable, name in zip(program.inputs, self.operands, strict=True):
            take(variable.number, name, variable)
        for reference in references_of(program):
            array = reference.value
            variable = Variable(-1, array.shape, array.dtype)
            take(reference, self.scope.constant(reference), variable)
        results = [v for v in program.outputs if isinstance(v, Variable)]
        outputs = unrolled_program(unrolled, program, inputs, self.exact)
        unrolled.counted(x for value in outputs for x in value.items)
        absorbed = unrolled.absorbed() if self.exact else []
        names: list[str] = []
        writer.line("try:", self.equation.origin)
        with writer.indented():
            for name, variable, numbers in reads:
                self._read(name, variable, numbers)
            unrolled.write(self._line, self._text_of)
            self._check(outputs, absorbed)
            for result, value in zip(results, outputs, strict=True):
                names.append(writer.fresh(result.name))
                self._pack(names[-1], result, value)
        failed = self.scope.helper(ARITHMETIC, "NOT_FINITE")
        writer.line(f"except {failed}:")
        with writer.indented():
            plain = Plain(program, type(writer), type(writer.scope))
            call = f"{self._named(plain, 'plain')}({', '.join(self.operands)})"
            writer.line(f"{', '.join(names)}{',' * (len(names) == 1)} = {call}")
        return names

    def _named(self, function: Any, name: str) -> str:
        found: str = self.scope.helper(function, name)
        return found

    def _text_of(self, operation: Operation) -> str:
        """The text of an operation, with the names that its functions have here."""
        found = self.texts.get(operation.text)
        if found is None:
            found = operation.text
            for function in operation.functions:
                own = self._named(FUNCTIONS[function], function)
                found = re.sub(rf"\b{function}\(", f"{own}(", found)
            self.texts[operation.text] = found
        return found

    def _read(self, name: str, variable: Variable, numbers: Sequence[Number]) -> None:
        """Write how the elements of an operand get names."""
        if not any(number.reads for number in numbers):
            return
        kind = variable.dtype.kind
        to_number = {"f": "float", "b": "bool"}.get(kind, "float")
        if not variable.shape:
            (number,) = numbers
            if variable.weak and kind in "fb":
                number.text = name
                return
            number.text = self.writer.fresh(variable.name or name)
            self.writer.line(f"{number.text} = {to_number}({name})")
            return
        for i, number in enumerate(numbers):
            number.text = self.writer.fresh(f"{name}_{i}")
        texts = [number.text for number in numbers]
        flat = name if len(variable.shape) == 1 else f"{name}.ravel()"
        if len(texts) == 1:
            self.writer.line(f"{texts[0]} = {name}.item()")
        else:
            self.writer.line(f"{', '.join(texts)} = {flat}.tolist()")
        if kind not in "fb":
            for text in texts:
                self.writer.line(f"{text} = float({text})")

    def _line(self, number: Number, text: str) -> str:
        name: str = self.writer.fresh(number.hint)
        here = number.origin[:2]
        origin = number.origin if here != self.last else None
        self.last = here
        self.writer.line(f"{name} = {text}", origin)
        return name

    def _check(self, outputs: Sequence[Value], absorbed: Sequence[Number]) -> None:
        """Leave what is not finite to NumPy, which warns of it."""
        numbers = [x for value in outputs if not value.boolean for x in value.items]
        self._check_numbers([*numbers, *absorbed])

    def _check_numbers(self, numbers: Iterable[Number]) -> None:
        every = dict.fromkeys(number.text for number in numbers)
        texts = [text for text in every if not _is_literal(text)]
        if not texts:
            return
        sums = [" + ".join(texts[i : i + CHAIN]) for i in range(0, len(texts), CHAIN)]
        isfinite = self._named(math.isfinite, "isfinite")
        test = " and ".join(f"{isfinite}({text})" for text in sums)
        self.writer.line(f"if not {test}:" if len(sums) == 1 else f"if not ({test}):")
        with self.writer.indented():
            self.writer.line("raise OverflowError")

    def _pack(self, name: str, variable: Variable, value: Value) -> None:
        """Write how a result is made of its elements."""
        line = self.writer.line
        texts = [number.text for number in value.items]
        if not variable.shape:
            (text,) = texts
            if not variable.weak:
                kind = np.array if value.boxed else np.bool_ if value.boolean else np.float64
                text = f"{self._named(kind, kind.__name__)}({text})"
            line(f"{name} = {text}")
            return
        memory = self.writer.memory(variable)
        if not memory.isidentifier():
            dtype = ", np.bool_" if value.boolean else ""
            shape = variable.shape[0] if len(variable.shape) == 1 else variable.shape
            memory = f"{self._named(np.empty, 'empty')}({shape}{dtype})"
        line(f"{name} = {memory}")
        if texts:
            code = f"{len(texts)}{'?' if value.boolean else 'd'}"
            pack = self._named(packer(code), f"pack_{code.strip('?')}")
            line(f"{pack}({name}, 0, {', '.join(texts)})")


@functools.cache
def packer(code: str) -> Any:
    """`pack(buffer, 0, *numbers)` puts numbers into an array."""
    return struct.Struct(code).pack_into


def _is_literal(text: str) -> bool:
    return not text.isidentifier() or text in ("True", "False")


def write_numbers(writer: Any, equation: Equation, operands: Sequence[str]) -> list[str]:
    """Write a cluster; names of its results."""
    return NumbersWriter(writer, equation, operands).written()


WRITERS[KIND] = write_numbers
