"""What is done for one tile, as statements of a loop."""

import math
from collections.abc import Sequence
from typing import Any

from funcgrad.compile.quick import quick_operands
from funcgrad.compile.regions.tiles_layout import Layout, Step, laid_out, writes_into
from funcgrad.compile.regions.tiles_masks import masked_text
from funcgrad.compile.regions.tiles_members import (
    FOLD,
    LAY,
    Shape,
    folded_places,
    function_of,
    offset_of,
    place_in_result,
    place_of_tiles,
    role_of,
    shape_of,
)
from funcgrad.compile.regions.tiles_memory import Pool
from funcgrad.compile.spelling import spelled
from funcgrad.compile.spelling.elementwise import SQUARES
from funcgrad.compile.spelling.literals import key_parts
from funcgrad.core.program import Constant, Equation, Program, Variable

__all__ = ["Body", "kept_sizes", "number_of_terms"]


def kept_sizes(equation: Equation) -> Shape:
    """The lengths of the axes over which a fold does not go."""
    places = folded_places(equation)
    full = shape_of(equation.operands[0])
    return tuple(n for axis, n in enumerate(full) if axis not in places)


def number_of_terms(equation: Equation) -> Any:
    """How many elements a fold takes together, in the dtype of its result."""
    full = shape_of(equation.operands[0])
    count = math.prod(full[axis] for axis in folded_places(equation))
    return equation.results[0].dtype.type(count)


