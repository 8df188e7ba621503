"""Products with identity matrices, which Jacobians by columns are full of, as vectors.

With E the identity matrix, diag(v) is recorded as E · v (v broadcast over the rows):

    (E · v) · w   (E · v) / w                   E · (v · w)   E · (v / w)
    E · v + E · w   E · v - E · w               E · (v + w)   E · (v - w)
    (E · v) @ B   A @ (E · v)                   v[:, None] · B   A · v
    E @ B   A @ E                               B   A
    Σ over one axis of E · v                    v

-(E · v) counts as E · (-v), for its part.

Zeros beside the diagonal stay zeros: where v, w, A or B are infinite or nan, the product that is
written down has nan there. So these rewrites are not exact.
"""

import dataclasses
import functools
from typing import Any

import numpy as np

from funcgrad.compile.passes.sweep import Found, Operand, Rules, Sweep, remade
from funcgrad.core.program import Constant, Equation, Reference, Variable

__all__ = ["DIAGONALS", "is_identity"]


@functools.lru_cache(maxsize=256)
def _is_eye(constant: Constant) -> bool:
    value: Any = constant.value
    n = value.shape[0]
    if value.shape != (n, n) or n < 2 or value[0, 0] != 1 or value[0, 1] != 0:
        return False
    return bool(np.count_nonzero(value) == n and np.all(np.diagonal(value) == 1))


def is_identity(operand: Operand) -> bool:
    """Whether an operand is a constant identity matrix, of at least two rows."""
    if not isinstance(operand, Constant) or isinstance(operand, Reference):
        return False
    value = operand.value
    return (
        type(value) is np.ndarray
        and value.ndim == 2
        and value.dtype.kind == "f"
        and _is_eye(operand)
    )


def _diagonal(sweep: Sweep, operand: Operand) -> tuple[Operand, Operand] | None:
    """E and v, if an operand is E · v with a vector v, or -(E · -v)."""
    negative = sweep.definition(operand, "negative")
    if negative is not None and negative.errors is None:
        found = _diagonal(sweep, negative.operands[0])
        if found is None:
            return None
        return found[0], _vector(sweep, negative, "negative", (found[1],))
    equation = sweep.definition(operand, "multiply")
    if equation is None or equation.errors is not None or len(equation.results[0].shape) != 2:
        return None
    for e, v in (equation.operands, equation.operands[::-1]):
        if is_identity(e) and _is_row(v, equation.results[0]):
            return e, v
    return None


def _shape(operand: Operand) -> tuple[int, ...]:
    return operand.shape if isinstance(operand, Variable) else np.shape(operand.value)


def _dtype(operand: Operand) -> Any:
    return operand.dtype if isinstance(operand, Variable) else np.asarray(operand.value).dtype


def _is_row(v: Operand, matrix: Variable) -> bool:
    """Whether v is a vector that is broadcast over the rows of a square matrix."""
    return _shape(v) == matrix.shape[1:] and _dtype(v) == matrix.dtype


def _is_spread(w: Operand, matrix: Variable) -> bool:
    """Whether w is a vector over the columns, or a number."""
    return _shape(w) in ((), matrix.shape[1:])


def _vector(
    sweep: Sweep, equation: Equation, name: str, operands: tuple[Operand, ...], part: int = 0
) -> Operand:
    """One more equation for a vector over the columns."""
    matrix = equation.results[0]
    vector = dataclasses.replace(matrix, shape=matrix.shape[1:])
    before = dataclasses.replace(equation, results=(vector,))
    return sweep.add(name, operands, before, part=part)


def _scaled(sweep: Sweep, equation: Equation) -> Found:
    matrix = equation.results[0]
    if len(matrix.shape) != 2 or matrix.dtype.kind != "f":
        return None
    name = equation.primitive.name
    x, w = equation.operands
    pairs = ((x, w), (w, x)) if name == "multiply" else ((x, w),)
    for one, other in pairs:
        found = _diagonal(sweep, one)
        if found is not None and _is_spread(other, matrix) and matrix.shape == _shape(found[0]):
            e, v = found
            if _dtype(e) == matrix.dtype:
                product = _vector(sweep, equation, name, (v, other))
                return remade(equation, "multiply", (e, product))
    return None


def _added(sweep: Sweep, equation: Equation) -> Found:
    first, second = (_diagonal(sweep, operand) for operand in equation.operands)
    if first is None or second is None or first[0] != second[0]:
        return None
    if equation.results[0].shape != _shape(first[0]):
        return None
    total = _vector(sweep, equation, equation.primitive.name, (first[1], second[1]))
    return remade(equation, "multiply", (first[0], total))


def _multiplied(sweep: Sweep, equation: Equation) -> Found:
    a, b = equation.operands
    result = equation.results[0]
    if result.dtype.kind != "f" or _dtype(a) != _dtype(b):
        return None
    if is_identity(a) and isinstance(b, Variable) and len(b.shape) in (1, 2):
        return sweep.stands_for(b, equation)
    if is_identity(b) and isinstance(a, Variable) and len(a.shape) in (1, 2):
        return sweep.stands_for(a, equation)
    found = _diagonal(sweep, a)
    if found is not None and len(_shape(b)) in (1, 2):
        v = found[1]
        if len(_shape(b)) == 2:
            n = _shape(v)[0]
            column = dataclasses.replace(result, shape=(n, 1))
            before = dataclasses.replace(equation, results=(column,))
            v = sweep.add("reshape", (v,), before, params=(("shape", (n, 1)),))
        return remade(equation, "multiply", (v, b))
    found = _diagonal(sweep, b)
    if found is not None and len(_shape(a)) in (1, 2):
        return remade(equation, "multiply", (a, found[1]))
    return None


def _summed(sweep: Sweep, equation: Equation) -> Found:
    found = _diagonal(sweep, equation.operands[0])
    if found is None or not isinstance(found[1], Variable):
        return None
    params = dict(equation.params)
    axes = params["axis"]
    if params["keepdims"] or len(axes) != 1:
        return None
    return sweep.stands_for(found[1], equation)


DIAGONALS: Rules = {
    "multiply": (_scaled,),
    "divide": (_scaled,),
    "add": (_added,),
    "subtract": (_added,),
    "matmul": (_multiplied,),
    "sum": (_summed,),
}
