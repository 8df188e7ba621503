"""Loops whose reverse sweep repeats steps in place of keeping what they computed.

Each step is computed once on the way forwards, as the body of a checkpoint; states are kept where
the binomial schedule (`funcgrad.transforms.treeverse`) wants them. The last steps are recorded as
they are, because the reverse sweep begins with them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from funcgrad import tree
from funcgrad.core.program import Variable
from funcgrad.errors import BudgetError
from funcgrad.transforms.body import Body, BodyStage, BodyTracer, stripped
from funcgrad.transforms.captures import replaced
from funcgrad.transforms.levels import Levels, is_operand
from funcgrad.transforms.replay import apply
from funcgrad.transforms.replayed import is_recorded
from funcgrad.transforms.sizes import MeasuringStage, Tape, read_budget, readable
from funcgrad.transforms.treeverse import Chain, Step, advances

__all__ = ["checkpointed_scan"]

StepFunction = Callable[[Any, Any], tuple[Any, Any]]


def checkpointed_scan(
    step: StepFunction, init: Any, slices: Sequence[Any], budget: int | str
) -> tuple[Any, list[Any]]:
    """The loop cₖ₊₁, yₖ = step(cₖ, xₖ), with a bounded memory of its reverse sweep.

    Args:
        step: takes a carry and a slice, both pytrees, and gives the next carry and a result.
        init: the first carry.
        slices: one for each step.
        budget: how many carries to keep at the same time, besides the first and the current one
            (an int), or how much memory the reverse sweep may use (`"200MB"`).

    Returns:
        The last carry, and the results of all steps.

    Raises:
        BudgetError: if one step needs more than the budget.
    """
    loop = _Loop(step, init, slices)
    if not loop.is_recorded or len(slices) < 2:
        return loop.plain(init, 0)
    plan = _Plan(1, _snapshots(budget)) if not isinstance(budget, str) else None
    first = None
    if plan is None:
        first = loop.forward(0, loop.start(), MeasuringStage())
        plan = _plan(first, len(slices), read_budget(budget))
        if plan is None:
            return loop.plain(init, 0)
    return loop.run(plan, first)


def _snapshots(budget: Any) -> int:
    if hasattr(budget, "__index__") and not isinstance(budget, bool) and int(budget) >= 0:
        return int(budget)
    raise BudgetError(
        f"scan: checkpoint={budget!r}. It says how many carries to keep, or how much memory the "
        "reverse sweep may use. Write checkpoint=10, or checkpoint='200MB'."
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """How many steps are recorded at once, and how many states are kept."""

    group: int
    snapshots: int


@dataclass(frozen=True, slots=True)
class _Dynamic:
    """A leaf of a carry or result that was computed from operands.

    Attributes:
        value: without any derivative.
        flags: at which levels of batches it differs between examples.
    """

    value: Any
    flags: list[bool]


@dataclass(frozen=True, slots=True)
class _Place:
    """An operand of a step that is number i of the state."""

    number: int


@dataclass(frozen=True, slots=True)
class _State:
    """A carry: each leaf is a `_Dynamic`, or a value that is the same whatever the operands."""

    leaves: list[Any]
    structure: tree.Structure

    def values(self) -> list[Any]:
        """The state that is handed from step to step."""
        return [leaf.value for leaf in self.leaves if isinstance(leaf, _Dynamic)]


@dataclass(frozen=True, slots=True)
class _Done:
    """One step as it was computed on the way forwards."""

    body: Body
    operands: list[Any]
    after: _State
    given: _State
    stage: BodyStage


class _Loop:
    """The loop at its levels of transforms."""

    def __init__(self, step: StepFunction, init: Any, slices: Sequence[Any]) -> None:
        self.step = step
        self.init = init
        self.slices = slices
        reached = tree.leaves((init, list(slices)))

        def note(x: Any) -> Any:
            if x.owner.open:
                reached.append(x)
            return x

        replaced(step, note)
        self.levels = Levels(reached)
        self.is_recorded = any(map(is_recorded, reached)) and not self.levels.linear
        self.pool: list[Any] = []
        self.places: dict[int, int] = {}
        self.bodies: dict[Body, Body] = {}

    def plain(self, carry: Any, begin: int) -> tuple[Any, list[Any]]:
        """The steps from `begin` on, as they are."""
        given = []
        for x in self.slices[begin:]:
            carry, y = self.step(carry, x)
            given.append(y)
        return carry, given

    def start(self) -> _State:
        """The first carry."""
        leaves, structure = tree.flatten(self.init)
        found = []
        for leaf in leaves:
            x, flags = self.levels.unwrap(leaf)
            found.append(_Dynamic(stripped(x), flags) if is_operand(leaf) else leaf)
        return _State(found, structure)

    def forward(self, number: int, before: _State, stage: BodyStage) -> _Done:
        """Compute one step."""
        levels = self.levels
        levels.placed(stage)
        place = iter(range(len(before.leaves)))
        carry = [
            levels.wrap(stage.enter_as(leaf.value, _Place(next(place))), leaf.flags)
            if isinstance(leaf, _Dynamic)
            else leaf
            for leaf in before.leaves
        ]

        def enter(x: Any) -> Any:
            return levels.inside(x, stage.enter)

        x = tree.map(lambda leaf: enter(leaf) if _is_slice(leaf) else leaf, self.slices[number])
        step = replaced(self.step, lambda x: enter(x) if x.owner.open else x)
        try:
            after, given = step(tree.unflatten(before.structure, carry), x)
        finally:
            stage.close()
        variables: list[Any] = []
        states = [self._result(stage, variables, part) for part in (after, given)]
        body, operands = stage.body("scan", variables)
        return _Done(self.bodies.setdefault(body, body), operands, states[0], states[1], stage)

    def _result(self, stage: BodyStage, variables: list[Any], part: Any) -> _State:
        leaves, structure = tree.flatten(part)
        found = []
        for leaf in leaves:
            x, flags = self.levels.unwrap(leaf)
            if is_operand(x) and not (isinstance(x, BodyTracer) and x.owner is stage):
                x = stage.enter(x)
            if isinstance(x, BodyTracer) and x.owner is stage:
                variables.append(x.variable)
                found.append(_Dynamic(x.value, flags))
            else:
                found.append(leaf)
        return _State(found, structure)

    def as_step(self, done: _Done) -> Step:
        """A step of a chain, whose operands are in the pool."""
        takes = []
        for operand in done.operands:
            if isinstance(operand, _Place):
                takes.append(operand.number)
            else:
                number = self.places.setdefault(id(operand), len(self.pool))
                if number == len(self.pool):
                    self.pool.append(operand)
                takes.append(~number)
        return Step(done.body, tuple(takes), len(done.after.values()), len(done.given.values()))

    def run(self, plan: _Plan, first: _Done | None) -> tuple[Any, list[Any]]:
        """All steps but the last ones as parts to be repeated, and those as they are."""
        count, group = len(self.slices), plan.group
        units = -(-count // group)
        stops = [min(part.stop * group, count) for part in _parts(units, plan.snapshots)]
        tail = stops[-2] if len(stops) > 1 else 0
        state = self.start()
        kept = {0: state}
        steps: list[Step] = []
        given: list[_State] = []
        for number in range(tail):
            done = first if number == 0 and first is not None else None
            if done is None:
                done = self.forward(number, state, BodyStage())
            steps.append(self.as_step(done))
            given.append(done.given)
            state = done.after
            if number + 1 in stops:
                kept[number + 1] = state
        return self._finished(plan, stops[:-1], _grouped(steps, self._width(), group), kept, given)

    def _width(self) -> int:
        return len(self.start().values())

    def _finished(
        self,
        plan: _Plan,
        stops: list[int],
        units: list[Step],
        kept: dict[int, _State],
        given: list[_State],
    ) -> tuple[Any, list[Any]]:
        width = self._width()
        leaves = tree.leaves(self.init)
        values = [self.levels.unwrap(leaf)[0] for leaf in leaves if is_operand(leaf)]
        results: list[Any] = []
        start, last, snapshots = 0, 0, plan.snapshots
        for stop in stops:
            unit = -(-stop // plan.group)
            part = Chain(units, start, unit, width, snapshots)
            ys = [y for state in given[last:stop] for y in state.values()]
            found = apply(
                part,
                values + [self.pool[i] for i in part.pool],
                kept[stop].values() + ys,
            )
            width = len(kept[stop].values())
            values, ys = found[:width], found[width:]
            place = iter(ys)
            results += [self._wrapped(state, place) for state in given[last:stop]]
            start, last, snapshots = unit, stop, max(snapshots - 1, 0)
        carry = self._wrapped(kept[last], iter(values))
        carry, rest = self.plain(carry, last)
        return carry, results + rest

    def _wrapped(self, state: _State, values: Any) -> Any:
        leaves = [
            self.levels.wrap(next(values), leaf.flags) if isinstance(leaf, _Dynamic) else leaf
            for leaf in state.leaves
        ]
        return tree.unflatten(state.structure, leaves)


def _is_slice(leaf: Any) -> bool:
    return is_operand(leaf) or getattr(getattr(leaf, "dtype", None), "kind", "") in ("f", "c")


def _parts(units: int, snapshots: int) -> list[Chain]:
    nothing = Step(Chain((), 0, 0, 0, None), (), 0, 0)
    return Chain([nothing] * units, 0, units, 0, snapshots).parts()


def _grouped(steps: list[Step], width: int, group: int) -> list[Step]:
    """The steps in groups that are recorded at once."""
    if group == 1:
        return steps
    units = []
    for start in range(0, len(steps), group):
        stop = min(start + group, len(steps))
        chain = Chain(steps, start, stop, width, None)
        takes = (*range(width), *(~i for i in chain.pool))
        width = steps[stop - 1].states
        units.append(Step(chain, takes, width, sum(step.outs for step in steps[start:stop])))
    return units


def _plan(done: _Done, count: int, budget: int) -> _Plan | None:
    """The plan with the least number of repeated steps; `None` if everything can be kept."""
    assert isinstance(done.stage, MeasuringStage)
    tape = Tape.of(done.body.program, done.stage)
    state = sum(getattr(value, "nbytes", 0) for value in map(stripped, done.after.values()))
    outputs = (v.number for v in done.body.program.outputs if isinstance(v, Variable))
    made = {done.stage.made[number] for number in outputs if number in done.stage.made}
    kept = tape.total(made - done.stage.free)
    rest = max(tape.live, default=0) + max(tape.work, default=0) + 2 * state
    held = count * tape.held
    rest += held
    if count * kept + rest <= budget:
        return None
    if kept + rest > budget:
        constants = (
            f" ({readable(held)} of it are arrays that the steps make without their arguments)"
            if held
            else ""
        )
        raise BudgetError(
            f"scan: checkpoint={readable(budget)}, but one step needs {readable(kept + rest)}"
            f"{constants} to be swept over. Without it, {count} steps would keep "
            f"{readable(count * kept)}. Pass a larger budget, or a smaller step."
        )
    best = None
    group = 1
    while group <= count and group * kept + rest <= budget:
        units = -(-count // group)
        room = budget - group * kept - rest
        snapshots = min(room // state if state else units, units)
        cost = advances(units, snapshots) * group
        if best is None or cost < best[0]:
            best = cost, _Plan(group, snapshots)
        group *= 2
    assert best is not None  # one step fits
    return best[1]
