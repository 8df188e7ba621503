"""Constants: what is computed from literals only is computed once.

Arrays of the user's (`Reference`) are no literals, because their contents may change. An equation
stays where NumPy would warn, so that it warns at each call, and where the result is much larger
than its operands.
"""

import math
from typing import Any

import numpy as np

from funcgrad.compile.passes.sweep import EVERY, Found, Rules, Sweep
from funcgrad.core.foreign import is_foreign
from funcgrad.core.program import Constant, Equation, Variable
from funcgrad.core.wengert import aval_of

__all__ = ["FOLDING"]

SMALL = 4096
"""Bytes of a result that is kept, whatever it was computed from."""

_FAMILIES = frozenset({"elementwise", "linear", "multilinear", "piecewise constant", "smooth"})
_ELSEWHERE = frozenset({"matmul", "mean"})
"""`matmul` is computed by other means for matrices, and a mean of nothing warns in Python."""


def _fold(sweep: Sweep, equation: Equation) -> Found:
    del sweep
    for operand in equation.operands:
        if type(operand) is not Constant:
            return None
    primitive = equation.primitive
    if (
        primitive.family not in _FAMILIES
        or primitive.data_dependent
        or primitive.apply is not None
        or primitive.name in _ELSEWHERE
        or not equation.operands
    ):
        return None
    values = [operand.value for operand in equation.operands]  # type: ignore[union-attr]  # constants
    if any(map(is_foreign, values)) or not all(map(np.size, values)) or _loses(equation, values):
        return None
    limit = max(SMALL, sum(map(_bytes, values)))
    if sum(_bytes_of_result(variable) for variable in equation.results) > limit:
        return None
    try:
        with np.errstate(all="raise"):
            out = primitive.value(*values, **dict(equation.params))
    except (ArithmeticError, ValueError, TypeError, IndexError, np.linalg.LinAlgError):
        return None  # each call raises it, or warns
    outs = out if type(out) is tuple else (out,)
    if not all(map(_is_like, outs, equation.results)):
        return None
    return tuple(map(Constant, outs))


def _is_like(value: Any, variable: Variable) -> bool:
    aval = aval_of(value)
    weak = not hasattr(value, "dtype")
    return (aval.shape, aval.dtype, weak) == (variable.shape, variable.dtype, variable.weak)


def _loses(equation: Equation, values: list[Any]) -> bool:
    """Whether complex numbers become real, which warns in Python."""
    return any(np.iscomplexobj(value) for value in values) and equation.primitive.name in (
        "astype",
        "truncate",
    )


def _bytes(value: Any) -> int:
    size: int = getattr(value, "nbytes", 8)
    return size


def _bytes_of_result(variable: Variable) -> int:
    return variable.dtype.itemsize * math.prod(variable.shape)


FOLDING: Rules = {EVERY: (_fold,)}
