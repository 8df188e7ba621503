"""Losses between an input and a target of the same size."""

import math
import warnings
from functools import partial
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad import nn, stop_gradient
from funcgrad.compat.torch.arguments import outside
from funcgrad.compat.torch.compilation_breaks import as_one, watched
from funcgrad.compat.torch.constructors import ones_like
from funcgrad.compat.torch.dtypes import Size
from funcgrad.compat.torch.grad_mode import no_grad
from funcgrad.compat.torch.nn.common import (
    ENUM,
    add_scalar,
    check_reduction,
    entered,
    mul_scalar,
    not_differentiable,
    reduced,
    reduced_tensor,
    reduction_of,
    scalar_name,
    value_of,
    warn_of_sizes,
)
from funcgrad.compat.torch.nn.short import are_plain, short_loss
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.outputs import only
from funcgrad.compat.torch.shapes import broadcast_tensors

__all__ = [
    "binary_cross_entropy",
    "gaussian_nll_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
    "soft_margin_loss",
]


# --- functions of values ----------------------------------------------------------------------


def _mse(x: Any, y: Any, *, reduction: str) -> Any:
    difference = x - y
    return reduced(difference * difference, reduction)


def _smooth_l1(x: Any, y: Any, *, reduction: str, beta: float) -> Any:
    z = fnp.abs(x - y)
    return reduced(fnp.where(z < beta, 0.5 * z * z / beta, z - 0.5 * beta), reduction)


def _huber(x: Any, y: Any, *, reduction: str, delta: float) -> Any:
    z = fnp.abs(x - y)
    return reduced(fnp.where(z <= delta, 0.5 * z * z, delta * (z - 0.5 * delta)), reduction)


def _binary_cross_entropy(x: Any, y: Any, *, weight: Any, reduction: str) -> Any:
    """-(y log x + (1 - y) log(1 - x)), logarithms at least -100, the derivative at most 1e12."""
    if x.dtype == np.float16:
        wide = _binary_cross_entropy(x.astype(np.float32), y, weight=weight, reduction=reduction)
        return wide.astype(np.float16)
    edge = x * (1 - x) < 1e-12
    inside = fnp.where(edge, x.dtype.type(0.5), x)
    with np.errstate(divide="ignore"):
        fixed = stop_gradient(x)
        at_edge = (y - 1) * fnp.maximum(fnp.log1p(-fixed), -100) - y * fnp.maximum(
            fnp.log(fixed), -100
        )
    steep = at_edge + (x - fixed) * ((fixed - y) * 1e12)
    losses = fnp.where(edge, steep, (y - 1) * fnp.log1p(-inside) - y * fnp.log(inside))
    return reduced(losses if weight is None else losses * weight, reduction)


def _soft_margin(x: Any, *, target: Any, reduction: str) -> Any:
    return reduced(nn.softplus(-x * target), reduction)


_PURE_MSE = {reduction: partial(_mse, reduction=reduction) for reduction in ENUM}
mse_op = Op("MseLossBackward0", _mse, promote="same", check=only("fc", "mse_cpu"))
smooth_l1_op = Op(
    "SmoothL1LossBackward0", _smooth_l1, promote="same", check=only("fc", "smooth_l1_cpu")
)
huber_op = Op("HuberLossBackward0", _huber, promote="same", check=only("fc", "huber_cpu"))
bce_op = Op("BinaryCrossEntropyBackward0", _binary_cross_entropy)
soft_margin_op = Op("SoftMarginLossBackward0", _soft_margin)


# --- the public functions ---------------------------------------------------------------------


def _expanded(input: Any, target: Any) -> tuple[Any, Any]:
    """Both in their common size, with a warning if the sizes differ."""
    if input._value.shape == target._value.shape:
        return input, target
    warn_of_sizes(input, target)
    first, second = broadcast_tensors(input, target)
    return first, second


def _weighted(losses: Any, weight: Any, reduction: str) -> Any:
    """Weighted losses; their mean is over the weights."""
    if weight._value.shape != losses._value.shape:
        raise ValueError("Weights and input must have the same size.")
    losses = losses * weight
    if reduction == "mean":
        return losses.sum() / weight.sum()
    return reduced_tensor(losses, reduction)


def _short_mse(input: Any, target: Any, reduction: str) -> Any:
    x, y = input._value, target._value
    difference = x - y
    value = reduced(difference * difference, reduction)
    slope = difference * x.dtype.type(2 / x.size if reduction == "mean" else 2)
    return short_loss(mse_op.cls, "mse_loss", (input, target), value, slope, _PURE_MSE[reduction])


@entered("mse_loss")
@as_one
def mse_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Any:
    """Mean (or sum, or each) of (x - y)²."""
    reduction = reduction_of(reduction, size_average, reduce)
    if input._value.shape != target._value.shape:
        input, target = _expanded(input, target)
    if weight is not None:
        return _weighted((input - target) ** 2, weight, reduction)
    if are_plain(input, target):
        return _short_mse(input, target, reduction)
    return mse_op(input, target, reduction=reduction)


@entered("l1_loss")
@as_one
def l1_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Any:
    """Mean (or sum, or each) of |x - y|."""
    reduction = reduction_of(reduction, size_average, reduce)
    input, target = _expanded(input, target)
    losses = (input - target).abs()
    if weight is not None:
        return _weighted(losses, weight, reduction)
    return reduced_tensor(losses, reduction)


