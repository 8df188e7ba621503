"""How elementwise operations are written: operators where they give the same bits, else ufuncs.

The operators of Python numbers raise errors where NumPy gives inf or nan, so Python numbers alone
go through `np.float64`. Functions of one NumPy scalar are given its `float`, which NumPy turns into
an array in a third of the time; the operators of NumPy scalars do without an array.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad.compile.spelling.literals import is_scalar, is_weak, operand_dtype
from funcgrad.compile.spelling.scope import Scope
from funcgrad.core.primitive import Primitive
from funcgrad.core.program import Constant, Equation, Variable

__all__ = ["UFUNCS", "Speller", "elementwise", "ufunc_of"]

Speller = Callable[[Equation, Sequence[str], Scope, str | None], str]
"""`(equation, operands, scope, out) -> expression`."""

_WEAK = ("add", "subtract", "multiply", "divide", "power", "negative", "absolute")
UFUNCS = {name: ufunc for name, ufunc in vars(np).items() if isinstance(ufunc, np.ufunc)}
"""NumPy's ufuncs by name."""

_ARITHMETIC = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}
_COMPARISONS = {
    "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=", "equal": "==",
    "not_equal": "!=",
}  # fmt: skip
_BITWISE = {"bitwise_and": "&", "bitwise_or": "|", "bitwise_xor": "^"}
_OF_ARRAYS = {"floor_divide": "//", "remainder": "%", "left_shift": "<<", "right_shift": ">>"}
_SHORT = {"absolute": "np.abs", "conjugate": "np.conj", "complex_absolute": "np.abs",
          "complex_sign": "np.sign"}  # fmt: skip
_FLOAT64 = np.dtype(np.float64)

# Of these powers array ** number is another function than np.power, but for 2 in some versions of
# NumPy: the probe is a number whose square the C library's pow rounds in another way.
_OTHER_POWERS = frozenset({-1, 0, 0.5, 1, 2})
_PROBE = np.array([0.8888674334843127, 1.0600141571321797, 0.03714101229183146])
SQUARES = bool(np.array_equal(np.power(_PROBE, 2), _PROBE * _PROBE))


def ufunc_of(primitive: Primitive) -> np.ufunc | None:
    """The ufunc that a primitive's value is, also where that keeps Python numbers weak."""
    value = primitive.value
    if isinstance(value, np.ufunc):
        return value
    if primitive.name in _WEAK and primitive.family == "elementwise":
        return UFUNCS[primitive.name]
    return None


def elementwise(primitive: Primitive) -> Speller:
    """How a primitive is written whose value is a ufunc."""
    name, ufunc = primitive.name, ufunc_of(primitive)
    assert ufunc is not None
    function = _SHORT.get(name, f"np.{ufunc.__name__}")
    if name == "negative":
        return _negative
    if name == "power":
        return _power
    if name in _ARITHMETIC:
        return _binary(function, _ARITHMETIC[name], "f")
    if name in _COMPARISONS:
        return _binary(function, _COMPARISONS[name], "biufc")
    if name in _BITWISE:
        return _binary(function, _BITWISE[name], "bi")
    if name in _OF_ARRAYS:
        return _binary(function, _OF_ARRAYS[name], "")
    return _general(function)


def _general(function: str) -> Speller:
    by_name = function in ("np.maximum", "np.minimum")  # without it they warn, since NumPy 2.4

    def spell(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
        del scope
        if out is not None:
            into = f"out={out}" if by_name else out
            return f"{function}({', '.join(operands)}, {into})"
        return _call(function, equation, operands)

    return spell


def _call(function: str, equation: Equation, operands: Sequence[str]) -> str:
    """A call of a ufunc, with the floats of scalars; the result is weak if it was recorded so."""
    result = equation.results[0]
    if not result.shape and all(map(_is_float, equation.operands)):
        operands = [
            f"float({text})" if type(operand) is Variable and not operand.weak else text
            for text, operand in zip(operands, equation.operands, strict=True)
        ]
    text = f"{function}({', '.join(operands)})"
    return f"float({text})" if result.weak else text


def _is_float(operand: Variable | Constant) -> bool:
    """Whether NumPy computes the same with `float(operand)`."""
    if type(operand) is Variable:
        return operand.dtype == _FLOAT64 and not operand.shape
    return type(operand.value) in (float, np.float64)  # type: ignore[union-attr]  # a Constant


def _binary(function: str, symbol: str, kinds: str) -> Speller:
    """An operation that has an operator.

    Args:
        function: the ufunc's name.
        symbol: the operator.
        kinds: of the dtypes of NumPy scalars for which it gives the same bits and warnings.
    """

    def spell(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
        del scope
        x, y = operands
        if out is not None:
            return f"{function}({x}, {y}, {out})"
        result = equation.results[0]
        if result.shape or (kinds and _are_scalars(equation, kinds)):
            return f"{x} {symbol} {y}"
        if result.weak and symbol in "+-*/":
            return f"float(np.float64({x}) {symbol} {y})"
        return _call(function, equation, operands)

    return spell


def _are_scalars(equation: Equation, kinds: str) -> bool:
    """Whether the operands are NumPy scalars of these kinds; one may be a Python number."""
    strong = False
    for position, operand in enumerate(equation.operands):
        if not is_scalar(operand):  # of an empty result
            return False
        dtype = operand_dtype(equation, position)
        if dtype is None:
            constant: Any = operand
            value = operand.dtype if type(operand) is Variable else np.result_type(constant.value)
            if value.kind not in kinds and not ("f" in kinds and value.kind == "i"):
                return False
        elif dtype.kind not in kinds:
            return False
        else:
            strong = True
    return strong


def _negative(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
    del scope
    (x,) = operands
    if out is not None:
        return f"np.negative({x}, {out})"
    result = equation.results[0]
    if (
        result.weak
        or result.shape
        or (result.dtype.kind in "fc" and not is_weak(equation.operands[0]))
    ):
        return f"-{x}"
    return f"np.negative({x})"


def _power(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
    del scope
    x, y = operands
    if out is not None:
        return f"np.power({x}, {y}, {out})"
    exponent = equation.operands[1]
    result = equation.results[0]
    number: Any = exponent.value if isinstance(exponent, Constant) and is_weak(exponent) else None
    own = operand_dtype(equation, 0)
    is_square = number == 2 and SQUARES and own is not None and own.kind == "f"
    if result.shape:
        if number is None:
            return f"{x} ** {y}" if not is_scalar(exponent) else f"np.power({x}, {y})"
        if number not in _OTHER_POWERS or is_square:
            return f"{x} ** {y}"
    elif is_square:
        return f"{x} * {x}"
    return _call("np.power", equation, operands)
