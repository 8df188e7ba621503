"""Arrays whose parts are written one by one: no copy puts values together that are used together.

`room` is memory for a stack, with nothing in it; `into` an operation whose result goes into a part
of it; `placed` copies a value that is there already into a part; `filled` is the stack, when all
its parts are there.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from funcgrad.compile.quick import quick_operands
from funcgrad.compile.regions.cluster import FAMILY as CLUSTER
from funcgrad.compile.regions.cluster import SLOTS
from funcgrad.compile.spelling import spelled
from funcgrad.compile.structured import WRITERS
from funcgrad.core.primitive import Primitive
from funcgrad.core.program import Constant, Equation, Variable

__all__ = ["INTO", "filled", "into", "placed", "room"]


def _no_batch(*_args: Any) -> Any:
    raise AssertionError("stacks are made when a program is written, after all transforms")


def _room_value(*, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    return np.empty(shape, dtype)


def _into_value(slot: Any, *operands: Any, inner: Equation) -> Any:
    slot[...] = inner.primitive.value(*operands, **dict(inner.params))
    return slot


def _placed_value(slot: Any, x: Any) -> Any:
    slot[...] = x
    return slot


def _filled_value(stack: Any, *_parts: Any) -> Any:
    return stack


_room = Primitive("room", _room_value, CLUSTER, None, None, _no_batch)
INTO = Primitive("into", _into_value, SLOTS, None, None, _no_batch, returns_view=True)
"""An operation whose result goes into a part of a stack."""

_placed = Primitive("placed", _placed_value, SLOTS, None, None, _no_batch, returns_view=True)
_filled = Primitive("filled", _filled_value, SLOTS, None, None, _no_batch, returns_view=True)


def room(result: Variable) -> Equation:
    """Memory for a stack."""
    return Equation(_room, (), (("shape", result.shape), ("dtype", result.dtype)), (result,))


def into(slot: Variable, equation: Equation) -> Equation:
    """An equation whose result is written into a part of a stack."""
    operands = (slot, *equation.operands)
    params = (("inner", equation),)
    return Equation(INTO, operands, params, equation.results, None, equation.origin)


def placed(slot: Variable, x: Variable | Constant, result: Variable) -> Equation:
    """A value that is copied into a part of a stack."""
    return Equation(_placed, (slot, x), (), (result,))


def filled(stack: Variable, parts: Sequence[Variable], result: Variable) -> Equation:
    """A stack whose parts are there."""
    return Equation(_filled, (stack, *parts), (), (result,))


def _write_room(writer: Any, equation: Equation, operands: Sequence[str]) -> list[str]:
    del operands
    (result,) = equation.results
    name: str = writer.fresh(result.name)
    writer.line(f"{name} = {writer.memory(result)}")
    return [name]


def _write_into(writer: Any, equation: Equation, operands: Sequence[str]) -> list[str]:
    inner: Equation = dict(equation.params)["inner"]
    slot, *own = operands
    own = quick_operands(inner, own, writer.scope)
    name: str = writer.fresh(inner.results[0].name)
    writer.line(f"{name} = {spelled(inner, own, writer.scope, slot)}", inner.origin)
    return [name]


def _write_placed(writer: Any, equation: Equation, operands: Sequence[str]) -> list[str]:
    del equation
    slot, x = operands
    writer.line(f"{slot}[...] = {x}")
    return [slot]


def _write_filled(writer: Any, equation: Equation, operands: Sequence[str]) -> list[str]:
    name: str = writer.fresh(equation.results[0].name)
    writer.line(f"{name} = {operands[0]}")
    return [name]


WRITERS["room"] = _write_room
WRITERS["into"] = _write_into
WRITERS["placed"] = _write_placed
WRITERS["filled"] = _write_filled
