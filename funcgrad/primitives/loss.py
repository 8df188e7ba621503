"""Losses as one primitive each: binary and categorical cross-entropy of logits.

Both operands have one shape and one floating dtype (`funcgrad.nn.losses` sees to that); integer
labels have the shape of the logits without the class axis. A target of 0 takes part in nothing: its
term is 0 even where the logit is infinite.
"""

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from funcgrad.core.foreign import cast, is_foreign
from funcgrad.core.primitive import Primitive, Pull, register
from funcgrad.core.tracer import bind, plain_value
from funcgrad.families.shapes import in_front, rank_of, shape_of
from funcgrad.interpreters.record import RecordTracer
from funcgrad.primitives.calls import append_record
from funcgrad.primitives.fused import log_softmax_p, normalised, quiet, shifted, softmax_p
from funcgrad.primitives.reduction import mean, sum_
from funcgrad.primitives.special import FLOATS, expit, logistic
from funcgrad.primitives.structural import expand_dims

__all__ = [
    "bce_of_few",
    "bce_with_logits",
    "integer_cross_entropy",
    "one_hot",
    "softmax_cross_entropy",
]

Mask = tuple[bool, ...]
FEW = 32
"""Up to so many elements a loop over Python floats is faster than NumPy's calls."""
SHORT = 64
"""Rows of at most so many classes are reduced across, see `_class_first`."""


# --- reductions -------------------------------------------------------------------------------


def _reduced(loss: Any, reduction: str, axis: Any = None) -> Any:
    if reduction == "none":
        return loss
    return mean(loss, axis) if reduction == "mean" else sum_(loss, axis)


def _batched_loss(primitive: Primitive, reduced_axes: int) -> Any:
    """Batch rule: the losses of all examples, then the reduction over an example's own axes."""

    def batch(
        size: int, batched: Sequence[bool], values: Sequence[Any], params: dict[str, Any]
    ) -> Any:
        full = [in_front(size, v, b) for v, b in zip(values, batched, strict=True)]
        rank = rank_of(full[0]) - 1 - reduced_axes
        loss = bind(primitive, *full, **{**params, "reduction": "none"})
        return _reduced(loss, params["reduction"], tuple(range(-rank, 0)))

    return batch


def _share(ct: Any, reduction: str, count: int) -> Any:
    """Cotangent of one loss, from that of the reduced ones."""
    return ct / max(count, 1) if reduction == "mean" else ct


# --- binary cross-entropy ---------------------------------------------------------------------


def _bce(z: Any, y: Any) -> Any:
    """max(z, 0) - z y + log(1 + exp(-|z|)), of plain floating-point operands."""
    if is_foreign(z) or is_foreign(y):  # by masks: nothing is computed to find out
        up = np.where(y == 1, 0, np.maximum(z, 0))
        down = np.where(y == 0, 0, np.maximum(-z, 0))
        return (1 - y) * up + y * down + np.log1p(np.exp(-np.abs(z)))
    with quiet():
        loss = np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z)))
    if np.isnan(loss).any():  # 0 · inf or inf - inf, unless an operand is nan
        with quiet():
            positive = np.where(y == 1, 0, (1 - y) * np.maximum(z, 0))
            loss = (
                positive + np.where(y == 0, 0, y * np.maximum(-z, 0)) + np.log1p(np.exp(-np.abs(z)))
            )
    return loss


def _mean(loss: Any) -> Any:
    return np.add.reduce(loss, axis=None) / loss.size


def bce_of_few(z: Any, y: Any) -> tuple[Any, Any]:
    """Mean loss and its derivative by z, by a loop over Python floats."""
    total = 0.0
    slopes = []
    count = z.size
    for logit, target in zip(z.ravel().tolist(), y.ravel().tolist(), strict=True):
        if logit >= 0.0:
            small = math.exp(-logit)
            if target != 1.0:
                total += logit * (1.0 - target)
            slopes.append((1.0 / (1.0 + small) - target) / count)
        else:
            small = math.exp(logit)
            if target != 0.0:
                total -= logit * target
            slopes.append((small / (1.0 + small) - target) / count)
        total += math.log1p(small)
    slope = np.array(slopes)
    return np.float64(total / count), slope if z.ndim == 1 else slope.reshape(z.shape)


def _bce_value(z: Any, y: Any, *, reduction: str) -> Any:
    if reduction == "mean" and _alike(z, y) and z.size <= FEW and z.dtype == np.float64:
        return bce_of_few(z, y)[0]
    return _reduced(_bce(z, y), reduction)


