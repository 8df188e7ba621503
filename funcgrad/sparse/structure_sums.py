"""Sums over the steps of a loop, which each step adds something to."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from funcgrad.core.primitive import PRIMITIVES
from funcgrad.core.program import Constant, Equation, Program, Variable
from funcgrad.sparse.structure_flow import Flow, broadcast, reduced, shaped
from funcgrad.sparse.structure_places import RULES as PLACES
from funcgrad.sparse.structure_sets import joined

__all__ = ["Sums"]

Operand = Variable | Constant


@dataclass(frozen=True, slots=True)
class Sums:
    """The program of one step, without its sums.

    Attributes:
        program: its results are those that are stacked, and then what is added to each sum.
        kept: the carries that no step changes.
        added: for each carry that is a sum what is added to it: the equation that lays the rest
            into zeros at places, which are results of the program; or else `None` for the whole.
    """

    program: Program
    kept: set[int]
    added: dict[int, list[Equation | None]]

    @classmethod
    def of(cls, program: Program, carries: range) -> "Sums":
        """Of the program of a step.

        Args:
            program: it.
            carries: positions of the carries among the inputs; the first results are theirs.
        """
        finder = _Finder(program)
        outputs: list[Operand] = list(program.outputs[len(carries) :])
        kept = set()
        added: dict[int, list[Equation | None]] = {}
        for i, place in enumerate(carries):
            start, out = program.inputs[place], program.outputs[i]
            if isinstance(out, Variable) and out.number == start.number:
                kept.add(i)
                continue
            parts = finder.parts(start, out)
            if parts is not None:
                added[i] = [finder.laid(part) for part in parts]
                for part, laid in zip(parts, added[i], strict=True):
                    outputs += [part] if laid is None else laid.operands
        return cls(replace(program, outputs=tuple(outputs)).pruned(), kept, added)

    @staticmethod
    def total(start: Flow, parts: Sequence[Equation | None], found: Iterator[Flow]) -> Flow:
        """A sum after all steps.

        Args:
            start: what it starts with.
            parts: those of the sum.
            found: of the results of the program, with an axis for the steps in front.
        """
        sets, zeros = [start.sets], start.known_zeros()
        for laid in parts:
            operands = [next(found) for _ in ([0] if laid is None else laid.operands)]
            if laid is None:
                whole = _over_steps(operands[0])
            else:
                rule = PLACES["scatter_add"]
                (whole,) = rule(
                    laid.primitive, _aligned(operands), dict(laid.params), [start.shape]
                )
            sets.append(broadcast(whole.sets, start.shape))
            own = whole.known_zeros()
            zeros = None if zeros is None or own is None else zeros & own
        return Flow(start.shape, joined(sets), zeros)


def _over_steps(x: Flow) -> Flow:
    shape = x.shape[1:]
    mask = x.known_zeros()
    zeros = None if mask is None else np.asarray(np.all(mask, axis=0))
    return Flow(shape, shaped(reduced(x.sets, (0,)), shape), zeros)


def _aligned(operands: Sequence[Flow]) -> list[Flow]:
    """Index arrays of all steps broadcast against each other behind the axis of the steps."""
    ct, *idx = operands
    rank = max(len(x.shape) for x in idx)
    return [ct, *(_with_rank(x, rank) for x in idx)]


def _with_rank(x: Flow, rank: int) -> Flow:
    shape = (x.shape[0], *(1,) * (rank - len(x.shape)), *x.shape[1:])
    return Flow(shape, value=None if x.value is None else np.reshape(x.value, shape))


class _Finder:
    """Looks for sums in a program.

    Attributes:
        uses: how often each variable is read.
        made: the equations by the numbers of their results.
        reader: the last equation that reads a variable.
    """

    __slots__ = ("made", "reader", "uses")

    def __init__(self, program: Program) -> None:
        self.uses: Counter[int] = Counter()
        self.made: dict[int, Equation] = {}
        self.reader: dict[int, Equation] = {}
        for equation in program.equations:
            for variable in equation.results:
                self.made[variable.number] = equation
            for o in equation.operands:
                if isinstance(o, Variable):
                    self.uses[o.number] += 1
                    self.reader[o.number] = equation
        self.uses.update(o.number for o in program.outputs if isinstance(o, Variable))

    def parts(self, start: Variable, out: Any) -> list[Operand] | None:
        """What is added to a variable until it is the result; `None` if other things are done."""
        if not isinstance(out, Variable):
            return None
        found: list[Operand] = []
        current = start
        while current.number != out.number:
            equation = self.reader.get(current.number)
            if (
                self.uses[current.number] != 1
                or equation is None
                or equation.primitive is not PRIMITIVES["add"]
                or equation.results[0].shape != start.shape
            ):
                return None
            x, y = equation.operands
            own = isinstance(x, Variable) and x.number == current.number
            found.append(y if own else x)
            current = equation.results[0]
        return found if self.uses[out.number] == 1 else None

    def laid(self, part: Operand) -> Equation | None:
        """The equation that lays a part into zeros at index arrays, if nobody else reads it."""
        if not isinstance(part, Variable) or self.uses[part.number] != 1:
            return None
        equation = self.made.get(part.number)
        if equation is None or equation.primitive is not PRIMITIVES["scatter_add"]:
            return None
        return None if dict(equation.params)["lead"] else equation
