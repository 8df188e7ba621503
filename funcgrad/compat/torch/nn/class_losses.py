"""Losses of classes: negative log-likelihood, cross-entropy, and margins between classes."""

import math
from functools import partial
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.compilation_breaks import as_one, is_recorded, refuse, watched
from funcgrad.compat.torch.indexing import elements
from funcgrad.compat.torch.nn.activations import logsigmoid_op
from funcgrad.compat.torch.nn.common import (
    ENUM,
    add_scalar,
    div_scalar,
    entered,
    floats,
    mul_scalar,
    not_differentiable,
    reduced,
    reduced_tensor,
    reduction_of,
    scalar_name,
    value_of,
)
from funcgrad.compat.torch.nn.common import (
    total as summed,
)
from funcgrad.compat.torch.nn.short import are_plain, short_loss
from funcgrad.compat.torch.nn.softmaxes import log_softmax_along
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.tensor import holder
from funcgrad.core.tracer import Tracer

__all__ = [
    "cross_entropy",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
]


# --- negative log-likelihood ------------------------------------------------------------------


def _nll(x: Any, target: Any, weight: Any, *, ignored: int, reduction: str) -> Any:
    """-x at the class of each example; the classes stand along axis 1, or 0 of a single axis."""
    if x.ndim == 1:
        x = x[None]
        target = np.reshape(target, (1,))
        each = _nll(x, target=target, weight=weight, ignored=ignored, reduction=reduction)
        return each[0] if reduction == "none" else each
    valid = target != ignored
    traced = isinstance(target, Tracer) or isinstance(weight, Tracer)
    everywhere = not traced and bool(np.all(valid))
    classes = target if everywhere else np.where(valid, target, 0)
    if x.ndim == 2:
        picked = elements(x, (np.arange(len(classes)), classes))
    else:
        picked = fnp.take_along_axis(x, np.expand_dims(classes, 1), 1)[:, 0]
    weights = None if weight is None else elements(weight, classes)
    losses = -picked if weights is None else -picked * weights
    if not everywhere:
        losses = fnp.where(valid, losses, 0)
    if reduction != "mean":
        return reduced(losses, reduction)
    if traced:
        kept = fnp.where(valid, 1 if weights is None else weights, 0)
        return summed(losses) / fnp.sum(kept).astype(x.dtype)
    if weights is None:
        total: Any = np.count_nonzero(valid)
    else:
        total = np.sum(np.where(valid, weights, weights.dtype.type(0)))
    if total == 0:
        return fnp.sum(losses) * x.dtype.type(np.nan)
    return summed(losses) / x.dtype.type(total)


nll_op = Op("NllLossBackward0", _nll, check=floats("nll_loss_out_frame"))
nll2d_op = Op("NllLoss2DBackward0", _nll, check=floats("nll_loss2d_forward_out_frame"))


def _with_labels(op: Op, input: Any, target: Any, *weights: Any, **options: Any) -> Any:
    """Apply a loss to labels (and weights): operands if traced, values that stay if plain."""
    fixed = [value_of(target), *map(value_of, weights)]
    if any(isinstance(value, Tracer) for value in fixed):
        return op(input, target, *weights, **options)
    names = ("target", "weight")
    return op(input, **dict(zip(names, fixed, strict=False)), **options)


def _short_nll(input: Any, classes: Any, ignored: int, reduction: str) -> Any:
    """All examples count alike: -x at the class of each, and -1 there for a derivative."""
    x = input._value
    rows = np.arange(len(classes))
    value = reduced(-x[rows, classes], reduction)
    share = x.dtype.type(-1 / len(classes) if reduction == "mean" else -1)

    def pull(ct: Any, shape: Any) -> Any:
        part = ct * share
        if isinstance(part, Tracer):
            return fnp.at(np.zeros(shape, share.dtype))[rows, classes].set(part)
        full = np.zeros(shape, share.dtype)
        full[rows, classes] = part
        return full

    function = partial(_nll, target=classes, weight=None, ignored=ignored, reduction=reduction)
    return short_loss(nll_op.cls, "nll_loss", (input,), value, x.shape, function, pull)


def _check_classes(input: Any, target: Any, weight: Any, ignored: int) -> bool:
    """Whether all labels are plain numbers of classes.

    Raises:
        RuntimeError: for labels of a wrong type, and weights of a wrong number.
        IndexError: for labels out of bounds.
    """
    kind = target.dtype
    if kind.name not in ("int64", "uint8"):
        raise RuntimeError(f"expected target dtype to be Long or Byte, but got {scalar_name(kind)}")
    shape = input._value.shape
    count = 1 if not shape else shape[0] if len(shape) == 1 else shape[1]
    if weight is not None and (weight._value.ndim != 1 or weight._value.size != count):
        raise RuntimeError(
            f"weight tensor should be defined either for all {count} classes or no classes but got "
            f"weight tensor of shape: {list(weight._value.shape)}"
        )
    if weight is not None and weight.dtype is not input.dtype:
        raise RuntimeError(
            f"expected scalar type {scalar_name(input.dtype)} but found {scalar_name(weight.dtype)}"
        )
    labels = value_of(target)
    if is_recorded(labels):
        seen = watched(labels)
        if bool(np.any(((seen < 0) | (seen >= count)) & (seen != ignored))):
            refuse("a target is out of bounds")
    if isinstance(labels, Tracer):
        return False
    wrong = (labels < 0) | (labels >= count)
    if wrong.any():
        wrong &= labels != ignored
        if np.any(wrong):
            raise IndexError(f"Target {int(np.asarray(labels)[wrong].flat[0])} is out of bounds.")
        return False
    if 0 <= ignored < count and np.any(labels == ignored):
        return False
    return type(labels) is np.ndarray


