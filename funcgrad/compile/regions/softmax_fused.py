"""Losses of logits together with their slopes: one exponential for both.

Gradients of logsumexp(z) and of cross-entropies need softmax(z) or the logistic function of z, of
which the loss itself has computed most.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad.compile.regions.cluster import cluster, kind_of_cluster
from funcgrad.compile.regions.context import Context, Segment
from funcgrad.compile.regions.softmax_rewriting import Rewriting
from funcgrad.compile.structured import WRITERS
from funcgrad.core.primitive import PRIMITIVES
from funcgrad.core.program import Constant, Equation, Variable
from funcgrad.primitives.fused import normalised, quiet, shifted

__all__ = ["KIND", "losses_with_slopes"]

KIND = kind_of_cluster("loss with slope")

NAME = "softmax"
MANY = 256
"""Elements from which on the exponentials take longer than calling NumPy."""


def cross_entropy(z: Any, y: Any, axis: int, reduction: str, less: bool) -> tuple[Any, Any]:
    """Cross-entropy of logits z and probabilities y, and softmax(z); or softmax(z) Σ y - y."""
    below = shifted(z, axis)[1]
    mass = np.add.reduce(y, axis=axis, keepdims=True)
    with quiet():
        linear = np.add.reduce(y * below, axis=axis, keepdims=True)
    if np.isnan(linear).any():  # 0 · inf, unless an operand is nan
        linear = np.add.reduce(
            np.where(y == 0, 0, y) * np.where(y == 0, 0, below), axis=axis, keepdims=True
        )
    weights, norm = normalised(below, axis)
    loss = mass * np.log(norm) - linear
    if less:
        weights *= np.divide(mass, norm, out=norm)
        weights -= y
    else:
        weights /= norm
    return _reduced(np.squeeze(loss, axis), reduction), _in_order(weights)


def binary_cross_entropy(z: Any, y: Any, reduction: str, less: bool) -> tuple[Any, Any]:
    """Cross-entropy of logits z and targets y, and p = 1 / (1 + exp(-z)); or p - y."""
    with quiet():
        small = np.abs(z, order="C")
        np.negative(small, small)
        np.exp(small, small)
        loss = np.maximum(z, z.dtype.type(0))
        loss -= z * y
        loss += np.log1p(small)
    if np.isnan(loss).any():  # 0 · inf or inf - inf, unless an operand is nan
        loss = PRIMITIVES["bce_with_logits"].value(z, y, reduction="none")
    slope = np.minimum(z, z.dtype.type(0), order="C")
    np.exp(slope, slope)
    small += 1
    slope /= small
    if less:
        slope -= y
    return _reduced(loss, reduction), slope


def log_sum(x: Any, axis: Any, keepdims: bool, less: bool) -> tuple[Any, Any]:
    """logsumexp(x) and softmax(x)."""
    del less
    top, below = shifted(x, axis)
    weights, norm = normalised(below, axis)
    out = np.log(norm) + top
    weights /= norm
    return _in_order(out if keepdims else np.squeeze(out, axis))[()], _in_order(weights)


def _reduced(loss: Any, reduction: str) -> Any:
    if reduction == "none":
        return _in_order(loss)
    total = np.add.reduce(loss, axis=None)
    return total / loss.size if reduction == "mean" else total


def _in_order(x: Any) -> Any:
    return x if x.flags.c_contiguous else np.ascontiguousarray(x)


_PAIRS: dict[str, tuple[str, Callable[..., tuple[Any, Any]]]] = {
    "softmax_cross_entropy": ("softmax", cross_entropy),
    "bce_with_logits": ("expit", binary_cross_entropy),
    "logsumexp": ("softmax", log_sum),
}
"""A loss, the slope that it has in common with, and what computes both."""


def losses_with_slopes(segment: Segment, context: Context) -> Sequence[Equation]:
    """The equations, with losses and their slopes as one step.

    Args:
        segment: the equations.
        context: if it asks for exact results, nothing is done.
    """
    if context.exact:
        return segment.equations
    names = {equation.primitive.name for equation in segment.equations}
    if all(loss not in names or slope not in names for loss, (slope, _) in _PAIRS.items()):
        return segment.equations
    slopes = {
        (e.primitive.name, o.number, _axes(e)): e
        for e in segment.equations
        if e.primitive.name in ("softmax", "expit") and e.errors is None
        for o in e.operands
        if isinstance(o, Variable)
    }
    rewriting = Rewriting(segment)
    readers = _readers(segment, {e.results[0].number for e in slopes.values()})
    count = 0
    for loss in segment.equations:
        pair = _PAIRS.get(loss.primitive.name)
        if pair is None or loss.errors is not None or not _is_plain(loss):
            continue
        (z, *_) = loss.operands
        assert isinstance(z, Variable)
        slope = slopes.pop((pair[0], z.number, _axes(loss)), None)
        if slope is None:
            continue
        more = _less_targets(rewriting, loss, slope, readers)
        for members in ((loss, slope, *more), (loss, slope))[not more :]:
            if rewriting.together(members, _joined(members)):
                count += 1
                break
    if count:
        context.decide(NAME, f"{count} losses in one step with their slopes")
    return rewriting.written() if count else segment.equations


def _axes(equation: Equation) -> tuple[int, ...]:
    axis = dict(equation.params).get("axis", ())
    return axis if type(axis) is tuple else (axis,)


def _is_plain(loss: Equation) -> bool:
    """Whether all operands are arrays of one shape and floating-point dtype, and not small."""
    z = loss.operands[0]
    if not isinstance(z, Variable) or z.dtype.kind != "f" or z.dtype.itemsize < 4:
        return False
    if math.prod(z.shape) < MANY or not z.shape:
        return False
    if loss.primitive.name == "logsumexp" and not dict(loss.params)["axis"]:
        return False
    for operand in loss.operands[1:]:
        value = operand.value if isinstance(operand, Constant) else operand
        if getattr(value, "shape", None) != z.shape or value.dtype != z.dtype:
            return False
    return True


def _readers(segment: Segment, numbers: set[int]) -> dict[int, list[Equation]]:
    """The equations that read slopes, and those that read products of these."""
    found: dict[int, list[Equation]] = {number: [] for number in numbers}
    for equation in segment.equations:
        for operand in equation.operands:
            if isinstance(operand, Variable) and operand.number in found:
                found[operand.number].append(equation)
                if equation.primitive.name == "multiply":
                    found.setdefault(equation.results[0].number, [])
    return found


def _less_targets(
    rewriting: Rewriting, loss: Equation, slope: Equation, readers: dict[int, list[Equation]]
) -> tuple[Equation, ...]:
    """The equations that make softmax(z) Σ y - y, or p - y, if nobody reads what is in between."""
    if loss.primitive.name == "logsumexp":
        return ()
    y, value, members = loss.operands[1], slope.results[0], []
    if not rewriting.is_alone(value):
        return ()
    (reader,) = readers[value.number]
    is_soft = loss.primitive.name == "softmax_cross_entropy"
    if is_soft:
        if reader.primitive.name != "multiply" or reader.errors is not None:
            return ()
        first, second = reader.operands
        other = second if rewriting.same(first, value) else first
        mass = rewriting.made(other, "sum")
        if mass is None or not rewriting.is_alone(other) or not rewriting.same(mass.operands[0], y):
            return ()
        if _axes(mass) != _axes(loss) or not dict(mass.params)["keepdims"]:
            return ()
        members = [mass, reader]
        value = reader.results[0]
        if not rewriting.is_alone(value):
            return ()
        (reader,) = readers[value.number]
    if reader.primitive.name != "subtract" or reader.errors is not None:
        return ()
    above, below = reader.operands
    if not rewriting.same(above, value) or not rewriting.same(below, y):
        return ()
    return (*members, reader)


def _joined(members: Sequence[Equation]) -> Equation:
    """The members as one equation, which gives the results of the first and of the last one."""
    loss, last = members[0], members[-1]
    less = last.primitive.name == "subtract"
    wanted = {v.number for e in (loss, last) for v in e.results}
    settings = (("loss", loss.primitive.name), *loss.params, ("less", less))
    made = cluster(KIND, members, wanted, settings)
    return Equation(KIND, made.operands, made.params, made.results, None, loss.origin)


def _write(writer: Any, equation: Equation, operands: Sequence[str]) -> list[str]:
    params = dict(equation.params)
    del params["program"]
    function = _PAIRS[params.pop("loss")][1]
    helper = writer.scope.helper(function, function.__name__)
    names = [writer.fresh(variable.name) for variable in equation.results]
    given = ", ".join([*operands, *(f"{name}={value!r}" for name, value in params.items())])
    writer.line(f"{', '.join(names)} = {helper}({given})", equation.origin)
    return names


WRITERS[KIND.name] = _write
