"""Which memory each result of a program is written to, and when a value is not needed any more.

A result is written into the memory of an array of the same shape, dtype and layout that was made
by the same call and that nothing reads any more. So no memory is shared between calls: compiled
functions can be called from many threads, and from themselves.

Large values in C order that do not escape have places in a block of bytes, which is kept between
calls (`funcgrad.compile.scratch`). A value escapes if a result of the function may share its
memory, or if it is handed to code that is not known, which may keep it.

The layout counts because sums depend on it in their last bits: they go through memory in its
order. It is followed as a symbol: `"C"` for arrays in C order, else one for all arrays that are
known to be laid out alike.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from funcgrad.compile.regions.cluster import FAMILY as CLUSTER
from funcgrad.compile.regions.cluster import SLOTS
from funcgrad.compile.slots import Slots
from funcgrad.compile.tree import Block, End, Fork
from funcgrad.core.primitive import PRIMITIVES
from funcgrad.core.program import Equation, Guard, Variable

__all__ = ["CONSTANTS", "IN_ORDER", "LARGE", "Plan", "planned"]

LARGE = 1 << 15
"""Arrays of at least so many bytes are deleted where they are not needed any more."""

ROOM = 1 << 12
"""Values of at least so many bytes have places in scratch memory."""

LEAST = 1 << 16
"""A function whose places have less bytes in all has none."""

CONSTANTS = frozenset({-1})
"""Stands among the roots for the memory of constants."""

IN_ORDER = "C"
"""The layout of arrays in C order."""
_UFUNCS = ("elementwise", "piecewise constant")
_KNOWN = frozenset(
    {CLUSTER, "elementwise", "linear", "multilinear", "piecewise constant", "smooth"}
)
"""Families of operations that keep nothing of what they are given."""
_FRESH = frozenset(
    {
        "astype", "clip", "concatenate", "copy", "gather", "matmul", "max", "mean", "min", "prod",
        "scan", "scatter_add", "stack", "sum", "unindex", "where",
    }
)  # fmt: skip
_LAID_ANYHOW = frozenset(
    {
        "all", "any", "argmax", "argmin", "argpartition", "argsort", "cumprod", "cumsum", "lexsort",
        "nanargmax", "nanargmin", "partition_order", "search_rows", "searchsorted", "std",
        "take_along_axis", "var",
    }
)  # fmt: skip
"""Operations whose results have memory of their own, too, in an order that is not known."""


_IN_C = (("order", "C"),)
_FOLDS = ("product_unbroadcast", "unbroadcast")


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
        rooms: `{variable: offset of its place in scratch memory}`.
        roomy: variables whose memory is scratch memory, also by way of `out`.
        end: of the places in scratch memory, also of the arms.
        arms: plans of the arms at the end of the block, in their order.
    """

    out: dict[int, int] = field(default_factory=dict)
    dead: dict[int, list[int]] = field(default_factory=dict)
    fresh: set[int] = field(default_factory=set)
    roots: dict[int, frozenset[int]] = field(default_factory=dict)
    spread: set[int] = field(default_factory=set)
    taken: set[int] = field(default_factory=set)
    layouts: dict[int, Any] = field(default_factory=dict)
    rooms: dict[int, int] = field(default_factory=dict)
    roomy: set[int] = field(default_factory=set)
    end: int = 0
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
    ordered: frozenset[int] = frozenset(),
    begin: int | None = None,
) -> Plan:
    """The plan for a tree of paths.

    Args:
        block: the tree.
        inputs: the variables that are given.
        takes_out: whether an equation's result can be written into given memory.
        smallest: bytes that an array has at least whose memory is used again.
        ordered: numbers of inputs that are taken to be in C order. (What is not keeps its values;
            results may be laid out in another order than eagerly.)
        begin: where places in scratch memory begin; `None`: there is no scratch memory.
    """
    escaping: dict[int, set[int]] = {}
    if begin is not None:
        _escaping(block, escaping)
    plan = Plan()
    slots = None if begin is None else Slots(begin)
    state = _State(plan.layouts, {}, {}, {}, {}, slots)
    for variable in inputs:
        number = variable.number
        plan.roots[number] = frozenset({number})
        in_order = len(variable.shape) < 2 or number in ordered
        state.layouts[number] = IN_ORDER if in_order else number
        state.alive[number] = 1
    _Planner(plan, takes_out, smallest, escaping).block(block, state)
    if begin is not None and begin < plan.end < begin + LEAST:
        return planned(block, inputs, takes_out, smallest, ordered)
    return plan


