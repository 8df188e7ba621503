"""Loops whose steps have less to do: products before the loop for all steps, and sums after it.

What a step computes of the slices of arrays alone is computed for all slices before the loop; what
is only added up, a product or the sum of rows of values of the step, is computed after the loop
from the stacks of these values (`funcgrad.compile.regions.stacking`). Stacks are written by the
operations themselves. Inexact, as for loops that Python runs (`funcgrad.compile.regions.hoisting`).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from funcgrad.compile.passes import optimised
from funcgrad.compile.regions.cluster import FAMILY as CLUSTER
from funcgrad.compile.regions.cluster import SLOTS
from funcgrad.compile.regions.context import Context, Segment
from funcgrad.compile.regions.hoisting_lanes import SMALL_PART, fits
from funcgrad.compile.regions.hoisting_outside import Outside
from funcgrad.compile.regions.hoisting_paying import saved, stays_numbers
from funcgrad.compile.regions.stacking import LARGE_TERM, LEAST, OFTEN, Term, is_large, term_of
from funcgrad.compile.regions.stacking_fading import CHAIN, FIRST, is_looked_at, watch
from funcgrad.compile.regions.stacking_reading import Operand, Reading, shape_of, size_of
from funcgrad.compile.regions.stacking_slots import INTO, filled, into, room
from funcgrad.compile.schedule import is_fresh, keeps_nothing
from funcgrad.compile.spelling import takes_out
from funcgrad.core.program import Constant, Equation, Program, Variable

__all__ = ["NAME", "lighter_loop"]

NAME = "loops with less to do in each step"

_VIEWS = frozenset({"reshape", "transpose"})


def lighter_loop(outer: Reading, equation: Equation, context: Context) -> list[Equation] | None:
    """The equations that stand for a loop; `None` if there is nothing to gain.

    Args:
        outer: gives new variables.
        equation: the loop.
        context: where decisions are noted.
    """
    fun = dict(equation.params)["fun"]
    if fun.length < LEAST or equation.errors is not None:
        return None
    program: Program = optimised(fun.body.program, exact=True)[0]
    if not program.equations or len(program.equations) < len(program.items):
        return None
    loop = _Loop(outer, equation, fun, program, early=True)
    if not loop.change() or stays_numbers(program.equations, loop.kept):
        return None
    sliced, n = loop.outside.sliced(), len(loop.new)
    if n and saved(sliced, n, loop.body, fun.length, context.costs) <= 0:
        loop = _Loop(outer, equation, fun, program, early=False)
        if not loop.change():
            return None
    context.decide(NAME, "; ".join(loop.told))
    return loop.written()


class _Loop:
    """A loop that is taken apart.

    Attributes:
        told: what has been done.
    """

    def __init__(
        self, outer: Reading, equation: Equation, fun: Any, program: Program, early: bool
    ) -> None:
        self.outer, self.equation, self.fun = outer, equation, fun
        self.program = program
        c, n = fun.consts, len(fun.started)
        self.consts, self.carries = program.inputs[:c], program.inputs[c : c + n]
        self.slices = program.inputs[c + n : c + n + len(fun.x_axes)]
        self.number = program.inputs[c + n + len(fun.x_axes) :]
        self.operands: list[Any] = fun.spread(list(equation.operands), None)
        needed = frozenset(o.number for o in program.outputs if isinstance(o, Variable))
        self.body = Reading(Segment(program.equations, needed))
        self.outside = Outside(outer, fun.length)
        for v, operand in zip(self.consts, self.operands, strict=False):
            self.outside.steady(v, operand)
        arrays = self.operands[c + n :]
        for v, operand, axis in zip(self.slices, arrays, fun.x_axes, strict=False):
            if early and not v.weak:
                self.outside.slices(v, operand, axis)
        self.flips: set[int] = set()  # transposed matrices among the new constants
        self.sums: dict[int, list[Term]] = {}
        self.early: dict[int, Variable] = {}  # results that are not computed step by step
        self.told: list[str] = []
        self.kept: list[Equation] = []
        self.more: list[tuple[Variable, Variable]] = []  # new constants
        self.new: list[Variable] = []  # what the body is given slices of, computed before the loop

    # what can be done elsewhere -------------------------------------------------------------------
    def change(self) -> bool:
        """Find out what can be done before and after the loop; whether there is anything."""
        self._find_sums()
        self._find_early()
        return bool(self.told)

    def _find_sums(self) -> None:
        """Carries to which each step only adds terms that can be stacked."""
        body = self.body
        reads: dict[int, int] = dict(body.uses)
        for o in self.program.outputs:
            if isinstance(o, Variable):
                reads[o.number] = reads.get(o.number, 0) + 1
        for i, carry in enumerate(self.carries):
            o = self.program.outputs[i]
            if not carry.shape or reads.get(carry.number) != 1 or not isinstance(o, Variable):
                continue
            terms = self._terms(o, carry, reads)
            if terms:
                self.sums[i] = terms
        if self.sums:
            count = sum(map(len, self.sums.values()))
            self.told.append(f"{count} sums as products of stacks after {self.fun.length} steps")

    def _terms(self, total: Variable, carry: Variable, reads: dict[int, int]) -> list[Term] | None:
        """What is added to a carry in a step; `None` if not all of it can be stacked."""
        pending: list[Operand] = [total]
        terms: list[Term] = []
        found = False
        while pending:
            operand = pending.pop()
            if operand == carry:
                found = True
                continue
            if not isinstance(operand, Variable) or reads.get(operand.number) != 1:
                return None
            maker = self.body.maker(operand)
            if maker is None or maker.errors is not None:
                return None
            if maker.primitive.name == "add" and all(
                shape_of(x) == carry.shape and getattr(x, "dtype", None) == carry.dtype
                for x in maker.operands
            ):
                pending += maker.operands
                continue
            term = term_of(self.body, operand, alone=False)
            if term is None or not self._can_stack(term) or operand.dtype != carry.dtype:
                return None
            terms.append(term)
        return terms if found else None

    def _can_stack(self, term: Term) -> bool:
        values = [x for x in (term.a, term.b) if x is not None]
        for x in values:
            if not isinstance(x, Variable) or x.weak or x in self.consts:
                return False
            if self.body.maker(x) is not None and self._is_steady(x):
                return False
        a = None if term.a is None else (shape_of(term.a), None)
        return not is_large((shape_of(term.b), values[-1].dtype, a), self.fun.length)  # type: ignore[union-attr]  # variables

    def _is_steady(self, x: Variable) -> bool:
        pending: list[Operand] = [x]
        while pending:
            operand = pending.pop()
            if isinstance(operand, Constant) or operand in self.consts:
                continue
            maker = self.body.maker(operand)
            if maker is None:
                return False
            pending += maker.operands
        return True

    def _find_early(self) -> None:
        """What depends on slices alone; the rest stays in the loop."""
        outside = self.outside
        counts: dict[str, int] = {}
        for place in sorted(self.body.equations):
            equation = self.body.equations[place]
            if equation.primitive.name == "add":
                equation = self._regrouped(equation)
            if self._is_early(equation):
                outside.enter(equation)
            else:
                self.kept.append(equation)
        kept: list[Equation] = []
        wanted = self._wanted()
        for equation in reversed(self.kept):
            if any(v.number in wanted for v in equation.results):
                kept.append(equation)
                wanted.update(o.number for o in equation.operands if isinstance(o, Variable))
        self.kept = kept[::-1]
        self._bring_in(wanted, counts)
        if counts:
            text = ", ".join(f"{n} {name}" for name, n in counts.items())
            self.told.append(f"{text} before {self.fun.length} steps")

    def _wanted(self) -> set[int]:
        """What the loop still has to compute."""
        for i, o in enumerate(self.program.outputs[len(self.carries) :], len(self.carries)):
            if isinstance(o, Variable) and self.outside.knows(o) and self.outside.is_sliced(o):
                self.early[i] = o
        if self.early:
            self.told.append(f"{len(self.early)} results of {self.fun.length} steps at once")
        done = {*self.early, *self.sums}
        outputs = [o for i, o in enumerate(self.program.outputs) if i not in done]
        values = [x for terms in self.sums.values() for t in terms for x in (t.a, t.b)]
        wanted = {o.number for o in outputs if isinstance(o, Variable)}
        wanted.update(
            x.number for x in values if isinstance(x, Variable) and not self.outside.knows(x)
        )
        return wanted

    def _bring_in(self, wanted: set[int], counts: dict[str, int]) -> None:
        """Give the loop slices of what is computed before it."""
        inside: list[Equation] = []
        pending = [n for n in sorted(wanted) if self.outside.is_early(n)]
        seen: set[int] = set()
        while pending:
            number = pending.pop()
            if number in seen:
                continue
            seen.add(number)
            equation = self.outside.equation(number)
            if equation.primitive.name in _VIEWS or self.outside.is_steady(equation):
                inside.append(equation)  # costs nothing, or is written before the loop anyway
                pending += [
                    o.number
                    for o in equation.operands
                    if isinstance(o, Variable) and self.outside.is_early(o.number)
                ]
                continue
            name = equation.primitive.name
            counts[name] = counts.get(name, 0) + 1
            self.new.append(equation.results[0])
        places = self.body.made
        inside.sort(key=lambda e: places[e.results[0].number])
        self.kept = [*inside, *self.kept]

    def _regrouped(self, equation: Equation) -> Equation:
        """(early + x) + early as (early + early) + x."""
        outside, body = self.outside, self.body
        result = equation.results[0]
        if equation.errors is not None or result.dtype.kind not in "fc":
            return equation
        for inner, rest in (equation.operands, equation.operands[::-1]):
            maker = body.maker(inner)
            if (
                maker is None
                or not isinstance(inner, Variable)
                or maker.primitive.name != "add"
                or maker.errors is not None
                or not body.is_single(inner.number)
                or not outside.knows(rest)
                or outside.knows(inner)
                or getattr(rest, "dtype", None) != result.dtype
            ):
                continue
            for early, x in (maker.operands, maker.operands[::-1]):
                alike = all(
                    shape_of(o) == result.shape and getattr(o, "dtype", None) == result.dtype
                    for o in (early, x, inner)
                )
                if alike and outside.knows(early) and not outside.knows(x):
                    new = replace(maker, operands=(early, rest))
                    if self._is_early(new):
                        outside.enter(new)
                        self.kept.remove(maker)
                        return replace(equation, operands=(inner, x))
        return equation

    def _is_early(self, equation: Equation) -> bool:
        outside = self.outside
        if equation.errors is not None or len(equation.results) > 1 or equation.results[0].weak:
            return False
        if not all(outside.knows(o) for o in equation.operands):
            return False
        sliced = [outside.is_sliced(o) for o in equation.operands]
        if not any(sliced):
            return True
        large = size_of(equation.results[0].shape) * equation.results[0].dtype.itemsize
        return fits(equation, sliced) and not outside.is_large(large)

    # writing --------------------------------------------------------------------------------------
    def written(self) -> list[Equation]:
        """The equations: before the loop, the loop, after it."""
        outside, fun, n = self.outside, self.fun, len(self.carries)
        arrays: list[tuple[Variable, Any, int]] = [
            (v, x, axis)
            for v, x, axis in zip(
                self.slices, self.operands[fun.consts + n :], fun.x_axes, strict=False
            )
        ]
        arrays += [(v, outside.stack(v), 0) for v in self.new]
        carried = [i for i in range(n) if i not in self.sums]
        outputs: list[Any] = [self.program.outputs[i] for i in carried]
        results = [self.equation.results[i] for i in carried]
        every = zip(self.program.outputs[n:], self.equation.results[n:], fun.y_axes, strict=True)
        ys = [y for i, y in enumerate(every, n) if i not in self.early]
        for i, o in self.early.items():
            outside.result(o, self.equation.results[i], fun.y_axes[i - n])
        stacked = {o.number: r for o, r, axis in ys if isinstance(o, Variable) and axis == 0}
        for terms in self.sums.values():
            for term in terms:
                for x in (term.a, term.b):
                    if isinstance(x, Variable) and not outside.knows(x) and x.number not in stacked:
                        shape = (fun.length, *x.shape)
                        stacked[x.number] = self.outer.variable(shape, x.dtype)
                        ys.append((x, stacked[x.number], 0))
        after: list[Equation] = []
        if carried or len(ys) > 1:
            ys = self._slots(ys, arrays, after, results[0] if results else ys[-1][1])
        read = {o.number for e in self.kept for o in e.operands if isinstance(o, Variable)}
        read.update(o.number for o in [*outputs, *(y[0] for y in ys)] if isinstance(o, Variable))
        arrays = [part for part in arrays if part[0].number in read]
        self._flip()
        self._reuse(outputs, [y[0] for y in ys])
        states = self._watched()
        outputs += [after for _, after in states]
        results[len(carried) :] = [self.outer.variable((), v.dtype) for v, _ in states]
        body = Program(
            self.program.name,
            (
                *self.consts,
                *(v for v, _ in self.more),
                *(self.carries[i] for i in carried),
                *(v for v, _ in states),
                *(v for v, _, _ in arrays),
                *self.number,
            ),
            tuple(self.kept),
            (*outputs, *(y[0] for y in ys)),
        )
        loop = replace(
            fun,
            body=fun.body.like(body),
            consts=fun.consts + len(self.more),
            started=(*(fun.started[i] for i in carried), *(True for _ in states)),
            x_axes=tuple(axis for _, _, axis in arrays),
            y_axes=tuple(axis for _, _, axis in ys),
        )
        c = fun.consts
        operands = [
            *self.operands[:c],
            *(x for _, x in self.more),
            *(self.operands[c + i] for i in carried if fun.started[i]),
            *(Constant(FIRST) for _ in states),
            *(x for _, x, _ in arrays),
        ]
        results += [result for _, result, _ in ys]
        equations = outside.taken()
        if results:
            params = tuple((k, loop if k == "fun" else v) for k, v in self.equation.params)
            equations.append(
                Equation(
                    self.equation.primitive,
                    tuple(operands),
                    params,
                    tuple(results),
                    None,
                    self.equation.origin,
                )
            )
        equations += after
        for i, terms in self.sums.items():
            first = self.operands[c + i] if fun.started[i] else None
            outside.sum(terms, stacked, first, self.equation.results[i])
        return [*equations, *outside.taken()]

    def _flip(self) -> None:
        """Give the loop copies of transposed matrices in C order."""
        if self.fun.length < OFTEN:
            return
        copies: dict[int, Variable] = {}
        for place, equation in enumerate(self.kept):
            if equation.primitive.name != "matmul" or equation.errors is not None:
                continue
            operands = list(equation.operands)
            for which, x in enumerate(operands):
                flip = self.body.maker(x)
                if (
                    isinstance(x, Variable)
                    and flip is not None
                    and flip.primitive.name == "transpose"
                    and len(x.shape) == 2
                    and size_of(x.shape) <= LARGE_TERM
                    and self._is_steady(x)
                    and self.outside.is_early(x.number)
                ):
                    copy = copies.get(x.number)
                    if copy is None:
                        copy = copies[x.number] = self.body.variable(x.shape, x.dtype)
                        self.more.append((copy, self.outside.flipped(x)))
                    operands[which] = copy
            self.kept[place] = replace(equation, operands=tuple(operands))
        self.flips.update(v.number for v in copies.values())

    def _reuse(self, outputs: Sequence[Any], ys: Sequence[Any]) -> None:
        """Give values that live in one step only memory that is made once."""
        escaping = {o.number for o in [*outputs, *ys] if isinstance(o, Variable)}
        for equation in reversed(self.kept):
            if equation.primitive.family == SLOTS or (
                keeps_nothing(equation)
                and (is_fresh(equation) or escaping.isdisjoint(v.number for v in equation.results))
            ):
                continue
            escaping.update(o.number for o in equation.operands if isinstance(o, Variable))
        kept: list[Equation] = []
        for equation in self.kept:
            result = equation.results[0]
            if (
                len(equation.results) == 1
                and is_fresh(equation)
                and equation.primitive.family != CLUSTER
                and equation.errors is None
                and result.number not in escaping
                and result.shape
                and size_of(result.shape) <= SMALL_PART
                and takes_out(equation)
            ):
                start = self.outer.variable(result.shape, result.dtype)
                memory = self.body.variable(result.shape, result.dtype)
                self.outside.add(room(start))
                self.more.append((memory, start))
                equation = into(memory, equation)
            kept.append(equation)
        self.kept = kept

    def _watched(self) -> list[tuple[Variable, Variable]]:
        """Watch the cotangents that are multiplied by a transposed matrix in each step.

        Returns:
            A carry for each of them, and its next value.
        """
        if self.fun.length < CHAIN:
            return []
        cotangents = {
            t.b.number for ts in self.sums.values() for t in ts if isinstance(t.b, Variable)
        }
        chained = set()
        for equation in self.kept:
            if equation.primitive.name == "matmul":
                a, b = equation.operands
                if isinstance(b, Variable) and b.number in self.flips:
                    chained.add(getattr(a, "number", None))
        states = []
        kept: list[Equation] = []
        for equation in self.kept:
            result = equation.results[0]
            if (
                equation.primitive is not INTO
                or result.number not in cotangents & chained
                or not is_looked_at(result)
            ):
                kept.append(equation)
                continue
            before = self.body.variable(result.shape, result.dtype)
            state, after = (self.body.variable((), np.dtype(int)) for _ in range(2))
            kept += [
                replace(equation, results=(before,)),
                watch(before, state, (result, after)),
            ]
            states.append((state, after))
        self.kept = kept
        return states

    def _slots(
        self, ys: list[Any], arrays: list[Any], after: list[Equation], last: Variable
    ) -> list[Any]:
        """Stacks that are written by the operations that make their parts; the others stay."""
        makers = {e.results[0].number: i for i, e in enumerate(self.kept)}
        read = {o.number for e in self.kept for o in e.operands if isinstance(o, Variable)}
        read.update(  # what nobody reads but the stack would be left out as dead
            o.number
            for i, o in enumerate(self.program.outputs[: len(self.carries)])
            if i not in self.sums and isinstance(o, Variable)
        )
        rest = []
        for y in ys:
            value, result, axis = y
            place = makers.get(value.number) if isinstance(value, Variable) else None
            if (
                place is None
                or axis
                or result is last
                or not value.shape
                or value.number not in read
            ):
                rest.append(y)
                continue
            equation = self.kept[place]
            if equation.errors is not None or not takes_out(equation):
                rest.append(y)
                continue
            start = self.outer.variable(result.shape, result.dtype)
            slot = self.body.variable(value.shape, value.dtype)
            self.outside.add(room(start))
            arrays.append((slot, start, 0))
            self.kept[place] = into(slot, equation)
            makers.pop(value.number)
            after.append(filled(start, [last], result))
        return rest
