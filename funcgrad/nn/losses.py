"""Losses of logits: fused with the function that turns logits into probabilities."""

from typing import Any, Literal

import numpy as np

from funcgrad.families.shapes import dtype_of, negative_axis, shape_of
from funcgrad.interpreters.record import RecordTracer
from funcgrad.primitives import loss
from funcgrad.primitives.special import as_real, softplus
from funcgrad.primitives.structural import astype, broadcast_to

__all__ = [
    "bce_with_logits",
    "softmax_cross_entropy",
    "softmax_cross_entropy_with_integer_labels",
]

Reduction = Literal["mean", "sum", "none"]


def bce_with_logits(
    logits: Any,
    targets: Any,
    reduction: Reduction = "mean",
    weight: Any = None,
    pos_weight: Any = None,
) -> Any:
    """Binary cross-entropy: -(y log σ(z) + (1 - y) log(1 - σ(z))) for logits z and targets y.

    Computed as max(z, 0) - z y + log(1 + exp(-|z|)), with derivative σ(z) - y by z, and -z by y.

    Args:
        logits: real array z of any shape.
        targets: probabilities y of the positive class (or 0 and 1 of any dtype), which broadcast
            to the shape of `logits`.
        reduction: `"mean"` or `"sum"` of all losses, or `"none"`.
        weight: factor of each loss, broadcast likewise; the mean is still over their number.
        pos_weight: factor of the positive part, y log σ(z), broadcast likewise.

    Returns:
        A scalar, or an array of the shape of `logits` for `"none"`.

    Raises:
        ValueError: if shapes do not fit, or `reduction` is none of the three.

    Example:
        >>> bce_with_logits(np.array([0.0, 1000.0]), np.array([1.0, 1.0]))
        np.float64(0.34657359027997264)
    """
    plain = weight is None and pos_weight is None
    if plain and reduction == "mean" and type(logits) is RecordTracer:
        recorded = loss.record_bce_mean(logits, targets)
        if recorded is not None:
            return recorded
    _check_reduction("bce_with_logits", reduction)
    z, y = _pair("bce_with_logits", logits, targets)
    if plain:
        return loss.bce_with_logits(z, y, reduction)
    if pos_weight is None:
        losses = loss.bce_with_logits(z, y, "none")
    else:
        factor = _fitted("bce_with_logits", "pos_weight", pos_weight, z)
        losses = (1 - y) * softplus(z) + factor * y * softplus(-z)
    if weight is not None:
        losses = losses * _fitted("bce_with_logits", "weight", weight, z)
    return losses if reduction == "none" else getattr(np, reduction)(losses)


def softmax_cross_entropy(
    logits: Any, labels: Any, axis: int = -1, reduction: Reduction = "mean"
) -> Any:
    """Cross-entropy: -Σ y log softmax(z) over the classes, for logits z and labels y.

    The derivative by z is softmax(z) Σ y - y, and by y it is -log softmax(z).

    Args:
        logits: real array z of any shape with a class axis.
        labels: probabilities (or one-hot vectors of any dtype), which broadcast to the shape of
            `logits`; or integer class numbers, of the shape of `logits` without the class axis.
        axis: the class axis of `logits`.
        reduction: `"mean"` or `"sum"` of all losses, or `"none"`.

    Returns:
        A scalar, or an array of the shape of `logits` without the class axis for `"none"`.

    Raises:
        ValueError: if shapes do not fit, a class number is out of range, or `reduction` is none of
            the three.

    Example:
        >>> logits = np.array([[0.0, 1000.0], [0.0, 0.0]])
        >>> softmax_cross_entropy(logits, np.array([1, 0]), reduction="none")
        array([0.        , 0.69314718])
    """
    name = "softmax_cross_entropy"
    _check_reduction(name, reduction)
    shape = _shape(logits)
    class_axis = negative_axis(axis, len(shape))
    if _are_numbers(labels, _without(shape, class_axis)):
        return _with_numbers(name, logits, labels, class_axis, reduction)
    if reduction == "mean" and type(logits) is RecordTracer:
        recorded = loss.record_soft_mean(logits, labels, class_axis)
        if recorded is not None:
            return recorded
    z, y = _pair(name, logits, labels)
    return loss.softmax_cross_entropy(z, y, class_axis, reduction)


