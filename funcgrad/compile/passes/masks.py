"""Choices and masks that are known: the logic of booleans, and `where`.

m ∧ true   m ∨ false   m ∧ m   m ∨ m   ¬¬m      m
m ∧ false                                       false (also where it is an operand later)
x > c ∨ isnan x   of a number c                 ¬(x ≤ c), and the like
x ≠ x                                           isnan x
where(true, x, y)   where(m, x, x)              x
where(m, x, where(m, y, z))                     where(m, x, z), and its mirror image
"""

import numpy as np

from funcgrad.compile.passes.sweep import Found, Operand, Rules, Sweep, remade
from funcgrad.core.program import Constant, Equation, Variable

__all__ = ["MASKS"]

_OPPOSITE = {
    "greater": "less_equal",
    "greater_equal": "less",
    "less": "greater_equal",
    "less_equal": "greater",
}
_BOOL = np.dtype(bool)


def _is_boolean(operand: Operand) -> bool:
    if isinstance(operand, Variable):
        return operand.dtype == _BOOL
    return getattr(operand.value, "dtype", type(operand.value)) in (_BOOL, bool)


def _both_or_either(sweep: Sweep, equation: Equation) -> Found:
    x, y = equation.operands
    if not (_is_boolean(x) and _is_boolean(y)):
        return None
    if x == y:
        return sweep.stands_for(x, equation)
    neutral = equation.primitive.name.endswith("and")
    for operand, other in ((x, y), (y, x)):
        known = sweep.number(other)
        if known is None:
            continue
        if bool(known) is neutral:
            found = sweep.stands_for(operand, equation)
            if found is not None:
                return found
        else:
            sweep.known[equation.results[0].number] = np.bool(not neutral)
    return None


def _not_beyond(sweep: Sweep, equation: Equation) -> Found:
    """x > c or x is nan: not x ≤ c."""
    for one, other in (equation.operands, equation.operands[::-1]):
        nan = sweep.definition(one, "isnan")
        made = sweep.made.get(other.number) if type(other) is Variable else None
        if nan is None or made is None or made.primitive.name not in _OPPOSITE:
            continue
        x, c = made.operands
        number = sweep.number(c)
        if x != nan.operands[0] or number is None or np.isnan(number):
            continue
        if type(x) is not Variable or x.shape != made.results[0].shape:
            continue
        opposite = sweep.add(_OPPOSITE[made.primitive.name], (x, c), equation)
        return remade(equation, "logical_not", (opposite,))
    return None


def _not(sweep: Sweep, equation: Equation) -> Found:
    (operand,) = equation.operands
    inner = sweep.definition(operand, equation.primitive.name)
    if inner is None or not _is_boolean(inner.operands[0]):
        return None
    return sweep.stands_for(inner.operands[0], equation)


def _unequal(sweep: Sweep, equation: Equation) -> Found:
    x, y = equation.operands
    if type(x) is not Variable or x != y or x.weak or x.dtype.kind not in "fc":
        return None
    return remade(equation, "isnan", (x,))


def _choice(sweep: Sweep, equation: Equation) -> Found:
    mask, x, y = equation.operands
    if x == y:
        return sweep.stands_for(x, equation)
    known = sweep.number(mask)
    if known is not None:
        return sweep.stands_for(x if known else y, equation)
    if type(mask) is Variable:
        return _choice_of_choice(sweep, equation, mask, x, y)
    return None


def _choice_of_choice(
    sweep: Sweep, equation: Equation, mask: Variable, x: Operand, y: Operand
) -> Found:
    result = equation.results[0]
    for position, operand in ((1, x), (2, y)):
        inner = sweep.definition(operand, "where")
        if inner is None or inner.operands[0] != mask or result.shape != mask.shape:
            continue
        chosen = inner.operands[position]
        own = inner.results[0].dtype
        if chosen is operand or not _has_dtype(chosen, own):
            continue
        new = remade(equation, "where", (mask, chosen, y) if position == 1 else (mask, x, chosen))
        if sweep.same_order(equation, new):
            return new
    return None


def _has_dtype(operand: Operand, dtype: np.dtype[np.generic]) -> bool:
    """Whether an operand is no weak number, and has the dtype."""
    if isinstance(operand, Constant):
        return bool(getattr(operand.value, "dtype", None) == dtype)
    return operand.dtype == dtype and not operand.weak


MASKS: Rules = {
    "bitwise_and": (_both_or_either,),
    "bitwise_or": (_both_or_either, _not_beyond),
    "logical_and": (_both_or_either,),
    "logical_or": (_both_or_either,),
    "invert": (_not,),
    "logical_not": (_not,),
    "not_equal": (_unequal,),
    "where": (_choice,),
}