def _bce_jvp(out: Any, args: Sequence[Any], dots: Sequence[Any], params: dict[str, Any]) -> Any:
    del out
    z, y = args
    z_dot, y_dot = dots
    total = None if z_dot is None else (expit(z) - y) * z_dot
    if y_dot is not None:
        by_y = -(z * y_dot)
        total = by_y if total is None else total + by_y
    return _reduced(total, params["reduction"])


def _bce_vjp(
    out: Any, args: Sequence[Any], active: Mask, params: dict[str, Any]
) -> tuple[Pull, Any]:
    del out
    z, y = args
    reduction, count = params["reduction"], math.prod(shape_of(z))
    slope = expit(z) - y if active[0] else None
    if not active[1]:
        return lambda ct, slope: _share(ct, reduction, count) * slope, slope

    def pull(ct: Any, residuals: Any) -> Any:
        slope, z = residuals
        share = _share(ct, reduction, count)
        by_y = -(share * z)
        return by_y if slope is None else (share * slope, by_y)

    return pull, (slope, z)


bce_p: Primitive = register(
    Primitive(
        name="bce_with_logits",
        value=_bce_value,
        family="smooth",
        jvp=_bce_jvp,
        vjp=_bce_vjp,
        batch=lambda *call: _batched_loss(bce_p, 0)(*call),
        domain=((-3.0, 3.0), (0.1, 0.9)),
        analytic=False,
    )
)


def bce_with_logits(z: Any, y: Any, reduction: str) -> Any:
    """Binary cross-entropy of logits z and targets y of one shape and dtype."""
    return bind(bce_p, z, y, reduction=reduction)


def record_bce_mean(tracer: RecordTracer, y: Any) -> RecordTracer | None:
    """The mean loss of recorded logits and plain targets; None if it is not that simple."""
    z = tracer.value
    if not _alike(z, y):
        return None
    if z.size <= FEW and z.dtype == np.float64:
        value, slope = bce_of_few(z, y)
    else:
        value = _mean(_bce(z, y))
        slope = logistic(z) - y
        slope /= z.size
    return append_record(tracer, bce_p, operator.mul, slope, value)


def _alike(z: Any, y: Any) -> bool:
    return (
        type(z) is np.ndarray
        and type(y) is np.ndarray
        and z.dtype is y.dtype
        and z.shape == y.shape
        and z.dtype in FLOATS
        and z.size > 0
    )


# --- categorical cross-entropy with probabilities ---------------------------------------------


def _class_first(axis: int, *arrays: Any) -> tuple[int, Any]:
    """The class axis, and the arrays, copied with that axis in front if its rows are short.

    NumPy reduces ten rows of 128 elements eight times faster than 128 rows of ten.
    """
    shape = arrays[0].shape
    if axis == -1 and len(shape) == 2 and shape[1] <= SHORT < 2 * shape[0]:
        return 0, [np.ascontiguousarray(array.T) for array in arrays]
    return axis, arrays


def _restored(array: Any, axis: int) -> Any:
    """The array with its axes put back, if `_class_first` has moved them."""
    return np.ascontiguousarray(array.T) if axis == 0 else array


def _soft_parts(z: Any, y: Any, axis: int) -> tuple[Any, Any, Any, Any]:
    """Losses, exp(z - max z), its sum and Σ y, with the class axis kept, of plain operands."""
    _, below = shifted(z, axis)
    if is_foreign(z) or is_foreign(y):
        linear = np.sum(y * np.where(y == 0, 0, below), axis=axis, keepdims=True)
        mass = np.sum(y, axis=axis, keepdims=True)
        weights, norm = normalised(below, axis)
        return mass * np.log(norm) - linear, weights, norm, mass
    mass = np.add.reduce(y, axis=axis, keepdims=True)
    with quiet():
        linear = np.add.reduce(y * below, axis=axis, keepdims=True)
    if np.isnan(linear).any():  # 0 · inf, unless an operand is nan
        linear = np.add.reduce(
            np.where(y == 0, 0, y) * np.where(y == 0, 0, below), axis=axis, keepdims=True
        )
    weights, norm = normalised(below, axis)
    return mass * np.log(norm) - linear, weights, norm, mass


