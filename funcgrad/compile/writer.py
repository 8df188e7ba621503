"""Statements of NumPy source, one for each equation."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any

import numpy as np

from funcgrad.compile.naming import Names
from funcgrad.compile.quick import (
    Spread,
    chosen,
    often_spread,
    quick_operands,
    selects,
    spread_operand,
)
from funcgrad.compile.regions.context import Context
from funcgrad.compile.regions.table import in_regions
from funcgrad.compile.schedule import LARGE, Plan, planned
from funcgrad.compile.slots import Places
from funcgrad.compile.spelling import spelled, takes_out
from funcgrad.compile.spelling.literals import dtype_text
from funcgrad.compile.spelling.scope import Scope
from funcgrad.compile.structured import WRITERS
from funcgrad.compile.tree import joined
from funcgrad.core.origins import Origin
from funcgrad.core.program import Constant, Equation, Program, Reference, Variable

__all__ = ["Writer"]


class Writer:
    """Writes the statements of a function.

    Attributes:
        scope: names of constants and helpers.
        names: of local variables.
        lines: what has been written.
        comments: whether each statement tells the user's line.
        smallest: bytes of the smallest array whose memory is used again.
        fast: whether literals beside arrays become arrays, which NumPy takes faster.
        context: for passes over regions; `None` for none.
        places: in scratch memory; `None` if the function has none.
    """

    def __init__(
        self,
        scope: Scope,
        names: Names,
        *,
        comments: bool = True,
        smallest: int = 0,
        fast: bool = True,
        context: Context | None = None,
        scratch: bool = False,
    ) -> None:
        self.scope = scope
        self.names = names
        self.lines: list[str] = []
        self.comments = comments
        self.smallest = smallest
        self.fast = fast
        self.context = context
        self.places = Places(self.fresh) if scratch else None
        self._plan = Plan()
        self._pad = ""
        self._notes: dict[tuple[str, int], str] = {}

    def line(self, text: str, origin: Origin | None = None) -> None:
        """Write one statement, with the user's line as a comment."""
        if origin is not None and self.comments and origin.file:
            key = origin[:2]
            note = self._notes.get(key)
            if note is None:
                where = f"{PurePath(origin.file).name}:{origin.line}"
                note = self._notes[key] = f"  # {where}: {origin.text}".rstrip(": ")
            text += note
        self.lines.append(self._pad + text)

    @contextmanager
    def indented(self) -> Iterator[None]:
        """Inside the context, statements are indented by one more level."""
        before = self._pad
        self._pad += "    "
        try:
            yield
        finally:
            self._pad = before

    def fresh(self, hint: str = "") -> str:
        """A new name."""
        return self.names.fresh(hint)

    def block(self, program: Program, inputs: Sequence[str]) -> list[str]:
        """Write the equations of a program without guards; names of its outputs.

        An output may be the name of an input, or a literal; nothing is copied.
        """
        tree = joined([program])
        if self.context is not None:
            tree, _ = in_regions(tree, self.context)
        begin = None if self.places is None else self.places.begin
        plan = planned(tree, program.inputs, self.takes_out, self.smallest, begin=begin)
        env = {v.number: name for v, name in zip(program.inputs, inputs, strict=True)}
        given = frozenset(env)
        equations = [item for item in tree.items if isinstance(item, Equation)]
        if self.places is None:
            self.equations(equations, env, plan, given)
        else:
            with self.places.after(plan.end):
                self.equations(equations, env, plan, given)
        return [self.operand(output, env) for output in program.outputs]

    def scratch(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
        """An array for the statements of one equation, whose contents are anything.

        It is the name of scratch memory in C order, or an expression that makes an array.
        """
        found = None if self.places is None else self.places.extra(shape, dtype)
        return _empty(shape, dtype) if found is None else found

    def memory(self, result: Variable) -> str:
        """The array that the writer of a cluster fills for one of its results.

        It is the name of scratch memory if the result does not escape, or an expression that makes
        an array. It shares no memory with the operands.
        """
        offset = self._plan.rooms.get(result.number)
        if self.places is None or offset is None:
            return _empty(result.shape, result.dtype)
        return self.places.name(offset, result.shape, result.dtype)

    def operand(self, operand: Variable | Constant, env: dict[int, str]) -> str:
        """How an operand is written."""
        if isinstance(operand, Variable):
            return env[operand.number]
        if isinstance(operand, Reference):
            return self.scope.constant(operand)
        return self.scope.constant(operand.value)

    def equations(
        self,
        equations: Sequence[Equation],
        env: dict[int, str],
        plan: Plan,
        given: frozenset[int],
    ) -> None:
        """Write equations; `env` holds the names of variables and is added to."""
        start = 0
        while start < len(equations):
            errors = equations[start].errors
            stop = start + 1
            while stop < len(equations) and equations[stop].errors == errors:
                stop += 1
            if errors is None:
                self._run(equations[start:stop], env, plan, given)
            else:
                settings = ", ".join(f'{kind}="{what}"' for kind, what in errors)
                self.line(f"with np.errstate({settings}):")
                with self.indented():
                    self._run(equations[start:stop], env, plan, given)
            start = stop

    def _run(
        self,
        equations: Sequence[Equation],
        env: dict[int, str],
        plan: Plan,
        given: frozenset[int],
    ) -> None:
        reused, roomy = plan.taken, plan.roomy
        often = often_spread(equations, plan) if self.fast else frozenset()
        spread: dict[Spread, str] = {}
        for equation in equations:
            operands = [self.operand(operand, env) for operand in equation.operands]
            if often and (place := spread_operand(equation, plan)) is not None:
                operands[place] = self._spread(equation, place, operands, often, spread)
            self._statement(equation, operands, env, plan)
            dead = plan.dead.get(equation.results[0].number)
            if not dead:
                continue
            results = {variable.number: variable for variable in equation.results}
            sizes = {o.number: o for o in equation.operands if isinstance(o, Variable)} | results
            gone = [
                env[number]
                for number in dead
                if number not in given
                and number not in reused
                and number not in roomy
                and number in sizes
                and _nbytes(sizes[number]) >= LARGE
                and env[number].isidentifier()
            ]
            if gone:
                self.line(f"del {', '.join(sorted(set(gone)))}")

    def _spread(
        self,
        equation: Equation,
        place: int,
        operands: Sequence[str],
        often: frozenset[Spread],
        spread: dict[Spread, str],
    ) -> str:
        """The name of an operand, or of a copy that is as large as the result."""
        operand, name = equation.operands[place], operands[place]
        key = getattr(operand, "number", -1), equation.results[0].shape
        if key not in often:
            return name
        found = spread.get(key)
        if found is None:
            found = spread[key] = self.fresh(name)
            self.line(f"{found} = np.broadcast_to({name}, {key[1]}).copy()", equation.origin)
        return found

    def _statement(
        self, equation: Equation, operands: list[str], env: dict[int, str], plan: Plan
    ) -> None:
        primitive = equation.primitive
        write = WRITERS.get(primitive.name) or WRITERS.get(primitive.family)
        if write is not None:
            before, self._plan = self._plan, plan
            if self.places is None:
                names = write(self, equation, operands)
            else:
                with self.places.after(max(self.places.begin, plan.end)):
                    names = write(self, equation, operands)
            self._plan = before
            env.update({v.number: name for v, name in zip(equation.results, names, strict=True)})
            return
        result = equation.results[0]
        root = plan.out.get(result.number)
        out = None if root is None else env[root]
        if self.places is not None and result.number in plan.rooms:
            out = self.places.name(plan.rooms[result.number], result.shape, result.dtype)
        text, after = self._text(equation, operands, out, plan)
        names = [self.fresh(variable.name) for variable in equation.results]
        env.update({v.number: name for v, name in zip(equation.results, names, strict=True)})
        several = len(names) > 1 or primitive.family in ("callback", "custom")
        left = f"{', '.join(names)}{',' if several and len(names) == 1 else ''}"
        self.line(f"{left} = {text}", equation.origin)
        if after:
            self.line(after.format(*names), equation.origin)
        if root is not None and root not in plan.roomy and _nbytes(result) >= LARGE:
            self.line(f"del {out}")

    def _text(
        self, equation: Equation, operands: list[str], out: str | None, plan: Plan
    ) -> tuple[str, str]:
        """The expression for an equation; and a statement that is to follow, if there is one."""
        if not self.fast:
            return spelled(equation, operands, self.scope, out), ""
        operands = quick_operands(equation, operands, self.scope)
        if equation.primitive.name != "where":
            return spelled(equation, operands, self.scope, out), ""
        found = chosen(equation, operands, self.scope, out, plan)
        return (spelled(equation, operands, self.scope), "") if found is None else found

    def takes_out(self, equation: Equation) -> bool:
        """Whether the result of an equation can be written into memory that is there."""
        return takes_out(equation) or (self.fast and selects(equation))


def _empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
    return f"np.empty({shape}, {dtype_text(dtype)})"


def _nbytes(variable: Variable) -> int:
    size = variable.dtype.itemsize
    for length in variable.shape:
        size *= length
    return size
