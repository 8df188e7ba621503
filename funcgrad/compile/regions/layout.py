"""Arrays of long columns and short rows are kept turned: the long axis last in memory.

NumPy works through the last axis of memory in one go, and begins anew for each row. Where a row has
a few elements only (the coordinates of points), beginning takes longer than computing as soon as a
row is not simply continued by the next one: in sums along rows, beside operands that are broadcast
along rows or columns, in products with small matrices. All values x of shape (…, n, d), d small, of
a segment are therefore computed as xᵀ of shape (…, d, n):

    (x + y)ᵀ = xᵀ + yᵀ      Σ_d x = Σ_d xᵀ      (x A)ᵀ = Aᵀ xᵀ      xᵀ y = xᵀ (yᵀ)ᵀ

What reads x itself is given a view of xᵀ. Sums are added up in another order, which changes their
last bits.
"""

from collections.abc import Sequence

from funcgrad.compile.regions.context import Context, Segment
from funcgrad.compile.regions.layout_rules import SHIFT, Turning, is_long, key_of
from funcgrad.core.program import Equation

__all__ = ["turned"]

NAME = "layout"

CLASSES = 4
"""So many pairs (n, d) of a segment are looked at."""

WORTH = 1.5
"""Values are turned where that is expected to save so many times what it costs,"""

LEAST = 5000.0
"""and so many nanoseconds more."""


def turned(segment: Segment, context: Context) -> Sequence[Equation]:
    """The equations, with values of long columns and short rows turned.

    Args:
        segment: the equations.
        context: if it asks for exact results, nothing is done.
    """
    equations = segment.equations
    if context.exact:
        return equations
    keys: dict[tuple[int, int], None] = {}
    for equation in equations:
        shape = equation.results[0].shape
        if len(shape) > 1 and is_long(shape):
            keys.setdefault(key_of(shape))
    first = equations[0].results[0].number
    for place, key in enumerate(list(keys)[:CLASSES]):
        begin = (abs(first) * CLASSES + place + 1) << SHIFT
        equations = _turned(equations, Turning(key, segment.needed, begin), context)
    return equations


def _turned(
    equations: Sequence[Equation], turning: Turning, context: Context
) -> Sequence[Equation]:
    for equation in equations:
        turning.add(equation)
    n, d = turning.key
    what = f"{turning.count} values of shape (…, {n}, {d})"
    gain, loss = turning.gain / 1000, turning.loss / 1000
    if turning.gain < WORTH * turning.loss + LEAST:
        if turning.gain:
            context.decide(NAME, f"{what} stay: {gain:.0f} µs to gain, {loss:.0f} µs to lose")
        return equations
    context.decide(NAME, f"{what} turned: {gain:.0f} µs to gain, {loss:.0f} µs to lose")
    return turning.equations
