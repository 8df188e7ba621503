"""Parameters of equations as Python source: axes, shapes, keys, dtypes, and plain values."""

import math
from types import EllipsisType, NoneType
from typing import Any

import numpy as np

from funcgrad.compile.spelling.scope import Scope
from funcgrad.core.program import Constant, Equation, Variable

__all__ = [
    "axis_text",
    "call",
    "dtype_text",
    "is_scalar",
    "is_weak",
    "key_parts",
    "key_text",
    "keywords",
    "literal",
    "places_text",
    "rank_of_operand",
    "tuple_text",
]

_SIMPLE = frozenset({int, str, bytes, bool, NoneType, EllipsisType})
_NAMED = {
    np.dtype(kind): f"np.{np.dtype(kind).name}"
    for kind in (
        "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
        "float16", "float32", "float64", "complex64", "complex128",
    )
}  # fmt: skip


def literal(value: Any, scope: Scope) -> str:
    """A parameter as an expression; what cannot be written down becomes a constant of the scope."""
    kind = type(value)
    if kind in _SIMPLE:
        return repr(value)
    if kind is float:
        return repr(value) if math.isfinite(value) else f'float("{value!r}")'
    if kind is tuple:
        return tuple_text([literal(item, scope) for item in value])
    if kind is slice:
        bounds = (value.start, value.stop, value.step)
        return f"slice({', '.join(literal(bound, scope) for bound in bounds)})"
    if isinstance(value, np.dtype):
        return f"np.dtype({dtype_text(value)})"
    if isinstance(value, type) and issubclass(value, np.generic):
        return f"np.{value.__name__}"
    return scope.constant(value)


def tuple_text(items: list[str]) -> str:
    """A tuple of expressions."""
    return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"


def dtype_text(dtype: np.dtype[Any]) -> str:
    """What NumPy takes for a dtype: `np.float32`, or its description for a rare one."""
    return _NAMED.get(dtype) or repr(dtype.str)


def keywords(params: tuple[tuple[str, Any], ...], scope: Scope) -> list[str]:
    """Parameters as keyword arguments."""
    return [f"{name}={literal(value, scope)}" for name, value in params]


def call(function: str, arguments: list[str]) -> str:
    """A call."""
    return f"{function}({', '.join(arguments)})"


def is_weak(operand: Variable | Constant) -> bool:
    """Whether an operand is a Python number."""
    if type(operand) is Variable:
        return operand.weak
    return not hasattr(operand.value, "dtype")  # type: ignore[union-attr]  # a Constant


def is_scalar(operand: Variable | Constant) -> bool:
    """Whether an operand has no axes."""
    if type(operand) is Variable:
        return not operand.shape
    return not getattr(operand.value, "shape", ())  # type: ignore[union-attr]  # a Constant


def rank_of_operand(operand: Variable | Constant) -> int:
    """The number of axes of an operand."""
    return len(shape_of_operand(operand))


def shape_of_operand(operand: Variable | Constant) -> tuple[int, ...]:
    """The shape of an operand."""
    if type(operand) is Variable:
        return operand.shape
    shape: tuple[int, ...] = getattr(operand.value, "shape", ())  # type: ignore[union-attr]  # constant
    return shape


def axis_text(axis: int | tuple[int, ...], rank: int) -> str:
    """Negative axes as positive ones; one alone is no tuple."""
    if type(axis) is int:
        return str(axis + rank if axis < 0 else axis)
    places = [a + rank if a < 0 else a for a in axis]  # type: ignore[union-attr]  # a tuple
    return str(places[0]) if len(places) == 1 else str(tuple(places))


def _part(part: Any) -> str:
    if type(part) is tuple:
        start, stop, step = ("" if bound is None else str(bound) for bound in part)
        return f"{start}:{stop}:{step}" if step else f"{start}:{stop}"
    return "..." if part is Ellipsis else str(part)


def key_parts(key: tuple[Any, ...]) -> str:
    """What stands between the brackets, for a key encoded by `primitives.keys.encode`."""
    if not key:
        return "()"
    text = ", ".join(map(_part, key))
    if len(key) > 1:
        return text
    only = key[0]  # x[i] and x[1:] mean x[i,] and x[1:,]
    return text if type(only) in (int, tuple) or only is None else text + ","


def key_text(name: str, key: tuple[Any, ...]) -> str:
    """`name[key]`."""
    return f"{name}[{key_parts(key)}]"


def places_text(key: tuple[Any, ...]) -> str:
    """An encoded key as a value: `(0, 1)`, or `np.s_[0, :]` if slices are in it."""
    if any(type(part) is tuple for part in key):
        return f"np.s_[{key_parts(key) if len(key) > 1 else key_parts(key) + ','}]"
    return tuple_text([_part(part) for part in key]) if key else "()"


def operand_dtype(equation: Equation, position: int) -> np.dtype[Any] | None:
    """The dtype of an operand; `None` for a Python number."""
    operand = equation.operands[position]
    if type(operand) is Variable:
        return None if operand.weak else operand.dtype
    dtype: np.dtype[Any] | None = getattr(operand.value, "dtype", None)  # type: ignore[union-attr]  # constant
    return dtype
