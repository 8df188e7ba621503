"""Cotangents of parts, laid into zeros: those of one array are laid into the same zeros.

    unindex(a, b, …) + unindex(c)       unindex(a, b, …, c)

Each element is 0 + a + b + … and then + (0 + c): the same number as 0 + a + b + … + c, because the
sum so far is never -0.0. It would not be for two lists of parts, (0 + a + b) + (0 + c + d).
"""

from typing import Any

from funcgrad.compile.passes.sweep import Found, Operand, Rules, Sweep, remade
from funcgrad.core.program import Constant, Equation

__all__ = ["PLACING"]

MOST = 16
"""So many parts are laid into one array at most: each step lists all of those before it."""


def _dtypes(operands: tuple[Operand, ...]) -> set[Any]:
    return {
        getattr(o.value, "dtype", None) if isinstance(o, Constant) else o.dtype for o in operands
    }


def _into_one(sweep: Sweep, equation: Equation) -> Found:
    x, y = (sweep.definition(operand, "unindex") for operand in equation.operands)
    if x is None or y is None or x.errors != y.errors or x.errors != equation.errors:
        return None
    if len(y.operands) > 1:
        x, y = y, x
    if len(y.operands) > 1 or len(x.operands) >= MOST:
        return None
    result = equation.results[0]
    operands = (*x.operands, *y.operands)
    if x.results[0].shape != y.results[0].shape or _dtypes(operands) != {result.dtype}:
        return None
    if len(result.shape) > 1 and not (sweep.order_of(x) == sweep.order_of(y) == "C"):
        return None
    keys = dict(x.params)["keys"] + dict(y.params)["keys"]
    return remade(equation, "unindex", operands, (("keys", keys), ("shape", result.shape)))


PLACING: Rules = {"add": (_into_one,)}
