"""The reverse mode of a loop that waits: its walks once more, then one back for each.

The walks forwards leave residuals, those back find them. A walk back carries the cotangents of the
state, and for each constant the sum of its cotangents, which starts with what the sweep around has
found so far: all is added in the order of the unrolled loop. What a walk has left, and a later one
has found, has a cotangent too, which the later one leaves on its way back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, repeat
from typing import Any

from typing_extensions import override

from funcgrad.core.primitive import PRIMITIVES
from funcgrad.core.program import Variable
from funcgrad.core.wengert import Aval
from funcgrad.families.shapes import shape_of
from funcgrad.primitives.slicing import sum_of_parts
from funcgrad.transforms.equations.branches_sheet import Padding, Sheet, Zeros, outline_of
from funcgrad.transforms.equations.closed import Closed
from funcgrad.transforms.equations.derivation import NeedsValues
from funcgrad.transforms.equations.ends import Flags, fitting
from funcgrad.transforms.equations.linearised import Linearised
from funcgrad.transforms.equations.structured import Placed, Reverse, apply
from funcgrad.transforms.equations.whiles_walk import Walk

__all__ = ["Back"]


@dataclass(slots=True)
class _BackWalk:
    """What a walk back carries.

    Attributes:
        cts: numbers of the results whose cotangents it starts with, or finds.
        sums: constants whose cotangents it adds up, and what they are like; `~i` stands for the
            parts that are taken of constant i.
        seeded: which of the sums start with what is known before.
    """

    cts: list[int]
    sums: list[tuple[int, Aval]]
    seeded: set[int]


@dataclass(slots=True)
class _Plan:
    """All walks, and what their operands and results are.

    Attributes:
        whole: the walks.
        backs: what those back carry.
        operands: by number of a result the operand that its state starts with.
    """

    whole: Any
    backs: list[_BackWalk]
    operands: list[int | None]


class Back(Reverse):
    """The reverse mode of walks by some operands."""

    __slots__ = ("_active", "_plans", "consts", "found", "lins", "loop", "states", "sums")

    @classmethod
    def of(cls, loop: Any, active: Flags, *, direct: bool) -> "Back":
        """The one of these, which is made once; `direct` as in `Closed.linearised`."""
        found: Back = loop.once(
            ("reverse", active, direct), lambda: cls(loop, active, direct=direct)
        )
        return found

    def __init__(self, loop: Any, active: Flags, *, direct: bool) -> None:
        self.loop = loop
        self._active = active
        self.consts, starts = loop.parted(active)
        self.states, left = loop.flow(self.consts, starts, lambda step, flags: step.active(flags))
        self.found = [[left[n][j] for n, j in walk.finds] for walk in loop.walks]
        self.lins = [
            walk.step.linearised((*self.consts, *states, *found), direct=direct, consts=loop.consts)
            for walk, states, found in zip(loop.walks, self.states, self.found, strict=True)
        ]
        chosen = [i for i, flag in enumerate(self.consts) if flag]
        self.sums = sorted({chosen[k] for lin in self.lins for k in lin.parted})
        self._plans: dict[Any, _Plan] = {}

    @property
    @override
    def parted(self) -> list[int]:
        return [sum(self._active[:i]) for i in self.sums]

    @override
    def suited(self, *, again: bool, direct: bool) -> "Back":
        return Back.of(self.loop, self._active, direct=direct)

    @override
    def forward(self, values: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        return apply(self.loop, values), list(values)

    @override
    def pull(self, kept: Sequence[Any], cts: list[Any], seeds: list[Any], how: Placed) -> list[Any]:
        taken = iter(seeds)
        before = {i: next(taken) if flag else None for i, flag in enumerate(self._active)}
        for i, seed in zip(self.sums, chain(taken, repeat(None)), strict=False):
            before[~i] = None if seed is None else seed.dense()
        key = (
            tuple(ct is not None for ct in cts),
            frozenset(i for i, x in before.items() if i < self.loop.consts and x is not None),
        )
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans.setdefault(key, _Planner(self, *key).plan())
        avals = self.loop.avals()
        leaves = list(kept)
        for row in plan.backs:
            leaves += [fitting(cts[i], avals[i]) for i in row.cts if cts[i] is not None]
            leaves += [fitting(before[i], aval) for i, aval in row.sums if i in row.seeded]
        results = iter(apply(plan.whole, leaves)[len(avals) :])
        totals = dict(before)
        for row in plan.backs:
            for i in row.cts:
                ct, operand = next(results), plan.operands[i]
                if operand is not None and self._active[operand]:
                    so_far = totals[operand]
                    totals[operand] = ct if so_far is None else so_far + ct
            for i, _ in row.sums:
                ct, so_far = next(results), totals[i]
                totals[i] = ct if i in row.seeded or so_far is None else so_far + ct
        for i in self.sums:
            if how.parts is None:  # they belong to the constants themselves
                x, so_far = totals[~i], totals[i]
                totals[i] = x if so_far is None else so_far if x is None else so_far + x
        found = [totals[i] for i, flag in enumerate(self._active) if flag]
        if how.parts is not None:
            sums = [totals[~i] for i in self.sums]
            found += [None if x is None else sum_of_parts(x, shape_of(x)) for x in sums]
        return found


@dataclass(slots=True)
class _Planner:
    """Makes the walks for some results that have a cotangent.

    Attributes:
        of: the reverse mode.
        given: which results have one.
        seeded: constants of which a part of the cotangent is known.
        left: by walk what its step leaves for the walks back, beside what it leaves anyway.
        found: by walk and what it leaves, where the cotangents of that are found.
    """

    of: Back
    given: Flags
    seeded: frozenset[int]
    left: list[list[Any]] = field(default_factory=list)
    found: dict[tuple[int, int], list[tuple[int, int]]] = field(default_factory=dict)

    def plan(self) -> _Plan:
        """The whole."""
        loop = self.of.loop
        self.left = [[] for _ in loop.walks]
        pending = set(self.seeded)
        backs: list[_BackWalk] = []
        walks: list[Walk] = []
        for number in reversed(range(len(loop.walks))):
            walk, row = self._walk_back(number, len(loop.walks) + len(walks), pending)
            pending -= row.seeded
            walks.append(walk)
            backs.append(row)
        forwards = [
            Walk(
                _returning(lin.forward, walk, extra),
                walk.width,
                walk.finds,
                walk.back,
                walk.given,
            )
            for walk, lin, extra in zip(loop.walks, self.of.lins, self.left, strict=True)
        ]
        operands: list[int | None] = []
        place = loop.consts
        for walk in loop.walks:
            for flag in walk.given:
                operands.append(place if flag else None)
                place += flag
        return _Plan(loop.like([*forwards, *walks]), backs, operands)

    def _begin(self, number: int) -> int:
        """The number of the first result of a walk."""
        width: int = sum(walk.width for walk in self.of.loop.walks[:number])
        return width

    def _walk_back(self, number: int, own_number: int, pending: set[int]) -> tuple[Walk, _BackWalk]:
        of, loop = self.of, self.of.loop
        walk: Walk = loop.walks[number]
        lin: Linearised = of.lins[number]
        begin = self._begin(number)
        states: list[bool] = of.states[number]
        known = [(number, j) in self.found for j in range(walk.leaves)]
        active = [*of.consts, *states, *of.found[number]]
        chosen = [i for i, flag in enumerate(active) if flag]
        sums = [
            (i, aval)
            for k, i in enumerate(chosen)
            if i < loop.consts and (aval := lin.cotangent(k)) is not None
        ]
        adds = {i for i, _ in sums}
        parted = [chosen[k] for k in lin.parted]
        sums += [(~i, Aval(*outline_of(walk.step.program.inputs[i])[:2])) for i in parted]
        carried = [flag and self.given[begin + i] for i, flag in enumerate(states)]
        while True:
            seeded = *(i in adds for i in chosen), *(True for _ in parted)
            closed, ends = lin.backward((*carried, *known), seeded)
            has = {i for i, flag in zip(chosen, ends, strict=False) if flag}
            again = [a or loop.consts + i in has for i, a in enumerate(carried)]
            if again == carried:
                break
            carried = again
        sheet = Sheet(closed.program.name)
        inputs = walk.step.program.inputs
        consts = sheet.inputs_like(inputs[: loop.consts])
        outputs = walk.step.program.outputs
        cts = [
            sheet.input(*outline_of(outputs[i])[:2]) if flag else None
            for i, flag in enumerate(carried)
        ]
        totals = {i: sheet.input(aval.shape, aval.dtype) for i, aval in sums}
        finds: list[tuple[int, int]] = []
        residuals = self._residuals(number, closed, consts, sheet, finds)
        ct_finds: list[Any] = [
            self._total(sheet, (number, j), outputs[walk.width + j], finds) if flag else None
            for j, flag in enumerate(known)
        ]
        ends_in = [ct for ct, moved in zip([*cts, *ct_finds], lin.moved, strict=True) if moved]
        outs = iter(
            sheet.call(
                closed,
                [
                    *residuals,
                    *(ct for ct in ends_in if ct is not None),
                    *(totals[i] for i in chosen if i in adds),
                    *(totals[~i] for i in parted),
                ],
            )
        )
        parts = {i: next(outs) for i in (*(i for i in chosen if i in has), *(~i for i in parted))}
        new = [
            parts.get(loop.consts + i) or _zeros_like(outputs[i])
            for i, flag in enumerate(carried)
            if flag
        ]
        new += [parts[i] for i, _ in sums]
        leaving: list[Any] = []
        for k, source in enumerate(walk.finds):
            place = loop.consts + walk.width + k
            if place in parts:
                self.found.setdefault(source, []).append((own_number, len(leaving)))
                leaving.append(parts[place])
        starts = {i for i, _ in sums} & pending
        row = _BackWalk([begin + i for i, flag in enumerate(carried) if flag], sums, starts)
        given = (*(self.given[i] for i in row.cts), *(i in row.seeded for i, _ in sums))
        step = sheet.closed([*new, *leaving])
        for v, out in zip(step.program.inputs[loop.consts :], new, strict=False):
            if outline_of(v)[:2] != outline_of(out)[:2]:
                raise NeedsValues
        return Walk(step, len(new), tuple(finds), not walk.back, given), row

    def _residuals(
        self,
        number: int,
        closed: Closed,
        consts: Sequence[Any],
        sheet: Sheet,
        finds: list[tuple[int, int]],
    ) -> list[Any]:
        """What the backward program reads first; what is to be left for it is noted."""
        loop = self.of.loop
        walk: Walk = loop.walks[number]
        lin: Linearised = self.of.lins[number]
        program = lin.forward.program
        used = {
            o.number
            for item in closed.program.equations
            for o in item.operands
            if isinstance(o, Variable)
        } | {o.number for o in closed.program.outputs if isinstance(o, Variable)}
        found: list[Any] = []
        known: dict[tuple[int, int], Any] = {}
        for place, variable in zip(lin.residuals, closed.program.inputs, strict=False):
            if 0 <= place < loop.consts:
                found.append(consts[place])
                continue
            value = program.inputs[place] if place >= 0 else program.outputs[~place]
            if variable.number not in used:
                found.append(Padding(*outline_of(value)[:2]))
                continue
            if place >= loop.consts + walk.width:
                source = walk.finds[place - loop.consts - walk.width]
            elif walk.width <= ~place < walk.width + walk.leaves:
                source = (number, ~place - walk.width)
            else:
                extra = self.left[number]
                if all(value is not x for x in extra):
                    extra.append(value)
                at = next(k for k, x in enumerate(extra) if x is value)
                source = (number, walk.leaves + at)
            if source not in known:
                known[source] = sheet.input_like(value)
                finds.append(source)
            found.append(known[source])
        return found

    def _total(
        self, sheet: Sheet, source: tuple[int, int], like: Any, finds: list[tuple[int, int]]
    ) -> Any:
        """The cotangent of something left: the sum of what those who found it leave."""
        total: Any = None
        shape, dtype, _ = outline_of(like)
        for place in self.found[source]:
            part = sheet.input(shape, dtype)
            finds.append(place)
            total = (
                part
                if total is None
                else sheet.write(PRIMITIVES["add"], (total, part), {}, (shape, dtype))
            )
        return total


def _returning(forward: Closed, walk: Walk, extra: Sequence[Any]) -> Closed:
    """The forward part with what the walks back need."""
    program = forward.program
    own = program.outputs[: walk.width + walk.leaves]
    return Closed(replace(program, outputs=(*own, *extra)).pruned(), written=False)


def _zeros_like(place: Any) -> Zeros:
    shape, dtype, _ = outline_of(place)
    return Zeros(shape, dtype, negative=True)
