"""Sets through loops.

A loop of few steps is walked step by step, with the number of each step known. In a longer one all
steps are taken at once: each operation is one on all of them. Sums over the steps are left out of
the program then; what else a step takes from the one before is what holds of it in all steps.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad.core.primitive import PRIMITIVES
from funcgrad.core.program import Program, Variable
from funcgrad.sparse.structure_flow import (
    Flow,
    broadcast,
    constant,
    reduced,
    shaped,
)
from funcgrad.sparse.structure_places import RULES as PLACES
from funcgrad.sparse.structure_sets import Layer
from funcgrad.sparse.structure_sums import Sums
from funcgrad.sparse.structure_widening import widened
from funcgrad.transforms.equations.closed import Closed
from funcgrad.transforms.equations.derivation import NeedsValues
from funcgrad.transforms.equations.loops import Loop
from funcgrad.transforms.equations.whiles import Waiting
from funcgrad.transforms.equations.whiles_walk import Walk

__all__ = ["through_loop", "through_waiting"]

Walker = Callable[[Program, Sequence[Flow]], list[Flow]]
"""What is known of the results of a program, from what is known of its inputs."""

STEPS = 20_000
"""Operations of loops that are walked step by step; one on many elements counts as several."""

FEW_STEPS = 200
"""The same, where walking step by step finds nothing that is not found for all steps at once."""

ELEMENTS = 2_000
"""What is done with so many elements takes as long as the rest of an operation."""

AT_ONCE = 1 << 25
"""Elements of all values of all steps, if these are taken at once."""


def through_loop(fun: Loop, operands: Sequence[Flow], walk: Walker) -> list[Flow]:
    """What is known of the results of a loop."""
    n, c = len(fun.started), fun.consts
    given = fun.spread(operands, None)
    consts, xs = given[:c], given[c + n : c + n + len(fun.x_axes)]
    carry = [
        x if x is not None else _nothing(v)
        for x, v in zip(given[c : c + n], fun.carry_inputs, strict=True)
    ]
    sums = Sums.of(fun.body.program, range(c, c + n))
    is_exact = len(sums.kept) + len(sums.added) == n
    found = None
    cost = fun.length * _cost(fun.body.program)
    if cost > (FEW_STEPS if is_exact else STEPS):
        found = _at_once(fun, sums, consts, carry, xs, walk)
    if found is None and cost <= STEPS:
        return _stepwise(fun, consts, carry, xs, walk)
    return _widened(fun, consts, carry, xs, walk) if found is None else found


def _cost(program: Program) -> float:
    """How many operations the steps of a program are."""
    total = 0.0
    for item in program.equations:
        total += 1 + sum(math.prod(v.shape) for v in item.results) / ELEMENTS
        fun = dict(item.params).get("fun")
        if isinstance(fun, Loop):
            total += fun.length * _cost(fun.body.program)
    return total


def _nothing(variable: Variable) -> Flow:
    """A carry that starts with zeros."""
    return constant(np.broadcast_to(np.zeros((), variable.dtype), variable.shape))


# --- step by step -------------------------------------------------------------------------------


def _moved(x: Flow, move: Callable[[Any], Any], shape: tuple[int, ...]) -> Flow:
    """A value with its elements at other places."""
    sets = tuple(Layer(layer.table, np.asarray(move(layer.rows))) for layer in x.sets)
    zeros = None if x.zeros is None else np.asarray(move(x.zeros))
    return Flow(shape, sets, zeros, None if x.value is None else move(np.asarray(x.value)))


def _slice(x: Flow, axis: int, k: int) -> Flow:
    """The part of an operand that one step reads."""
    shape = x.shape[:axis] + x.shape[axis + 1 :]
    return _moved(x, lambda array: np.moveaxis(array, axis, 0)[k], shape)


def _stepwise(
    fun: Loop, consts: Sequence[Flow], carry: list[Flow], xs: Sequence[Flow], walk: Walker
) -> list[Flow]:
    program, n = fun.body.program, len(carry)
    rows: list[list[Flow]] = []
    order = range(fun.length)
    for k in reversed(order) if fun.reverse else order:
        parts = [_slice(x, axis, k) for x, axis in zip(xs, fun.x_axes, strict=True)]
        index = [] if fun.first is None else [constant(fun.first + k)]
        outs = walk(program, [*consts, *carry, *parts, *index])
        carry = outs[:n]
        rows.append(outs[n:])
    if fun.reverse:
        rows.reverse()
    ys: list[Flow] = []
    for column, axis in zip(zip(*rows, strict=True), fun.y_axes, strict=True):
        shape = (*column[0].shape[:axis], fun.length, *column[0].shape[axis:])
        ys += PLACES["stack"](PRIMITIVES["stack"], column, {"axis": axis}, [shape])
    return carry + ys


# --- what holds in all steps --------------------------------------------------------------------


def _any_slice(x: Flow, axis: int) -> Flow:
    """What holds of all parts."""
    shape = x.shape[:axis] + x.shape[axis + 1 :]
    mask = x.known_zeros()
    zeros = None if mask is None else np.asarray(np.all(mask, axis=axis))
    return Flow(shape, shaped(reduced(x.sets, (axis,)), shape), zeros)


def _stacked(part: Flow, axis: int, length: int) -> Flow:
    """Results of all steps, of which the same is known."""
    shape = (*part.shape[:axis], length, *part.shape[axis:])
    wide = (*part.shape[:axis], 1, *part.shape[axis:])
    mask = part.known_zeros()
    zeros = None if mask is None else np.broadcast_to(mask.reshape(wide), shape)
    return Flow(shape, broadcast(shaped(part.sets, wide), shape), zeros)


def _widened(
    fun: Loop, consts: Sequence[Flow], carry: list[Flow], xs: Sequence[Flow], walk: Walker
) -> list[Flow]:
    parts = [_any_slice(x, axis) for x, axis in zip(xs, fun.x_axes, strict=True)]
    index = [] if fun.first is None else [Flow(())]

    def step(state: Sequence[Flow]) -> list[Flow]:
        return walk(fun.body.program, [*consts, *state, *parts, *index])

    state, left = widened(step, carry, fun.length)
    return state + [_stacked(y, axis, fun.length) for y, axis in zip(left, fun.y_axes, strict=True)]


# --- all steps at once --------------------------------------------------------------------------


def _at_once(
    fun: Loop,
    sums: Sums,
    consts: Sequence[Flow],
    carry: list[Flow],
    xs: Sequence[Flow],
    walk: Walker,
) -> list[Flow] | None:
    """As `_stepwise`, with an axis for the steps; `None` if there is no such program."""
    n, c, length = len(carry), fun.consts, fun.length
    inputs = fun.body.program.inputs
    flags = [False] * (c + n) + [True] * (len(inputs) - c - n)
    try:
        closed, mine = Closed(sums.program, written=False).mapped(length, tuple(flags))
    except NeedsValues:
        return None
    values = [v for item in closed.program.equations for v in item.results]
    if sum(math.prod(v.shape) for v in values) > AT_ONCE:
        return None
    state = carry
    if len(sums.kept) + len(sums.added) < n:
        state = _widened(fun, consts, carry, xs, walk)[:n]
    state = [
        carry[i] if i in sums.kept else Flow(carry[i].shape) if i in sums.added else state[i]
        for i in range(n)
    ]
    fronted = [
        _moved(x, lambda array, axis=axis: np.moveaxis(array, axis, 0), v.shape)  # type: ignore[misc]  # mypy does not infer lambdas with defaults
        for x, axis, v in zip(xs, fun.x_axes, closed.program.inputs[c + n :], strict=False)
    ]
    first = fun.first
    index = [] if first is None else [constant(np.arange(first, first + length))]
    outs = walk(closed.program, [*consts, *state, *fronted, *index])
    all_steps = [
        out if flag else _stacked(out, 0, length) for out, flag in zip(outs, mine, strict=True)
    ]
    found = iter(all_steps)
    ys = []
    for axis in fun.y_axes:
        y = next(found)
        shape = (*y.shape[1 : axis + 1], length, *y.shape[axis + 1 :])
        ys.append(_moved(y, lambda array, axis=axis: np.moveaxis(array, 0, axis), shape))  # type: ignore[misc]  # mypy does not infer lambdas with defaults
    for i, parts in sums.added.items():
        state[i] = sums.total(carry[i], parts, found)
    return state + ys


# --- loops that wait ----------------------------------------------------------------------------


def through_waiting(fun: Waiting, operands: Sequence[Flow], walk: Walker) -> list[Flow]:
    """What is known of the results of a loop whose number of steps is not known."""
    consts, starts = fun.parted(operands)
    left: list[list[Flow]] = []
    results: list[Flow] = []
    for one, start in zip(fun.walks, starts, strict=True):
        finds = [left[number][j] for number, j in one.finds]

        def step(
            state: Sequence[Flow], one: Walk = one, finds: Sequence[Flow] = finds
        ) -> list[Flow]:
            return walk(one.step.program, [*consts, *state, *finds])

        found, leaving = widened(step, _started(one, fun.consts, start))
        left.append(leaving)
        results += found
    return results


def _started(walk: Walk, consts: int, start: Sequence[Flow]) -> list[Flow]:
    taken = iter(start)
    return [
        next(taken) if flag else _nothing(v)
        for v, flag in zip(walk.states(consts), walk.given, strict=True)
    ]
