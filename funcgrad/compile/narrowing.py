"""Loops and their like without the results that nothing needs."""

import dataclasses
from collections.abc import Container
from typing import Any

from funcgrad.core.program import Equation

__all__ = ["is_heard", "narrowed"]


def narrowed(equation: Equation, needed: Container[int]) -> Equation:
    """An equation that holds programs without what only leads to results that nobody reads.

    Args:
        equation: any equation.
        needed: numbers of the variables that are read.
    """
    if equation.primitive.family != "structured":
        return equation
    params = dict(equation.params)
    fun: Any = params["fun"]
    used = tuple(v.number in needed for v in equation.results)
    if all(used) or not hasattr(fun, "narrowed"):
        return equation
    found = fun.narrowed(used)
    if found is None:
        return equation
    params["fun"], operands, results = found
    return dataclasses.replace(
        equation,
        operands=tuple(equation.operands[i] for i in operands),
        params=tuple(params.items()),
        results=tuple(equation.results[i] for i in results),
    )


def is_heard(equation: Equation) -> bool:
    """Whether it is there to be seen: under `np.errstate` with "raise", "call" and the like."""
    return equation.errors is not None and any(
        how not in ("ignore", "warn") for _, how in equation.errors
    )
