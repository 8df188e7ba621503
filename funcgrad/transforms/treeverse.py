"""Reversing a chain of steps in little memory: binomial checkpointing.

With room for c states besides the first, a chain of l steps is swept backwards like this: advance
to some step k, keep the state there, sweep over the rest with c - 1 states, then over the first k
steps with c states. The number of steps that are repeated is least for the k chosen here
(A. Griewank and A. Walther 2000, Algorithm 799: revolve). With s = c + 1, it is
r l - C(s + r, r - 1), where r, the number of times that a step is repeated at most, is the least
one with C(s + r, s) ≥ l.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any

from typing_extensions import override

from funcgrad.core.wengert import aval_of
from funcgrad.transforms.replay import apply
from funcgrad.transforms.replayed import Cut, Replayed
from funcgrad.transforms.saving import hollow

__all__ = ["Chain", "Step", "advances", "split"]


def _repetitions(length: int, snapshots: int) -> int:
    """r: how often a step is repeated at most."""
    r = 0
    while comb(snapshots + 1 + r, r) < length:
        r += 1
    return r


def advances(length: int, snapshots: int) -> int:
    """The least number of repeated steps: r l - C(s + r, r - 1), with s = snapshots + 1.

    Args:
        length: number of steps.
        snapshots: number of states kept at the same time, besides the first.
    """
    r = _repetitions(length, snapshots)
    return r * length - comb(snapshots + 1 + r, r - 1) if r else 0


def split(length: int, snapshots: int) -> int:
    """After how many steps to keep a state, for the least number of repeated steps.

    Args:
        length: number of steps, at least 2.
        snapshots: as in `advances`; without any, all steps but the last are repeated.
    """
    if snapshots == 0:
        return length - 1
    s, r = snapshots + 1, _repetitions(length, snapshots)
    return min(comb(s + r - 1, s), length - comb(s - 1 + r - 1, s - 1))


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a chain.

    Attributes:
        fun: its results are the next state, and what the step gives out.
        takes: the operands of `fun`: number i of the state, or `~i` for number i of the pool.
        states: how many of the results are the next state.
        outs: how many are given out.
    """

    fun: Replayed
    takes: tuple[int, ...]
    states: int
    outs: int

    def operands(self, state: Sequence[Any], pool: Mapping[int, Any]) -> list[Any]:
        """What `fun` is called with."""
        return [state[i] if i >= 0 else pool[~i] for i in self.takes]