@dataclass(slots=True)
class _State:
    """What is known at a place of the program.

    Attributes:
        layouts: symbols.
        alive: `{root: number of variables that share its memory and are read later}`.
        free: `{(shape, dtype, layout): roots whose memory is free}`.
        made: `{root: (shape, dtype, layout)}` of arrays of this call.
        rooms: `{root: (offset, bytes) of its place in scratch memory}`.
        slots: places in scratch memory that are free; `None` if there is none.
    """

    layouts: dict[int, Any]
    alive: dict[int, int]
    free: dict[Any, list[int]]
    made: dict[int, Any]
    rooms: dict[int, tuple[int, int]]
    slots: Slots | None

    def copy(self) -> "_State":
        free = {key: list(roots) for key, roots in self.free.items()}
        slots = None if self.slots is None else self.slots.copy()
        return _State(
            dict(self.layouts), dict(self.alive), free, dict(self.made), dict(self.rooms), slots
        )


class _Planner:
    """Walks the tree from the inputs to the ends."""

    def __init__(
        self,
        plan: Plan,
        takes_out: Callable[[Equation], bool],
        smallest: int,
        escaping: dict[int, set[int]],
    ) -> None:
        self.plan = plan
        self.takes_out = takes_out
        self.smallest = smallest
        self.escaping = escaping
        self.kept: set[int] = set()

    def block(self, block: Block, state: _State) -> None:
        """Plan a block, and then its arms."""
        deaths = _deaths(block)
        self.kept = self.escaping.get(id(block), set())
        for item, dying in zip(block.items, deaths, strict=True):
            if isinstance(item, Equation):
                self.equation(item, dying, state)
            else:
                self._bury(dying, None, state)
        if state.slots is not None:
            self.plan.end = max(self.plan.end, state.slots.end)
        if not isinstance(block.end, End):
            plan = self.plan
            for _, arm in block.end.arms:
                before = state.copy()
                self.plan = Plan(
                    roots=dict(plan.roots), layouts=before.layouts, roomy=set(plan.roomy)
                )
                plan.arms.append(self.plan)
                self.block(arm, before)
                plan.taken |= self.plan.taken
                plan.end = max(plan.end, self.plan.end)
            self.plan = plan

    def equation(self, equation: Equation, dying: list[int], state: _State) -> None:
        """Plan one equation, after which some variables are not read any more."""
        plan = self.plan
        result = equation.results[0]
        fresh = is_fresh(equation)
        taken: int | None = None
        if fresh and result.shape and len(equation.results) == 1:
            layout = self._layout(equation, state)
            if layout is not None:
                key = (result.shape, result.dtype, layout)
                taken = self._place(equation, key, dying, state)
                state.made[result.number] = key
            plan.fresh.add(result.number)
            plan.roots[result.number] = frozenset({result.number})
            state.alive[result.number] = 1
            state.layouts[result.number] = layout
        else:
            for variable in equation.results:
                self._share(equation, variable, fresh, state)
                if equation.primitive.family == CLUSTER and variable.shape:
                    self._room(variable, _nbytes(variable), state)
                    state.made[variable.number] = (variable.shape, variable.dtype, IN_ORDER)
        self._bury(dying, taken, state)
        if dying:
            plan.dead[result.number] = dying

    def _place(self, equation: Equation, key: Any, dying: list[int], state: _State) -> int | None:
        """Decide where the result of an equation is written; whose memory it takes, if any."""
        plan = self.plan
        result = equation.results[0]
        size = _nbytes(result)
        if not size or size < self.smallest or not self.takes_out(equation):
            if equation.primitive.family == CLUSTER:
                self._room(result, size, state)
            return None
        taken = self._memory(equation, key, dying, state)
        if taken is not None:
            plan.out[result.number] = taken
            plan.taken.add(taken)
            if taken in state.rooms:
                state.rooms[result.number] = state.rooms[taken]
                plan.roomy.add(result.number)
        elif key[2] == IN_ORDER:
            taken = self._viewed(equation, dying, state)
            if taken is None:
                self._room(result, size, state)
            else:
                self._settle(result.number, state.rooms[taken], state)
        return taken

    def _room(self, variable: Variable, size: int, state: _State) -> None:
        """Give a value a place in scratch memory, if it may and shall have one."""
        number = variable.number
        if state.slots is None or size < ROOM or number in self.kept:
            return
        place = state.slots.take(size)
        if place is not None:
            self._settle(number, place, state)

    def _settle(self, number: int, place: tuple[int, int], state: _State) -> None:
        state.rooms[number] = place
        self.plan.rooms[number] = place[0]
        self.plan.roomy.add(number)

    def _viewed(self, equation: Equation, dying: list[int], state: _State) -> int | None:
        """In whose place in scratch memory the result may be, because a view of all of it dies.

        (NumPy's ufuncs write to where they read from as if they read everything first.)
        """
        result = equation.results[0]
        if equation.primitive.family not in _UFUNCS or result.number in self.kept:
            return None
        for operand in equation.operands:
            if not isinstance(operand, Variable) or operand.number not in dying:
                continue
            roots = self.plan.roots.get(operand.number, frozenset()) - {operand.number}
            if (
                len(roots) != 1
                or operand.shape != result.shape
                or operand.dtype != result.dtype
                or state.layouts.get(operand.number) != IN_ORDER
            ):
                continue
            (root,) = roots
            made = state.made.get(root)
            if root not in state.rooms or made is None or state.alive[root] != 1:
                continue
            if made[1] == result.dtype and _size(made[0]) == _size(result.shape):
                return root
        return None

    def _share(self, equation: Equation, variable: Variable, fresh: bool, state: _State) -> None:
        roots: frozenset[int] = frozenset({variable.number})
        if not fresh:
            ordered = equation.primitive.family == SLOTS
            for operand in equation.operands[:1] if ordered else equation.operands:
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
        kept = equation.results[0].number in self.kept
        if name == "where" or (family in _UFUNCS and _size(key[0]) > 1):
            for operand in reversed(equation.operands) if name == "where" else equation.operands:
                if not isinstance(operand, Variable) or operand.number not in dying:
                    continue
                if kept and operand.number in state.rooms:
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
                if state.alive[root] or root not in state.made or root == taken:
                    continue
                if state.slots is not None and root in state.rooms:
                    state.slots.give(*state.rooms[root])
                else:
                    state.free.setdefault(state.made[root], []).append(root)

    def _layout(self, equation: Equation, state: _State) -> Any:
        """The symbol of a fresh result; `None` if nothing is known."""
        shape = equation.results[0].shape
        name = equation.primitive.name
        if equation.primitive.family == CLUSTER:
            return IN_ORDER
        turned = name == "cumsum" and dict(equation.params)["reverse"]
        if turned or (name in _LAID_ANYHOW and len(shape) > 1):
            return None
        if len(shape) < 2 or name == "unindex" or (name == "matmul" and len(shape) <= 3):
            return IN_ORDER  # of a stack of products NumPy may change the order of the stack's axes
        if name == "copy" and equation.params == _IN_C:
            return IN_ORDER
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
    name = primitive.name
    if name in _FRESH or name in _LAID_ANYHOW or primitive.family == CLUSTER:
        return True
    if name in _FOLDS:  # what is summed over nothing may be a view
        operand = equation.operands[0]
        own = operand.shape if isinstance(operand, Variable) else _shape(operand)
        return bool(_size(own) != _size(equation.results[0].shape))
    if primitive.family not in _UFUNCS or primitive.returns_view:
        return False
    return isinstance(getattr(np, primitive.name, None), np.ufunc)


