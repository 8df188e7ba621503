"""Stacks and groups as equations."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from funcgrad.compile.regions.hoisting_lanes import Group, Lanes, Stack, progression
from funcgrad.compile.regions.stacking import Sum, Term
from funcgrad.compile.regions.stacking_reading import Operand, Reading, shape_of, size_of
from funcgrad.compile.regions.stacking_slots import filled, into, placed, room
from funcgrad.compile.spelling import takes_out
from funcgrad.core.primitive import PRIMITIVES
from funcgrad.core.program import Constant, Equation, Variable

__all__ = ["Building"]

_FLIP = (("axes", (-1, -2)),)


class Building:
    """New equations, each with a place among the old ones where it would best be done.

    Attributes:
        equations: `(place, equation)`.
        gone: places of equations that are not done any more.
    """

    def __init__(self, reading: Reading, lanes: Lanes) -> None:
        self.reading = reading
        self.lanes = lanes
        self.equations: list[tuple[float, Equation]] = []
        self.gone: set[float] = {p for g in lanes.groups for p in g.places.values()}
        self._whole: dict[Group, Variable] = {}
        self._rooms: dict[Stack, tuple[Variable, list[Variable]]] = {}
        self._slices: dict[Any, Variable] = {}
        self._shaped: dict[Any, Variable] = {}
        self._ones: dict[Any, Constant] = {}

    def _apply(
        self,
        place: float,
        name: str,
        operands: Sequence[Operand],
        result: tuple[tuple[int, ...], Any],
        params: Any = (),
    ) -> Variable:
        equation = self.reading.apply(name, operands, result, params)
        self.equations.append((place, equation))
        return equation.results[0]

    # stacks -------------------------------------------------------------------------------------
    def part(self, stack: Stack, slots: Sequence[int], place: float) -> Variable:
        """The parts with these numbers, which are equally far apart, as one array."""
        key = stack, slots[0], slots[-1], len(slots)
        found = self._slices.get(key)
        if found is None:
            found = self._slices[key] = self._part(stack, slots, place)
        return found

    def _part(self, stack: Stack, slots: Sequence[int], place: float) -> Variable:
        if stack.source is not None:
            return self._given(stack, slots, place)
        if isinstance(stack, Group):
            whole = self.whole(stack)
            order = {slot: i for i, slot in enumerate(sorted(stack.places))}
            return self._slice(whole, 0, [order[slot] for slot in slots], place)
        start, members = self.made(stack)
        full = self.reading.variable(start.shape, stack.dtype)
        self.equations.append((place, filled(start, [members[slot] for slot in slots], full)))
        return self._slice(full, 0, slots, place)

    def _given(self, stack: Stack, slots: Sequence[int], place: float) -> Variable:
        source, axis = stack.source, stack.axis
        assert source is not None
        found = self._slice(source, axis, slots, place)
        if not axis:
            return found
        rank = len(found.shape)
        order = (axis, *(i for i in range(rank) if i != axis))
        return self._apply(
            place,
            "transpose",
            [found],
            ((len(slots), *stack.shape), stack.dtype),
            (("axes", tuple(i - rank for i in order)),),
        )

    def _slice(self, x: Any, axis: int, slots: Sequence[int], place: float) -> Variable:
        shape = shape_of(x)
        step = progression(slots)
        if step == 1 and len(slots) == shape[axis]:
            whole: Variable = x
            return whole
        stop: int | None = slots[-1] + (1 if step > 0 else -1)
        stop = None if stop is not None and stop < 0 else stop
        key = ((None, None, None),) * axis + ((slots[0], stop, step),)
        dtype = _dtype(x)
        shape = (*shape[:axis], len(slots), *shape[axis + 1 :])
        return self._apply(place, "index", [x], (shape, dtype), (("key", key),))

    def made(self, stack: Stack) -> tuple[Variable, list[Variable]]:
        """Memory for a stack; and its parts, when they have been written."""
        found = self._rooms.get(stack)
        if found is not None:
            return found
        reading = self.reading
        start = reading.variable((len(stack.parts), *stack.shape), stack.dtype)
        found = self._rooms[stack] = start, []
        makers = [
            reading.made.get(v.number, -1.0) if isinstance(v, Variable) else -1.0
            for v in stack.parts
        ]
        first = min(makers)
        self.equations.append((first, room(start)))
        slots = tuple(reading.variable(stack.shape, stack.dtype) for _ in stack.parts)
        rows = PRIMITIVES["rows"]
        params = (("axis", -1 - len(stack.shape)),)
        self.equations.append((first, Equation(rows, (start,), params, slots)))
        for number, (slot, value, maker) in enumerate(zip(slots, stack.parts, makers, strict=True)):
            found[1].append(self._put(stack, number, slot, value, maker))
        return found

    def _put(
        self, stack: Stack, number: int, slot: Variable, value: Operand, maker: float
    ) -> Variable:
        """Write a part: by the operation that makes it, or as a copy."""
        if isinstance(value, Variable) and self.lanes.settled(value) == (stack, number):
            equation = self.reading.equations.get(maker)
            if (
                equation is not None
                and maker not in self.gone
                and equation.errors is None
                and len(equation.results) == 1
                and value.number not in self.reading.needed
                and takes_out(equation)
            ):
                self.gone.add(maker)
                self.equations.append((maker, into(slot, equation)))
                return value
        result = self.reading.variable(stack.shape, stack.dtype)
        self.equations.append((maker, placed(slot, value, result)))
        return result

    # groups -------------------------------------------------------------------------------------
    def whole(self, group: Group) -> Variable:
        """The results of a group as one array."""
        found = self._whole.get(group)
        if found is None:
            found = self._whole[group] = self._group(group)
        return found

    def _group(self, group: Group) -> Variable:
        slots = sorted(group.places)
        place = min(group.places.values())
        assert group.first is not None
        operands: list[Operand] = [
            o if lane is None else self.part(lane[0], [s + lane[1] for s in slots], place)
            for o, lane in zip(group.first.operands, group.lanes, strict=True)
        ]
        count = len(slots)
        shape = (count, *group.shape)
        name = group.first.primitive.name
        if name == "matmul":
            return self._product(group, operands, count, place)
        params = dict(group.first.params)
        if name == "reshape":
            params["shape"] = (count, *params["shape"])
        return self._apply(place, name, operands, (shape, group.dtype), tuple(params.items()))

    def _product(self, group: Group, operands: list[Operand], count: int, place: float) -> Variable:
        a, b = operands
        if group.lanes[0] is None:  # A x for many x: X Aᵀ
            k, n = shape_of(a)[::-1]
            flipped = self._apply(place, "transpose", [a], ((k, n), _dtype(a)), _FLIP)
            a, b = b, flipped
        rows = self._rows(a, place)
        n = shape_of(b)[-1]
        out = self._apply(place, "matmul", [rows, b], ((rows.shape[0], n), group.dtype))
        shape = (count, *group.shape)
        return out if out.shape == shape else self._reshape(out, shape, place)

    def _rows(self, x: Any, place: float) -> Variable:
        """All but the last axis joined."""
        shape = shape_of(x)
        if len(shape) == 2:
            found: Variable = x
            return found
        return self._reshape(x, (size_of(shape[:-1]), shape[-1]), place)

    def _reshape(self, x: Any, shape: tuple[int, ...], place: float) -> Variable:
        found = self._shaped.get((x, shape))
        if found is None:
            params = (("shape", shape),)
            found = self._apply(place, "reshape", [x], (shape, _dtype(x)), params)
            self._shaped[x, shape] = found
        return found

    def take_apart(self) -> None:
        """The results of groups that are read by themselves."""
        reads: set[int] = set(self.reading.needed)
        for _, equation in self.equations:
            reads.update(o.number for o in equation.operands if isinstance(o, Variable))
        for place, equation in self.reading.equations.items():
            if place not in self.gone:
                reads.update(o.number for o in equation.operands if isinstance(o, Variable))
        for group in self.lanes.groups:
            results = [
                self.reading.equations[group.places[slot]].results[0]
                for slot in sorted(group.places)
            ]
            wanted = [v.number in reads for v in results]
            if any(wanted):
                self._unpack(group, results, wanted)

    def _unpack(self, group: Group, results: list[Variable], wanted: list[bool]) -> None:
        place, needed = min(group.places.values()), self.reading.needed
        whole = self.whole(group)
        parts = []
        for result in results:
            part = result
            if result.number in needed and result.shape:  # a view would keep all the others
                part = self.reading.variable(result.shape, result.dtype)
                copy = Equation(PRIMITIVES["copy"], (part,), (("order", "C"),), (result,))
                self.equations.append((self.reading.made[result.number], copy))
            parts.append(part)
        if 4 * sum(wanted) >= len(wanted):
            params: Any = (("axis", -len(whole.shape)),)
            self.equations.append(
                (place, Equation(PRIMITIVES["rows"], (whole,), params, tuple(parts)))
            )
            return
        for i, (part, flag) in enumerate(zip(parts, wanted, strict=True)):
            if flag:
                params = (("key", (i,)),)
                taken = Equation(PRIMITIVES["index"], (whole,), params, (part,))
                self.equations.append((place, taken))

    # sums ---------------------------------------------------------------------------------------
    def sum(self, found: Sum, stacks: dict[int, list[tuple[Stack | None, Stack]]]) -> None:
        """A sum of products of stacks, and of what else is added."""
        place = self.reading.made[found.root.results[0].number]
        result = found.root.results[0]
        terms: list[Operand] = list(found.others)
        for terms_alike, (left, right) in zip(found.like.values(), stacks[id(found)], strict=True):
            terms.append(self._stacked(terms_alike, left, right, place, result))
        total = terms[0]
        add = found.root.primitive
        for i, term in enumerate(terms[1:], 2):
            last = i == len(terms)
            out = result if last else self.reading.variable(result.shape, result.dtype)
            origin = found.root.origin
            self.equations.append((place, Equation(add, (total, term), (), (out,), None, origin)))
            total = out
        if len(terms) == 1:
            self._rename(total, result)

    def _rename(self, total: Any, result: Variable) -> None:
        """Let the last equation, which makes the sum, make it under the name of the result."""
        place, last = self.equations.pop()
        assert last.results[0] == total
        self.equations.append(
            (place, Equation(last.primitive, last.operands, last.params, (result,)))
        )

    def _stacked(
        self, terms: list[Term], left: Stack | None, right: Stack, place: float, result: Variable
    ) -> Variable:
        order = self._order(terms)
        terms = [terms[i] for i in order]
        b = self._rows(self._list([t.b for t in terms], right, place), place)
        if left is None:
            ones = self._one(b.shape[0], b.dtype)
            return self._apply(place, "matmul", [ones, b], (result.shape, result.dtype))
        a = self._rows(self._list([t.a for t in terms], left, place), place)
        flipped = self._apply(place, "transpose", [a], (a.shape[::-1], a.dtype), _FLIP)
        return self._apply(place, "matmul", [flipped, b], (result.shape, result.dtype))

    def _one(self, count: int, dtype: Any) -> Constant:
        found = self._ones.get((count, dtype))
        if found is None:
            found = self._ones[count, dtype] = Constant(np.ones(count, dtype))
        return found

    def _order(self, terms: list[Term]) -> list[int]:
        """The order of the terms in which their values lie in memory."""
        for values in ([t.a for t in terms], [t.b for t in terms]):
            lanes = [None if v is None else self.lanes.settled(v) for v in values]
            if lanes[0] is not None and all(x is not None and x[0] is lanes[0][0] for x in lanes):
                slots = [x[1] for x in lanes if x is not None]
                if progression(sorted(slots)):
                    return sorted(range(len(terms)), key=slots.__getitem__)
        return list(range(len(terms)))

    def _list(self, values: Sequence[Any], stack: Stack, place: float) -> Variable:
        """Values in this order as one array."""
        lanes = [self.lanes.settled(v) for v in values]
        first = lanes[0]
        if first is not None and all(x is not None and x[0] is first[0] for x in lanes):
            slots = [x[1] for x in lanes if x is not None]
            if progression(slots):
                return self.part(first[0], slots, place)
        if [id(v) for v in values] != [id(v) for v in stack.parts]:
            stack = Stack(stack.shape, stack.dtype, parts=list(values))
        return self.part(stack, range(len(values)), place)


def _dtype(operand: Operand) -> Any:
    return operand.dtype if isinstance(operand, Variable) else operand.value.dtype
