"""One walk over a program, in order, in which rules replace equations by simpler ones.

A rule sees one equation, whose operands are simplified already, and what stands before it. It says
what the results are instead (variables or constants that are there already), or another equation
with the same results, or `None`. It never looks ahead: what becomes of the first n items does not
depend on those behind them, so programs that begin alike still do so afterwards. Equations that
nobody needs any more are left to the removal of dead code.

Results stay the same to the last bit. That includes how they lie in memory, because NumPy adds up
an array along its strides: a sum over the transpose of x may differ from that over a copy of it.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from funcgrad.core.primitive import PRIMITIVES, Primitive
from funcgrad.core.program import Constant, Equation, Guard, Program, Variable

__all__ = ["EVERY", "Found", "Operand", "Rule", "Rules", "Sweep", "literal", "remade"]

Operand: TypeAlias = Variable | Constant
Found: TypeAlias = Variable | Constant | Equation | tuple[Operand, ...] | None
Rule: TypeAlias = Callable[["Sweep", Equation], Found]
Rules: TypeAlias = Mapping[str, tuple[Rule, ...]]
"""Rules by the name of the primitive; those of `EVERY` are for all."""

EVERY = "every primitive"
STEPS = 32
"""So many times one equation is replaced by another at most."""

_FRESH = ("astype", "concatenate", "copy", "matmul", "stack", "truncate", "unindex", "where")
_REDUCTIONS = ("mean", "sum")


class Sweep:
    """The state of a walk.

    Attributes:
        made: equations so far by the numbers of their results.
        known: numbers that all elements of a variable are known to be.
        equal: variables of equal values, shape and dtype, that may lie otherwise in memory.
        seen: equations so far by what they compute, for the rule that merges equal ones.
    """

    # fmt: off
    __slots__ = (
        "_added", "_every", "_items", "_orders", "_replaced", "_rules", "_uniform",
        "equal", "known", "made", "seen",
    )
    # fmt: on

    def __init__(self, rules: Sequence[Rules]) -> None:
        self._every = tuple(rule for table in rules for rule in table.get(EVERY, ()))
        names = dict.fromkeys(name for table in rules for name in table if name != EVERY)
        self._rules = {
            PRIMITIVES[name]: (*(r for table in rules for r in table.get(name, ())), *self._every)
            for name in names
            if name in PRIMITIVES
        }
        self._items: list[Equation | Guard] = []
        self._replaced: dict[int, Operand] = {}
        self._orders: dict[int, Any] = {}
        self._uniform: dict[int, Any] = {}
        self._added: set[int] = set()
        self.made: dict[int, Equation] = {}
        self.known: dict[int, Any] = {}
        self.equal: dict[int, Variable] = {}
        self.seen: dict[Any, tuple[Operand, ...]] = {}

    def over(self, program: Program) -> Program:
        """The program with the rules applied."""
        replaced = self._replaced
        asked: set[tuple[int, str]] = set()
        for item in program.items:
            if type(item) is Guard:
                self._guard(item, asked)
                continue
            equation: Equation = item  # type: ignore[assignment]  # there is nothing else
            for operand in equation.operands:
                if type(operand) is Variable and operand.number in replaced:
                    equation = self._with_simple_operands(equation)
                    break
            self._visit(equation)
        return dataclasses.replace(
            program,
            items=tuple(self._items),
            outputs=tuple(map(self._simple, program.outputs)),
        )

    def _simple(self, operand: Operand) -> Operand:
        if type(operand) is Variable:
            return self._replaced.get(operand.number, operand)
        return operand

    def _with_simple_operands(self, equation: Equation) -> Equation:
        return Equation(
            equation.primitive,
            tuple(map(self._simple, equation.operands)),
            equation.params,
            equation.results,
            equation.errors,
            equation.origin,
        )

    def _guard(self, guard: Guard, asked: set[tuple[int, str]]) -> None:
        """Keep a guard, unless the question has been asked before or has one answer only."""
        subject = self._simple(guard.variable)
        if isinstance(subject, Constant):  # computed from literals, as when it was recorded
            return
        key = (subject.number, guard.kind)
        if key in asked:
            return
        asked.add(key)
        if subject is not guard.variable:
            guard = dataclasses.replace(guard, variable=subject)
        self._items.append(guard)

    def _visit(self, equation: Equation) -> None:
        for _ in range(STEPS):
            for rule in self._rules.get(equation.primitive, self._every):
                found = rule(self, equation)
                if found is not None:
                    break
            else:
                break
            if type(found) is not Equation:
                outs = found if type(found) is tuple else (found,)
                for variable, out in zip(equation.results, outs, strict=True):
                    self._replaced[variable.number] = out  # type: ignore[assignment]  # an operand
                return
            equation = found
        self._items.append(equation)
        made, results = self.made, equation.results
        for variable in results:
            made[variable.number] = equation
        if results and len(results[0].shape) > 1:
            self._orders[results[0].number] = self.order_of(equation)

    def add(
        self,
        name: str,
        operands: tuple[Operand, ...],
        before: Equation,
        params: tuple[tuple[str, Any], ...] = (),
        part: int = 0,
    ) -> Operand:
        """Write one more equation down, before another one with such a result; its result.

        Args:
            name: of the primitive.
            operands: its operands.
            before: what it is a part of.
            params: its parameters.
            part: which part, if there are several: from 0.
        """
        result = before.results[0]
        number = (result.number + 1) << 32 | part  # not that of a variable of any longer program
        while number in self._added:  # by another rule, for the same equation
            number += 1
        self._added.add(number)
        own = dataclasses.replace(result, number=number, name="")
        equation = remade(before, name, operands, params)
        self._visit(dataclasses.replace(equation, results=(own,)))
        return self._simple(own)

    # --- what is known of values --------------------------------------------------------------

    def definition(self, operand: Operand, name: str) -> Equation | None:
        """The equation that an operand is the only result of, if it is of this primitive."""
        if type(operand) is not Variable:
            return None
        equation = self.made.get(operand.number)
        if equation is None or equation.primitive is not PRIMITIVES[name]:
            return None
        return equation

    def number(self, operand: Operand) -> Any:
        """The number that all elements of an operand are; `None` if they differ, or is not known.

        It is a Python number if that is what the operand is, else a NumPy scalar of its dtype.
        """
        if type(operand) is Variable:
            return self.known.get(operand.number)
        value = literal(operand)
        if value is not None or type(operand) is not Constant:
            return value
        key = id(operand)
        if key not in self._uniform:
            self._uniform[key] = _only_element(operand.value)
        return self._uniform[key]

    # --- what is known of memory --------------------------------------------------------------

    def stands_for(self, x: Operand, equation: Equation) -> Operand | None:
        """x, if it may stand for the equal result of an equation: also the memory is alike.

        If it is not, the two are still known to be equal.
        """
        result = equation.results[0]
        if type(x) is not Variable or not _alike(x, result):
            return None
        self.equal[result.number] = x
        if not result.shape:
            makes_scalars = equation.primitive in _ufuncs() or equation.primitive.name == "astype"
            return x if makes_scalars and (x.weak or self.is_scalar(x)) else None
        if not self.is_dense(x):
            return None
        if len(result.shape) == 1 or self.order_of(equation) == self.order(x):
            return x
        return None

    def is_scalar(self, x: Variable) -> bool:
        """Whether a value of shape () is known to be a NumPy scalar, and no array."""
        equation = self.made.get(x.number)
        if equation is None or x.weak:
            return False
        if equation.primitive in _ufuncs():
            return True
        return equation.primitive.name in _REDUCTIONS and not dict(equation.params)["keepdims"]

    def is_dense(self, x: Variable) -> bool:
        """Whether an array is known to lie in memory without gaps, with positive strides."""
        equation = self.made.get(x.number)
        while equation is not None:
            primitive, operand = equation.primitive, equation.operands[0]
            if primitive in _dense_results():
                return True
            if type(operand) is not Variable or primitive.name not in ("transpose", "reshape"):
                return False
            if primitive.name == "reshape" and self.order(operand) != "C":
                return False
            equation = self.made.get(operand.number)
        return False

    def order(self, x: Operand) -> Any:
        """In which order the axes of an array lie in memory; equal orders are equal.

        It is "C", or a name for an order that is not known.
        """
        if not self.has_say(x):
            return "C"
        if not isinstance(x, Constant):
            return self._orders.get(x.number, x.number)
        value = x.value
        if type(value) is np.ndarray and type(x) is Constant:
            return "C" if value.flags.c_contiguous else value.strides
        return id(x), "constant"

    def has_say(self, x: Operand) -> bool:
        """Whether an array may decide on the order of a result: with two axes to be ordered."""
        shape = np.shape(x.value) if isinstance(x, Constant) else x.shape
        return len(shape) > 1 and sum(n != 1 for n in shape) > 1

    def same_order(self, one: Equation, other: Equation) -> bool:
        """Whether two ways to compute a result are known to lay it out alike."""
        result = one.results[0]
        if len(result.shape) < 2:
            return True
        order = self.order_of(one)
        return bool(order != result.number and order == self.order_of(other))

    def order_of(self, equation: Equation) -> Any:
        """The order of the result. NumPy keeps that of the operands; where they differ, C wins.

        It is the number of the result if it is not known.
        """
        result = equation.results[0]
        primitive = equation.primitive
        if primitive not in _keep_order():
            return "C" if self._is_in_order(equation) else result.number
        common: Any = None
        for operand in equation.operands:
            if not self.has_say(operand):
                continue
            whole = np.shape(operand.value) if isinstance(operand, Constant) else operand.shape
            own = self.order(operand)
            if own == "C" and whole == result.shape:
                return "C"
            if own != "C" and whole != result.shape:
                own = result.number
            common = own if common is None or common == own else result.number
        return "C" if common is None else common

    def _is_in_order(self, equation: Equation) -> bool:
        """Whether a result that does not take the order of all operands is known to be in C order.

        The zeros of `unindex` lie as the first part does, if that has as many axes.
        """
        result, name = equation.results[0], equation.primitive.name
        if name == "matmul":
            return len(result.shape) <= 3
        x = equation.operands[0]
        if name == "unindex":
            shape = np.shape(x.value) if isinstance(x, Constant) else x.shape
            return len(shape) != len(result.shape) or bool(self.order(x) == "C")
        return (
            name == "reshape"
            and type(x) is Variable
            and bool(self.order(x) == "C")
            and self.is_dense(x)
        )


def remade(
    equation: Equation,
    name: str,
    operands: tuple[Operand, ...],
    params: tuple[tuple[str, Any], ...] = (),
) -> Equation:
    """The results of an equation, computed by another primitive."""
    return Equation(
        PRIMITIVES[name], operands, params, equation.results, equation.errors, equation.origin
    )


def _alike(x: Variable, y: Variable) -> bool:
    return x.shape == y.shape and x.dtype == y.dtype and x.weak is y.weak


def literal(operand: Operand) -> Any:
    """The value of a constant that is a number; `None` for anything else."""
    if type(operand) is not Constant:
        return None
    value = operand.value
    return value if isinstance(value, int | float | complex | np.generic) else None


def _only_element(value: Any) -> Any:
    """The element that fills an array, as a NumPy scalar with its bits."""
    if type(value) is not np.ndarray or not value.size or value.dtype.kind not in "fciub":
        return None
    first, size = value.flat[0], value.itemsize
    if value.size > 1 and value.flat[value.size - 1].tobytes() != first.tobytes():
        return None
    if not any(value.strides):  # one element, repeated without memory
        return first
    raw = value.tobytes()
    return first if raw == raw[:size] * value.size else None


@functools.cache
def _ufuncs() -> frozenset[Primitive]:
    """Primitives that are ufuncs: of arrays without axes they make NumPy scalars."""
    return frozenset(
        primitive
        for primitive in PRIMITIVES.values()
        if primitive.family in ("elementwise", "piecewise constant")
        and isinstance(getattr(np, primitive.name, None), np.ufunc)
    )


@functools.cache
def _dense_results() -> frozenset[Primitive]:
    return _ufuncs() | {PRIMITIVES[name] for name in (*_FRESH, *_REDUCTIONS)}


@functools.cache
def _keep_order() -> frozenset[Primitive]:
    return _ufuncs() | {PRIMITIVES[name] for name in ("astype", "truncate", "where")}
