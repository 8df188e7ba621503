"""Which axis of which array counts rows, equation by equation, and the same for fewer rows.

Rows are the n examples of a data matrix X (n, k). An equation works on rows if its results for some
rows need those rows of its operands only; it totals rows if its result is a sum (or the largest or
smallest) over them. Operands that have no rows are used whole.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from funcgrad.core.primitive import PRIMITIVES
from funcgrad.core.program import Constant, Equation, Variable
from funcgrad.families.shapes import folded_axes

__all__ = ["Role", "of_fewer_rows", "role_of", "shape_of"]

FULL = (None, None, None)
"""`:` in the key of an index."""


@dataclass(frozen=True, slots=True)
class Role:
    """Where the rows are.

    Attributes:
        operands: the axis of each one; `None` for those that are used whole.
        result: the axis of all results; `None` for a total.
        total: how totals of parts are put together: `"add"`, `"maximum"`, `"minimum"`, or `"mean"`.
    """

    operands: tuple[int | None, ...]
    result: int | None
    total: str = ""


@dataclass(frozen=True, slots=True)
class _Places:
    """What is known of the operands of an equation.

    Attributes:
        n: the number of rows.
        shapes: of the operands.
        known: the axis of the rows; `None` for operands from elsewhere.
    """

    n: int
    shapes: tuple[tuple[int, ...], ...]
    known: tuple[int | None, ...]

    def has_rows(self, position: int, axis: int) -> bool:
        """Whether the operand may be taken to have its rows on this axis."""
        shape, known = self.shapes[position], self.known[position]
        if known is not None:
            return known == axis
        return axis < len(shape) and shape[axis] == self.n

    def is_whole(self, position: int) -> bool:
        """Whether the operand is there before the rows are gone through."""
        return self.known[position] is None


_Rule = Callable[[Equation, _Places], Role | None]


def role_of(equation: Equation, n: int, axes: Mapping[int, int]) -> Role | None:
    """The role of an equation in a walk over n rows; `None` if it has none.

    Args:
        equation: any.
        n: the number of rows, more than one.
        axes: `{variable: the axis of its rows}`, of those that are made of rows.
    """
    rule = _rule(equation)
    if rule is None:
        return None
    operands = equation.operands
    known = tuple([axes.get(o.number) if isinstance(o, Variable) else None for o in operands])
    result = equation.results[0]
    if known.count(None) == len(known) and rule is not _product:  # then rows come first
        shape = shape_of(operands[0]) if rule in _OF_ROWS else result.shape
        if n not in shape[:1]:
            return None
    return rule(equation, _Places(n, tuple(map(shape_of, operands)), known))


def shape_of(operand: Variable | Constant) -> tuple[int, ...]:
    """The shape of an operand."""
    if isinstance(operand, Variable):
        return operand.shape
    shape: tuple[int, ...] = getattr(operand.value, "shape", ())
    return shape


def _rule(equation: Equation) -> _Rule | None:
    primitive = equation.primitive
    name = primitive.name
    if PRIMITIVES.get(name) is not primitive:
        return None
    found = _RULES.get(name)
    if found is not None:
        return found
    if primitive.family == "elementwise" or name.endswith("_and_slope"):
        return _elementwise
    if primitive.family == "piecewise constant" and isinstance(getattr(np, name, None), np.ufunc):
        return _elementwise
    return None


def _elementwise(equation: Equation, places: _Places) -> Role | None:
    shape = equation.results[0].shape
    rank = len(shape)
    axis = -1
    for own, known in zip(places.shapes, places.known, strict=True):
        if known is not None:
            place = known + rank - len(own)
            if axis not in (-1, place):
                return None
            axis = place
    axis = max(axis, 0)
    if not shape or shape[axis] != places.n:
        return None
    operands = []
    for own in places.shapes:
        place = axis + len(own) - rank
        operands.append(place if place >= 0 and own[place] == places.n else None)
    return Role(tuple(operands), axis)


def _reduction(equation: Equation, places: _Places) -> Role | None:
    params = dict(equation.params)
    (shape,), (axis,) = places.shapes, places.known
    if axis is None:
        axis = 0
    if shape[axis] != places.n:
        return None
    reduced = {a + len(shape) for a in params["axis"]}
    if axis in reduced:
        how = _TOTALS.get(equation.primitive.name)
        dtype = equation.results[0].dtype
        if how is None or (how != "add" and dtype.kind != "f"):
            return None
        return Role((axis,), None, how)
    left = axis if params["keepdims"] else axis - sum(a < axis for a in reduced)
    return Role((axis,), left)


def _folding(equation: Equation, places: _Places) -> Role | None:
    params = dict(equation.params)
    shape = places.shapes[0]
    known = [axis for axis in places.known if axis is not None]
    axis = known[0] if known else 0
    if shape[axis] != places.n or any(axis != other for other in known):
        return None
    rank, target = params["rank"], params["shape"]
    axes, _ = folded_axes(shape[len(shape) - rank :], target)
    operands = (axis,) * len(places.shapes)
    if axis - len(shape) in axes:
        return Role(operands, None, "add")
    lead = len(shape) - rank
    # Axes in front of `target` are summed away; those inside of it stay, with length 1.
    place = axis if axis < lead else axis - (rank - len(target))
    return Role(operands, place)


def _product(equation: Equation, places: _Places) -> Role | None:
    """x @ y of vectors and matrices: rows of x, columns of y, or both, which makes a total."""
    x, y = places.shapes
    if not (1 <= len(x) <= 2 and 1 <= len(y) <= 2):
        return None
    inner, outer = len(x) - 1, len(y) - 1
    if places.has_rows(0, inner) and places.has_rows(1, 0):
        if places.known != (None, None) or places.n != x[0]:
            return Role((inner, 0), None, "add")
        if len(x) == 1:
            return Role((0, 0), None, "add")
    if len(x) == 2 and places.has_rows(0, 0) and places.is_whole(1):
        return Role((0, None), 0)
    if len(y) == 2 and places.known[1] == outer and places.is_whole(0):
        return Role((None, outer), len(x) - 1)
    return None


def _transpose(equation: Equation, places: _Places) -> Role | None:
    ((_, axes),) = equation.params
    (shape,), (axis,) = places.shapes, places.known
    rank = len(shape)
    if axis is None:
        axis = 0
    if shape[axis] != places.n:
        return None
    order = [*range(rank - len(axes)), *(a + rank for a in axes)]
    return Role((axis,), order.index(axis))


def _reshape(equation: Equation, places: _Places) -> Role | None:
    (old,), (axis,) = places.shapes, places.known
    new = equation.results[0].shape
    if axis is None:
        axis = 0
    if not old or old[axis] != places.n:
        return None
    before = math.prod(old[:axis])
    for place, length in enumerate(new):
        if length == places.n and math.prod(new[:place]) == before:
            return Role((axis,), place)
    return None


def _index(equation: Equation, places: _Places) -> Role | None:
    ((_, key),) = equation.params
    (shape,), (axis,) = places.shapes, places.known
    if axis is None:
        axis = 0
    if shape[axis] != places.n:
        return None
    used = sum(part is not None and part is not Ellipsis for part in key)
    if Ellipsis not in key:
        key = (*key, Ellipsis)
    old = new = 0
    for part in key:
        if part is Ellipsis:
            if old <= axis < old + len(shape) - used:
                return Role((axis,), new + axis - old)
            old += len(shape) - used
            new += len(shape) - used
        elif part is None:
            new += 1
        else:
            if old == axis:
                return Role((axis,), new) if part == FULL else None
            old += 1
            new += type(part) is tuple
    return None


def _along_axis(equation: Equation, places: _Places) -> Role | None:
    """Operations along axes that do not count rows, of arrays of equal rank."""
    params = dict(equation.params)
    rank = len(places.shapes[0])
    known = [axis for axis in places.known if axis is not None]
    axis = known[0] if known else 0
    along = params["axis"]
    along = {a % rank for a in (along if type(along) is tuple else (along,))}
    if axis in along or any(axis != other for other in known):
        return None
    if any(len(shape) != rank or shape[axis] != places.n for shape in places.shapes):
        return None
    return Role((axis,) * len(places.shapes), axis)


def _loss(equation: Equation, places: _Places) -> Role | None:
    """Cross-entropies of logits and targets of one shape, their classes on the last axis."""
    params = dict(equation.params)
    shape = places.shapes[0]
    known = {axis for axis in places.known if axis is not None}
    if known - {0} or not shape or shape[0] != places.n or any(s != shape for s in places.shapes):
        return None
    if "axis" in params and params["axis"] % len(shape) == 0:
        return None
    how = {"none": "", "sum": "add", "mean": "mean"}[params["reduction"]]
    return Role((0,) * len(places.shapes), None if how else 0, how)


_TOTALS = {"sum": "add", "mean": "mean", "max": "maximum", "min": "minimum"}
_RULES: dict[str, _Rule] = {
    **dict.fromkeys(("sum", "mean", "max", "min", "prod", "var", "logsumexp"), _reduction),
    **dict.fromkeys(("unbroadcast", "product_unbroadcast"), _folding),
    **dict.fromkeys(("where", "astype", "copy", "real", "imag", "broadcast_to"), _elementwise),
    **dict.fromkeys(("softmax", "log_softmax", "take_along_axis"), _along_axis),
    **dict.fromkeys(("bce_with_logits", "softmax_cross_entropy"), _loss),
    "matmul": _product,
    "transpose": _transpose,
    "reshape": _reshape,
    "index": _index,
}
_OF_ROWS = (_reduction, _folding, _loss, _transpose, _reshape, _index)
"""Rules for operations whose operand has rows, whatever their result has."""


def of_fewer_rows(
    equation: Equation, role: Role, count: int, operands: Sequence[Variable | Constant]
) -> Equation:
    """The same equation for `count` rows.

    Args:
        equation: for all rows.
        role: its role.
        count: the number of rows.
        operands: for these rows.
    """
    primitive, params, results = equation.primitive, equation.params, equation.results
    if role.total == "mean":
        if primitive.name == "mean":
            primitive = PRIMITIVES["sum"]
        params = tuple((name, "sum" if name == "reduction" else value) for name, value in params)
    if role.result is not None:
        rank = len(results[0].shape)
        params = tuple(
            (name, _cut(value, role.result + len(value) - rank, count))
            if name == "shape"
            else (name, value)
            for name, value in params
        )
        results = tuple(
            Variable(v.number, _cut(v.shape, role.result, count), v.dtype, v.like, v.name)
            for v in results
        )
    return Equation(primitive, tuple(operands), params, results, None, equation.origin)


def _cut(shape: Any, axis: int, count: int) -> Any:
    return (*shape[:axis], count, *shape[axis + 1 :]) if axis >= 0 else shape
