"""Arrays that are repeated only to meet others of that shape: NumPy repeats them by itself.

    f(broadcast_to(x), y)               f(x, y)
    f(reshape(x, (1, …)), y)            f(x, y)
    f(an array filled with c, y)        f(c, y), with c as a NumPy scalar of the array's dtype

where f is computed element by element and its result keeps its shape. In memory an array that is
broadcast has steps of 0 either way, so f walks over it as before. A full array takes part in the
choice of the order in memory: it is replaced where the result has the same order without it.
"""

from collections.abc import Sequence

import numpy as np

from funcgrad.compile.passes.sweep import Found, Operand, Rules, Sweep, literal, remade
from funcgrad.core.program import Constant, Equation, Variable

__all__ = ["BROADCASTING"]

# fmt: off
_NAMES = (
    "add", "subtract", "multiply", "divide", "maximum", "minimum", "fmax", "fmin", "copysign",
    "equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "logical_and",
    "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor", "where",
)
# fmt: on


def _shape(operand: Operand) -> tuple[int, ...]:
    if isinstance(operand, Constant):
        return getattr(operand.value, "shape", ())
    return operand.shape


def _meets(operands: Sequence[Operand], shape: tuple[int, ...]) -> bool:
    """Whether operands broadcast to a shape."""
    shapes = [_shape(operand) for operand in operands]
    if shape in shapes:
        return True
    return np.broadcast_shapes(*shapes) == shape


def _repeated(sweep: Sweep, operand: Operand) -> Operand | None:
    """x, if the operand is x repeated, or with more axes in front."""
    if type(operand) is not Variable:
        return None
    equation = sweep.made.get(operand.number)
    if equation is None:
        return None
    name = equation.primitive.name
    if name not in ("broadcast_to", "reshape"):
        return None
    x = equation.operands[0]
    if type(x) is not Variable or x.weak or not equation.primitive.returns_view:
        return None
    if name == "broadcast_to" and dict(equation.params).get("like") is None:
        return x
    lead = len(operand.shape) - len(x.shape)
    if lead > 0 and operand.shape == (1,) * lead + x.shape:
        return x
    return None


def _without_repetition(sweep: Sweep, equation: Equation) -> Found:
    operands = equation.operands
    shape = equation.results[0].shape
    if not shape:
        return None
    for position, operand in enumerate(operands):
        x = _repeated(sweep, operand)
        if x is not None:
            new = (*operands[:position], x, *operands[position + 1 :])
            if _meets(new, shape):
                return remade(equation, equation.primitive.name, new, equation.params)
    return None


def _without_full_array(sweep: Sweep, equation: Equation) -> Found:
    operands = equation.operands
    for position, operand in enumerate(operands):
        if type(operand) is not Constant or type(operand.value) is not np.ndarray:
            continue
        if not operand.value.shape:
            continue
        value = sweep.number(operand)
        others = (*operands[:position], *operands[position + 1 :])
        if value is None or all(map(_is_number, others)):
            continue
        if not _meets(others, equation.results[0].shape):
            continue
        new = remade(
            equation,
            equation.primitive.name,
            (*operands[:position], Constant(value), *operands[position + 1 :]),
            equation.params,
        )
        if sweep.same_order(equation, new):
            return new
    return None


def _is_number(operand: Operand) -> bool:
    return literal(operand) is not None


BROADCASTING: Rules = dict.fromkeys(_NAMES, (_without_repetition, _without_full_array))
