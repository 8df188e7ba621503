"""Identities of the real numbers that rounding, -0.0, inf or nan break.

    x + 0                          x, also where x is -0.0

The others are taken only with `fast_math`:

    x · 0                          0, also where x is inf or nan
    x / c                          x · (1/c)
    (x · c) · d   (x · c) / d      x · (c · d)   x · (c / d)       (x + c) + d     x + (c + d)
    x ** n, n = 3 … 8              products of squares
    x ** -1   x ** 0.5             1 / x   √x
    log(exp x)   exp(log x)        x
    Σ broadcast_to(x, n copies)    n · x

A zero is followed through sums, views and products, so that what is added to it stays as it is.
"""

import math
from typing import Any

import numpy as np

from funcgrad.compile.passes.sweep import Found, Operand, Rules, Sweep, literal, remade
from funcgrad.core.program import Constant, Equation, Variable

__all__ = ["FAST_MATH", "ZEROS"]

_INVERSES = {"exp": "log", "log": "exp", "expm1": "log1p", "log1p": "expm1"}


def _sorted(sweep: Sweep, equation: Equation) -> tuple[Variable, Any, bool] | None:
    """A variable and the number beside it, and whether the variable comes first."""
    x, y = equation.operands
    if equation.results[0].dtype.kind not in "fc":
        return None
    for first, second, in_order in ((x, y, True), (y, x, False)):
        c = sweep.number(second)
        if type(first) is Variable and c is not None and first.number not in sweep.known:
            return first, c, in_order
    return None


def _with_zero(sweep: Sweep, equation: Equation) -> Found:
    found = _sorted(sweep, equation)
    if found is None or found[1] != 0:
        return None
    _, _, in_order = found
    name, result = equation.primitive.name, equation.results[0]
    if name == "multiply" or (name == "divide" and not in_order):
        sweep.known[result.number] = 0.0 if result.weak else result.dtype.type(0)
    return None


def _plus_zero(sweep: Sweep, equation: Equation) -> Found:
    found = _sorted(sweep, equation)
    if found is None or found[1] != 0:
        return None
    x, _, in_order = found
    if equation.primitive.name == "add" or in_order:
        return sweep.stands_for(x, equation)
    return None


def _number(equation: Equation, value: Any) -> Constant | None:
    """A number in the precision of a result; `None` if it has left its range."""
    result = equation.results[0]
    if result.dtype.kind != "f" or isinstance(value, complex):
        return None
    rounded = result.dtype.type(value)
    if not np.isfinite(rounded) or bool(rounded) is not bool(value):
        return None
    return Constant(float(rounded) if result.weak else rounded)


def _is_exact_number(operand: Operand) -> bool:
    return isinstance(literal(operand), int | float | np.floating)


def _by_number(sweep: Sweep, equation: Equation) -> Found:
    x, y = equation.operands
    c = literal(y)
    if type(x) is not Variable or not _is_exact_number(y) or not 1e-30 < abs(c) < 1e30:
        return None
    if x.dtype != equation.results[0].dtype:
        return None
    inverse = _number(equation, 1 / float(c))
    return None if inverse is None else remade(equation, "multiply", (x, inverse))


def _numbers_together(sweep: Sweep, equation: Equation) -> Found:
    name = equation.primitive.name
    outer = _apart(equation)
    inner = None if outer is None else sweep.definition(outer[0], name)
    if outer is None or inner is None or inner.errors != equation.errors:
        return None
    first = _apart(inner)
    if first is None or first[0].dtype != equation.results[0].dtype:
        return None
    c, d = float(first[1]), float(outer[1])
    both = _number(equation, c * d if name == "multiply" else c + d)
    return None if both is None else remade(equation, name, (first[0], both))


def _apart(equation: Equation) -> tuple[Variable, Any] | None:
    """A variable and a literal number beside it."""
    for x, y in (equation.operands, equation.operands[::-1]):
        if type(x) is Variable and _is_exact_number(y) and x.shape == equation.results[0].shape:
            return x, literal(y)
    return None


def _power(sweep: Sweep, equation: Equation) -> Found:
    x, y = equation.operands
    n, result = literal(y), equation.results[0]
    if type(x) is not Variable or not _is_exact_number(y) or result.dtype.kind != "f":
        return None
    if x.dtype != result.dtype or x.weak is not result.weak or x.shape != result.shape:
        return None
    if n == -1 and not x.weak:
        return remade(equation, "reciprocal", (x,))
    if n == 0.5 and not x.weak:
        return remade(equation, "sqrt", (x,))
    if n not in (2, 3, 4, 5, 6, 7, 8):
        return None
    return _product(sweep, equation, x, int(n))


def _product(sweep: Sweep, equation: Equation, x: Variable, n: int) -> Equation:
    """xⁿ by repeated squaring: each bit of n below the highest is a square, and maybe a factor."""
    value: Operand = x
    steps = [step for bit in bin(n)[3:] for step in ((None,) if bit == "0" else (None, x))]
    for part, factor in enumerate(steps[:-1]):
        other = value if factor is None else factor
        value = sweep.add("multiply", (value, other), equation, part=part)
    return remade(equation, "multiply", (value, value if steps[-1] is None else x))


def _inverse(sweep: Sweep, equation: Equation) -> Found:
    inner = sweep.definition(equation.operands[0], _INVERSES[equation.primitive.name])
    return None if inner is None else sweep.stands_for(inner.operands[0], equation)


def _sum_of_copies(sweep: Sweep, equation: Equation) -> Found:
    operand = equation.operands[0]
    inner = sweep.definition(operand, "broadcast_to")
    result = equation.results[0]
    if inner is None or type(operand) is not Variable or operand.dtype != result.dtype:
        return None
    x = inner.operands[0]
    if type(x) is not Variable or x.weak or result.dtype.kind != "f":
        return None
    rank = len(operand.shape)
    own = (1,) * (rank - len(x.shape)) + x.shape
    axes = [axis + rank for axis in dict(equation.params)["axis"]]
    if x.shape != result.shape or any(own[axis] != 1 for axis in axes):
        return None
    count = _number(equation, math.prod(operand.shape[axis] for axis in axes))
    return None if count is None else remade(equation, "multiply", (x, count))


def _still_zero(sweep: Sweep, equation: Equation) -> Found:
    known = [sweep.number(operand) for operand in equation.operands]
    if all(number is not None and number == 0 for number in known):
        sweep.known[equation.results[0].number] = known[0]
    return None


_LINEAR = ("broadcast_to", "index", "mean", "negative", "reshape", "sum", "transpose", "unindex")

ZEROS: Rules = {
    **dict.fromkeys(_LINEAR, (_still_zero,)),
    "add": (_plus_zero,),
    "subtract": (_plus_zero,),
}
"""What changes no more than the signs of zeros."""

FAST_MATH: Rules = {
    "multiply": (_with_zero, _numbers_together),
    "divide": (_with_zero, _by_number),
    "add": (_numbers_together,),
    "power": (_power,),
    "log": (_inverse,),
    "exp": (_inverse,),
    "log1p": (_inverse,),
    "expm1": (_inverse,),
    "sum": (_sum_of_copies,),
}
