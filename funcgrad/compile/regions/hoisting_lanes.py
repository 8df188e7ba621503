"""Operations that are the same for many parts of one array: found, and put into groups.

A *stack* is an array of parts: one that is given, of which the program takes `x[0]`, `x[1]`, …; the
results of a group of operations; or one that is made for values that are used together. A *lane*
is a part of a stack. Operations of one kind on lanes of the same stacks, at the same distances,
beside operands that are the same for all, are a group if none of them waits for another one.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from funcgrad.compile.regions.stacking import LARGE_STACK, LARGE_TERM, LEAST
from funcgrad.compile.regions.stacking_reading import Operand, Reading, shape_of, size_of
from funcgrad.core.primitive import PRIMITIVES
from funcgrad.core.program import Constant, Equation, Variable

__all__ = ["Group", "Lanes", "Stack", "fits", "progression"]

SMALL_PART = 1 << 14
"""Elementwise operations on so many elements gain nothing from being done together."""

MOST = 400
"""No more groups than these are looked for."""

_ADD, _MATMUL = PRIMITIVES["add"], PRIMITIVES["matmul"]
_SHAPED = frozenset({"reshape", "transpose"})
_REDUCTIONS = frozenset({"max", "mean", "min", "sum", "unbroadcast"})
_UFUNCS = frozenset({"elementwise", "piecewise constant"})


@dataclass(eq=False, slots=True)
class Stack:
    """Values of one shape and dtype, side by side.

    Attributes:
        shape: of a part.
        dtype: of a part.
        source: the array whose parts they are, if it is given.
        axis: of the source, along which they lie.
        parts: the values, if a stack is to be made for them.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    source: Operand | None = None
    axis: int = 0
    parts: list[Operand] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Group(Stack):
    """Operations of one kind.

    Attributes:
        number: which one it is.
        places: `{slot: place of the equation}`.
        first: one of the equations.
        lanes: the stack and the distance of the slots, for each operand; `None`: it is steady.
        valid: whether they are done together.
    """

    number: int = 0
    places: dict[int, float] = field(default_factory=dict)
    first: Equation | None = None
    lanes: tuple[tuple[Stack, int] | None, ...] = ()
    valid: bool = True

    @property
    def is_view(self) -> bool:
        """Whether nothing is computed."""
        assert self.first is not None
        return self.first.primitive.name in _SHAPED


