"""What is computed outside of a loop: of steady values, of all slices at once, of stacks."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from funcgrad.compile.regions.stacking import LARGE_STACK, Term
from funcgrad.compile.regions.stacking_reading import Operand, Reading, shape_of, size_of
from funcgrad.core.primitive import PRIMITIVES
from funcgrad.core.program import Constant, Equation, Variable

__all__ = ["FLIP", "Outside"]

FLIP = (("axes", (-1, -2)),)
"""Parameters of a transpose of the last two axes."""


class Outside:
    """Values of the body of a loop that are known outside.

    Args:
        outer: gives new variables.
        length: of the loop.
    """

    def __init__(self, outer: Reading, length: int) -> None:
        self.outer = outer
        self.length = length
        self._steady: dict[int, Operand] = {}
        self._sliced: dict[int, tuple[Operand, int]] = {}  # given
        self._early: dict[int, Equation] = {}
        self._all_steady: set[int] = set()
        self._stacks: dict[int, Variable] = {}
        self._values: dict[int, Operand] = {}
        self._equations: list[Equation] = []
        self._flat: dict[Variable, Variable] = {}

    def steady(self, v: Variable, operand: Operand) -> None:
        """A constant of the loop."""
        self._steady[v.number] = operand

    def slices(self, v: Variable, operand: Operand, axis: int) -> None:
        """The slices of an array."""
        self._sliced[v.number] = operand, axis

    def enter(self, equation: Equation) -> None:
        """An equation whose operands are known."""
        number = equation.results[0].number
        self._early[number] = equation
        if not any(self.is_sliced(o) for o in equation.operands):
            self._all_steady.add(number)

    def knows(self, operand: Operand) -> bool:
        """Whether a value can be computed outside."""
        if isinstance(operand, Constant):
            return True
        n = operand.number
        return n in self._steady or n in self._sliced or n in self._early

    def is_sliced(self, operand: Operand) -> bool:
        """Whether a known value differs from step to step."""
        if isinstance(operand, Constant) or operand.number in self._steady:
            return False
        return operand.number not in self._all_steady

    def is_early(self, number: int) -> bool:
        """Whether a value is computed outside."""
        return number in self._early

    def equation(self, number: int) -> Equation:
        """What computes it."""
        return self._early[number]

    def sliced(self) -> list[Equation]:
        """What is computed outside for all steps."""
        return [e for number, e in self._early.items() if number not in self._all_steady]

    def is_steady(self, equation: Equation) -> bool:
        """Whether its result is the same in all steps."""
        return equation.results[0].number in self._all_steady

    def is_large(self, nbytes: int) -> bool:
        """Whether a stack of values of so many bytes is too large."""
        return nbytes * self.length > LARGE_STACK

    def add(self, equation: Equation) -> None:
        """An equation of the outer program."""
        self._equations.append(equation)

    def taken(self) -> list[Equation]:
        """The equations since the last call, in order."""
        found, self._equations = self._equations, []
        return found

    def _apply(
        self,
        name: str,
        operands: Sequence[Operand],
        result: tuple[tuple[int, ...], Any],
        params: Any = (),
    ) -> Variable:
        equation = self.outer.apply(name, operands, result, params)
        self._equations.append(equation)
        return equation.results[0]

    # values ---------------------------------------------------------------------------------------
    def stack(self, v: Variable) -> Variable:
        """The values of all steps, along the first axis."""
        found = self._stacks.get(v.number)
        if found is None:
            found = self._stacks[v.number] = self._stack(v)
        return found

    def _stack(self, v: Variable) -> Variable:
        given = self._sliced.get(v.number)
        if given is not None:
            x, axis = given
            if not axis and isinstance(x, Variable):
                return x
            rank = len(v.shape) + 1
            order = (axis, *(i for i in range(rank) if i != axis))
            axes = tuple(i - rank for i in order)
            return self._apply(
                "transpose", [x], ((self.length, *v.shape), v.dtype), (("axes", axes),)
            )
        equation = self._early[v.number]
        operands = [
            self.stack(o) if isinstance(o, Variable) and self.is_sliced(o) else self._value(o)
            for o in equation.operands
        ]
        shape = (self.length, *v.shape)
        name = equation.primitive.name
        if name == "matmul":
            sliced = [self.is_sliced(o) for o in equation.operands]
            return self._product(operands, sliced, (shape, v.dtype))
        params = dict(equation.params)
        if name == "reshape":
            params["shape"] = (self.length, *params["shape"])
        return self._apply(name, operands, (shape, v.dtype), tuple(params.items()))

    def _product(
        self, operands: list[Any], sliced: Sequence[bool], result: tuple[tuple[int, ...], Any]
    ) -> Variable:
        a, b = operands
        if not sliced[0]:  # A x for many x: X Aᵀ
            flipped = self._apply("transpose", [a], (shape_of(a)[::-1], result[1]), FLIP)
            a, b = b, flipped
        rows = self.rows(a)
        shape = (rows.shape[0], shape_of(b)[-1])
        out = self._apply("matmul", [rows, b], (shape, result[1]))
        if shape == result[0]:
            return out
        return self._apply("reshape", [out], result, (("shape", result[0]),))

    def _value(self, operand: Operand) -> Operand:
        """A steady value."""
        if isinstance(operand, Constant):
            return operand
        number = operand.number
        if number in self._steady:
            return self._steady[number]
        found = self._values.get(number)
        if found is None:
            equation = self._early[number]
            operands = [self._value(o) for o in equation.operands]
            result = operand.shape, operand.dtype
            name = equation.primitive.name
            assert PRIMITIVES[name] is equation.primitive
            found = self._values[number] = self._apply(name, operands, result, equation.params)
        return found

    def flipped(self, x: Variable) -> Variable:
        """A steady matrix in C order."""
        value = self._value(x)
        return self._apply("copy", [value], (x.shape, x.dtype), (("order", "C"),))

    def rows(self, x: Variable) -> Variable:
        """All but the last axis joined."""
        if len(x.shape) == 2:
            return x
        found = self._flat.get(x)
        if found is None:
            shape = (size_of(x.shape[:-1]), x.shape[-1])
            found = self._apply("reshape", [x], (shape, x.dtype), (("shape", shape),))
            self._flat[x] = found
        return found

    def result(self, v: Variable, result: Variable, axis: int) -> None:
        """The values of all steps as a result of the loop."""
        stack = self.stack(v)
        rank = len(stack.shape)
        if axis:
            order = [i for i in range(rank) if i]
            order.insert(axis, 0)
            axes = tuple(i - rank for i in order)
            like = result.shape, result.dtype
            stack = self._apply("transpose", [stack], like, (("axes", axes),))
        copy = Equation(PRIMITIVES["copy"], (stack,), (("order", "C"),), (result,))
        self._equations.append(copy)

    # sums -----------------------------------------------------------------------------------------
    def sum(
        self,
        terms: Sequence[Term],
        stacked: dict[int, Variable],
        first: Operand | None,
        result: Variable,
    ) -> None:
        """Sums over the steps, and what was there before."""
        parts: list[Operand] = [] if first is None else [first]
        for term in terms:
            b = self.rows(self._all(term.b, stacked))
            like = result.shape, result.dtype
            if term.a is None:
                ones = Constant(np.ones(b.shape[0], b.dtype))
                parts.append(self._apply("matmul", [ones, b], like))
                continue
            a = self.rows(self._all(term.a, stacked))
            flipped = self._apply("transpose", [a], (a.shape[::-1], a.dtype), FLIP)
            parts.append(self._apply("matmul", [flipped, b], like))
        total = parts[0]
        for part in parts[1:]:
            total = self._apply("add", [total, part], (result.shape, result.dtype))
        last = self._equations.pop()
        assert last.results[0] == total
        self._equations.append(
            Equation(last.primitive, last.operands, last.params, (result,), None, last.origin)
        )

    def _all(self, x: Any, stacked: dict[int, Variable]) -> Variable:
        return self.stack(x) if self.knows(x) else stacked[x.number]
