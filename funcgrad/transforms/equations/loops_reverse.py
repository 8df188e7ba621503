"""The reverse mode of a loop: a loop that goes the other way.

The order in which cotangents are added is that of the unrolled loop, so the sums are the same to
the last bit. What the sweep has found so far of a constant is what its running sum starts with. A
carry that is a result too, and is read several times, has the cotangent of that result as the first
term of its sum: it is given to the step that read it, as one more slice. Parts that are taken of a
constant have a sum of their own, as in `funcgrad.primitives.slicing`. Where a first carry is a
constant too, or sums of parts begin, the first steps are swept over one by one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import Any

import numpy as np
from typing_extensions import override

from funcgrad.core.program import Constant, Program, Variable
from funcgrad.core.wengert import Aval
from funcgrad.families.shapes import shape_of
from funcgrad.primitives.slicing import sum_of_parts
from funcgrad.transforms.equations.closed import Closed
from funcgrad.transforms.equations.ends import Flags, fitting
from funcgrad.transforms.equations.loops_sweep import (
    Parts,
    Plan,
    Residual,
    Sweep,
    lagged,
    uses_of,
)
from funcgrad.transforms.equations.structured import Placed, Reverse, apply

__all__ = ["Backwards"]


@dataclass(frozen=True, slots=True)
class _Stacks:
    """What the forward loop returns.

    Attributes:
        values: the outputs of its body.
        axes: along which each is stacked.
        carries: number of outputs that are not.
    """

    values: list[Variable | Constant]
    axes: list[int]
    carries: int

    def found(self, value: Any, carry: int | None = None) -> tuple[str, int, Residual]:
        """A residual that is stacked; it becomes an output if it is none yet."""
        for place in range(self.carries, len(self.values)):
            if self.values[place] is value:
                break
        else:
            place = len(self.values)
            self.values.append(value)
            self.axes.append(0)
        return "result", place, Residual("slice", axis=self.axes[place], carry=carry)


class Backwards(Reverse):
    """The reverse mode of a loop by some of its operands.

    Args:
        loop: the loop.
        leaves: for each input of the body whether it comes from an active operand.
        active: which inputs of the body may have a derivative in any step.
        again: as in `suited`.
        direct: as in `suited`.
    """

    __slots__ = (
        "_active",
        "_forward",
        "_hoisted",
        "_kept",
        "_leaves",
        "_plans",
        "inputs",
        "lin",
        "loop",
        "residuals",
        "sums",
    )

    def __init__(
        self, loop: Any, leaves: Flags, active: Flags, *, again: bool, direct: bool
    ) -> None:
        self.loop = loop
        self.inputs = [i for i, flag in enumerate(active) if flag]
        self._leaves = leaves
        self._active = active
        self.lin = loop.body.linearised(active, direct=direct, consts=loop.consts)
        self.sums = [self.inputs[k] for k in self.lin.parted]
        self._kept: list[int] = []  # places among inputs of the body, results and hoisted values
        self._plans: dict[Flags, Plan] = {}
        self._forward, self._hoisted, self.residuals = self._divided(again)

    @classmethod
    def of(
        cls, loop: Any, leaves: Flags, active: Flags, *, again: bool, direct: bool
    ) -> "Backwards":
        """The one for this loop, which is kept."""
        key = ("reverse", replace(loop, body=None), leaves, again, direct)
        found: Backwards = loop.body.once(
            key, lambda: cls(loop, leaves, active, again=again, direct=direct)
        )
        return found

    @override
    def suited(self, *, again: bool, direct: bool) -> "Backwards":
        return Backwards.of(self.loop, self._leaves, self._active, again=again, direct=direct)

    @property
    @override
    def parted(self) -> list[int]:
        return [sum(self._leaves[:i]) for i in self.sums]

    # forwards -----------------------------------------------------------------------------------
    def _divided(self, again: bool) -> tuple[Any, Closed | None, list[Residual]]:
        """The forward loop, what is computed once, and where residuals are found."""
        loop, lin = self.loop, self.lin
        c, n, own = loop.consts, loop.carries, len(loop.body.outputs)
        program = lin.forward.program
        inputs, outputs = program.inputs, program.outputs
        steady = [
            i < c or (i < c + n and loop.started[i - c] and outputs[i - c] is inputs[i])
            for i in range(len(inputs))
        ]
        varies = lin.forward.varying([not flag for flag in steady])
        stacks = _Stacks(list(outputs[:own]), [*((0,) * n), *loop.y_axes], n)
        once: list[Any] = []
        found: list[tuple[str, int, Residual]] = []  # table, place in it, what it is there
        for place in lin.residuals:
            if place >= c + n + len(loop.x_axes):
                found.append(("", 0, Residual("index")))
            elif place >= c + n and not again:
                axis = loop.x_axes[place - c - n]
                found.append(("input", place, Residual("slice", axis=axis)))
            elif place >= 0 and steady[place]:
                found.append(("input", place, Residual("const")))
            elif place < 0 and not varies[~place] and not again and ~place >= own:
                found.append(("once", len(once), Residual("const")))
                once.append(outputs[~place])
            elif c <= place < c + n and isinstance(outputs[place - c], Variable):
                found.append(stacks.found(outputs[place - c], place - c))
            else:
                found.append(stacks.found(inputs[place] if place >= 0 else outputs[~place]))

        def part(results: Sequence[Any]) -> Closed:
            one = Program(program.name, inputs, program.items, tuple(results)).pruned()
            return Closed(one, written=False)

        forward = loop
        if len(stacks.values) > own:
            forward = replace(loop, body=part(stacks.values), y_axes=tuple(stacks.axes[n:]))
        begin = {"input": 0, "result": len(inputs), "once": len(inputs) + len(stacks.values)}
        residuals = []
        for table, place, residual in found:
            if table:
                residual = residual._replace(source=self._keep(begin[table] + place))
            if residual.carry is not None and loop.started[residual.carry]:
                self._keep(c + residual.carry)
            residuals.append(residual)
        return forward, part(once) if once else None, residuals

    def _keep(self, place: int) -> int:
        """The place of a value among what is kept."""
        if place not in self._kept:
            self._kept.append(place)
        return self._kept.index(place)

    @override
    def forward(self, values: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        loop = self.loop
        results = apply(self._forward, values)
        inputs = loop.spread(values, None)
        everything = [*inputs, *results]
        if self._hoisted is not None:
            everything += self._hoisted.run(inputs)
        return results[: len(loop.body.outputs)], [everything[i] for i in self._kept]

    # backwards ----------------------------------------------------------------------------------
    @override
    def pull(self, kept: Sequence[Any], cts: list[Any], seeds: list[Any], how: Placed) -> list[Any]:
        taken = iter(seeds)
        found = [next(taken) if flag else None for flag in self._leaves]
        before = how.parts or (0,) * len(self.sums)
        sums = {
            i: Parts(None if seed is None else seed.dense(), count)
            for i, count, seed in zip(self.sums, before, chain(taken, repeat(None)), strict=False)
        }
        given = [
            fitting(ct, aval) if ct is not None and moved else None
            for ct, aval, moved in zip(cts, self.loop.avals(), self.lin.moved, strict=False)
        ]
        if any(ct is not None for ct in given):
            residuals = [self._residual(r, kept) for r in self.residuals]
            found = Sweep(self, residuals, given, found, sums, self._same(how.twins)).done()
        totals = [x for x, flag in zip(found, self._leaves, strict=True) if flag]
        for k, parts in zip(self.parted, sums.values(), strict=True):
            x, so_far = parts.total, totals[k]
            if how.parts is not None:
                totals.append(None if x is None else sum_of_parts(x, shape_of(x)))
            elif x is not None:
                totals[k] = x if so_far is None else so_far + x
        return totals

    def _same(self, twins: Sequence[int]) -> dict[int, int]:
        """Inputs of the body whose first values are those of other ones, by input."""
        inputs = [i for i, flag in enumerate(self._leaves) if flag]
        c, stop = self.loop.consts, self.loop.consts + self.loop.carries
        pairs = ((inputs[k], inputs[first]) for k, first in enumerate(twins) if k != first)
        return {i: j for i, j in pairs if c <= i < stop and j < stop}

    def _residual(self, residual: Residual, kept: Sequence[Any]) -> Any:
        """What stands for a residual."""
        if residual.kind == "index":
            return None
        x, carry, loop = kept[residual.source], residual.carry, self.loop
        if carry is None:
            return x
        first = kept[self._keep(loop.consts + carry)] if loop.started[carry] else None
        own = loop.carry_inputs[carry]
        return lagged(x, residual.axis, first, own, reverse=loop.reverse)

    def _number(self, i: int) -> int:
        """The place of an input of the body among the active ones."""
        return sum(self._active[:i])

    def aval(self, i: int) -> Aval:
        """Shape and dtype of the cotangent of an input."""
        aval = self.lin.cotangent(self._number(i))
        v = self.loop.body.program.inputs[i]
        return Aval(v.shape, v.dtype) if aval is None else aval

    def padded(self, given: Flags) -> Flags:
        """Flags of all results of the forward program."""
        return (*given, *((False,) * (len(self.lin.moved) - len(given))))

    def shifted(self, ys: frozenset[int]) -> dict[int, int]:
        """For carries that are read several times: the result among `ys` that is the same value."""
        program = self.loop.body.program
        found: dict[int, int] = {}
        outputs = program.outputs
        for i, v in enumerate(self.loop.carry_inputs):
            if (
                self.lin.moved[i]
                and self._active[self.loop.consts + i]
                and outputs[i] not in program.inputs
                and uses_of(program, v) > 1
            ):
                same = [j for j in sorted(ys) if outputs[j] is outputs[i]]
                same = [j for j in same if j not in found.values()]
                if same:
                    found[i] = same[-1]
        return found

    def plan(self, given: Flags) -> Plan:
        """The backward loop for these results."""
        found = self._plans.get(given)
        if found is None:
            found = self._plans.setdefault(given, self._planned(given))
        return found

    def _planned(self, given: Flags) -> Plan:
        loop, lin = self.loop, self.lin
        c, n, own = loop.consts, loop.carries, len(given)
        ys = frozenset(j for j in range(n, own) if given[j])
        shifted = self.shifted(ys)
        carried = {i for i in range(n) if given[i]} | set(shifted)
        while True:
            sources = loop.body.sources({*ys, *(i for i in carried if lin.moved[i])})
            again = {i for i in range(n) if c + i in sources and self._active[c + i]}
            if again <= carried:
                break
            carried |= again
        reached = [
            flag and i in sources and lin.cotangent(self._number(i)) is not None
            for i, flag in enumerate(self._active)
        ]
        marked = tuple(
            lin.moved[j] and (j in carried if j < n else j in ys and j not in shifted.values())
            for j in range(own)
        )
        sums = [i for i in self.sums if i in sources]
        seeded = (
            *(reached[i] if i < c else i - c in shifted for i in self.inputs),
            *(i in sources for i in self.sums),
        )
        closed, flags = lin.backward(self.padded(marked), seeded)
        ends = iter(closed.program.outputs)
        found = {i: next(ends) for i, flag in zip(self.inputs, flags, strict=False) if flag}
        plan = Plan(
            closed,
            sorted(carried),
            [i for i in self.inputs if i < c and reached[i]],
            sums,
            [j for j in range(n, own) if marked[j]],
            shifted,
            [i for i in self.inputs if i >= c + n and i in found],
        )
        return plan._replace(body=self._arranged(plan, closed.program, marked, seeded, found))

    def _arranged(
        self,
        plan: Plan,
        program: Program,
        marked: Flags,
        seeded: Flags,
        found: dict[int, Any],
    ) -> Closed:
        """The backward program with its inputs and outputs in the order that a loop has."""
        loop, c = self.loop, self.loop.consts
        taken = iter(program.inputs)
        residuals = [(next(taken), r.kind) for r in self.residuals]
        cts = {j: next(taken) for j, flag in enumerate(marked) if flag}
        seeds = {i: next(taken) for i, flag in zip(self.inputs, seeded, strict=False) if flag}
        part_seeds = [next(taken) for _ in plan.sums]
        part_ends = program.outputs[len(program.outputs) - len(plan.sums) :]
        extra = len(program.inputs) + sum(len(e.results) for e in program.equations)
        carried_in: list[Variable] = []
        carried_out: list[Variable | Constant] = []
        for i in plan.carried:
            v = loop.carry_inputs[i]
            if i not in cts:  # nobody reads it
                extra += 1
                cts[i] = Variable(extra, v.shape, v.dtype)
            carried_in.append(cts[i])
            carried_out.append(found[c + i] if c + i in found else Constant(_zeros(v)))
        index = [v for v, kind in residuals if kind == "index"]
        if loop.first is not None and not index:
            extra += 1
            index = [Variable(extra, (), np.dtype(np.int64), weak=True)]
        return Closed(
            Program(
                program.name,
                (
                    *(v for v, kind in residuals if kind == "const"),
                    *carried_in,
                    *(seeds[i] for i in plan.added),
                    *part_seeds,
                    *(v for v, kind in residuals if kind == "slice"),
                    *(cts[j] for j in plan.given),
                    *(seeds[c + i] for i in plan.shifted),
                    *index,
                ),
                program.items,
                (
                    *carried_out,
                    *(found[i] for i in plan.added),
                    *part_ends,
                    *(found[i] for i in plan.stacked),
                ),
            ),
            written=False,
        )


def _zeros(v: Variable) -> Any:
    return np.zeros(v.shape, v.dtype)[()]