class Lanes:
    """The lanes of a segment.

    Attributes:
        lane: `{variable: its stack and its place in it}`.
        own: the same, of stacks that are to be made.
        groups: of operations on lanes.
    """

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.lane: dict[int, tuple[Stack, int]] = {}
        self.own: dict[int, tuple[Stack, int]] = {}
        self.groups: list[Group] = []
        self._steady: dict[Any, int] = {}
        self._known: dict[Any, Group] = {}
        self._needs: dict[int, int] = {}  # the groups that a variable waits for, as bits
        self._before: list[int] = []  # the same, for a group
        self._given()

    def _given(self) -> None:
        """The parts that the program takes of arrays."""
        sources: dict[tuple[Operand, int], Stack] = {}
        for equation in self.reading.equations.values():
            name = equation.primitive.name
            if name not in ("index", "rows") or equation.errors is not None:
                continue
            source, result = equation.operands[0], equation.results[0]
            if result.weak or not shape_of(source):
                continue
            if name == "rows":
                axis = dict(equation.params)["axis"] + len(shape_of(source))
                slots = range(len(equation.results))
            else:
                found = _part(equation)
                if found is None:
                    continue
                axis, slot = found
                slots = range(slot, slot + 1)
            stack = sources.get((source, axis))
            if stack is None:
                stack = sources[source, axis] = Stack(result.shape, result.dtype, source, axis)
            for slot, variable in zip(slots, equation.results, strict=True):
                self.lane[variable.number] = stack, slot

    def together(self, values: Sequence[Operand]) -> Stack:
        """A stack with these values in this order, made if there is none."""
        lanes = [self.lane.get(v.number) for v in values if isinstance(v, Variable)]
        if len(lanes) == len(values) and lanes[0] is not None:
            stack = lanes[0][0]
            slots = [lane[1] for lane in lanes if lane is not None and lane[0] is stack]
            if len(slots) == len(values) and progression(slots):
                return stack
        first = values[0]
        dtype = first.dtype if isinstance(first, Variable) else first.value.dtype
        stack = Stack(shape_of(first), dtype, parts=list(values))
        for slot, value in enumerate(values):
            if isinstance(value, Variable) and value.number not in self.lane:
                self.lane[value.number] = self.own[value.number] = stack, slot
        return stack

    def settled(self, operand: Operand) -> tuple[Stack, int] | None:
        """The stack that holds a value in the end, and its place there."""
        if not isinstance(operand, Variable):
            return None
        found = self.lane.get(operand.number)
        if found is None:
            return None
        stack, slot = found
        if isinstance(stack, Group) and not (stack.valid and slot in stack.places):
            return self.own.get(operand.number)
        return found

    # groups -------------------------------------------------------------------------------------
    def find(self, gone: Set[float], early: Set[float]) -> None:
        """Find the groups.

        Args:
            gone: places of equations that are not looked at.
            early: places of the products that may be done together.
        """
        reading, needs = self.reading, self._needs
        self._count()
        for place in sorted(reading.equations):
            equation = reading.equations[place]
            waits, touches = self._waits(equation)
            if place not in gone and (equation.primitive is not _MATMUL or place in early):
                if touches and self._enter(place, equation, waits):
                    continue
                if equation.primitive is _ADD and self._regroup(place, equation, waits):
                    continue
            if waits:
                for result in equation.results:
                    needs[result.number] = waits
        self._settle()

    def _waits(self, equation: Equation) -> tuple[int, bool]:
        """The groups that an equation waits for; and whether it reads lanes."""
        waits, touches = 0, False
        for operand in equation.operands:
            if type(operand) is Variable:
                waits |= self._needs.get(operand.number, 0)
                touches = touches or operand.number in self.lane
        return waits, touches

    def _count(self) -> None:
        """How often a variable is the same operand of operations of one kind."""
        counts = self._steady
        for equation in self.reading.equations.values():
            if len(equation.operands) > 1:
                for place, operand in enumerate(equation.operands):
                    if type(operand) is Variable:
                        key = equation.primitive, place, operand.number
                        counts[key] = counts.get(key, 0) + 1

    def _enter(self, place: float, equation: Equation, waits: int, checked: bool = True) -> bool:
        """Make an operation a member of its group, if it has one and does not wait for it."""
        if len(equation.results) > 1 or equation.errors is not None:
            return False
        result = equation.results[0]
        lanes: list[tuple[Stack, int] | None] = []
        base: int | None = None
        for which, operand in enumerate(equation.operands):
            found = self.lane.get(operand.number) if isinstance(operand, Variable) else None
            if found is None:
                if checked and not self._is_steady(equation, which):
                    return False
                lanes.append(None)
                continue
            if base is None:
                base = found[1]
            lanes.append((found[0], found[1] - base))
        if base is None or result.weak or not fits(equation, lanes):
            return False
        steady = tuple(o if x is None else x for o, x in zip(equation.operands, lanes, strict=True))
        key = equation.primitive, equation.params, steady
        group = self._known.get(key)
        if group is None:
            if len(self._before) == MOST:
                return False
            number = len(self._before)
            group = self._known[key] = Group(
                result.shape, result.dtype, number=number, first=equation, lanes=tuple(lanes)
            )
            self._before.append(0)
        if base in group.places or (waits and _reached(waits, self._before) >> group.number & 1):
            return False
        group.places[base] = place
        self._before[group.number] |= waits
        self._needs[result.number] = 1 << group.number
        if result.number not in self.lane or result.number in self.own:
            self.lane[result.number] = group, base
        return True

    def _is_steady(self, equation: Equation, which: int) -> bool:
        operand = equation.operands[which]
        if isinstance(operand, Constant):
            return True
        return self._steady.get((equation.primitive, which, operand.number), 0) >= LEAST

    def _regroup(self, place: float, equation: Equation, waits: int) -> bool:
        """(lane + x) + steady as (lane + steady) + x."""
        reading = self.reading
        result = equation.results[0]
        if equation.errors is not None or result.dtype.kind not in "fc":
            return False
        for inner, rest in (equation.operands, equation.operands[::-1]):
            maker = reading.maker(inner)
            if (
                maker is None
                or not isinstance(inner, Variable)
                or maker.primitive.name != "add"
                or maker.errors is not None
                or not reading.is_single(inner.number)
                or inner.number in self.lane
                or not (isinstance(rest, Constant) or reading.uses[rest.number] >= LEAST)
            ):
                continue
            for lane, x in (maker.operands, maker.operands[::-1]):
                if (
                    isinstance(lane, Variable)
                    and lane.number in self.lane
                    and not (isinstance(x, Variable) and x.number in self.lane)
                    and all(_is_like(o, result) for o in (lane, x, inner))
                    and _dtype(rest) == result.dtype
                ):
                    earlier = reading.made[inner.number]
                    new = Equation(
                        maker.primitive, (lane, rest), (), maker.results, None, maker.origin
                    )
                    if self._enter(place - 0.5, new, self._waits(new)[0], False):
                        del reading.equations[earlier]
                        reading.equations[place - 0.5] = new
                        reading.made[inner.number] = place - 0.5
                        reading.equations[place] = Equation(
                            equation.primitive, (inner, x), (), (result,), None, equation.origin
                        )
                        self._needs[result.number] = waits | self._needs[inner.number]
                        return True
        return False

    def _settle(self) -> None:
        """Leave out the groups that gain nothing."""
        self.groups = list(self._known.values())
        changed = True
        while changed:
            changed = False
            wanted: set[Stack] = {
                lane[0] for g in self.groups if g.valid for lane in g.lanes if lane
            }
            for group in self.groups:
                if group.valid and not self._pays(group, wanted):
                    group.valid = False
                    changed = True
        self.groups = [g for g in self.groups if g.valid]

    def _pays(self, group: Group, wanted: set[Stack]) -> bool:
        slots = sorted(group.places)
        if len(slots) < LEAST or not progression(slots):
            return False
        if len(slots) * size_of(group.shape) * group.dtype.itemsize > LARGE_STACK:
            return False
        for lane in group.lanes:
            if lane is None:
                continue
            source, distance = lane
            if isinstance(source, Group) and (
                not source.valid or any(s + distance not in source.places for s in slots)
            ):
                return False
        return not group.is_view or group in wanted


