"""How sums over broadcast axes are written: by `add.reduce` or by `einsum`, as their values do."""

import math
import string
from collections.abc import Sequence
from types import MappingProxyType

import numpy as np

from funcgrad.compile.spelling.elementwise import Speller
from funcgrad.compile.spelling.literals import shape_of_operand
from funcgrad.compile.spelling.scope import Scope
from funcgrad.core.program import Equation
from funcgrad.families.shapes import SMALL_SIZE, folded_axes

__all__ = ["FOLDS"]

_LONG = 4096
"""Longer float32 sums are left to `add.reduce`, which adds in pairs."""


def _fold(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
    """One operand, or two that are multiplied first: see `families.shapes.sum_over`."""
    del scope, out
    params = dict(equation.params)
    full = shape_of_operand(equation.operands[0])
    rank = len(full)
    result = equation.results[0]
    axes, _ = folded_axes(full[rank - params["rank"] :], params["shape"])
    places = [axis + rank for axis in axes]
    number = math.prod(full[axis] for axis in axes)
    kept = [place for place in range(rank) if place not in places]
    if _is_reduced(math.prod(full), number, result.dtype):
        axis = str(places[0]) if len(places) == 1 else str(tuple(places))
        text = f"np.add.reduce({' * '.join(operands)}, axis={axis})"
    else:
        letters = string.ascii_letters[:rank]
        term = ",".join([letters] * len(operands))
        left = "".join(letters[place] for place in kept)
        text = f'np.einsum("{term}->{left}", {", ".join(operands)})'
    if tuple(full[place] for place in kept) == result.shape:
        return text
    return f"{text}.reshape({', '.join(map(str, result.shape))})"


def _is_reduced(size: int, number: int, dtype: np.dtype[np.generic]) -> bool:
    return (
        size < 2 * SMALL_SIZE or dtype.char not in "df" or (number > _LONG and dtype.itemsize < 8)
    )


FOLDS: MappingProxyType[str, Speller] = MappingProxyType(
    {"unbroadcast": _fold, "product_unbroadcast": _fold}
)
"""How a primitive is written, by its name."""