def _keeps_order(equation: Equation, state: _State) -> bool:
    """Whether the result, which may be a view, is in C order beside the operands of a ufunc."""
    operand = equation.operands[0]
    if not isinstance(operand, Variable) or state.layouts.get(operand.number) != IN_ORDER:
        return False
    if equation.primitive.family == SLOTS or equation.primitive.name in ("reshape", "broadcast_to"):
        return True
    if equation.primitive.name == "rows":
        return bool(dict(equation.params)["axis"] == -len(operand.shape))
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


def _nbytes(variable: Variable) -> int:
    return variable.dtype.itemsize * _size(variable.shape)


def _escaping(block: Block, found: dict[int, set[int]]) -> set[int]:
    """The values that escape, of a block and its arms; entered by the identity of the block."""
    kept: set[int]
    if isinstance(block.end, End):
        kept = {o.number for o in block.end.outputs if isinstance(o, Variable)}
    else:
        kept = set()
        for _, arm in block.end.arms:
            kept |= _escaping(arm, found)
    for item in reversed(block.items):
        if isinstance(item, Guard):
            continue
        if is_fresh(item):
            if keeps_nothing(item):
                continue
        elif keeps_nothing(item) and not any(v.number in kept for v in item.results):
            continue
        kept.update(o.number for o in item.operands if isinstance(o, Variable))
    found[id(block)] = kept
    return kept


def keeps_nothing(equation: Equation) -> bool:
    """Whether no operand is kept by code that is not known."""
    primitive = equation.primitive
    if primitive.family in (CLUSTER, SLOTS):
        return True
    return primitive.family in _KNOWN and PRIMITIVES.get(primitive.name) is primitive


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
