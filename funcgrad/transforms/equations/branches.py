"""One equation for a choice between programs: switch(k, x) = fₖ(x).

The branches are programs of the same inputs, with results that are alike. Each transform makes
another choice of it, by the same index:

    reverse     forward parts, whose residuals share the places of one list; backward parts
    forward     fₖ with its tangent
    vmap        fₖ for all examples; where they go different ways, each for those that chose it
    program     one equation

Where a branch has no derivative without values, the index is asked for, and that branch is run.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from typing_extensions import override

from funcgrad import tree
from funcgrad.core.program import Program
from funcgrad.core.protocols import DISPATCH
from funcgrad.core.wengert import Aval
from funcgrad.interpreters.batch import Batch, BatchTracer, differs
from funcgrad.transforms.arguments import function_name
from funcgrad.transforms.choice import select
from funcgrad.transforms.equations.branches_sheet import Padding, Sheet, Zeros, outline_of
from funcgrad.transforms.equations.branches_stage import Misfit, Outlook, attempt
from funcgrad.transforms.equations.closed import Closed
from funcgrad.transforms.equations.ends import Flags, fitting
from funcgrad.transforms.equations.linearised import Linearised
from funcgrad.transforms.equations.structured import (
    Placed,
    Reverse,
    Structured,
    apply,
    primitive_of,
)
from funcgrad.transforms.levels import is_operand
from funcgrad.transforms.vmap import unlift

__all__ = ["Branches", "chosen_by_equation", "switch_p"]


switch_p = primitive_of("switch")


class Branches(Structured):
    """The programs to choose from: (k, x) ↦ fₖ(x).

    Attributes:
        transform: name of what the user called.
        arms: the programs.
        boolean: whether the index is a truth value, and true the first of two arms; else it is an
            integer, and one out of range counts as the nearest that is not.
    """

    __slots__ = ("_found", "arms", "boolean", "transform")
    primitive = switch_p

    def __init__(self, transform: str, arms: Sequence[Closed], *, boolean: bool) -> None:
        self.transform = transform
        self.arms = tuple(arms)
        self.boolean = boolean
        self._found: dict[Any, Any] = {}

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Branches)
            and self.arms == other.arms
            and self.boolean is other.boolean
        )

    def __hash__(self) -> int:
        return hash((self.arms, self.boolean))

    def __repr__(self) -> str:
        return f"<{' or '.join(arm.program.name for arm in self.arms)}>"

    def _of(self, arms: Sequence[Closed]) -> "Branches":
        """Another choice by the same index."""
        return Branches(self.transform, arms, boolean=self.boolean)

    def _once(self, key: Any, make: Callable[[], Any]) -> Any:
        found = self._found.get(key)
        if found is None:
            found = self._found.setdefault(key, make())
        return found

    def chosen(self, index: Any) -> Closed:
        """The arm that an index says; it is asked for."""
        if self.boolean:
            return self.arms[0] if index else self.arms[1]
        return self.arms[min(max(int(index), 0), len(self.arms) - 1)]

    @override
    def run(self, leaves: Sequence[Any]) -> list[Any]:
        if differs(leaves[0]):
            ways = [lambda *xs, arm=arm: arm.run(xs) for arm in self.arms]
            return list(select(self.transform, self._masks(leaves[0]), ways, leaves[1:]))
        return self.chosen(leaves[0]).run(leaves[1:])

    @override
    def avals(self) -> list[Aval]:
        return list(self.arms[0].outputs)

    @override
    def zeros(self) -> list[Any]:
        places = self.arms[0].program.outputs
        return [
            zero.item() if outline_of(place)[2] else zero
            for place, zero in zip(places, self.arms[0].zeros(), strict=True)
        ]

    @override
    def varying(self, flags: Sequence[bool | None]) -> Flags:
        found = _any_of([arm.varying(flags[1:]) for arm in self.arms])
        return tuple(flag or flags[0] is not False for flag in found)

    @override
    def sources(self, results: set[int]) -> set[int]:
        return {1 + i for arm in self.arms for i in arm.sources(results)}

    @override
    def inlined(self) -> "Branches":
        arms = [_inlined(arm) for arm in self.arms]
        same = all(a is b for a, b in zip(arms, self.arms, strict=True))
        return self if same else self._of(arms)

    # derivatives --------------------------------------------------------------------------------
    @override
    def reverse_of(self, active: Flags) -> "_Reverse":
        return _Reverse.of(self, active, direct=True)

    @override
    def push(self, values: Sequence[Any], dots: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        moved = tuple(dot is not None for dot in dots[1:])

        def make() -> tuple[Branches, Flags]:
            pairs = [arm.pushed(moved) for arm in self.arms]
            flags = _any_of([own for _, own in pairs])
            arms = [
                _with_tangents(old, *pair, flags)
                for old, pair in zip(self.arms, pairs, strict=True)
            ]
            return self._of(arms), flags

        both, flags = self._once(("push", moved), make)
        found = apply(both, [*values, *(dot for dot in dots[1:] if dot is not None)])
        tangents = iter(found[len(flags) :])
        return found[: len(flags)], [next(tangents) if flag else None for flag in flags]

    @override
    def map(
        self, size: int, flags: Flags, values: Sequence[Any]
    ) -> tuple[list[Any], Sequence[bool]]:
        if flags[0]:
            return self._each_for_some(size, flags, values)
        own = flags[1:]

        def make() -> tuple[Branches, Flags]:
            found = _any_of([arm.mapped(size, own)[1] for arm in self.arms])
            arms = [_unread(arm, arm.mapped(size, own, found)[0]) for arm in self.arms]
            return self._of(arms), found

        whole, batched = self._once(("map", size, own), make)
        return apply(whole, values), batched

    # examples that go different ways ------------------------------------------------------------
    def _each_for_some(
        self, size: int, flags: Flags, values: Sequence[Any]
    ) -> tuple[list[Any], Sequence[bool]]:
        """Each arm for all examples, if any chose it; what the others would give it is exchanged.

        See `funcgrad.transforms.choice`: an arm meets no values that it is not made for.
        """
        own = flags[1:]
        outs: list[list[Any]] = []
        masks = self._masks(values[0])
        for number, mask in enumerate(masks):
            some = self._once(
                ("some", size, own, number), functools.partial(self._some, size, own, number)
            )
            outs.append(apply(some, [DISPATCH[np.any](mask), mask, *values[1:]]))
        trace = Batch("vmap", size)
        merged = [BatchTracer(x, True, trace) for x in outs[-1]]
        for mask, parts in zip(masks[-2::-1], outs[-2::-1], strict=True):
            chosen = BatchTracer(mask, True, trace)
            merged = [
                DISPATCH[np.where](chosen, BatchTracer(a, True, trace), b)
                for a, b in zip(parts, merged, strict=True)
            ]
        trace.close()
        return [unlift(trace, x)[0] for x in merged], (True,) * len(merged)

    def _masks(self, index: Any) -> list[Any]:
        """For each arm whether an example chose it."""
        if self.boolean:
            return [index, DISPATCH[np.logical_not](index)]
        index = DISPATCH[np.clip](index, 0, len(self.arms) - 1)
        return [DISPATCH[np.equal](index, number) for number in range(len(self.arms))]

    def _some(self, size: int, flags: Flags, number: int) -> "Branches":
        """(whether any example chose the arm, which ones did, x) ↦ the results of all."""
        every = (True,) * len(self.arms[0].outputs)
        guarded = _given_chosen(self.arms[number], flags)
        arm, _ = guarded.mapped(size, (True, *flags), every)
        nothing = tuple(Zeros(aval.shape, aval.dtype) for aval in arm.outputs)
        idle = Closed(Program("nobody", arm.program.inputs, (), nothing))
        return Branches(self.transform, (arm, idle), boolean=True)


def _any_of(flags: Sequence[Flags]) -> Flags:
    return tuple(map(any, zip(*flags, strict=True)))


def _inlined(arm: Closed) -> Closed:
    found = arm.inlined()
    return found if found is arm else _unread(arm, found)


def _unread(old: Closed, new: Closed) -> Closed:
    """What an arm was made into, where what nobody reads of it is still not there."""
    outputs = list(new.program.outputs)
    for i, place in enumerate(old.program.outputs):
        if isinstance(place, Padding):
            outputs[i] = Padding(*outline_of(outputs[i]))
    return _returning(new, outputs)


def _with_tangents(old: Closed, arm: Closed, own: Flags, flags: Flags) -> Closed:
    """The arm with zeros for the tangents that only others have."""
    count = len(own)
    arm = _unread(old, arm)
    dots = iter(arm.program.outputs[count:])
    found: list[Any] = []
    places = zip(old.program.outputs, arm.outputs[:count], own, flags, strict=True)
    for place, aval, mine, wanted in places:
        if mine:
            found.append(next(dots))
        elif wanted:
            kind = Padding if isinstance(place, Padding) else Zeros
            found.append(kind(aval.shape, aval.dtype))
    return _returning(arm, (*arm.program.outputs[:count], *found))


def _returning(arm: Closed, outputs: Sequence[Any]) -> Closed:
    program = arm.program
    outputs = tuple(outputs)
    return Closed(Program(program.name, program.inputs, program.items, outputs), written=False)


def _given_chosen(arm: Closed, flags: Flags) -> Closed:
    """The arm for one example, which is given values of one that chose it, if it did not."""
    sheet = Sheet(arm.program.name)
    mask = sheet.input((), bool)
    inputs = [
        sheet.guarded(mask, x) if flag else x
        for x, flag in zip(sheet.inputs_like(arm.program.inputs), flags, strict=True)
    ]
    return sheet.closed(sheet.call(arm, inputs))


# --- reverse mode -----------------------------------------------------------------------------


class _Reverse(Reverse):
    """Forward and backward parts of all arms.

    What a backward part reads comes in one list: first inputs, then residuals. The residuals of one
    arm take the places of those of another, where they are alike.
    """

    __slots__ = (
        "_active",
        "_backward",
        "_branches",
        "_forward",
        "_layout",
        "_pairs",
        "_places",
        "_read",
    )

    @classmethod
    def of(cls, branches: Branches, active: Flags, *, direct: bool) -> "_Reverse":
        """The one of these, which is made once; `direct` as in `Closed.linearised`."""
        key = ("reverse", active, direct)
        found: _Reverse = branches._once(key, lambda: cls(branches, active, direct=direct))
        return found

    def __init__(self, branches: Branches, active: Flags, *, direct: bool) -> None:
        self._branches = branches
        self._active = active
        self._backward: dict[Any, Any] = {}
        self._pairs = [arm.linearised(active[1:], direct=direct) for arm in branches.arms]
        self._read = sorted({i for pair in self._pairs for i in pair.residuals if i >= 0})
        count = len(branches.arms[0].outputs)
        slots: list[Any] = []
        self._places = []
        rows = []
        for pair in self._pairs:
            own = _slots_of(pair, slots)
            rows.append(own)
            self._places.append(
                [
                    self._read.index(i) if i >= 0 else len(self._read) + own[~i]
                    for i in pair.residuals
                ]
            )
        forward = [
            _with_residuals(pair.forward, count, own, slots)
            for pair, own in zip(self._pairs, rows, strict=True)
        ]
        self._forward = branches._of(forward)
        inputs = branches.arms[0].program.inputs
        self._layout = [outline_of(inputs[i]) for i in self._read] + slots

    @override
    def suited(self, *, again: bool, direct: bool) -> "_Reverse":
        return _Reverse.of(self._branches, self._active, direct=direct)

    @override
    def forward(self, values: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        count = len(self._branches.arms[0].outputs)
        found = apply(self._forward, values)
        return found[:count], [
            values[0],
            *(values[1 + i] for i in self._read),
            *found[count:],
        ]

    @override
    def pull(self, kept: Sequence[Any], cts: list[Any], seeds: list[Any], how: Placed) -> list[Any]:
        given, seeded = (tuple(x is not None for x in part) for part in (cts, seeds))
        same = tuple((i, first) for i, first in enumerate(how.twins) if i != first)
        found = self._backward.get((given, seeded, same))
        if found is None:
            found = self._backward[given, seeded, same] = self._swept(given, seeded, same)
        backward, flags = found
        avals = self._branches.avals()
        ends = [fitting(ct, aval) for ct, aval in zip(cts, avals, strict=True) if ct is not None]
        parts = iter(apply(backward, [*kept, *ends, *(x for x in seeds if x is not None)]))
        return [next(parts) if flag else None for flag in flags]

    def _swept(
        self, given: Flags, seeded: Flags, same: tuple[tuple[int, int], ...]
    ) -> tuple[Branches, Flags]:
        pairs = [pair.backward(given, seeded, same) for pair in self._pairs]
        flags = _any_of([own for _, own in pairs])
        ends: dict[int, Aval] = {}
        for arm, own in pairs:
            places = [i for i, flag in enumerate(own) if flag]
            ends.update(zip(places, arm.outputs, strict=True))
        arms = [
            self._laid_out(pair, arm, places, (given, own, flags, ends))
            for pair, (arm, own), places in zip(self._pairs, pairs, self._places, strict=True)
        ]
        return self._branches._of(arms), flags

    def _laid_out(
        self, pair: Linearised, arm: Closed, places: Sequence[int], what: tuple[Any, ...]
    ) -> Closed:
        """A backward part with the inputs and results that all arms have."""
        given, own, flags, ends = what
        sheet = Sheet(arm.program.name)
        layout = [sheet.input(*outline) for outline in self._layout]
        operands: list[Any] = [layout[place] for place in places]
        avals = self._branches.avals()
        for flag, moved, aval in zip(given, pair.moved, avals, strict=True):
            if flag:
                ct = sheet.input(aval.shape, aval.dtype)
                if moved:
                    operands.append(ct)
        operands += sheet.inputs_like(arm.program.inputs[len(operands) :])
        found = iter(sheet.call(arm, operands))
        return sheet.closed(
            [
                next(found) if mine else Zeros(ends[i].shape, ends[i].dtype)
                for i, (mine, flag) in enumerate(zip(own, flags, strict=True))
                if flag
            ]
        )


def _slots_of(pair: Linearised, slots: list[Any]) -> dict[int, int]:
    """Places for the residuals among the results of the forward part; new ones are added."""
    free = list(range(len(slots)))
    own: dict[int, int] = {}
    outputs = pair.forward.program.outputs
    for j in sorted({~i for i in pair.residuals if i < 0}):
        outline = outline_of(outputs[j])
        place = next((i for i in free if slots[i] == outline), None)
        if place is None:
            place = len(slots)
            slots.append(outline)
        else:
            free.remove(place)
        own[j] = place
    return own


def _with_residuals(arm: Closed, count: int, own: dict[int, int], slots: list[Any]) -> Closed:
    """The forward part with the residuals of all arms, of which it has its own only."""
    kept: list[Any] = [Padding(*outline) for outline in slots]
    for j, place in own.items():
        kept[place] = arm.program.outputs[j]
    return _returning(arm, (*arm.program.outputs[:count], *kept))


# --- from the user's functions ----------------------------------------------------------------


def chosen_by_equation(
    transform: str,
    index: Any,
    functions: Sequence[Callable[..., Any]],
    operands: Sequence[Any],
    *,
    boolean: bool,
) -> Any:
    """The result of the chosen function, as one equation.

    Args:
        transform: name of what the user called.
        index: a truth value (true is the first function) or an integer, written down somewhere.
        functions: of the operands.
        operands: pytrees.
        boolean: which of the two the index is.

    Raises:
        Misfit: if the functions cannot be written down without values, or are not alike.
    """
    with attempt():
        leaves, structure = tree.flatten(list(operands))
        outlook = Outlook(transform, functions, [index, *leaves])
        try:
            args = tree.unflatten(
                structure, [outlook.stage.enter(x) if is_operand(x) else x for x in leaves]
            )
            found = [outlook.written(function, args) for function in functions]
            shape = found[0][1]
            if any(other != shape for _, other, _ in found):
                raise Misfit
            starts = [start for _, _, start in found]
            ends = [*starts[1:], None]
            programs = [
                outlook.program(function_name(function), slice(start, end), outs)
                for function, (outs, _, start), end in zip(functions, found, ends, strict=True)
            ]
            _check_alike(programs)
            arms, inputs = outlook.closed(programs)
        finally:
            outlook.stage.close()
    if not arms[0].outputs:
        return tree.unflatten(shape, [])
    outs = apply(Branches(transform, arms, boolean=boolean), [index, *inputs])
    return tree.unflatten(shape, outs)


def _check_alike(programs: Sequence[Program]) -> None:
    """Refuse results of different shapes or kinds."""
    rows = [[outline_of(place) for place in program.outputs] for program in programs]
    if any(row != rows[0] for row in rows):
        raise Misfit