@entered("nll_loss")
@as_one
def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """Weighted mean of -x at the class of each example, for log-probabilities x."""
    reduction = reduction_of(reduction, size_average, reduce)
    return _nll_nd(input, target, weight, ignore_index, reduction)


def _nll_nd(input: Any, target: Any, weight: Any, ignored: int, reduction: str) -> Any:
    shape, labels = input._value.shape, target._value.shape
    rank = len(shape)
    if rank < 1:
        raise ValueError(f"Expected 1 or more dimensions (got {rank})")
    if rank != 1 and (not labels or shape[0] != labels[0]):
        got = labels[0] if labels else 0
        if not labels:
            raise IndexError("Dimension specified as 0 but tensor has no dimensions")
        raise ValueError(
            f"Expected input batch_size ({shape[0]}) to match target batch_size ({got})."
        )
    not_differentiable("nll_loss", "weight", weight)
    options = {"ignored": ignored, "reduction": reduction}
    if rank <= 2:
        if len(labels) > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        if rank == 1 and labels and labels[0] != 1:
            raise ValueError(
                f"For 1D input, 1D target must have size 1, but got target size: {labels[0]}"
            )
        plain = _check_classes(input, target, weight, ignored)
        if plain and weight is None and rank == 2 and labels[0] and are_plain(input, input):
            return _short_nll(input, np.array(target._value), ignored, reduction)
        return _with_labels(nll_op, input, target, weight, **options)
    if rank == 4:
        if len(labels) != 3:
            raise RuntimeError(
                "only batches of spatial targets supported (3D tensors) but got targets of "
                f"dimension: {len(labels)}"
            )
        if (shape[0], *shape[2:]) != labels:
            raise RuntimeError(f"size mismatch (got input: {list(shape)} , target: {list(labels)}")
        _check_classes(input, target, weight, ignored)
        return _with_labels(nll2d_op, input, target, weight, **options)
    out = (shape[0], *shape[2:])
    if labels != out:
        raise RuntimeError(f"Expected target size {list(out)}, got {list(labels)}")
    _check_classes(input, target, weight, ignored)
    length = math.prod(shape[2:])
    flat = input.contiguous().view(shape[0], shape[1], 1, length)
    places = holder(np.reshape(target._value, (shape[0], 1, length)))
    losses = _with_labels(nll2d_op, flat, places, weight, **options)
    return losses.view(out) if reduction == "none" else losses


# --- cross-entropy ----------------------------------------------------------------------------


