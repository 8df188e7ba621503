"""How many bytes the reverse sweep would keep, and where to cut a program for less.

Sizes are those of memory: views count as what they view, and what several records keep counts once.
Operands of the program and arrays of its closure are alive anyway, and do not count. Arrays that
the function made without its arguments (random numbers, `np.eye`) cannot be made again: whoever can
repeat the function holds all of them.
"""

import itertools
import sys
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from funcgrad.core.program import Constant, Equation, Guard, Program, Variable
from funcgrad.core.tracer import Tracer, plain_value
from funcgrad.errors import BudgetError
from funcgrad.interpreters.record import WHOLE
from funcgrad.transforms.body import Body, BodyStage, BodyTracer, Policy
from funcgrad.transforms.replayed import Replayed, is_recorded, owner_of
from funcgrad.transforms.treeverse import Chain, Step, advances

__all__ = [
    "Buffers",
    "MeasuringStage",
    "Tape",
    "arrays_in",
    "planned",
    "read_budget",
    "readable",
]

RECORD = 600
"""Bytes of a record with its tracer and scalars, by measurement."""

LISTED = 1500
"""Bytes of an operation in a program that is kept to be repeated, by measurement."""

_UNITS = {
    "B": 1,
    **{f"{p}B": 10 ** (3 * i) for i, p in enumerate("kMGT", 1)},
    **{f"{p}iB": 2 ** (10 * i) for i, p in enumerate("KMGT", 1)},
}
_SPELLED = {unit.lower(): size for unit, size in _UNITS.items()}


def read_budget(budget: Any) -> int:
    """Bytes from `"200MB"`, `"64KiB"` or a number of bytes.

    Raises:
        BudgetError: for anything else.
    """
    if isinstance(budget, str):
        text = budget.strip()
        number = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
        unit = _SPELLED.get(text[len(number) :].lower() or "b")
        try:
            size = float(number) * unit if unit else -1.0
        except ValueError:
            size = -1.0
        if 0 <= size < float("inf"):
            return int(size)
    elif hasattr(budget, "__index__") and not isinstance(budget, bool) and int(budget) >= 0:
        return int(budget)
    raise BudgetError(
        f"checkpoint: budget={budget!r}. It says how much memory the reverse sweep may use. Write "
        f"'200MB', '64KiB' or a number of bytes; the units are {', '.join(_UNITS)}."
    )


def readable(size: float) -> str:
    """Bytes for people: `1.5 MB`."""
    if size < 1000:
        return f"{int(size)} B"
    for unit in ("kB", "MB", "GB", "TB"):
        size /= 1000
        if size < 999.5 or unit == "TB":
            break
    return f"{size:.3g} {unit}"


def arrays_in(x: Any, depth: int = 6) -> Iterator[np.ndarray[Any, Any]]:
    """The plain arrays that a residual holds."""
    if isinstance(x, Tracer):
        x = plain_value(x)
    if isinstance(x, np.ndarray):
        yield x
    elif isinstance(x, tuple | list):
        for part in x:
            yield from arrays_in(part, depth)
    elif isinstance(x, dict):
        for part in x.values():
            yield from arrays_in(part, depth)
    elif type(x).__module__.startswith("funcgrad") and depth:
        for kind in type(x).__mro__:
            for name in getattr(kind, "__slots__", ()):
                yield from arrays_in(getattr(x, name, None), depth - 1)
        yield from arrays_in(getattr(x, "__dict__", {}), depth - 1)