def _soft_value(z: Any, y: Any, *, axis: int, reduction: str) -> Any:
    if not z.size:
        return _reduced(np.sum(z * y, axis=axis), reduction)
    return _reduced(np.squeeze(_soft_parts(z, y, axis)[0], axis)[()], reduction)


def _soft_slope(z: Any, y: Any, axis: int) -> Any:
    """softmax(z) Σ y - y."""
    weights = bind(softmax_p, z, axis=(axis,))
    return weights * np.sum(y, axis=axis, keepdims=True) - y


def _soft_jvp(out: Any, args: Sequence[Any], dots: Sequence[Any], params: dict[str, Any]) -> Any:
    del out
    (z, y), (z_dot, y_dot), axis = args, dots, params["axis"]
    total: Any = None if z_dot is None else _soft_slope(z, y, axis) * z_dot
    if y_dot is not None:
        by_y = -(bind(log_softmax_p, z, axis=(axis,)) * y_dot)
        total = by_y if total is None else total + by_y
    return _reduced(np.sum(total, axis=axis), params["reduction"])


def _rows(z: Any, axis: int) -> int:
    shape = shape_of(z)
    return math.prod(shape) // max(shape[axis], 1)


def _spread_share(ct: Any, reduction: str, count: int, axis: int) -> Any:
    """Cotangent of each row's loss, with the class axis kept."""
    return expand_dims(ct, axis) if reduction == "none" else _share(ct, reduction, count)


def _soft_vjp(
    out: Any, args: Sequence[Any], active: Mask, params: dict[str, Any]
) -> tuple[Pull, Any]:
    del out
    z, y = args
    axis, reduction, count = params["axis"], params["reduction"], _rows(z, params["axis"])
    slope = _soft_slope(z, y, axis) if active[0] else None
    logs = bind(log_softmax_p, z, axis=(axis,)) if active[1] else None

    def pull(ct: Any, residuals: Any) -> Any:
        slope, logs = residuals
        share = _spread_share(ct, reduction, count, axis)
        parts = [] if slope is None else [share * slope]
        if logs is not None:
            parts.append(-(share * logs))
        return parts[0] if len(parts) == 1 else tuple(parts)

    return pull, (slope, logs)


soft_p: Primitive = register(
    Primitive(
        name="softmax_cross_entropy",
        value=_soft_value,
        family="smooth",
        jvp=_soft_jvp,
        vjp=_soft_vjp,
        batch=lambda *call: _batched_loss(soft_p, 1)(*call),
        domain=((-3.0, 3.0), (0.1, 0.9)),
        analytic=False,
    )
)


def softmax_cross_entropy(z: Any, y: Any, axis: int, reduction: str) -> Any:
    """Cross-entropy of logits z and probabilities y of one shape and dtype; axis is negative."""
    return bind(soft_p, z, y, axis=axis, reduction=reduction)


def record_soft_mean(tracer: RecordTracer, y: Any, axis: int) -> RecordTracer | None:
    """The mean loss of recorded logits and plain targets; None if it is not that simple."""
    z = tracer.value
    if not _alike(z, y):
        return None
    place, (z, targets) = _class_first(axis, z, y)
    loss, slope, norm, mass = _soft_parts(z, targets, place)
    count = loss.size
    mass /= norm
    slope *= mass
    slope -= targets
    slope /= count
    return append_record(tracer, soft_p, operator.mul, _restored(slope, place), _mean(loss))


# --- categorical cross-entropy with class numbers ---------------------------------------------


def one_hot(labels: Any, count: int, axis: int) -> Any:
    """Whether the label is the class, for each class along a new (negative) axis."""
    classes = np.arange(count).reshape((count,) + (1,) * (-axis - 1))
    return expand_dims(labels, axis) == classes


def _check_labels(labels: Any, count: int) -> None:
    if labels.size and (np.min(labels) < 0 or np.max(labels) >= count):
        wrong = labels[(labels < 0) | (labels >= count)].flat[0]
        raise ValueError(
            f"softmax_cross_entropy: a label is {wrong}, but the logits have {count} classes, "
            f"numbered 0 to {count - 1}. That example has no probability. Renumber the labels, or "
            "leave such examples out with a weight of 0 on reduction='none' and a valid label."
        )


def _at_labels(labels: Any, classes: int, axis: int) -> Any:
    """Flat positions of each example's label in a matrix with the classes along an axis."""
    examples = np.arange(labels.size)
    labels = labels.astype(np.intp)  # a product of small integers would overflow
    return labels * labels.size + examples if axis in (0, -2) else examples * classes + labels