@entered("cross_entropy")
@as_one
def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """Mean of -Σ y log softmax(z), for classes or probabilities y.

    Args:
        input: logits (C), (N, C) or (N, C, d1, ...).
        target: class numbers of the shape without C, or probabilities of the same shape.
        weight: (C), of the classes.
        size_average: deprecated.
        ignore_index: class number of examples that take no part.
        reduce: deprecated.
        reduction: "mean" (over the weights, for class numbers), "sum" or "none".
        label_smoothing: share of the uniform distribution in the target.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    axis = 0 if input._value.ndim == 1 else 1
    if target._value.shape == input._value.shape:
        return _of_probabilities(input, target, weight, ignore_index, reduction, label_smoothing)
    if label_smoothing > 1:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing:g}")
    logs = log_softmax_along(input, axis) if input._value.ndim else input
    losses = _nll_nd(logs, target, weight, ignore_index, reduction)
    if label_smoothing > 0:
        return _smoothed(logs, losses, target, weight, ignore_index, reduction, label_smoothing)
    return losses


def _of_classes(weight: Any, logs: Any) -> Any:
    """Weights of classes, in a shape that broadcasts to the logits."""
    rank = logs._value.ndim
    return weight.view(tuple(-1 if i == min(1, rank - 1) else 1 for i in range(rank)))


def _of_probabilities(
    input: Any,
    target: Any,
    weight: Any,
    ignored: int,
    reduction: str,
    smoothing: float,
) -> Any:
    if target.dtype.category < 2:
        raise RuntimeError(
            "Expected floating point type for target with class probabilities, got "
            f"{scalar_name(target.dtype)}"
        )
    if ignored >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")
    shape = input._value.shape
    axis = 0 if len(shape) == 1 else 1
    count = shape[axis]
    if weight is not None and (weight._value.ndim != 1 or weight._value.size != count):
        raise RuntimeError(
            f"cross_entropy: weight tensor should be defined either for all {count} classes or no "
            f"classes but got weight tensor of shape: {list(weight._value.shape)}"
        )
    logs = log_softmax_along(input, axis)
    if smoothing > 0:
        if smoothing > 1:
            raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {smoothing:g}")
        target = add_scalar(mul_scalar(target, other=1 - smoothing), other=smoothing / count)
    terms = logs * target
    if weight is not None:
        terms = terms * _of_classes(weight, logs)
    if reduction == "none":
        return -terms.sum(axis)
    total = -terms.sum()
    if reduction == "sum":
        return total
    return div_scalar(total, other=input._value.size // count if count else 0)


def _smoothed(
    logs: Any, losses: Any, target: Any, weight: Any, ignored: int, reduction: str, smoothing: float
) -> Any:
    """(1 - s) losses + s / C · Σ -log softmax(z), the latter reduced like the losses."""
    axis = 0 if logs._value.ndim == 1 else 1
    count = logs._value.shape[axis]
    spread = -(logs if weight is None else logs * _of_classes(weight, logs)).sum(axis)
    mask = target == ignored
    spread = spread.masked_fill(mask, 0.0)
    if reduction == "mean":
        kept = ~mask
        if weight is None:
            total = kept.sum()
        elif isinstance(mask._value, Tracer):
            total = weight[target.masked_fill(mask, 0)].masked_fill(mask, 0.0).sum()
        else:
            total = weight[target[kept].flatten()].sum()
        spread = spread.sum() / total
    elif reduction == "sum":
        spread = spread.sum()
    return mul_scalar(losses, other=1 - smoothing) + mul_scalar(spread, other=smoothing / count)


# --- margins ----------------------------------------------------------------------------------


def _multi_margin(
    x: Any, target: Any, weight: Any, *, power: int, margin: float, reduction: str
) -> Any:
    """Σ over classes j other than t of max(0, margin - x_t + x_j)^p / C."""
    single = x.ndim < 2
    rows = fnp.reshape(x, (1, -1)) if single else x
    classes = np.reshape(target, (-1, 1))
    z = margin - fnp.take_along_axis(rows, classes, 1) + rows
    positive = (z > 0) & (np.arange(rows.shape[1]) != classes)
    terms = fnp.where(positive, z if power == 1 else z * z, 0)
    if weight is not None:
        terms = terms * elements(weight, classes)
    losses = fnp.sum(terms, axis=1) / rows.shape[1]
    return losses[0] if single else reduced(losses, reduction)


def _multilabel_margin(x: Any, target: Any, *, reduction: str) -> Any:
    """Σ over labels j and other classes i of max(0, 1 - (x_j - x_i)) / C."""
    single = x.ndim < 2
    rows = fnp.reshape(x, (1, -1)) if single else x
    labels = np.reshape(target, (rows.shape[0], -1))
    listed = np.cumsum(labels < 0, axis=1) == 0
    count = rows.shape[1]
    is_label = (listed[:, :, None] & (labels[:, :, None] == np.arange(count))).any(1)
    at = fnp.take_along_axis(rows, np.where(listed, labels, 0), 1)
    z = 1 - at[:, :, None] + rows[:, None, :]
    positive = (z > 0) & listed[:, :, None] & ~is_label[:, None, :]
    losses = fnp.sum(fnp.where(positive, z, 0), axis=(1, 2)) / count
    return losses[0] if single else reduced(losses, reduction)


multi_margin_op = Op("MultiMarginLossBackward0", _multi_margin)
multilabel_margin_op = Op("MultilabelMarginLossBackward0", _multilabel_margin)


@entered("multi_margin_loss")
@as_one
def multi_margin_loss(
    input: Any,
    target: Any,
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """Mean of Σ_j max(0, margin - x_t + x_j)^p / C over the classes j other than the target t."""
    reduction = reduction_of(reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight._value.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    _check_classes(input, target, weight, -1 << 63)
    return _with_labels(
        multi_margin_op, input, target, weight, power=p, margin=margin, reduction=reduction
    )


@entered("multilabel_margin_loss")
@as_one
def multilabel_margin_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """Mean of Σ max(0, 1 - (x_j - x_i)) / C over labels j, up to the first -1, and others i."""
    reduction = reduction_of(reduction, size_average, reduce)
    if target.dtype.name != "int64":
        raise RuntimeError(f"expected scalar type Long but found {scalar_name(target.dtype)}")
    if target._value.shape != input._value.shape:
        raise RuntimeError(
            f"inconsistent target size: {list(target._value.shape)} for input of size: "
            f"{list(input._value.shape)}"
        )
    return _with_labels(multilabel_margin_op, input, target, reduction=reduction)


@entered("multilabel_soft_margin_loss")
@as_one
def multilabel_soft_margin_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """Mean of -(y log σ(x) + (1 - y) log σ(-x)) over labels and examples."""
    if reduction not in ENUM:
        raise ValueError(f"{reduction} is not valid")
    reduction = reduction_of(reduction, size_average, reduce)
    losses = -(target * logsigmoid_op(input) + (1 - target) * logsigmoid_op(-input))
    if weight is not None:
        losses = losses * weight
    each = losses.sum(-1) / input._value.shape[-1]
    return reduced_tensor(each, reduction)
