"""The source of a kernel for Numba without loops: each element of tiny arrays is a number."""

import itertools
import math
from typing import Any

from funcgrad.compile.regions.numba_backend import FUNCTIONS
from funcgrad.compile.regions.scalars_numbers import Number, Unrolled
from funcgrad.compile.regions.scalars_rules import rule_of
from funcgrad.compile.regions.scalars_values import Value
from funcgrad.compile.regions.scalars_writing import unrolled_program
from funcgrad.core.program import Program, Variable

__all__ = ["UnrolledKernel", "is_tiny"]

LARGEST = 16
OPERATIONS = 4000
"""Numba takes about a millisecond for one."""


def is_tiny(program: Program) -> bool:
    """Whether a program has few operations, on arrays of few elements."""
    work = 0.0
    for equation in program.equations:
        if any(math.prod(v.shape) > LARGEST for v in equation.results):
            return False
        rule = rule_of(equation)
        assert rule is not None
        work += rule.work(equation)
    sizes = [math.prod(v.shape) for v in program.inputs]
    return work <= OPERATIONS and max(sizes, default=0) <= LARGEST


class UnrolledKernel:
    """Writes the source of a kernel; its attributes are those of `numba_kernels.Kernel`."""

    def __init__(self, program: Program, exact: bool) -> None:
        self.name = "kernel"
        self.program = program
        self.exact = exact
        self.namespace: dict[str, Any] = dict(FUNCTIONS)
        self.results = [v for v in program.outputs if isinstance(v, Variable)]
        self.filled = [v for v in self.results if v.shape]
        self.returned = [v for v in self.results if not v.shape]
        self.boxed: set[int] = set()
        self._names = itertools.count(1)

    def text(self) -> str:
        """The source."""
        unrolled = Unrolled()
        inputs: dict[Any, Value] = {}
        lines: list[str] = []

        def line(_number: Number | None, text: str) -> str:
            name = f"v{next(self._names)}"
            lines.append(f"    {name} = {text}")
            return name

        for x, variable in enumerate(self.program.inputs):
            numbers = [Number(None, ()) for _ in range(math.prod(variable.shape))]
            inputs[variable.number] = Value(variable.shape, numbers, variable.dtype.kind == "b")
            for number, place in zip(numbers, _places(variable.shape), strict=True):
                text = f"x{x}{place}"
                number.text = text if variable.dtype.kind in "fb" else f"float({text})"
        outputs = unrolled_program(unrolled, self.program, inputs, self.exact, hinted=False)
        unrolled.counted(number for value in outputs for number in value.items)
        for value in inputs.values():
            for number in value.items:
                if number.reads and number.text[-1] in "])":
                    number.text = line(None, number.text)
        unrolled.write(line, lambda operation: operation.text)
        check: list[str] = []
        returned: list[str] = []
        filled = 0
        for variable, value in zip(self.results, outputs, strict=True):
            texts = [number.text for number in value.items]
            if not value.boolean:
                check += texts
            if variable.shape:
                places = zip(_places(variable.shape), texts, strict=True)
                lines += [f"    y{filled}{place} = {text}" for place, text in places]
                filled += 1
            else:
                returned += texts
                if value.boxed:
                    self.boxed.add(variable.number)
        lines.append("    s = 0.0")
        lines += [f"    s += {text}" for text in dict.fromkeys(check)]
        lines.append(f"    return {', '.join(['isfinite(s)', *returned])}")
        arguments = [f"x{i}" for i in range(len(self.program.inputs))]
        arguments += [f"y{i}" for i in range(filled)]
        return "\n".join([f"def {self.name}({', '.join(arguments)}):", *lines]) + "\n"


def _places(shape: tuple[int, ...]) -> list[str]:
    """The indices of all elements as text."""
    if not shape:
        return [""]
    return [f"[{', '.join(map(str, place))}]" for place in itertools.product(*map(range, shape))]