class Buffers:
    """Numbers for pieces of memory, whose identities may be used again when they are freed."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[Any], int]] = {}
        self.sizes: list[int] = []

    def number(self, array: np.ndarray[Any, Any]) -> int:
        """The number of the memory of an array."""
        owner = owner_of(array)
        found = self._known.get(id(owner))
        if found is not None and found[0]() is owner:
            return found[1]
        self._known[id(owner)] = (weakref.ref(owner), len(self.sizes))
        self.sizes.append(owner.nbytes)
        return len(self.sizes) - 1


class MeasuringStage(BodyStage):
    """Writes the body of a checkpoint, and measures what a reverse sweep over it would keep."""

    measures = True
    __slots__ = ("active", "buffers", "copies", "free", "kept", "made", "work")

    def __init__(self, policy: Policy | None = None) -> None:
        super().__init__(policy)
        self.buffers = Buffers()
        self.free: set[int] = set()
        self.active: set[int] = set()
        self.kept: dict[int, list[int]] = {}
        self.made: dict[int, int] = {}
        self.work: dict[int, int] = {}
        self.copies = 0

    def _of(self, x: Any) -> list[int]:
        return [self.buffers.number(array) for array in arrays_in(x)]

    def _add(self, leaf: Any) -> Variable:
        variable = super()._add(leaf)
        self.free.update(self._of(leaf))
        if variable.dtype.kind in "fc" and is_recorded(leaf):
            self.active.add(variable.number)
        return variable

    def enter_as(self, value: Any, operand: Any) -> BodyTracer:
        """A tracer for a state, which the next steps make active if it is not."""
        tracer = super().enter_as(value, operand)
        if tracer.dtype.kind in "fc":
            self.active.add(tracer.variable.number)
        return tracer

    def note(
        self, equation: Equation, values: Sequence[Any], params: dict[str, Any], out: Any
    ) -> None:
        """Measure what the record of an operation would keep."""
        super().note(equation, values, params, out)
        primitive, variables = equation.primitive, equation.results
        for operand in equation.operands:
            if isinstance(operand, Constant):
                self.free.update(self._of(operand.value))
        active = tuple(
            isinstance(operand, Variable) and operand.number in self.active
            for operand in equation.operands
        )
        results = out if type(out) is tuple else (out,)
        size = 0
        for variable, result in zip(variables, results, strict=True):
            for number in self._of(result):
                self.made[variable.number] = number
                size += result.nbytes
        first = variables[0].number
        self.work[first] = 2 * size + getattr(params.get("fun"), "need", 0)
        if primitive.vjp is None or True not in active:
            return
        self.active.update(v.number for v in variables if v.dtype.kind in "fc")
        residuals = primitive.vjp(out, values, active, params)[1]
        self.kept[first] = self._of(residuals)
        constants = {id(x) for x, flag in zip(values, active, strict=True) if not flag}
        self.copies += sum(
            array.nbytes
            for array in arrays_in(residuals)
            if id(array) in constants and array.nbytes <= WHOLE
        )

    def held(self, program: Program) -> int:
        """Bytes of constants that nobody but the program holds, when the function has returned."""
        guarded = [np.empty(0), *(array for array, _ in self.constants.values() if _owns(array))]
        thrice = [guarded[0]] * 3  # as `constants`, its `Constant` and the keeper hold the others
        counts = list(map(sys.getrefcount, guarded))
        del thrice
        size: int = sum(
            array.nbytes for array, count in zip(guarded, counts, strict=True) if count <= counts[0]
        )
        copies: dict[int, int] = {}
        for item in program.equations:
            for operand in item.operands:
                if type(operand) is Constant and isinstance(operand.value, np.ndarray):
                    copies[id(operand)] = operand.value.nbytes
            size += getattr(dict(item.params).get("fun"), "held", 0)  # by a checkpoint inside
        return size + sum(copies.values())

    def tape(self, program: Program) -> "Tape":
        """What was measured, for the items of a program."""
        return Tape.of(program, self)


def _owns(array: np.ndarray[Any, Any]) -> bool:
    return array.base is None


@dataclass(frozen=True, slots=True)
class Tape:
    """Memory of a reverse sweep over a program.

    Attributes:
        program: the program.
        live: bytes that are alive before each item, and after the last, for those behind.
        spans: `{number of memory: (item that makes it, last item that reads it)}`.
        kept: memory that the record of each item keeps.
        work: bytes that an item needs for its own computation, forwards and backwards.
        sizes: bytes of each memory.
        copies: bytes of the copies of constants that a recording takes, to notice their changes.
        held: bytes of constants that live as long as the program.
    """

    program: Program
    live: list[int]
    spans: dict[int, tuple[int, int]]
    kept: list[list[int]]
    work: list[int]
    sizes: list[int]
    copies: int
    held: int

    @classmethod
    def of(cls, program: Program, stage: MeasuringStage) -> "Tape":
        """From what a stage has measured."""
        spans: dict[int, tuple[int, int]] = {}
        kept: list[list[int]] = []
        work: list[int] = []
        for i, item in enumerate(program.items):
            if isinstance(item, Guard):
                first, touched = -1, [item.variable]
            else:
                first = item.results[0].number
                touched = [o for o in (*item.operands, *item.results) if isinstance(o, Variable)]
            for variable in touched:
                number = stage.made.get(variable.number)
                if number is not None and number not in stage.free:
                    spans[number] = (spans.get(number, (i, i))[0], i)
            kept.append([n for n in stage.kept.get(first, ()) if n not in stage.free])
            work.append(stage.work.get(first, 0))
        changes = [0] * (len(program.items) + 2)
        for number, (made, last) in spans.items():
            changes[made + 1] += stage.buffers.sizes[number]
            changes[last + 1] -= stage.buffers.sizes[number]
        live, now = [], 0
        for change in changes[:-1]:
            now += change
            live.append(now)
        held = stage.held(program)
        return cls(program, live, spans, kept, work, stage.buffers.sizes, stage.copies, held)

    def total(self, results: Iterable[int] = ()) -> int:
        """Bytes that all records keep, together with memory that is alive besides."""
        numbers = {number for kept in self.kept for number in kept}.union(results)
        kept = sum(self.sizes[number] for number in numbers)
        return kept + self.copies + RECORD * len(self.kept)

    def needs(self, start: int) -> Iterator[int]:
        """Bytes to sweep over the items from `start` to each later one, that one included.

        The state before them, what their records keep, the cotangents of what is alive, and what
        one operation needs.
        """
        widest, most, kept, seen = self.live[start], 0, self.live[start], set[int]()
        for i in range(start, len(self.kept)):
            widest = max(widest, self.live[i + 1])
            most = max(most, self.work[i])
            for number in self.kept[i]:
                made, last = self.spans.get(number, (i, i))
                if number not in seen and not made < start <= last:
                    seen.add(number)
                    kept += self.sizes[number]
            kept += RECORD
            yield kept + widest + most

    def cuts(self, most: int) -> tuple[list[int], int]:
        """Places to cut, so that no segment needs more than `most` (if it can be) to be swept.

        Each is the narrowest of the second half of those that would do. Also what the largest
        segment needs.
        """
        places, start, need = [0], 0, 0
        while start < len(self.kept):
            found: list[int] = []
            for size in self.needs(start):
                if found and size > most:
                    break
                found.append(size)
            stop = start + len(found)
            if stop < len(self.kept):
                middle = start + 1 + len(found) // 2
                stop = min(range(min(middle, stop), stop + 1), key=lambda k: (self.live[k], -k))
            need = max(need, found[stop - start - 1])
            places.append(stop)
            start = stop
        return places, need


# --- the plan ---------------------------------------------------------------------------------


def planned(body: Body, tape: Tape, budget: int | None) -> tuple[Replayed, list[int]]:
    """The body as a chain of segments that can be swept over within a budget, if there is one.

    Returns:
        The function, and where the outputs of the body are among its results.

    Raises:
        BudgetError: if there is none.
    """
    count = len(tape.kept)
    body.need = max(tape.needs(0), default=0)
    body.held = tape.held
    if budget is None or body.need + tape.held <= budget:
        return body, list(range(body.count))
    least_cuts, least = tape.cuts(0)
    forward = max(live + work for live, work in zip(tape.live, tape.work, strict=False))
    if max(least, forward) + tape.held > budget:
        enough = min(max(least, forward), body.need) + tape.held
        constants = (
            f" ({readable(tape.held)} of it are arrays that it makes without its arguments)"
            if tape.held
            else ""
        )
        raise BudgetError(
            f"checkpoint: budget={readable(budget)}, but {body.program.name} needs at least "
            f"{readable(enough)}{constants}: one of its operations, with what is alive beside it, "
            f"takes that much. Without a checkpoint it would keep {readable(tape.total())}. "
            f"Besides, the list of its {count} operations takes about {readable(LISTED * count)}. "
            "Pass a larger budget, use smaller parts, or write loops as scan(checkpoint=...)."
        )
    budget -= tape.held
    best = (float("inf"), least_cuts, 0)
    steps = 16 if count < 20_000 else 6
    for i in range(steps):
        most = int(least * (budget / least) ** (i / steps))
        places, need = tape.cuts(most)
        widest = max((tape.live[k] for k in places[1:-1]), default=0)
        if need > budget:
            continue
        length = len(places) - 1
        room = (budget - need) // widest if widest else length
        snapshots = min(int(room), length - 1)
        cost = advances(length, snapshots) * count / length
        best = min(best, (cost, places, snapshots), key=lambda plan: (plan[0], len(plan[1])))
    chain, order = _chain(body, best[1], best[2])
    chain.need, chain.held = budget, tape.held
    return chain, order


def _chain(body: Body, places: list[int], snapshots: int) -> tuple[Chain, list[int]]:
    """A body cut at these places, and where the outputs of its program are among the results."""
    program = body.program
    last: dict[int, int] = {}
    made: dict[int, int] = {}
    for i, item in enumerate(program.items):
        read = (item.variable,) if isinstance(item, Guard) else item.operands
        last.update((v.number, i) for v in read if isinstance(v, Variable))
        if not isinstance(item, Guard):
            made.update((v.number, i) for v in item.results)
    inputs = {v.number: i for i, v in enumerate(program.inputs)}
    variables = {v.number: v for item in program.equations for v in item.results}
    ends = {v.number: last.get(v.number, made[v.number]) for v in program.outputs}  # type: ignore[union-attr]  # variables
    steps: list[Step] = []
    given: list[int] = []
    state: list[int] = []
    for start, stop in itertools.pairwise(places):
        items = program.items[start:stop]
        read_here = {
            o.number
            for item in items
            for o in ((item.variable,) if isinstance(item, Guard) else item.operands)
            if isinstance(o, Variable)
        }
        pool = sorted(number for number in read_here if number in inputs)
        after = sorted(n for n, i in made.items() if i < stop <= last.get(n, -1))
        outs = [n for n in ends if start <= ends[n] < stop]
        taken = [n for n in state if n in read_here or n in after or n in outs]
        part = Program(
            program.name,
            tuple([variables[n] for n in taken] + [program.inputs[inputs[n]] for n in pool]),
            items,
            tuple(variables[n] for n in (*after, *outs)),
        )
        takes = (*(state.index(n) for n in taken), *(~inputs[n] for n in pool))
        steps.append(Step(Body(part, (), body.keeper), takes, len(after), len(outs)))
        given += outs
        state = after
    order = [given.index(v.number) for v in program.outputs]  # type: ignore[union-attr]  # as above
    return Chain(steps, 0, len(steps), 0, snapshots), order