def _reached(groups: int, before: list[int]) -> int:
    """The groups, and all that they wait for."""
    found, fresh = groups, groups
    while fresh:
        group = fresh.bit_length() - 1
        fresh ^= 1 << group
        more = before[group] & ~found
        found |= more
        fresh |= more
    return found


def progression(slots: Sequence[int]) -> int:
    """The distance of numbers that are equally far apart; 0 if they are not."""
    if len(slots) < 2:
        return 1
    step = slots[1] - slots[0]
    return step if all(b - a == step for a, b in pairwise(slots)) else 0


def _is_like(operand: Operand, result: Variable) -> bool:
    return (
        isinstance(operand, Variable)
        and operand.shape == result.shape
        and operand.dtype == result.dtype
        and not operand.weak
    )


def _dtype(operand: Operand) -> Any:
    return operand.dtype if isinstance(operand, Variable) else getattr(operand.value, "dtype", None)


def _part(equation: Equation) -> tuple[int, int] | None:
    """The axis and the number of a part `x[:, t]`; `None` if it is not one."""
    ((_, key),) = equation.params
    shape = shape_of(equation.operands[0])
    found: tuple[int, int] | None = None
    if len(key) > len(shape):
        return None
    for axis, part in enumerate(key):
        if type(part) is int:
            if found is not None:
                return None
            found = axis, part % shape[axis]
        elif part != (None, None, None):
            return None
    return found


def fits(equation: Equation, lanes: Sequence[Any]) -> bool:
    """Whether an operation can be done for many lanes at once, and gains by it."""
    primitive, result = equation.primitive, equation.results[0]
    name, operands = primitive.name, equation.operands
    if name == "matmul":
        a, b = operands
        if all(lanes) or any(isinstance(o, Constant) and not shape_of(o) for o in operands):
            return False
        if lanes[0]:
            ranks = len(shape_of(a)), len(shape_of(b))
            work = size_of(shape_of(a)) * result.shape[-1]
            return ranks in ((1, 2), (2, 2)) and work < LARGE_TERM
        return (len(shape_of(a)), len(shape_of(b))) == (2, 1) and size_of(shape_of(a)) < LARGE_TERM
    if name in _SHAPED:
        return name == "reshape" or len(equation.params[0][1]) == len(result.shape)
    if name in _REDUCTIONS:
        return bool(shape_of(operands[0])) and size_of(shape_of(operands[0])) <= SMALL_PART
    if primitive.family not in _UFUNCS or not isinstance(getattr(np, name, None), np.ufunc):
        return False
    rank = len(result.shape)
    return size_of(result.shape) <= SMALL_PART and all(
        not lane or len(shape_of(o)) == rank for o, lane in zip(operands, lanes, strict=True)
    )