def softmax_cross_entropy_with_integer_labels(
    logits: Any, labels: Any, axis: int = -1, reduction: Reduction = "mean"
) -> Any:
    """Cross-entropy: -log softmax(z) at the class number, for logits z.

    Args:
        logits: real array z of any shape with a class axis.
        labels: integer class numbers, of the shape of `logits` without the class axis.
        axis: the class axis of `logits`.
        reduction: `"mean"` or `"sum"` of all losses, or `"none"`.

    Returns:
        A scalar, or an array of the shape of `labels` for `"none"`.

    Raises:
        TypeError: if the labels are no integers.
        ValueError: if shapes do not fit, a class number is out of range, or `reduction` is none of
            the three.
    """
    name = "softmax_cross_entropy_with_integer_labels"
    _check_reduction(name, reduction)
    return _with_numbers(name, logits, labels, negative_axis(axis, len(_shape(logits))), reduction)


def _with_numbers(name: str, logits: Any, labels: Any, axis: int, reduction: str) -> Any:
    z = as_real(name, logits)
    labels = labels if hasattr(labels, "dtype") else np.asarray(labels)
    if labels.dtype.kind not in "iu":
        raise TypeError(
            f"{name}: the labels have dtype {labels.dtype}. Class numbers are integers. Pass "
            "labels.astype(int), or probabilities to softmax_cross_entropy."
        )
    shape = shape_of(z)
    expected = _without(shape, axis)
    if labels.shape != expected:
        raise ValueError(
            f"{name}: the labels have shape {labels.shape}, but the logits have shape {shape} with "
            f"classes along axis {axis}. There must be one label for each example. Pass labels of "
            f"shape {expected}, or another axis."
        )
    if reduction == "mean" and type(z) is RecordTracer and type(labels) is np.ndarray:
        recorded = loss.record_integer_mean(z, labels, axis)
        if recorded is not None:
            return recorded
    return loss.integer_cross_entropy(z, labels, axis, reduction)


def _shape(x: Any) -> tuple[int, ...]:
    return shape_of(x) if hasattr(x, "shape") else np.shape(x)


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """The shape without one (negative) axis."""
    place = axis + len(shape)
    return (*shape[:place], *shape[place + 1 :])


def _are_numbers(labels: Any, shape: tuple[int, ...]) -> bool:
    """Whether the labels are class numbers: integers in the shape of the losses."""
    dtype = getattr(labels, "dtype", None)
    if dtype is None:
        labels = np.asarray(labels)
        dtype = labels.dtype
    return dtype.kind in "iu" and labels.shape == shape


def _check_reduction(name: str, reduction: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(
            f"{name}: reduction={reduction!r}. There are three ways to reduce the losses. Use "
            "'mean', 'sum', or 'none' and reduce them yourself."
        )


def _pair(name: str, logits: Any, targets: Any) -> tuple[Any, Any]:
    """Logits and targets in one shape and one floating dtype."""
    z = as_real(name, logits)
    y = _fitted(name, "target", targets, z)
    dtype = dtype_of(z)
    if dtype is None:
        dtype = dtype_of(y) or np.dtype(np.float64)
        z = _cast(z, dtype)
    other = dtype_of(y)
    if other != dtype:
        common = dtype if other is None else np.promote_types(dtype, other)
        z = z if dtype == common else _cast(z, common)
        y = _cast(y, common)
    shape = shape_of(z)
    return z, y if shape_of(y) == shape else broadcast_to(y, shape)


def _fitted(name: str, what: str, x: Any, logits: Any) -> Any:
    """A factor or target that broadcasts to the logits; integers in the dtype of the logits."""
    dtype = dtype_of(logits) or np.dtype(np.float64)
    if not hasattr(x, "dtype") and not isinstance(x, float):
        x = np.asarray(x)[()]
    if dtype_of(x) is not None and x.dtype.kind in "biu":
        x = _cast(x, dtype)
    x = as_real(name, x)
    shape, found = shape_of(logits), shape_of(x)
    try:
        fits = np.broadcast_shapes(found, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{name}: the {what} has shape {found}, but the logits have shape {shape}. "
            "Broadcasting would pair logits with the wrong numbers. Reshape one of them, "
            f"e.g. to {shape}."
        )
    return x


def _cast(x: Any, dtype: np.dtype[Any]) -> Any:
    return astype(x, dtype) if hasattr(x, "dtype") else dtype.type(x)
