"""Binary cross-entropy of logits: one operation, with a short way for plain arrays."""

from functools import partial
from math import exp, isfinite, log1p
from typing import Any

import numpy as np

from funcgrad import nn
from funcgrad.compat.torch.compilation_breaks import as_one
from funcgrad.compat.torch.dtypes import Size
from funcgrad.compat.torch.nn.common import (
    ENUM,
    entered,
    not_differentiable,
    reduced,
    reduction_of,
    scalar_name,
    value_of,
)
from funcgrad.compat.torch.nn.short import are_plain, short_loss, slope_times
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.summation import sum_of
from funcgrad.primitives.loss import bce_of_few

__all__ = ["binary_cross_entropy_with_logits"]

_NAME = "binary_cross_entropy_with_logits"


def _bce(z: Any, y: Any, *, weight: Any, pos_weight: Any, reduction: str) -> Any:
    """-(p y log σ(z) + (1 - y) log(1 - σ(z))), times the weight."""
    if weight is None and pos_weight is None:
        return nn.bce_with_logits(z, y, reduction)  # type: ignore[arg-type]  # one of the three
    logs = nn.log_sigmoid(z)
    if pos_weight is not None:
        logs = ((pos_weight - 1) * y + 1) * logs
    losses = (1 - y) * z - logs
    return reduced(losses if weight is None else losses * weight, reduction)


_F32, _F64 = np.dtype(np.float32), np.dtype(np.float64)
SPLIT = 2.0**29 + 1
FEW = 16
"""Up to so many elements a loop over Python floats is faster than NumPy's calls."""
CHAIN = 4
"""Up to so many elements are summed one after the other."""

bce_op = Op("BinaryCrossEntropyWithLogitsBackward0", _bce, promote="float")


_PURE = {
    reduction: partial(_bce, weight=None, pos_weight=None, reduction=reduction)
    for reduction in ENUM
}


def _of_few(z: Any, y: Any, mean: bool) -> tuple[Any, Any]:
    """The same as `_plain` for few float32 numbers, by a loop over Python floats.

    With c = (2²⁹ + 1) x, the number c - (c - x) is x rounded to 24 bits (T. J. Dekker, 1971).
    """
    losses = []
    slopes = []
    for logit, target in zip(z.ravel().tolist(), y.ravel().tolist(), strict=True):
        falling = exp(-abs(logit))
        c = SPLIT * falling
        logarithm = log1p(c - (c - falling))
        c = SPLIT * logarithm
        logarithm = c - (c - logarithm)
        if logit >= 0.0:
            slopes.append(1.0 / (1.0 + falling) - target)
        else:
            slopes.append(falling / (1.0 + falling) - target)
            logarithm -= logit
            c = SPLIT * logarithm
            logarithm = c - (c - logarithm)
        if target != 1.0:
            c = SPLIT * (1.0 - target)
            part = (c - (c - (1.0 - target))) * logit
            c = SPLIT * part
            logarithm += c - (c - part)
            c = SPLIT * logarithm
            logarithm = c - (c - logarithm)
        losses.append(logarithm)
    slope = np.array(slopes, _F32)
    if len(losses) > CHAIN:
        value = sum_of(np.array(losses, _F32))
    else:
        total = 0.0
        for loss in losses:
            total += loss
            c = SPLIT * total
            total = c - (c - total)
        value = np.float32(total)
    if mean:
        value /= np.float32(len(losses))
        slope /= len(losses)
    return value, slope if z.ndim == 1 else slope.reshape(z.shape)


def _plain(z: Any, y: Any, reduction: str) -> tuple[Any, Any]:
    """Losses, reduced, and their derivatives, rounded where PyTorch rounds them.

    In float32 the exponential and the logarithm are computed in double precision and rounded,
    which is within 1 ulp of any library's.
    """
    kind = z.dtype
    wide = z.astype(np.float64)
    falling = np.exp(-np.abs(wide))
    logs = np.log1p(falling.astype(kind).astype(np.float64)).astype(kind)
    with np.errstate(invalid="ignore"):
        losses = (1 - y) * z - (np.minimum(z, 0) - logs)
    # σ(z) = 1 / (1 + exp(-z)), by exponentials that do not overflow.
    slope = (np.where(wide >= 0, 1, falling) / (1 + falling)).astype(kind)
    slope -= y
    if reduction == "mean":
        slope /= z.size
    return reduced(losses, reduction), slope


@entered("binary_cross_entropy_with_logits")
@as_one
def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Any:
    """Mean of -(y log σ(z) + (1 - y) log(1 - σ(z))) for logits z and probabilities y.

    Args:
        input: logits.
        target: of the same size.
        weight: factor of each loss.
        size_average: deprecated.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".
        pos_weight: factor of the positive part, y log σ(z).
    """
    z, y = input._value, target._value
    if (
        weight is None
        and pos_weight is None
        and size_average is None
        and reduce is None
        and reduction in _PURE
        and not target._requires
        and are_plain(input, target)
    ):
        if z.size <= FEW and z.dtype is _F64 and reduction == "mean":
            value, slope = bce_of_few(z, y)
        elif z.size <= FEW and z.dtype is _F32 and reduction != "none":
            value, slope = _of_few(z, y, reduction == "mean")
            if not isfinite(value):
                value, slope = _plain(z, y, reduction)
        else:
            value, slope = _plain(z, y, reduction)
        return short_loss(
            bce_op.cls, _NAME, (input, target), value, slope, _PURE[reduction], slope_times
        )
    reduction = reduction_of(reduction, size_average, reduce)
    if z.shape != y.shape:
        raise ValueError(
            f"Target size ({Size(y.shape)!r}) must be the same as input size ({Size(z.shape)!r})"
        )
    if target.dtype.category < 2:
        raise RuntimeError(
            f"result type {scalar_name(input.dtype)} can't be cast to the desired output type "
            f"{scalar_name(target.dtype)}"
        )
    not_differentiable(_NAME, "weight", weight)
    not_differentiable(_NAME, "pos_weight", pos_weight)
    return bce_op(
        input,
        target,
        weight=value_of(weight),
        pos_weight=value_of(pos_weight),
        reduction=reduction,
    )
