"""Softmax and the products around it with fewer passes over their arrays.

exp(x - max x) / Σ exp(x - max x) needs no maximum where no exponential is too large or too small,
which is looked at while it is computed. Its pullback divides by the sum once less where the result
is there already.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from funcgrad.compile.regions.cluster import cluster, kind_of_cluster
from funcgrad.compile.regions.rows_axes import shape_of
from funcgrad.compile.regions.softmax_rewriting import Rewriting, number_of
from funcgrad.compile.spelling.literals import axis_text
from funcgrad.compile.structured import WRITERS
from funcgrad.core.program import Constant, Equation, Variable
from funcgrad.primitives.fused import without_shift

__all__ = [
    "KIND",
    "at_once",
    "divided_once",
    "doubled",
    "normalised",
    "scaled_before",
    "square_by_dot",
    "turned",
    "upright",
]

KIND = kind_of_cluster("normalised")

MANY = 2048
"""From so many elements on it is looked whether a maximum is needed, and sums are products."""

LONGEST = 1 << 18
"""Terms of a float32 sum, up to which products of vectors are as precise as sums in pairs."""

SMALL_PRODUCT = 10**6
"""Products of matrices with at most so many multiplications do not rearrange their operands first;
then a transposed second matrix costs half as much again as one in C order."""

SMALL_MATRIX = 1 << 14
"""Elements of a matrix that is soon copied."""

SMALLEST_SCALE = 1e-3
"""Smaller factors could make numbers subnormal that are not, once they are multiplied."""

FEWEST_ROWS = 48
"""Rows of the first matrix, from which on it pays to copy the second one."""


def divided_once(rewriting: Rewriting, equation: Equation) -> bool:
    """(a / o - b / o) n is (a - b) w where w = n / o is there already."""
    if equation.primitive.name != "multiply":
        return False
    for difference, grown in (equation.operands, equation.operands[::-1]):
        found = rewriting.made(difference, "subtract")
        if found is None or not rewriting.is_alone(difference):
            continue
        parts = [rewriting.made(part, "divide") for part in found.operands]
        first, second = parts
        if first is None or second is None or not all(map(rewriting.is_alone, found.operands)):
            continue
        norm = first.operands[1]
        if not rewriting.same(norm, second.operands[1]):
            continue
        weights = rewriting.quotient(grown, norm, equation)
        if weights is None or weights.shape != equation.results[0].shape:
            continue
        above, below = first.operands[0], second.operands[0]
        if rewriting.result_shape(above, below) != found.results[0].shape:
            continue
        left = rewriting.put(equation, "subtract", [above, below], found.results[0])
        rewriting.replace(equation, "multiply", [left, weights])
        return True
    return False


def at_once(rewriting: Rewriting, equation: Equation) -> bool:
    """exp(x - max x) / Σ exp(x - max x), of which nobody reads a part, as one step."""
    result = equation.results[0]
    if equation.primitive.name != "divide" or math.prod(result.shape) < MANY:
        return False
    made, count = rewriting.made, rewriting.count
    grown, norm = (rewriting.seen(operand) for operand in equation.operands)
    exponential, total = made(grown, "exp"), made(norm, "sum")
    if exponential is None or total is None or count(grown) != 2 or not rewriting.is_alone(norm):
        return False
    if not rewriting.same(total.operands[0], grown):
        return False
    below = made(exponential.operands[0], "subtract")
    if below is None or not rewriting.is_alone(exponential.operands[0]):
        return False
    x, top = (rewriting.seen(operand) for operand in below.operands)
    largest = made(top, "max")
    if largest is None or not rewriting.is_alone(top) or not rewriting.same(largest.operands[0], x):
        return False
    axis = dict(total.params)["axis"]
    kept = [dict(e.params)["keepdims"] for e in (total, largest)]
    if not isinstance(x, Variable) or dict(largest.params)["axis"] != axis or not all(kept):
        return False
    if any(v.shape != result.shape or v.dtype != result.dtype for v in (x, *exponential.results)):
        return False
    if result.dtype.kind != "f" or result.dtype.itemsize not in (4, 8):
        return False
    members = [
        Equation(e.primitive, tuple(map(rewriting.seen, e.operands)), e.params, e.results)
        for e in (largest, below, exponential, total, equation)
    ]
    made_one = cluster(KIND, members, {result.number}, (("axis", axis),))
    rewriting.replace_by(
        equation,
        Equation(KIND, made_one.operands, made_one.params, (result,), None, equation.origin),
    )
    return True


def normalised(x: Any, axis: int | tuple[int, ...], out: Any) -> Any:
    """exp(x - max x) / Σ exp(x - max x) into `out`, in C order."""
    weights = without_shift(x, axis, out)
    if weights is None:
        weights = np.subtract(x, np.maximum.reduce(x, axis=axis, keepdims=True), out)
        np.exp(weights, weights)
        np.divide(weights, np.add.reduce(weights, axis=axis, keepdims=True), weights)
    return weights


def _write(writer: Any, equation: Equation, operands: Sequence[str]) -> list[str]:
    result = equation.results[0]
    rank = len(result.shape)
    name: str = writer.fresh(result.name)
    helper = writer.scope.helper(normalised, "normalised")
    axis = dict(equation.params)["axis"]
    text = "-1" if axis == (-1,) else axis_text(axis, rank)
    memory = writer.memory(result)
    writer.line(f"{name} = {helper}({operands[0]}, {text}, {memory})", equation.origin)
    return [name]


WRITERS[KIND.name] = _write


def _is_turn(equation: Equation | None) -> bool:
    """Whether it swaps the last two axes, and nothing else."""
    if equation is None:
        return False
    ((_, axes),) = equation.params
    rank = len(axes)
    return rank >= 2 and tuple(axes) == (*range(-rank, -2), -1, -2)


def turned(rewriting: Rewriting, equation: Equation) -> bool:
    """(xᵀ y)ᵀ as yᵀ x, which is in C order."""
    if equation.primitive.name != "transpose" or not _is_turn(equation):
        return False
    product = rewriting.made(equation.operands[0], "matmul")
    if product is None or not rewriting.is_alone(equation.operands[0]):
        return False
    x, y = (rewriting.seen(operand) for operand in product.operands)
    if not isinstance(x, Variable) or not isinstance(y, Variable):
        return False
    if len(x.shape) != len(y.shape) or x.shape[:-2] != y.shape[:-2]:
        return False
    if not any(_is_turn(rewriting.made(operand, "transpose")) for operand in (x, y)):
        return False
    parts = []
    for operand in (y, x):
        before = rewriting.made(operand, "transpose")
        if before is not None and _is_turn(before):
            parts.append(before.operands[0])
            continue
        rank = len(operand.shape)
        shape = (*operand.shape[:-2], operand.shape[-1], operand.shape[-2])
        params = (("axes", (*range(-rank, -2), -1, -2)),)
        parts.append(rewriting.put(equation, "transpose", [operand], operand, params, shape))
    rewriting.replace(equation, "matmul", parts)
    return True


def upright(rewriting: Rewriting, equation: Equation) -> bool:
    """x yᵀ of small matrices with a copy of yᵀ in C order."""
    if equation.primitive.name != "matmul":
        return False
    x, y = (rewriting.seen(operand) for operand in equation.operands)
    if not isinstance(x, Variable) or not isinstance(y, Variable) or len(y.shape) != 2:
        return False
    rank = len(x.shape)
    if rank < 2 or x.dtype != y.dtype or x.dtype.kind != "f" or x.dtype.itemsize not in (4, 8):
        return False
    size = math.prod(y.shape)
    if (
        not 64 <= size <= SMALL_MATRIX
        or x.shape[-2] * size > SMALL_PRODUCT
        or math.prod(x.shape[:-1]) < FEWEST_ROWS
    ):
        return False
    if not _is_turn(rewriting.made(y, "transpose")):
        return False
    copied = rewriting.put(equation, "copy", [y], y, (("order", "C"),))
    rewriting.replace(equation, "matmul", [x, copied])
    return True


def square_by_dot(rewriting: Rewriting, equation: Equation) -> bool:
    """Σ x y as one product of vectors, for arrays that are there anyway."""
    name = equation.primitive.name
    if name not in ("sum", "mean"):
        return False
    product = rewriting.made(equation.operands[0], "multiply")
    if product is None or not rewriting.is_alone(equation.operands[0]):
        return False
    whole, result = product.results[0], equation.results[0]
    size = math.prod(whole.shape)
    params = dict(equation.params)
    longest = LONGEST if whole.dtype.itemsize < 8 else LONGEST**2
    if result.shape or len(params["axis"]) != len(whole.shape) or not MANY <= size <= longest:
        return False
    if whole.dtype != result.dtype or whole.dtype.kind != "f" or whole.dtype.itemsize < 4:
        return False
    vectors = []
    for operand in map(rewriting.seen, product.operands):
        if not isinstance(operand, Variable) or operand.shape != whole.shape:
            return False
        maker = rewriting.made(operand)
        if operand.dtype != whole.dtype or (maker is not None and maker.primitive.name != "matmul"):
            return False
        vectors.append(operand)
    flat = [
        rewriting.put(equation, "reshape", [v], v, (("shape", (size,)),), (size,))
        for v in dict.fromkeys(vectors)
    ]
    pair = (flat[0], flat[-1])
    if name == "sum":
        rewriting.replace(equation, "matmul", pair)
    else:
        total = rewriting.put(equation, "matmul", pair, result)
        rewriting.replace(equation, "divide", [total, size])
    return True


def scaled_before(rewriting: Rewriting, equation: Equation) -> bool:
    """c (x y) as (c x) y for a number c of at most 1, where x has fewer elements than x y."""
    result = equation.results[0]
    for product, scale in (equation.operands, equation.operands[::-1]):
        found = rewriting.made(product, "matmul")
        number = number_of(rewriting.seen(scale))
        if found is None or number is None or shape_of(scale):
            continue
        if not SMALLEST_SCALE <= abs(number) <= 1 or not rewriting.is_alone(product):
            continue
        x, y = (rewriting.seen(operand) for operand in found.operands)
        if not isinstance(x, Variable) or x.dtype != result.dtype or result.dtype.kind != "f":
            continue
        sizes = math.prod(x.shape), math.prod(result.shape)
        if found.results[0].shape != result.shape or sizes[1] < MANY or sizes[1] < 2 * sizes[0]:
            continue
        smaller = rewriting.put(equation, "multiply", [x, scale], x)
        rewriting.replace(equation, "matmul", [smaller, y])
        return True
    return False


def doubled(rewriting: Rewriting, equation: Equation) -> bool:
    """c (x + x) as (2 c) x."""
    for total, scale in (equation.operands, equation.operands[::-1]):
        found = rewriting.made(total, "add")
        value = getattr(scale, "value", None)
        if found is None or not isinstance(value, float | np.floating):
            continue
        x, other = found.operands
        if rewriting.same(x, other) and rewriting.is_alone(total) and np.isfinite(2 * value):
            rewriting.replace(equation, "multiply", [Constant(type(value)(2 * value)), x])
            return True
    return False
