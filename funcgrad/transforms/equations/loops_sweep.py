"""One sweep over a loop: a backward loop, and single steps before and after it where they differ.

The first steps of a sweep are other ones if some of the last carries have no cotangent: what is not
there cannot be multiplied by an infinite derivative. The last step is another one if the sweep has
found something of a first carry already, to which the parts are added in turn.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from funcgrad.core.program import Variable
from funcgrad.core.protocols import DISPATCH
from funcgrad.core.wengert import Aval
from funcgrad.transforms.equations.closed import Closed
from funcgrad.transforms.equations.ends import Flags, fitting
from funcgrad.transforms.equations.linearised import MANY, Linearised
from funcgrad.transforms.equations.programs import Origins
from funcgrad.transforms.equations.structured import apply

__all__ = ["Plan", "Residual", "Sweep", "lagged", "nothing", "uses_of"]

STEPS = 4
"""So many steps are taken one by one at most, until all carries have cotangents."""


def nothing(aval: Aval) -> Any:
    """What an omitted carry starts with: −0, to which anything can be added without a change."""
    zero = complex(-0.0, -0.0) if aval.dtype.kind == "c" else -0.0
    return np.full(aval.shape, zero, aval.dtype)[()]


class Residual(NamedTuple):
    """Where a sweep finds what it needs of the forward loop.

    Attributes:
        kind: `"const"`, `"slice"` or `"index"`.
        source: among what is kept.
        axis: of a slice, the one to go along.
        carry: of slices that are those of the step before: the carry whose values they are.
    """

    kind: str
    source: int = 0
    axis: int = 0
    carry: int | None = None


class Plan(NamedTuple):
    """The backward loop for some results that have a cotangent.

    Attributes:
        body: its program.
        carried: the carries whose cotangents it carries.
        added: the constants whose cotangents it adds up.
        sums: the constants whose parts' cotangents it adds up.
        given: the results whose cotangents are its slices.
        shifted: `{carry: the result that is the same value}`: the cotangent of that result is the
            first term of the carry's, where a step reads it several times.
        stacked: the slices whose cotangents it finds.
    """

    body: Closed
    carried: list[int]
    added: list[int]
    sums: list[int]
    given: list[int]
    shifted: dict[int, int]
    stacked: list[int]


@dataclass(slots=True)
class Parts:
    """The sum of the cotangents of parts of a constant.

    Attributes:
        total: what has been found so far.
        before: number of parts (at most two) that were taken before the loop.
    """

    total: Any
    before: int


class Sweep:
    """The cotangents on their way from the last step to the first.

    Args:
        how: the reverse mode of the loop.
        residuals: what stands for the residuals: constants, slices of all steps.
        cts: of the results; `None` is zero.
        before: of the inputs of the body, as far as they have been found.
        sums: of parts of constants, likewise; changed.
        same: carries whose first values are those of constants or of other carries, by input.
    """

    def __init__(
        self,
        how: Any,
        residuals: Sequence[Any],
        cts: Sequence[Any],
        before: list[Any],
        sums: dict[int, Parts],
        same: dict[int, int],
    ) -> None:
        self.how = how
        self.loop = how.loop
        self.lin: Linearised = how.lin
        self.residuals = residuals
        self.n = self.loop.carries
        self.c = self.loop.consts
        self.before = before
        self.same = same
        self.sums = sums
        self.totals = list(before)
        self.singles = 0
        self.carry_cts = list(cts[: self.n])
        self.ys: dict[int, Any] = {
            j: ct for j, ct in enumerate(cts) if j >= self.n and ct is not None
        }
        self.low, self.high = 0, self.loop.length
        self.rows: dict[int, dict[int, Any]] = {}
        self.shifted: dict[int, int] = how.shifted(frozenset(self.ys))
        for i, j in self.shifted.items():
            ct, row = self.carry_cts[i], self._row(j, self._next())
            self.carry_cts[i] = row if ct is None else ct + row

    # places -------------------------------------------------------------------------------------
    def _next(self) -> int:
        """The next step to be swept over."""
        return self.low if self.loop.reverse else self.high - 1

    def _after(self, low: int, high: int) -> int | None:
        """The step that comes after those from `low` to `high`; `None` if there is none."""
        if self.loop.reverse:
            return high if high < self.loop.length else None
        return low - 1 if low else None

    def _row(self, j: int, place: int) -> Any:
        """The cotangent of a result of one step."""
        return _at(self.ys[j], self.loop.y_axes[j - self.n], place)

    def _seed(self, i: int, low: int, high: int) -> Any:
        """What there is of the cotangent of a carry that enters these steps; `None` is nothing."""
        place = self._after(low, high)
        if place is None:
            return self.before[self.c + i]
        return self._row(self.shifted[i], place) if i in self.shifted else None

    # sweeping -----------------------------------------------------------------------------------
    def done(self) -> list[Any]:
        """Cotangents by input of the body."""
        steps = 0
        while self.low < self.high and steps < STEPS and self._some_begin():
            self._step()
            steps += 1
        is_last = self._last_differs()
        self.singles = max(int(is_last), self._opening_steps())
        keep = min(self.singles, self.high - self.low)
        low, high = (
            (self.low, self.high - keep) if self.loop.reverse else (self.low + keep, self.high)
        )
        stacks = self._loop(low, high) if low < high else {}
        self.low, self.high = (high, self.high) if self.loop.reverse else (self.low, low)
        while self.low < self.high:
            self._step()
        for i in set(stacks) | set(self.rows):
            ct, seed = self._joined(i, stacks.get(i), low, high), self.before[i]
            self.totals[i] = ct if seed is None else seed + ct
        for i in range(self.n):
            ct, seed = self.carry_cts[i], self.before[self.c + i]
            if seed is None or i in self.shifted or is_last:
                self.totals[self.c + i] = seed if ct is None else ct
            else:
                self.totals[self.c + i] = seed if ct is None else seed + ct
        return self.totals

    def _given(self) -> Flags:
        own = len(self.loop.body.outputs)
        return tuple(
            self.lin.moved[j] and (self.carry_cts[j] is not None if j < self.n else j in self.ys)
            for j in range(own)
        )

    def _some_begin(self) -> bool:
        """Whether the next step finds a cotangent of a carry that has none yet.

        A carry that is a result, too, is given the cotangent of that result in any case.
        """
        outputs = self.loop.body.program.outputs
        return any(
            self.carry_cts[i] is None
            and self.lin.moved[i]
            and not any(outputs[j] is outputs[i] for j in self.ys)
            for i in self.how.plan(self._given()).carried
        )

    def _last_differs(self) -> bool:
        return bool(self.same) or any(
            self.before[self.c + i] is not None
            and i not in self.shifted
            and uses_of(self.loop.body.program, v) > 1
            for i, v in enumerate(self.loop.carry_inputs)
        )

    def _step(self) -> None:
        """Sweep over one step."""
        place, c, n = self._next(), self.c, self.n
        if self.loop.reverse:
            self.low += 1
        else:
            self.high -= 1
        seeds: dict[int, Any] = {}
        for i in self.how.inputs:
            if i < c:
                seed = self.totals[i]
                seeds[i] = None if seed is None else fitting(seed, self.how.aval(i))
            elif i < c + n:
                low, high = self._span(place)
                seed = self._seed(i - c, low, high)
                seeds[i] = None if seed is None else fitting(seed, self.how.aval(i))
        given = tuple(
            flag and j not in self.shifted.values() for j, flag in enumerate(self._given())
        )
        sums = {i: parts.total for i, parts in self.sums.items()}
        seeded = (
            *(seeds.get(i) is not None for i in self.how.inputs),
            *(sums[i] is not None for i in self.how.sums),
        )
        same = self.same if self._after(place, place + 1) is None else {}
        number = self.how.inputs.index
        pairs = tuple((number(i), number(j)) for i, j in same.items())
        closed, flags = self.lin.backward(
            self.how.padded(given), seeded, pairs, self._opening(place)
        )
        outs = iter(
            _noted(
                closed,
                [
                    *(self._residual(k, place) for k in range(len(self.residuals))),
                    *(
                        self.carry_cts[j] if j < n else self._row(j, place)
                        for j, flag in enumerate(given)
                        if flag
                    ),
                    *(seeds[i] for i in self.how.inputs if seeds.get(i) is not None),
                    *(sums[i] for i in self.how.sums if sums[i] is not None),
                ],
            )
        )
        self.carry_cts = [None] * n
        for i, flag in zip(self.how.inputs, flags, strict=False):
            if flag and i < c:
                self.totals[i] = next(outs)
            elif flag and i < c + n:
                self.carry_cts[i - c] = next(outs)
            elif flag:
                self.rows.setdefault(i, {})[place] = next(outs)
        for i, flag in zip(self.how.sums, flags[len(self.how.inputs) :], strict=True):
            self.sums[i].total = next(outs) if flag else None

    def _opening_steps(self) -> int:
        """In how many of the first steps sums of parts begin, beside other cotangents."""
        found = 0
        for i, count in zip(self.how.sums, self.lin.parted.values(), strict=True):
            number = self.how.inputs.index(i)
            direct = self.before[i] is not None or self.lin.cotangent(number) is not None
            if direct and count < MANY and self.sums[i].before < 2:
                found = max(found, 2 if self.sums[i].before + count == 1 else 1)
        return found

    def _opening(self, place: int) -> tuple[tuple[int, int], ...]:
        """For constants of which parts are taken for the first times in a step: how many before.

        See `Linearised.backward`.
        """
        step = self.loop.length - 1 - place if self.loop.reverse else place
        if step >= self._opening_steps():
            return ()
        found = []
        for i, (number, count) in zip(self.how.sums, self.lin.parted.items(), strict=True):
            before = self.sums[i].before + step * count
            if before < 2 and count < MANY:
                found.append((number, before))
        return tuple(found)

    def _span(self, place: int) -> tuple[int, int]:
        return place, place + 1

    def _residual(self, number: int, place: int) -> Any:
        kind, x = self.how.residuals[number].kind, self.residuals[number]
        if kind == "index":
            return self.loop.first + place
        return _at(x, self.how.residuals[number].axis, place) if kind == "slice" else x

    def _loop(self, low: int, high: int) -> dict[int, Any]:
        """Sweep over these steps by a loop; cotangents of slices by input."""
        loop, n = self.loop, self.n
        plan: Plan = self.how.plan(self._given())
        whole = low == 0 and high == loop.length

        def part(x: Any, axis: int) -> Any:
            return x if whole else x[(*(slice(None),) * axis, slice(low, high))]

        kinds = [r.kind for r in self.how.residuals]
        pairs = list(zip(self.how.residuals, self.residuals, strict=True))
        firsts = [self.carry_cts[i] for i in plan.carried]
        for i in plan.added:
            seed = self.totals[i]
            firsts.append(None if seed is None else fitting(seed, self.how.aval(i)))
        firsts += [self.sums[i].total for i in plan.sums]
        shifted = []
        for i, j in plan.shifted.items():
            axis = loop.y_axes[j - n]
            rest = part(self.ys[j], axis)
            first = self._seed(i, low, high)
            shifted.append(lagged(rest, axis, first, loop.carry_inputs[i], reverse=loop.reverse))
        axes = [r.axis for r in self.how.residuals if r.kind == "slice"]
        axes += [loop.y_axes[j - n] for j in (*plan.given, *plan.shifted.values())]
        backwards = replace(
            loop,
            body=plan.body,
            length=high - low,
            reverse=not loop.reverse,
            consts=kinds.count("const"),
            started=tuple(x is not None for x in firsts),
            x_axes=tuple(axes),
            y_axes=tuple(loop.x_axes[i - self.c - n] for i in plan.stacked),
            first=None if loop.first is None else loop.first + low,
        )
        results = iter(
            apply(
                backwards,
                [
                    *(x for r, x in pairs if r.kind == "const"),
                    *(x for x in firsts if x is not None),
                    *(part(x, r.axis) for r, x in pairs if r.kind == "slice"),
                    *(part(self.ys[j], loop.y_axes[j - n]) for j in plan.given),
                    *shifted,
                ],
            )
        )
        self.carry_cts = [None] * n
        for i in plan.carried:
            self.carry_cts[i] = next(results)
        for i in plan.added:
            self.totals[i] = next(results)
        for i in plan.sums:
            self.sums[i].total = next(results)
        return {i: next(results) for i in plan.stacked}

    def _joined(self, i: int, stack: Any, low: int, high: int) -> Any:
        """The cotangents of slices of all steps."""
        rows = self.rows.get(i)
        if rows is None and low == 0 and high == self.loop.length:
            return stack
        v = self.loop.body.program.inputs[i]
        axis = self.loop.x_axes[i - self.c - self.n]
        zero = np.zeros(v.shape, v.dtype)
        parts = []
        for place in range(self.loop.length):
            if low <= place < high and stack is not None:
                if place == low:
                    parts.append(stack)
            else:
                parts.append(DISPATCH[np.expand_dims]((rows or {}).get(place, zero), axis))
        return DISPATCH[np.concatenate](parts, axis=axis)


def _noted(closed: Closed, values: list[Any]) -> list[Any]:
    """The results, as operations of the lines that the closed program has them from."""
    origins = Origins(values)
    try:
        return closed.run(values, origins)
    finally:
        origins.done()


def lagged(x: Any, axis: int, first: Any, carry: Variable, *, reverse: bool) -> Any:
    """What belongs to the carries that steps return, as what those that they take have.

    Args:
        x: values or cotangents of the carries that steps return, stacked.
        axis: along this axis.
        first: what belongs to the carry that the first step takes; `None` is nothing.
        carry: the variable of the carry.
        reverse: whether the last of the stack is the first step.
    """
    aval = Aval(carry.shape, carry.dtype)
    row = nothing(aval) if first is None else fitting(first, aval)
    row = DISPATCH[np.expand_dims](row, axis)
    lead = (slice(None),) * axis
    rest = x[(*lead, slice(1, None) if reverse else slice(None, -1))]
    parts = [rest, row] if reverse else [row, rest]
    return DISPATCH[np.concatenate](parts, axis=axis)


def uses_of(program: Any, v: Variable) -> int:
    """How often the operations of a program read a variable."""
    return sum(o is v for equation in program.equations for o in equation.operands)


def _at(x: Any, axis: int, place: int) -> Any:
    return x[(*(slice(None),) * axis, place)]