def _integer_parts(z: Any, labels: Any, axis: int) -> tuple[Any, Any, Any]:
    """Losses, with the class axis kept, exp(z - max z) and its sum, of plain operands."""
    _, below = shifted(z, axis)
    if z.ndim == 2:
        linear = np.expand_dims(below.ravel()[_at_labels(labels, z.shape[axis], axis)], axis)
    else:
        linear = np.take_along_axis(below, np.expand_dims(labels.astype(np.intp), axis), axis)
    weights, norm = normalised(below, axis)
    return np.log(norm) - linear, weights, norm


def _foreign_losses(z: Any, labels: Any, axis: int) -> Any:
    """Losses of foreign operands; NaN for a label that is no class, as none is computed here."""
    _, below = shifted(z, axis)
    mine = one_hot(labels, shape_of(z)[axis], axis)
    linear = np.sum(np.where(mine, below, 0), axis=axis)
    loss = np.log(np.sum(np.exp(below), axis=axis)) - linear
    return cast(np.where(_is_class(labels, shape_of(z)[axis]), loss, np.nan), z.dtype)


def _is_class(labels: Any, count: int) -> Any:
    return (labels >= 0) & (labels < count)


def _integer_value(z: Any, labels: Any, *, axis: int, reduction: str) -> Any:
    if is_foreign(z) or is_foreign(labels):
        return _reduced(_foreign_losses(z, labels, axis), reduction)
    labels = np.asarray(labels)
    if not z.size:
        _check_labels(labels, z.shape[axis])
        return _reduced(np.zeros(labels.shape, z.dtype), reduction)
    _check_labels(labels, z.shape[axis])
    return _reduced(_integer_parts(z, labels, axis)[0].squeeze(axis)[()], reduction)


def _integer_slope(z: Any, labels: Any, axis: int) -> Any:
    """softmax(z), less 1 at the label."""
    weights = bind(softmax_p, z, axis=(axis,))
    count = shape_of(z)[axis]
    slope = np.where(one_hot(labels, count, axis), weights - 1, weights)
    if is_foreign(plain_value(slope)):
        return np.where(expand_dims(_is_class(labels, count), axis), slope, np.nan)
    return slope


def _integer_jvp(out: Any, args: Sequence[Any], dots: Sequence[Any], params: dict[str, Any]) -> Any:
    del out
    axis = params["axis"]
    return _reduced(
        np.sum(_integer_slope(args[0], args[1], axis) * dots[0], axis=axis), params["reduction"]
    )


def _integer_vjp(
    out: Any, args: Sequence[Any], active: Mask, params: dict[str, Any]
) -> tuple[Pull, Any]:
    del out, active
    axis, reduction, count = params["axis"], params["reduction"], _rows(args[0], params["axis"])

    def pull(ct: Any, slope: Any) -> Any:
        return _spread_share(ct, reduction, count, axis) * slope

    return pull, _integer_slope(args[0], args[1], axis)


integer_p: Primitive = register(
    Primitive(
        name="softmax_cross_entropy_with_integer_labels",
        value=_integer_value,
        family="smooth",
        jvp=_integer_jvp,
        vjp=_integer_vjp,
        batch=lambda *call: _batched_loss(integer_p, 1)(*call),
        analytic=False,
    )
)


def integer_cross_entropy(z: Any, labels: Any, axis: int, reduction: str) -> Any:
    """Cross-entropy of logits z and class numbers; axis is negative."""
    return bind(integer_p, z, labels, axis=axis, reduction=reduction)


def record_integer_mean(tracer: RecordTracer, labels: Any, axis: int) -> RecordTracer | None:
    """The mean loss of recorded logits and plain class numbers; None if it is not that simple."""
    z = tracer.value
    if type(z) is not np.ndarray or z.dtype not in FLOATS or not z.size:
        return None
    _check_labels(labels, z.shape[axis])
    place, (z,) = _class_first(axis, z)
    loss, slope, norm = _integer_parts(z, labels, place)
    count = loss.size
    slope /= norm * count
    if z.ndim == 2 and slope.flags.c_contiguous:
        slope.reshape(-1)[_at_labels(labels, z.shape[place], place)] -= 1 / count
    else:
        slope -= one_hot(labels, z.shape[place], place) / z.dtype.type(count)
    return append_record(tracer, integer_p, operator.mul, _restored(slope, place), _mean(loss))