class Body:
    """The loop over tiles for one program.

    Attributes:
        iteration: the shape that is cut along `axis`.
        longest: elements along it in the longest tile.
        operands: names of the inputs of the program.
        results: names of the arrays or parts that its outputs are collected in.
        start: name of the place where a tile begins.
        stop: name of the place where it ends.
        number: name of its number.
        env: `{variable: what holds its value, or its tile}`.
        slices: names that hold on to memory after the loop.
    """

    def __init__(
        self,
        writer: Any,
        program: Program,
        iteration: Shape,
        axis: int,
        longest: int,
        operands: Sequence[str],
        results: Sequence[str],
        names: tuple[str, str, str],
    ) -> None:
        self.writer = writer
        self.program = program
        self.iteration = iteration
        self.axis = axis
        self.longest = longest
        self.operands = operands
        self.results = results
        self.start, self.stop, self.number = names
        self.layout: Layout = laid_out(program, iteration)
        self.env: dict[int, str] = {}
        self.slices: list[str] = []
        self.scratch: list[str] = []
        self.pool = ""

    def write(self, tiles: str) -> None:
        """Write a loop over tiles, an expression."""
        writer = self.writer
        buffers = self._take_scratch()
        head = f"{self.start}, {self.stop}"
        head = f"{self.number}, ({head})" if self.number else head
        writer.line(f"for {head} in {tiles}:")
        with writer.indented():
            self._slice_scratch(buffers)
            self._slice_inputs()
            for step in self.layout.steps:
                self._step(step)
        if buffers:
            writer.line(f"{self.pool}.give({buffers})")

    def _take_scratch(self) -> str:
        if not self.layout.scratch:
            return ""
        writer, longest = self.writer, self.longest
        shape = tuple(longest if k == self.axis else n for k, n in enumerate(self.iteration))
        pool = Pool(tuple((shape, dtype) for dtype in self.layout.scratch))
        self.pool = writer.scope.helper(pool, "scratch")
        buffers: str = writer.fresh("buffers")
        writer.line(f"{buffers} = {self.pool}.take()")
        return buffers

    def _slice_scratch(self, buffers: str) -> None:
        """Parts of the scratch arrays that are as long as the tile."""
        self.scratch = [self.writer.fresh("s") for _ in self.layout.scratch]
        if not self.scratch:
            return
        where = ":, " * self.axis + f":{self.stop} - {self.start}"
        target = ", ".join(self.scratch) + ("," if len(self.scratch) == 1 else "")
        self.writer.line(f"{target} = [b[{where}] for b in {buffers}]")

    def _slice_inputs(self) -> None:
        writer = self.writer
        for variable, name in zip(self.program.inputs, self.operands, strict=True):
            place = place_of_tiles(variable.shape, self.iteration, self.axis)
            if place is None:
                self.env[variable.number] = name
                continue
            part = writer.fresh(f"{name}_part" if variable.name else "")
            writer.line(f"{part} = {name}[{self._range(place)}]")
            self.env[variable.number] = part
            self.slices.append(part)

    def _range(self, place: int, offset: int = 0) -> str:
        plus = f" + {offset}" if offset else ""
        return ":, " * place + f"{self.start}{plus}:{self.stop}{plus}"

    def _step(self, step: Step) -> None:
        role = role_of(step.equation)
        if role == FOLD:
            self._fold(step)
        elif role == LAY:
            self._lay(step)
        else:
            self._map(step)

    def _operand(self, operand: Variable | Constant) -> str:
        if isinstance(operand, Variable):
            return self.env[operand.number]
        text: str = self.writer.operand(operand, self.env)
        return text

    def _map(self, step: Step) -> None:
        writer, equation = self.writer, step.equation
        result = equation.results[0]
        out = None
        if step.result is not None:
            out = f"{self.results[step.result]}[{self._range(self.axis)}]"
        elif step.scratch is not None:
            out = self.scratch[step.scratch]
        operands = [self._operand(o) for o in equation.operands]
        name = writer.fresh(result.name)
        if out is None or not writes_into(equation):
            self._plain(step, operands, name)
            return
        if step.result is not None:
            self.slices.append(name)
        self.env[result.number] = name
        if equation.primitive.name in ("where", "astype", "truncate") or step.copies:
            if step.result is not None:
                writer.line(f"{name} = {out}")
                out = name
            else:
                self.env[result.number] = out
            for text in self._moved(step, operands, out):
                writer.line(text, equation.origin)
            return
        operands = quick_operands(equation, operands, writer.scope)
        text = self._square(equation, operands, out)
        writer.line(f"{name} = {text}", equation.origin)

    def _square(self, equation: Equation, operands: list[str], out: str) -> str:
        """The call of a ufunc that writes into `out`."""
        if equation.primitive.name == "power":
            x, y = equation.operands
            number = y.value if type(y) is Constant else None
            if number == 2 and type(number) in (int, float) and SQUARES:
                dtype = x.dtype if isinstance(x, Variable) and not x.weak else None
                if dtype == equation.results[0].dtype and dtype.kind == "f":
                    return f"np.multiply({operands[0]}, {operands[0]}, {out})"
        return spelled(equation, operands, self.writer.scope, out)

    def _moved(self, step: Step, operands: list[str], out: str) -> list[str]:
        """Statements that copy, convert or choose."""
        if step.equation.primitive.name == "where":
            return masked_text(step.equation, operands, out, self.writer)
        unsafe = "" if step.copies else ', casting="unsafe"'
        return [f"np.copyto({out}, {operands[0]}{unsafe})"]

    def _plain(self, step: Step, operands: list[str], name: str) -> None:
        """A function that makes its own memory."""
        writer, equation = self.writer, step.equation
        names = [name, *(writer.fresh(v.name) for v in equation.results[1:])]
        text = spelled(equation, operands, writer.scope)
        several = "" if len(names) == 1 else ", ".join(names)
        writer.line(f"{several or name} = {text}", equation.origin)
        outputs = {v: k for k, v in enumerate(self.program.outputs)}
        for variable, own in zip(equation.results, names, strict=True):
            self.env[variable.number] = own
            place = outputs.get(variable)
            if place is not None:
                writer.line(f"{self.results[place]}[{self._range(self.axis)}] = {own}")

    def _fold(self, step: Step) -> None:
        writer, equation = self.writer, step.equation
        result = equation.results[0]
        operands = [self._operand(o) for o in equation.operands]
        place = place_in_result(equation, self.axis)
        places = folded_places(equation)
        if place is None:
            assert step.result is not None
            whole = len(places) == len(self.iteration)
            into = f"{self.results[step.result]}[{self.number}]"
            if whole:
                text = self._reduced(equation, operands, "None", places, "")
                writer.line(f"{into} = {text}", equation.origin)
            else:
                text = self._reduced(equation, operands, _axes(places), places, f"out={into}")
                writer.line(text, equation.origin)
            return
        text = self._reduced(equation, operands, _axes(places), places, "")
        kept = kept_sizes(equation)
        if kept != result.shape:
            sizes = [str(n) for n in result.shape]
            sizes[place] = "-1"
            text += f".reshape({', '.join(sizes)})"
        if equation.primitive.name == "mean":
            number = writer.scope.constant(number_of_terms(equation))
            text = f"{text} / {number}"
        name = writer.fresh(result.name)
        self.env[result.number] = name
        self.slices.append(name)
        writer.line(f"{name} = {text}", equation.origin)
        if step.result is not None:
            writer.line(f"{self.results[step.result]}[{self._range(place)}] = {name}")

    def _reduced(
        self, equation: Equation, operands: list[str], axis: str, places: Shape, into: str
    ) -> str:
        """A fold of a tile, without the folded axes."""
        into = f", {into}" if into else ""
        if len(operands) == 2:
            letters = "abcdefghijklmnopqrstuvwxyz"[: len(self.iteration)]
            kept = "".join(x for k, x in enumerate(letters) if k not in places)
            return f'np.einsum("{letters},{letters}->{kept}", {", ".join(operands)}{into})'
        return f"np.{function_of(equation)}.reduce({operands[0]}, axis={axis}{into})"

    def _lay(self, step: Step) -> None:
        equation = step.equation
        assert step.result is not None
        name = self.results[step.result]
        keys = dict(equation.params)["keys"]
        for operand, key in zip(equation.operands, keys, strict=True):
            offset = offset_of(key, shape_of(operand), equation.results[0].shape)
            assert offset is not None
            rest = ", " + key_parts(key[1:]).rstrip(",") if len(key) > 1 else ""
            where = f"{name}[{self._range(0, offset)}{rest}]"
            self.writer.line(f"{where} += {self._operand(operand)}", equation.origin)


def _axes(places: Shape) -> str:
    return str(places[0]) if len(places) == 1 else str(places)
