"""Clusters of `rows` as loops over blocks of rows."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from funcgrad.compile.regions.cluster import kind_of_cluster, program_of
from funcgrad.compile.regions.rows_axes import Role, of_fewer_rows
from funcgrad.compile.spelling.literals import dtype_text
from funcgrad.compile.structured import WRITERS
from funcgrad.core.program import Constant, Equation, Program, Variable

__all__ = ["KIND", "write_rows"]

KIND = kind_of_cluster("row tiles")

_START = {"add": 0, "mean": 0, "maximum": -np.inf, "minimum": np.inf}


def write_rows(writer: Any, equation: Equation, operands: Sequence[str]) -> list[str]:
    """Write the loop; names of the totals and of the arrays of all rows."""
    return _Rows(writer, equation, operands).written()


WRITERS[KIND.name] = write_rows


class _Rows:
    """One cluster that is written."""

    def __init__(self, writer: Any, equation: Equation, operands: Sequence[str]) -> None:
        params = dict(equation.params)
        self.writer = writer
        self.program = program_of(equation)
        self.origin = equation.origin
        self.roles: tuple[Role, ...] = params["roles"]
        self.n: int = params["rows"]
        self.block: int = params["block"]
        self.names = {v.number: name for v, name in zip(self.program.inputs, operands, strict=True)}
        made_by = {
            v.number: role
            for e, role in zip(self.program.equations, self.roles, strict=True)
            for v in e.results
        }
        self.outputs = [
            (output, made_by[output.number])
            for output in self.program.outputs
            if isinstance(output, Variable)
        ]

    def written(self) -> list[str]:
        """The loop, what is left after it, and the totals."""
        writer = self.writer
        names = [self._begun(output, role) for output, role in self.outputs]
        whole = self.n - self.n % self.block
        start, stop = writer.fresh("start"), writer.fresh("stop")
        writer.line(f"for {start} in range(0, {whole}, {self.block}):", self.origin)
        with writer.indented():
            writer.line(f"{stop} = {start} + {self.block}")
            self._part(names, start, stop, self.block)
        if whole < self.n:
            self._part(names, str(whole), str(self.n), self.n - whole)
        for name, (output, role) in zip(names, self.outputs, strict=True):
            if role.total == "mean":
                if output.shape:
                    writer.line(f"np.divide({name}, {self._count(output)}, {name})")
                else:
                    writer.line(f"{name} = {name} / {self._count(output)}")
        return names

    def _begun(self, output: Variable, role: Role) -> str:
        """The array of all rows, or the total of none."""
        writer = self.writer
        name: str = writer.fresh(output.name or "total")
        dtype = dtype_text(output.dtype)
        if role.result is not None:
            writer.line(f"{name} = {writer.memory(output)}", self.origin)
        elif not output.shape:
            start = output.dtype.type(_START[role.total])
            writer.line(f"{name} = {writer.scope.constant(start)}", self.origin)
        elif _START[role.total]:
            start = writer.scope.constant(output.dtype.type(_START[role.total]))
            writer.line(f"{name} = np.full({output.shape}, {start})", self.origin)
        else:
            writer.line(f"{name} = np.zeros({output.shape}, {dtype})", self.origin)
        return name

    def _part(self, names: Sequence[str], start: str, stop: str, count: int) -> None:
        """The statements for some rows."""
        writer = self.writer
        program, places = self._cut(count)
        inputs = []
        for number, axis in places:
            name = self.names[number]
            if axis is not None:
                part = writer.fresh(name)
                writer.line(f"{part} = {name}[{':, ' * axis}{start}:{stop}]")
                name = part
            inputs.append(name)
        parts = writer.block(program, inputs)
        for name, part, (output, role) in zip(names, parts, self.outputs, strict=True):
            if role.result is not None:
                writer.line(f"{name}[{':, ' * role.result}{start}:{stop}] = {part}")
                continue
            how = "add" if role.total == "mean" else role.total
            if output.shape:
                writer.line(f"np.{how}({name}, {part}, {name})")
            elif how == "add":
                writer.line(f"{name} = {name} + {part}")
            else:
                writer.line(f"{name} = np.{how}({name}, {part})")

    def _cut(self, count: int) -> tuple[Program, list[tuple[int, int | None]]]:
        """The program for some rows; for its inputs the variable, and the axis that is cut."""
        given = {v.number: v for v in self.program.inputs}
        inputs: dict[tuple[int, int | None], Variable] = {}
        made: dict[int, Variable] = {}
        fresh = min((*given, 0)) - 2
        items = []
        for equation, role in zip(self.program.equations, self.roles, strict=True):
            operands: list[Variable | Constant] = []
            for operand, axis in zip(equation.operands, role.operands, strict=True):
                if isinstance(operand, Variable):
                    number = operand.number
                    if number in made:
                        operand = made[number]
                    else:
                        key = number, axis
                        if key not in inputs:
                            inputs[key] = _cut_input(operand, axis, count, fresh - len(inputs))
                        operand = inputs[key]
                operands.append(operand)
            cut = of_fewer_rows(equation, role, count, operands)
            made.update({v.number: v for v in cut.results})
            items.append(cut)
        outputs = tuple(made[output.number] for output, _ in self.outputs)
        program = Program(self.program.name, tuple(inputs.values()), tuple(items), outputs)
        return program, list(inputs)

    def _count(self, output: Variable) -> int:
        """Of how many numbers a mean is one."""
        for equation in self.program.equations:
            if equation.results[0].number == output.number:
                return _terms(equation)
        raise AssertionError("an output is the result of an equation")


def _cut_input(variable: Variable, axis: int | None, count: int, number: int) -> Variable:
    shape = variable.shape
    if axis is not None:
        shape = (*shape[:axis], count, *shape[axis + 1 :])
    return Variable(number, shape, variable.dtype, variable.like, variable.name, variable.weak)


def _terms(equation: Equation) -> int:
    """Of how many numbers each result of a mean is one."""
    operand = equation.operands[0]
    shape = operand.shape if isinstance(operand, Variable) else operand.value.shape
    axes = dict(equation.params).get("axis", ())
    if equation.primitive.name == "mean":
        return math.prod(shape[axis] for axis in axes)
    classes = shape[axes] if axes != () else 1
    return math.prod(shape) // int(classes)
