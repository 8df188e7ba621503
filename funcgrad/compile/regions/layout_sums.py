"""Sums of what need not be there as an array.

    Σ (−x) = −Σ x        Σ (a · b) over a few elements = one pass over a and b

Sums of negatives are what the derivative of x − y brings for a y that was broadcast; sums of
squares along rows are distances. Zeros may get another sign, and the order of additions may change.
"""

import math
from collections.abc import Sequence

from funcgrad.compile.regions.context import Context, Segment
from funcgrad.core.primitive import PRIMITIVES
from funcgrad.core.program import Equation, Variable

__all__ = ["shorter_sums"]

NAME = "sums"

SMALLEST = 1 << 13
"""Elements of the smallest operand of a sum that is looked at."""

FEW = 32
"""So many elements of a product are added one by one, at most: the error stays that of `np.sum`."""

_SHIFT = 56
"""New variables of a segment have numbers from those of its first result, times 2⁵⁶."""


def shorter_sums(segment: Segment, context: Context) -> Sequence[Equation]:
    """The equations, with sums of negatives and of products done at once.

    Args:
        segment: the equations.
        context: if it asks for exact results, nothing is done.
    """
    equations = segment.equations
    if context.exact or not any(map(_is_large_sum, equations)):
        return equations
    terms = _only_summed(segment)
    number = (abs(equations[0].results[0].number) + 1) << _SHIFT
    replaced: dict[int, list[Equation]] = {}
    gone: set[int] = set()
    for equation in filter(_is_large_sum, equations):
        maker = terms.get(_number(equation))
        rule = None if maker is None else _RULES.get(maker.primitive.name)
        if maker is None or rule is None:
            continue
        found = rule(equation, maker, number + len(gone))
        if found is not None:
            replaced[equation.results[0].number] = found
            gone.add(_number(equation))
    if not gone:
        return equations
    context.decide(NAME, f"{len(gone)} sums of large arrays without an array of the terms")
    out: list[Equation] = []
    for equation in equations:
        result = equation.results[0].number
        if result in replaced:
            out += replaced[result]
        elif result not in gone:
            out.append(equation)
    return out


def _only_summed(segment: Segment) -> dict[int, Equation]:
    """What makes values that are read once: `{number: equation}`."""
    uses: dict[int, int] = {}
    for equation in segment.equations:
        for operand in equation.operands:
            if isinstance(operand, Variable):
                uses[operand.number] = uses.get(operand.number, 0) + 1
    return {
        equation.results[0].number: equation
        for equation in segment.equations
        if uses.get(equation.results[0].number) == 1
        and equation.results[0].number not in segment.needed
        and equation.errors is None
        and PRIMITIVES.get(equation.primitive.name) is equation.primitive
    }


def _number(equation: Equation) -> int:
    """Of the first operand; -1 if that is a constant."""
    operand = equation.operands[0]
    return operand.number if isinstance(operand, Variable) else -1


def _is_large_sum(equation: Equation) -> bool:
    primitive = equation.primitive
    if primitive.name not in ("sum", "unbroadcast") or equation.errors is not None:
        return False
    if PRIMITIVES.get(primitive.name) is not primitive or equation.results[0].dtype.kind != "f":
        return False
    x = equation.operands[0]
    return isinstance(x, Variable) and math.prod(x.shape) >= SMALLEST


def _of_negative(equation: Equation, maker: Equation, number: int) -> list[Equation] | None:
    result = equation.results[0]
    total = Variable(number, result.shape, result.dtype)
    return [
        Equation(
            equation.primitive,
            maker.operands,
            equation.params,
            (total,),
            None,
            equation.origin,
        ),
        Equation(maker.primitive, (total,), maker.params, (result,), None, maker.origin),
    ]


def _of_product(equation: Equation, maker: Equation, number: int) -> list[Equation] | None:
    """Sums along the last axes, of products of arrays of one shape."""
    x, result = equation.operands[0], equation.results[0]
    assert isinstance(x, Variable)
    if not all(
        isinstance(o, Variable) and o.shape == x.shape and o.dtype == x.dtype and not o.weak
        for o in maker.operands
    ):
        return None
    if math.prod(x.shape) > FEW * max(1, math.prod(result.shape)):
        return None
    params = dict(equation.params)
    if equation.primitive.name == "unbroadcast":
        fold = Equation(
            PRIMITIVES["product_unbroadcast"],
            maker.operands,
            equation.params,
            (result,),
            None,
            equation.origin,
        )
        return [fold]
    rank = len(x.shape)
    shape = tuple(1 if i - rank in params["axis"] else n for i, n in enumerate(x.shape))
    kept = shape == result.shape
    total = result if kept else Variable(number, shape, result.dtype)
    fold = Equation(
        PRIMITIVES["product_unbroadcast"],
        maker.operands,
        (("shape", shape), ("rank", rank)),
        (total,),
        None,
        equation.origin,
    )
    if kept:
        return [fold]
    back = (("shape", result.shape),)
    return [fold, Equation(PRIMITIVES["reshape"], (total,), back, (result,))]


_RULES = {"negative": _of_negative, "multiply": _of_product}
