"""Identities of arithmetic that hold for all floating-point numbers: -0.0, inf and nan, too.

    x · 1   x / 1   x ** 1   x - 0   x + -0.0   +x   conj x      x
    x / 2ᵏ                                                       x · 2⁻ᵏ
    x ** 2                                                       x · x
    -(-x)                                                        x
    a + -b     -a + b     a - -b                                 a - b      b - a      a + b
    -a · -b    -a / -b    |-a|                                   a · b      a / b      |a|
    x · -1     -a · c     -a / c    c / -a    -(a · c)           -x    a · -c    a / -c    -c / a

(c a constant; only the sign of nan may differ.) Not among them, because of -0.0: x + 0.0 is x, and
-(a - b) is b - a. Of complex numbers no product with a real number is one: of i inf and 1 it is
nan + i inf.
"""

import math
from typing import Any

import numpy as np

from funcgrad.compile.passes.sweep import Found, Operand, Rules, Sweep, literal, remade
from funcgrad.core.program import Constant, Equation, Variable

__all__ = ["ALGEBRA", "SIGNS"]

_WIDTHS = {"e": 14, "f": 126, "d": 1022}
"""Largest |k| for which 2ᵏ and 2⁻ᵏ are normal numbers of a dtype."""


def _kind(equation: Equation) -> str:
    return equation.results[0].dtype.kind


def _times_one(sweep: Sweep, equation: Equation) -> Found:
    x, y = equation.operands
    if type(x) is type(y) or _kind(equation) not in "fiu":
        return None
    x, y = (x, y) if type(x) is Variable else (y, x)
    c = sweep.number(y)
    if c is None or c != 1:
        return None
    return sweep.stands_for(x, equation)


def _over_power_of_two(sweep: Sweep, equation: Equation) -> Found:
    x, y = equation.operands
    result = equation.results[0]
    if type(y) is not Constant or type(x) is not Variable or result.dtype.char not in _WIDTHS:
        return None
    if x.dtype != result.dtype:
        return None
    c = sweep.number(y)
    if c is None or isinstance(c, complex | np.complexfloating):
        return None
    if c == 1:
        return sweep.stands_for(x, equation)
    if literal(y) is None or not 0 < abs(c) < 1e300 or isinstance(c, bool | np.bool):
        return None
    mantissa, exponent = math.frexp(c)
    if abs(mantissa) != 0.5 or abs(exponent) >= _WIDTHS[result.dtype.char]:
        return None
    inverse: Any = 1.0 / float(c)
    if isinstance(c, np.generic):
        if c.dtype != result.dtype:
            return None
        inverse = c.dtype.type(inverse)
    return remade(equation, "multiply", (x, Constant(inverse)))


def _power(sweep: Sweep, equation: Equation) -> Found:
    x, y = equation.operands
    c = literal(y)
    result = equation.results[0]
    if c is None or type(x) is not Variable or x.dtype != result.dtype or _kind(equation) != "f":
        return None
    if c == 1:
        return sweep.stands_for(x, equation)
    if c == 2 and not result.weak and x.shape == result.shape and _size(x) != 1:
        # NumPy squares where it is given one exponent for several numbers
        return remade(equation, "square", (x,)) if result.dtype.char in "fd" else None
    return None


def _size(x: Variable) -> int:
    return math.prod(x.shape)


def _plus_zero(sweep: Sweep, equation: Equation) -> Found:
    x, y = equation.operands
    if type(x) is type(y):
        return None
    x, y = (x, y) if type(x) is Variable else (y, x)
    c = sweep.number(y)
    if c is None or c != 0:
        return None
    kind = _kind(equation)
    if kind in "iu" or (kind == "f" and not isinstance(c, complex) and np.signbit(c)):
        return sweep.stands_for(x, equation)
    return None


def _minus_zero(sweep: Sweep, equation: Equation) -> Found:
    x, y = equation.operands
    if type(x) is not Variable or type(y) is not Constant or _kind(equation) not in "fiu":
        return None
    c = sweep.number(y)
    if c is None or c != 0 or (_kind(equation) == "f" and np.signbit(c)):
        return None
    return sweep.stands_for(x, equation)


# fmt: off
_ROUNDED = (
    "add", "subtract", "multiply", "divide", "negative", "absolute", "square", "sqrt", "maximum",
    "minimum", "equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "isnan",
)
# fmt: on
"""Operations whose result does not depend on how the operands lie in memory."""


def _equal_operand(sweep: Sweep, equation: Equation) -> Found:
    """An operand that is equal to another variable, as x · 1 to x: the other one does as well."""
    for position, operand in enumerate(equation.operands):
        if type(operand) is Variable and operand.number in sweep.equal:
            if sweep.has_say(operand):
                continue
            x = sweep.equal[operand.number]
            new = (*equation.operands[:position], x, *equation.operands[position + 1 :])
            return remade(equation, equation.primitive.name, new, equation.params)
    return None


