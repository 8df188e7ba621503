"""Small arrays as single numbers, and what a rule says of a primitive."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from funcgrad.compile.regions.scalars_numbers import Number, Unrolled
from funcgrad.core.program import Constant, Equation, Variable

__all__ = [
    "Expand", "Rule", "Value", "as_floats", "kind_of", "kinds_of", "moved", "shape_of_operand",
    "spread",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Value:
    """A small array as single numbers.

    Attributes:
        shape: its shape.
        items: its elements in C order.
        boolean: whether they are truth values.
        boxed: whether NumPy has an array where there are no axes.
    """

    shape: tuple[int, ...]
    items: Sequence[Number]
    boolean: bool = False
    boxed: bool = False


Expand = Callable[[Unrolled, Equation, Sequence[Value], bool], list[Value]]
"""`(unrolled, equation, operands, exact) -> results`."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What is known of a primitive.

    Attributes:
        expand: gives the numbers of the results.
        work: operations of two numbers that they take.
        calls: what the equation takes in NumPy, in calls of ufuncs.
        fits: whether the equation can be expanded, `(equation, exact) -> bool`.
    """

    expand: Expand
    work: Callable[[Equation], float]
    calls: float
    fits: Callable[[Equation, bool], bool] = lambda _equation, _exact: True


def shape_of_operand(operand: Variable | Constant) -> tuple[int, ...]:
    """The shape of an operand."""
    if type(operand) is Variable:
        return operand.shape
    shape: tuple[int, ...] = getattr(operand.value, "shape", ())  # type: ignore[union-attr]  # constant
    return shape


def as_floats(unrolled: Unrolled, value: Value) -> Value:
    """Truth values as 0.0 and 1.0."""
    if not value.boolean:
        return value
    return Value(value.shape, [unrolled.apply("convert", x) for x in value.items])


def spread(value: Value, shape: tuple[int, ...]) -> Sequence[Number]:
    """The elements, repeated as NumPy broadcasts them."""
    if value.shape == shape:
        return value.items
    if len(value.items) == 1:
        return [value.items[0]] * math.prod(shape)
    return moved(lambda x: np.broadcast_to(x, shape), value).items


def moved(move: Callable[[Any], Any], value: Value) -> Value:
    """Elements in other places: `move` is applied to their numbers."""
    places = np.asarray(move(np.arange(len(value.items)).reshape(value.shape)))
    items = value.items
    return Value(places.shape, [items[i] for i in places.ravel().tolist()], value.boolean)


def kinds_of(equation: Equation) -> set[str]:
    """The kinds of dtypes of all operands."""
    return {kind_of(operand) for operand in equation.operands}


def kind_of(operand: Variable | Constant) -> str:
    """The kind of an operand's dtype: `"f"`, `"b"`, `"i"`."""
    if type(operand) is Variable:
        return operand.dtype.kind
    return np.asarray(operand.value).dtype.kind  # type: ignore[union-attr]  # a Constant