@entered("smooth_l1_loss")
@as_one
def smooth_l1_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Any:
    """Mean of (x - y)² / (2 beta) where |x - y| < beta, else of |x - y| - beta / 2."""
    reduction = reduction_of(reduction, size_average, reduce)
    input, target = _expanded(input, target)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    if beta == 0:
        return reduced_tensor((input - target).abs(), reduction)
    return smooth_l1_op(input, target, reduction=reduction, beta=beta)


@entered("huber_loss")
@as_one
def huber_loss(
    input: Any,
    target: Any,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Any = None,
) -> Any:
    """Mean of (x - y)² / 2 where |x - y| <= delta, else of delta (|x - y| - delta / 2)."""
    check_reduction(reduction)
    input, target = _expanded(input, target)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    if weight is None:
        return huber_op(input, target, reduction=reduction, delta=delta)
    if weight._value.shape != input._value.shape:
        raise ValueError("Weights and input must have the same size.")
    losses = huber_op(input, target, reduction="none", delta=delta)
    return reduced_tensor(losses * weight, reduction)


@entered("binary_cross_entropy")
@as_one
def binary_cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """Mean of -(y log x + (1 - y) log(1 - x)) for probabilities x."""
    reduction = reduction_of(reduction, size_average, reduce)
    if input._value.shape != target._value.shape:
        raise ValueError(
            f"Using a target size ({Size(target._value.shape)!r}) that is different to the input "
            f"size ({Size(input._value.shape)!r}) is deprecated. Please ensure they have the same "
            "size."
        )
    for tensor in (target, weight):
        if tensor is not None and tensor.dtype is not input.dtype:
            raise RuntimeError(
                f"Found dtype {scalar_name(tensor.dtype)} but expected {scalar_name(input.dtype)}"
            )
    not_differentiable("binary_cross_entropy", "weight", weight)
    plain = watched(input._value)
    if not bool(np.all((plain >= 0) & (plain <= 1))):
        raise RuntimeError("all elements of input should be between 0 and 1")
    return bce_op(input, target, weight=value_of(weight), reduction=reduction)


_BATCHMEAN = (
    "reduction: 'mean' divides the total loss by both the batch size and the support size."
    "'batchmean' divides only by the batch size, and aligns with the KL div math definition."
    "'mean' will be changed to behave the same as 'batchmean' in the next major release."
)


@entered("kl_div")
@as_one
def kl_div(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Any:
    """Divergence Σ y (log y - x) of probabilities y from log-probabilities x."""
    if size_average is not None or reduce is not None:
        reduction = reduction_of(reduction, size_average, reduce)
    elif reduction == "mean":
        warnings.warn(_BATCHMEAN, UserWarning, stacklevel=outside())
    batchmean = reduction == "batchmean"
    if batchmean:
        reduction = "sum"
    check_reduction(reduction)
    if log_target:
        losses = target.exp() * (target - input)
    else:
        losses = target.xlogy(target) - target * input
    result = reduced_tensor(losses, reduction)
    if batchmean and input._value.ndim:
        result = result / input._value.shape[0]
    return result


@entered("poisson_nll_loss")
def poisson_nll_loss(
    input: Any,
    target: Any,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """Mean of exp(x) - y x, or of x - y log x; `full` adds Stirling's approximation of log y!."""
    reduction = reduction_of(reduction, size_average, reduce)
    if log_input:
        losses = input.exp() - target * input
    else:
        losses = input - target * add_scalar(input, other=eps).log()
    if full:
        stirling = (
            target * target.log()
            - target
            + mul_scalar(mul_scalar(target, other=2 * math.pi).log(), other=0.5)
        )
        losses = losses + stirling.masked_fill(target <= 1, 0)
    return reduced_tensor(losses, reduction)


def _variance(input: Any, var: Any) -> Any:
    """The variance as a tensor that broadcasts to the input along one axis at most."""
    if isinstance(var, float):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        return ones_like(input) * var
    shape, found = input._value.shape, var._value.shape
    if shape != found:
        if shape[:-1] == found:
            var = var.unsqueeze(-1)
        elif not (
            len(shape) == len(found)
            and sum(b for a, b in zip(shape, found, strict=True) if a != b) == 1
        ):
            raise ValueError("var is of incorrect size")
    if bool((var.detach() < 0).any()):
        raise ValueError("var has negative entry/entries")
    return var


@entered("gaussian_nll_loss")
def gaussian_nll_loss(
    input: Any,
    target: Any,
    var: Any,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Any:
    """Mean of (log v + (x - y)² / v) / 2, for v = var, at least eps."""
    var = _variance(input, var)
    check_reduction(reduction)
    var = var.clone()
    with no_grad():
        var.clamp_(min=eps)
    losses = 0.5 * (var.log() + (input - target) ** 2 / var)
    if full:
        losses = losses + 0.5 * math.log(2 * math.pi)
    return reduced_tensor(losses, reduction)


@entered("soft_margin_loss")
@as_one
def soft_margin_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """Mean of log(1 + exp(-y x)) for y in {-1, 1}."""
    reduction = reduction_of(reduction, size_average, reduce)
    not_differentiable("soft_margin_loss", "target", target)
    return soft_margin_op(input, target=value_of(target), reduction=reduction)