def _itself(sweep: Sweep, equation: Equation) -> Found:
    return sweep.stands_for(equation.operands[0], equation)


def _real_conjugate(sweep: Sweep, equation: Equation) -> Found:
    return _itself(sweep, equation) if _kind(equation) in "fiu" else None


# --- signs --------------------------------------------------------------------------------------


def _negated(sweep: Sweep, operand: Operand, other: Operand | None = None) -> Variable | None:
    """x, if the operand is -x (of one float or complex dtype) and x does as well beside another."""
    if type(operand) is not Variable:
        return None
    equation = sweep.definition(operand, "negative")
    if equation is None:
        return None
    x = equation.operands[0]
    if type(x) is not Variable or x.dtype != operand.dtype or x.weak is not operand.weak:
        return None
    if x.dtype.kind not in "fc":
        return None
    if other is not None and sweep.has_say(other) and sweep.has_say(x) and not sweep.is_dense(x):
        return None  # in memory, -x may lie otherwise than x, and the result with it
    return x


def _opposite(operand: Operand) -> Constant | None:
    """-c of a constant number c of float dtype, or of a Python integer."""
    c = literal(operand)
    if type(c) in (int, float) or isinstance(c, np.floating):
        return Constant(-c if type(c) is not int or c else -0.0)
    return None


def _negative_of(sweep: Sweep, equation: Equation) -> Found:
    operand = equation.operands[0]
    x = _negated(sweep, operand)
    if x is not None:
        return sweep.stands_for(x, equation)
    product = sweep.definition(operand, "multiply")
    if product is None or _kind(equation) != "f" or not _keeps_sign_rules(product):
        return None
    a, b = product.operands
    if type(a) is type(b):
        return None
    a, b = (a, b) if type(a) is Variable else (b, a)
    opposite = _opposite(b)
    if opposite is None or product.errors != equation.errors:
        return None
    return remade(equation, "multiply", (a, opposite))


def _sum_of(sweep: Sweep, equation: Equation) -> Found:
    a, b = equation.operands
    y = _negated(sweep, b, a)
    if y is not None:
        return remade(equation, "subtract", (a, y))
    x = _negated(sweep, a, b)
    return None if x is None else remade(equation, "subtract", (b, x))


def _difference_of(sweep: Sweep, equation: Equation) -> Found:
    a, b = equation.operands
    y = _negated(sweep, b, a)
    return None if y is None else remade(equation, "add", (a, y))


def _keeps_sign_rules(equation: Equation) -> bool:
    """Whether operands and result are real floats: of integers -0 is 0, and int8 is no float."""
    return all(
        o.dtype.kind == "f" if type(o) is Variable else type(o) is Constant
        for o in (*equation.operands, *equation.results)
    )


def _product_of(sweep: Sweep, equation: Equation) -> Found:
    a, b = equation.operands
    if not _keeps_sign_rules(equation):
        return None
    x, y = _negated(sweep, a, b), _negated(sweep, b, a)
    name = equation.primitive.name
    if x is not None and y is not None:
        return remade(equation, name, (x, y))
    if x is not None:
        opposite = _opposite(b)
        if opposite is None:
            return remade(equation, "negative", (sweep.add(name, (x, b), equation),))
        return remade(equation, name, (x, opposite))
    if y is not None:
        opposite = _opposite(a)
        if opposite is None:
            return remade(equation, "negative", (sweep.add(name, (a, y), equation),))
        return remade(equation, name, (opposite, y))
    return None


def _times_minus_one(sweep: Sweep, equation: Equation) -> Found:
    a, b = equation.operands
    if type(a) is type(b) or not _keeps_sign_rules(equation):
        return None
    x, y = (a, b) if type(a) is Variable else (b, a)
    c = sweep.number(y)
    result = equation.results[0]
    if c is None or c != -1 or type(x) is not Variable or x.shape != result.shape:
        return None
    if x.dtype != result.dtype or x.weak is not result.weak:
        return None
    other = remade(equation, "negative", (x,))
    return other if sweep.same_order(equation, other) else None


def _size_of(sweep: Sweep, equation: Equation) -> Found:
    x = _negated(sweep, equation.operands[0])
    if x is None or _kind(equation) != "f":
        return None
    return remade(equation, equation.primitive.name, (x,), equation.params)


ALGEBRA: Rules = {
    **dict.fromkeys(_ROUNDED, (_equal_operand,)),
    "multiply": (_equal_operand, _times_one),
    "divide": (_equal_operand, _over_power_of_two),
    "power": (_power,),
    "add": (_equal_operand, _plus_zero),
    "subtract": (_equal_operand, _minus_zero),
    "positive": (_itself,),
    "conjugate": (_real_conjugate,),
}
SIGNS: Rules = {
    "negative": (_negative_of,),
    "add": (_sum_of,),
    "subtract": (_difference_of,),
    "multiply": (_times_minus_one, _product_of),
    "divide": (_product_of,),
    "absolute": (_size_of,),
    "square": (_size_of,),
}
