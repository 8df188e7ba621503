"""Fewer steps in losses and layers: what vanishes in softmax, derivatives at kinks, sigmoids.

Each rewriting takes equations to fewer equations that are equal for real numbers; last bits change.
"""

from collections.abc import Callable, Sequence

import numpy as np

from funcgrad.compile.regions.context import Context, Segment
from funcgrad.compile.regions.softmax_kinks import sigmoid_slope, slope_past_kink
from funcgrad.compile.regions.softmax_layers import (
    at_once,
    divided_once,
    doubled,
    scaled_before,
    square_by_dot,
    turned,
    upright,
)
from funcgrad.compile.regions.softmax_rewriting import Operand, Rewriting, number_of
from funcgrad.compile.regions.softmax_sums import sums_of
from funcgrad.core.program import Constant, Equation, Variable

__all__ = ["simpler_losses"]

NAME = "softmax"


def vanishing(rewriting: Rewriting, equation: Equation) -> bool:
    """rest + where(x = max x, ct / count, 0) is the rest if ct is zero."""
    first, second = equation.operands
    pairs = [(second, first)] if equation.primitive.name == "subtract" else [
        (second, first), (first, second)
    ]  # fmt: skip
    result = equation.results[0]
    for part, rest in pairs:
        rest = rewriting.seen(rest)
        if (
            isinstance(rest, Variable)
            and (rest.shape, rest.dtype, rest.weak) == (result.shape, result.dtype, False)
            and _is_zero(rewriting, part, result)
        ):
            rewriting.forward(equation, rest)
            return True
    return False


def _is_zero(rewriting: Rewriting, part: Operand, result: Variable) -> bool:
    made, shape = rewriting.made, result.shape
    chosen = made(part, "where")
    if chosen is None or not shape or result.dtype.kind != "f":
        return False
    mask, share, other = chosen.operands
    divided = made(share, "divide")
    if divided is None or number_of(rewriting.seen(other)) != 0:
        return False
    ct, count = divided.operands
    converted = made(count, "astype")
    counted = made(converted.operands[0], "sum") if converted is not None else None
    if counted is None or not rewriting.same(counted.operands[0], mask):
        return False
    if rewriting.result_shape(mask) != shape:
        return False
    axes = tuple(sorted(a % len(shape) for a in dict(counted.params)["axis"]))
    return sums_of(rewriting, shape, axes, 4 * float(np.finfo(result.dtype).eps)).vanishes(ct)


def times_one(rewriting: Rewriting, equation: Equation) -> bool:
    """x times an array of ones is x."""
    result = equation.results[0]
    for x, one in (equation.operands, equation.operands[::-1]):
        if (
            type(one) is Constant
            and type(one.value) is np.ndarray
            and isinstance(x, Variable)
            and (x.shape, x.dtype, x.weak) == (result.shape, result.dtype, False)
            and number_of(one) == 1
        ):
            rewriting.forward(equation, x)
            return True
    return False


_Rule = Callable[[Rewriting, Equation], bool]

_SUMS = ("add", "subtract")
_RULES: tuple[tuple[str, tuple[str, ...], str, _Rule], ...] = (
    ("max", _SUMS, "{} cotangents of maxima left out: they are zero, as in softmax", vanishing),
    ("where", _SUMS, "{} derivatives of log(1 + exp(x)) as sigmoids", sigmoid_slope),
    ("where", ("where",), "{} derivatives of max(x, 0) in one step each", slope_past_kink),
    ("divide", ("multiply",), "{} divisions less in pullbacks of softmax", divided_once),
    ("exp", ("divide",), "{} softmax in one step, without a maximum if none is needed", at_once),
    ("matmul", ("transpose",), "{} transposed products in the other order", turned),
    ("transpose", ("matmul",), "{} small transposed matrices copied before products", upright),
    ("multiply", ("multiply",), "{} products with ones left out", times_one),
    ("add", ("multiply",), "{} doubled numbers in their factors", doubled),
    ("matmul", ("multiply",), "{} products scaled by way of the smaller operand", scaled_before),
    ("multiply", ("sum", "mean"), "{} sums of products as products of vectors", square_by_dot),
)
"""The primitive without which a rule does not apply; those that it replaces; what it has done; the
rule."""


def simpler_losses(segment: Segment, context: Context) -> Sequence[Equation]:
    """The equations of a segment, fewer of them.

    Args:
        segment: the equations.
        context: if it asks for exact results, nothing is done.
    """
    if context.exact:
        return segment.equations
    by_name: dict[str, list[Equation]] = {}
    for equation in segment.equations:
        by_name.setdefault(equation.primitive.name, []).append(equation)
    rewriting: Rewriting | None = None
    for needs, names, text, rule in _RULES:
        found = [name for name in names if name in by_name]
        if needs not in by_name or not found:
            continue
        if rewriting is None:
            rewriting = Rewriting(segment)
        count = sum(
            rule(rewriting, equation)
            for name in found
            for equation in by_name[name]
            if rewriting.is_there(equation)
        )
        if count:
            context.decide(NAME, text.format(count))
    if rewriting is None or not rewriting.changed:
        return segment.equations
    return rewriting.written()
