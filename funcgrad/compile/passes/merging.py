"""Common subexpressions: what has been computed already is not computed again.

Two equations compute the same if primitive, operands, parameters and the handling of
floating-point errors are the same. Numbers are told apart by type and sign (1, 1.0, True, -0.0),
arrays by their elements and strides, arrays of the user's by identity. Commutative operations are
recognised in either order.
"""

from typing import Any

import numpy as np

from funcgrad.compile.passes.sweep import EVERY, Found, Operand, Rules, Sweep
from funcgrad.core.program import Equation, Variable

__all__ = ["MERGING"]

_FAMILIES = frozenset(
    {"elementwise", "linear", "multilinear", "piecewise constant", "random", "smooth"}
)
"""Families of functions of operands and parameters; a draw is one of its key."""

# fmt: off
_COMMUTATIVE = frozenset({
    "add", "multiply", "equal", "not_equal", "logical_and", "logical_or", "logical_xor",
    "bitwise_and", "bitwise_or", "bitwise_xor",
})
# fmt: on


def _merge(sweep: Sweep, equation: Equation) -> Found:
    primitive = equation.primitive
    if primitive.family not in _FAMILIES:
        return None
    operands = equation.operands
    parts = [_told_apart(operand) for operand in operands]
    if primitive.name in _COMMUTATIVE and _commutes(equation):
        if type(parts[0]) is type(parts[1]):
            if type(parts[0]) is int and parts[0] > parts[1]:
                parts.reverse()
        elif type(parts[0]) is not int:
            parts.reverse()  # the variable first
    params = equation.params
    key = (
        primitive,
        tuple(parts),
        tuple([(name, _frozen(value)) for name, value in params]) if params else (),
        equation.errors,
    )
    try:
        found = sweep.seen.get(key)
    except TypeError:  # a parameter that cannot be hashed
        return None
    if found is None:
        sweep.seen[key] = equation.results
    return found


def _commutes(equation: Equation) -> bool:
    """Whether both orders give the same bits; products of complex numbers may be fused."""
    return equation.primitive.name != "multiply" or equation.results[0].dtype.kind != "c"


def _told_apart(operand: Operand) -> Any:
    if type(operand) is Variable:
        return operand.number
    value = operand.value  # type: ignore[union-attr]  # a constant
    return (operand, value.strides) if type(value) is np.ndarray else operand


def _frozen(value: Any) -> Any:
    """A parameter that is equal to parameters of the same types and signs only."""
    kind = type(value)
    if kind is tuple:
        return tuple(map(_frozen, value))
    if kind is float or kind is complex:
        return kind, repr(value)
    if isinstance(value, np.generic):
        return kind, value.tobytes()
    return (kind, value) if kind is bool or kind is int else value


MERGING: Rules = {EVERY: (_merge,)}