class Chain(Replayed):
    """Steps one after the other: (state, pool) ↦ (last state, what the steps gave out).

    Attributes:
        steps: all steps of a chain.
        start: the first of them to do.
        stop: behind the last of them.
        width: number of values in the state before the first.
        snapshots: how many states to keep in the reverse sweep; `None` to keep everything.
        muted: whether what steps give out is not wanted (zeros stand for it): the reverse sweep
            reads no values of it.
        need: bytes that a sweep over it needs, as far as that was measured.
        held: bytes of its constants, as far as that was measured.
        pool: which values of the pool it takes.
    """

    __slots__ = ("held", "muted", "need", "pool", "snapshots", "start", "steps", "stop", "width")

    def __init__(
        self,
        steps: Sequence[Step],
        start: int,
        stop: int,
        width: int,
        snapshots: int | None,
        muted: bool = False,
    ) -> None:
        self.steps = steps
        self.start = start
        self.stop = stop
        self.width = width
        self.snapshots = snapshots
        self.muted = muted
        self.need = self.held = 0
        self.pool = sorted({~i for step in steps[start:stop] for i in step.takes if i < 0})

    def __repr__(self) -> str:
        return f"<steps {self.start} to {self.stop}>"

    @override
    def run(self, leaves: Sequence[Any]) -> list[Any]:
        state, pool = self._taken(leaves)
        given: list[Any] = []
        for step in self.steps[self.start : self.stop]:
            operands = step.operands(state, pool)
            state.clear()
            found = step.fun.run(operands)
            state = found[: step.states]
            given += (
                [hollow(aval_of(x)) for x in found[step.states :]]
                if self.muted
                else found[step.states :]
            )
            del found
        return state + given

    @override
    def replay(self, leaves: Sequence[Any], saved: Sequence[Any]) -> list[Any]:
        if self.snapshots is None or self.stop - self.start == 1:
            return self._in_one_go(leaves)
        state, pool = self._taken(leaves)
        given: list[Any] = []
        for part in self.parts():
            values = state + [pool[i] for i in part.pool]
            state.clear()
            last = part.stop == self.stop
            found = part.replay(values, ()) if last else apply(part, values)
            width = self.steps[part.stop - 1].states
            state = found[:width]
            given += found[width:]
        return state + given

    def _in_one_go(self, leaves: Sequence[Any]) -> list[Any]:
        state, pool = self._taken(leaves)
        given: list[Any] = []
        for step in self.steps[self.start : self.stop]:
            operands = step.operands(state, pool)
            state.clear()
            found = step.fun.replay(operands, ())
            state = found[: step.states]
            given += found[step.states :]
        return state + given

    @override
    def varying(self, flags: Sequence[bool | None]) -> tuple[bool, ...]:
        state: list[bool | None] = list(flags[: self.width])
        pool = dict(zip(self.pool, flags[self.width :], strict=True))
        given: list[bool | None] = []
        for step in self.steps[self.start : self.stop]:
            own = step.operands(state, pool)
            found = step.fun.varying(own)
            state = list(found[: step.states])
            given += found[step.states :]
        return tuple(map(bool, (*state, *given)))

    @override
    def sources(self, results: set[int]) -> set[int] | None:
        pool: set[int] = set()
        state = {i for i in results if i < self.steps[self.stop - 1].states}
        end = self.steps[self.stop - 1].states + sum(
            s.outs for s in self.steps[self.start : self.stop]
        )
        for step in reversed(self.steps[self.start : self.stop]):
            end -= step.outs
            own = {step.states + i for i in range(step.outs) if end + i in results}
            places = step.fun.sources(state | own)
            if places is None:
                return None
            taken = {step.takes[i] for i in places}
            pool.update(~i for i in taken if i < 0)
            state = {i for i in taken if i >= 0}
        return state | {self.width + i for i, number in enumerate(self.pool) if number in pool}

    def _taken(self, leaves: Sequence[Any]) -> tuple[list[Any], dict[int, Any]]:
        state = list(leaves[: self.width])
        pool = dict(zip(self.pool, leaves[self.width :], strict=True))
        if isinstance(leaves, list):
            leaves.clear()
        return state, pool

    def parts(self) -> list["Chain"]:
        """What to repeat, each part from the state behind the one before; the last is one step."""
        start, width, snapshots = self.start, self.width, self.snapshots
        assert snapshots is not None  # else there is nothing to repeat
        found = []
        while self.stop - start > 1:
            middle = start + split(self.stop - start, snapshots)
            found.append(Chain(self.steps, start, middle, width, snapshots, muted=True))
            start, width, snapshots = middle, self.steps[middle - 1].states, max(snapshots - 1, 0)
        found.append(Chain(self.steps, start, self.stop, width, 0, muted=True))
        return found

    @override
    def cut(self) -> Cut | None:
        if self.snapshots is None or self.stop - self.start == 1:
            return None
        steps, snapshots = self.steps, self.snapshots
        middle = self.start + split(self.stop - self.start, snapshots)
        width = steps[middle - 1].states
        first = Chain(steps, self.start, middle, self.width, snapshots, muted=True)
        rest = Chain(steps, middle, self.stop, width, max(snapshots - 1, 0), muted=True)
        place = {number: self.width + i for i, number in enumerate(self.pool)}
        early = sum(step.outs for step in steps[self.start : middle])
        late = sum(step.outs for step in steps[middle : self.stop])
        last = steps[self.stop - 1].states
        return Cut(
            first,
            (*range(self.width), *(place[i] for i in first.pool)),
            rest,
            (*(~i for i in range(width)), *(place[i] for i in rest.pool)),
            (
                *range(last),
                *(~(width + i) for i in range(early)),
                *(last + i for i in range(late)),
            ),
        )
