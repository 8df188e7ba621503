"""The table of all primitives: how each is written, and which take memory for their result."""

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np

from funcgrad.compile.spelling.arrays import ARRAYS, WITH_OUT, is_plain_mean
from funcgrad.compile.spelling.elementwise import Speller, elementwise, ufunc_of
from funcgrad.compile.spelling.folding import FOLDS
from funcgrad.compile.spelling.functions import FUNCTIONS
from funcgrad.compile.spelling.literals import call, keywords
from funcgrad.compile.spelling.scope import Scope
from funcgrad.core.primitive import PRIMITIVES
from funcgrad.core.program import Equation
from funcgrad.primitives import elementwise as _declarations
from funcgrad.primitives.python_numbers import FAMILY

__all__ = ["spelled", "takes_out"]

del _declarations  # imported so that the registry is full

_TUPLES = frozenset({"unique", "unravel_index"})
"""Whose value is a tuple even of one result."""


def _linalg(function: str) -> Speller:
    def spell(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
        del out
        return call(function, [*operands, *keywords(equation.params, scope)])

    return spell


_UFUNCS = {
    name: elementwise(primitive)
    for name, primitive in PRIMITIVES.items()
    if ufunc_of(primitive) is not None
}
_LINALG = {
    name: _linalg(f"np.linalg.{name}")
    for name, primitive in PRIMITIVES.items()
    if getattr(np.linalg, name, None) is primitive.value
}
SPELLINGS: MappingProxyType[str, Speller] = MappingProxyType(
    {**_UFUNCS, **_LINALG, **FUNCTIONS, **FOLDS, **ARRAYS}
)
"""How a primitive is written, by its name."""

_WITH_OUT = WITH_OUT | frozenset(_UFUNCS)


def spelled(
    equation: Equation, operands: Sequence[str], scope: Scope, out: str | None = None
) -> str:
    """One equation as a NumPy expression: to the last bit what the primitive's value is.

    Args:
        equation: the application of a primitive to arrays, NumPy scalars and Python numbers.
        operands: names or literals, in parentheses where they need them.
        scope: gives names to functions and constants.
        out: name of an array of the result's shape and dtype, C contiguous, to be written into;
            only where `takes_out` says that it may be.

    Returns:
        An expression: the result, or a tuple if the equation has several. (What a primitive of
        the families `callback` and `custom` gives is always a tuple.)
    """
    primitive = equation.primitive
    if primitive.family == FAMILY:
        return primitive.name.format(*operands)
    speller = SPELLINGS.get(primitive.name)
    if speller is not None and PRIMITIVES.get(primitive.name) is primitive:
        return speller(equation, operands, scope, out)
    name = scope.helper(primitive.value, identifier(primitive.name))
    text = call(name, [*operands, *keywords(equation.params, scope)])
    return f"{text}[0]" if len(equation.results) == 1 and primitive.name in _TUPLES else text


def identifier(name: str) -> str:
    """A primitive's name as a Python identifier."""
    return "".join(letter if letter.isalnum() else "_" for letter in name)


def takes_out(equation: Equation) -> bool:
    """Whether `spelled` can write the result into memory that it is given.

    The bits are the same if all operands that have axes are C contiguous: a fresh result has the
    order in memory of its operands, on which later sums depend.
    """
    primitive = equation.primitive
    if primitive.name not in _WITH_OUT or PRIMITIVES.get(primitive.name) is not primitive:
        return False
    (result,) = equation.results
    if not result.shape:
        return False
    if primitive.name == "mean":
        return is_plain_mean(equation)
    if primitive.name == "cumsum":
        return not dict(equation.params)["reverse"]
    return True
