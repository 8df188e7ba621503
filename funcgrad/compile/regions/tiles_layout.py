"""Where the values of one tile lie: in scratch memory, in results, or nowhere of their own."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from funcgrad.compile.regions.tiles_masks import combines
from funcgrad.compile.regions.tiles_members import (
    FOLD,
    LAY,
    MAP,
    Shape,
    is_uniform,
    role_of,
    shape_of,
)
from funcgrad.compile.spelling import takes_out
from funcgrad.core.program import Constant, Equation, Program, Reference, Variable

__all__ = ["Layout", "Step", "bytes_per_element", "laid_out", "resolved", "writes_into"]

_COPIES = frozenset({"broadcast_to", "copy", "stop_gradient"})


@dataclass(slots=True)
class Step:
    """One equation of a tile.

    Attributes:
        equation: with the operands that are read.
        scratch: the number of the scratch array that the result is written to.
        result: the number of the program's output that the result is written to.
        copies: whether it only copies its operand.
    """

    equation: Equation
    scratch: int | None = None
    result: int | None = None
    copies: bool = False


@dataclass(slots=True)
class Layout:
    """The steps of a tile.

    Attributes:
        iteration: the shape that is cut into tiles.
        steps: in order; those that lay values into zeros are last.
        scratch: dtypes of the scratch arrays.
    """

    iteration: Shape
    steps: list[Step] = field(default_factory=list)
    scratch: list[np.dtype[Any]] = field(default_factory=list)


def resolved(equations: Sequence[Equation], kept: frozenset[int]) -> list[Equation]:
    """The equations without copies and products with one that only lead to others.

    Arrays that repeat one number become that number.

    Args:
        equations: of a cluster.
        kept: numbers of the variables that others read.
    """
    stands_for: dict[int, Variable | Constant] = {}
    uniform: dict[int, Constant] = {}
    whole = set(kept)  # variables that must have the shape they are recorded with
    for equation in equations:
        if not _spreads(equation):
            whole.update(o.number for o in equation.operands if isinstance(o, Variable))
    out = []
    for equation in equations:
        operands = []
        spreads = _spreads(equation)
        for operand in equation.operands:
            if isinstance(operand, Variable):
                operand = stands_for.get(operand.number, operand)
            elif spreads and type(operand) is Constant and type(operand.value) is np.ndarray:
                operand = _as_number(operand, uniform)
            operands.append(operand)
        result = equation.results[0]
        source = _copied(equation, operands)
        if (
            source is None
            or result.number in kept
            or (result.number in whole and shape_of(source) != result.shape)
        ):
            out.append(replace(equation, operands=tuple(operands)))
        else:
            stands_for[result.number] = source
    return out


def _spreads(equation: Equation) -> bool:
    """Whether the result is right for operands that have not been broadcast yet."""
    return role_of(equation) == MAP and writes_into(equation)


def _as_number(constant: Constant, known: dict[int, Constant]) -> Constant:
    value = constant.value
    found = known.get(id(value))
    if found is None:
        uniform = value.ndim and value.dtype.kind == "f" and is_uniform(value)
        found = Constant(value.flat[0]) if uniform else constant
        known[id(value)] = found
    return found


def _copied(
    equation: Equation, operands: Sequence[Variable | Constant]
) -> Variable | Constant | None:
    """Which operand the result is equal to, but for broadcasting."""
    name, result = equation.primitive.name, equation.results[0]
    if name in _COPIES:
        operand = operands[0]
        weak = isinstance(operand, Variable) and operand.weak
        plain = type(operand) is Constant and not hasattr(operand.value, "dtype")
        return None if weak or plain or isinstance(operand, Reference) else operand
    if name == "multiply":
        for one, other in (operands, operands[::-1]):
            if (
                type(one) is Constant
                and type(one.value) in (float, int, np.float64, np.float32)
                and one.value == 1
                and isinstance(other, Variable)
                and not other.weak
                and other.dtype == result.dtype
            ):
                return other
    return None


def laid_out(program: Program, iteration: Shape) -> Layout:
    """The steps of a program that has been resolved, and the memory that they need."""
    layout = Layout(iteration)
    equations = sorted(program.equations, key=lambda e: role_of(e) == LAY)
    outputs = {v.number: k for k, v in enumerate(program.outputs) if isinstance(v, Variable)}
    last: dict[int, int] = {}
    for position, equation in enumerate(equations):
        for operand in equation.operands:
            if isinstance(operand, Variable):
                last[operand.number] = position
    homes: dict[int, int] = {}  # {variable: its scratch array}
    free: dict[np.dtype[Any], list[int]] = {}
    for position, equation in enumerate(equations):
        step = Step(equation)
        layout.steps.append(step)
        dying = {
            o.number
            for o in equation.operands
            if isinstance(o, Variable) and last[o.number] == position and o.number in homes
        }
        result = equation.results[0]
        role = role_of(equation)
        taken = None
        if role == MAP:
            step.copies = equation.primitive.name in _COPIES
            step.result = outputs.get(result.number)
            writes = writes_into(equation)
            if step.result is None and writes:
                taken = _taken(equation, dying, homes, layout)
                if taken is None:
                    spare = free.setdefault(result.dtype, [])
                    taken = spare.pop() if spare else _new(layout, result.dtype)
                step.scratch = homes[result.number] = taken
        elif role in (FOLD, LAY):
            step.result = outputs.get(result.number)
        for number in dying:
            if homes[number] != taken:
                free.setdefault(layout.scratch[homes[number]], []).append(homes[number])
        if taken is not None and result.number not in last:  # nobody reads it
            free.setdefault(result.dtype, []).append(taken)
    return layout


def writes_into(equation: Equation) -> bool:
    """Whether a map writes its result into an array that is given."""
    name = equation.primitive.name
    return name in _COPIES or name in ("where", "astype", "truncate") or takes_out(equation)


def _taken(
    equation: Equation, dying: set[int], homes: dict[int, int], layout: Layout
) -> int | None:
    """The scratch array of an operand that the result can be written over."""
    result = equation.results[0]
    name = equation.primitive.name
    if name == "astype":
        return None
    operands = equation.operands
    if name == "where":  # the second one is read first, in whole
        _, x, y = operands
        if x == y or not combines(equation):
            return None
        operands = (x,)
    for operand in operands:
        if (
            isinstance(operand, Variable)
            and operand.number in dying
            and layout.scratch[homes[operand.number]] == result.dtype
        ):
            return homes[operand.number]
    return None


def _new(layout: Layout, dtype: np.dtype[Any]) -> int:
    layout.scratch.append(dtype)
    return len(layout.scratch) - 1


def bytes_per_element(program: Program, layout: Layout) -> int:
    """Bytes that are alive in a tile, for each of its elements."""
    full = [v for v in (*program.inputs, *program.outputs) if isinstance(v, Variable)]
    size = math.prod(layout.iteration)
    arrays = sum(v.dtype.itemsize for v in full if 2 * math.prod(v.shape) > size)
    return max(1, arrays + sum(dtype.itemsize for dtype in layout.scratch))
