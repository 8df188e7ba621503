"""`np.where` in a tile, written into memory that is there.

Where the mask has no pattern, processors guess wrong half of the time, so bits are combined: the
difference of two patterns of bits as integers, times the mask, plus the second one.
"""

from typing import Any

import numpy as np

from funcgrad.core.program import Constant, Equation, Reference, Variable

__all__ = ["combines", "masked_text"]


def choose(mask: Any, x: Any, y: Any, out: Any) -> None:
    """`out[...] = np.where(mask, x, y)` of one dtype of 4 or 8 bytes; `out` may be `x`."""
    bits = np.int32 if out.itemsize == 4 else np.int64
    written, other = out.view(bits), y.view(bits)
    np.subtract(x.view(bits), other, written)
    np.multiply(mask, written, written)
    np.add(written, other, written)


def choose_or_zero(mask: Any, x: Any, out: Any) -> None:
    """`out[...] = np.where(mask, x, 0)` of a dtype of 4 or 8 bytes; `out` may be `x`."""
    bits = np.int32 if out.itemsize == 4 else np.int64
    np.multiply(mask, x.view(bits), out.view(bits))


def zero_or(mask: Any, y: Any, out: Any) -> None:
    """`out[...] = np.where(mask, 0, y)` of a dtype of 4 or 8 bytes."""
    choose_or_zero(np.logical_not(mask), y, out)


def masked_text(equation: Equation, operands: list[str], out: str, writer: Any) -> list[str]:
    """Statements that write `np.where` into `out`, which may be its second operand."""
    result = equation.results[0]
    mask, x, y = equation.operands
    names = [operands[0]]
    for place in (1, 2):
        operand = equation.operands[place]
        name = operands[place]
        if type(operand) is Constant:
            number = _number(operand.value, result.dtype)
            name = name if number is None else writer.scope.constant(number)
        names.append(name)
    helper = writer.scope.helper
    if combines(equation):
        if _is_zero(y, result.dtype):
            return [f"{helper(choose_or_zero, 'choose_or_zero')}({names[0]}, {names[1]}, {out})"]
        if _is_zero(x, result.dtype):
            return [f"{helper(zero_or, 'zero_or')}({names[0]}, {names[2]}, {out})"]
        return [f"{helper(choose, 'choose')}({', '.join(names)}, {out})"]
    return [
        f"np.copyto({out}, {names[2]})",
        f"np.copyto({out}, {names[1]}, where={_as_mask(mask, names[0])})",
    ]


def combines(equation: Equation) -> bool:
    """Whether bits are combined, so that the result may be written over the second operand."""
    result = equation.results[0]
    mask, x, y = equation.operands
    return (
        isinstance(mask, Variable)
        and mask.dtype == np.bool_
        and bool(mask.shape)
        and result.dtype.itemsize in (4, 8)
        and result.dtype.kind == "f"
        and _fits(x, result)
        and _fits(y, result)
    )


def _as_mask(mask: Variable | Constant, name: str) -> str:
    dtype = mask.dtype if isinstance(mask, Variable) else np.asarray(mask.value).dtype
    return name if dtype == np.bool_ else f"np.not_equal({name}, 0)"


def _fits(operand: Variable | Constant, result: Variable) -> bool:
    """Whether the operand has the bits of the result."""
    if isinstance(operand, Variable):
        return operand.dtype == result.dtype and not operand.weak
    if isinstance(operand, Reference):
        return bool(operand.value.dtype == result.dtype)
    return _number(operand.value, result.dtype) is not None


def _number(value: Any, dtype: np.dtype[Any]) -> Any:
    """A number as an array without axes; `None` for anything else."""
    if type(value) in (int, float):
        if dtype.kind == "f" and abs(value) < np.finfo(dtype).max:
            return np.array(value, dtype)
        return None
    if isinstance(value, np.generic) and value.dtype == dtype:
        return np.array(value)
    return None


def _is_zero(operand: Variable | Constant, dtype: np.dtype[Any]) -> bool:
    """Whether it is a number all of whose bits are zero."""
    if type(operand) is not Constant:
        return False
    number = _number(operand.value, dtype)
    return number is not None and not any(number.tobytes())
