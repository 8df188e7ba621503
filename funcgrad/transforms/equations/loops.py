"""Loops over arrays as one equation: what scan, map and fori_loop are when they are staged.

A loop applies a program to constants, carries and slices:

    (consts, cₖ, xₖ, k) ↦ (cₖ₊₁, yₖ)

Its derivatives are loops too. The reverse one runs the other way: it carries the cotangents of the
carries, adds up those of the constants, and stacks those of the slices. Of what the forward loop
computed it is given constants and slices as they are, values that are the same in every step once,
results that are stacked anyway as such, and only the rest in further stacks.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from funcgrad.core.foreign import NATIVE
from funcgrad.core.primitive import Primitive
from funcgrad.core.program import Constant, Program, Variable
from funcgrad.core.protocols import DISPATCH
from funcgrad.core.tracer import Tracer
from funcgrad.core.wengert import Aval
from funcgrad.families.shapes import in_front
from funcgrad.primitives.rows import rows
from funcgrad.transforms.equations.closed import Closed
from funcgrad.transforms.equations.derivation import NeedsValues
from funcgrad.transforms.equations.ends import Flags, fitting
from funcgrad.transforms.equations.loops_compiled import compiled
from funcgrad.transforms.equations.loops_reverse import Backwards
from funcgrad.transforms.equations.loops_sweep import nothing
from funcgrad.transforms.equations.structured import (
    Reverse,
    Structured,
    apply,
    moved_axis,
    primitive_of,
)

__all__ = ["Loop", "scan_p"]

scan_p = primitive_of("scan")

LONG = 8
"""Loops of so many steps are compiled before they run."""


@dataclass(frozen=True, slots=True, repr=False)
class Loop(Structured):
    """A program that is repeated: `(consts, first carries, xs) ↦ (last carries, stacks of ys)`.

    Attributes:
        body: takes constants, carries, slices, and the number of the step if there is a `first`;
            gives carries and results.
        length: number of steps, at least 1.
        reverse: whether it starts with the last slices.
        consts: number of constants.
        started: for each carry whether its first value is an operand; else it is `nothing`.
        x_axes: the axis that each x is sliced along.
        y_axes: the axis that each result is stacked along.
        first: what the steps are counted from, as Python numbers; `None`: they are not.
    """

    primitive: ClassVar[Primitive] = scan_p
    body: Closed
    length: int
    reverse: bool
    consts: int
    started: Flags
    x_axes: tuple[int, ...]
    y_axes: tuple[int, ...]
    first: int | None = None

    def __repr__(self) -> str:
        way = " backwards" if self.reverse else ""
        return f"<{self.body.program.name}, {self.length} times{way}>"

    @property
    def carries(self) -> int:
        """Number of carries."""
        return len(self.started)

    @property
    def carry_inputs(self) -> tuple[Variable, ...]:
        """The variables of the body that hold the carries."""
        return self.body.program.inputs[self.consts : self.consts + self.carries]

    @property
    def x_inputs(self) -> tuple[Variable, ...]:
        """The variables of the body that hold the slices."""
        start = self.consts + self.carries
        return self.body.program.inputs[start : start + len(self.x_axes)]

    def spread(self, per_leaf: Sequence[Any], default: Any) -> list[Any]:
        """What is given for each operand, for each input of the body."""
        given = iter(per_leaf)
        found = [next(given) for _ in range(self.consts)]
        found += [next(given) if flag else default for flag in self.started]
        found += given
        return found if self.first is None else [*found, default]

    def gathered(self, per_input: Sequence[Any]) -> list[Any]:
        """What is given for each input of the body, for each operand."""
        used = [True] * self.consts + list(self.started) + [True] * len(self.x_axes)
        return [x for x, flag in zip(per_input, used, strict=False) if flag]

    @override
    def avals(self) -> list[Aval]:
        ys = self.body.outputs[self.carries :]
        stacks = [self.stacked(aval, axis) for aval, axis in zip(ys, self.y_axes, strict=True)]
        return [Aval(v.shape, v.dtype) for v in self.carry_inputs] + stacks

    def stacked(self, part: Any, axis: int) -> Aval:
        """What parts of all steps are together."""
        shape = part.shape
        return Aval((*shape[:axis], self.length, *shape[axis:]), part.dtype)

    # running ------------------------------------------------------------------------------------
    @override
    def run(self, leaves: Sequence[Any]) -> list[Any]:
        if self.length >= LONG and all(type(leaf) in NATIVE for leaf in leaves):
            function = self._compiled()
            if function is not None:
                results: list[Any] = function(*leaves)
                return results
        return self._stepwise(leaves)

    def _compiled(self) -> Any:
        """A function that runs the loop on plain values; `None` if none can be written."""

        def write() -> Any:
            leaves = self.gathered(self._input_avals())
            return compiled(scan_p, self, leaves, self.avals())

        try:
            return self.body.once(("compiled", replace(self, body=None)), write)  # type: ignore[arg-type]  # a key
        except NeedsValues:
            return None

    def _stepwise(self, leaves: Sequence[Any]) -> list[Any]:
        values = self.spread(leaves, None)
        consts = values[: self.consts]
        carry = [
            x if flag else nothing(Aval(v.shape, v.dtype))
            for x, flag, v in zip(
                values[self.consts :], self.started, self.carry_inputs, strict=False
            )
        ]
        xs = values[self.consts + self.carries :]
        slices = [rows(moved_axis(x, axis, 0)) for x, axis in zip(xs, self.x_axes, strict=False)]
        weak = [v.weak for v in self.x_inputs]
        index: list[Any] = []
        plain = not any(isinstance(leaf, Tracer) for leaf in leaves)
        ys = [
            _Stack(aval, axis, plain)
            for aval, axis in zip(self.avals()[self.carries :], self.y_axes, strict=True)
        ]
        order = range(self.length)
        for k in reversed(order) if self.reverse else order:
            parts = [x[k].item() if w else x[k] for x, w in zip(slices, weak, strict=True)]
            if self.first is not None:
                index = [self.first + k]
            outs = self.body.run([*consts, *carry, *parts, *index])
            carry = outs[: self.carries]
            for stack, y in zip(ys, outs[self.carries :], strict=True):
                stack.put(k, y)
        if plain:  # results are nobody else's arrays
            forbidden = set(map(id, leaves))
            carry = [_separate(x, forbidden) for x in carry]
        return carry + [stack.finished() for stack in ys]

    # what leads where ---------------------------------------------------------------------------
    def _steady(self, flags: list[Any], flow: Callable[[Sequence[Any]], Flags]) -> list[Any]:
        """Flags of the inputs of all steps, from those of the first."""
        while True:
            outs = flow(flags)
            new = list(flags)
            for i in range(self.carries):
                new[self.consts + i] = flags[self.consts + i] or outs[i]
            if new == flags:
                return flags
            flags = new

    @override
    def varying(self, flags: Sequence[bool | None]) -> Flags:
        return self.body.varying(self._steady(self.spread(flags, False), self.body.varying))

    @override
    def sources(self, results: set[int]) -> set[int]:
        wanted = set(results)
        while True:
            inputs = self.body.sources(wanted)
            again = {i - self.consts for i in inputs if 0 <= i - self.consts < self.carries}
            if again <= wanted:
                break
            wanted |= again
        inputs |= {self.consts + i for i in results if i < self.carries}
        leaves = self.gathered(range(len(self.body.program.inputs)))
        return {number for number, i in enumerate(leaves) if i in inputs}

    @override
    def inlined(self) -> "Loop":
        body = self.body.inlined()
        return self if body is self.body else replace(self, body=body)

    def narrowed(self, used: Flags) -> tuple["Loop", list[int], list[int]] | None:
        """The loop without what only leads to results that nobody uses.

        Args:
            used: which results are.

        Returns:
            The loop, and which operands and results it has; `None` for the same loop.
        """
        program, c, n = self.body.program, self.consts, self.carries
        wanted = {i for i, flag in enumerate(used) if flag}
        while True:
            kept = sorted(wanted)
            part = replace(program, outputs=tuple(program.outputs[i] for i in kept)).pruned()
            read = {o.number for o in part.outputs if isinstance(o, Variable)}
            for item in part.equations:
                read.update(o.number for o in item.operands if isinstance(o, Variable))
            again = {i for i, v in enumerate(self.carry_inputs) if v.number in read}
            if again <= wanted:
                break
            wanted |= again
        inputs = [
            v.number in read
            or (c <= i < c + n and i - c in wanted)
            or i >= c + n + len(self.x_axes)
            for i, v in enumerate(program.inputs)
        ]
        if all(inputs) and len(kept) == len(used):
            return None
        operands = self.gathered(range(len(inputs)))
        xs = range(c + n, c + n + len(self.x_axes))
        body = replace(
            part, inputs=tuple(v for v, f in zip(program.inputs, inputs, strict=True) if f)
        )
        loop = replace(
            self,
            body=Closed(body, written=False),
            consts=sum(inputs[:c]),
            started=tuple(f for i, f in enumerate(self.started) if i in wanted),
            x_axes=tuple(self.x_axes[i - c - n] for i in xs if inputs[i]),
            y_axes=tuple(self.y_axes[i - n] for i in kept if i >= n),
        )
        return loop, [number for number, i in enumerate(operands) if inputs[i]], kept

    # derivatives --------------------------------------------------------------------------------
    @override
    def reverse_of(self, active: Flags) -> Reverse:
        leaves = tuple(map(bool, self.spread(active, False)))
        flags = tuple(map(bool, self._steady(list(leaves), self.body.active)))
        return Backwards.of(self, leaves, flags, again=False, direct=True)

    @override
    def push(self, values: Sequence[Any], dots: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        given = self.spread([dot is not None for dot in dots], False)
        flags = self._steady(given, self.body.active)
        closed, out_flags = self.body.pushed(tuple(map(bool, flags)))
        program, c, n = closed.program, self.consts, self.carries
        inputs = list(program.inputs[: len(flags)])
        tangents = iter(program.inputs[len(flags) :])
        dot_inputs = [next(tangents) if flag else None for flag in flags]
        outputs = list(program.outputs[: len(out_flags)])
        found = iter(program.outputs[len(out_flags) :])
        dot_outputs: list[Any] = [next(found) if flag else None for flag in out_flags]
        moved = [i for i in range(n) if flags[c + i]]
        for i in moved:
            if dot_outputs[i] is None:  # it loses its tangent in the first step
                aval = self.body.outputs[i]
                dot_outputs[i] = Constant(np.zeros(aval.shape, aval.dtype)[()])
        stop = c + n + len(self.x_axes)
        body = Program(
            program.name,
            (
                *_both(inputs[:c], dot_inputs[:c]),
                *inputs[c : c + n],
                *(v for v in dot_inputs[c : c + n] if v is not None),
                *_both(inputs[c + n : stop], dot_inputs[c + n : stop]),
                *inputs[stop:],
            ),
            program.items,
            (
                *outputs[:n],
                *(dot_outputs[i] for i in moved),
                *_both(outputs[n:], dot_outputs[n:]),
            ),
        )
        all_dots = self.spread(dots, None)
        fitted = [
            None if dot is None else fitting(dot, aval)
            for dot, aval in zip(all_dots, self._input_avals(), strict=True)
        ]
        all_values = self.spread(values, None)
        axes = zip(self.x_axes, dot_inputs[c + n : stop], strict=True)
        y_axes = zip(self.y_axes, out_flags[n:], strict=True)
        loop = replace(
            self,
            body=Closed(body, written=False),
            consts=c + sum(v is not None for v in dot_inputs[:c]),
            started=(*self.started, *(fitted[c + i] is not None for i in moved)),
            x_axes=tuple(axis for axis, v in axes for _ in range(1 + (v is not None))),
            y_axes=tuple(axis for axis, flag in y_axes for _ in range(1 + flag)),
        )
        results = apply(
            loop,
            [
                *_both(all_values[:c], fitted[:c]),
                *(x for x, flag in zip(all_values[c : c + n], self.started, strict=True) if flag),
                *(fitted[c + i] for i in moved if fitted[c + i] is not None),
                *_both(all_values[c + n : stop], fitted[c + n : stop]),
            ],
        )
        taken = iter(results[n:])
        out_dots: list[Any] = [None] * n
        for i in moved:
            out_dots[i] = next(taken)
        outs = results[:n]
        for flag in out_flags[n:]:
            outs.append(next(taken))
            out_dots.append(next(taken) if flag else None)
        return outs, out_dots

    @override
    def map(
        self, size: int, flags: Flags, values: Sequence[Any]
    ) -> tuple[list[Any], Sequence[bool]]:
        given = self.spread(flags, False)
        steady = tuple(map(bool, self._steady(given, self.body.varying)))
        c, n = self.consts, self.carries
        carried = steady[c : c + n]
        needed = (*carried, *((False,) * (len(self.body.outputs) - n)))
        closed, batched = self.body.mapped(size, steady, needed)
        loop = replace(
            self,
            body=closed,
            x_axes=tuple(a + f for a, f in zip(self.x_axes, given[c + n :], strict=False)),
            y_axes=tuple(a + f for a, f in zip(self.y_axes, batched[n:], strict=True)),
        )
        ready = [
            in_front(size, x, flag) if c <= i < c + n and steady[i] and self.started[i - c] else x
            for i, (x, flag) in enumerate(zip(self.spread(values, None), given, strict=True))
        ]
        return apply(loop, loop.gathered(ready)), batched

    def _input_avals(self) -> list[Aval]:
        """Shapes and dtypes of the operands, for all inputs of the body."""
        avals = [Aval(v.shape, v.dtype) for v in self.body.program.inputs]
        for i, axis in enumerate(self.x_axes, self.consts + self.carries):
            avals[i] = self.stacked(avals[i], axis)
        return avals


def _both(xs: Iterable[Any], dots: Iterable[Any]) -> Iterable[Any]:
    """Each with its tangent behind it, if it has one."""
    for x, dot in zip(xs, dots, strict=True):
        yield x
        if dot is not None:
            yield dot


def _separate(x: Any, forbidden: set[int]) -> Any:
    """A plain result in memory of its own, laid out as it was."""
    if type(x) is not np.ndarray:
        return x
    if x.base is not None or id(x) in forbidden:
        return x.copy("K")
    forbidden.add(id(x))
    return x


class _Stack:
    """The results of all steps, in one array from the start where they are plain."""

    __slots__ = ("_array", "_axis", "_parts")

    def __init__(self, aval: Aval, axis: int, plain: bool) -> None:
        self._axis = axis
        self._array: Any = np.empty(aval.shape, aval.dtype) if plain else None
        self._parts: list[Any] = [] if plain else [None] * aval.shape[axis]

    def put(self, place: int, y: Any) -> None:
        """The result of one step."""
        if self._array is None:
            self._parts[place] = y
        else:
            self._array[(slice(None),) * self._axis + (place,)] = y

    def finished(self) -> Any:
        """The array."""
        if self._array is None:
            return DISPATCH[np.stack](self._parts, axis=self._axis)
        return self._array
