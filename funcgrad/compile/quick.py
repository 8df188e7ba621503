"""Faster spellings where shapes, dtypes and memory are known, with the same bits.

A number beside an array costs NumPy a conversion at each call, be it Python's or NumPy's own: it is
written as an array without axes.

`np.where` chooses element by element; where the mask has no pattern, processors guess wrong half of
the time, which takes 3.5 ns an element. The bits of the operands can be combined without a guess:
(x xor y) and m, xor y, is x where all bits of m are set and y where none are.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from funcgrad.compile.schedule import IN_ORDER, Plan
from funcgrad.compile.spelling.literals import dtype_text
from funcgrad.compile.spelling.scope import Scope
from funcgrad.core.program import Constant, Equation, Reference, Variable

__all__ = [
    "Spread",
    "chosen",
    "keep",
    "often_spread",
    "quick_operands",
    "select",
    "selects",
    "spread_operand",
]

Spread: TypeAlias = tuple[int, tuple[int, ...]]
"""The number of a variable, and the shape it is broadcast to."""

SMALL = 1 << 12
"""Results of at most so many elements, where the operands lie in the nearest cache."""

OFTEN = 8
MANY = 512
"""From so many elements on, bits are combined."""

_ARITHMETIC = frozenset({"add", "subtract", "multiply", "divide"})
_BINARY = _ARITHMETIC | {"maximum", "minimum"}
_COMPARISONS = frozenset({"greater", "greater_equal", "less", "less_equal", "equal", "not_equal"})


def _bits(x: Any) -> Any:
    return np.uint32 if x.itemsize == 4 else np.uint64


def select(mask: Any, x: Any, y: Any, out: Any = None) -> Any:
    """`np.where(mask, x, y)` of arrays of 4 or 8 bytes an element, into `out` or in C order."""
    bits = _bits(x)
    all_or_none = mask.astype(bits, order="C")
    if out is y:
        np.subtract(all_or_none, 1, all_or_none)  # all bits where the mask is false
        x, y = y, x
    else:
        np.negative(all_or_none, all_or_none)
    if out is None:
        out = np.empty(mask.shape, x.dtype)
    written, other = out.view(bits), y.view(bits)
    np.bitwise_xor(x.view(bits), other, written)
    np.bitwise_and(written, all_or_none, written)
    np.bitwise_xor(written, other, written)
    return out


def keep(mask: Any, x: Any, out: Any = None) -> Any:
    """`np.where(mask, x, 0)` of an array of 4 or 8 bytes an element, into `out` or in C order."""
    bits = _bits(x)
    all_or_none = _as_bits(mask, bits, x, out)
    np.negative(all_or_none, all_or_none)
    written = all_or_none if out is None else out.view(bits)
    np.bitwise_and(all_or_none, x.view(bits), written)
    return all_or_none.view(x.dtype) if out is None else out


def drop(mask: Any, x: Any, out: Any = None) -> Any:
    """`np.where(mask, 0, x)` of an array of 4 or 8 bytes an element, into `out` or in C order."""
    bits = _bits(x)
    all_or_none = _as_bits(mask, bits, x, out)
    np.subtract(all_or_none, 1, all_or_none)
    written = all_or_none if out is None else out.view(bits)
    np.bitwise_and(all_or_none, x.view(bits), written)
    return all_or_none.view(x.dtype) if out is None else out


def _as_bits(mask: Any, bits: Any, x: Any, out: Any) -> Any:
    """Ones and zeros, in the memory of `out` if that is not the memory of an operand."""
    if out is None or out is x:
        return mask.astype(bits, order="C")
    written = out.view(bits)
    np.copyto(written, mask)
    return written


def selects(equation: Equation) -> bool:
    """Whether the result may be written into the memory of one of its operands by `chosen`."""
    if equation.primitive.name != "where":
        return False
    result = equation.results[0]
    mask, x, y = equation.operands
    if not (
        result.shape
        and result.dtype.itemsize in (4, 8)
        and _shape(mask) == result.shape
        and _is_mask(mask)
    ):
        return False
    if all(_is_part(operand, result) for operand in (x, y)):
        return True
    return _size(result.shape) >= MANY and any(
        _is_zero(other) and _is_array(kept, result) for kept, other in ((x, y), (y, x))
    )


def chosen(
    equation: Equation, operands: list[str], scope: Scope, out: str | None, plan: Plan
) -> tuple[str, str] | None:
    """An expression for `np.where`, and a statement after it that is given the name of the result.

    `None` if there is nothing better than `np.where`.
    """
    if equation.primitive.name != "where":
        return None
    result = equation.results[0]
    mask, x, y = equation.operands
    if (
        result.dtype.itemsize not in (4, 8)
        or plan.layouts.get(result.number) != IN_ORDER
        or _shape(mask) != result.shape
        or not _is_mask(mask)
    ):
        return None
    many = _size(result.shape) >= MANY
    for kept, other, helper in ((1, 2, keep), (2, 1, drop)):
        if (
            many
            and _is_zero(equation.operands[other])
            and _is_array(equation.operands[kept], result)
        ):
            name = scope.helper(helper, helper.__name__)
            into = "" if out is None else f", {out}"
            return f"{name}({operands[0]}, {operands[kept]}{into})", ""
    if not (_is_part(x, result) and _is_part(y, result)):
        return None
    if many:
        name = scope.helper(select, "select")
        into = "" if out is None else f", {out}"
        return f"{name}({', '.join(operands)}{into})", ""
    put = f"np.putmask({{}}, {operands[0]}, {operands[1]})"
    if out is not None and out == operands[2]:
        return out, put
    return (_zeros(result), put) if _is_zero(y) else None


def _zeros(result: Variable) -> str:
    shape = str(result.shape[0]) if len(result.shape) == 1 else str(result.shape)
    dtype = "" if result.dtype == np.float64 else f", {dtype_text(result.dtype)}"
    return f"np.zeros({shape}{dtype})"


def quick_operands(equation: Equation, operands: list[str], scope: Scope) -> list[str]:
    """Numbers beside arrays as arrays without axes."""
    name, result = equation.primitive.name, equation.results[0]
    if not result.shape:
        return operands
    if name == "where":
        for place in (1, 2):
            _as_number(equation, place, result.dtype, operands, scope)
    elif name in _BINARY or name in _COMPARISONS:
        for place in (0, 1):
            operand, other = equation.operands[place], equation.operands[1 - place]
            if type(operand) is not Constant:
                continue
            dtype = other.dtype if isinstance(other, Variable) else _dtype(other)
            if dtype is None or (name in _BINARY and dtype != result.dtype):
                continue
            _as_number(equation, place, dtype, operands, scope)
    return operands


def often_spread(equations: Sequence[Equation], plan: Plan) -> frozenset[Spread]:
    """Small arrays that are broadcast to one shape again and again, beside arrays of that shape.

    NumPy takes two arrays of one shape in two thirds of the time.
    """
    if len(equations) < OFTEN:
        return frozenset()
    counts: Counter[Spread] = Counter()
    for equation in equations:
        place = spread_operand(equation, plan)
        if place is not None:
            counts[_spread(equation, place)] += 1
    return frozenset(spread for spread, count in counts.items() if count >= OFTEN)


def spread_operand(equation: Equation, plan: Plan) -> int | None:
    """Which operand is broadcast to a small result in C order, and has its dtype."""
    result = equation.results[0]
    if (
        equation.primitive.name not in _ARITHMETIC
        or plan.layouts.get(result.number) != IN_ORDER
        or math.prod(result.shape) > SMALL
    ):
        return None
    for place in (0, 1):
        operand, other = equation.operands[place], equation.operands[1 - place]
        if (
            isinstance(operand, Variable)
            and operand.shape != result.shape
            and operand.shape
            and not operand.weak
            and operand.dtype == result.dtype
            and _shape(other) == result.shape
        ):
            return place
    return None


def _spread(equation: Equation, place: int) -> Spread:
    operand = equation.operands[place]
    assert isinstance(operand, Variable)
    return operand.number, equation.results[0].shape


def _as_number(
    equation: Equation, place: int, dtype: Any, operands: list[str], scope: Scope
) -> None:
    value = getattr(equation.operands[place], "value", None)
    if type(value) in (int, float):
        if dtype.kind == "f" and _fits(value, dtype):
            operands[place] = scope.constant(np.array(value, dtype))
    elif isinstance(value, np.generic):
        operands[place] = scope.constant(np.array(value))


def _fits(value: Any, dtype: np.dtype[Any]) -> bool:
    """Whether a number can be converted without a warning."""
    return bool(abs(value) < np.finfo(dtype).max)


def _shape(operand: Variable | Constant) -> tuple[int, ...]:
    if isinstance(operand, Variable):
        return operand.shape
    shape: tuple[int, ...] = getattr(operand.value, "shape", ())
    return shape


def _dtype(operand: Variable | Constant) -> np.dtype[Any] | None:
    if isinstance(operand, Variable):
        return None if operand.weak else operand.dtype
    dtype: np.dtype[Any] | None = getattr(operand.value, "dtype", None)
    return dtype


def _is_mask(operand: Variable | Constant) -> bool:
    return isinstance(operand, Variable) and operand.dtype == np.bool_


def _is_array(operand: Variable | Constant, result: Variable) -> bool:
    """Whether it is an array of the result's dtype that is spread over the result."""
    return isinstance(operand, Variable) and bool(operand.shape) and _dtype(operand) == result.dtype


def _is_part(operand: Variable | Constant, result: Variable) -> bool:
    """Whether an operand has the result's shape and dtype, or is a number that gets its dtype."""
    if isinstance(operand, Variable):
        return operand.shape == result.shape and _dtype(operand) == result.dtype
    if isinstance(operand, Reference):
        return False
    value = operand.value
    if type(value) in (int, float):
        return result.dtype.kind == "f" and _fits(value, result.dtype)
    return _shape(operand) in ((), result.shape) and _dtype(operand) == result.dtype


def _is_zero(operand: Variable | Constant) -> bool:
    """Whether it is a number all of whose bits are zero."""
    if type(operand) is not Constant:
        return False
    value = operand.value
    if type(value) in (int, float):
        return bool(value == 0 and math.copysign(1, value) > 0)
    return not _shape(operand) and hasattr(value, "tobytes") and not any(value.tobytes())


def _size(shape: tuple[int, ...]) -> int:
    return math.prod(shape)
