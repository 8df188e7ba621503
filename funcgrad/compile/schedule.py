"""Which memory each result of a program is written to, and when a value is not needed any more.

A result is written into the memory of an array of the same shape, dtype and layout that was made
by the same call and that nothing reads any more. So no memory is shared between calls, and none is
kept between them: compiled functions can be called from many threads, and from themselves.

The layout counts because sums depend on it in their last bits: they go through memory in its
order. It is followed as a symbol: `"C"` for arrays in C order, else one for all arrays that are
known to be laid out alike.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from funcgrad.compile.regions.cluster import FAMILY as CLUSTER
from funcgrad.compile.tree import Block, End, Fork
from funcgrad.core.program import Equation, Guard, Variable

__all__ = ["CONSTANTS", "IN_ORDER", "LARGE", "Plan", "planned"]

LARGE = 1 << 15
"""Arrays of at least so many bytes are deleted where they are not needed any more."""

CONSTANTS = frozenset({-1})
"""Stands among the roots for the memory of constants."""

IN_ORDER = "C"
"""The layout of arrays in C order."""
_UFUNCS = ("elementwise", "piecewise constant")
_FRESH = frozenset(
    {
        "concatenate",
        "gather",
        "matmul",
        "mean",
        "scan",
        "scatter_add",
        "stack",
        "sum",
        "unindex",
        "where",
    }
)


@dataclass(slots=True)
class Plan:
    """What the emitter is told of a block.

    Variables of different arms may have the same number, so each arm has a plan of its own.

    Attributes:
        out: `{result: the variable whose memory it takes}`.
        dead: `{first result of an equation: large values that nobody needs after it}`.
        fresh: variables with memory of their own, made by this call.
        roots: `{variable: whose memory it may share}`, itself for those of `fresh`.
        spread: variables that may be one value repeated without memory of its own.
        taken: the values of `out`, also of the arms.
        layouts: symbols, see above.
        arms: plans of the arms at the end of the block, in their order.
    """

    out: dict[int, int] = field(default_factory=dict)
    dead: dict[int, list[int]] = field(default_factory=dict)
    fresh: set[int] = field(default_factory=set)
    roots: dict[int, frozenset[int]] = field(default_factory=dict)
    spread: set[int] = field(default_factory=set)
    taken: set[int] = field(default_factory=set)
    layouts: dict[int, Any] = field(default_factory=dict)
    arms: list["Plan"] = field(default_factory=list)

    @property
    def reused(self) -> int:
        """Number of results that need no memory of their own."""
        return len(self.out) + sum(arm.reused for arm in self.arms)


def planned(
    block: Block,
    inputs: Iterable[Variable],
    takes_out: Callable[[Equation], bool],
    smallest: int = 0,
) -> Plan:
    """The plan for a tree of paths.

    Args:
        block: the tree.
        inputs: the variables that are given.
        takes_out: whether an equation's result can be written into given memory.
        smallest: bytes that an array has at least whose memory is used again.
    """
    plan = Plan()
    state = _State(plan.layouts, {}, {}, {})
    for variable in inputs:
        plan.roots[variable.number] = frozenset({variable.number})
        state.layouts[variable.number] = IN_ORDER if len(variable.shape) < 2 else variable.number
        state.alive[variable.number] = 1
    _Planner(plan, takes_out, smallest).block(block, state)
    return plan


@dataclass(slots=True)
class _State:
    """What is known at a place of the program.

    Attributes:
        layouts: symbols.
        alive: `{root: number of variables that share its memory and are read later}`.
        free: `{(shape, dtype, layout): roots whose memory is free}`.
        made: `{root: (shape, dtype, layout)}` of arrays of this call.
    """

    layouts: dict[int, Any]
    alive: dict[int, int]
    free: dict[Any, list[int]]
    made: dict[int, Any]

    def copy(self) -> "_State":
        free = {key: list(roots) for key, roots in self.free.items()}
        return _State(dict(self.layouts), dict(self.alive), free, dict(self.made))


class _Planner:
    """Walks the tree from the inputs to the ends."""

    def __init__(self, plan: Plan, takes_out: Callable[[Equation], bool], smallest: int) -> None:
        self.plan = plan
        self.takes_out = takes_out
        self.smallest = smallest

    def block(self, block: Block, state: _State) -> None:
        """Plan a block, and then its arms."""
        deaths = _deaths(block)
        for item, dying in zip(block.items, deaths, strict=True):
            if isinstance(item, Equation):
                self.equation(item, dying, state)
            else:
                self._bury(dying, None, state)
        if not isinstance(block.end, End):
            plan = self.plan
            for _, arm in block.end.arms:
                before = state.copy()
                self.plan = Plan(roots=dict(plan.roots), layouts=before.layouts)
                plan.arms.append(self.plan)
                self.block(arm, before)
                plan.taken |= self.plan.taken
            self.plan = plan

    def equation(self, equation: Equation, dying: list[int], state: _State) -> None:
        """Plan one equation, after which some variables are not read any more."""
        plan = self.plan
        result = equation.results[0]
        fresh = is_fresh(equation)
        layout = self._layout(equation, state) if fresh else None
        if fresh and result.shape and len(equation.results) == 1:
            key = (result.shape, result.dtype, layout)
            size = result.dtype.itemsize
            for length in result.shape:
                size *= length
            if size and size >= self.smallest and layout is not None and self.takes_out(equation):
                found = self._memory(equation, key, dying, state)
                if found is not None:
                    plan.out[result.number] = found
                    plan.taken.add(found)
            plan.fresh.add(result.number)
            plan.roots[result.number] = frozenset({result.number})
            if layout is not None:
                state.made[result.number] = key
            state.alive[result.number] = 1
            state.layouts[result.number] = layout
        else:
            for variable in equation.results:
                self._share(equation, variable, fresh, state)
        self._bury(dying, plan.out.get(result.number), state)
        if dying:
            plan.dead[result.number] = dying

    def _share(self, equation: Equation, variable: Variable, fresh: bool, state: _State) -> None:
        roots: frozenset[int] = frozenset({variable.number})
        if not fresh:
            for operand in equation.operands:
                if isinstance(operand, Variable):
                    roots |= self.plan.roots.get(operand.number, frozenset())
                elif isinstance(operand.value, np.ndarray):
                    roots |= CONSTANTS
        self.plan.roots[variable.number] = roots
        if equation.primitive.name == "broadcast_to" or not roots.isdisjoint(self.plan.spread):
            self.plan.spread.add(variable.number)
        for root in roots:
            state.alive[root] = state.alive.get(root, 0) + 1
        known = len(variable.shape) < 2 or fresh or _keeps_order(equation, state)
        state.layouts[variable.number] = IN_ORDER if known else None

    def _memory(self, equation: Equation, key: Any, dying: list[int], state: _State) -> int | None:
        """Whose memory the result takes: that of an operand that dies here, or what is free."""
        family, name = equation.primitive.family, equation.primitive.name
        if name == "where" or (family in _UFUNCS and _size(key[0]) > 1):
            for operand in reversed(equation.operands) if name == "where" else equation.operands:
                if not isinstance(operand, Variable) or operand.number not in dying:
                    continue
                if state.made.get(operand.number) == key and state.alive[operand.number] == 1:
                    return operand.number
        free = state.free.get(key)
        return free.pop() if free else None

    def _bury(self, dying: list[int], taken: int | None, state: _State) -> None:
        """Some variables are not read any more; the memory of one may have been taken already."""
        for number in dying:
            for root in self.plan.roots.get(number, ()):
                state.alive[root] -= 1
                if state.alive[root] == 0 and root in state.made and root != taken:
                    state.free.setdefault(state.made[root], []).append(root)

    def _layout(self, equation: Equation, state: _State) -> Any:
        """The symbol of a fresh result; `None` if nothing is known."""
        shape = equation.results[0].shape
        name = equation.primitive.name
        if equation.primitive.family == CLUSTER:
            return IN_ORDER
        if len(shape) < 2 or name == "unindex" or (name == "matmul" and len(shape) <= 3):
            return IN_ORDER  # of a stack of products NumPy may change the order of the stack's axes
        if name in ("gather", "scan"):
            return None
        symbols = set()
        for operand in equation.operands:
            operand_shape = operand.shape if isinstance(operand, Variable) else _shape(operand)
            if len(operand_shape) < 2:
                continue
            if isinstance(operand, Variable):
                symbols.add(state.layouts.get(operand.number))
            else:
                symbols.add(IN_ORDER if operand.value.flags.c_contiguous else None)
            if operand_shape != shape:
                symbols.add(IN_ORDER)
        if len(symbols) == 1:
            return symbols.pop()
        return None


def is_fresh(equation: Equation) -> bool:
    """Whether the result has memory of its own, without doubt."""
    primitive = equation.primitive
    if primitive.name in _FRESH or primitive.family == CLUSTER:
        return True
    if primitive.family not in _UFUNCS or primitive.returns_view:
        return False
    return isinstance(getattr(np, primitive.name, None), np.ufunc)


def _keeps_order(equation: Equation, state: _State) -> bool:
    """Whether the result, which may be a view, is in C order beside the operands of a ufunc."""
    operand = equation.operands[0]
    if not isinstance(operand, Variable) or state.layouts.get(operand.number) != IN_ORDER:
        return False
    if equation.primitive.name in ("reshape", "broadcast_to"):
        return True
    if equation.primitive.name != "index":
        return False
    ((_, key),) = equation.params
    return all(_goes_up(part) for part in key)


def _goes_up(part: Any) -> bool:
    """Whether a part of a key is a position, a new axis, or a slice with a positive step."""
    return type(part) is not tuple or part[2] is None or part[2] > 0


def _shape(constant: Any) -> tuple[int, ...]:
    shape: tuple[int, ...] = getattr(constant.value, "shape", ())
    return shape


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size


def _deaths(block: Block) -> list[list[int]]:
    """For each item the variables that nothing reads after it."""
    live = _read_by(block.end)
    found = []
    for item in reversed(block.items):
        touched = _touched(item)
        found.append([number for number in touched if number not in live])
        live |= touched
    return found[::-1]


def _touched(item: Equation | Guard) -> set[int]:
    if isinstance(item, Guard):
        return {item.variable.number}
    touched = {o.number for o in item.operands if isinstance(o, Variable)}
    touched.update(v.number for v in item.results)
    return touched


def _read_by(end: End | Fork) -> set[int]:
    if isinstance(end, End):
        return {o.number for o in end.outputs if isinstance(o, Variable)}
    live = {end.guard.variable.number}
    for _, arm in end.arms:
        live |= _read_by(arm.end)
        for item in arm.items:
            live |= _touched(item)
    return live
