"""A cluster written as a loop over tiles."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from funcgrad.compile.regions.cluster import kind_of_cluster, program_of
from funcgrad.compile.regions.tiles_body import Body, kept_sizes, number_of_terms
from funcgrad.compile.regions.tiles_members import (
    FOLD,
    LAY,
    Shape,
    function_of,
    place_in_result,
    role_of,
)
from funcgrad.compile.regions.tiles_memory import spans
from funcgrad.compile.regions.tiles_threads import share
from funcgrad.compile.schedule import LARGE
from funcgrad.compile.spelling.literals import dtype_text
from funcgrad.compile.structured import WRITERS
from funcgrad.core.program import Equation, Program, Variable

__all__ = ["TILES", "write_tiles"]


def _evaluated(*args: Any, program: Program, **_settings: Any) -> tuple[Any, ...]:
    outs = zip(program.evaluate(*args), program.outputs, strict=True)
    return tuple(_whole(x, v.shape) if isinstance(v, Variable) and v.shape else x for x, v in outs)


def _whole(x: Any, shape: Shape) -> Any:
    return np.array(np.broadcast_to(x, shape), order="C")


TILES = replace(kind_of_cluster("tiles"), value=_evaluated)
"""Its settings are `iteration`, a shape; `axis`, the tiled one; `tile`, elements along it;
`threads` that share the tiles; `fast`, a program that does the same where no operation overflows,
underflows, divides by zero or is invalid, or `None`."""


def write_tiles(writer: Any, equation: Equation, operands: Sequence[str]) -> list[str]:
    """Write a loop over tiles; names of the results."""
    return _Cluster(writer, equation, operands).written()


WRITERS[TILES.name] = write_tiles


class _Cluster:
    """One cluster that is written.

    Attributes:
        makers: the equations that the outputs of the program come from.
        results: names of the arrays or parts that they are collected in.
    """

    def __init__(self, writer: Any, equation: Equation, operands: Sequence[str]) -> None:
        settings = dict(equation.params)
        self.writer = writer
        self.program: Program = program_of(equation)
        self.fast: Program | None = settings["fast"]
        self.iteration: Shape = settings["iteration"]
        self.axis: int = settings["axis"]
        self.threads: int = settings["threads"]
        self.origin = equation.origin
        self.operands = operands
        self.spans = spans(self.iteration[self.axis], settings["tile"])
        self.makers = {v.number: e for e in self.program.equations for v in e.results}
        self.results: list[str] = []
        self.number = writer.fresh("k") if self.threads > 1 else ""

    def written(self) -> list[str]:
        """Write it."""
        writer = self.writer
        self._make_results()
        self.names = (writer.fresh("start"), writer.fresh("stop"), self.number)
        if self.fast is None:
            self._loop(self.program)
        else:
            writer.line("try:")
            with writer.indented():
                writer.line('with np.errstate(all="raise"):')
                with writer.indented():
                    self._loop(self.fast)
            writer.line("except FloatingPointError:")
            with writer.indented():
                self._begin_again()
                self._loop(self.program)
        return [self._finished(k) for k in range(len(self.program.outputs))]

    def _loop(self, program: Program) -> None:
        writer, longest = self.writer, self.spans[0][1]
        body = Body(
            writer,
            program,
            self.iteration,
            self.axis,
            longest,
            self.operands,
            self.results,
            self.names,
        )
        tiles = writer.scope.constant(self.spans)
        if self.threads > 1:
            work, drawn = writer.fresh("work"), writer.fresh("drawn")
            writer.line(f"def {work}({drawn}):", self.origin)
            with writer.indented():
                body.write(drawn)
            helper = writer.scope.helper(share, "share")
            writer.line(f"{helper}({work}, {tiles}, {self.threads})")
        else:
            body.write(f"enumerate({tiles})" if self.number else tiles)
            if body.slices:
                writer.line(f"del {', '.join(body.slices)}")

    def _begin_again(self) -> None:
        """Clear what is added to."""
        for name, output in zip(self.results, self.program.outputs, strict=True):
            if isinstance(output, Variable) and role_of(self.makers[output.number]) == LAY:
                self.writer.line(f"{name}.fill(0)")

    def _make_results(self) -> None:
        writer = self.writer
        for output in self.program.outputs:
            assert isinstance(output, Variable)
            equation = self.makers[output.number]
            name = writer.fresh(output.name)
            self.results.append(name)
            role = role_of(equation)
            shape, make = output.shape, "np.empty"
            if role == FOLD and place_in_result(equation, self.axis) is None:
                shape = (len(self.spans), *kept_sizes(equation))
                self.number = self.number or writer.fresh("k")
            elif role == LAY:
                make = "np.zeros"
            dtype = "" if output.dtype == np.float64 else f", {dtype_text(output.dtype)}"
            sizes = str(shape[0]) if len(shape) == 1 else str(shape)
            text = f"{make}({sizes}{dtype})"
            if shape == output.shape and make == "np.empty":
                text = writer.memory(output)
            writer.line(f"{name} = {text}", equation.origin)

    def _finished(self, k: int) -> str:
        """The name of a result, whose parts are put together if they are still apart."""
        writer, name, output = self.writer, self.results[k], self.program.outputs[k]
        assert isinstance(output, Variable)
        equation = self.makers[output.number]
        if role_of(equation) != FOLD or place_in_result(equation, self.axis) is not None:
            return name
        text = f"np.{function_of(equation)}.reduce({name}, axis=0)"
        if equation.primitive.name == "mean":
            text += f" / {writer.scope.constant(number_of_terms(equation))}"
        if kept_sizes(equation) != output.shape:
            text = f"np.reshape({text}, {output.shape})"
        final: str = writer.fresh(output.name)
        writer.line(f"{final} = {text}", equation.origin)
        if len(self.spans) * output.dtype.itemsize * math.prod(kept_sizes(equation)) >= LARGE:
            writer.line(f"del {name}")
        return final
