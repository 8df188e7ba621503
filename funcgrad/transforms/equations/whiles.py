"""One equation for a loop that waits: x ← f(x) while p(x), and what the transforms make of it.

Nobody knows the number of steps before, so reverse mode cannot keep arrays of that length between
two equations. A `Waiting` is therefore several walks over the same steps. The first one goes on
while the condition holds; each walk can leave values at every step, and later ones, the same way or
back, find them there:

    while_loop      walk 0: x ← f(x)
    its pullback    walk 0: x ← f(x), leaving residuals; walk 1, back: ct ← ctᵀ ∂f

What is left lives inside of one equation only: a pullback walks forwards once more, and keeps the
operands of the loop. Derivatives of a `Waiting` are such walks again: forward mode makes each one
wider, reverse mode appends a walk back for each one, and `vmap` maps all steps; where examples wait
for different times, finished ones keep their value.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from typing_extensions import override

from funcgrad.core.program import Constant, Variable
from funcgrad.core.protocols import DISPATCH
from funcgrad.core.wengert import Aval
from funcgrad.families.shapes import in_front
from funcgrad.interpreters.batch import differs
from funcgrad.primitives.inspecting import any_p
from funcgrad.primitives.structural import where_p
from funcgrad.transforms.choice import every, guarded, some
from funcgrad.transforms.equations.branches_sheet import Sheet, outline_of
from funcgrad.transforms.equations.closed import Closed
from funcgrad.transforms.equations.derivation import NeedsValues
from funcgrad.transforms.equations.ends import Flags
from funcgrad.transforms.equations.structured import Reverse, Structured, apply, primitive_of
from funcgrad.transforms.equations.whiles_reverse import Back
from funcgrad.transforms.equations.whiles_walk import Walk, number_of

__all__ = ["Waiting", "while_p"]

while_p = primitive_of("while")


class Waiting(Structured):
    """Walks over steps, as many as the first one takes: operands ↦ the last states of all walks.

    The operands are the constants of all walks, then what their states start with.

    Attributes:
        going: `(constants, state of the first walk) ↦ whether there is a step`.
        walks: the walks.
        consts: number of constants.
    """

    __slots__ = ("_found", "consts", "going", "walks")
    primitive = while_p

    def __init__(self, going: Closed, walks: Sequence[Walk], consts: int) -> None:
        self.going = going
        self.walks = tuple(walks)
        self.consts = consts
        self._found: dict[Any, Any] = {}

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Waiting)
            and self.going == other.going
            and self.walks == other.walks
            and self.consts == other.consts
        )

    def __hash__(self) -> int:
        return hash((self.going, self.walks, self.consts))

    def __repr__(self) -> str:
        return f"<{' then '.join(walk.step.program.name for walk in self.walks)}>"

    def like(self, walks: Sequence[Walk]) -> "Waiting":
        """Other walks over the same steps."""
        return Waiting(self.going, walks, self.consts)

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """What is made once for each key."""
        found = self._found.get(key)
        if found is None:
            found = self._found.setdefault(key, make())
        return found

    def parted(self, per_leaf: Sequence[Any]) -> tuple[list[Any], list[list[Any]]]:
        """What belongs to operands: of the constants, and of what the states start with."""
        taken = iter(per_leaf)
        consts = [next(taken) for _ in range(self.consts)]
        return consts, [[next(taken) for _ in range(sum(w.given))] for w in self.walks]

    # values -------------------------------------------------------------------------------------
    @override
    def run(self, leaves: Sequence[Any]) -> list[Any]:
        consts, starts = self.parted(leaves)
        first, *others = self.walks
        state = first.start(self.consts, starts[0])
        masks: list[Any] = []
        left: list[list[list[Any]]] = [[]]
        while True:
            mask = self._mask(consts, state)
            if mask is False:
                break
            state, leaving = _step(first, mask, consts, state, [])
            masks.append(mask)
            left[0].append(leaving)
        results = list(state)
        for walk, start in zip(others, starts[1:], strict=True):
            state = walk.start(self.consts, start)
            places = range(len(masks))
            rows: list[list[Any]] = []
            for k in reversed(places) if walk.back else places:
                found = [left[number][k][j] for number, j in walk.finds]
                state, leaving = _step(walk, masks[k], consts, state, found)
                rows.append(leaving)
            left.append(rows[::-1] if walk.back else rows)
            results += state
        return results

    def _mask(self, consts: Sequence[Any], state: Sequence[Any]) -> Any:
        """Whether there is a step; for which examples, if they differ."""
        going = self.going.run([*consts, *state])[0]
        if differs(going):
            for_some = some(going)
            if for_some is not None:
                return for_some and (bool(every(going)) or going)
        return bool(going)

    @override
    def avals(self) -> list[Aval]:
        return [aval for walk in self.walks for aval in walk.step.outputs[: walk.width]]

    @override
    def zeros(self) -> list[Any]:
        weak = [v.weak for walk in self.walks for v in walk.states(self.consts)]
        zeros = [zero for walk in self.walks for zero in walk.step.zeros()[: walk.width]]
        return [x.item() if flag else x for x, flag in zip(zeros, weak, strict=True)]

    @override
    def varying(self, flags: Sequence[bool | None]) -> Flags:
        consts, starts = self.parted(flags)
        return tuple(f for row in self.flow(consts, starts, _varying)[0] for f in row)

    def flow(
        self,
        consts: Sequence[Any],
        starts: Sequence[Sequence[Any]],
        through: Callable[[Closed, Sequence[Any]], Sequence[Any]],
    ) -> tuple[list[list[bool]], list[list[bool]]]:
        """Flags of all states and of what is left, from those of operands, over all steps."""
        states: list[list[bool]] = []
        left: list[list[bool]] = []
        for walk, start in zip(self.walks, starts, strict=True):
            taken = iter(start)
            state = [bool(flag and next(taken) is not False) for flag in walk.given]
            found = [left[number][j] for number, j in walk.finds]
            while True:
                out = through(walk.step, (*consts, *state, *found))
                again = [a or b for a, b in zip(state, out[: walk.width], strict=True)]
                if again == state:
                    break
                state = again
            states.append(state)
            left.append(list(out[walk.width :]))
        return states, left

    @override
    def inlined(self) -> "Waiting":
        going = self.going.inlined()
        walks = [replace(walk, step=walk.step.inlined()) for walk in self.walks]
        if going is self.going and walks == list(self.walks):
            return self
        return Waiting(going, walks, self.consts)

    # derivatives --------------------------------------------------------------------------------
    @override
    def reverse_of(self, active: Flags) -> Reverse:
        return Back.of(self, active, direct=True)

    @override
    def push(self, values: Sequence[Any], dots: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        moved = tuple(dot is not None for dot in dots)
        both, states = self.once(("push", moved), lambda: self._pushed(moved))
        consts, starts = self.parted(values)
        const_dots, start_dots = self.parted(dots)
        leaves = [*consts, *(dot for dot in const_dots if dot is not None)]
        for start, own in zip(starts, start_dots, strict=True):
            leaves += [*start, *(dot for dot in own if dot is not None)]
        found = iter(apply(both, leaves))
        outs: list[Any] = []
        tangents: list[Any] = []
        for walk, flags in zip(self.walks, states, strict=True):
            outs += [next(found) for _ in range(walk.width)]
            tangents += [next(found) if flag else None for flag in flags]
        return outs, tangents

    def _pushed(self, moved: Flags) -> tuple["Waiting", list[list[bool]]]:
        consts, starts = self.parted(moved)
        flow = self.flow(consts, starts, lambda step, flags: step.pushed(tuple(flags))[1])
        states, left = flow
        walks = []
        for number, walk in enumerate(self.walks):
            found = [left[n][j] for n, j in walk.finds]
            closed, out = walk.step.pushed((*consts, *states[number], *found))
            step = _regrouped(closed, out, (consts, states[number], found), left[number])
            finds = list(walk.finds)
            finds += [
                (n, self.walks[n].leaves + sum(left[n][:j])) for n, j in walk.finds if left[n][j]
            ]
            own = iter(starts[number])
            begun = [flag and next(own) for flag in walk.given]
            given = [
                *walk.given,
                *(b for b, flag in zip(begun, states[number], strict=True) if flag),
            ]
            width = walk.width + sum(states[number])
            walks.append(Walk(step, width, tuple(finds), walk.back, tuple(given)))
        sheet = Sheet(self.going.program.name)
        inputs = self.going.program.inputs
        first = sheet.inputs_like(inputs[: self.consts])
        _dots(sheet, inputs[: self.consts], consts)
        first += sheet.inputs_like(inputs[self.consts :])
        _dots(sheet, inputs[self.consts :], states[0])
        going = sheet.closed(sheet.call(self.going, first))
        return Waiting(going, walks, self.consts + sum(consts)), states

    # batches ------------------------------------------------------------------------------------
    @override
    def map(
        self, size: int, flags: Flags, values: Sequence[Any]
    ) -> tuple[list[Any], Sequence[bool]]:
        whole, states, first = self.once(("map", size, flags), lambda: self._mapped(size, flags))
        consts, starts = self.parted(values)
        start_flags = self.parted(flags)[1]
        leaves = list(consts)
        for walk, start, own, state in zip(self.walks, starts, start_flags, states, strict=True):
            wanted = [flag for flag, given in zip(state, walk.given, strict=True) if given]
            row = [
                in_front(size, x, batched=has) if need else x
                for x, has, need in zip(start, own, wanted, strict=True)
            ]
            if first is not None and walk is self.walks[0]:
                leaves += first.run([*consts, *walk.start(self.consts, row)])
            leaves += row
        results = apply(whole, leaves)
        if first is not None:
            results = results[1:]
        return results, [flag for row in states for flag in row]

    def _mapped(self, size: int, flags: Flags) -> tuple["Waiting", list[list[bool]], Closed | None]:
        """The loop for all examples, its batched states, and what says which examples begin."""
        consts, starts = self.parted(flags)
        states, left = self.flow(consts, starts, lambda step, own: step.mapped(size, tuple(own))[1])
        going, (apart,) = self.going.mapped(size, (*consts, *states[0]))
        weak = [[v.weak for v in walk.states(self.consts)] for walk in self.walks]
        if any(
            a and b for rows in zip(weak, states, strict=True) for a, b in zip(*rows, strict=True)
        ):
            raise NeedsValues
        if apart:
            states = [[not flag for flag in row] for row in weak]
            left = [[True] * walk.leaves for walk in self.walks]
            first = self.going.mapped(size, (*consts, *states[0]))[0]
            walks = self._masked_walks(consts)
            if len(walks) > 1:
                left[0].append(True)
            inner = Waiting(self.going, walks, self.consts)
            rows = [[True, *states[0]], *states[1:]]
            anyone = _any_going(size, first, self.consts)
            return inner._whole(anyone, size, consts, rows, left), states, first
        return self._whole(going, size, consts, states, left), states, None

    def _whole(
        self,
        going: Closed,
        size: int,
        consts: Sequence[bool],
        states: Sequence[Sequence[bool]],
        left: Sequence[Sequence[bool]],
    ) -> "Waiting":
        walks = []
        for number, walk in enumerate(self.walks):
            found = [left[n][j] for n, j in walk.finds]
            needed = (*states[number], *left[number])
            step, _ = walk.step.mapped(size, (*consts, *states[number], *found), needed)
            walks.append(Walk(step, walk.width, walk.finds, walk.back, walk.given))
        return Waiting(going, walks, self.consts)

    def _masked_walks(self, consts: Sequence[bool]) -> list[Walk]:
        """For one example: walks whose steps change nothing where the example has finished.

        The state of the first one begins with whether the example goes on, and it leaves that.
        """
        first = self.walks[0]
        walks = []
        for walk in self.walks:
            sheet = Sheet(walk.step.program.name)
            inputs = walk.step.program.inputs
            begin, end = self.consts, self.consts + walk.width
            operands = sheet.inputs_like(inputs[:begin])
            mask: Any = sheet.input((), bool) if walk is first else None
            state = sheet.inputs_like(inputs[begin:end])
            found = sheet.inputs_like(inputs[end:])
            if mask is None:
                mask = sheet.input((), bool)
            own = [*operands, *state, *found]
            chosen = [*consts, *(not outline_of(x)[2] for x in (*state, *found))]
            given = [
                sheet.guarded(mask, x) if flag else x for x, flag in zip(own, chosen, strict=True)
            ]
            outs = sheet.call(walk.step, given)
            new = [_kept(sheet, mask, *pair) for pair in zip(outs, state, strict=False)]
            if walk is first:
                again = sheet.call(self.going, [*operands, *new])
                left = [mask] if len(self.walks) > 1 else []
                step = sheet.closed([*again, *new, *outs[walk.width :], *left])
                walks.append(Walk(step, 1 + walk.width, walk.finds, walk.back, (True, *walk.given)))
            else:
                step = sheet.closed([*new, *outs[walk.width :]])
                finds = (*walk.finds, (0, first.leaves))
                walks.append(Walk(step, walk.width, finds, walk.back, walk.given))
        return walks


def _varying(step: Closed, flags: Sequence[Any]) -> Sequence[bool]:
    return step.varying(flags)


def _step(
    walk: Walk, mask: Any, consts: Sequence[Any], state: Sequence[Any], found: Sequence[Any]
) -> tuple[list[Any], list[Any]]:
    """One step, for all examples or for those of a mask."""
    values = [*consts, *state, *found]
    if mask is not True:
        values = [guarded(mask, x) for x in values]
    outs = walk.step.run(values)
    new = []
    for variable, a, b in zip(walk.states(len(consts)), outs, state, strict=False):
        if variable.weak:
            new.append(number_of(a, variable))
        else:
            new.append(a if mask is True else DISPATCH[np.where](mask, a, b))
    return new, outs[walk.width :]


def _dots(sheet: Sheet, places: Sequence[Any], flags: Sequence[bool]) -> list[Any]:
    """Inputs for the tangents of flagged ones."""
    return [
        sheet.input(*outline_of(place)[:2]) if flag else None
        for place, flag in zip(places, flags, strict=True)
    ]


def _regrouped(
    closed: Closed,
    out: Flags,
    groups: tuple[Sequence[bool], Sequence[bool], Sequence[bool]],
    left: Sequence[bool],
) -> Closed:
    """A pushed step with the tangents of each group of inputs and results behind the group."""
    sheet = Sheet(closed.program.name)
    inputs = iter(closed.program.inputs)
    values: list[Any] = []
    dots: list[Any] = []
    for flags in groups:
        own = [next(inputs) for _ in flags]
        values += sheet.inputs_like(own)
        dots += _dots(sheet, own, flags)
    outs = sheet.call(closed, [*values, *(dot for dot in dots if dot is not None)])
    tangents = iter(outs[len(out) :])
    found = [next(tangents) if flag else None for flag in out]
    width = len(groups[1])
    wanted = [*groups[1], *left]
    full = [
        _zeros_like(place) if dot is None else dot
        for dot, place in zip(found, outs[: len(out)], strict=True)
    ]
    chosen = [dot if flag else None for dot, flag in zip(full, wanted, strict=True)]
    return sheet.closed(
        [
            *outs[:width],
            *(dot for dot in chosen[:width] if dot is not None),
            *outs[width : len(out)],
            *(dot for dot in chosen[width:] if dot is not None),
        ]
    )


def _zeros_like(place: Any) -> Constant:
    shape, dtype, _ = outline_of(place)
    return Constant(np.zeros(shape, dtype)[()])


def _kept(sheet: Sheet, mask: Variable, new: Any, old: Any) -> Any:
    """The old value of a finished example. A Python number is one for all, and counts steps."""
    if outline_of(old)[2]:
        return new
    return sheet.write(where_p, (mask, new, old), {}, outline_of(old)[:2])


def _any_going(size: int, first: Closed, consts: int) -> Closed:
    """Whether any example goes on: the condition of the loop for all of them."""
    sheet = Sheet(first.program.name)
    inputs = first.program.inputs
    sheet.inputs_like(inputs[:consts])
    mask = sheet.input((size,), bool)
    sheet.inputs_like(inputs[consts:])
    return sheet.closed(
        [sheet.write(any_p, (mask,), {"axis": (-1,), "keepdims": False}, ((), bool))]
    )
