"""Sets through operations that act on each element, on axes, or on matrices.

elementwise     z[i] depends on x[i] and y[i]; a factor that is known to be zero removes the others
reductions      z[i] on all x[i, :]
lines           z[i, k] on all x[i, :]; running sums on x[i, :k + 1]
blocks          z[b, ...] on all of x[b, ...]: linear algebra of stacks of matrices
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from funcgrad.core.primitive import Primitive
from funcgrad.sparse.structure_flow import (
    Flow,
    Mask,
    Rule,
    Shape,
    broadcast,
    numbers_of,
    only,
    reduced,
    shaped,
    spread,
)
from funcgrad.sparse.structure_sets import NOTHING, Sets, coarse, joined, linked

__all__ = ["LINKS", "RULES", "along", "dense", "elementwise"]

LINKS = 1 << 24
"""So many links between elements are written down at most, for one operation."""

Operands = Sequence[Flow]
Params = dict[str, Any]
Shapes = Sequence[Shape]


# --- elementwise --------------------------------------------------------------------------------

# fmt: off
ZERO_AT_ZERO = frozenset((
    "negative", "positive", "conjugate", "sin", "tan", "arcsin", "arctan", "sinh", "tanh",
    "arcsinh", "arctanh", "expm1", "log1p", "sqrt", "cbrt", "square", "absolute", "fabs", "relu",
    "deg2rad", "rad2deg", "radians", "degrees", "real", "imag", "astype", "copy", "settle",
    "ground", "checkpoint_name",
))
# fmt: on
"""Elementwise functions that are zero at zero."""


def elementwise(
    primitive: Primitive, operands: Operands, params: Params, shapes: Shapes
) -> list[Flow]:
    """Each element depends on the elements at its place; of all results alike."""
    del params
    sets = spread(operands, shapes[0])
    zeros = operands[0].known_zeros() if primitive.name in ZERO_AT_ZERO else None
    return [Flow(shape, sets, zeros) for shape in shapes]


def _all_of(masks: Iterable[Mask | None], shape: Shape) -> Mask | None:
    """Where all masks are true; `None` is false everywhere."""
    found: Any = True
    for mask in masks:
        if mask is None:
            return None
        found = found & mask
    return np.broadcast_to(found, shape)


def _by(number: int) -> Rule:
    """Elementwise, with a derivative by one operand only."""

    def rule(
        primitive: Primitive, operands: Operands, params: Params, shapes: Shapes
    ) -> list[Flow]:
        del primitive, params
        return [Flow(shapes[0], operands[number].spread_to(shapes[0]))]

    return rule


def _sum(primitive: Primitive, operands: Operands, params: Params, shapes: Shapes) -> list[Flow]:
    del primitive, params
    shape = shapes[0]
    zeros = _all_of((x.known_zeros() for x in operands), shape)
    return [Flow(shape, spread(operands, shape), zeros)]


def _product_sets(operands: Operands, shape: Shape) -> Sets:
    x, y = operands
    x_sets, y_sets = x.spread_to(shape), y.spread_to(shape)
    if x_sets and y.nonzero() is not None:
        x_sets = only(x_sets, y.nonzero())
    if y_sets and x.nonzero() is not None:
        y_sets = only(y_sets, x.nonzero())
    return joined((x_sets, y_sets))


def _zeros_of_product(operands: Operands, shape: Shape) -> Mask | None:
    masks = [mask for x in operands if (mask := x.known_zeros()) is not None]
    if not masks:
        return None
    found: Any = masks[0] if len(masks) == 1 else masks[0] | masks[1]
    return np.broadcast_to(found, shape)


def _product(
    primitive: Primitive, operands: Operands, params: Params, shapes: Shapes
) -> list[Flow]:
    del primitive, params
    shape = shapes[0]
    return [Flow(shape, _product_sets(operands, shape), _zeros_of_product(operands, shape))]


def _quotient(
    primitive: Primitive, operands: Operands, params: Params, shapes: Shapes
) -> list[Flow]:
    del primitive, params
    shape = shapes[0]
    x, y = operands
    sets = joined((x.spread_to(shape), only(y.spread_to(shape), x.nonzero())))
    zeros = x.known_zeros()
    return [Flow(shape, sets, None if zeros is None else np.broadcast_to(zeros, shape))]


def _power(primitive: Primitive, operands: Operands, params: Params, shapes: Shapes) -> list[Flow]:
    """x ** 0 is 1."""
    del primitive, params
    shape = shapes[0]
    x, y = operands
    return [Flow(shape, joined((only(x.spread_to(shape), y.nonzero()), y.spread_to(shape))))]


def _where(primitive: Primitive, operands: Operands, params: Params, shapes: Shapes) -> list[Flow]:
    del primitive, params
    shape = shapes[0]
    condition, x, y = operands
    zeros = [x.known_zeros(), y.known_zeros()]
    if condition.value is None:
        return [Flow(shape, spread((x, y), shape), _all_of(zeros, shape))]
    chosen = np.asarray(condition.value, bool)
    sets = joined((only(x.spread_to(shape), chosen), only(y.spread_to(shape), ~chosen)))
    if all(mask is None for mask in zeros):
        return [Flow(shape, sets)]
    first, second = (np.False_ if mask is None else mask for mask in zeros)
    return [Flow(shape, sets, np.broadcast_to(np.where(chosen, first, second), shape))]


# --- reductions ---------------------------------------------------------------------------------


def _axes(axis: Any) -> tuple[int, ...]:
    return tuple(axis) if isinstance(axis, tuple | list) else (axis,)


def _joint(operands: Operands) -> Shape:
    return np.broadcast_shapes(*(x.shape for x in operands))


def _reduction(
    primitive: Primitive, operands: Operands, params: Params, shapes: Shapes
) -> list[Flow]:
    shape = _joint(operands)
    sets = spread(operands, shape)
    axes = _axes(params["axis"]) if shape else ()
    zeros = None
    if primitive.name in {"sum", "mean"}:
        mask = operands[0].known_zeros()
        if mask is not None and shape:
            zeros = np.all(mask, axis=axes).reshape(shapes[0])
    return [Flow(shapes[0], shaped(reduced(sets, axes), shapes[0]), zeros)]


def _masked_sum(
    primitive: Primitive, operands: Operands, params: Params, shapes: Shapes
) -> list[Flow]:
    x, mask = operands
    known = None if mask.value is None else np.asarray(mask.value, bool)
    shape = _joint(operands)
    part = Flow(shape, only(x.spread_to(shape), known))
    return _reduction(primitive, [part], params, shapes)


def _folding(
    primitive: Primitive, operands: Operands, params: Params, shapes: Shapes
) -> list[Flow]:
    """Sums, of products maybe, down to a shape."""
    del primitive
    rank, core = params["rank"], params["shape"]
    full = operands[0].shape
    sets = operands[0].sets if len(operands) == 1 else _product_sets(operands, full)
    lead = full[: len(full) - rank]
    kept = (*lead, *(1,) * (rank - len(core)), *core)
    axes = [i for i, (n, m) in enumerate(zip(full, kept, strict=True)) if n != m]
    zeros = _zeros_of_product(operands, full)
    if zeros is not None:
        zeros = np.all(zeros, axis=tuple(axes)).reshape(shapes[0])
    return [Flow(shapes[0], shaped(reduced(sets, axes), shapes[0]), zeros)]


def _segments(
    primitive: Primitive, operands: Operands, params: Params, shapes: Shapes
) -> list[Flow]:
    """Sums of stretches along an axis, which begin at indices."""
    x, indices = operands
    if indices.value is None:
        return _lines(primitive, operands[:1], params, shapes)
    axis = params["axis"] % len(x.shape)
    length = x.shape[axis]
    starts = np.asarray(indices.value).reshape(-1)
    starts = np.where(starts < 0, starts + length, starts)
    ends = np.append(starts[1:], length)
    counts = np.maximum(ends - starts, 1)
    targets = np.repeat(np.arange(starts.size), counts)
    firsts = np.repeat(starts - (np.cumsum(counts) - counts), counts)
    sources = firsts + np.arange(targets.size)
    return [Flow(shapes[0], along(x, axis, shapes[0], targets, sources))]


# --- lines --------------------------------------------------------------------------------------


def along(x: Flow, axis: int, shape: Shape, targets: Any, sources: Any) -> Sets:
    """Sets where places along one axis are linked alike in all lines.

    Args:
        x: the operand.
        axis: the axis.
        shape: of the result, of another length along the axis maybe.
        targets: places in the result.
        sources: places in the operand.
    """
    axis %= len(x.shape)
    lines = math.prod(x.shape[:axis] + x.shape[axis + 1 :])
    if lines * targets.size > LINKS:
        return _over_lines(x, axis, shape)
    to = np.moveaxis(numbers_of(shape), axis, 0)[targets].reshape(-1)
    of = np.moveaxis(numbers_of(x.shape), axis, 0)[sources].reshape(-1)
    return shaped(linked(x.sets, to, of, math.prod(shape)), shape) if x.sets else NOTHING


def _over_lines(x: Flow, axis: int, shape: Shape) -> Sets:
    return broadcast(reduced(x.sets, (axis,)), shape)


def _lines(primitive: Primitive, operands: Operands, params: Params, shapes: Shapes) -> list[Flow]:
    """All elements of a line depend on all of it."""
    del primitive
    axes = _axes(params["axis"])
    shape = _joint(operands)
    found = Flow(shape, spread(operands, shape))
    if not shape:
        return [Flow(own, found.sets) for own in shapes]
    sets = reduced(found.sets, axes)
    return [Flow(own, broadcast(sets, own)) for own in shapes]


def _running(
    primitive: Primitive, operands: Operands, params: Params, shapes: Shapes
) -> list[Flow]:
    """Each element depends on those before it, and on itself."""
    del primitive
    x = Flow(_joint(operands), spread(operands, _joint(operands)))
    if not x.shape:
        return [Flow(shapes[0], x.sets)]
    axis = _axes(params["axis"])[0] % len(x.shape)
    length = x.shape[axis]
    if x.size * length > LINKS:
        return [Flow(shapes[0], _over_lines(x, axis, shapes[0]))]
    later, earlier = np.tril_indices(length)
    if params.get("reverse"):
        later, earlier = earlier, later
    return [Flow(shapes[0], along(x, axis, shapes[0], later, earlier))]


# --- blocks -------------------------------------------------------------------------------------


def dense(primitive: Primitive, operands: Operands, params: Params, shapes: Shapes) -> list[Flow]:
    """All results depend on all operands."""
    del primitive, params
    sets = joined(_whole(x) for x in operands)
    sizes = map(math.prod, shapes)
    return [
        Flow(shape, broadcast(sets, shape) if size else NOTHING)
        for shape, size in zip(shapes, sizes, strict=True)
    ]


def _whole(x: Flow) -> Sets:
    if not x.sets or not x.size:
        return NOTHING
    found = coarse(x.sets)
    return shaped(tuple(type(y)(y.table, y.rows.reshape(-1)[:1]) for y in found), ())


def _blocks(*ranks: int) -> Rule:
    """Each block depends on the blocks of the operands at its place.

    Args:
        *ranks: of each operand the number of axes, at its end, of one block; further operands are
            like the last one.
    """

    def rule(
        primitive: Primitive, operands: Operands, params: Params, shapes: Shapes
    ) -> list[Flow]:
        own = (*ranks, *ranks[-1:] * (len(operands) - len(ranks)))
        parts = list(zip(operands, own[: len(operands)], strict=True))
        leads = [x.shape[: max(len(x.shape) - rank, 0)] for x, rank in parts]
        lead = np.broadcast_shapes(*leads)
        if any(shape[: len(lead)] != lead for shape in shapes):
            return dense(primitive, operands, params, shapes)
        sets = joined(broadcast(_of_blocks(x, min(rank, len(x.shape))), lead) for x, rank in parts)
        return [Flow(shape, _spread_blocks(sets, lead, shape)) for shape in shapes]

    return rule


def _of_blocks(x: Flow, rank: int) -> Sets:
    sets = reduced(x.sets, range(-rank, 0)) if rank else x.sets
    return shaped(sets, x.shape[: len(x.shape) - rank])


def _spread_blocks(sets: Sets, lead: Shape, shape: Shape) -> Sets:
    if not math.prod(shape):
        return NOTHING
    return broadcast(shaped(sets, (*lead, *(1,) * (len(shape) - len(lead)))), shape)


def _solve(primitive: Primitive, operands: Operands, params: Params, shapes: Shapes) -> list[Flow]:
    """Each column of the solution depends on the matrix, and on its own right-hand side."""
    del primitive, params
    a, b = operands
    shape = shapes[0]
    vector = len(b.shape) == 1
    core = 1 if vector else 2
    from_a = _spread_blocks(_of_blocks(a, 2), a.shape[:-2], (*a.shape[:-2], *shape[-core:]))
    axis = -1 if vector else -2
    from_b = broadcast(reduced(b.sets, (axis,)), shape)
    return [Flow(shape, joined((broadcast(from_a, shape), from_b)))]


def _powers(primitive: Primitive, operands: Operands, params: Params, shapes: Shapes) -> list[Flow]:
    """Of each element a row of powers, of which that of zero is constant."""
    del primitive
    x, shape = operands[0], shapes[0]
    ones = 0 if params["increasing"] else shape[-1] - 1
    sets = only(_spread_blocks(x.sets, x.shape, shape), np.arange(shape[-1]) != ones)
    return [Flow(shape, sets)]


# --- losses -------------------------------------------------------------------------------------


def _loss(primitive: Primitive, operands: Operands, params: Params, shapes: Shapes) -> list[Flow]:
    """A loss for each element, or their sum."""
    if params["reduction"] != "none":
        return dense(primitive, operands, params, shapes)
    return [Flow(shapes[0], spread(operands, shapes[0]))]


def _class_loss(
    primitive: Primitive, operands: Operands, params: Params, shapes: Shapes
) -> list[Flow]:
    """A loss for each line of scores, or their sum."""
    scores, targets = operands
    if params["reduction"] != "none":
        return dense(primitive, operands, params, shapes)
    parts = [scores, targets] if len(targets.shape) == len(scores.shape) else [scores]
    shape = _joint(parts)
    sets = reduced(spread(parts, shape), _axes(params["axis"]))
    return [Flow(shapes[0], shaped(sets, shapes[0]))]


# --- the table ----------------------------------------------------------------------------------


def _named(names: str, rule: Rule) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), rule)


RULES: dict[str, Rule] = {
    **_named("add subtract", _sum),
    "multiply": _product,
    "divide": _quotient,
    **_named("power float_power", _power),
    "where": _where,
    **_named(
        """
        bounded expit_and_slope log_expit_and_slope softplus_and_slope silu_and_slope
        gelu_and_slope gelu_tanh_and_slope polygamma clip inverse_or_pole complex_absolute
        complex_sign bessel_i scaled_bessel_i sinc entr zeta gamma_density gammainc gammaincc
        gamma_tail astype copy real imag settle ground checkpoint_name
        """,
        elementwise,
    ),
    **_named(
        """
        sum mean prod max min var std logsumexp norm reduce logaddexp.reduce logaddexp2.reduce
        hypot.reduce
        """,
        _reduction,
    ),
    "masked_sum": _masked_sum,
    **_named("unbroadcast product_unbroadcast", _folding),
    "add.reduceat": _segments,
    **_named(
        "cumsum cumprod maximum.accumulate minimum.accumulate fmax.accumulate fmin.accumulate "
        "accumulate",
        _running,
    ),
    **_named("softmax log_softmax fft ifft rfft irfft", _lines),
    **_named(
        "inv adjugate det slogdet cholesky eigh eigvalsh eig eigvals svd svdvals qr "
        "characteristic_polynomial",
        _blocks(2),
    ),
    "pinv": _blocks(2, 2),
    "quotient": _blocks(1, 1),
    "roots": _blocks(1),
    **_named("copysign nextafter", _by(0)),
    **_named("heaviside random_gamma", _by(1)),
    "solve": _solve,
    "vander": _powers,
    "bce_with_logits": _loss,
    **_named("softmax_cross_entropy softmax_cross_entropy_with_integer_labels", _class_loss),
}
"""By name of the primitive."""
